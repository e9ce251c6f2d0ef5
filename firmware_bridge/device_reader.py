"""What a device of another maker says: its dialect's values to messages, with host times."""

from __future__ import annotations

from collections import deque
from statistics import fmean, median
from typing import Final, Literal

from firmware_bridge.board_clock import ONE_WAY, WRAP, BoardClock
from firmware_bridge.count_clock import CountClock
from firmware_bridge.link import Chunk
from firmware_bridge.messages import (
    Acknowledged,
    BoardFault,
    BoardStatus,
    ChannelInfo,
    ClockState,
    Heard,
    Identity,
    Message,
    ReaderCounters,
    SampleBlock,
)
from protocols.cablelink import MAJOR
from protocols.device import COMMANDS, Battery, Dialect, Done, LowBattery, Said, Samples, Version

UNKNOWN: Final = "?"  # a firmware that does not say its version
BACK: Final = 1_000_000  # us; a stamp so little behind the last is a repeated or an overtaken one
FORWARD: Final = 10_000_000  # us; one so far ahead is damaged, unless the next goes on from it
STEPS: Final = 9  # of which the usual one is the median
MISSING: Final = 1.75  # usual steps; a longer one has a gap in it
MOST_LOST: Final = 10_000  # samples; a gap beyond is one that says nothing of its length

Verdict = Literal["next", "repeated", "strange", "anew"]


class Stamps:
    """Which of a device's stamps go on from the last, and how many samples are missing between.

    One stamp that does not is dropped; a second one that goes on from that is a clock that began anew.
    """

    def __init__(self) -> None:
        self._last: int | None = None
        self._suspect: int | None = None
        self._steps: deque[int] = deque(maxlen=STEPS)
        self.lost = 0  # samples, since it was last set to 0

    def link_up(self) -> None:
        """What comes next follows nothing."""
        self._last = self._suspect = None

    def judge(self, ticks: int) -> Verdict:
        """What the next stamp is."""
        if self._last is None:
            self._last = ticks
            return "next"
        step = (ticks - self._last) % WRAP
        if 0 < step <= FORWARD:
            usual = median(self._steps) if len(self._steps) == STEPS else None
            if usual is not None and step > MISSING * usual:
                period = fmean(each for each in self._steps if each <= MISSING * usual)
                self.lost += min(round(step / period) - 1, MOST_LOST)
            else:
                self._steps.append(step)
            self._last, self._suspect = ticks, None
            return "next"
        if step == 0 or step >= WRAP - BACK:
            return "repeated"
        follows = self._suspect is not None and 0 < (ticks - self._suspect) % WRAP <= BACK
        self._suspect = ticks
        if not follows:
            return "strange"
        self._last, self._suspect = ticks, None
        return "anew"


class DeviceReader:
    """One link's bytes to messages."""

    def __init__(
        self, dialect: Dialect, *, has_clock: bool, one_way: float = ONE_WAY, experimental: bool = True
    ) -> None:
        """one_way: standard uncertainty of what a sample takes from its instant to its arrival at best, s."""
        self._dialect, self._experimental = dialect, experimental
        self._clock = BoardClock(one_way=one_way) if has_clock else None
        self._count = CountClock(dialect.rate_hz, one_way=one_way)
        self._stamps = Stamps()
        self._counters = ReaderCounters()
        self._channels = tuple(
            ChannelInfo(kind=each.kind, side=each.side, scale=each.scale, offset=0.0) for each in dialect.channels
        )
        self._has_position = any(each.kind == "position" for each in dialect.channels)
        self._firmware = UNKNOWN
        self._boots = 0
        self._links = 0
        self._is_known = False  # it has said since the link opened what it is
        self._faults: frozenset[BoardFault] = frozenset()

    def link_up(self) -> None:
        """The link opened."""
        self._dialect.reset()
        self._stamps.link_up()
        self._count.link_up()
        self._is_known = False
        self._faults = frozenset()  # a warning that still holds comes again
        self._links += 1
        if self._links > 1 and self._clock is None and self._has_position:
            self._boots += 1  # how far it turned meanwhile is not known

    def introduction(self) -> tuple[bytes, ...]:
        """None is needed: the configuration and its samples say what it is, but for the version of its firmware."""
        return ()

    @property
    def counters(self) -> ReaderCounters:
        """What has come in."""
        heard = self._dialect.counters
        self._counters.frames, self._counters.junk = heard.frames, heard.junk
        self._counters.malformed, self._counters.unknown = heard.malformed, heard.unknown
        return self._counters

    @property
    def clocks(self) -> dict[int, ClockState]:
        """The state of its clock, once it has said what it is."""
        if not self._links or not self._is_known:
            return {}
        return {0: self._count.state if self._clock is None else self._clock.state}

    def feed(self, chunk: Chunk) -> list[Message]:
        """Take bytes, return the messages that they completed, all stamped with this chunk's arrival."""
        messages: list[Message] = []
        for said in self._dialect.feed(chunk.data):
            messages += self._messages(said, chunk.received_at)
        return messages

    def _messages(self, said: Said, received_at: float) -> list[Message]:
        if isinstance(said, Samples):
            return self._samples(said, received_at)
        if isinstance(said, Version):
            self._firmware = said.text
            return [self._identity()]
        if isinstance(said, Done):
            if said.command == "start":
                self._stamps.link_up()  # its time begins with its capture
            return [Acknowledged(of_sequence=COMMANDS.index(said.command), command=0, result=0, value=0)]
        if isinstance(said, Battery):
            return [BoardStatus(source=0, battery_v=said.volts or None)]
        if isinstance(said, LowBattery):
            self._faults = frozenset({"low_battery"})
        return [Heard(source=0)]

    def _identity(self, *, restarted: bool = False) -> Identity:
        self._is_known = True
        return Identity(
            source=0,
            major=MAJOR,
            firmware=self._firmware,
            model=self._dialect.model,
            uid="",
            boot_id=self._boots,
            restarted=restarted,
            rate_hz=max(round(self._dialect.rate_hz), 1),
            batch=1,
            channels=self._channels,
            is_experimental=self._experimental,
        )

    def _samples(self, said: Samples, received_at: float) -> list[Message]:
        messages: list[Message] = [] if self._is_known else [self._identity()]
        if self._clock is None or said.ticks is None:
            for row in said.rows:
                t, lost = self._count.sample(received_at)
                messages += self._gone(lost)
                messages.append(self._block((t,), (row,), lost))
            return messages
        ticks: list[int] = []
        rows: list[tuple[int, ...]] = []
        for stamp, row in zip(said.ticks, said.rows, strict=True):
            verdict = self._stamps.judge(stamp)
            self._counters.repeated += verdict == "repeated"
            self._counters.damaged += verdict == "strange"
            if verdict == "anew":
                messages += self._placed(ticks, rows, received_at)
                ticks, rows = [], []
                messages += self._restarted()
            if verdict in ("next", "anew"):
                ticks.append(stamp)
                rows.append(row)
        messages += self._placed(ticks, rows, received_at)
        return messages or [Heard(source=0)]

    def _placed(self, ticks: list[int], rows: list[tuple[int, ...]], received_at: float) -> list[Message]:
        if not ticks:
            return []
        assert self._clock is not None
        lost, self._stamps.lost = self._stamps.lost, 0
        self._counters.lost += lost
        return [self._block(self._clock.stamped(ticks, received_at), tuple(rows), lost)]

    def _gone(self, lost: int) -> list[Message]:
        """Samples without a stamp are missing; a position that is summed up is not known any more."""
        self._counters.lost += lost
        return self._restarted() if lost else []

    def _restarted(self) -> list[Message]:
        """It counts afresh; of a device that reads force alone that takes nothing away."""
        if not self._has_position:
            return []
        self._boots += 1
        return [self._identity(restarted=True)]

    def _block(self, times: tuple[float, ...], rows: tuple[tuple[int, ...], ...], lost: int) -> SampleBlock:
        return SampleBlock(
            source=0,
            times=times,
            rows=rows,
            channels=self._channels,
            saturated=(False, False),
            lost_before=lost,
            faults=self._faults,
        )

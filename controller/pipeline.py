"""A station's whole path without a clock or a socket: recorded inputs in, events out.

The live runtime and the replay both use exactly this, so the replay of a live run's recording says the same.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from math import inf
from typing import Any, Final, get_args

import msgspec

from controller.calibration_file import CalibratedStation
from controller.core.settings import Identity
from controller.core.station import Station
from controller.listening import Listening
from controller.merge import Merge, Sample
from controller.rate_watch import RateWatch
from controller.station_views import side_health, station_health, station_info
from controller.troubles import Said, Troubles
from controller.wiring import Key, ProblemName, Wiring, wiring
from firmware_bridge.drivers import expected_rate, make_driver
from firmware_bridge.link import Chunk
from firmware_bridge.messages import BoardFault, BoardStatus, Message, SampleBlock
from firmware_bridge.messages import Identity as BoardIdentity
from protocols.events import SIDES, AnyEvent, Health, Info, Severity, State, Telemetry
from protocols.recording import (
    AboutIn,
    ChunkIn,
    CommandIn,
    Dropped,
    Header,
    Input,
    LinkDown,
    LinkUp,
    ProblemIn,
    RecordingError,
    Resumed,
    Tick,
)

TICK_LAG: Final = 1.0  # s; so far behind the host's time silence moves the core, since samples held up may still come
TICKS_APART: Final = 1.2  # s; one comes each second, so after a longer pause the gateway itself was held up
WIRING_PROBLEMS: Final[tuple[ProblemName, ...]] = get_args(ProblemName)
OTHER_VERSION: Final = "the recording's settings are of another version: {}"
FAULTS: Final[dict[BoardFault, Said]] = {
    "tare_active": ("info", "tares itself; its force is not to be believed"),
    "overrun": ("warning", "cannot keep up with its own samples; a lower rate_hz helps"),
    "low_battery": ("warning", "is low on battery"),
}


def settings_in(header: Header) -> CalibratedStation:
    """The configuration that a recording begins with. Raises RecordingError when it is of another version."""
    try:
        return msgspec.json.decode(header.settings, type=CalibratedStation)
    except (msgspec.MsgspecError, UnicodeDecodeError) as error:
        raise RecordingError(OTHER_VERSION.format(error)) from None


@dataclass(frozen=True, slots=True)
class _Instant:
    """The counts of one instant, with what was known of their source when they came."""

    row: tuple[int, ...]
    block: SampleBlock
    key: Key
    wiring: Wiring


class Pipeline:
    """One station, from the bytes of its boards to its events."""

    def __init__(self, header: Header) -> None:
        """Begin a session. Raises RecordingError when the header's settings are of another version."""
        self._config = settings_in(header)
        try:
            self._boards = {board.id: board for board in self._config.board}
            self._readers = {board.id: make_driver(board).reader for board in self._config.board}
        except ValueError as error:
            raise RecordingError(OTHER_VERSION.format(error)) from None
        self._anchor = header.monotonic_anchor
        self.station = Station(
            self._config.core(),
            Identity(
                recording=header.recording,
                session=header.session,
                first_seq=header.first_seq,
                first_set=header.first_set,
                first_session=header.first_session,
                unix_anchor=header.unix_anchor,
            ),
        )
        self._software = header.software
        self._merge: Merge[_Instant] = Merge()
        self._wirings: dict[Key, Wiring] = {}  # by what came last
        self._played: dict[Key, Wiring] = {}  # by what has been played; samples of before may still wait
        self._faults: dict[Key, frozenset[BoardFault]] = {}
        self._rates: dict[Key, RateWatch] = {}  # of those of whom it is known what they were asked for
        self._columns: dict[Key, list[tuple[str, int]]] = {}  # what feeds the core, of what has been played
        self._troubles = Troubles(self.station)
        self._problems: dict[tuple[str, str], None] = {}  # of the links and the recorder, as name and board
        self._statuses: dict[Key, BoardStatus] = {}
        self._abouts: dict[str, AboutIn] = {}
        self._up: dict[str, bool] = {board.id: False for board in self._config.board}
        self._listening = Listening()
        self._listened = -inf  # host s up to which all that was said has been heard
        self._is_after_tick = False
        self._t = 0.0
        self.heard: Callable[[float, Wiring, tuple[int, ...]], None] | None = None
        """Told of every instant as the core is: stream time in s, what its source measures, its counts."""

    # -- inputs

    def feed(self, record: Input) -> list[Message]:
        """Take one recorded input; returns the messages that a chunk completed.

        Raises RecordingError for a board that the header does not name.
        """
        now = record.received_at
        self._listen(record)
        if isinstance(record, ChunkIn | LinkUp | AboutIn | LinkDown) and record.board not in self._readers:
            raise RecordingError(f"there is input from a board {record.board!r}, which the header does not name")
        if isinstance(record, ChunkIn):
            return self._chunk(record)
        if isinstance(record, Tick):
            self._play(self._merge.release(now))
            self._advance(self._listened - TICK_LAG)
            self._align()
        elif isinstance(record, LinkUp):
            self._readers[record.board].link_up()
            self._link(record.board, now, up=True)
        elif isinstance(record, AboutIn):
            self._abouts[record.board] = record
        elif isinstance(record, LinkDown):
            self._play(self._merge.down(record.board, now=now))
            self._link(record.board, now, up=False)
        elif isinstance(record, CommandIn):
            self.command(record)
        elif isinstance(record, ProblemIn):
            self._problem(record)
        elif isinstance(record, Dropped):
            text = f"{record.bytes} bytes could not be recorded; is the disk full or slow?"
            self._troubles.say(self._stream(now), "recording_gap", "", ("error", text))
        elif isinstance(record, Resumed):
            self._resume(now)
        return []

    def command(self, record: CommandIn) -> str | None:
        """Carry out a command. Returns None when done, else why it is refused."""
        self._listen(record)
        fields: dict[str, Any] = msgspec.json.decode(record.payload)
        return self.station.command(self._stream(record.received_at), record.name, fields)

    def finish(self, *, interrupted: bool = False) -> None:
        """The session is over; interrupted: nobody ended it."""
        self._play(self._merge.release(float("inf")))
        self.station.finish(interrupted=interrupted)

    def events(self) -> list[AnyEvent]:
        """The events since the last call."""
        return self.station.drain()

    # -- the way of a sample

    def _chunk(self, record: ChunkIn) -> list[Message]:
        messages = self._readers[record.board].feed(Chunk(record.received_at, record.data))
        for message in messages:
            if isinstance(message, BoardIdentity):
                self._identified(Key(record.board, message.source), message, record.received_at)
            elif isinstance(message, SampleBlock):
                self._samples(Key(record.board, message.source), message, record.received_at)
            elif isinstance(message, BoardStatus):
                self._statuses[Key(record.board, message.source)] = message
        return messages

    def _samples(self, key: Key, block: SampleBlock, received_at: float) -> None:
        known = self._wirings[key]
        instants = [_Instant(row, block, key, known) for row in block.rows]
        self._play(self._merge.add(key, block.times, instants, now=received_at))

    def _play(self, samples: Iterable[Sample[_Instant]]) -> None:
        for sample in samples:
            t, instant = sample.t - self._anchor, sample.item
            if t < self._t:
                self._merge.late += 1
                continue
            self._t = t
            if self._played.get(instant.key) is not instant.wiring:
                self._rewire(instant.key, instant.wiring, t)
            if instant.block.faults != self._faults.get(instant.key, frozenset()):
                self._board_faults(instant, t)
            self._feed(instant, t)
            rate = self._rates.get(instant.key)
            if rate is not None and rate.sample(t):
                self._rate_said(instant.key, rate, t)

    def _feed(self, instant: _Instant, t: float) -> None:
        if self.heard is not None:
            self.heard(t, instant.wiring, instant.row)
        values: dict[str, Any] = {}
        for name, column in self._columns[instant.key]:
            values[name] = float(instant.row[column])
        for said, saturated in zip(SIDES, instant.block.saturated, strict=True):
            side = instant.wiring.side_of("force", said) if saturated else None
            if side is not None:
                values[f"{side}_saturated"] = True
        self.station.feed(t, **values)

    # -- time

    def _advance(self, host: float) -> None:
        oldest = self._merge.oldest
        t = (host if oldest is None else min(host, oldest)) - self._anchor
        if t > self._t:
            self._t = t
            self.station.advance(t)

    def _stream(self, host: float) -> float:
        """Stream time of something that is no sample: not before what has been played, not past what waits."""
        self._advance(min(host, self._listened) - TICK_LAG)
        return self._t

    def _listen(self, record: Input) -> None:
        pause = TICKS_APART if self._is_after_tick else TICK_LAG
        self._listening.hear(record.received_at, pause=pause)
        self._listened = self._listening.until(record.received_at)
        self._is_after_tick = isinstance(record, Tick)

    def _align(self) -> None:
        """Tell the core how well the sides' clocks agree, where each side has a clock of its own."""
        clocks: dict[str, tuple[Key, float]] = {}
        for key, known in self._wirings.items():
            clock = self._readers[key.board].clocks.get(key.source)
            for side in known.sides if clock is not None else ():
                assert clock is not None
                clocks[side] = (key, clock.uncertainty)
        if len(clocks) == len(SIDES) and clocks["left"][0] != clocks["right"][0]:
            self.station.clock(uncertainty_s=(clocks["left"][1] ** 2 + clocks["right"][1] ** 2) ** 0.5)

    # -- what the boards are

    def _identified(self, key: Key, identity: BoardIdentity, received_at: float) -> None:
        identity = replace(identity, restarted=False)  # the boot_id says it
        self._merge.expect(key)
        known = self._wirings.get(key)
        if known is not None and known.identity == identity:
            return
        others = [each for other, each in self._wirings.items() if other != key]
        taken = {(wire.side, wire.kind) for each in others for wire in each.wires}
        self._wirings[key] = found = wiring(self._config, key, identity, taken=taken)
        t = self._stream(received_at)
        if known is None:
            self._rewire(key, found, t)
        for name in WIRING_PROBLEMS:
            detail = found.problems.get(name)
            severity: Severity = "info" if name == "side_differs" else "error"
            self._troubles.say(t, name, f"{key.board}/{key.source}", (severity, detail) if detail is not None else None)

    def _rewire(self, key: Key, found: Wiring, t: float) -> None:
        """From here on the samples of a source are of this boot and these channels."""
        before = self._played.get(key)
        self._played[key] = found
        self._watch_rate(key, found.identity, t)
        self._columns[key] = [(f"{wire.side}_{wire.kind}", wire.column) for wire in found.wires]
        for wire in found.wires if before is None or before.wires != found.wires else ():
            if wire.kind == "force":
                self.station.calibrate(wire.side, force=wire.calibration)
            else:
                self.station.calibrate(wire.side, position=wire.calibration)
        for side in found.sides:
            self.station.describe(side, firmware=found.identity.firmware)
            if before is not None and before.identity.boot_id != found.identity.boot_id:
                self.station.restarted(side, t=t)

    def _watch_rate(self, key: Key, identity: BoardIdentity, t: float) -> None:
        before = self._rates.pop(key, None)
        asked = expected_rate(self._boards[key.board], identity)
        if asked is not None:
            self._rates[key] = RateWatch(asked)
        if before is not None and before.off is not None:
            self._troubles.say(t, "rate_differs", str(key), None)

    def _board_faults(self, instant: _Instant, t: float) -> None:
        """What a board says of itself with its samples has changed."""
        key, now = instant.key, instant.block.faults
        for name in sorted(now ^ self._faults.get(key, frozenset())):
            if name in FAULTS:
                severity, text = FAULTS[name]
                self._troubles.say(t, name, str(key), (severity, f"board {key.board} {text}") if name in now else None)
            side = instant.wiring.side_of("position", "left" if name == "encoder_fault_left" else "right")
            if name.startswith("encoder_fault") and side is not None:
                self.station.fault(
                    t, "encoder_fault", raised=name in now, severity="error", side=side,
                    detail=f"the {side} encoder reports a fault; its position is not to be believed",
                )  # fmt: skip
        self._faults[key] = now

    def _rate_said(self, key: Key, rate: RateWatch, t: float) -> None:
        """A board has begun to keep another rate than it was asked for, or ceased to."""
        said: Said | None = None
        if rate.off is not None:
            text = f"board {key.board} takes {rate.off:.4g} samples a second, {rate.asked:g} were asked for"
            said = ("warning", f"{text}; is its timer set up right, and rate_hz?")
        self._troubles.say(t, "rate_differs", str(key), said)

    def _link(self, board: str, now: float, *, up: bool) -> None:
        self._up[board] = up
        for key, rate in self._rates.items():
            if key.board == board:
                was_off = rate.off is not None
                rate.reset()
                if was_off:
                    self._rate_said(key, rate, self._stream(now))
        if any(key.board == board and known.sides for key, known in self._wirings.items()):
            self.station.advance(self._stream(now))

    def _problem(self, record: ProblemIn) -> None:
        said: Said | None = (record.severity, record.detail) if record.raised else None
        self._troubles.say(self._stream(record.received_at), record.name, record.board, said)
        if record.raised:
            self._problems[record.name, record.board] = None
        else:
            self._problems.pop((record.name, record.board), None)

    def _resume(self, now: float) -> None:
        """The program was killed: its links went with it, and what stood in their way is to be found anew."""
        for board in self._up:
            self._play(self._merge.down(board, now=now))
            self._up[board] = False
        t = self._stream(now)
        self.station.advance(t)
        for name, whose in tuple(self._problems):
            self._troubles.say(t, name, whose, None)
        self._problems.clear()

    # -- views

    def state(self) -> State:
        """Where the station stands."""
        return self.station.state()

    def telemetry(self) -> Telemetry:
        """The cables as they are."""
        return self.station.telemetry()

    def introductions(self, *, also_down: bool = False) -> tuple[tuple[str, tuple[bytes, ...]], ...]:
        """The boards that are up, each with the chunks from which a new pipeline learns what it is.

        also_down: those as well that were up before and are known.
        """
        known = {board: self._readers[board].introduction() for board in self._up}
        return tuple((board, chunks) for board, chunks in known.items() if self._up[board] or (also_down and chunks))

    @property
    def t(self) -> float:
        """Stream time up to which everything has been played, s."""
        return self._t

    @property
    def waiting_since(self) -> float | None:
        """Stream time of the first sample that waits for another board, s."""
        return None if self._merge.oldest is None else self._merge.oldest - self._anchor

    @property
    def late(self) -> int:
        """Samples dropped because time had gone on without them."""
        return self._merge.late

    @property
    def online(self) -> bool:
        """Whether every board's link is up and known."""
        return all(self._up.values()) and {key.board for key in self._wirings} == set(self._up)

    @property
    def links(self) -> dict[str, bool]:
        """Which boards' links are up."""
        return dict(self._up)

    def info(self) -> Info:
        """What the station is made of."""
        return station_info(self._config, self.station, self._wirings, self._abouts, software=self._software)

    def health(self) -> Health:
        """How well the boards are heard."""
        health = station_health(
            self.station,
            self._readers.values(),
            self._statuses.values(),
            self._abouts.values(),
            links=self._up,
            samples_late=self.late,
        )
        return msgspec.structs.replace(health, **side_health(self.station, self._readers, self._wirings))

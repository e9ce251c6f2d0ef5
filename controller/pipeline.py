"""A station's whole path without a clock or a socket: recorded inputs in, events out.

The live runtime and the replay both use exactly this, so the replay of a live run's recording says the same.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from math import inf
from typing import Any, Final

import msgspec

from controller.calibration_file import CalibratedStation
from controller.core.settings import Identity
from controller.core.station import Station
from controller.listening import Listening
from controller.merge import Merge, Sample
from controller.sources import Instant, Sources
from controller.station_views import side_health, station_health, station_info
from controller.troubles import Said, Troubles
from controller.wiring import Key, Wiring
from firmware_bridge.drivers import make_driver
from firmware_bridge.link import Chunk
from firmware_bridge.messages import BoardStatus, Message, SampleBlock
from firmware_bridge.messages import Identity as BoardIdentity
from protocols.events import SIDES, AnyEvent, Health, Info, State, Telemetry
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
OTHER_VERSION: Final = "the recording's settings are of another version: {}"


def settings_in(header: Header) -> CalibratedStation:
    """The configuration that a recording begins with. Raises RecordingError when it is of another version."""
    try:
        return msgspec.json.decode(header.settings, type=CalibratedStation)
    except (msgspec.MsgspecError, UnicodeDecodeError) as error:
        raise RecordingError(OTHER_VERSION.format(error)) from None


class Pipeline:
    """One station, from the bytes of its boards to its events."""

    def __init__(self, header: Header) -> None:
        """Begin a session. Raises RecordingError when the header's settings are of another version."""
        self._config = settings_in(header)
        try:
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
        self._merge: Merge[Instant] = Merge()
        self._troubles = Troubles(self.station)
        self._sources = Sources(self._config, self.station, self._troubles)
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
            self._play(self._merge.release(self._listened))
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
        self._play(self._merge.add(key, block.times, self._sources.instants(key, block), now=received_at))

    def _play(self, samples: Iterable[Sample[Instant]]) -> None:
        for sample in samples:
            t, instant = sample.t - self._anchor, sample.item
            if t < self._t:
                self._merge.late += 1
                continue
            self._t = t
            values = self._sources.play(instant, t)
            if self.heard is not None:
                self.heard(t, instant.wiring, instant.row)
            self.station.feed(t, **values)
            self._sources.played(instant.key, t)

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
        for key, known in self._sources.wirings.items():
            clock = self._readers[key.board].clocks.get(key.source)
            for side in known.sides if clock is not None else ():
                assert clock is not None
                clocks[side] = (key, clock.uncertainty)
        if len(clocks) == len(SIDES) and clocks["left"][0] != clocks["right"][0]:
            self.station.clock(uncertainty_s=(clocks["left"][1] ** 2 + clocks["right"][1] ** 2) ** 0.5)

    # -- the boards and their links

    def _identified(self, key: Key, identity: BoardIdentity, received_at: float) -> None:
        self._merge.expect(key)
        found = self._sources.identified(key, identity)
        if found is not None:
            self._sources.introduced(key, found, self._stream(received_at))

    def _link(self, board: str, now: float, *, up: bool) -> None:
        self._up[board] = up
        for key in self._sources.forget_rates(board):
            self._sources.rate_said(key, self._stream(now))
        if self._sources.reads_a_side(board):
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
    def late(self) -> int:
        """Samples dropped because time had gone on without them."""
        return self._merge.late

    @property
    def online(self) -> bool:
        """Whether every board's link is up and known."""
        return all(self._up.values()) and {key.board for key in self._sources.wirings} == set(self._up)

    @property
    def links(self) -> dict[str, bool]:
        """Which boards' links are up."""
        return dict(self._up)

    def info(self) -> Info:
        """What the station is made of."""
        return station_info(self._config, self.station, self._sources.wirings, self._abouts, software=self._software)

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
        return msgspec.structs.replace(health, **side_health(self.station, self._readers, self._sources.wirings))

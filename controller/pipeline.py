"""A station's whole path without a clock or a socket: recorded inputs in, events out.

The live runtime and the replay both use exactly this, so the replay of a live run's recording says the same.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, Final

import msgspec

from controller.config import ChannelConfig, StationConfig
from controller.core.settings import ChannelCalibration, Identity
from controller.core.station import ALGORITHM, Station
from controller.merge import Key, Merge, Waiting
from firmware_bridge.drivers import make_driver
from firmware_bridge.link import Chunk
from firmware_bridge.messages import Acknowledged, BoardStatus, ChannelInfo, Message, SampleBlock
from firmware_bridge.messages import Identity as BoardIdentity
from protocols.events import SIDES, UNITS, AnyEvent, Health, Info, Side, State, Telemetry
from protocols.recording import ChunkIn, CommandIn, Dropped, Header, Input, LinkDown, LinkUp, ProblemIn, Tick

TICK_LAG: Final = 0.2  # s; so far behind the host's time a tick moves the core, since samples may still come


class Pipeline:
    """One station, from the bytes of its boards to its events."""

    def __init__(self, header: Header) -> None:
        """Begin a session. Raises msgspec.ValidationError when the header's settings are of another version."""
        self._config = msgspec.json.decode(header.settings, type=StationConfig)
        self._anchor = header.monotonic_anchor
        self.station = Station(
            self._config.core(),
            Identity(
                recording=header.recording,
                session=header.session,
                first_seq=header.first_seq,
                first_set=header.first_set,
                unix_anchor=header.unix_anchor,
            ),
        )
        self._software = header.software
        self._readers = {board.id: make_driver(board.driver).reader for board in self._config.board}
        self._merge = Merge()
        self._identities: dict[Key, BoardIdentity] = {}
        self._places: dict[Key, list[str | None]] = {}  # which side's channel each of a source's columns is
        self._statuses: dict[Key, BoardStatus] = {}
        self._up: dict[str, bool] = {board.id: False for board in self._config.board}
        self._unknown_sides: set[Key] = set()
        self._t = 0.0

    # -- inputs

    def feed(self, record: Input) -> list[Message]:
        """Take one recorded input; returns the messages that a chunk completed."""
        now = record.received_at
        if isinstance(record, ChunkIn):
            return self._chunk(record)
        if isinstance(record, Tick):
            self._play(self._merge.release(now))
            self._advance(now - TICK_LAG)
            self._align()
        elif isinstance(record, LinkUp):
            self._readers[record.board].link_up()
            self._up[record.board] = True
        elif isinstance(record, LinkDown):
            self._play(self._merge.down(record.board, now=now))
            self._up[record.board] = False
            for side in self._sides_of(record.board):
                self.station.link(side, t=self._stream(now), up=False)
        elif isinstance(record, CommandIn):
            self.command(record)
        elif isinstance(record, ProblemIn):
            self.station.fault(
                self._stream(now), record.name, raised=record.raised, severity=record.severity, detail=record.detail
            )
        elif isinstance(record, Dropped):
            self.station.fault(
                self._stream(now), "recording_gap", raised=True, severity="error",
                detail=f"{record.bytes} bytes could not be recorded; is the disk full or slow?",
            )  # fmt: skip
        return []

    def command(self, record: CommandIn) -> str | None:
        """Carry out a command. Returns None when done, else why it is refused."""
        fields: dict[str, Any] = msgspec.json.decode(record.payload)
        return self.station.command(self._stream(record.received_at), record.name, fields)

    def finish(self) -> None:
        """The session is over."""
        self._play(self._merge.release(float("inf")))
        self.station.finish()

    def events(self) -> list[AnyEvent]:
        """The events since the last call."""
        return self.station.drain()

    # -- the way of a sample

    def _chunk(self, record: ChunkIn) -> list[Message]:
        messages = self._readers[record.board].feed(Chunk(record.received_at, record.data))
        for message in messages:
            if isinstance(message, Acknowledged):
                continue
            key = (record.board, message.source)
            if isinstance(message, BoardIdentity):
                self._identified(key, message, record.received_at)
            elif isinstance(message, SampleBlock):
                self._play(self._merge.add(key, message, now=record.received_at))
            elif isinstance(message, BoardStatus):
                self._statuses[key] = message
        return messages

    def _play(self, samples: Iterable[Waiting]) -> None:
        for sample in samples:
            places = self._places.get(sample.key)
            if places is None:
                continue
            values = {place: float(n) for place, n in zip(places, sample.row, strict=True) if place is not None}
            t = sample.t - self._anchor
            if t < self._t:
                self._merge.late += 1
                continue
            self._t = t
            left, right = sample.block.saturated
            self.station.feed(
                t,
                left_position=values.get("left_position"),
                left_force=values.get("left_force"),
                right_position=values.get("right_position"),
                right_force=values.get("right_force"),
                left_saturated=left,
                right_saturated=right,
            )

    def _advance(self, host: float) -> None:
        oldest = self._merge.oldest
        t = (host if oldest is None else min(host, oldest)) - self._anchor
        if t > self._t:
            self._t = t
            self.station.advance(t)

    def _stream(self, host: float) -> float:
        """Stream time of something that is no sample: not before what has been played, not past what waits."""
        self._advance(host - TICK_LAG)
        return self._t

    # -- who reads what

    def _identified(self, key: Key, identity: BoardIdentity, received_at: float) -> None:
        known = self._identities.get(key)
        self._identities[key] = identity
        if known is not None and known.channels == identity.channels:
            if identity.restarted:
                self._play(self._merge.down(key[0], now=received_at))
                for side in self._sides_of(key[0]):
                    self.station.link(side, t=self._stream(received_at), up=True, restarted=True)
            return
        self._places[key] = [self._place(key, number, info) for number, info in enumerate(identity.channels)]
        for number, (place, info) in enumerate(zip(self._places[key], identity.channels, strict=True)):
            if place is None:
                continue
            which: Side = "left" if place.startswith("left") else "right"
            calibration = self._calibration(self._configured(key, number), info)
            if info.kind == "force":
                self.station.calibrate(which, force=calibration)
            else:
                self.station.calibrate(which, position=calibration)
            self.station.describe(which, firmware=identity.firmware)
        if all(place is None for place in self._places[key]) and key not in self._unknown_sides:
            self._unknown_sides.add(key)
            self.station.fault(
                self._stream(received_at), "side_unknown", raised=True, severity="error",
                detail=f"board {key[0]} does not say which side it reads; name its channels under [station.left] "
                "and [station.right]",
            )  # fmt: skip

    def _configured(self, key: Key, number: int) -> tuple[Side, ChannelConfig] | None:
        for side in SIDES:
            config = self._config.left if side == "left" else self._config.right
            for channel in (config.force, config.position) if config is not None else ():
                if channel is not None and (channel.board, channel.source, channel.channel) == (*key, number):
                    return side, channel
        return None

    def _place(self, key: Key, number: int, info: ChannelInfo) -> str | None:
        configured = self._configured(key, number)
        if configured is not None:
            return f"{configured[0]}_{info.kind}"
        if self._config.left is not None or self._config.right is not None:
            return None  # the configuration says it all
        return f"{info.side}_{info.kind}" if info.side is not None else None

    @staticmethod
    def _calibration(configured: tuple[Side, ChannelConfig] | None, info: ChannelInfo) -> ChannelCalibration:
        nominal = ChannelCalibration(zero=info.offset, span=info.scale)
        if configured is None:
            return nominal
        channel = configured[1]
        calibration = channel.calibration if channel.calibration is not None else nominal
        return msgspec.structs.replace(calibration, span=calibration.span * channel.ratio)

    def _sides_of(self, board: str) -> list[Side]:
        places = {place for key, found in self._places.items() if key[0] == board for place in found if place}
        return [side for side in SIDES if any(place.startswith(side) for place in places)]

    def _align(self) -> None:
        """Tell the core how well the sides' clocks agree, where each side has a clock of its own."""
        clocks = {}
        for key, places in self._places.items():
            clock = self._readers[key[0]].clocks.get(key[1])
            for side in SIDES:
                if clock is not None and any(place is not None and place.startswith(side) for place in places):
                    clocks[side] = (key, clock.uncertainty)
        if len(clocks) == len(SIDES) and clocks["left"][0] != clocks["right"][0]:
            self.station.clock(uncertainty_s=(clocks["left"][1] ** 2 + clocks["right"][1] ** 2) ** 0.5)

    # -- views

    def state(self) -> State:
        """Where the station stands."""
        return self.station.state()

    def telemetry(self) -> Telemetry:
        """The cables as they are."""
        return self.station.telemetry()

    @property
    def online(self) -> bool:
        """Whether every board's link is up and known."""
        return all(self._up.values()) and {key[0] for key in self._identities} == set(self._up)

    @property
    def links(self) -> dict[str, bool]:
        """Which boards' links are up."""
        return dict(self._up)

    def info(self) -> Info:
        """What the station is made of."""
        left, right = self.station.view("left"), self.station.view("right")
        return Info(
            ts=self.station.ts,
            station=self._config.id,
            name=self._config.name,
            sides=[side for side in SIDES if self.station.view(side) is not None],
            left_sample_hz=left.hz if left is not None else None,
            right_sample_hz=right.hz if right is not None else None,
            left_calibration=left.calibration if left is not None else None,
            right_calibration=right.calibration if right is not None else None,
            left_calibration_date=left.calibrated if left is not None else None,
            right_calibration_date=right.calibrated if right is not None else None,
            boards=",".join(
                f"{board}:{identity.model}:{identity.firmware}" for (board, _), identity in self._identities.items()
            ),
            software=self._software,
            algorithm=ALGORITHM,
            units=UNITS,
        )

    def health(self, *, recorder_dropped: int, outbox_depth: int | None, telemetry_dropped: int | None) -> Health:
        """How well the boards are heard, and what the outputs hold."""
        counters = [reader.counters for reader in self._readers.values()]
        clocks = [clock for reader in self._readers.values() for clock in reader.clocks.values()]
        batteries = [status.battery_v for status in self._statuses.values() if status.battery_v > 0.0]
        signals = [status.rssi_dbm for status in self._statuses.values() if status.rssi_dbm != 0]
        left, right = self.station.view("left"), self.station.view("right")
        return Health(
            ts=self.station.ts,
            left_sample_hz=left.hz if left is not None else None,
            right_sample_hz=right.hz if right is not None else None,
            link=",".join(f"{board}={'up' if up else 'down'}" for board, up in self._up.items()),
            frames_lost=sum(each.lost for each in counters),
            frames_damaged=sum(each.damaged for each in counters),
            jitter_ms=round(max(clock.jitter for clock in clocks) * 1000.0, 3) if clocks else None,
            clock_uncertainty_ms=round(max(c.uncertainty for c in clocks) * 1000.0, 3) if clocks else None,
            clock_skew_ppm=round(max(clocks, key=lambda c: abs(c.skew_ppm)).skew_ppm, 2) if clocks else None,
            battery_v=min(batteries, default=None),
            rssi_dbm=min(signals, default=None),
            recorder_dropped_bytes=recorder_dropped,
            outbox_depth=outbox_depth,
            telemetry_dropped=telemetry_dropped,
        )

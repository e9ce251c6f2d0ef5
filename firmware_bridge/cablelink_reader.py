"""What a board that speaks cablelink says: bytes to messages."""

from __future__ import annotations

from math import isfinite
from typing import Final, Literal

from firmware_bridge.board_clock import BoardClock
from firmware_bridge.link import Chunk
from firmware_bridge.messages import (
    Acknowledged,
    BoardEvent,
    BoardFault,
    BoardLog,
    BoardStatus,
    ChannelInfo,
    ClockState,
    Heard,
    Identity,
    Message,
    ReaderCounters,
    SampleBlock,
    Unplaced,
)
from protocols import cablelink, framing
from protocols.cablelink import ChannelSide, EventCode, Kind, SampleStatus

MAJOR: Final = cablelink.MAJOR
SEQUENCES: Final = 1 << 16
LATE_FRAMES: Final = 64  # so far back a frame is a repeated or overtaken one; further back, the board counts afresh
MASKED: Final = 8  # channels that START's mask can name

_KINDS: Final[dict[int, Literal["force", "position"]]] = {Kind.FORCE: "force", Kind.POSITION: "position"}
_SIDES: Final[dict[int, Literal["left", "right"] | None]] = {ChannelSide.LEFT: "left", ChannelSide.RIGHT: "right"}
_EVENTS: Final[dict[int, Literal["button", "limit_reached"]]] = {
    EventCode.BUTTON: "button",
    EventCode.LIMIT_REACHED: "limit_reached",
}
_FAULTS: Final[dict[int, BoardFault]] = {
    SampleStatus.ENCODER_LEFT_FAULT: "encoder_fault_left",
    SampleStatus.ENCODER_RIGHT_FAULT: "encoder_fault_right",
    SampleStatus.TARE_ACTIVE: "tare_active",
    SampleStatus.OVERRUN: "overrun",
    SampleStatus.LOW_BATTERY: "low_battery",
}


class CablelinkReader:
    """One link's bytes to messages. What it knows follows from the chunks alone, however they were cut.

    On a link that carries messages INFO may have been read on its own, beside the stream. So its sequence is no place
    in the stream there: the next message begins the count afresh.
    """

    def __init__(self, wire: framing.Wire = "stream") -> None:
        self._decoder: framing.Decoder = framing.FrameDecoder() if wire == "stream" else framing.BodyDecoder()
        self._info_is_apart = wire == "messages"
        self._infos: dict[int, bytes] = {}  # each source's INFO, as it came
        self._counters = ReaderCounters()
        self._sequence: dict[int, int] = {}  # of each source's last frame
        self._lost: dict[int, int] = {}  # frames, since each source's last samples
        self._identities: dict[int, Identity] = {}
        self._columns: dict[int, tuple[int, list[int]]] = {}  # how many a row has, and those that we know
        self._confirmed: set[int] = set()  # sources that have said since the link opened what they are
        self._clocks: dict[int, BoardClock] = {}

    def link_up(self) -> None:
        """The link opened: half a frame is worth nothing, and the board may be another one by now."""
        self._decoder.reset()
        self._sequence.clear()
        self._lost.clear()
        self._confirmed.clear()

    def introduction(self) -> tuple[bytes, ...]:
        """The INFO of each source that has said what it is."""
        known = [self._infos[source] for source in sorted(self._confirmed)]
        return tuple(known if self._info_is_apart else (framing.encode(body) for body in known))

    @property
    def counters(self) -> ReaderCounters:
        """What has come in."""
        framed = self._decoder.counters
        self._counters.damaged, self._counters.junk = framed.damaged, framed.junk
        return self._counters

    @property
    def clocks(self) -> dict[int, ClockState]:
        """The state of each source's clock."""
        return {source: clock.state for source, clock in self._clocks.items()}

    def feed(self, chunk: Chunk) -> list[Message]:
        """Take bytes, return the messages that they completed, all stamped with this chunk's arrival."""
        messages = []
        for body in self._decoder.feed(chunk.data):
            try:
                said = cablelink.decode(body)
            except cablelink.MessageError:
                self._counters.malformed += 1
                continue
            if isinstance(said, cablelink.Info):
                self._infos[said.source] = body
            message = self._message(said, chunk.received_at)
            if message is not None:
                messages.append(message)
        return messages

    def _message(self, said: cablelink.Message, received_at: float) -> Message | None:
        self._counters.frames += 1
        if isinstance(said, cablelink.Info):
            return self._info(said)
        if self._is_repeated(said):
            return None
        if isinstance(said, cablelink.Samples):
            return self._samples(said, received_at)
        if isinstance(said, cablelink.Pong) and said.source in self._confirmed:
            self._clocks[said.source].answer(said.t_us, said.host_ns * 1e-9, received_at)
        self._counters.unknown += isinstance(said, cablelink.Unknown)
        return _report(said)

    def _is_repeated(self, said: cablelink.Message) -> bool:
        """Count what is missing before a frame; True when it came twice or too late."""
        last = self._sequence.get(said.source)
        step = 1 if last is None else (said.sequence - last) % SEQUENCES
        if step == 0 or step > SEQUENCES - LATE_FRAMES:
            self._counters.repeated += 1
            return True
        self._sequence[said.source] = said.sequence
        if step < SEQUENCES // 2:  # else the board counts afresh, and how many are missing is not known
            self._counters.lost += step - 1
            self._lost[said.source] = self._lost.get(said.source, 0) + step - 1
        return False

    def _info(self, said: cablelink.Info) -> Identity | None:
        known = self._identities.get(said.source)
        restarted = known is not None and known.boot_id != said.boot_id
        if not all(isfinite(c.scale) and isfinite(c.offset) and c.scale != 0.0 for c in said.channels):
            self._counters.malformed += 1
            return None
        if self._info_is_apart:
            self._sequence.pop(said.source, None)
        elif known is None or restarted:
            self._sequence[said.source] = said.sequence
        elif self._is_repeated(said):
            return None
        if known is None or restarted:
            self._lost[said.source] = 0
        columns = [k for k, c in enumerate(said.channels[:MASKED]) if c.kind in _KINDS]
        identity = Identity(
            source=said.source,
            major=said.major,
            firmware=f"{said.firmware >> 16}.{said.firmware >> 8 & 0xFF}.{said.firmware & 0xFF}",
            model=said.model,
            uid=said.uid.hex(),
            boot_id=said.boot_id,
            restarted=restarted,
            rate_hz=said.rate_hz,
            batch=said.batch,
            channels=tuple(
                ChannelInfo(kind=_KINDS[c.kind], side=_SIDES.get(c.side), scale=c.scale, offset=c.offset)
                for c in (said.channels[k] for k in columns)
            ),
        )
        if said.major != MAJOR:
            return identity  # to be refused; what it sends is not read
        if known is None or restarted:
            self._clocks[said.source] = BoardClock()
        self._identities[said.source] = identity
        self._columns[said.source] = (min(len(said.channels), MASKED), columns)
        self._confirmed.add(said.source)
        return identity

    def _samples(self, said: cablelink.Samples, received_at: float) -> Message:
        if said.source not in self._confirmed:
            return Unplaced(source=said.source)
        width, columns = self._columns[said.source]
        if len(said.rows[0]) != width or (len(said.rows) > 1 and said.dt_us == 0):
            self._counters.malformed += 1
            return Heard(source=said.source)
        rows = said.rows
        if len(columns) < width:
            rows = tuple(tuple(row[k] for k in columns) for row in rows)
        return SampleBlock(
            source=said.source,
            times=self._clocks[said.source].block(said.t_us, said.dt_us, len(rows), received_at),
            rows=rows,
            channels=self._identities[said.source].channels,
            saturated=(
                bool(said.status & SampleStatus.FORCE_LEFT_SATURATED),
                bool(said.status & SampleStatus.FORCE_RIGHT_SATURATED),
            ),
            lost_before=self._lost.pop(said.source, 0),
            faults=_faults(said.status),
        )


def _faults(status: int) -> frozenset[BoardFault]:
    return frozenset(name for bit, name in _FAULTS.items() if status & bit)


def _report(said: cablelink.Message) -> Message | None:
    if isinstance(said, cablelink.Ack):
        return Acknowledged(of_sequence=said.of_sequence, command=said.command, result=said.result, value=said.value)
    if isinstance(said, cablelink.Status):
        return BoardStatus(
            source=said.source,
            battery_v=said.battery_mv / 1000.0 if said.battery_mv else None,  # 0: a board without one
            rssi_dbm=said.rssi or None,  # 0: a board on a wire
            samples_lost=said.samples_lost,
        )
    if isinstance(said, cablelink.Log):
        return BoardLog(source=said.source, level=said.level, text=said.text)
    if isinstance(said, cablelink.Event) and said.code in _EVENTS:
        return BoardEvent(source=said.source, name=_EVENTS[said.code], side=_SIDES.get(said.side), detail=said.detail)
    return None if isinstance(said, cablelink.Unknown) else Heard(source=said.source)

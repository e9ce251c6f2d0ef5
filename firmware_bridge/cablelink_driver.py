"""The driver for boards that speak cablelink: bytes to messages, commands to bytes."""

from __future__ import annotations

from typing import Final, Literal

from firmware_bridge.board_clock import BoardClock
from firmware_bridge.link import Chunk
from firmware_bridge.messages import (
    Acknowledged,
    BoardLog,
    BoardStatus,
    ChannelInfo,
    ClockState,
    Heard,
    Identity,
    Message,
    ReaderCounters,
    SampleBlock,
)
from protocols import cablelink, framing
from protocols.cablelink import ChannelSide, Kind, SampleStatus

MAJOR: Final = cablelink.MAJOR
SEQUENCES: Final = 1 << 16

_KINDS: Final[dict[int, Literal["force", "position"]]] = {Kind.FORCE: "force", Kind.POSITION: "position"}
_SIDES: Final[dict[int, Literal["left", "right"] | None]] = {ChannelSide.LEFT: "left", ChannelSide.RIGHT: "right"}


class CablelinkReader:
    """One link's bytes to messages. What it knows follows from the chunks alone, however they were cut."""

    def __init__(self) -> None:
        self._decoder = framing.FrameDecoder()
        self._counters = ReaderCounters()
        self._sequence: int | None = None  # of the last frame, whichever source it came from
        self._identities: dict[int, Identity] = {}
        self._clocks: dict[int, BoardClock] = {}

    def link_up(self) -> None:
        """The link opened: half a frame from before is worth nothing."""
        self._decoder.reset()
        self._sequence = None

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
            message = self._message(said, chunk.received_at)
            if message is not None:
                messages.append(message)
        return messages

    def _message(self, said: cablelink.Message, received_at: float) -> Message | None:
        self._counters.frames += 1
        if isinstance(said, cablelink.Info):
            return self._info(said)
        lost = self._lost_before(said)
        if lost is None:
            return None
        if isinstance(said, cablelink.Samples):
            return self._samples(said, received_at, lost)
        if isinstance(said, cablelink.Ack):
            return Acknowledged(
                of_sequence=said.of_sequence, command=said.command, result=said.result, value=said.value
            )
        if isinstance(said, cablelink.Pong) and said.source in self._clocks:
            self._clocks[said.source].answer(said.t_us, said.host_ns * 1e-9, received_at)
        self._counters.unknown += isinstance(said, cablelink.Unknown)
        return self._report(said)

    @staticmethod
    def _report(said: cablelink.Message) -> Message | None:
        if isinstance(said, cablelink.Status):
            return BoardStatus(
                source=said.source,
                battery_v=said.battery_mv / 1000.0,
                rssi_dbm=said.rssi,
                samples_lost=said.samples_lost,
            )
        if isinstance(said, cablelink.Log):
            return BoardLog(source=said.source, level=said.level, text=said.text)
        return None if isinstance(said, cablelink.Unknown) else Heard(source=said.source)

    def _lost_before(self, said: cablelink.Message) -> int | None:
        """Frames missing before this one; None when this one came twice or too late."""
        last = self._sequence
        step = 1 if last is None else (said.sequence - last) % SEQUENCES
        if step == 0 or step > SEQUENCES // 2:
            self._counters.repeated += 1
            return None
        self._sequence = said.sequence
        self._counters.lost += step - 1
        return step - 1

    def _info(self, said: cablelink.Info) -> Identity | None:
        known = self._identities.get(said.source)
        restarted = known is not None and known.boot_id != said.boot_id
        if known is None or restarted:
            self._clocks[said.source] = BoardClock()
            self._sequence = said.sequence
        elif self._lost_before(said) is None:
            return None
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
                for c in said.channels
                if c.kind in _KINDS
            ),
        )
        self._identities[said.source] = identity
        return identity

    def _samples(self, said: cablelink.Samples, received_at: float, lost: int) -> Message:
        identity = self._identities.get(said.source)
        if identity is None or len(said.rows[0]) != len(identity.channels):
            self._counters.malformed += identity is not None
            return Heard(source=said.source)
        clock = self._clocks[said.source]
        return SampleBlock(
            source=said.source,
            times=clock.block(said.t_us, said.dt_us, len(said.rows), received_at),
            rows=said.rows,
            channels=identity.channels,
            saturated=(
                bool(said.status & SampleStatus.FORCE_LEFT_SATURATED),
                bool(said.status & SampleStatus.FORCE_RIGHT_SATURATED),
            ),
            lost_before=lost,
        )


class CablelinkCommander:
    """Commands as bytes, each with a sequence of its own; a repeat is the same bytes again."""

    def __init__(self) -> None:
        self._sequence = 0

    def _framed(self, message: cablelink.Message) -> tuple[int, bytes]:
        return message.sequence, framing.encode(message.to_body())

    def _next(self) -> int:
        self._sequence = (self._sequence + 1) % SEQUENCES
        return self._sequence

    def who(self) -> bytes:
        """Ask what the board is; the leading 00 ends whatever stood half-sent on the line."""
        return b"\0" + self._framed(cablelink.GetInfo(sequence=self._next()))[1]

    def start(self, identity: Identity, *, rate_hz: int | None, batch: int | None) -> tuple[int, bytes]:
        """Begin to stream all channels; None: as the board says of itself."""
        return self._framed(
            cablelink.Start(
                source=identity.source,
                sequence=self._next(),
                rate_hz=rate_hz if rate_hz is not None else identity.rate_hz,
                batch=batch if batch is not None else identity.batch,
                channel_mask=0xFF,
            )
        )

    def stop(self, source: int) -> tuple[int, bytes]:
        """End streaming."""
        return self._framed(cablelink.Stop(source=source, sequence=self._next()))

    def identify(self, source: int, *, seconds: int) -> tuple[int, bytes]:
        """Let the board blink."""
        return self._framed(cablelink.Identify(source=source, sequence=self._next(), seconds=seconds))

    def ping(self, source: int, *, now: float) -> bytes:
        """Ask for the board's time; now: host monotonic, s."""
        return self._framed(cablelink.Ping(source=source, sequence=self._next(), host_ns=round(now * 1e9)))[1]

"""cablelink: the messages between a station's board and its host.

Little-endian throughout. Every body starts with the header: u8 type, u8 source (the board's number behind a hub), u16
sequence (separate in each direction, wraps), u32 t_us (the board's clock, wraps after 71.6 minutes). Bytes beyond the
known end of a message belong to a later minor version and are ignored.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import IntEnum, IntFlag
from struct import Struct, error
from typing import Any, ClassVar, Final, Self

MAJOR: Final = 1
MINOR: Final = 0

_HEADER: Final = Struct("<BBHI")
_INFO: Final = Struct("<BBHI12sIHBB")
_CHANNEL: Final = Struct("<BBBBff")
_SAMPLES: Final = Struct("<IHBB")
_EVENT: Final = Struct("<BBH")
_ACK: Final = Struct("<HBBI")
_U64: Final = Struct("<Q")
_STATUS: Final = Struct("<HbBhHI")
_START: Final = Struct("<HBB")
_TARE: Final = Struct("<BBH")
_SET_PARAM: Final = Struct("<BI")


class MessageError(Exception):
    """A body that is no message: too short, or at odds with itself."""


class Kind(IntEnum):
    """What a channel measures."""

    FORCE = 1
    POSITION = 2


class ChannelSide(IntEnum):
    """Which cable a channel belongs to."""

    UNSET = 0
    LEFT = 1
    RIGHT = 2


class Unit(IntEnum):
    """What (counts - offset) * scale is in."""

    NEWTON = 1
    METRE = 2


class SampleStatus(IntFlag):
    """Bits of SAMPLES.status."""

    FORCE_LEFT_SATURATED = 1 << 0
    FORCE_RIGHT_SATURATED = 1 << 1
    ENCODER_LEFT_FAULT = 1 << 2
    ENCODER_RIGHT_FAULT = 1 << 3
    TARE_ACTIVE = 1 << 4
    OVERRUN = 1 << 5
    LOW_BATTERY = 1 << 6


class AckResult(IntEnum):
    """How a command ended."""

    DONE = 0
    UNKNOWN_COMMAND = 1
    BAD_ARGUMENT = 2
    BUSY = 3
    NOT_SUPPORTED = 4


class EventCode(IntEnum):
    """Codes of EVENT."""

    BUTTON = 1
    LIMIT_REACHED = 2


@dataclass(frozen=True, slots=True, kw_only=True)
class Message:
    """The header that all messages share."""

    TYPE: ClassVar[int]

    source: int = 0
    sequence: int = 0
    t_us: int = 0

    def _payload(self) -> bytes:
        return b""

    @classmethod
    def _fields(cls, payload: bytes) -> dict[str, Any]:
        del payload
        return {}

    def to_body(self) -> bytes:
        """The message's bytes. Raises MessageError for a value that does not fit its field."""
        try:
            return _HEADER.pack(self.TYPE, self.source, self.sequence, self.t_us) + self._payload()
        except error as wrong:
            raise MessageError(f"{type(self).__name__}: {wrong}") from None

    @classmethod
    def from_payload(cls, payload: bytes, *, source: int, sequence: int, t_us: int) -> Self:
        """The message from what follows its header. Raises MessageError when that is too short."""
        try:
            fields = cls._fields(payload)
        except (error, IndexError, UnicodeDecodeError) as wrong:
            raise MessageError(f"{cls.__name__} of {len(payload)} bytes: {wrong}") from None
        return cls(source=source, sequence=sequence, t_us=t_us, **fields)


@dataclass(frozen=True, slots=True, kw_only=True)
class Channel:
    """One channel of a board: nominally (counts - offset) * scale."""

    kind: int
    side: int = ChannelSide.UNSET
    unit: int = Unit.NEWTON
    scale: float = 1.0
    offset: float = 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Info(Message):
    """What a board is: the answer to GET_INFO, and sent once at its start."""

    TYPE: ClassVar[int] = 0x01

    major: int = MAJOR
    minor: int = MINOR
    max_body: int = 504
    firmware: int = 0
    uid: bytes = bytes(12)
    boot_id: int = 0
    rate_hz: int = 0
    batch: int = 1
    channels: tuple[Channel, ...] = ()
    model: str = ""

    def _payload(self) -> bytes:
        fixed = _INFO.pack(
            self.major, self.minor, self.max_body, self.firmware, self.uid, self.boot_id, self.rate_hz, self.batch,
            len(self.channels),
        )  # fmt: skip
        channels = (_CHANNEL.pack(c.kind, c.side, c.unit, 0, c.scale, c.offset) for c in self.channels)
        return fixed + b"".join(channels) + self.model.encode() + b"\0"

    @classmethod
    def _fields(cls, payload: bytes) -> dict[str, Any]:
        major, minor, max_body, firmware, uid, boot_id, rate, batch, count = _INFO.unpack_from(payload)
        channels, at = [], _INFO.size
        for _ in range(count):
            kind, side, unit, _, scale, offset = _CHANNEL.unpack_from(payload, at)
            channels.append(Channel(kind=kind, side=side, unit=unit, scale=scale, offset=offset))
            at += _CHANNEL.size
        model, end, _ = payload[at:].partition(b"\0")
        if not end:
            raise MessageError("INFO: the model has no end")
        return {
            "major": major, "minor": minor, "max_body": max_body, "firmware": firmware, "uid": uid, "boot_id": boot_id,
            "rate_hz": rate, "batch": batch, "channels": tuple(channels), "model": model.decode(),
        }  # fmt: skip


@dataclass(frozen=True, slots=True, kw_only=True)
class Samples(Message):
    """Raw counts: t_us is the first sample's time, dt_us the step; with a single sample dt_us is 0."""

    TYPE: ClassVar[int] = 0x02

    dt_us: int = 0
    status: int = 0
    rows: tuple[tuple[int, ...], ...] = ()

    def _payload(self) -> bytes:
        width = len(self.rows[0]) if self.rows else 0
        counts = [count for row in self.rows for count in row]
        if len(counts) != width * len(self.rows):
            raise MessageError("SAMPLES: rows of different width")
        return _SAMPLES.pack(self.dt_us, self.status, len(self.rows), width) + Struct(f"<{len(counts)}i").pack(*counts)

    @classmethod
    def _fields(cls, payload: bytes) -> dict[str, Any]:
        dt_us, status, n, width = _SAMPLES.unpack_from(payload)
        if n == 0 or width == 0:
            raise MessageError(f"SAMPLES: {n} rows of {width} channels")
        counts = Struct(f"<{n * width}i").unpack_from(payload, _SAMPLES.size)
        rows = tuple(counts[k : k + width] for k in range(0, n * width, width))
        return {"dt_us": dt_us, "status": status, "rows": rows}


@dataclass(frozen=True, slots=True, kw_only=True)
class Event(Message):
    """Something happened on the board."""

    TYPE: ClassVar[int] = 0x03

    code: int = 0
    side: int = 0
    detail: int = 0

    def _payload(self) -> bytes:
        return _EVENT.pack(self.code, self.side, self.detail)

    @classmethod
    def _fields(cls, payload: bytes) -> dict[str, Any]:
        return dict(zip(("code", "side", "detail"), _EVENT.unpack_from(payload), strict=True))


@dataclass(frozen=True, slots=True, kw_only=True)
class Ack(Message):
    """The answer to a command, by the command's sequence and type."""

    TYPE: ClassVar[int] = 0x04

    of_sequence: int = 0
    command: int = 0
    result: int = AckResult.DONE
    value: int = 0

    def _payload(self) -> bytes:
        return _ACK.pack(self.of_sequence, self.command, self.result, self.value)

    @classmethod
    def _fields(cls, payload: bytes) -> dict[str, Any]:
        return dict(zip(("of_sequence", "command", "result", "value"), _ACK.unpack_from(payload), strict=True))


@dataclass(frozen=True, slots=True, kw_only=True)
class Pong(Message):
    """The answer to PING: the host's time echoed; the header's t_us is the board's time of the answer."""

    TYPE: ClassVar[int] = 0x05

    host_ns: int = 0

    def _payload(self) -> bytes:
        return _U64.pack(self.host_ns)

    @classmethod
    def _fields(cls, payload: bytes) -> dict[str, Any]:
        return {"host_ns": _U64.unpack_from(payload)[0]}


@dataclass(frozen=True, slots=True, kw_only=True)
class Status(Message):
    """How a board is: battery in mV, signal in dBm, temperature in tenths of a degree, samples lost since its boot."""

    TYPE: ClassVar[int] = 0x06

    battery_mv: int = 0
    rssi: int = 0
    flags: int = 0
    temperature_c_x10: int = 0
    samples_lost: int = 0

    def _payload(self) -> bytes:
        return _STATUS.pack(self.battery_mv, self.rssi, self.flags, self.temperature_c_x10, 0, self.samples_lost)

    @classmethod
    def _fields(cls, payload: bytes) -> dict[str, Any]:
        battery, rssi, flags, temperature, _, lost = _STATUS.unpack_from(payload)
        return {
            "battery_mv": battery, "rssi": rssi, "flags": flags, "temperature_c_x10": temperature,
            "samples_lost": lost,
        }  # fmt: skip


@dataclass(frozen=True, slots=True, kw_only=True)
class Log(Message):
    """A line from the firmware, for people."""

    TYPE: ClassVar[int] = 0x07

    level: int = 0
    text: str = ""

    def _payload(self) -> bytes:
        return bytes((self.level,)) + self.text.encode()

    @classmethod
    def _fields(cls, payload: bytes) -> dict[str, Any]:
        return {"level": payload[0], "text": payload[1:].decode(errors="replace")}


@dataclass(frozen=True, slots=True, kw_only=True)
class GetInfo(Message):
    """Ask a board what it is."""

    TYPE: ClassVar[int] = 0x81


@dataclass(frozen=True, slots=True, kw_only=True)
class Start(Message):
    """Begin to stream at rate_hz, `batch` samples a message, the channels of the mask (bit k: INFO's channel k)."""

    TYPE: ClassVar[int] = 0x82

    rate_hz: int = 0
    batch: int = 1
    channel_mask: int = 0xFF

    def _payload(self) -> bytes:
        return _START.pack(self.rate_hz, self.batch, self.channel_mask)

    @classmethod
    def _fields(cls, payload: bytes) -> dict[str, Any]:
        return dict(zip(("rate_hz", "batch", "channel_mask"), _START.unpack_from(payload), strict=True))


@dataclass(frozen=True, slots=True, kw_only=True)
class Stop(Message):
    """End streaming."""

    TYPE: ClassVar[int] = 0x83


@dataclass(frozen=True, slots=True, kw_only=True)
class Tare(Message):
    """Tare the channels of the mask on the board, over so many samples; done when the tare bit clears."""

    TYPE: ClassVar[int] = 0x84

    mask: int = 0
    samples: int = 0

    def _payload(self) -> bytes:
        return _TARE.pack(self.mask, 0, self.samples)

    @classmethod
    def _fields(cls, payload: bytes) -> dict[str, Any]:
        mask, _, samples = _TARE.unpack_from(payload)
        return {"mask": mask, "samples": samples}


@dataclass(frozen=True, slots=True, kw_only=True)
class Ping(Message):
    """Ask for the board's time; host_ns comes back in PONG."""

    TYPE: ClassVar[int] = 0x85

    host_ns: int = 0

    def _payload(self) -> bytes:
        return _U64.pack(self.host_ns)

    @classmethod
    def _fields(cls, payload: bytes) -> dict[str, Any]:
        return {"host_ns": _U64.unpack_from(payload)[0]}


@dataclass(frozen=True, slots=True, kw_only=True)
class SetParam(Message):
    """Set one of the board's own parameters."""

    TYPE: ClassVar[int] = 0x86

    id: int = 0
    value: int = 0

    def _payload(self) -> bytes:
        return _SET_PARAM.pack(self.id, self.value)

    @classmethod
    def _fields(cls, payload: bytes) -> dict[str, Any]:
        return dict(zip(("id", "value"), _SET_PARAM.unpack_from(payload), strict=True))


@dataclass(frozen=True, slots=True, kw_only=True)
class GetParam(Message):
    """Ask for a parameter; its value comes in the ACK."""

    TYPE: ClassVar[int] = 0x87

    id: int = 0

    def _payload(self) -> bytes:
        return bytes((self.id,))

    @classmethod
    def _fields(cls, payload: bytes) -> dict[str, Any]:
        return {"id": payload[0]}


@dataclass(frozen=True, slots=True, kw_only=True)
class Identify(Message):
    """Let the board show itself (blink) for some seconds."""

    TYPE: ClassVar[int] = 0x88

    seconds: int = 0

    def _payload(self) -> bytes:
        return bytes((self.seconds,))

    @classmethod
    def _fields(cls, payload: bytes) -> dict[str, Any]:
        return {"seconds": payload[0]}


@dataclass(frozen=True, slots=True, kw_only=True)
class Reboot(Message):
    """Restart the board."""

    TYPE: ClassVar[int] = 0x8F


@dataclass(frozen=True, slots=True, kw_only=True)
class Unknown(Message):
    """A type of a later version, to be counted and skipped."""

    TYPE: ClassVar[int] = 0x00

    type: int = 0
    payload: bytes = field(default=b"", repr=False)

    def to_body(self) -> bytes:
        """The bytes as they came."""
        return _HEADER.pack(self.type, self.source, self.sequence, self.t_us) + self.payload


FROM_BOARD: Final = (Info, Samples, Event, Ack, Pong, Status, Log)
TO_BOARD: Final = (GetInfo, Start, Stop, Tare, Ping, SetParam, GetParam, Identify, Reboot)
_BY_TYPE: Final[dict[int, type[Message]]] = {kind.TYPE: kind for kind in (*FROM_BOARD, *TO_BOARD)}


def decode(body: bytes) -> Message:
    """The message in a body; Unknown for a type of a later version. Raises MessageError."""
    if len(body) < _HEADER.size:
        raise MessageError(f"a body of {len(body)} bytes has no header")
    kind, source, sequence, t_us = _HEADER.unpack_from(body)
    payload = body[_HEADER.size :]
    known = _BY_TYPE.get(kind)
    if known is None:
        return Unknown(type=kind, payload=payload, source=source, sequence=sequence, t_us=t_us)
    return known.from_payload(payload, source=source, sequence=sequence, t_us=t_us)

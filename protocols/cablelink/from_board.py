"""cablelink from the board: what it is, what it measures, how it is, and its answers."""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum, IntFlag
from struct import Struct, pack, unpack_from
from typing import Any, ClassVar, Final

from protocols.cablelink.header import MAJOR, MINOR, U64, Message, MessageError
from protocols.framing import MAX_BODY

_INFO: Final = Struct("<BBHI12sIHBB")
_CHANNEL: Final = Struct("<BBBBff")
_SAMPLES: Final = Struct("<IHBB")
_EVENT: Final = Struct("<BBH")
_ACK: Final = Struct("<HBBI")
_STATUS: Final = Struct("<HbBhHI")


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
    max_body: int = MAX_BODY
    firmware: int = 0
    uid: bytes = bytes(12)
    boot_id: int = 0
    rate_hz: int = 0
    batch: int = 1
    channels: tuple[Channel, ...] = ()
    model: str = ""

    def _payload(self) -> bytes:
        if len(self.uid) != 12:
            raise MessageError(f"INFO: a uid has 12 bytes, not {len(self.uid)}")
        if "\0" in self.model:
            raise MessageError("INFO: a 00 would end the model early")
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
        if width == 0 or any(len(row) != width for row in self.rows):
            raise MessageError("SAMPLES: no rows, or not all of one width")
        counts = [count for row in self.rows for count in row]
        return _SAMPLES.pack(self.dt_us, self.status, len(self.rows), width) + pack(f"<{len(counts)}i", *counts)

    @classmethod
    def _fields(cls, payload: bytes) -> dict[str, Any]:
        dt_us, status, n, width = _SAMPLES.unpack_from(payload)
        if n == 0 or width == 0:
            raise MessageError(f"SAMPLES: {n} rows of {width} channels")
        counts = unpack_from(f"<{n * width}i", payload, _SAMPLES.size)
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
        return U64.pack(self.host_ns)

    @classmethod
    def _fields(cls, payload: bytes) -> dict[str, Any]:
        return {"host_ns": U64.unpack_from(payload)[0]}


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

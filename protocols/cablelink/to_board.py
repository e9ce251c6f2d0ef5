"""cablelink to the board: the commands, each answered by an ACK."""

from __future__ import annotations

from dataclasses import dataclass
from struct import Struct
from typing import Any, ClassVar, Final

from protocols.cablelink.header import U64, Message

_START: Final = Struct("<HBB")
_TARE: Final = Struct("<BBH")
_SET_PARAM: Final = Struct("<BI")


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
        return U64.pack(self.host_ns)

    @classmethod
    def _fields(cls, payload: bytes) -> dict[str, Any]:
        return {"host_ns": U64.unpack_from(payload)[0]}


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

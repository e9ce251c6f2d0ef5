"""What all cablelink messages share: the header, the way from fields to bytes and back, the one error."""

from __future__ import annotations

from dataclasses import dataclass, field
from struct import Struct, error
from typing import Any, ClassVar, Final, Self

from protocols.framing import MAX_BODY

MAJOR: Final = 1
MINOR: Final = 0

HEADER: Final = Struct("<BBHI")  # type, source, sequence, t_us
U64: Final = Struct("<Q")  # host_ns of PING and PONG


class MessageError(Exception):
    """A body that is no message: too short, or at odds with itself."""


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
        return self._packed(self.TYPE)

    def _packed(self, kind: int) -> bytes:
        try:
            body = HEADER.pack(kind, self.source, self.sequence, self.t_us) + self._payload()
        except (error, ValueError, OverflowError) as wrong:
            raise MessageError(f"{type(self).__name__}: {wrong}") from None
        if len(body) > MAX_BODY:
            raise MessageError(f"{type(self).__name__}: {len(body)} bytes, {MAX_BODY} are the most")
        return body

    @classmethod
    def from_payload(cls, payload: bytes, *, source: int, sequence: int, t_us: int) -> Self:
        """The message from what follows its header. Raises MessageError when that is too short."""
        try:
            fields = cls._fields(payload)
        except (error, IndexError, UnicodeDecodeError) as wrong:
            raise MessageError(f"{cls.__name__} of {len(payload)} bytes: {wrong}") from None
        return cls(source=source, sequence=sequence, t_us=t_us, **fields)


@dataclass(frozen=True, slots=True, kw_only=True)
class Unknown(Message):
    """A type of a later version, to be counted and skipped."""

    TYPE: ClassVar[int] = 0x00

    type: int = 0
    payload: bytes = field(default=b"", repr=False)

    def _payload(self) -> bytes:
        return self.payload

    def to_body(self) -> bytes:
        """The bytes as they came."""
        return self._packed(self.type)

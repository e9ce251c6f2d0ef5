"""Bodies on a link. On a byte stream each is a frame: COBS(body + CRC-32 of the body, little-endian) and a final 00.

COBS: Cheshire and Baker 1999. Damage is counted and dropped up to the next 00; nothing is guessed at, and the buffer
never grows beyond one frame. A link that carries messages (Bluetooth LE, UDP) keeps them whole, and its own check
guards them: there a body travels as it is.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, Literal, Protocol
from zlib import crc32

from cobs import cobs

Wire = Literal["stream", "messages"]  # what a link carries

MAX_BODY: Final = 504  # bytes
MAX_FRAME: Final = MAX_BODY + 4 + (MAX_BODY + 4) // 254 + 1  # bytes, without the final 00


@dataclass(slots=True)
class FramingCounters:
    """What has come in."""

    frames: int = 0
    damaged: int = 0  # frames whose check or coding was wrong
    junk: int = 0  # bytes in damaged or overlong frames


def encode(body: bytes) -> bytes:
    """A frame around a body. Raises ValueError for a body that is empty or over MAX_BODY bytes."""
    if not 0 < len(body) <= MAX_BODY:
        raise ValueError(f"a body of {len(body)} bytes; 1 to {MAX_BODY} fit a frame")
    framed: bytes = cobs.encode(body + crc32(body).to_bytes(4, "little"))
    return framed + b"\0"


class Decoder(Protocol):
    """What a link carried in, bodies out."""

    counters: FramingCounters

    def reset(self) -> None:
        """Throw away what is not whole: the link was lost."""

    def feed(self, data: bytes) -> list[bytes]:
        """Take what came together, return the bodies that it completed."""


class BodyDecoder:
    """One message in, its body out. What cannot be a body is counted as damaged."""

    def __init__(self) -> None:
        self.counters = FramingCounters()

    def reset(self) -> None:
        """Nothing is ever half here."""

    def feed(self, data: bytes) -> list[bytes]:
        """Take a message, return it as the body that it is."""
        if not 0 < len(data) <= MAX_BODY:
            self.counters.damaged += 1
            self.counters.junk += len(data)
            return []
        self.counters.frames += 1
        return [data]


class FrameDecoder:
    """Bytes in, bodies out, however the bytes are cut."""

    def __init__(self) -> None:
        self.counters = FramingCounters()
        self._buffer = bytearray()
        self._overlong = False

    def reset(self) -> None:
        """Throw half a frame away: the link was lost."""
        self._buffer.clear()
        self._overlong = False

    @property
    def buffered(self) -> int:
        """Bytes held of a frame that is not whole yet."""
        return len(self._buffer)

    def feed(self, data: bytes) -> list[bytes]:
        """Take bytes, return the bodies of the frames that they completed."""
        bodies = []
        *ends, rest = data.split(b"\0")
        for part in ends:
            self._hold(part)
            body = self._close()
            if body is not None:
                bodies.append(body)
        self._hold(rest)
        return bodies

    def _hold(self, part: bytes) -> None:
        if self._overlong or len(self._buffer) + len(part) > MAX_FRAME:
            self.counters.junk += len(part) + len(self._buffer)
            self._buffer.clear()
            self._overlong = True
        else:
            self._buffer += part

    def _close(self) -> bytes | None:
        framed, overlong = bytes(self._buffer), self._overlong
        self.reset()
        if overlong:
            self.counters.damaged += 1
            return None
        if not framed:
            return None  # two 00 in a row: how a sender makes sure of a clean start
        try:
            checked: bytes = cobs.decode(framed)
        except cobs.DecodeError:
            checked = b""
        body, check = checked[:-4], checked[-4:]
        if not 0 < len(body) <= MAX_BODY or int.from_bytes(check, "little") != crc32(body):
            self.counters.damaged += 1
            self.counters.junk += len(framed) + 1
            return None
        self.counters.frames += 1
        return body

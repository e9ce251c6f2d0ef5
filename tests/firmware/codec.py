"""The C codec in a process of its own, asked over its pipes; and Python's messages in the words of its answers."""

from __future__ import annotations

import struct
import subprocess
from dataclasses import dataclass, fields
from pathlib import Path
from types import TracebackType
from typing import Self

from protocols.cablelink import Channel, Log, Message, Samples, Unknown
from protocols.framing import MAX_FRAME, FramingCounters

VERDICTS = ("known", "unknown", "malformed")


@dataclass(frozen=True)
class Decoded:
    """What the C decoder made of a stream."""

    bodies: list[bytes]
    counters: FramingCounters
    held: int


class Codec:
    """One running filter."""

    def __init__(self, program: Path) -> None:
        self._process = subprocess.Popen(
            [program], stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        _, complaints = self._process.communicate(timeout=30)
        assert (self._process.returncode, complaints) == (0, b"")

    def _ask(self, letter: bytes, data: bytes) -> bytes:
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(struct.pack("=I", 1 + len(data)) + letter + data)
        self._process.stdin.flush()
        length = self._process.stdout.read(4)
        if len(length) < 4:
            assert self._process.stderr is not None
            raise AssertionError(self._process.stderr.read().decode())
        return self._process.stdout.read(int(struct.unpack("=I", length)[0]))

    def frame(self, body: bytes) -> bytes:
        """The frame around a body; empty where there is none."""
        return self._ask(b"F", body)

    def decode(self, stream: bytes, *, room: int = MAX_FRAME) -> Decoded:
        """What a fresh decoder with so large a buffer makes of a stream."""
        answer = self._ask(b"D", struct.pack("=I", room) + stream)
        frames, damaged, junk, held = struct.unpack_from("=4I", answer)
        bodies, at = [], 16
        while at < len(answer):
            (length,) = struct.unpack_from("=I", answer, at)
            bodies.append(answer[at + 4 : at + 4 + length])
            at += 4 + length
        return Decoded(bodies, FramingCounters(frames=frames, damaged=damaged, junk=junk), held)

    def again(self, body: bytes) -> tuple[str, bytes]:
        """What a body is, and the body that is encoded from what was decoded."""
        answer = self._ask(b"R", body)
        return VERDICTS[answer[0]], answer[1:]

    def samples(self, rows: int, channels: int) -> bytes:
        """The body of SAMPLES that are all 0; empty where there is none."""
        return self._ask(b"S", bytes((rows, channels)))

    def model(self, model: bytes) -> bytes:
        """The body of an INFO that is all 0 but for its model; empty where there is none."""
        return self._ask(b"M", model)

    def describe(self, body: bytes) -> str:
        """The message's fields, each `name=value`."""
        return self._ask(b"T", body).decode()


def described(message: Message) -> str:
    """The same words for a message of Python's."""
    kind = message.type if isinstance(message, Unknown) else message.TYPE
    words = [("type", kind), ("source", message.source), ("sequence", message.sequence), ("t_us", message.t_us)]
    own = [field.name for field in fields(message) if field.name not in {"source", "sequence", "t_us", "type"}]
    text = [f"{name}={value}" for name, value in words]
    for name in own:
        value = getattr(message, name)
        if isinstance(message, Samples) and name == "rows":
            text.append(f"rows={len(value)}")
            text += [f"count={count}" for row in value for count in row]
        elif name == "channels":
            text += [word for channel in value for word in _channel(channel)]
        elif name == "host_ns":
            text += [f"host_ns_high={value >> 32}", f"host_ns_low={value & 0xFFFF_FFFF}"]
        elif isinstance(value, bytes):
            text.append(f"{name}={value.hex()}")
        elif isinstance(value, str):
            text.append(f"{name}={value.encode().hex()}")
        else:
            text.append(f"{name}={int(value)}")
    return "".join(f" {word}" for word in text)


def _channel(channel: Channel) -> list[str]:
    return [
        f"kind={channel.kind:d}",
        f"side={channel.side:d}",
        f"unit={channel.unit:d}",
        f"scale={struct.pack('<f', channel.scale).hex()}",
        f"offset={struct.pack('<f', channel.offset).hex()}",
    ]


def has_replaced_text(message: Message) -> bool:
    """Whether Python shows a line whose bytes were no UTF-8, and so cannot give them back."""
    return isinstance(message, Log) and "\ufffd" in message.text

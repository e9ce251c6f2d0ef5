"""Both ends of the wire for the simulators' tests: commands as bytes, chunks as messages."""

from __future__ import annotations

from collections.abc import Iterable

from firmware_bridge.link import Chunk
from protocols import cablelink
from protocols.framing import FrameDecoder, encode


def frame(message: cablelink.Message) -> bytes:
    return encode(message.to_body())


def messages(chunks: Iterable[Chunk | bytes]) -> list[cablelink.Message]:
    decoder = FrameDecoder()
    data = b"".join(chunk if isinstance(chunk, bytes) else chunk.data for chunk in chunks)
    return [cablelink.decode(body) for body in decoder.feed(data)]


def start(sequence: int = 1, *, rate_hz: int = 100, batch: int = 1, mask: int = 0xFF, source: int = 0) -> bytes:
    return frame(cablelink.Start(sequence=sequence, rate_hz=rate_hz, batch=batch, channel_mask=mask, source=source))

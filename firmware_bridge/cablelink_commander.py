"""What a board that speaks cablelink is told: commands to bytes."""

from __future__ import annotations

from typing import Final

from firmware_bridge.messages import Identity
from firmware_bridge.protocol import Command
from protocols import cablelink, framing

SEQUENCES: Final = 1 << 16
ALL_CHANNELS: Final = 0xFF
LARGEST_BATCH: Final = 255  # samples; START has a byte for it


class CablelinkCommander:
    """Commands as bytes, each with a sequence of its own; a repeat is the same bytes again."""

    def __init__(self, wire: framing.Wire = "stream") -> None:
        self._sequence = 0
        self._is_stream = wire == "stream"

    def _framed(self, message: cablelink.Message) -> Command:
        body = message.to_body()
        return Command(message.sequence, framing.encode(body) if self._is_stream else body)

    def _next(self) -> int:
        self._sequence = (self._sequence + 1) % SEQUENCES
        return self._sequence

    def who(self) -> bytes:
        """Ask what the board is; on a stream the leading 00 ends whatever stood half-sent on the line."""
        asked = self._framed(cablelink.GetInfo(sequence=self._next())).data
        return b"\0" + asked if self._is_stream else asked

    def start(self, identity: Identity, *, rate_hz: int | None, batch: int | None) -> Command:
        """Begin to stream all channels; None: as the board says of itself, a message lasting as long at any rate."""
        rate = rate_hz if rate_hz is not None else identity.rate_hz
        if batch is None:
            batch = round(identity.batch * rate / max(identity.rate_hz, 1))
        start = cablelink.Start(
            source=identity.source,
            sequence=self._next(),
            rate_hz=rate,
            batch=min(max(batch, 1), LARGEST_BATCH),
            channel_mask=ALL_CHANNELS,
        )
        return self._framed(start)

    def stop(self, source: int) -> Command:
        """End streaming."""
        return self._framed(cablelink.Stop(source=source, sequence=self._next()))

    def tare(self, source: int, *, samples: int) -> Command:
        """Let the board tare all its channels over so many samples."""
        return self._framed(cablelink.Tare(source=source, sequence=self._next(), mask=ALL_CHANNELS, samples=samples))

    def identify(self, source: int, *, seconds: int) -> Command:
        """Let the board blink."""
        return self._framed(cablelink.Identify(source=source, sequence=self._next(), seconds=seconds))

    def ping(self, source: int, *, now: float) -> bytes:
        """Ask for the board's time; now: host monotonic, s."""
        return self._framed(cablelink.Ping(source=source, sequence=self._next(), host_ns=round(now * 1e9))).data

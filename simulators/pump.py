"""Between a device in virtual time and a port in real time: what is due is sent, late frames wait for their time."""

from __future__ import annotations

from collections import deque

from firmware_bridge.link import Chunk
from simulators.impairments import Impairments
from simulators.virtual_board import Device


class Pump:
    """One device's frames, in the order in which they are due."""

    def __init__(self, device: Device, impairments: Impairments | None = None) -> None:
        self.device = device
        self.impairments = impairments or Impairments()
        self._waiting: deque[Chunk] = deque()

    def due(self, now: float) -> list[bytes]:
        """The frames to be sent up to `now`, host monotonic s."""
        self._waiting.extend(self.impairments(self.device.chunks(now)))
        frames = []
        while self._waiting and self._waiting[0].received_at <= now:
            frames.append(self._waiting.popleft().data)
        return frames

    def take(self, data: bytes, now: float) -> None:
        """Bytes that came from the host at `now`; the device is told the time first, which dates its answer."""
        self._waiting.extend(self.impairments(self.device.chunks(now)))
        self.device.receive(data)

    def down(self, now: float) -> bool:
        """Whether the link has to be closed at `now`."""
        return self.impairments.down(now)

"""A link to a board in the same process, in virtual time: a minute passes as fast as it can be computed."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass

from firmware_bridge.link import Chunk, LinkError
from simulators.impairments import Impairments
from simulators.virtual_board import Device


@dataclass(slots=True)
class VirtualClock:
    """Host monotonic time of a simulated world, s."""

    now: float = 0.0


class MemoryLink:
    """firmware_bridge.link.Link without a wire. Every receive() moves the clock on until something comes."""

    about = None

    def __init__(
        self,
        device: Device,
        clock: VirtualClock,
        *,
        step: float = 0.005,
        until: float | None = None,
        impairments: Impairments | None = None,
    ) -> None:
        """`step`: how far one look moves the clock, s. `until`: clock time at which the link is lost, None: never."""
        self._device, self._clock, self._step, self._until = device, clock, step, until
        self._impairments = impairments or Impairments()
        self._waiting: deque[Chunk] = deque()
        self._closed = False

    async def receive(self) -> Chunk:
        """Return the next bytes. Raises LinkError at the end, or while the link is down."""
        while True:
            await asyncio.sleep(0)
            self._check()
            if self._waiting and self._waiting[0].received_at <= self._clock.now:
                return self._waiting.popleft()
            self._clock.now += self._step
            self._waiting.extend(self._impairments(self._device.chunks(self._clock.now)))

    async def send(self, data: bytes) -> None:
        """Let the board have the bytes now. Raises LinkError."""
        self._check()
        self._waiting.extend(self._impairments(self._device.chunks(self._clock.now)))
        self._device.receive(data)

    async def close(self) -> None:
        """Close; harmless when closed already."""
        self._closed = True

    def _check(self) -> None:
        if self._closed:
            raise LinkError("the simulated link is closed")
        if self._until is not None and self._clock.now >= self._until:
            raise LinkError("the simulated link has come to its end")
        if self._impairments.down(self._clock.now):
            raise LinkError("the simulated link is down")


def chunks_of(
    device: Device,
    commands: Sequence[tuple[float, bytes]],
    *,
    until: float,
    step: float = 0.01,
    impairments: Impairments | None = None,
) -> list[Chunk]:
    """Everything a board sends up to `until` (s) when it gets these bytes at these times."""
    impaired = impairments or Impairments()
    told = deque(sorted(commands, key=lambda command: command[0]))
    out: list[Chunk] = []
    k = 0
    while k * step < until:
        k += 1
        now = min(k * step, until)
        while told and told[0][0] <= now:
            at, data = told.popleft()
            out += impaired(device.chunks(at))
            device.receive(data)
        out += impaired(device.chunks(now))
    return out

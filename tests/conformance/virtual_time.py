"""An event loop in which waiting takes no time, and a wire in it that can be pulled."""

from __future__ import annotations

import asyncio
import selectors
from collections import deque
from collections.abc import Coroutine
from typing import Any, TypeVar

from firmware_bridge.link import Chunk, LinkError
from simulators.impairments import Impairments, Jitter
from simulators.virtual_board import Device

BEGIN = 1000.0  # s, host monotonic time at which a virtual world begins
ON_ITS_WAY = 0.001  # s at most that bytes take
LOOK = 0.005  # s between two looks at what a device has sent

T = TypeVar("T")


class _Jump(selectors.DefaultSelector):
    """Waits by moving the clock on."""

    now = BEGIN

    def select(self, timeout: float | None = None) -> Any:
        if timeout is None:
            raise AssertionError("everything waits, and nothing will ever come")
        self.now += max(timeout, 0.0)
        return super().select(0.0)


class VirtualTimeLoop(asyncio.SelectorEventLoop):
    """loop.time() is virtual; whoever sleeps is woken at once, in the right order."""

    def __init__(self) -> None:
        self._jump = _Jump()
        super().__init__(self._jump)

    def time(self) -> float:
        return self._jump.now


def run(life: Coroutine[Any, Any, T]) -> T:
    """Run to the end in virtual time."""
    with asyncio.Runner(loop_factory=VirtualTimeLoop) as runner:
        return runner.run(life)


class Socket:
    """Where a device is plugged in. Its links are opened one after the other; what nobody reads is gone."""

    def __init__(self, device: Device, *, impairments: Impairments | None = None) -> None:
        self.device = device
        self.impairments = impairments or Impairments((Jitter(ON_ITS_WAY),))
        self.is_plugged = True
        self.opened = 0
        self.told: list[bytes] = []  # what the device was sent
        self.said: list[Chunk] = []  # what it has sent, heard or not
        self.heard: list[Chunk] = []  # what came over a link
        self.opens_in_mid_frame = False  # what a link brings first is the end of a chunk
        self.cut_next = False  # the next chunk breaks off in the middle, and the plug is pulled

    async def open(self) -> SocketLink:
        if not self.is_plugged:
            raise LinkError("there is nothing in this socket")
        self.opened += 1
        self.sent(asyncio.get_running_loop().time())
        return SocketLink(self)

    def sent(self, now: float) -> list[Chunk]:
        chunks = self.impairments(self.device.chunks(now))
        self.said += chunks
        return chunks

    async def pulled(self, seconds: float) -> None:
        """The plug is out for so long."""
        self.is_plugged = False
        await asyncio.sleep(seconds)
        self.is_plugged = True


class SocketLink:
    """One open link."""

    about = None

    def __init__(self, socket: Socket) -> None:
        self._socket = socket
        self._number = socket.opened
        self._waiting: deque[Chunk] = deque()
        self._begins_late = socket.opens_in_mid_frame
        self._closed = False

    def _check(self) -> None:
        if self._closed or not self._socket.is_plugged or self._number != self._socket.opened:
            raise LinkError("the plug is out")

    async def receive(self) -> Chunk:
        loop = asyncio.get_running_loop()
        while True:
            self._check()
            self._waiting.extend(self._socket.sent(loop.time()))
            if self._waiting and self._waiting[0].received_at <= loop.time():
                chunk = self._waiting.popleft()
                if self._begins_late:
                    self._begins_late = False
                    chunk = Chunk(chunk.received_at, chunk.data[len(chunk.data) // 4 :])
                if self._socket.cut_next and len(chunk.data) > 1:
                    self._socket.cut_next = self._socket.is_plugged = False
                    chunk = Chunk(chunk.received_at, chunk.data[: len(chunk.data) // 2])
                self._socket.heard.append(chunk)
                return chunk
            await asyncio.sleep(LOOK)

    async def send(self, data: bytes) -> None:
        self._check()
        self._waiting.extend(self._socket.sent(asyncio.get_running_loop().time()))
        self._socket.told.append(data)
        self._socket.device.receive(data)

    async def close(self) -> None:
        self._closed = True

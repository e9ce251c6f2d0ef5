"""A board's life in virtual time: the real Board and driver, a twin, and a wire between them that can be pulled."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field

from firmware_bridge.board import Board, BoardProblem
from firmware_bridge.drivers import BoardConfig, make_driver
from firmware_bridge.link import About, Chunk
from firmware_bridge.messages import Identity, Message, SampleBlock
from simulators.impairments import Impairments
from simulators.twin import Twin
from simulators.virtual_board import Device, VirtualBoard
from tests.conformance.cases import Case
from tests.conformance.virtual_time import BEGIN, Socket

PATIENCE = 60.0  # s of virtual time, in which everything here has long happened
LOOK = 0.05  # s


@dataclass
class Life:
    """A board that is being lived with, and what has come of it."""

    config: BoardConfig
    plug: Socket | None = None  # None: the link that the configuration names
    messages: list[Message] = field(default_factory=list)
    links: list[str] = field(default_factory=list)
    abouts: list[About] = field(default_factory=list)
    problems: list[BoardProblem] = field(default_factory=list)
    now: float = 0.0

    def __post_init__(self) -> None:
        self.reader = make_driver(self.config).reader
        opens = self.plug.open if self.plug is not None else None
        self.board = Board(self.config, self, self.problems.append, seed=1, opens=opens)

    # -- the sink

    def _stamp(self, board: str, received_at: float) -> None:
        assert board == self.config.id
        assert received_at >= self.now
        self.now = received_at

    def link_up(self, board: str, received_at: float) -> None:
        self._stamp(board, received_at)
        self.reader.link_up()
        self.links.append("up")

    def chunk(self, board: str, chunk: Chunk) -> list[Message]:
        self._stamp(board, chunk.received_at)
        found = self.reader.feed(chunk)
        self.messages += found
        return found

    def about(self, board: str, received_at: float, about: About) -> None:
        self._stamp(board, received_at)
        self.abouts.append(about)

    def link_down(self, board: str, received_at: float, reason: str) -> None:
        self._stamp(board, received_at)
        self.links.append(reason)

    # -- what came

    @property
    def socket(self) -> Socket:
        assert self.plug is not None
        return self.plug

    @property
    def samples(self) -> int:
        return sum(len(m.rows) for m in self.messages if isinstance(m, SampleBlock))

    @property
    def times(self) -> list[float]:
        return [t for m in self.messages if isinstance(m, SampleBlock) for t in m.times]

    @property
    def values(self) -> list[float]:
        """What the first force says nominally, N."""
        found = []
        for block in (m for m in self.messages if isinstance(m, SampleBlock)):
            column = next(k for k, channel in enumerate(block.channels) if channel.kind == "force")
            channel = block.channels[column]
            found += [(row[column] - channel.offset) * channel.scale for row in block.rows]
        return found

    @property
    def identities(self) -> list[Identity]:
        return [m for m in self.messages if isinstance(m, Identity)]

    async def until(self, what: Callable[[], bool]) -> None:
        for _ in range(round(PATIENCE / LOOK)):
            if what():
                return
            await asyncio.sleep(LOOK)
        raise AssertionError(f"waited in vain; {self.samples} samples, links {self.links}, {self.problems}")

    async def more(self, seconds: float = 1.0) -> None:
        """Wait until so many seconds of samples have come, at the least, from now on."""
        since = len(self.times)
        await self.until(lambda: len(self.times) > since and self.times[-1] - self.times[since] >= seconds)


@contextlib.asynccontextmanager
async def alive(case: Case, *, name: str = "board", impairments: Impairments | None = None) -> AsyncIterator[Life]:
    """A board of this kind from its first second to its orderly end."""
    life = Life(case.config(name), Socket(case.device(now=BEGIN), impairments=impairments))
    task = asyncio.create_task(life.board.run(), name=name)
    try:
        yield life
    finally:
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await task


def restart(device: Device) -> None:
    """Cut a device's power for a moment."""
    assert isinstance(device, VirtualBoard | Twin)
    device.restart()


def instants(device: Device, count: int) -> list[float]:
    """Host times at which a device took its samples, as far as it remembers them."""
    if isinstance(device, VirtualBoard):
        assert device.world.began is not None
        return [device.world.began + k / device.rate_hz / (1.0 + 40e-6) for k in range(count)]
    assert isinstance(device, Twin)
    return [at for at, _ in device.sent]

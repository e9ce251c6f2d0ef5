"""A gateway that makes events, brokers that fail, a listener, and what came of it."""

from __future__ import annotations

import asyncio
import contextlib
import signal
import sys
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Final

from tests.delivery.brokers import Brokers
from tests.delivery.listener import Listener, Way
from tests.delivery.source import STATIONS

WITHIN: Final = 120.0  # s for what should take a few
RATE: Final = 200.0  # events a second


@dataclass(frozen=True, slots=True)
class Outcome:
    """What came of one run."""

    sent: int  # events made
    delivered: int  # of them, heard at least once
    strangers: int  # heard and never made
    duplicates: int  # heard again, with an id heard before
    disordered: int  # heard for the first time after a later one of their station
    repeated: int  # offered again after a kill, and known to the outbox
    longest: float  # s from an event's making until it was heard
    slowest: float  # s that the gateway's loop was late at worst

    @property
    def is_whole(self) -> bool:
        """Whether every event came, in order, and nothing else did."""
        return self.delivered == self.sent and not self.strangers and not self.disordered


class Rig:
    """One run; the deeds are called by a scenario."""

    def __init__(self, brokers: Brokers, folder: Path, *, outbox: Path | None = None, rate: float = RATE) -> None:
        self.brokers = brokers
        self.listener = Listener(brokers)
        self.said: list[str] = []
        self.noticed: float | None = None  # s until a frozen broker was noticed
        self.outbox = outbox or folder / "outbox.db"
        self._rate = rate
        self._journal = folder / "journal"
        self._way = Way(brokers.servers[0].port)
        self._process: asyncio.subprocess.Process | None = None
        self._reading: asyncio.Task[None] | None = None
        self._news = asyncio.Event()

    @contextlib.asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """Everything, started; ended at the end."""
        await self.brokers.start()
        hearing = asyncio.create_task(self.listener.run(), name="listener")
        try:
            async with self._way.made():
                await asyncio.wait_for(self.listener.listening.wait(), WITHIN)
                self._way.is_open = True
                await self.start_gateway()
                await self.says("connected")
                yield
        finally:
            if self._process is not None:
                await self.kill_gateway()
            hearing.cancel()
            await asyncio.gather(hearing, return_exceptions=True)
            await self.brokers.end()

    # -- deeds

    async def start_gateway(self) -> None:
        addresses = self.brokers.addresses
        if self.brokers.keeps_nothing:
            addresses = [f"127.0.0.1:{self._way.port}"]
        self._process = await asyncio.create_subprocess_exec(
            sys.executable, "-m", "tests.delivery.source", str(self._journal), str(self.outbox), str(self._rate),
            self.brokers.gateway, *addresses, stdin=asyncio.subprocess.DEVNULL, stderr=asyncio.subprocess.PIPE,
        )  # fmt: skip
        self._reading = asyncio.create_task(self._read(self._process), name="gateway: words")

    async def kill_gateway(self) -> None:
        await self._end_gateway(signal.SIGKILL)

    async def _end_gateway(self, number: int) -> int:
        assert self._process is not None
        assert self._reading is not None
        if self._process.returncode is None:
            self._process.send_signal(number)
        code = await asyncio.wait_for(self._process.wait(), 3 * WITHIN)
        await self._reading
        self._process = None
        return code

    async def end_broker(self, *which: int, how: int = signal.SIGKILL) -> None:
        """Kill or stop servers, all at once."""
        self._way.is_open = False
        await asyncio.gather(*(self.brokers.servers[each].end(how) for each in which or (0,)))

    async def start_broker(self, *which: int) -> None:
        await asyncio.gather(*(self.brokers.servers[each].start() for each in which or (0,)))
        if self.brokers.keeps_nothing:
            await asyncio.wait_for(self.listener.listening.wait(), WITHIN)
        self._way.is_open = True

    async def says(self, text: str, *, count: int = 1) -> None:
        """Wait until the gateway has said a text so often."""
        await self.until(lambda: sum(text in line for line in self.said) >= count)

    async def until(self, what: Callable[[], bool]) -> None:
        """Wait for something that the gateway says or the listener hears."""
        async with asyncio.timeout(WITHIN):
            while not what():
                self._news.clear()
                with contextlib.suppress(TimeoutError):
                    await asyncio.wait_for(self._news.wait(), 0.05)

    async def made(self, count: int) -> None:
        """Wait until so many more events are made."""
        wanted = self.count() + count
        await self.until(lambda: self.count() >= wanted)

    def count(self) -> int:
        """Events made so far."""
        return self._journal.read_bytes().count(b"\n") if self._journal.exists() else 0

    async def _read(self, process: asyncio.subprocess.Process) -> None:
        assert process.stderr is not None
        while line := await process.stderr.readline():
            self.said.append(line.decode().rstrip("\n"))
            self._news.set()

    # -- the end

    async def outcome(self) -> Outcome:
        """End the making of events, wait until all are heard, and compare."""
        assert await self._end_gateway(signal.SIGTERM) == 0, self.said[-5:]
        made: dict[tuple[str, int], float] = {}
        for line in self._journal.read_text().splitlines():
            whose, number, when = line.split()
            made[whose, int(number)] = float(when)
        with contextlib.suppress(TimeoutError):
            await self.until(lambda: len(self.listener.ids) >= len(made))
        await asyncio.sleep(0.2)  # for what should not come
        first: dict[str, tuple[str, int, float]] = {}
        for station, seq, name, at in self.listener.heard:
            first.setdefault(name, (station, seq, at))
        heard = {(station, seq): at for station, seq, at in first.values()}
        disordered = 0
        for each in STATIONS:
            numbers = [seq for station, seq, _ in first.values() if station == each]
            disordered += sum(later < earlier for earlier, later in pairwise(numbers))
        last = self.said[-1].split()
        return Outcome(
            sent=len(made),
            delivered=len(heard.keys() & made.keys()),
            strangers=len(first) - len(heard.keys() & made.keys()),
            duplicates=len(self.listener.heard) - len(first),
            disordered=disordered,
            repeated=int(last[3]),
            longest=max((at - made[key] for key, at in heard.items() if key in made), default=0.0),
            slowest=float(last[1]),
        )

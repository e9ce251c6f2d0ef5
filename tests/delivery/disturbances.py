"""Outputs that are slow, deaf or locked, one at a time, while a real station runs; and how long its core is held up.

Measured in the gateway's own process: how late its loop runs (a timer of 5 ms), and how long a chunk takes from the
link to the end of its way. Their sum is what a sample may have to wait for because of an output.
"""

from __future__ import annotations

import asyncio
import contextlib
import fcntl
import os
import sqlite3
import subprocess
import sys
import termios
import time
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from controller.config import parse
from controller.runtime import Runtime
from controller.station_runner import StationRunner
from tests.delivery import deaf
from tests.delivery.brokers import LOOPBACK, Mosquitto
from tests.stations.processes import simulator

TIMER: Final = 0.005  # s
STREAMING: Final = 200  # chunks after which a station runs as usual
WITHIN: Final = 30.0  # s
PIPE: Final = 4096  # bytes that it holds; a station at 1 kHz records some 25 kB a second


@dataclass(frozen=True, slots=True)
class Latency:
    """In seconds: the middle, one in a hundred, the worst."""

    p50: float
    p99: float
    worst: float

    @staticmethod
    def of(values: list[float]) -> Latency:
        found = sorted(values)
        return Latency(found[len(found) // 2], found[min(len(found) - 1, len(found) * 99 // 100)], found[-1])

    def __str__(self) -> str:
        return " / ".join(f"{1000.0 * each:.2f}" for each in (self.p50, self.p99, self.worst)) + " ms"


@dataclass(frozen=True, slots=True)
class Measured:
    """One stretch of time."""

    loop: Latency
    chunk: Latency
    chunks: int


class Probe:
    """Looks at a station from within its process."""

    def __init__(self, runner: StationRunner) -> None:
        self._late: list[float] = []
        self._took: list[float] = []
        take = runner.chunk

        def timed(*arguments: Any) -> Any:
            begun = time.perf_counter()
            answer = take(*arguments)
            self._took.append(time.perf_counter() - begun)
            return answer

        setattr(runner, "chunk", timed)  # noqa: B010 - a probe, on this station only

    async def run(self) -> None:
        while True:
            due = time.perf_counter() + TIMER
            await asyncio.sleep(TIMER)
            self._late.append(max(time.perf_counter() - due, 0.0))

    async def streaming(self) -> None:
        """Wait until samples flow."""
        async with asyncio.timeout(WITHIN):
            while len(self._took) < STREAMING:  # noqa: ASYNC110 - nobody tells
                await asyncio.sleep(0.05)

    async def measure(self, seconds: float) -> Measured:
        """Look for so long."""
        self._late.clear()
        self._took.clear()
        await asyncio.sleep(seconds)
        return Measured(Latency.of(self._late), Latency.of(self._took), len(self._took))


class Gym:
    """A gateway in this process, with all that disturbs it."""

    def __init__(self, folder: Path, brokers: Mosquitto, runtime: Runtime, probe: Probe, said: list[str]) -> None:
        self.folder, self.runtime, self.probe, self.said = folder, runtime, probe, said
        self._brokers = brokers

    @contextlib.contextmanager
    def slow_subscriber(self) -> Iterator[None]:
        """A client that subscribes to everything and reads nothing."""
        user, _, password = self._brokers.listener.partition(":")
        with deaf.subscriber(self._brokers.servers[0].port, user=user, password=password):
            yield

    @contextlib.contextmanager
    def stalled_browser(self) -> Iterator[None]:
        """A page that asks for the stream and never reads it."""
        assert self.runtime.display is not None
        assert self.runtime.display.address is not None
        port = int(self.runtime.display.address.rpartition(":")[2])
        with deaf.browser(port, station="one"):
            yield

    @contextlib.contextmanager
    def deaf_recording(self) -> Iterator[None]:
        """The recording goes into a pipe, and nobody reads it."""
        (file,) = (
            int(each.name)
            for each in Path("/proc/self/fd").iterdir()
            if os.path.realpath(each).startswith(str(self.folder)) and os.path.realpath(each).endswith(".cablerec")
        )
        before, (reads, writes) = os.dup(file), os.pipe()
        fcntl.fcntl(writes, fcntl.F_SETPIPE_SZ, PIPE)
        os.dup2(writes, file)
        os.close(writes)
        try:
            yield
            waiting = int.from_bytes(fcntl.ioctl(reads, termios.FIONREAD, bytes(4)), sys.byteorder)
            assert 0 < waiting <= PIPE, "the recording did not go there"
        finally:
            os.dup2(before, file)
            os.close(reads)  # wakes who waits at the pipe
            os.close(before)

    @contextlib.contextmanager
    def locked_outbox(self) -> Iterator[None]:
        """Another process has the outbox for itself."""
        with locking(self.folder / "recordings" / "outbox.db"):
            yield

    @property
    def disturbances(self) -> dict[str, Callable[[], AbstractContextManager[None]]]:
        return {
            "a subscriber that reads nothing": self.slow_subscriber,
            "a browser that reads nothing": self.stalled_browser,
            "a recording on a pipe that nobody reads": self.deaf_recording,
            "an outbox that another process has locked": self.locked_outbox,
        }


@contextlib.contextmanager
def locking(path: Path) -> Iterator[None]:
    """Another process that has a database for itself."""
    code = (
        f"import sqlite3, sys; c = sqlite3.connect({str(path)!r}); c.execute('BEGIN EXCLUSIVE'); "
        "print(1, flush=True); sys.stdin.read()"
    )
    with subprocess.Popen([sys.executable, "-c", code], stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        assert process.stdout.readline() == b"1\n"
        try:
            yield
        finally:
            process.stdin.close()


@contextlib.asynccontextmanager
async def gym(folder: Path) -> AsyncIterator[Gym]:
    """A gateway with a board at 1 kHz, mosquitto, page, recording and outbox, when samples flow."""
    brokers = Mosquitto(folder / "broker")
    await brokers.start()
    said: list[str] = []
    with simulator("pty", "--link", str(folder / "port"), "--rate", "1000", "--sets", "50"):
        url = f"mqtt://{brokers.gateway}@{LOOPBACK}:{brokers.servers[0].port}"
        config = parse(
            f'site = "test"\ngateway = "hall"\n[broker]\nurl = "{url}"\n[display]\nport = 0\n'
            f'[recording]\nfolder = "{folder}/recordings"\nleast_free_mb = 0\n'  # a pipe has no room that is free
            f'[[station]]\nid = "one"\n'
            f'[[station.board]]\nid = "board"\nurl = "serial://{folder}/port"\nrate_hz = 1000\n',
            name="gym.toml",
        )
        runtime, started = Runtime(config, say=said.append), asyncio.Event()
        running = asyncio.create_task(runtime.run(started=started.set), name="runtime")
        try:
            await asyncio.wait_for(started.wait(), WITHIN)
            probe = Probe(runtime.stations["one"])
            probing = asyncio.create_task(probe.run(), name="probe")
            await probe.streaming()
            yield Gym(folder, brokers, runtime, probe, said)
            probing.cancel()
        finally:
            running.cancel()
            await asyncio.gather(running, return_exceptions=True)
            await brokers.end()


def is_locked(path: Path) -> bool:
    """Whether a database can not be written at this moment."""
    with contextlib.closing(sqlite3.connect(path, timeout=0.0, isolation_level=None)) as connection:
        try:
            connection.execute("BEGIN IMMEDIATE")
        except sqlite3.OperationalError:
            return True
        connection.execute("ROLLBACK")
        return False

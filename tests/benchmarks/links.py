"""What the links carry, how late, and how soon their end is noticed: real libraries, the boards in other processes."""

from __future__ import annotations

import asyncio
import os
import pty
import statistics
import subprocess
import sys
import tempfile
import threading
import time
import tty
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from firmware_bridge.ble_link import BleLink
from firmware_bridge.cablelink_reader import CablelinkReader
from firmware_bridge.drivers import open_link
from firmware_bridge.link import Link, LinkError
from protocols import cablelink, framing
from simulators.fake_bluez_bus import VARIABLE, PrivateBus, find_daemon
from tests.benchmarks.air import ADDRESS, ASKED, SIZE, STAMP

LINE_BYTES: Final = 300_000  # a second, of a line of 3 Mbit/s: ten bits a byte
BOARD_BYTES: Final = 1000 * 4 * 4  # a second, of two cables at 1 kHz without what is around them
FRAMES: Final = 10_000  # of ten samples of four channels, over the serial line
NOTIFICATIONS: Final = 4000
UNDER_WAY: Final = 100  # notifications; with twice as many at once the fake BlueZ loses its bus
LATENCIES: Final = 400
UNPLUGGED: Final = 3  # times; the slowest counts
LOST_WITHIN: Final = 10.0  # s

Rows = list[tuple[str, str]]


def links() -> Rows:
    """Every figure, as rows of the table."""
    return [*asyncio.run(_serial()), *asyncio.run(_air())]


@contextmanager
def _process(*arguments: str) -> Iterator[subprocess.Popen[str]]:
    """Another program, from its first line on, killed in the end."""
    process = subprocess.Popen([sys.executable, *arguments], stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    try:
        process.stdout.readline()
        yield process
    finally:
        process.kill()
        process.wait(10)
        process.stdout.close()


async def _serial() -> Rows:
    rate = await _serial_bytes()
    ends = []
    for _ in range(UNPLUGGED):
        with tempfile.TemporaryDirectory() as folder:
            port = Path(folder, "port")
            with _process("-m", "simulators.cli", "pty", "--link", str(port)) as board:
                link = await open_link(f"serial://{port}")
                ends.append(await _lost_after(link, board))
    return [
        ("serial link and decoder, as fast as they go", f"{_kilo(rate)} ({rate / LINE_BYTES:.0f} x a 3 Mbit/s line)"),
        ("serial: killed board noticed, slowest of three", f"{1000.0 * max(ends):.1f} ms"),
    ]


async def _serial_bytes() -> float:
    """Bytes a second from a port to messages, none of them lost."""
    rows = tuple((k, -k, 1000 * k, 7) for k in range(10))
    stream = b"".join(
        framing.encode(cablelink.Samples(sequence=k, t_us=k * 10_000, dt_us=1000, rows=rows).to_body())
        for k in range(FRAMES)
    )
    master, slave = pty.openpty()
    tty.setraw(slave)
    link = await open_link(f"serial://{os.ttyname(slave)}")
    writer = threading.Thread(target=_write_all, args=(master, stream), name="board")
    reader = CablelinkReader()
    reader.link_up()
    begun = time.perf_counter()
    writer.start()
    while reader.counters.frames < FRAMES:
        async with asyncio.timeout(LOST_WITHIN):
            reader.feed(await link.receive())
    took = time.perf_counter() - begun
    writer.join()
    assert (reader.counters.lost, reader.counters.damaged) == (0, 0)
    await link.close()
    os.close(master)
    os.close(slave)
    return len(stream) / took


def _write_all(descriptor: int, data: bytes) -> None:
    rest = memoryview(data)
    while rest:
        rest = rest[os.write(descriptor, rest) :]


async def _air() -> Rows:
    if find_daemon() is None:
        return [("Bluetooth LE", "dbus-daemon is not installed; make test installs it")]
    async with PrivateBus() as bus:
        os.environ[VARIABLE] = bus.address
        ends = []
        for k in range(UNPLUGGED):
            with _process("-m", "tests.benchmarks.air", bus.address) as bluetoothd:
                link = await _connected()
                if k == 0:
                    late = await _latencies(link)
                    rate = await _notified(link)
                ends.append(await _lost_after(link, bluetoothd))
    return [
        (
            "BLE on the fake BlueZ, as fast as it goes",
            f"{_kilo(rate)} ({rate / BOARD_BYTES:.0f} x two cables at 1 kHz)",
        ),
        (
            "BLE: from bluetoothd to the stamp of its arrival",
            f"{1000.0 * statistics.median(late):.2f} ms, 99 % under {1000.0 * sorted(late)[-len(late) // 100]:.2f} ms",
        ),
        ("BLE: killed bluetoothd noticed, slowest of three", f"{max(ends):.2f} s"),
    ]


async def _connected() -> BleLink:
    """A link to the board, after INFO; bleak may first ask for what a killed bluetoothd had."""
    async with asyncio.timeout(LOST_WITHIN):
        while True:
            try:
                link = await open_link(f"ble://{ADDRESS}")
            except LinkError:
                await asyncio.sleep(0.1)
                continue
            assert isinstance(link, BleLink)
            await link.receive()
            return link


async def _latencies(link: BleLink) -> list[float]:
    """Seconds by which single notifications arrive late."""
    await link.send(ASKED.pack(0))
    late = []
    for _ in range(LATENCIES):
        chunk = await link.receive()
        late.append(chunk.received_at - STAMP.unpack_from(chunk.data)[0] * 1e-9)
    return late


async def _notified(link: BleLink) -> float:
    """Bytes a second of notifications, with some always under way; none may be lost."""
    await link.send(ASKED.pack(UNDER_WAY))
    arrived = [await link.receive()]
    while len(arrived) < NOTIFICATIONS:
        if len(arrived) % UNDER_WAY == UNDER_WAY // 2:
            await link.send(ASKED.pack(UNDER_WAY))
        async with asyncio.timeout(LOST_WITHIN):
            arrived.append(await link.receive())
    return (len(arrived) - 1) * SIZE / (arrived[-1].received_at - arrived[0].received_at)


async def _lost_after(link: Link, board: subprocess.Popen[str]) -> float:
    """Seconds from kill -9 of whoever serves a link to its LinkError."""
    board.kill()
    killed = time.monotonic()
    try:
        async with asyncio.timeout(LOST_WITHIN):
            while True:
                await link.receive()
    except LinkError:
        return time.monotonic() - killed
    finally:
        await link.close()


def _kilo(rate: float) -> str:
    return f"{rate / 1000.0:,.0f} kB/s"

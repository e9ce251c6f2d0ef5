"""Ports: a pseudo-terminal under the real pyserial, a TCP port, and the link in memory."""

from __future__ import annotations

import asyncio
import contextlib
import os
import time
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from firmware_bridge.link import Link, LinkError
from firmware_bridge.serial_link import open_serial
from firmware_bridge.tcp_link import open_tcp
from protocols import cablelink
from protocols.cablelink import Info, Samples
from protocols.framing import FrameDecoder
from simulators.gym import session_board
from simulators.impairments import Disconnect, Impairments, Loss
from simulators.memory_link import MemoryLink, VirtualClock
from simulators.pty_port import PortError, PtyPort
from simulators.pump import Pump
from simulators.scenarios import SCENARIOS, Session
from simulators.tcp_port import TcpPort
from tests.simulators.wire import frame, start

SESSION = Session(SCENARIOS["iso_lateral_row"].but(reps=1))
ASK = b"\0" + frame(cablelink.GetInfo(sequence=1))


def pump(impairments: Impairments | None = None) -> Pump:
    return Pump(session_board(SESSION, now=time.monotonic()), impairments)


@contextlib.asynccontextmanager
async def served(port: PtyPort | TcpPort) -> AsyncIterator[None]:
    until = asyncio.Event()
    task = asyncio.create_task(port.run(until=until), name="serve")
    try:
        yield
    finally:
        until.set()
        await task


async def hear(link: Link, kind: type[cablelink.Message]) -> cablelink.Message:
    """The next message of this kind. Half a frame may come first."""
    decoder = FrameDecoder()
    async with asyncio.timeout(10.0):
        while True:
            for body in decoder.feed((await link.receive()).data):
                message = cablelink.decode(body)
                if isinstance(message, kind):
                    return message


async def drain(link: Link) -> None:
    while True:
        await link.receive()


async def test_pyserial_opens_the_link_and_gets_the_answer_and_the_stream(tmp_path: Path) -> None:
    name = tmp_path / "board"
    async with served(PtyPort(pump(), link=name)):
        link = await open_serial(str(name), baud=921_600)
        await link.send(ASK)
        info = await hear(link, Info)
        assert isinstance(info, Info)
        assert len(info.channels) == 4
        await link.send(start(2, rate_hz=200, batch=2))
        assert isinstance(await hear(link, Samples), Samples)
        await link.close()
    assert not name.is_symlink()


async def test_a_program_may_close_and_open_the_device_again(tmp_path: Path) -> None:
    port = PtyPort(pump(), link=tmp_path / "board")
    async with served(port):
        for _ in range(3):
            link = await open_serial(port.name, baud=115_200)
            await link.send(ASK)
            await hear(link, Info)
            await link.close()


async def test_bytes_that_nobody_reads_are_lost_and_the_next_reader_starts_afresh(tmp_path: Path) -> None:
    port = PtyPort(pump(), link=tmp_path / "board")
    board = port._pump.device
    board.receive(start(1, rate_hz=4000, batch=30))
    async with served(port), asyncio.timeout(20.0):
        while port.lost == 0:  # noqa: ASYNC110 - waits for the terminal's buffer to be full
            await asyncio.sleep(0.01)
        link = await open_serial(port.name, baud=921_600)
        assert isinstance(await hear(link, Samples), Samples)
        await link.close()


def test_the_terminal_is_raw_before_anybody_makes_it_so() -> None:
    port = PtyPort(pump())
    opened = os.open(port.device, os.O_RDWR | os.O_NOCTTY | os.O_NONBLOCK)
    sent = b"\x03\x04\r\n\x11\x13\x7f\0"
    os.write(opened, sent)
    assert os.read(port._master, 100) == sent
    with pytest.raises(BlockingIOError):
        os.read(opened, 1)  # no echo
    os.write(port._master, sent)
    assert os.read(opened, 100) == sent
    os.close(opened)
    port.close()


def test_a_link_left_over_by_a_killed_process_is_replaced(tmp_path: Path) -> None:
    link = tmp_path / "deep" / "board"
    link.parent.mkdir()
    link.symlink_to("/dev/pts/none")
    port = PtyPort(pump(), link=link)
    assert str(link.readlink()) == port.device
    port.close()
    port.close()
    assert not link.is_symlink()


def test_a_file_is_never_replaced_by_a_link(tmp_path: Path) -> None:
    (tmp_path / "board").write_text("mine")
    with pytest.raises(PortError, match="--link"):
        PtyPort(pump(), link=tmp_path / "board")
    assert (tmp_path / "board").read_text() == "mine"


def test_the_link_of_a_successor_is_left_alone(tmp_path: Path) -> None:
    old, new = (PtyPort(pump(), link=tmp_path / "board") for _ in range(2))
    old.close()
    assert str((tmp_path / "board").readlink()) == new.device
    new.close()


async def test_a_disconnection_takes_the_device_away_and_brings_it_back(tmp_path: Path) -> None:
    name = tmp_path / "board"
    port = PtyPort(pump(Impairments((Disconnect(0.3, 0.5),))), link=name)
    async with served(port), asyncio.timeout(20.0):
        link = await open_serial(str(name), baud=115_200)
        await link.send(ASK)
        with pytest.raises(LinkError):
            await drain(link)
        await link.close()
        assert not name.is_symlink()
        while not name.is_symlink():  # noqa: ASYNC110 - a directory tells nobody
            await asyncio.sleep(0.01)
        link = await open_serial(str(name), baud=115_200)
        await link.send(ASK)
        await hear(link, Info)
        await link.close()


async def test_a_tcp_port_serves_one_host_at_a_time_and_the_board_runs_on() -> None:
    port = TcpPort(pump())
    async with served(port):
        first = await open_tcp("127.0.0.1", port=port.port)
        await first.send(ASK + start(2))
        await hear(first, Samples)
        second = await open_tcp("127.0.0.1", port=port.port)
        with pytest.raises(LinkError):
            await hear(second, Info)
        await second.close()
        await first.close()
        async with asyncio.timeout(10.0):
            while True:
                third = await open_tcp("127.0.0.1", port=port.port)
                try:
                    assert isinstance(await hear(third, Samples), Samples)  # still streaming
                    break
                except LinkError:
                    await third.close()  # the first is not gone yet
        await third.close()


def test_a_port_that_is_taken_is_said() -> None:
    port = TcpPort(pump())
    with pytest.raises(PortError, match="--port"):
        TcpPort(pump(), port=port.port)
    port._socket.close()


async def test_a_session_in_memory_passes_at_once() -> None:
    clock = VirtualClock()
    link = MemoryLink(session_board(SESSION), clock, until=60.0)
    await link.send(start(1, rate_hz=100))
    began = time.monotonic()
    rows, decoder, last = 0, FrameDecoder(), 0.0
    with contextlib.suppress(LinkError):
        while True:
            chunk = await link.receive()
            assert last <= chunk.received_at <= clock.now
            last = chunk.received_at
            rows += sum(isinstance(cablelink.decode(body), Samples) for body in decoder.feed(chunk.data))
    assert rows == pytest.approx(6000, abs=2)
    assert time.monotonic() - began < 30.0


async def test_a_closed_memory_link_and_one_that_is_down_raise() -> None:
    link = MemoryLink(session_board(SESSION), VirtualClock(), impairments=Impairments((Loss(0.5), Disconnect(1.0))))
    await link.send(start(1))
    with pytest.raises(LinkError, match="down"):
        await drain(link)
    await link.close()
    with pytest.raises(LinkError, match="closed"):
        await link.send(b"")

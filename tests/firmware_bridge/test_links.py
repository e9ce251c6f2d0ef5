"""The links alone: what can go wrong at a port, and what it says."""

from __future__ import annotations

import asyncio
import contextlib
import os
import pty
import re
import socket
import subprocess
import sys
import termios
import tty
from collections.abc import Iterator
from pathlib import Path

import pytest

from firmware_bridge import tcp_link
from firmware_bridge.drivers import BoardConfig, check_url, make_driver, open_link
from firmware_bridge.link import LinkError
from firmware_bridge.serial_link import SerialLink, _advice, open_serial
from firmware_bridge.tcp_link import TcpLink, open_tcp

SOON = 20.0  # s
HOLDER = (
    "import serial, sys; p = serial.Serial(sys.argv[1], exclusive=True); print('held', flush=True); sys.stdin.read()"
)


class Terminal:
    """Both ends of a pseudo-terminal."""

    def __init__(self) -> None:
        self.master, self.slave = pty.openpty()
        tty.setraw(self.slave)
        self.name = os.ttyname(self.slave)

    def unplug(self) -> None:
        for fd in (self.slave, self.master):
            with contextlib.suppress(OSError):
                os.close(fd)


@pytest.fixture
def terminal() -> Iterator[Terminal]:
    made = Terminal()
    yield made
    made.unplug()


async def received(link: SerialLink | TcpLink) -> bytes:
    async with asyncio.timeout(SOON):
        return (await link.receive()).data


async def test_bytes_go_both_ways_through_a_serial_port(terminal: Terminal) -> None:
    link = await open_link(f"serial://{terminal.name}")
    assert isinstance(link, SerialLink)
    os.write(terminal.master, b"\0\r\n\x11\x13up")
    assert await received(link) == b"\0\r\n\x11\x13up"
    await link.send(b"\0\r\n\x03down")
    assert os.read(terminal.master, 100) == b"\0\r\n\x03down"
    await link.close()
    await link.close()


async def test_a_port_that_does_not_exist_says_so(tmp_path: Path) -> None:
    with pytest.raises(LinkError, match="no such port; is the board plugged in"):
        await open_serial(str(tmp_path / "ttyUSB9"), baud=115200)


async def test_a_port_held_by_another_process_says_so(terminal: Terminal) -> None:
    command = [sys.executable, "-c", HOLDER, terminal.name]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as holder:  # noqa: ASYNC220
        assert holder.stdout is not None
        assert holder.stdout.readline() == b"held\n"
        with pytest.raises(LinkError, match="another program uses this port; close it"):
            await open_serial(terminal.name, baud=115200)
        holder.communicate()
    await (await open_serial(terminal.name, baud=115200)).close()


async def test_a_port_that_is_open_here_cannot_be_opened_twice(terminal: Terminal) -> None:
    link = await open_serial(terminal.name, baud=115200)
    with pytest.raises(LinkError, match="another program"):
        await open_serial(terminal.name, baud=115200)
    await link.close()


async def test_a_file_is_no_serial_port(tmp_path: Path) -> None:
    path = tmp_path / "notes"
    path.write_text("")
    with pytest.raises(LinkError, match="this is no serial port"):
        await open_serial(str(path), baud=115200)


def test_a_port_without_permission_names_the_group_that_has_it(tmp_path: Path) -> None:
    path = tmp_path / "port"
    path.write_text("")
    advice = _advice(str(path), PermissionError(13, "Permission denied"))
    assert f"group {path.group()}" in advice


async def test_a_pulled_plug_ends_the_link_for_everybody_who_asks(terminal: Terminal) -> None:
    link = await open_serial(terminal.name, baud=115200)
    waiting = asyncio.create_task(received(link))
    await asyncio.sleep(0)
    terminal.unplug()
    for _ in range(2):
        with pytest.raises(LinkError, match="was the plug pulled"):
            await waiting
        waiting = asyncio.create_task(received(link))
    with pytest.raises(LinkError, match="was the plug pulled"):
        await waiting
    with pytest.raises(LinkError, match="was the plug pulled"):
        await link.send(b"x")
    await link.close()


async def test_bytes_that_somebody_flushed_away_are_no_lost_link(terminal: Terminal) -> None:
    link = await open_serial(terminal.name, baud=115200)
    os.write(terminal.master, b"old")
    termios.tcflush(terminal.slave, termios.TCIFLUSH)
    link._readable()
    os.write(terminal.master, b"new")
    assert await received(link) == b"new"
    await link.close()


async def test_a_board_that_does_not_read_blocks_nobody_but_the_sender(terminal: Terminal) -> None:
    link = await open_serial(terminal.name, baud=115200)
    data = bytes(range(256)) * 400
    sending = asyncio.create_task(link.send(data))
    await asyncio.sleep(0)
    assert not sending.done()
    os.set_blocking(terminal.master, False)
    got = bytearray()
    ready = asyncio.Event()
    loop = asyncio.get_running_loop()
    loop.add_reader(terminal.master, ready.set)
    async with asyncio.timeout(SOON):
        while len(got) < len(data):
            await ready.wait()
            ready.clear()
            with contextlib.suppress(BlockingIOError):
                got += os.read(terminal.master, 65536)
        await sending
    loop.remove_reader(terminal.master)
    assert got == data
    await link.close()


async def test_a_send_that_waits_ends_with_the_link_and_the_next_link_has_the_port_to_itself(
    terminal: Terminal,
) -> None:
    link = await open_serial(terminal.name, baud=115200)
    sending = asyncio.create_task(link.send(bytes(100_000)))
    await asyncio.sleep(0)
    assert not sending.done()
    await link.close()
    with pytest.raises(LinkError, match="is closed"):
        async with asyncio.timeout(SOON):
            await sending
    again = await open_serial(terminal.name, baud=115200)  # under the same file descriptor, as a rule
    os.write(terminal.master, b"here")
    assert await received(again) == b"here"
    await again.close()


async def test_bytes_go_both_ways_over_tcp_without_delay() -> None:
    ends: asyncio.Queue[tuple[asyncio.StreamReader, asyncio.StreamWriter]] = asyncio.Queue()
    server = await asyncio.start_server(lambda r, w: ends.put_nowait((r, w)), "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    link = await open_link(f"tcp://127.0.0.1:{port}")
    assert isinstance(link, TcpLink)
    reader, writer = await ends.get()
    sock: socket.socket = link._writer.get_extra_info("socket")
    assert sock.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY)
    writer.write(b"up")
    assert await received(link) == b"up"
    await link.send(b"down")
    assert await reader.readexactly(4) == b"down"
    writer.close()
    await writer.wait_closed()
    with pytest.raises(LinkError, match="the other end closed the connection"):
        await received(link)
    await link.close()
    await link.close()
    server.close()
    await server.wait_closed()


async def test_a_tcp_port_where_nobody_listens_says_what_to_look_at() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
    with pytest.raises(LinkError, match="is the board on, and the port right"):
        await open_tcp("127.0.0.1", port=port)


async def test_a_name_that_can_be_no_hosts_says_what_to_look_at() -> None:
    with pytest.raises(LinkError, match="is the address right"):
        await open_tcp(f"{'a' * 64}.local", port=5000)


async def test_a_host_that_does_not_answer_is_given_up_in_time(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tcp_link, "CONNECT_WITHIN", 0.1)
    with contextlib.ExitStack() as stack:
        server = stack.enter_context(socket.create_server(("127.0.0.1", 0), backlog=0))
        for _ in range(3):  # fill the queue that nobody accepts from
            queued = stack.enter_context(socket.socket())
            queued.settimeout(0.0)
            queued.connect_ex(server.getsockname())
        with pytest.raises(LinkError, match="no answer within"):
            await open_tcp("127.0.0.1", port=server.getsockname()[1])


@pytest.mark.parametrize(
    ("url", "words"),
    [
        ("serial://ttyUSB0", "names a device, as in serial:///dev/ttyUSB0"),
        ("serial:///dev/ttyUSB0?boud=9600", "'boud' is no option"),
        ("serial:///dev/ttyUSB0?baud=fast", "baud=fast is no rate"),
        ("serial:///dev/ttyUSB0?baud=\N{SUPERSCRIPT TWO}", "is no rate"),
        ("serial:///dev/ttyUSB0?baud=99999999999", "is no rate"),
        ("tcp://host", "names host and port"),
        ("tcp://host:port", "names host and port"),
        ("/dev/ttyUSB0", "is reached by serial://, tcp:// or ble:"),
    ],
)
def test_a_wrong_url_says_how_a_right_one_looks(url: str, words: str) -> None:
    with pytest.raises(ValueError, match=re.escape(words)) as error:
        check_url(url)
    assert url in str(error.value)


def test_an_unknown_driver_names_the_nearest_or_those_that_there_are() -> None:
    with pytest.raises(ValueError, match="did you mean 'cablelink'"):
        make_driver(BoardConfig(id="left", url="tcp://127.0.0.1:1", driver="cabelink"))
    with pytest.raises(ValueError, match="known: cablelink"):
        make_driver(BoardConfig(id="left", url="tcp://127.0.0.1:1", driver="xyz"))

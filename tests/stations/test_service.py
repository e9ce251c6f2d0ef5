"""A gateway under systemd: what it tells the socket that systemd listens at, and what is left when it is stopped."""

from __future__ import annotations

import asyncio
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest

from controller.broker import find_mosquitto
from controller.service import Service
from tests.stations.processes import WITHIN, board, station, write_config
from tests.stations.test_gateway import ABSENT, descendants, heard, mosquitto, watching

pytestmark = [
    pytest.mark.broker,
    pytest.mark.skipif(find_mosquitto() is None, reason="mosquitto is not installed"),
]
PATIENCE = 0.4  # s of the watchdog; a sign of life comes twice as often
HUNG = 5 * PATIENCE  # s without a sign of life; systemd would long have ended it


@pytest.fixture
def systemd(monkeypatch: pytest.MonkeyPatch) -> Iterator[socket.socket]:
    """What systemd would listen at."""
    name = f"@cable-station-test-{os.getpid()}"
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as listener:
        listener.bind(f"\0{name[1:]}")
        listener.settimeout(WITHIN)
        monkeypatch.setenv("NOTIFY_SOCKET", name)
        monkeypatch.setenv("WATCHDOG_USEC", str(round(PATIENCE * 1e6)))
        yield listener


def until(listener: socket.socket, message: bytes) -> list[bytes]:
    """What is told up to a message that begins so."""
    told = [listener.recv(4096)]
    while not told[-1].startswith(message):
        told.append(listener.recv(4096))
    return told


def test_systemd_learns_that_a_gateway_is_ready_alive_and_about_to_end(systemd: socket.socket, tmp_path: Path) -> None:
    with station(write_config(tmp_path, board(ABSENT), broker="mosquitto")) as running:
        (ready,) = until(systemd, b"READY=1")
        assert ready == b"READY=1\nSTATUS=one"
        below = descendants(running.process.pid)
        assert len(below) == 2  # its broker runs already
        assert not [pid for pid in below if b"NOTIFY_SOCKET" in Path(f"/proc/{pid}/environ").read_bytes()]
        assert until(systemd, b"WATCHDOG=1") == until(systemd, b"WATCHDOG=1") == [b"WATCHDOG=1"]
        assert running.end(signal.SIGTERM) == 0
        assert until(systemd, b"STOPPING=1")[-1] == b"STOPPING=1"


def test_a_gateway_that_may_not_begin_is_never_ready(systemd: socket.socket, tmp_path: Path) -> None:
    config = write_config(tmp_path, board("nonsense"))
    done = subprocess.run(
        [sys.executable, "-m", "controller.cli", "run", str(config)], capture_output=True, check=False, timeout=60
    )
    assert done.returncode == 2
    systemd.settimeout(0.0)
    with pytest.raises(BlockingIOError):
        systemd.recv(4096)


async def test_a_loop_that_hangs_gives_no_sign_of_life_until_it_goes_on(systemd: socket.socket) -> None:
    life = asyncio.create_task(Service(os.environ, say=pytest.fail).live())
    try:
        assert await asyncio.to_thread(until, systemd, b"WATCHDOG=1")
        time.sleep(HUNG)  # noqa: ASYNC251 - this is the loop that hangs
        systemd.settimeout(0.0)
        with pytest.raises(BlockingIOError):
            systemd.recv(4096)
        systemd.settimeout(WITHIN)
        assert await asyncio.to_thread(until, systemd, b"WATCHDOG=1")
    finally:
        life.cancel()


def test_a_stop_ends_the_session_and_lets_every_event_out_first(tmp_path: Path) -> None:
    with mosquitto(tmp_path) as (port, _), watching(port) as listener:
        config = write_config(tmp_path, board(ABSENT), broker=f"mqtt://127.0.0.1:{port}")
        with station(config) as running:
            running.says("connected")
            assert running.end(signal.SIGTERM) == 0
            listener.until(lambda: heard(listener, "_gateway/gateway/status")[-1:] == ["offline"])
        made = running.events()
    assert made[-1]["state"] == "ended"
    told = "\n".join(listener.out)
    assert not [event for event in made if event["id"] not in told]


def test_a_socket_that_is_gone_is_one_line_a_message_and_no_end() -> None:
    said: list[str] = []
    service = Service({"NOTIFY_SOCKET": "/nowhere/notify"}, say=said.append)
    service.ready("one")
    assert len(said) == 1
    assert "READY=1" in said[0]


def test_what_is_no_number_is_no_watchdog() -> None:
    environment = {"WATCHDOG_USEC": "soon", "WATCHDOG_PID": "1", "HOME": "/"}
    with suppress(StopIteration):
        Service(environment, say=print).live().send(None)
    assert environment == {"HOME": "/"}

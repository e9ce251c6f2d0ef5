"""A gateway among its processes: what is left of it, and what others learn, when it or its broker ends badly."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from controller.broker import find_mosquitto, free_port, told
from tests.stations.processes import WITHIN, Program, board, program, simulator, station, url, write_config

pytestmark = [
    pytest.mark.broker,
    pytest.mark.skipif(find_mosquitto() is None, reason="mosquitto is not installed"),
]
ABSENT = "tcp://127.0.0.1:9"  # the discard port: nobody listens


def descendants(pid: int) -> set[int]:
    """The processes below one, from /proc."""
    children: set[int] = set()
    for task in Path(f"/proc/{pid}/task").iterdir():
        children |= {int(each) for each in (task / "children").read_text().split()}
    return children.union(*(descendants(child) for child in children)) if children else children


def alive(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0] != "Z"
    except FileNotFoundError:
        return False


def until(what: Callable[[], bool]) -> None:
    deadline = time.monotonic() + WITHIN
    while not what():
        assert time.monotonic() < deadline, "waited in vain"
        time.sleep(0.02)


@contextmanager
def mosquitto(folder: Path) -> Iterator[tuple[int, subprocess.Popen[bytes]]]:
    """Somebody else's broker; its port and its process."""
    found = find_mosquitto()
    assert found is not None
    port = free_port()
    config = folder / "theirs.conf"
    config.write_text(f"listener {port} 127.0.0.1\nallow_anonymous true\n", encoding="utf-8")
    with subprocess.Popen([found, "-c", str(config)], stderr=subprocess.DEVNULL) as process:
        try:
            yield port, process
        finally:
            process.kill()


@contextmanager
def watching(port: int, *, user: str = "", password: str = "") -> Iterator[Program]:
    """A process that hears all of the site."""
    arguments = ("127.0.0.1", str(port), user, password, "cable/v1/test/#")
    with program("-m", "tests.stations.subscriber", *arguments) as listener:
        listener.says("listening")
        yield listener


def heard(listener: Program, topic: str) -> list[str]:
    return [line.split(" ", 1)[1] for line in list(listener.out) if line.startswith(f"cable/v1/test/{topic} ")]


def test_a_killed_gateway_is_offline_by_its_last_will(tmp_path: Path) -> None:
    with mosquitto(tmp_path) as (port, _):
        config = write_config(tmp_path, board(ABSENT), broker=f"mqtt://127.0.0.1:{port}")
        with station(config) as running, watching(port) as listener:
            running.says("connected")
            listener.until(lambda: heard(listener, "_gateway/gateway/status")[-1:] == ["online"])
            running.process.kill()
            listener.until(lambda: heard(listener, "_gateway/gateway/status")[-1:] == ["offline"])


def test_a_killed_gateway_leaves_no_child_and_no_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    temporary = tmp_path / "tmp"
    temporary.mkdir()
    monkeypatch.setenv("TMPDIR", str(temporary))
    with station(write_config(tmp_path, board(ABSENT), broker="mosquitto")) as running:
        running.says("connected")
        below = descendants(running.process.pid)
        assert len(below) == 2
        assert list(temporary.iterdir())
        running.process.kill()
        until(lambda: not any(alive(pid) for pid in below))
        until(lambda: not list(temporary.iterdir()))


def test_a_ctrl_c_to_the_whole_group_lets_the_last_words_through(tmp_path: Path) -> None:
    with station(write_config(tmp_path, board(ABSENT), broker="mosquitto")) as running:
        reached = told(Path(url(running)))
        assert reached.dashboard is not None
        user, password = reached.dashboard.user, reached.dashboard.password
        with watching(reached.port, user=user, password=password) as listener:
            listener.until(lambda: heard(listener, "_gateway/gateway/status")[-1:] == ["online"])
            below = descendants(running.process.pid)
            began = time.monotonic()
            os.killpg(running.process.pid, signal.SIGINT)
            assert running.process.wait(WITHIN) == 0
            assert time.monotonic() - began < 3.0
            listener.until(lambda: heard(listener, "_gateway/gateway/status")[-1:] == ["offline"])
        assert not any(alive(pid) for pid in below)
        assert not [line for line in running.err if "lost" in line or "again" in line or "Traceback" in line]
        assert running.events()[-1]["state"] == "ended"


def test_a_frozen_broker_does_not_hold_up_the_end(tmp_path: Path) -> None:
    with mosquitto(tmp_path) as (port, process):
        config = write_config(tmp_path, board(ABSENT), broker=f"mqtt://127.0.0.1:{port}")
        with station(config) as running:
            running.says("connected")
            process.send_signal(signal.SIGSTOP)
            began = time.monotonic()
            assert running.end(signal.SIGTERM) == 0
            assert time.monotonic() - began < 4.0  # s; 3 and what a busy machine adds
        process.send_signal(signal.SIGCONT)


def test_a_port_taken_by_somebody_else_is_exit_code_one_and_one_line(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        config = write_config(tmp_path, board(ABSENT), broker="mosquitto")
        config.write_text(config.read_text(encoding="utf-8").replace("[display]", f"port = {port}\n[display]", 1))
        done = subprocess.run(
            [sys.executable, "-m", "controller.cli", "run", str(config)],
            capture_output=True, text=True, check=False, timeout=60,
        )  # fmt: skip
    assert done.returncode == 1
    (line,) = done.stderr.splitlines()
    assert f"port {port} on 127.0.0.1 is in use" in line
    assert "broker.port" in line


def test_a_second_gateway_on_one_outbox_is_exit_code_one_and_one_line(tmp_path: Path) -> None:
    with mosquitto(tmp_path) as (port, _):
        config = write_config(tmp_path, board(ABSENT), broker=f"mqtt://127.0.0.1:{port}")
        with station(config) as running:
            running.says("connected")
            done = subprocess.run(
                [sys.executable, "-m", "controller.cli", "run", str(config)],
                capture_output=True, text=True, check=False, timeout=60,
            )  # fmt: skip
            assert running.end() == 0
    assert done.returncode == 1
    (line,) = done.stderr.splitlines()
    assert "outbox.db: another controller uses this outbox" in line
    assert "outbox.path" in line


def test_a_check_of_a_right_configuration_starts_nothing(tmp_path: Path) -> None:
    config = write_config(tmp_path, board(ABSENT), broker="mosquitto")
    done = subprocess.run(
        [sys.executable, "-m", "controller.cli", "run", str(config), "--check"],
        capture_output=True, text=True, check=False, timeout=60,
    )  # fmt: skip
    assert (done.returncode, done.stdout) == (0, "")
    assert len(done.stderr.splitlines()) == 1
    assert not (tmp_path / "recordings").exists()


def test_a_broker_killed_in_mid_set_is_started_again_and_events_flow_on(tmp_path: Path) -> None:
    link = tmp_path / "port"
    config = write_config(tmp_path, board(f"serial://{link}"), broker="mosquitto")
    with simulator("pty", "--link", str(link), "--reps", "6"), station(config) as running:
        reached = told(Path(url(running)))
        assert reached.dashboard is not None
        user, password = reached.dashboard.user, reached.dashboard.password
        running.until(lambda: len(running.events("rep")) >= 4, within=60.0)
        (guard,) = (pid for pid in descendants(running.process.pid) if descendants(pid))
        (inner,) = descendants(guard)
        os.kill(inner, signal.SIGKILL)
        running.says("broker died")
        during = len(running.events("rep"))
        running.until(lambda: sum("connected" in line for line in list(running.err)) == 2)
        with watching(reached.port, user=user, password=password) as listener:
            running.until(lambda: len(running.events("rep")) >= during + 4, within=60.0)
            wanted = [event["id"] for event in running.events("rep")][-3:]
            listener.until(lambda: all(any(one in line for line in list(listener.out)) for one in wanted))
        assert running.end() == 0
    assert sum("broker died" in line for line in running.err) == 1
    assert not [line for line in running.err if "Traceback" in line]

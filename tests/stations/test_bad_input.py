"""What a person can get wrong, and what hardware does: one line that says what to do, no traceback, the right end."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import threading
import tty
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
import serial

from protocols import cablelink, framing
from tests.stations.processes import Program, board, simulator, station, write_config


def faults(running: Program) -> list[tuple[str, bool]]:
    return [(event["name"], event["raised"]) for event in running.events("fault")]


def one_line(running: Program, text: str) -> None:
    """The line is there, once, the fault with it, nothing was thrown, and the station ends in order."""
    running.says(text)
    running.until(lambda: bool(running.events("fault")))
    assert running.end(signal.SIGTERM) == 0
    assert sum(text in line for line in running.err) == 1
    assert not [line for line in (*running.out, *running.err) if "Traceback" in line]


@contextmanager
def talking(*, saying: bytes) -> Iterator[str]:
    """A serial port at which somebody says something over and over."""
    ours, theirs = os.openpty()
    tty.setraw(theirs)
    done = threading.Event()

    def talk() -> None:
        while not done.wait(0.01):
            try:
                os.write(ours, saying)
            except BlockingIOError:
                continue  # nobody reads it yet

    os.set_blocking(ours, False)
    thread = threading.Thread(target=talk)
    thread.start()
    try:
        yield os.ttyname(theirs)
    finally:
        done.set()
        thread.join()
        os.close(ours)
        os.close(theirs)


def test_an_absent_port_is_one_line_and_retried(tmp_path: Path) -> None:
    with station(write_config(tmp_path, board(f"serial://{tmp_path}/nothing"))) as running:
        one_line(running, "there is no such port; is the board plugged in?")
        assert ("board_absent", True) in faults(running)


def test_a_busy_port_is_one_line_and_used_once_it_is_free(tmp_path: Path) -> None:
    link = tmp_path / "port"
    with simulator("pty", "--link", str(link), "--once"):
        other = serial.Serial(str(link), exclusive=True)
        with station(write_config(tmp_path, board(f"serial://{link}"))) as running:
            running.says("another program uses this port")
            other.close()
            running.until(lambda: ("board_absent", False) in faults(running))
            assert running.end() == 0


@pytest.mark.parametrize(
    ("saying", "says", "name"),
    [
        (bytes(range(128, 256)) * 2, "wrong baud rate", "board_junk"),
        (b"1234567;12.5\r\n" * 20, "another kind of board", "board_foreign"),
    ],
)
def test_bytes_that_are_no_frames_are_one_line_with_their_likely_cause(
    tmp_path: Path, saying: bytes, says: str, name: str
) -> None:
    with talking(saying=saying) as port, station(write_config(tmp_path, board(f"serial://{port}"))) as running:
        one_line(running, says)
        assert (name, True) in faults(running)


def test_a_board_of_a_higher_major_version_is_refused_with_a_clear_line(tmp_path: Path) -> None:
    info = framing.encode(cablelink.Info(major=cablelink.MAJOR + 1, model="future").to_body())
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]

        def answer() -> None:
            connection, _ = server.accept()
            with connection:
                connection.sendall(info)
                while connection.recv(1024):
                    pass

        thread = threading.Thread(target=answer)
        thread.start()
        with station(write_config(tmp_path, board(f"tcp://127.0.0.1:{port}"))) as running:
            one_line(running, "update")
            assert ("board_version", True) in faults(running)
        thread.join(10.0)


def test_nobody_at_an_address_is_one_line(tmp_path: Path) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))  # bound, and nobody listens
        port = taken.getsockname()[1]
        with station(write_config(tmp_path, board(f"tcp://127.0.0.1:{port}"))) as running:
            one_line(running, "is the board on")


def test_without_its_broker_a_station_counts_on(tmp_path: Path) -> None:
    link = tmp_path / "port"
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        port = taken.getsockname()[1]
        config = write_config(tmp_path, board(f"serial://{link}"), broker=f"mqtt://127.0.0.1:{port}")
        with simulator("pty", "--link", str(link)), station(config) as running:
            running.says("cannot be reached")
            running.until(lambda: bool(running.events("rep")))
            assert running.end() == 0
            assert sum("cannot be reached" in line for line in running.err) == 1


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ('[[station]]\nid = "one"\nboards = 3\n', "did you mean 'board'"),
        ('[[station]]\nid = "One"\n[[station.board]]\nid = "a"\nurl = "tcp://127.0.0.1:1"\n', "station[0].id"),
        ('[[station]]\nid = "one"\n[[station.board]]\nid = "a"\nurl = "usb:1"\n', "station[0].board[0].url"),
        ("[[station]", "gym.toml"),
    ],
)
def test_a_wrong_configuration_ends_with_two_and_one_line(tmp_path: Path, text: str, says: str) -> None:
    path = tmp_path / "gym.toml"
    path.write_text(text, encoding="utf-8")
    done = subprocess.run(
        [sys.executable, "-m", "controller.cli", "run", str(path)],
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    assert done.returncode == 2
    assert says in done.stderr
    assert len(done.stderr.strip().splitlines()) == 1


@pytest.mark.parametrize("data", [b"time_s;left_force_n\n0;1\n", b"\x00\x01\x02", b"", b"left_force_n\n1\n"])
def test_an_unreadable_csv_ends_with_two_and_one_line(tmp_path: Path, data: bytes) -> None:
    path = tmp_path / "log.csv"
    path.write_bytes(data)
    done = subprocess.run(
        [sys.executable, "-m", "controller.cli", "replay", str(path), "--json"],
        capture_output=True, text=True, check=False, timeout=60,
    )  # fmt: skip
    assert (done.returncode, done.stdout) == (2, "")
    assert len(done.stderr.strip().splitlines()) == 1
    assert "log.csv" in done.stderr


def test_a_board_killed_in_mid_set_comes_back_and_the_set_goes_on(tmp_path: Path) -> None:
    link = tmp_path / "port"
    config = write_config(tmp_path, board(f"serial://{link}"))

    def finals() -> int:
        return sum(event["status"] == "final" for event in running.events("rep"))

    with station(config) as running:
        with simulator("pty", "--link", str(link), "--reps", "6") as first:
            running.until(lambda: finals() >= 4, within=60.0)
            first.end(signal.SIGKILL)
        running.until(lambda: ("no_samples", True) in faults(running))
        before = finals()
        with simulator("pty", "--link", str(link), "--reps", "6", "--seed", "2"):
            running.until(lambda: ("no_samples", False) in faults(running))
            running.until(lambda: finals() >= before + 4, within=60.0)
            assert not running.events("set")
            assert running.end() == 0
    summary = running.events("set")
    assert len(summary) == 1
    assert summary[0]["left_reps"] + summary[0]["right_reps"] >= before + 4
    assert "no_samples" in summary[0]["flags"]
    assert not [line for line in running.err if "Traceback" in line]

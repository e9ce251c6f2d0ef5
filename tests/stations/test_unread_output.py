"""A gateway whose standard output nobody reads: the stations go on, and one line says what was not printed."""

from __future__ import annotations

import fcntl
import os
import select
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO

from controller.event_printer import EventPrinter
from protocols.events import Cue, from_json
from tests.stations.processes import WITHIN, board, write_config
from tests.stations.test_gateway import ABSENT

PIPE = 4096  # bytes; the least that the kernel gives
STATIONS = 30  # their first events fill such a pipe several times


@contextmanager
def small_pipe() -> Iterator[tuple[int, int]]:
    """Both ends of a pipe that is soon full."""
    reading, writing = os.pipe()
    fcntl.fcntl(writing, fcntl.F_SETPIPE_SZ, PIPE)
    try:
        yield reading, writing
    finally:
        os.close(reading)
        os.close(writing)


def said_by(stream: IO[str], *, last: str) -> list[str]:
    """The lines up to the one that holds a text."""
    lines: list[str] = []
    for line in stream:
        lines.append(line)
        if last in line:
            return lines
    raise AssertionError(f"it said only {lines[-5:]}")


def event(number: int) -> Cue:
    return Cue(id=str(number), ts=0, station="one", session="s", set=1, seq=number, name="n" * 100)


def numbers(read: bytes) -> list[int]:
    """Of the events of these lines, which are whole."""
    assert read.endswith(b"\n")
    return [from_json(line).seq for line in read.splitlines()]


def test_a_gateway_whose_output_nobody_reads_runs_and_ends_as_ever(tmp_path: Path) -> None:
    stations = [board(ABSENT, name=f"row-{number}") for number in range(STATIONS)]
    config = write_config(tmp_path, f"enabled = false\n{''.join(stations)}")
    with small_pipe() as (reading, writing):
        process = subprocess.Popen(
            [sys.executable, "-m", "controller.cli", "run", str(config), "--events"],
            stdin=subprocess.DEVNULL, stdout=writing, stderr=subprocess.PIPE, text=True,
        )  # fmt: skip
        late = threading.Timer(WITHIN, process.kill)  # so that the test fails where the gateway hangs
        late.start()
        try:
            assert process.stderr is not None
            with process.stderr as err:
                for number in range(STATIONS):  # each says so together with an event
                    said_by(err, last=f"row-{number}: board board:")
                process.send_signal(signal.SIGTERM)
                line = said_by(err, last="left out of standard output")[-1]
            assert process.wait(WITHIN) == 0
        finally:
            late.cancel()
            process.kill()
            process.wait()
        printed = len(numbers(os.read(reading, PIPE)))
    assert int(line.removeprefix("cable-station: ").split()[0]) + printed == 3 * STATIONS  # begin, fault and end


def test_what_is_not_read_in_time_is_left_out_in_one_run_and_counted() -> None:
    said: list[str] = []
    with small_pipe() as (reading, writing):
        printer = EventPrinter(writing, say=said.append, most=50)
        for number in range(200):
            printer(event(number))
        assert len(said) == 1
        assert "nobody reads" in said[0]
        os.set_blocking(reading, False)
        read = b""
        deadline = time.monotonic() + WITHIN
        while len(said) < 2 and time.monotonic() < deadline:
            read += some(reading)
        printer(event(200))
        printer.close()
        read += some(reading)
    before = numbers(read)[:-1]
    assert before == list(range(len(before)))
    assert 50 <= len(before) < 200
    assert numbers(read)[-1] == 200
    assert said[1].startswith(f"{200 - len(before)} events were left out")
    assert len(said) == 2


def test_a_reader_that_has_gone_is_one_line_and_no_end() -> None:
    said: list[str] = []
    reading, writing = os.pipe()
    os.close(reading)
    printer = EventPrinter(writing, say=said.append)
    for number in range(5):
        printer(event(number))
    printer.close()
    os.close(writing)
    assert "Broken pipe" in said[0]
    assert said[1].startswith("5 events")
    assert len(said) == 2


def test_an_output_that_does_not_block_is_waited_for() -> None:
    said: list[str] = []
    with small_pipe() as (reading, writing):
        os.set_blocking(writing, False)
        printer = EventPrinter(writing, say=said.append)
        for number in range(100):
            printer(event(number))
        read = b""
        while read.count(b"\n") < 100:
            read += os.read(reading, PIPE)
        printer.close()
    assert numbers(read) == list(range(100))
    assert said == []


def some(file: int) -> bytes:
    """What can be read now or in a moment."""
    select.select([file], [], [], 0.01)
    with suppress(BlockingIOError):
        return os.read(file, 1 << 16)
    return b""

"""A gateway that is held up while its board streams on a serial line: what the kernel kept of it is all measured."""

from __future__ import annotations

import functools
import signal
import time
from pathlib import Path

from controller.pipeline import Pipeline
from protocols.recording import Header, Mark, read_recording
from tests.stations.processes import Program, board, simulator, station, write_config

RATE = 80  # samples a second
REPS = 5
HELD_UP = ((1, 1.4), (3, 3.5))  # s, after so many reps; the second for longer than a board may be silent


def test_a_gateway_that_is_held_up_drops_no_sample_of_a_serial_board(tmp_path: Path) -> None:
    link = tmp_path / "port"
    config = write_config(tmp_path, board(f"serial://{link}") + f"rate_hz = {RATE}\n")
    with (
        simulator("pty", "--link", str(link), "--rate", str(RATE), "--reps", str(REPS), "--once"),
        station(config) as running,
    ):
        for reps, held_up in HELD_UP:
            running.until(functools.partial(has_done, running, reps), within=60.0)
            running.process.send_signal(signal.SIGSTOP)
            time.sleep(held_up)
            running.process.send_signal(signal.SIGCONT)
        running.until(lambda: bool(running.events("set")), within=60.0)
        assert running.end() == 0
    [summary] = running.events("set")
    assert (summary["left_reps"], summary["right_reps"]) == (REPS, REPS)
    assert [event["name"] for event in running.events("fault") if event["name"] != "uncalibrated"] == []
    assert "gap" not in ",".join(event["flags"] for event in running.events("rep"))
    [recording] = (tmp_path / "recordings").glob("*.cablerec")
    health = played(recording).health()
    assert (health.frames_lost, health.frames_damaged, health.samples_late) == (0, 0, 0)


def has_done(running: Program, reps: int) -> bool:
    done: int = sum(rep["status"] == "final" and rep["side"] == "left" for rep in running.events("rep"))
    return done >= reps


def played(path: Path) -> Pipeline:
    header, *records = read_recording(path)
    assert isinstance(header, Header)
    pipeline = Pipeline(header)
    for record in records:
        assert not isinstance(record, Header | str)
        if not isinstance(record, Mark):
            pipeline.feed(record)
    return pipeline

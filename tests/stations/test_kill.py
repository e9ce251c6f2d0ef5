"""A gateway that is killed in mid-set and started again: the set goes on, and nothing is said twice in two ways."""

from __future__ import annotations

import json
import signal
import time
from pathlib import Path
from typing import Any

import pytest

from controller.broker import find_mosquitto
from protocols.recording import ChunkIn, read_recording
from tests.stations.processes import Program, board, replayed, simulator, station, write_config
from tests.stations.test_gateway import mosquitto, watching


def finals(running: Program, side: str) -> int:
    """The final reps of a side that were announced and not taken back."""
    reps = running.events("rep")
    gone = {event[key] for event in reps for key in ("replaces", "retracts") if event[key]}
    return sum(rep["side"] == side and rep["status"] == "final" and rep["id"] not in gone for rep in reps)


def logged(*runs: Program) -> list[dict[str, Any]]:
    """The log of all runs; an event that was said again must say the same."""
    known: dict[str, str] = {}
    for run in runs:
        for line in run.out:
            event = json.loads(line)
            assert known.setdefault(event["id"], line) == line
    return [json.loads(line) for line in known.values()]


def only_file(folder: Path) -> Path:
    [recording] = (folder / "recordings").glob("*.cablerec")
    return recording


def published(listener: Program) -> list[dict[str, Any]]:
    """The events that a subscriber got, each once; one that came again must say the same, `late` aside."""
    known: dict[str, dict[str, Any]] = {}
    for line in list(listener.out):
        topic, _, payload = line.partition(" ")
        if "/event/" in topic:
            event = json.loads(payload)
            del event["late"]
            assert known.setdefault(event["id"], event) == event
    return list(known.values())


@pytest.mark.broker
@pytest.mark.skipif(find_mosquitto() is None, reason="mosquitto is not installed")
def test_a_set_goes_on_over_a_kill(tmp_path: Path) -> None:
    with mosquitto(tmp_path) as (port, _), watching(port) as listener:
        events = lived_through_a_kill(tmp_path, broker=f"mqtt://127.0.0.1:{port}")
        listener.until(lambda: len(published(listener)) >= len(events))
        assert published(listener) == events


def lived_through_a_kill(tmp_path: Path, *, broker: str) -> list[dict[str, Any]]:
    """A set of eight reps a side with a kill in it; its events."""
    link = tmp_path / "port"
    config = write_config(tmp_path, board(f"serial://{link}"), broker=broker)
    with simulator("pty", "--link", str(link), "--reps", "8"), station(config) as before:
        before.says("connected")
        before.until(lambda: finals(before, "left") == 3, within=60.0)
        killed_at = time.monotonic()
        before.end(signal.SIGKILL)
        written = [each for each in read_recording(only_file(tmp_path)) if isinstance(each, ChunkIn)]
        assert written[-1].received_at > killed_at - 1.0  # 0.1 where the machine has nothing else to do
        with station(config) as after:
            after.says("goes on after")
            after.until(lambda: bool(after.events("set")), within=90.0)
            assert after.end() == 0
    events = logged(before, after)
    assert [event["seq"] for event in events] == list(range(1, len(events) + 1))
    assert len({event["session"] for event in events}) == 1
    assert {event["set"] for event in events if event["event_type"] == "rep"} == {1}
    [summary] = [event for event in events if event["event_type"] == "set"]
    assert (summary["left_reps"], summary["right_reps"]) == (8, 8)
    assert "interrupted" not in summary["flags"]
    assert [json.loads(line) for line in replayed(only_file(tmp_path))] == events
    return events

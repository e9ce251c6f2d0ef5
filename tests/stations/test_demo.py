"""The demonstration as a person starts it."""

from __future__ import annotations

import json
import os
import shlex
import shutil
import signal
import subprocess
import urllib.request
from pathlib import Path

import pytest

from tests.stations.processes import Program, program
from tests.stations.test_gateway import alive, descendants, until
from tests.stations.test_whole_way import made_up_csv

pytestmark = [
    pytest.mark.broker,
    pytest.mark.skipif(shutil.which("mosquitto_sub") is None, reason="mosquitto_sub is not installed"),
]


@pytest.fixture
def temporary(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where the demo keeps its files, to see what it leaves."""
    folder = tmp_path / "tmp"
    folder.mkdir()
    monkeypatch.setenv("TMPDIR", str(folder))
    return folder


def told(running: Program, word: str) -> str:
    running.until(lambda: any(line.startswith(word) for line in list(running.out)))
    return next(line for line in running.out if line.startswith(word)).removeprefix(word).strip()


def test_the_demo_counts_on_both_stations_shows_its_page_and_leaves_nothing(temporary: Path) -> None:
    with program("-m", "controller.cli", "demo", "--port", "0") as running:
        page, watch = told(running, "page"), told(running, "watch")
        with urllib.request.urlopen(page, timeout=10) as answer:
            assert answer.status == 200
        with subprocess.Popen(shlex.split(watch), stdout=subprocess.PIPE, text=True) as listener:
            try:
                assert listener.stdout is not None
                counted: set[tuple[str, str]] = set()
                for line in listener.stdout:
                    event = json.loads(line.split(" ", 1)[1])
                    if event["event_type"] == "rep" and event["status"] == "final":
                        counted.add((event["station"], event["side"]))
                    if counted >= {("row", "left"), ("row", "right"), ("pulldown", "left"), ("pulldown", "right")}:
                        break
            finally:
                listener.kill()
        below = descendants(running.process.pid)
        os.killpg(running.process.pid, signal.SIGINT)
        assert running.process.wait(10.0) == 0
        assert not any(alive(pid) for pid in below)
        assert not [line for line in running.err if "Traceback" in line or "lost" in line]
    assert list(temporary.iterdir()) == []


def test_a_demo_that_is_killed_leaves_nothing_either(temporary: Path) -> None:
    with program("-m", "controller.cli", "demo", "--port", "0") as running:
        told(running, "watch")
        below = descendants(running.process.pid)
        assert len(below) >= 6
        running.process.kill()
        until(lambda: not any(alive(pid) for pid in below))
        until(lambda: not list(temporary.iterdir()))


def test_a_demo_with_a_recording_plays_it_and_ends_by_itself(temporary: Path, tmp_path: Path) -> None:
    csv = made_up_csv(tmp_path / "row.csv")
    with program("-m", "controller.cli", "demo", "--port", "0", "--csv", str(csv), "--seconds", "3") as running:
        told(running, "page")
        assert running.process.wait(30.0) == 0
        assert not [line for line in running.err if "Traceback" in line]
    assert list(temporary.iterdir()) == []


def test_a_demo_with_a_file_that_is_no_recording_is_one_line(temporary: Path, tmp_path: Path) -> None:
    csv = tmp_path / "empty.csv"
    csv.write_text("nothing\n", encoding="utf-8")
    with program("-m", "controller.cli", "demo", "--port", "0", "--csv", str(csv)) as running:
        assert running.process.wait(30.0) in (1, 2)
        running.says("empty.csv")
        assert not [line for line in running.err if "Traceback" in line]
    assert list(temporary.iterdir()) == []

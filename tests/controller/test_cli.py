"""The command line as a user meets it: standard output, standard error, exit code."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import time
from pathlib import Path

import pytest

from controller.replay import events_of
from protocols.events import to_json

WITHIN = 30.0  # s
WRONG_USE = 2


def cable_station(*arguments: str | Path, **environment: str) -> subprocess.CompletedProcess[bytes]:
    return subprocess.run(
        [sys.executable, "-m", "controller.cli", *map(str, arguments)],
        capture_output=True,
        check=False,
        timeout=WITHIN,
        env={**os.environ, **environment},
    )


@pytest.fixture
def csv(tmp_path: Path) -> Path:
    """Two strokes of a cable within two seconds, by somebody whose name is no ASCII."""
    rows = ["# person: Zoë", "# exercise: row", "time_s,left_position_m"]
    for k in range(100):
        u = k % 50 / 25
        u = u if u <= 1.0 else 2.0 - u
        rows.append(f"{k / 50:.2f},{0.5 * u**3 * (10 - 15 * u + 6 * u * u):.4f}")
    file = tmp_path / "row.csv"
    file.write_text("\n".join(rows) + "\n", encoding="utf-8")
    return file


def expected(csv: Path) -> bytes:
    return b"".join(to_json(event) + b"\n" for _, events in events_of(csv) for event in events)


def test_json_is_one_event_a_line_and_nothing_else(csv: Path) -> None:
    done = cable_station("replay", csv, "--json")
    assert (done.returncode, done.stderr) == (0, b"")
    assert done.stdout == expected(csv)
    events = [json.loads(line) for line in done.stdout.splitlines()]
    assert [event["seq"] for event in events] == list(range(1, len(events) + 1))
    assert {"session", "rep", "set"} <= {event["event_type"] for event in events}
    assert all("topic" not in event for event in events)


def test_the_locale_changes_no_byte(csv: Path) -> None:
    done = cable_station("replay", csv, "--json", LC_ALL="C", PYTHONIOENCODING="latin-1", PYTHONUTF8="0")
    assert done.stdout == expected(csv)
    assert "Zoë".encode() in done.stdout


def test_warnings_go_to_standard_error(csv: Path) -> None:
    text = csv.read_text(encoding="utf-8")
    csv.write_text("# load_kg: heavy\n" + text + "1.0,junk\n", encoding="utf-8")
    done = cable_station("replay", csv, "--json")
    assert done.returncode == 0
    assert b"load_kg: heavy" in done.stderr
    assert all(json.loads(line)["v"] == 1 for line in done.stdout.splitlines())


def test_at_its_own_speed_it_says_the_same_in_its_own_time(csv: Path) -> None:
    began = time.monotonic()
    done = cable_station("replay", csv, "--json", "--speed", "1")
    took = time.monotonic() - began
    assert done.stdout == expected(csv)
    assert took > 1.0  # the last events come 2 s after the first


def test_without_json_a_person_can_read_it(csv: Path) -> None:
    done = cable_station("replay", csv, COLUMNS="100")
    text = done.stdout.decode()
    assert re.search(r"left +1 +0\.500 m", text)
    assert "left_only" in text
    assert "no index" in text
    assert '{"' not in text


def test_a_file_that_is_no_recording_is_exit_code_2_with_one_line(tmp_path: Path) -> None:
    (tmp_path / "letter.txt").write_text("Dear all,\nno data here.\n")
    for name in ("letter.txt", "absent.csv", "."):
        done = cable_station("replay", tmp_path / name, "--json")
        assert done.returncode == WRONG_USE
        assert done.stdout == b""
        [line] = done.stderr.decode().splitlines()
        assert str(tmp_path) in line


@pytest.mark.parametrize("arguments", [("--json",), ()])
def test_a_reader_that_goes_away_is_no_traceback(csv: Path, arguments: tuple[str, ...]) -> None:
    rows = csv.read_text(encoding="utf-8").splitlines()
    many = [f"{k * 4 + float(row.split(',')[0]):.2f},{row.split(',')[1]}" for k in range(300) for row in rows[3:]]
    csv.write_text("\n".join([*rows[:3], *many]) + "\n", encoding="utf-8")
    program = subprocess.Popen(
        [sys.executable, "-m", "controller.cli", "replay", str(csv), *arguments],
        stdout=subprocess.PIPE, stderr=subprocess.PIPE,
    )  # fmt: skip
    assert program.stdout is not None
    assert program.stderr is not None
    with program:
        assert program.stdout.readline()
        program.stdout.close()
        said = program.stderr.read()
        program.wait(WITHIN)
    assert said == b""
    assert program.returncode in (0, 1)


def test_check_says_that_a_configuration_is_right_and_starts_nothing(tmp_path: Path) -> None:
    example = Path(__file__).parents[2] / "docs" / "examples" / "station.toml"
    done = cable_station("run", "--check", example)
    assert done.returncode == 0
    assert b"right; 2 stations" in done.stderr
    assert list(tmp_path.iterdir()) == []


def test_check_says_what_is_wrong_in_one_line_with_exit_code_2(tmp_path: Path) -> None:
    file = tmp_path / "gym.toml"
    file.write_text('[[station]]\nid = "row"\n[[station.bord]]\nid = "a"\n')
    for arguments in (("--check",), ()):
        done = cable_station("run", *arguments, file)
        assert (done.returncode, done.stdout) == (WRONG_USE, b"")
        [line] = done.stderr.decode().splitlines()
        assert line == (
            f"cable-station: {file}: station[0].bord: unknown key 'bord'; did you mean 'board'?"
        )  # fmt: skip


@pytest.mark.parametrize("arguments", [(), ("replay",), ("run",), ("demo",)])
def test_help_shows_how_it_is_used(arguments: tuple[str, ...]) -> None:
    done = cable_station(*arguments, "--help")
    assert done.returncode == 0
    assert b"Usage" in done.stdout
    if arguments:
        assert b"Example: cable-station" in done.stdout


@pytest.mark.parametrize("name", ["calibrate", "devices", "doctor", "identify", "tare"])
def test_help_shows_commands_that_can_be_typed(name: str) -> None:
    done = cable_station(name, "--help", COLUMNS="200")
    assert f"cable-station {name}".encode() in done.stdout.partition(b"Example")[2]


@pytest.mark.parametrize("arguments", [("replay",), ("replay", "x", "--sped", "1"), ("fly",)])
def test_wrong_use_is_exit_code_2(arguments: tuple[str, ...]) -> None:
    done = cable_station(*arguments)
    assert (done.returncode, done.stdout) == (WRONG_USE, b"")

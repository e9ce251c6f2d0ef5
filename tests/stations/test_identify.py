"""The identify command at a running station of two boards, with real processes."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from tests.stations.processes import board, simulator, station, url, write_config
from tests.stations.test_gateway import ABSENT
from tests.stations.test_tare import KINDS


def identify(config: Path, *options: str) -> tuple[int, str]:
    """Exit code, and what it said in its one line."""
    done = subprocess.run(
        [sys.executable, "-m", "controller.cli", "identify", str(config), *options],
        capture_output=True, text=True, check=False, timeout=60,
    )  # fmt: skip
    assert done.stdout == ""
    (line,) = done.stderr.splitlines()
    return done.returncode, line


def two_boards(folder: Path, *, broker: str) -> Path:
    text = board(f"serial://{folder}/port-left").replace('id = "board"', 'id = "here"')
    text += f'[[station.board]]\nid = "there"\nurl = "serial://{folder}/port-right"\n'
    return write_config(folder, text, broker=broker)


@pytest.mark.parametrize("kind", KINDS)
def test_the_board_that_is_meant_blinks_and_the_other_does_not(tmp_path: Path, kind: str) -> None:
    config = two_boards(tmp_path, broker=kind)
    with (
        station(config) as running,
        simulator("pty", "--link", str(tmp_path / "port"), "--two-boards", "--reps", "2") as boards,
    ):
        broker = ("--broker", url(running))
        running.until(lambda: {rep["side"] for rep in running.events("rep")} == {"left", "right"}, within=60.0)

        assert identify(config, *broker, "--board", "there", "--seconds", "1") == (
            0,
            "cable-station: one: there blinks for 1 s",
        )
        boards.until(lambda: "right blinks no more" in boards.out)
        assert "left blinks" not in boards.out

        assert identify(config, *broker, "--board", "here")[0] == 0
        boards.until(lambda: "left blinks" in boards.out)
        assert boards.out.count("right blinks") == 1

        assert identify(config, *broker) == (0, "cable-station: one: each board blinks for 5 s")
        boards.until(lambda: boards.out.count("right blinks") == 2)
        assert running.end() == 0


def test_a_board_that_the_configuration_does_not_have_is_wrong_use(tmp_path: Path) -> None:
    config = write_config(tmp_path, board(ABSENT), broker="mqtt://127.0.0.1:9")
    assert identify(config, "--board", "left") == (2, "cable-station: one has no board 'left'; known: board")

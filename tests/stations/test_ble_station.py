"""A station whose boards hang in the air: real processes, the real bleak, a fake BlueZ that is killed."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

import pytest

from simulators.fake_bluez_bus import VARIABLE, find_daemon
from tests.stations.processes import Program, board, replayed, simulator, station, write_config

pytestmark = pytest.mark.skipif(find_daemon() is None, reason="dbus-daemon is not installed; make test installs it")
WITHIN = 5.0  # s from the return of what was killed until the board streams again
FIRST, SECOND = "C0:DE:00:00:00:01", "C0:DE:00:00:00:02"


@pytest.fixture
def air(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder of the bus."""
    folder = tmp_path / "air"
    monkeypatch.setenv(VARIABLE, f"unix:path={folder}/bus")
    return folder


def standing(running: Program) -> dict[str, bool]:
    """Each fault that came, and whether it still stands."""
    return {f"{event['name']} {event['side']}": event["raised"] for event in running.events("fault")}


def confirmed(running: Program) -> list[dict[str, Any]]:
    return [event for event in running.events("rep") if event["status"] == "final"]


def recording(tmp_path: Path) -> Path:
    (found,) = (tmp_path / "recordings").glob("*.cablerec")
    return found


def test_a_board_killed_with_its_bus_in_mid_set_streams_again_and_the_set_goes_on(tmp_path: Path, air: Path) -> None:
    config = write_config(tmp_path, board(f"ble://{FIRST}"))
    serving = ("ble", "--folder", str(air), "--reps", "8")
    with station(config) as running:
        with simulator(*serving) as served:
            running.until(lambda: len(confirmed(running)) >= 2, within=60.0)
            served.process.kill()
            running.until(lambda: standing(running).get("link_lost None", False))
        with simulator(*serving):
            back = time.monotonic()
            running.until(lambda: not any(standing(running).values()))
            assert time.monotonic() - back < WITHIN
            before = len(confirmed(running))
            running.until(lambda: len(confirmed(running)) >= before + 2, within=60.0)
            assert running.end() == 0
    assert {rep["set"] for rep in confirmed(running)} == {1}
    assert replayed(recording(tmp_path)) == [line for line in running.out if line.startswith("{")]
    assert not [line for line in running.err if "Traceback" in line or "bleak" in line]


def test_a_bluetoothd_killed_in_mid_set_is_missed_by_the_watchdog_and_used_again(tmp_path: Path, air: Path) -> None:
    config = write_config(tmp_path, board(f"ble://{FIRST}"))
    dies, for_s = 9.0, 0.5
    with simulator("ble", "--folder", str(air), "--reps", "8", "--manner", f"die={dies:g}:{for_s:g}"):
        began = time.monotonic()
        with station(config) as running:
            running.until(lambda: standing(running).get("link_lost None", False), within=60.0)
            running.until(lambda: not any(standing(running).values()))
            assert time.monotonic() - began < dies + for_s + WITHIN
            before = len(confirmed(running))
            running.until(lambda: len(confirmed(running)) >= before + 2, within=60.0)
            assert running.end() == 0
    assert {rep["set"] for rep in confirmed(running)} == {1}
    assert replayed(recording(tmp_path)) == [line for line in running.out if line.startswith("{")]


def test_a_board_a_side_each_in_the_air_make_pairs_of_one_set(tmp_path: Path, air: Path) -> None:
    text = board("ble:?name=cable-left").replace('id = "board"', 'id = "left"')
    text += f'[[station.board]]\nid = "right"\nurl = "ble://{SECOND}"\n'
    config = write_config(tmp_path, text)
    with simulator("ble", "--folder", str(air), "--two-boards", "--ppm", "40"), station(config) as running:
        running.until(lambda: len(running.events("pair")) >= 2, within=60.0)
        assert running.end() == 0
    assert standing(running) == {}
    assert {rep["side"] for rep in confirmed(running)} == {"left", "right"}

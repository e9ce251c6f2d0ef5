"""The doctor and devices commands with real processes: simulated boards on ptys and in the air."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from contextlib import ExitStack
from pathlib import Path

import pytest

from simulators.fake_bluez_bus import VARIABLE, find_daemon
from tests.stations.processes import board, simulator, station, write_config
from tests.stations.test_identify import two_boards

REST = ("--hold", "0kg,0kg", "--hold-s", "30")
NO_BUS = {VARIABLE: "unix:path=/nowhere/bus"}


def said(*arguments: str | Path, **environment: str) -> tuple[int, str]:
    """Exit code, and all that a command says, each table's line with single blanks."""
    done = subprocess.run(
        [sys.executable, "-m", "controller.cli", *map(str, arguments)],
        capture_output=True, text=True, check=False, timeout=100,
        env={**os.environ, "COLUMNS": "300", "TERM": "dumb", **environment},
    )  # fmt: skip
    assert "Traceback" not in done.stderr
    return done.returncode, "\n".join(" ".join(line.split()) for line in (done.stdout + done.stderr).splitlines())


def test_two_sound_boards_are_said_to_be_with_rate_clock_battery_and_noise(tmp_path: Path) -> None:
    config = two_boards(tmp_path, broker="none")
    with simulator("pty", "--link", str(tmp_path / "port"), "--two-boards", "--ppm", "60", *REST):
        code, text = said("doctor", config, "--seconds", "15")
    assert code == 0, text
    assert text.splitlines()[-1] == "sound: 2 boards"
    for what in (
        "one/here", "one/there", "│ ok │ driver │ for a cablelink board │", "100 Hz asked for",
        "│ ok │ battery │ 3.70 V │", "0 lost, 0 damaged", "left force: noise", "right position: unique values",
        "│ ok │ right force: saturation │ none │",
    ):  # fmt: skip
        assert what in text
    skews = [int(line.split()[5]) for line in text.splitlines() if line.startswith("│ ok │ skew │")]
    assert skews[0] == pytest.approx(60, abs=50)
    assert skews[1] == pytest.approx(-60, abs=50)
    assert "left force: calibration: none, the board's own scale" in text.partition("to look at:")[2]


def test_three_stations_are_looked_at_at_once_and_shown_in_the_order_of_the_configuration(tmp_path: Path) -> None:
    seconds = 6.0
    names = ("row", "press", "curl")
    config = write_config(tmp_path, "".join(board(f"serial://{tmp_path}/{name}", name=name) for name in names))
    with ExitStack() as serving:
        for name in names[1:]:
            serving.enter_context(simulator("pty", "--link", str(tmp_path / name), *REST))
        began = time.monotonic()
        code, text = said("doctor", config, "--seconds", f"{seconds:g}")
        assert time.monotonic() - began < 2.0 * seconds  # with the program's own start; one by one it is three times
    assert code == 1
    assert [line for line in text.splitlines() if line in {f"{name}/board" for name in names}] == [
        f"{name}/board" for name in names
    ]
    assert "row, press, curl: looking at their boards for 6 s" in text
    assert "row/board: link: " in text.partition("wrong:")[2]


def test_what_is_wrong_is_repeated_at_the_end_with_what_to_do(tmp_path: Path) -> None:
    config = two_boards(tmp_path, broker="none")
    config.write_text(config.read_text(encoding="utf-8").replace("port-right", "absent"), encoding="utf-8")
    wrong = ("--impair", "stuck=left_force_n:0:60", "--impair", "loss=0.1")
    with simulator("pty", "--link", str(tmp_path / "port"), "--two-boards", *wrong, *REST):
        code, text = said("doctor", config, "--seconds", "3")
    assert code == 1, text
    end = text.partition("\nwrong:\n")[2].partition("to look at:")[0].splitlines()
    assert f"one/there: link: {tmp_path}/absent: there is no such port; is the board plugged in?" in end
    assert any(line.startswith("one/here: left force: unique values: 1 unique value in") for line in end)
    assert any(line.startswith("one/here: frames: ") and " 0 lost" not in line for line in end)


def test_a_port_that_a_running_gateway_holds_is_said(tmp_path: Path) -> None:
    link = tmp_path / "port"
    config = write_config(tmp_path, board(f"serial://{link}"))
    with simulator("pty", "--link", str(link), "--reps", "2"), station(config) as running:
        running.until(lambda: bool(running.events("rep")), within=60.0)
        code, text = said("doctor", config, "--seconds", "1")
        assert running.end() == 0
    assert code == 1
    assert "a gateway that runs holds its ports" in text


def test_an_experimental_driver_is_said_to_be(tmp_path: Path) -> None:
    link = tmp_path / "port"
    config = write_config(tmp_path, board(f"serial://{link}") + 'driver = "chronojump-force"\n')
    with simulator("pty", "--link", str(link), "--driver", "chronojump-force", "--side", "left", *REST):
        _, text = said("doctor", config, "--seconds", "2")
    assert "for a Chronojump force sensor, experimental" in text
    assert "│ ok │ battery │ not said │" in text


def test_a_device_that_nobody_told_a_rate_is_not_blamed_for_its_own(tmp_path: Path) -> None:
    link = tmp_path / "port"
    driver = 'driver = "ascii-line"\nline = { columns = ["time_us", "left_force_n"] }\n'
    config = write_config(tmp_path, board(f"serial://{link}") + driver)
    line = ("--driver", "ascii-line", "--columns", "time_us,left_force_n", "--side", "left")
    with simulator("pty", "--link", str(link), *line, *REST):
        _, text = said("doctor", config, "--seconds", "2")
    assert "rate │ 100" in text or "rate │ 99." in text
    assert "asked for" not in text


def test_one_device_for_two_boards_and_a_wrong_configuration_are_said(tmp_path: Path) -> None:
    link = tmp_path / "port"
    config = write_config(tmp_path, board(f"serial://{link}") + board(f"serial://{tmp_path}/./port", name="two"))
    code, text = said("doctor", config, "--seconds", "1", "--station", "one")
    assert (code, "one/board and two/board are the same device" in text) == (1, True)
    assert said("doctor", config, "--station", "three")[0] == 2
    config.write_text("sites = 1\n", encoding="utf-8")
    code, text = said("doctor", config)
    assert (code, "did you mean 'site'?" in text) == (2, True)


def test_devices_names_the_ports_of_a_configuration_and_does_without_bluetooth(tmp_path: Path) -> None:
    config = two_boards(tmp_path, broker="none")
    with simulator("pty", "--link", str(tmp_path / "port"), "--side", "left"):
        (tmp_path / "port").rename(tmp_path / "port-left")
        code, text = said("devices", config, "--seconds", "1", **NO_BUS)
    assert code == 0
    assert f"│ serial://{tmp_path}/port-left │ configured; no USB device │ one/here │" in text
    assert f"│ serial://{tmp_path}/port-right │ configured, and not there; is it plugged in? │ one/there │" in text
    assert text.splitlines()[-1] == "no Bluetooth; is an adapter there, and does bluetoothd run?"
    assert "Bluetooth" not in said("devices", config, "--no-ble")[1]


@pytest.mark.skipif(find_daemon() is None, reason="dbus-daemon is not installed; make test installs it")
def test_devices_and_doctor_find_the_boards_in_the_air(tmp_path: Path) -> None:
    air = {VARIABLE: f"unix:path={tmp_path}/air/bus"}
    text = board("ble:?name=cable-left") + '[[station.board]]\nid = "gone"\nurl = "ble://C0:DE:00:00:00:09"\n'
    text += '[[station.board]]\nid = "cell"\nurl = "ble:?name=Progressor_2"\ndriver = "tindeq"\n'
    config = write_config(tmp_path, text)
    with simulator("ble", "--folder", str(tmp_path / "air"), "--two-boards", "--driver", "cablelink,tindeq", *REST):
        code, listed = said("devices", config, "--seconds", "2", **air)
        assert code == 0
        assert 'driver = "tindeq" │ one/cell │' in listed
        assert "a cablelink board, named 'cable-left'; driver = \"cablelink\" │ one/board │" in listed
        assert "│ ble://C0:DE:00:00:00:09 │ configured, and not seen; is it on and near? │ one/gone │" in listed
        code, text = said("doctor", config, "--seconds", "3", **air)
    assert code == 1
    assert "│ ok │ link │ ble:?name=cable-left │" in text
    assert "│ ok │ label │ cable-left, cable station, virtual cable board, C0DE00000001 │" in text
    assert "│ ok │ battery │ 3.70 V, 80 % │" in text
    assert "│ ok │ battery │ 3.91 V │" in text
    assert "one/gone: link: ble://C0:DE:00:00:00:09: C0:DE:00:00:00:09 is not seen" in text

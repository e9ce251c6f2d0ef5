"""The tare command at a running station, with real processes."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from controller.broker import find_mosquitto, free_port
from tests.stations.processes import board, simulator, station, url, write_config
from tests.stations.test_gateway import ABSENT, mosquitto

KINDS = [
    pytest.param(
        "mosquitto",
        marks=[
            pytest.mark.broker,
            pytest.mark.skipif(find_mosquitto() is None, reason="mosquitto is not installed"),
        ],
    ),
    "amqtt",
]


def tare(config: Path, *options: str) -> tuple[int, str]:
    """Exit code, and what it said in its one line."""
    done = subprocess.run(
        [sys.executable, "-m", "controller.cli", "tare", str(config), *options],
        capture_output=True, text=True, check=False, timeout=60,
    )  # fmt: skip
    assert done.stdout == ""
    (line,) = done.stderr.splitlines()
    return done.returncode, line


@pytest.mark.parametrize("kind", KINDS)
def test_a_station_is_tared_where_it_rests_and_not_where_there_is_no_side(tmp_path: Path, kind: str) -> None:
    link = tmp_path / "port"
    config = write_config(tmp_path, board(f"serial://{link}"), broker=kind)
    with station(config) as running:
        broker = url(running)
        running.says("connected")
        code, line = tare(config, "--broker", broker, "--side", "left")
        assert (code, "there is no side 'left'" in line) == (1, True)
        with simulator("pty", "--link", str(link), "--reps", "2", "--once"):
            running.until(lambda: bool(running.events("set")), within=90.0)
            assert tare(config, "--broker", broker) == (0, "cable-station: one: tared")
        assert running.end() == 0


@pytest.mark.broker
@pytest.mark.skipif(find_mosquitto() is None, reason="mosquitto is not installed")
def test_a_station_that_does_not_run_is_one_line(tmp_path: Path) -> None:
    with mosquitto(tmp_path) as (port, _):
        config = write_config(tmp_path, board(ABSENT), broker=f"mqtt://127.0.0.1:{port}")
        code, line = tare(config)
    assert (code, "does it run?" in line) == (1, True)


@pytest.mark.broker
@pytest.mark.skipif(find_mosquitto() is None, reason="mosquitto is not installed")
def test_the_next_node_of_a_cluster_is_asked_where_one_is_gone(tmp_path: Path) -> None:
    with mosquitto(tmp_path) as (port, _):
        config = write_config(tmp_path, board(ABSENT), broker=f"mqtt://127.0.0.1:{port}")
        with station(config) as running:
            running.says("connected")
            nodes = ", ".join(f'"mqtt://127.0.0.1:{each}"' for each in (9, free_port(), port))
            config.write_text(config.read_text().replace(f'"mqtt://127.0.0.1:{port}"', f"[{nodes}]"))
            code, line = tare(config, "--side", "left")
            assert (code, "there is no side 'left'" in line) == (1, True)  # the station's own answer


def test_of_a_cluster_that_is_gone_every_node_is_named(tmp_path: Path) -> None:
    config = write_config(tmp_path, board(ABSENT), broker="mqtt://127.0.0.1:9")
    both = '["mqtt://127.0.0.1:9", "mqtt://127.0.0.1:10"]'
    config.write_text(config.read_text().replace('"mqtt://127.0.0.1:9"', both))
    code, line = tare(config)
    assert (code, line.count("Connection refused")) == (1, 2)
    assert "127.0.0.1:10: " in line


def test_no_broker_is_one_line(tmp_path: Path) -> None:
    code, line = tare(write_config(tmp_path, board(ABSENT), broker="mqtt://127.0.0.1:9"))
    assert (code, "Connection refused" in line) == (1, True)


@pytest.mark.parametrize(
    ("options", "says"),
    [((), "--broker"), (("--broker", "mqtt://127.0.0.1:9"), "which station"), (("--station", "three"), "--broker")],
)
def test_what_does_not_follow_from_the_configuration_is_asked_for(
    tmp_path: Path, options: tuple[str, ...], says: str
) -> None:
    config = write_config(tmp_path, board(ABSENT) + board(ABSENT, name="two"), broker="amqtt")
    code, line = tare(config, *options)
    assert (code, says in line) == (2, True)

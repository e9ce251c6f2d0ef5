"""A gateway with its integrations switched on, from its configuration file to what a client hears."""

from __future__ import annotations

import json
import shutil
import urllib.request
from pathlib import Path

import pytest
from prometheus_client.parser import text_string_to_metric_families

from controller.broker import find_mosquitto, free_port, told
from tests.controller.home_assistant import problems
from tests.stations.processes import board, program, simulator, station, url, write_config

pytestmark = [
    pytest.mark.broker,
    pytest.mark.skipif(find_mosquitto() is None, reason="mosquitto is not installed"),
]
EXAMPLES = Path(__file__).parents[2] / "docs" / "examples"


def configured(folder: Path, link: Path) -> Path:
    """A gateway with a broker of its own, Home Assistant and ThingsBoard."""
    config = write_config(folder, board(f"serial://{link}"), broker="mosquitto")
    text = config.read_text(encoding="utf-8")
    extras = 'mapping = "mapping-thingsboard.toml"\n[home_assistant]\nenabled = true\n'
    config.write_text(text.replace("[broker]", f"{extras}[broker]", 1), encoding="utf-8")
    shutil.copy(EXAMPLES / "mapping-thingsboard.toml", folder)
    return config


def test_a_station_is_discovered_and_its_reps_reach_thingsboards_topics(tmp_path: Path) -> None:
    link = tmp_path / "port"
    with simulator("pty", "--link", str(link), "--reps", "3"), station(configured(tmp_path, link)) as running:
        reached = told(Path(url(running)))
        assert reached.dashboard is not None
        account = (reached.dashboard.user, reached.dashboard.password)
        with program("-m", "tests.stations.subscriber", reached.host, str(reached.port), *account, "#") as listener:
            listener.says("listening")
            listener.until(lambda: any(line.startswith("homeassistant/device/") for line in listener.out))
            listener.until(
                lambda: any('"peak_force_n"' in line for line in listener.out if line.startswith("v1/")), within=60.0
            )
            heard = [line.split(" ", 1) for line in listener.out]
        finals = [event for event in running.events("rep") if event["status"] == "final"]
        assert running.end() == 0
    (topic, payload) = next(each for each in heard if each[0].startswith("homeassistant/"))
    assert problems(topic, payload) == []
    points = next(json.loads(body) for name, body in heard if name == "v1/gateway/telemetry" and "peak_force_n" in body)
    assert points["one"][0]["ts"] == finals[0]["ts"]
    assert points["one"][0]["values"]["peak_force_n"] == finals[0]["peak_force_n"]
    assert not [line for line in running.err if "refuses" in line or "Traceback" in line]


def test_the_log_is_one_object_a_line_without_secrets_and_prometheus_finds_the_health(tmp_path: Path) -> None:
    link, port = tmp_path / "port", free_port()
    config = write_config(tmp_path, board(f"serial://{link}"), broker="mosquitto")
    text = config.read_text(encoding="utf-8")
    config.write_text(
        text.replace("[broker]", f"[metrics]\nenabled = true\nport = {port}\n[broker]", 1), encoding="utf-8"
    )
    with (
        program("-m", "controller.cli", "run", str(config), "--log-format", "json") as running,
        simulator("pty", "--link", str(link)) as sim,
    ):
        running.says("connected")

        def metrics() -> dict[str, float]:
            with urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics", timeout=5) as answer:
                families = text_string_to_metric_families(answer.read().decode())
                return {sample.name: sample.value for family in families for sample in family.samples}

        sim.end()
        running.says("board board")
        found = metrics()
        assert running.end() == 0
    lines = [json.loads(line) for line in running.err]
    assert all(set(line) == {"ts", "level", "station", "what"} for line in lines)
    about = next(line for line in lines if "board board" in line["what"])
    assert (about["station"], about["level"]) == ("one", "warning")
    assert [line["what"] for line in lines if "-P" in line["what"] and "-P ***" not in line["what"]] == []
    assert found["cable_station_broker_connected"] == 1.0
    assert "cable_station_frames_damaged_total" in found

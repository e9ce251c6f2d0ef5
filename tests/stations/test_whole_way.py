"""The whole way with real processes: simulated board, pty, driver, core, broker, subscriber, and back by replay."""

from __future__ import annotations

import json
import os
import shutil
import signal
import socket
import subprocess
from pathlib import Path
from typing import Any

import pytest

from tests.stations.processes import board, program, replayed, simulator, station, write_config

CORPUS = Path(os.environ.get("CABLE_STATION_CORPUS", Path(__file__).parents[3] / "shared" / "corpus"))
LEG_PRESS = CORPUS / "technogym_biostrength__isok_leg_press_sx.csv"
MOSQUITTO = shutil.which("mosquitto") or shutil.which("/usr/sbin/mosquitto")


def free_port() -> int:
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        port: int = sock.getsockname()[1]
        return port


def counts(events: list[dict[str, Any]]) -> dict[str, int]:
    """Final reps a side that stand at the end."""
    gone = {event[key] for event in events for key in ("replaces", "retracts") if event.get(key)}
    finals = [e for e in events if e["event_type"] == "rep" and e["status"] == "final" and e["id"] not in gone]
    return {side: sum(e["side"] == side for e in finals) for side in ("left", "right")}


def made_up_csv(path: Path) -> Path:
    """Two sides, three reps each, at 50 Hz: enough for a set with pairs."""
    rows = ["# exercise: test row", "time_s,left_position_m,left_force_n,right_position_m,right_force_n"]
    for k in range(50 * 17):
        t = k / 50.0
        phase = min(max((t - 1.0) % 2.4, 0.0), 2.0) if 1.0 <= t < 8.2 else 0.0
        tau = phase if phase <= 1.0 else 2.0 - phase
        x = tau**3 * (10 - 15 * tau + 6 * tau**2)
        pull = 1.0 if 0.0 < phase < 2.0 else 0.0
        rows.append(f"{t:.2f},{0.5 * x:.5f},{200 * pull:.1f},{0.5 * x:.5f},{240 * pull:.1f}")
    path.write_text("\n".join(rows) + "\n", encoding="utf-8")
    return path


def played_live(
    tmp_path: Path, csv: Path, *, until: str, seconds: float
) -> tuple[list[str], list[dict[str, Any]], Path]:
    """Serve a CSV as a board, run a station with mosquitto on it, and listen from a third process, until an event.

    Returns the lines that the station logged, the events that the subscriber got, and the recording.
    """
    assert MOSQUITTO is not None
    port, link = free_port(), tmp_path / "port"
    (tmp_path / "mosquitto.conf").write_text(f"listener {port} 127.0.0.1\nallow_anonymous true\n", encoding="utf-8")
    broker = subprocess.Popen([MOSQUITTO, "-c", str(tmp_path / "mosquitto.conf")], stderr=subprocess.DEVNULL)
    try:
        config = write_config(tmp_path, board(f"serial://{link}"), broker=f"mqtt://127.0.0.1:{port}")
        pattern = "cable/v1/test/one/event/#"
        with program("-m", "tests.stations.subscriber", "127.0.0.1", str(port), "", "", pattern) as listener:
            listener.says("listening")
            with station(config) as running:
                running.says("connected")
                with simulator("pty", "--csv", str(csv), "--link", str(link), "--once") as sim:
                    running.until(
                        lambda: any(until in (event["event_type"], event.get("name")) for event in running.events()),
                        within=seconds + 40.0,
                    )
                    sim.end(signal.SIGINT)
                assert running.end() == 0
                logged = [line for line in running.out if line.startswith("{")]
            listener.until(lambda: len(listener.out) >= len(logged))
            heard = [json.loads(line.split(" ", 1)[1]) for line in listener.out]
    finally:
        broker.terminate()
        broker.wait(10)
    recording = next((tmp_path / "recordings").glob("*.cablerec"))
    return logged, heard, recording


@pytest.mark.broker
@pytest.mark.skipif(MOSQUITTO is None, reason="mosquitto is not installed")
def test_a_subscriber_gets_what_the_replay_of_the_runs_own_recording_prints(tmp_path: Path) -> None:
    csv = made_up_csv(tmp_path / "row.csv")
    logged, heard, recording = played_live(tmp_path, csv, until="set", seconds=17.0)
    again = replayed(recording)
    assert again == logged
    assert all("late" in event for event in heard)
    assert [{k: v for k, v in event.items() if k != "late"} for event in heard] == [json.loads(line) for line in again]
    assert counts(heard) == counts([json.loads(line) for line in replayed(csv)]) == {"left": 3, "right": 3}
    assert replayed(recording, "--speed", "1") == again


@pytest.mark.broker
@pytest.mark.corpus
@pytest.mark.skipif(MOSQUITTO is None, reason="mosquitto is not installed")
@pytest.mark.skipif(not LEG_PRESS.is_file(), reason="the folder of real recordings is not here")
def test_a_real_recording_counts_the_same_over_the_real_path(tmp_path: Path) -> None:
    logged, heard, recording = played_live(tmp_path, LEG_PRESS, until="no_samples", seconds=26.0)
    again = replayed(recording)
    assert again == logged
    assert [{k: v for k, v in event.items() if k != "late"} for event in heard] == [json.loads(line) for line in again]
    assert counts(heard) == counts([json.loads(line) for line in replayed(LEG_PRESS)])
    assert counts(heard)["left"] == 3

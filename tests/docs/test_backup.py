"""Backup and restore as the operations page says, of a gateway that runs: the commands of the page itself."""

from __future__ import annotations

import json
import os
import re
import signal
import sqlite3
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from controller.calibration_file import add
from tests.controller.test_calibration_file import ENTRY
from tests.stations.processes import Program, program

PAGE = Path(__file__).parents[2] / "docs" / "operations.md"
CONFIG = """site = "test"
[broker]
url = "mqtt://127.0.0.1:9"
[display]
enabled = false
[[station]]
id = "rack"
[[station.board]]
id = "a"
url = "tcp://127.0.0.1:9"
"""  # nobody listens on the discard port


def commands(title: str) -> str:
    """The shell block after a paragraph that begins with a word in bold."""
    text = PAGE.read_text(encoding="utf-8").partition(f"**{title}**")[2]
    found = re.search(r"^```bash\n(.*?)^```", text, re.MULTILINE | re.DOTALL)
    assert found is not None
    return found[1]


def shell(text: str, folder: Path) -> str:
    """What a shell says that does each line in a folder, with this cable-station first on its path."""
    bin_folder = Path(sys.executable).parent
    done = subprocess.run(
        ["bash", "-euo", "pipefail", "-c", text],
        cwd=folder, capture_output=True, text=True, check=False, timeout=60,
        env={**os.environ, "PATH": f"{bin_folder}:{os.environ['PATH']}"},
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    return done.stderr


def running(folder: Path) -> Any:
    os.chdir(folder)
    return program("-m", "controller.cli", "run", "gym.toml", "--events")


def absent(run: Program) -> bool:
    return any(event["name"] == "board_absent" for event in run.events("fault"))


def ids(run: Program) -> list[str]:
    return [event["id"] for event in run.events()]


def waiting(folder: Path) -> int:
    with sqlite3.connect(folder / "recordings" / "outbox.db") as store:
        count: int = store.execute("SELECT count(*) FROM event").fetchone()[0]
    store.close()
    return count


def test_a_backup_of_a_running_gateway_goes_on_elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    ours, theirs = tmp_path / "ours", tmp_path / "theirs"
    ours.mkdir()
    theirs.mkdir()
    (ours / "gym.toml").write_text(CONFIG, encoding="utf-8")
    add(ours / "gym.calibration.toml", ENTRY)
    with running(ours) as first:
        first.until(lambda: absent(first))
        before = first.events()
        recording = ours / "recordings"
        first.until(lambda: any(recording.glob("*.cablerec")) and waiting(ours) >= len(before))
        shell(commands("Backup"), ours)
        shell(commands("Backup"), ours)
        assert first.end(signal.SIGTERM) == 0
        whole = ids(first)
    (ours / "backup").rename(theirs / "backup")
    said = shell(commands("Restore"), theirs)
    assert ENTRY.id in said
    assert waiting(theirs) >= len(before)
    with running(theirs) as second:
        second.until(lambda: len(second.events()) > len(before))
        assert second.end(signal.SIGTERM) == 0
        events = second.events()
    assert [event["id"] for event in events[: len(before)]] == [event["id"] for event in before] == whole[: len(before)]
    assert [event["seq"] for event in events] == list(range(1, len(events) + 1))
    upgrade = commands("Upgrade").replace("systemctl", "true").replace("/opt/cable-station/bin/pip", "true")
    shell(upgrade, theirs)
    replayed = subprocess.run(
        [sys.executable, "-m", "controller.cli", "replay", "recordings", "--json"],
        cwd=theirs, capture_output=True, text=True, check=True, timeout=60,
    )  # fmt: skip
    assert [json.loads(line)["id"] for line in replayed.stdout.splitlines()] == [event["id"] for event in events]

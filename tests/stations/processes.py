"""Real processes for end-to-end tests: started, read line by line with a deadline, and always ended."""

from __future__ import annotations

import json
import os
import queue
import shlex
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

WITHIN = 20.0  # s; far more than anything here needs, so that a slow machine fails nothing


class Program:
    """One process, and the lines it says; a controller's messages are checked against the contract."""

    def __init__(self, *arguments: str) -> None:
        if arguments[:2] == ("-m", "controller.cli"):
            arguments = ("-m", "tests.stations.watched", *arguments[2:])
        self.process = subprocess.Popen(
            [sys.executable, *arguments],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            start_new_session=True,
            env={**os.environ, "PYTHONUNBUFFERED": "1"},
        )
        self.out: list[str] = []
        self.err: list[str] = []
        self._news: queue.SimpleQueue[None] = queue.SimpleQueue()
        self._readers = [
            threading.Thread(target=self._read, args=(stream, lines), daemon=True)
            for stream, lines in ((self.process.stdout, self.out), (self.process.stderr, self.err))
        ]
        for reader in self._readers:
            reader.start()

    def _read(self, stream: Any, lines: list[str]) -> None:
        for line in stream:
            lines.append(line.rstrip("\n"))
            self._news.put(None)

    def until(self, what: Callable[[], bool], *, within: float = WITHIN) -> None:
        """Wait until something that this process says makes `what` true."""
        deadline = time.monotonic() + within
        while not what():
            left = deadline - time.monotonic()
            if left <= 0.0 or (self.process.poll() is not None and not any(r.is_alive() for r in self._readers)):
                raise AssertionError(f"waited in vain; it said {self.out[-5:]} and {self.err[-8:]}")
            try:
                self._news.get(timeout=min(left, 0.2))
            except queue.Empty:
                continue

    def events(self, kind: str | None = None) -> list[dict[str, Any]]:
        """The events among its output lines."""
        found = [json.loads(line) for line in list(self.out) if line.startswith("{")]
        return [event for event in found if kind in (None, event["event_type"])]

    def says(self, text: str, *, within: float = WITHIN) -> str:
        """Wait for a line on standard error that holds a text; returns it."""
        self.until(lambda: any(text in line for line in list(self.err)), within=within)
        return next(line for line in self.err if text in line)

    def end(self, how: int = signal.SIGINT, *, within: float = WITHIN) -> int:
        """Send a signal and wait for the end; returns the exit code."""
        if self.process.poll() is None:
            self.process.send_signal(how)
        code = self.process.wait(within)
        for reader in self._readers:
            reader.join(5.0)
        return code


@contextmanager
def program(*arguments: str) -> Iterator[Program]:
    """A process that is gone, with all that it started, when the test is over."""
    running = Program(*arguments)
    try:
        yield running
    finally:
        with suppress(ProcessLookupError):
            os.killpg(running.process.pid, signal.SIGKILL)
        running.end(signal.SIGKILL)
        for stream in (running.process.stdout, running.process.stderr):
            if stream is not None:
                stream.close()
    assert not [line for line in running.err if "ContractError" in line]


@contextmanager
def simulator(*arguments: str) -> Iterator[Program]:
    """cable-station-sim, from its ready line on."""
    with program("-m", "simulators.cli", *arguments) as running:
        running.until(lambda: any(line.startswith("ready") for line in running.out))
        yield running


@contextmanager
def station(config: Path) -> Iterator[Program]:
    """cable-station run, with every event on its output."""
    with program("-m", "controller.cli", "run", str(config), "--events") as running:
        yield running


def url(running: Program) -> str:
    """The broker's, or the folder with the account that may command, from what the gateway says at its start."""
    words = shlex.split(running.says("to watch:"))
    folder = next((word.partition("=")[2] for word in words if word.startswith("XDG_CONFIG_HOME=")), None)
    return folder or f"mqtt://127.0.0.1:{words[words.index('-p') + 1]}"


def write_config(folder: Path, text: str, *, broker: str = "none", display_port: int | None = None) -> Path:
    """A configuration file: `text` holds the stations; recordings go below the folder."""
    display = "enabled = false" if display_port is None else f"port = {display_port}"
    path = folder / "gym.toml"
    path.write_text(
        f'site = "test"\n[broker]\n{broker_lines(broker)}\n[display]\n{display}\n'
        f'[recording]\nfolder = "{folder}/recordings"\n{text}',
        encoding="utf-8",
    )
    return path


def broker_lines(broker: str) -> str:
    """The broker's table: a URL, or the kind of broker to start."""
    return f'kind = "{broker}"' if broker in ("mosquitto", "amqtt") else f'url = "{broker}"'


def board(url: str, *, name: str = "one") -> str:
    """A station's only board."""
    return f'[[station]]\nid = "{name}"\n[[station.board]]\nid = "board"\nurl = "{url}"\n'


def replayed(file: Path, *options: str) -> list[str]:
    """What `cable-station replay --json` prints of a file, line by line."""
    done = subprocess.run(
        [sys.executable, "-m", "controller.cli", "replay", str(file), "--json", *options],
        capture_output=True,
        text=True,
        check=True,
        timeout=60,
    )
    return done.stdout.splitlines()

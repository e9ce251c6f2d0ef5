"""`cable-station run` as a process of its own, and what it takes of the machine, looked at from outside."""

from __future__ import annotations

import os
import shlex
import signal
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import msgspec
from prometheus_client.parser import text_string_to_metric_families

from controller.broker import Broker, told

WITHIN: Final = 60.0  # s for whatever has to come on a busy machine
LOOKS: Final = 0.1  # s between two looks
ENDS_WITHIN: Final = 30.0  # s


@dataclass(frozen=True, slots=True)
class Taken:
    """What the gateway has of the machine at one moment; host monotonic s, MB."""

    at: float
    resident_mb: float
    files: int
    threads: int
    tasks: int
    processes: int
    cpu_s: float


class Gateway:
    """One running gateway; its words and its events go to files."""

    def __init__(self, config: Path, *, display: int, metrics: int) -> None:
        """display, metrics: the ports that the configuration gives them."""
        self.display = display
        self._metrics = f"http://127.0.0.1:{metrics}/metrics"
        self._out, self._err = config.with_name("events.jsonl"), config.with_name("said.log")
        with self._out.open("wb") as out, self._err.open("wb") as err:
            self._process = subprocess.Popen(
                [sys.executable, "-m", "controller.cli", "run", str(config), "--events"],
                stdin=subprocess.DEVNULL, stdout=out, stderr=err, start_new_session=True,
            )  # fmt: skip
        self.pid = self._process.pid

    @property
    def said(self) -> list[str]:
        """What it said for a person."""
        return self._err.read_text(encoding="utf-8").splitlines()

    @property
    def events(self) -> list[dict[str, Any]]:
        """What it made, whole lines only."""
        *whole, _ = self._out.read_bytes().split(b"\n")
        return [msgspec.json.decode(line) for line in whole if line.startswith(b"{")]

    def until(self, what: Callable[[], bool], *, about: str, within: float = WITHIN) -> None:
        """Wait. Raises TimeoutError, with what it said last."""
        deadline = time.monotonic() + within
        while not what():
            if time.monotonic() > deadline or self._process.poll() is not None:
                raise TimeoutError(f"{about}: not within {within:g} s; it said {self.said[-5:]}")
            time.sleep(LOOKS)

    @property
    def broker(self) -> Broker:
        """Its own broker, and the account that may listen to it."""
        self.until(lambda: any("to watch:" in line for line in self.said), about="the broker")
        words = shlex.split(next(line for line in self.said if "to watch:" in line))
        return told(Path(next(word.partition("=")[2] for word in words if word.startswith("XDG_CONFIG_HOME="))))

    def send_to_broker(self, number: int) -> None:
        """A signal for its broker, which runs below a guard."""
        (guard,) = children(self.pid)
        (broker,) = children(guard)
        os.kill(broker, number)

    def hold_up(self, seconds: float) -> None:
        """Let it do nothing for so long, as a busy or suspended machine does."""
        os.kill(self.pid, signal.SIGSTOP)
        try:
            time.sleep(seconds)
        finally:
            os.kill(self.pid, signal.SIGCONT)

    def numbers(self) -> dict[str, dict[tuple[str, ...], float]]:
        """Its metrics: values by the labels other than of the gateway, by name."""
        with urllib.request.urlopen(self._metrics, timeout=WITHIN) as answer:
            families = text_string_to_metric_families(answer.read().decode())
        found: dict[str, dict[tuple[str, ...], float]] = {}
        for family in families:
            for sample in family.samples:
                found.setdefault(sample.name, {})[tuple(sample.labels.values())] = sample.value
        return found

    def total(self, name: str) -> float:
        """A number of its metrics, over all stations."""
        return sum(self.numbers().get(f"cable_station_{name}", {}).values())

    def taken(self) -> Taken:
        """What it has now."""
        numbers = self.numbers()
        place = Path(f"/proc/{self.pid}")
        status = dict(line.split(":", 1) for line in (place / "status").read_text(encoding="ascii").splitlines())
        return Taken(
            at=time.monotonic(),
            resident_mb=int(status["VmRSS"].split()[0]) / 1024.0,
            files=len(list((place / "fd").iterdir())),
            threads=int(status["Threads"]),
            tasks=round(sum(numbers["cable_station_tasks"].values())),
            processes=len(descendants(self.pid)),
            cpu_s=sum(numbers["process_cpu_seconds_total"].values()),
        )

    def end(self) -> int:
        """End it as Ctrl-C does; the exit code."""
        if self._process.poll() is None:
            self._process.send_signal(signal.SIGINT)
        return self._process.wait(ENDS_WITHIN)

    def kill(self) -> None:
        """Let nothing of it be left."""
        with suppress(ProcessLookupError):
            os.killpg(self.pid, signal.SIGKILL)
        self._process.wait(ENDS_WITHIN)


@contextmanager
def gateway(config: Path, *, display: int, metrics: int) -> Iterator[Gateway]:
    """A gateway that is gone afterwards."""
    running = Gateway(config, display=display, metrics=metrics)
    try:
        yield running
    finally:
        running.kill()


def children(pid: int) -> list[int]:
    """The processes that one has started."""
    found: list[int] = []
    for task in Path(f"/proc/{pid}/task").iterdir():
        with suppress(FileNotFoundError):
            found += [int(each) for each in (task / "children").read_text(encoding="ascii").split()]
    return found


def descendants(pid: int) -> list[int]:
    """All processes below one."""
    below = children(pid)
    return [*below, *(each for child in below for each in descendants(child))]

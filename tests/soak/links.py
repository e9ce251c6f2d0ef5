"""A wire and the air at once, real libraries and real processes: nothing lost, and every part killed in turn.

One program runs two stations: a board on a pseudo-terminal, and one over bleak and a fake BlueZ.
"""

from __future__ import annotations

import os
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from protocols.framing import Wire
from protocols.recording import read_recording
from simulators.fake_bluez_bus import VARIABLE, find_daemon
from tests.soak.recorded import lives
from tests.soak.training import Soak
from tests.stations.processes import Program, board, simulator, station, write_config

RATES: Final = (1000, 100)  # Hz
STREAM_S: Final = 60.0  # s at each rate, before anything is killed
WITHIN: Final = 5.0  # s from the return of what was killed until its board streams again
FOR_S: Final = 0.5  # s for which a killed bluetoothd is away
DIES_AFTER: Final = 25.0  # s; the board that it serves has been found and lifts again by then
PATIENCE: Final = 60.0  # s for whatever has to come at all
REPS: Final = "90"  # one set, longer than all of it
AIR: Final = "ble://C0:DE:00:00:00:01"
WIRES: Final[dict[str, Wire]] = {"cable": "stream", "air": "messages"}


@dataclass(frozen=True, slots=True)
class Run:
    """What runs at one rate, and where what it finds is written down."""

    report: Soak
    running: Program
    rate: int

    def faults(self, name: str) -> list[dict[str, Any]]:
        """The faults of a station so far."""
        return [event for event in self.running.events("fault") if event["station"] == name]

    def stands(self, name: str) -> bool:
        """Whether any fault of a station stands."""
        return any({f"{each['name']} {each['side']}": each["raised"] for each in self.faults(name)}.values())

    def reps(self, name: str) -> list[dict[str, Any]]:
        """The reps that a station has confirmed."""
        return [e for e in self.running.events("rep") if e["station"] == name and e["status"] == "final"]

    def waits(self, what: str, until: Callable[[], bool], *, within: float = PATIENCE) -> bool:
        """Whether it comes in time; a failure where not."""
        try:
            self.running.until(until, within=within)
        except AssertionError:
            self.fails(f"{what}: not within {within:g} s")
            return False
        return True

    def lifts(self, name: str) -> bool:
        """Whether a station confirms two more reps."""
        before = len(self.reps(name))
        return self.waits(f"two more reps on {name}", lambda: len(self.reps(name)) >= before + 2)

    def says(self, line: str) -> None:
        """Write a line into the report."""
        self.report.lines.append(f"{self.rate} Hz: {line}")

    def fails(self, line: str) -> None:
        """Write a failure into the report."""
        self.report.failures.append(f"{self.rate} Hz: {line}")


def soak(minutes: float = 1.0, *, rates: tuple[int, ...] = RATES) -> Soak:
    """Both links at each rate for a minute, or for less where less is asked, and then the killing."""
    report = Soak("links")
    if find_daemon() is None:
        report.failures.append("dbus-daemon is not installed; make test installs it")
        return report
    for rate in rates:
        with tempfile.TemporaryDirectory() as folder:
            _at(rate, Path(folder), report, seconds=min(60.0 * minutes, STREAM_S))
    return report


def _at(rate: int, folder: Path, report: Soak, *, seconds: float) -> None:
    played = ("--reps", REPS, "--rate", str(rate))
    wire = ("pty", "--link", str(folder / "port"), *played)
    air = ("ble", "--folder", str(folder / "air"), *played)
    urls = {"cable": f"serial://{folder}/port", "air": AIR}
    config = write_config(folder, "".join(board(url, name=name) + f"rate_hz = {rate}\n" for name, url in urls.items()))
    with _bus_in(folder / "air"), ExitStack() as parts:
        wired, aired = (parts.enter_context(simulator(*served)) for served in (wire, air))
        run = Run(report, parts.enter_context(station(config)), rate)
        if all(run.lifts(name) for name in urls):
            _stream(run, seconds)
            _kill(run, "cable", "the board on the wire", wired)
            parts.enter_context(simulator(*wire))
            _back(run, "cable", "the board on the wire", time.monotonic())
            _kill(run, "air", "the board in the air with its bus", aired)
            parts.enter_context(simulator(*air, "--manner", f"die={DIES_AFTER:g}:{FOR_S:g}"))
            up = time.monotonic()
            _back(run, "air", "the board in the air with its bus", up)
            if run.waits("the fault of a dead bluetoothd", lambda: run.stands("air")):
                _back(run, "air", "bluetoothd", up + DIES_AFTER + FOR_S)
        _end(run)
    _whole(run, folder / "recordings", seconds)


def _stream(run: Run, seconds: float) -> None:
    """Let both stream undisturbed."""
    until = time.monotonic() + seconds
    while time.monotonic() < until and run.running.process.poll() is None:
        time.sleep(min(0.5, max(until - time.monotonic(), 0.0)))
    for name in WIRES:
        for fault in run.faults(name):
            run.fails(f"{name}: {fault['name']} though nothing was wrong: {fault['detail']}")


def _kill(run: Run, name: str, part: str, serving: Program) -> None:
    """Kill -9 a part and wait for its fault; what the other station says of it is a failure."""
    others = {each: len(run.faults(each)) for each in WIRES if each != name}
    serving.process.kill()
    began = time.monotonic()
    if run.waits(f"the fault of {part}, killed", lambda: run.stands(name)):
        run.says(f"{part} killed, missed after {time.monotonic() - began:.2f} s")
    for other, count in others.items():
        if len(run.faults(other)) != count:
            run.fails(f"{part} killed: {other} has a fault of it")


def _back(run: Run, name: str, part: str, up: float) -> None:
    """Wait until its faults are cleared and the set goes on; `up`: when the part was there again, host monotonic s."""
    if run.waits(f"{part} back: the end of its faults", lambda: not run.stands(name)):
        took = time.monotonic() - up
        run.says(f"{part} back, streaming again after {took:.2f} s")
        if took > WITHIN:
            run.fails(f"{part} back: streaming again after {took:.1f} s, not within {WITHIN:g} s")
        run.lifts(name)


def _end(run: Run) -> None:
    code = run.running.end()
    if code != 0 or any("Traceback" in line for line in run.running.err):
        run.fails(f"the program ended with {code}; it said {run.running.err[-3:]}")
    for name in WIRES:
        sets = sorted({rep["set"] for rep in run.reps(name)})
        if sets != [1]:
            run.fails(f"{name}: the one set was not kept; its reps are in {sets}")


def _whole(run: Run, recordings: Path, seconds: float) -> None:
    """What the recordings hold of each link's lives."""
    for name, wire in WIRES.items():
        found = [
            life
            for path in recordings.glob(f"*-{name}-*.cablerec")
            for life in lives(read_recording(path), wire=wire, rate_hz=run.rate)
        ]
        if not found:
            run.fails(f"{name}: nothing was recorded")
            continue
        samples = sum(life.samples for life in found)
        lost = [loss for life in found for loss in life.losses]
        run.says(f"{name}: {samples} samples in {len(found)} lives of its link, {len(lost)} losses")
        for loss in lost[:5]:
            run.fails(f"{name}: {loss}")
        if found[0].seconds < seconds or abs(found[0].seconds * run.rate - found[0].samples) > 1.0:
            run.fails(f"{name}: {found[0].samples} samples in {found[0].seconds:.1f} s at first")


@contextmanager
def _bus_in(folder: Path) -> Iterator[None]:
    """D-Bus where the simulator will have it, for the programs that are started now."""
    before = os.environ.get(VARIABLE)
    os.environ[VARIABLE] = f"unix:path={folder}/bus"
    try:
        yield
    finally:
        if before is None:
            del os.environ[VARIABLE]
        else:
            os.environ[VARIABLE] = before

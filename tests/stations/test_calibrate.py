"""The calibrate command with real processes: a simulated board on a pty, a person at a terminal or a pipe."""

from __future__ import annotations

import os
import pty
import re
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest

from controller.calibration_file import Calibrations, Entry, read
from controller.config import decoded
from tests.stations.processes import board, replayed, simulator, station, write_config

GAIN = 1.03
NOMINAL_N, NOMINAL_M = 0.02, 0.0002  # of a simulated board's count
ZERO = 84_213  # counts
EMPTY = "0kg,0kg"  # 7 s and the 3 s before; the command needs some 7 of them
COLOUR = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]")


def command(*arguments: str) -> list[str]:
    return [sys.executable, "-m", "controller.cli", "calibrate", *arguments]


class Talk:
    """The command, what it has said so far, and somebody who answers."""

    def __init__(self, *arguments: str, terminal: bool) -> None:
        self._text = ""
        self._lock = threading.Lock()
        if terminal:
            self._ours, theirs = pty.openpty()
            read_from, answers_to, said_to = self._ours, theirs, theirs
        else:
            answers_to, self._ours = os.pipe()
            read_from, said_to = os.pipe()
        self.process = subprocess.Popen(
            command(*arguments), stdin=answers_to, stdout=said_to, stderr=subprocess.STDOUT,
            env={**os.environ, "COLUMNS": "200", "TERM": "xterm"}, start_new_session=True,
        )  # fmt: skip
        for each in {answers_to, said_to}:
            os.close(each)
        self._open = {self._ours, read_from}
        self._reader = threading.Thread(target=self._read, args=(read_from,), daemon=True)
        self._reader.start()

    def _read(self, source: int) -> None:
        with suppress(OSError):  # a terminal whose program has ended
            while data := os.read(source, 4096):
                with self._lock:
                    self._text += data.decode(errors="replace")

    @property
    def text(self) -> str:
        with self._lock:
            return COLOUR.sub("", self._text)

    def says(self, what: str, *, within: float = 40.0) -> None:
        deadline = time.monotonic() + within
        while what not in self.text:
            ended = self.process.poll() is not None and not self._reader.is_alive()
            if ended or time.monotonic() > deadline:
                raise AssertionError(f"waited in vain for {what!r}; it said {self.text[-2000:]}")
            time.sleep(0.02)

    def answer(self, line: str) -> None:
        os.write(self._ours, f"{line}\n".encode())

    def end(self) -> int:
        code = self.process.wait(60.0)
        self._reader.join(5.0)
        return code

    def close(self) -> None:
        with suppress(ProcessLookupError):
            os.killpg(self.process.pid, signal.SIGKILL)
        self.end()
        for each in self._open:
            os.close(each)


@contextmanager
def calibrating(*arguments: str, terminal: bool = False) -> Iterator[Talk]:
    talk = Talk(*arguments, terminal=terminal)
    try:
        yield talk
    finally:
        talk.close()


@contextmanager
def held(tmp_path: Path, holds: str, *options: str) -> Iterator[Path]:
    """The configuration of a station whose simulated handles stand under these holds, 3.5 s each."""
    link = tmp_path / "port"
    config = write_config(tmp_path, board(f"serial://{link}"))
    with simulator("pty", "--link", str(link), "--hold", holds, "--hold-s", "3", "--once", *options):
        yield config


def entries(config: Path) -> list[Entry]:
    return read(config.with_name("gym.calibration.toml"))


def test_known_masses_make_a_calibration_and_a_set_is_measured_by_it(tmp_path: Path) -> None:
    options = ("--force-gain", str(GAIN), "--hold-on", "left")
    with (
        held(tmp_path, f"{EMPTY},15kg,30kg,15kg,0kg,0kg", *options) as config,
        calibrating(str(config), "--side", "left", "--mass", "15", "--mass", "30", "--mass", "15") as talk,
    ):
        talk.says("Hang 15 kg on the left handle.")
        assert talk.end() == 0, talk.text
    assert "hysteresis 0." in talk.text
    (entry,) = entries(config)
    assert re.fullmatch(r"left-force-\d{8}-1", entry.id)
    assert entry.span == pytest.approx(NOMINAL_N / GAIN, rel=0.002)
    assert entry.zero == pytest.approx(ZERO, abs=25.0)  # 0.5 N
    assert 0.5 <= entry.uncertainty_pct <= 0.7
    assert [round(load) for load, _ in entry.points] == [0, 147, 294, 147]

    link = tmp_path / "port"
    with station(config) as running, simulator("pty", "--link", str(link), "--reps", "3", "--force-gain", str(GAIN)):
        running.until(lambda: bool(running.events("set")), within=60.0)
        running.end()
    finals = [event for event in running.events("rep") if event["status"] == "final"]
    for rep in finals:
        is_left = rep["side"] == "left"
        assert rep["calibration"] == (entry.id if is_left else None)
        assert rep["mean_force_n"] == pytest.approx(mean_force(finals) * (1.0 if is_left else GAIN), rel=0.02)
    (summary,) = running.events("set")
    assert "uncalibrated" in summary["flags"]  # the right is
    (recording,) = (tmp_path / "recordings").iterdir()
    assert replayed(recording) == [line for line in running.out if line.startswith("{")]


def mean_force(finals: list[dict[str, float]]) -> float:
    """Of the left reps, N."""
    left = [rep["mean_force_n"] for rep in finals if str(rep["side"]) == "left"]
    return sum(left) / len(left)


def test_a_person_at_a_terminal_is_asked_advised_and_corrected(tmp_path: Path) -> None:
    with (
        held(tmp_path, f"{EMPTY},10kg,20kg,20kg") as config,
        calibrating(str(config), "--side", "right", terminal=True) as talk,
    ):
        talk.says("Enter when it is empty:")
        talk.answer("")
        talk.says("empty: 84")
        talk.says("kg on the right handle")
        talk.answer("")
        talk.says("2 more are needed")
        talk.answer("ten")
        talk.says("'ten' is no mass; a number in kg")
        talk.answer("10,0 kg")
        talk.says("waits for the reading to change")
        talk.says("10 kg: 89")
        talk.answer("11")
        talk.says("11 kg: 94")
        talk.answer("undo")
        talk.says("left out: 107.9 N")
        talk.answer("20")
        talk.says("20 kg: 94")
        talk.answer("")
        talk.says("standard uncertainty of the span")
        assert talk.end() == 0, talk.text
    (entry,) = entries(config)
    assert (entry.side, entry.number, len(entry.points)) == ("right", 3, 3)
    assert entry.span == pytest.approx(NOMINAL_N, rel=0.003)


def test_a_pull_along_a_tape_finds_span_and_direction_of_an_encoder(tmp_path: Path) -> None:
    with (
        held(tmp_path, "0m,0m,0.5m,0.5m", "--position-gain", "-0.98") as config,
        calibrating(str(config), "--side", "left", "--channel", "position", "--pull-m", "0.5") as talk,
    ):
        talk.says("Enter when it rests:")
        talk.answer("")
        talk.says("Enter when you hold it:")
        talk.answer("")
        assert talk.end() == 0, talk.text
    assert "the other way round" in talk.text
    (entry,) = entries(config)
    assert entry.span == pytest.approx(-NOMINAL_M / 0.98, rel=0.002)
    assert entry.uncertainty_pct == pytest.approx(0.4, abs=0.05)


def test_a_result_that_cannot_be_kept_is_shown_so_that_it_is_not_lost(tmp_path: Path) -> None:
    with held(tmp_path, "0m,0m,0.5m,0.5m") as config:
        file = config.with_name("gym.calibration.toml")
        with calibrating(
            str(config), "--side", "right", "--channel", "position", "--drum-mm", "50", "--counts-per-turn", "785.4"
        ) as talk:
            talk.says("Enter when it rests:")
            file.write_text("somebody = 'else'\n", encoding="utf-8")
            talk.answer("")
            talk.says("Enter when you hold it:")
            talk.answer("")
            assert talk.end() == 1
    assert "by the drum that pull was 0.500 m long" in talk.text
    shown = talk.text[talk.text.index("version = 1") :].partition("cable-station: ")[0]
    (entry,) = decoded(shown, Calibrations, name="shown").calibration
    assert entry.span == pytest.approx(NOMINAL_M, rel=1e-4)
    assert entry.method == "drum"
    assert entry.uncertainty_pct == pytest.approx(0.4)
    assert file.read_text(encoding="utf-8") == "somebody = 'else'\n"


def test_masses_on_the_other_cable_are_noticed_and_nothing_is_kept_after_ctrl_c(tmp_path: Path) -> None:
    with (
        held(tmp_path, f"{EMPTY},20kg,20kg,20kg", "--hold-on", "right") as config,
        calibrating(str(config), "--side", "left", "--mass", "20", "--mass", "30") as talk,
    ):
        talk.says("it is right force that changed: is it the other cable")
        talk.process.send_signal(signal.SIGINT)
        assert talk.end() != 0
    assert "Traceback" not in talk.text
    assert entries(config) == []


def test_what_is_unsound_is_refused_in_one_line_and_not_kept(tmp_path: Path) -> None:
    with (
        held(tmp_path, f"{EMPTY},10kg,20kg") as config,
        calibrating(str(config), "--side", "left", "--mass", "10", "--mass", "25") as talk,
    ):
        assert talk.end() == 1, talk.text
    assert "off the line, N" in talk.text
    assert "refused, nothing is kept: the reading under" in talk.text
    assert entries(config) == []


def test_the_diagnostic_of_a_dead_and_a_railed_cell_says_what_to_do(tmp_path: Path) -> None:
    link = tmp_path / "port"
    config = write_config(tmp_path, board(f"serial://{link}"))
    wrong = ("--impair", "stuck=left_force_n:0:60", "--impair", "saturate=right_force_n:0:60")
    with simulator("pty", "--link", str(link), *wrong), calibrating(str(config), "--diagnose") as talk:
        assert talk.end() == 1
    assert "1 unique value in" in talk.text
    assert "check the wiring" in talk.text
    assert "100 % of the samples at the end of the range" in talk.text
    with (
        simulator("pty", "--link", str(link), *wrong),
        calibrating(str(config), "--side", "left", "--mass", "10") as talk,
    ):
        assert talk.end() == 1
    assert "mend what the diagnostic shows" in talk.text


def test_a_port_that_the_gateway_holds_or_that_is_absent_is_one_line(tmp_path: Path) -> None:
    link = tmp_path / "port"
    config = write_config(tmp_path, board(f"serial://{link}"))
    with calibrating(str(config), "--diagnose") as talk:
        assert talk.end() == 1
    assert talk.text.splitlines() == [f"cable-station: {link}: there is no such port; is the board plugged in?"]
    with simulator("pty", "--link", str(link)), station(config) as running:
        running.until(lambda: "/info" in " ".join(running.err) or bool(list((tmp_path / "recordings").glob("*"))))
        time.sleep(1.0)
        with calibrating(str(config), "--side", "left") as talk:
            assert talk.end() == 1
    assert "a gateway that runs holds its ports" in talk.text


@pytest.mark.parametrize(
    ("options", "says"),
    [
        ((), "which cable? give --side left or --side right"),
        (("--side", "left", "--station", "two"), "there is no station 'two'"),
        (("--side", "left", "--channel", "position"), "by --pull-m, or by --drum-mm and --counts-per-turn"),
        (("--side", "left", "--channel", "position", "--drum-mm", "50"), "--drum-mm and --counts-per-turn go together"),
        (("--side", "left", "--channel", "position", "--mass", "5"), "--mass goes with --channel force"),
        (("--side", "left", "--pull-m", "0.5"), "go with --channel position"),
        (("--side", "left", "--channel", "position", "--pull-m", "inf"), "nan and inf are no numbers"),
        (("--side", "left", "--mass", "nan"), "--mass"),
        (("--side", "left", "--mass", "-3"), "--mass"),
        (("--side", "up"), "--side"),
    ],
)
def test_wrong_use_is_said_and_is_exit_code_2(tmp_path: Path, options: tuple[str, ...], says: str) -> None:
    config = write_config(tmp_path, board("serial:///dev/nothing"))
    done = subprocess.run(
        command(str(config), *options), capture_output=True, text=True, check=False, timeout=60,
        env={**os.environ, "COLUMNS": "200"},
    )  # fmt: skip
    assert done.returncode == 2
    assert says in done.stderr
    assert "Traceback" not in done.stderr


def test_a_calibration_file_that_is_not_ours_stops_run_and_calibrate_with_one_line(tmp_path: Path) -> None:
    config = write_config(tmp_path, board("serial:///dev/nothing"))
    file = tmp_path / "gym.calibration.toml"
    file.write_text("a = 1\n", encoding="utf-8")
    for arguments in (["run", str(config), "--check"], ["calibrate", str(config), "--side", "left"]):
        done = subprocess.run(
            [sys.executable, "-m", "controller.cli", *arguments],
            capture_output=True, text=True, check=False, timeout=60,
        )  # fmt: skip
        assert done.returncode == 2
        (line,) = done.stderr.splitlines()
        assert f"{file}: a: unknown key 'a'" in line

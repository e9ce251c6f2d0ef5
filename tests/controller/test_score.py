"""`cable-station score`: labels of three forms against a replay, and what it says when they cannot be read."""

from __future__ import annotations

import csv
import json
from pathlib import Path

import pytest

from controller.labels import COLUMNS, LabelError, read_labels
from controller.replay import events_of
from controller.score import Agreement, Score, compare
from protocols.neutral_csv import CHANNELS
from simulators.gym import two_boards
from simulators.scenarios import SCENARIOS, Simulation, simulate
from tests.controller.inputs import ANCHOR, heard, played, short_set, station, together
from tests.controller.test_cli import cable_station


@pytest.fixture(scope="module")
def simulation() -> Simulation:
    return simulate(SCENARIOS["iso_lateral_row"].but(reps=4, ratio=0.85))


@pytest.fixture
def recording(simulation: Simulation, tmp_path: Path) -> Path:
    file = tmp_path / "row.csv"
    record(simulation, file)
    return file


def record(simulation: Simulation, file: Path) -> None:
    with file.open("w", encoding="utf-8", newline="") as out:
        writer = csv.writer(out)
        writer.writerow(("time_s", *CHANNELS))
        writer.writerows(simulation.samples)


def label_lines(simulation: Simulation, *columns: str) -> list[str]:
    names = {"mean_velocity_m_per_s": "mean_velocity"}
    lines = [",".join(("side", *columns))]
    for rep in simulation.truth.reps:
        values = [getattr(rep, names.get(name, name)) for name in columns]
        lines.append(",".join((rep.side, *(str(int(v) if isinstance(v, bool) else v) for v in values))))
    return lines


def scored(recording: Path, truth: Path) -> Score:
    events = [event for _, some in events_of(recording) for event in some]
    return compare(events, read_labels(truth), file="row.csv", other_clock=False)


def write(tmp_path: Path, *lines: str) -> Path:
    file = tmp_path / "labels.csv"
    file.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return file


def test_a_simulators_truth_agrees_in_count_measures_and_index(
    recording: Path, simulation: Simulation, tmp_path: Path
) -> None:
    simulation.truth.write(tmp_path / "truth.json")
    score = scored(recording, tmp_path / "truth.json")
    assert score.exact
    assert score.matched_by == "t_top"
    assert set(score.measures) == {"rom_m", "mean_velocity_m_per_s", "mean_force_n", "work_concentric_j"}
    assert {measure.n for measure in score.measures.values()} == {8}
    velocity = score.measures["mean_velocity_m_per_s"]
    assert velocity.bias is not None
    assert abs(velocity.bias) <= 0.005
    [one] = score.sets
    assert one.true_pct == pytest.approx(simulation.truth.sets[0].asymmetry_mean_force_pct, abs=0.01)
    assert one.found_pct == pytest.approx(one.true_pct, abs=0.5)


def test_labels_of_ones_own_say_the_same_as_the_truth(recording: Path, simulation: Simulation, tmp_path: Path) -> None:
    simulation.truth.write(tmp_path / "truth.json")
    own = write(tmp_path, "# counted by eye", *label_lines(simulation, *COLUMNS))
    assert scored(recording, own) == scored(recording, tmp_path / "truth.json")


def test_a_rep_too_many_and_a_rep_too_few_are_named_with_their_time(
    recording: Path, simulation: Simulation, tmp_path: Path
) -> None:
    lines = label_lines(simulation, "t_start")
    moved = [*lines[:2], "left,0.5", *lines[3:]]
    left, right = scored(recording, write(tmp_path, *moved)).sides
    assert (left.missed, left.exact, right.exact) == ([0.5], False, True)
    assert left.ghosts == [pytest.approx(simulation.truth.reps[1].t_start, abs=0.05)]


def test_without_times_reps_are_matched_by_number(recording: Path, simulation: Simulation, tmp_path: Path) -> None:
    score = scored(recording, write(tmp_path, *label_lines(simulation, "rom_m"), "right,0.5"))
    assert score.matched_by == "number"
    assert [(side.labelled, side.found, len(side.missed)) for side in score.sides] == [(4, 4, 0), (5, 4, 1)]
    assert not score.exact


def test_counts_alone_are_compared_on_the_sides_that_they_speak_of(recording: Path, tmp_path: Path) -> None:
    assert scored(recording, write(tmp_path, "side,reps", "left,4")).exact
    score = scored(recording, write(tmp_path, "side,reps", "left,4", "right,5"))
    assert [side.exact for side in score.sides] == [True, False]


def test_the_clock_of_the_truth_is_found_where_a_recording_has_its_own(tmp_path: Path) -> None:
    session = short_set()
    session.truth.write(tmp_path / "truth.json")
    boards = zip(("left", "right"), two_boards(session, now=ANCHOR - 5.0), strict=True)
    inputs = together(*(heard(name, board, until=33.0) for name, board in boards), until=33.0)
    events = played(station("left", "right"), inputs)
    score = compare(events, read_labels(tmp_path / "truth.json"), file="x", other_clock=True)
    assert score.exact
    assert score.shift_s is not None
    assert score.shift_s < -1e9  # the events are in Unix time
    assert abs(score.measures["rom_m"].bias or 1.0) < 0.002


def test_holds_are_matched_by_their_start(tmp_path: Path) -> None:
    holds = simulate(SCENARIOS["isometric_hold"])
    holds.truth.write(tmp_path / "truth.json")
    record(holds, tmp_path / "hold.csv")
    score = scored(tmp_path / "hold.csv", tmp_path / "truth.json")
    assert (score.exact, score.matched_by) == (True, "t_start")
    assert set(score.measures) == {"mean_force_n"}


@pytest.mark.parametrize(
    ("lines", "said"),
    [
        ([], "empty"),
        (["time,reps", "left,4"], "column 'time' is not known"),
        (["reps", "4"], "the header needs side"),
        (["side,reps,rom_m", "left,4,0.5"], "only side beside it"),
        (["side,reps", "left,four"], "line 2: reps is 'four'"),
        (["side,reps", "left,4", "left,5"], "line 3: left is counted twice"),
        (["side,reps"], "no side is counted"),
        (["side,rom_m", "middle,0.5"], "line 2: side is 'middle'"),
        (["side,rom_m", "left,0.5,1"], "line 2: 3 cells under 2 names"),
        (["side,rom_m", "left,inf"], "line 2: rom_m is 'inf'"),
        (["side,partial", "left,perhaps"], "line 2: partial is 'perhaps'"),
        (['{"sets": [{"reps": [{"side": "left"}]}]}'], "t_start"),
        (["{"], "not what cable-station-sim --truth writes"),
    ],
)
def test_labels_that_cannot_be_read_are_refused_with_the_place(lines: list[str], said: str, tmp_path: Path) -> None:
    file = write(tmp_path, *lines)
    with pytest.raises(LabelError, match=said) as refused:
        read_labels(file)
    assert str(refused.value).startswith(str(file))
    assert "\n" not in str(refused.value)


def test_the_exit_code_says_exact_not_exact_or_unreadable(recording: Path, tmp_path: Path) -> None:
    truth = write(tmp_path, "side,reps", "left,4", "right,4")
    done = cable_station("score", recording, "--truth", truth)
    assert (done.returncode, done.stderr) == (0, b"")
    assert b"exact" in done.stdout
    truth = write(tmp_path, "side,reps", "left,5")
    done = cable_station("score", recording, "--truth", truth, "--json")
    assert done.returncode == 1
    assert json.loads(done.stdout)["exact"] is False
    for wrong in (
        ("score", recording, "--truth", tmp_path / "none.csv"),
        ("score", tmp_path / "none", "--truth", truth),
    ):
        done = cable_station(*wrong)
        assert (done.returncode, done.stdout) == (2, b"")
        assert done.stderr.count(b"\n") == 1
        assert b"No such file" in done.stderr


def test_agreement_is_that_of_bland_and_altman_and_the_estimates_error_is_the_regressions() -> None:
    found, true = [1.0, 2.0, 3.0, 4.0], [1.1, 1.9, 3.1, 3.9]
    of = Agreement.of(found, true)
    assert of.bias == pytest.approx(0.0)
    assert of.sd == pytest.approx(0.11547, abs=1e-5)
    assert [of.low, of.high] == pytest.approx([-0.22632, 0.22632], abs=1e-5)
    assert of.see == pytest.approx(0.126491, abs=1e-5)  # 0.1 + 0.96 x leaves 0.04, -0.12, 0.12, -0.04
    assert Agreement.of([], []) == Agreement(n=0)
    assert Agreement.of([1.0], [0.9]).sd is None

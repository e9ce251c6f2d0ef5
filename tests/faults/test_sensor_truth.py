"""Twelve faults in five shapes: each ends in a documented fault and a flag, and no wrong number stands without one."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import pytest

from protocols.events import Shape, Side
from simulators.scenarios import SCENARIOS, Scenario, simulate
from simulators.scenarios import Fault as Defect
from simulators.sensor_faults import (
    Chatter,
    Clip,
    Drift,
    Gap,
    OverRows,
    Reversed,
    Slip,
    Slower,
    Spike,
    Stuck,
    Swapped,
    Unplugged,
)
from simulators.truth import RepTruth
from tests.faults.recordings import Played, flags_of, lies, of_truth, play, row, wrong_numbers

SHAPES: tuple[Shape, ...] = ("together", "alternating", "left_only", "right_only", "sequential")
FOR_GOOD = 1e6  # s
BOTH = ("left_position_m", "left_force_n", "right_position_m", "right_force_n")
Defects = Sequence[Defect | OverRows]


def side_of(shape: Shape) -> Side:
    """The side that has the defect: one that works."""
    return "right" if shape == "right_only" else "left"


def reps_of(scenario: Scenario, side: Side) -> list[RepTruth]:
    """What a side really does."""
    return [rep for rep in simulate(scenario).truth.reps if rep.side == side]


@dataclass(frozen=True, slots=True)
class Case:
    """One fault: how a session comes to have it, and which reps of its side bear its name."""

    name: str
    make: Callable[[Shape, float], tuple[Scenario, Defects]]
    touches: str = "some"  # all, some, or no rep at all where none can be seen
    of_both: bool = False  # the fault is no one side's
    ends: bool = True


def stuck(shape: Shape, hz: float) -> tuple[Scenario, Defects]:
    """The load cell says the same for four seconds, from the middle of a stroke on."""
    scenario, side = row(shape, rate_hz=hz), side_of(shape)
    return scenario, [Stuck(f"{side}_force_n", reps_of(scenario, side)[1].t_start + 0.3, 4.0)]


def dead(shape: Shape, hz: float) -> tuple[Scenario, Defects]:
    """The load cell never says anything else."""
    return row(shape, rate_hz=hz), [Stuck(f"{side_of(shape)}_force_n", 0.0, FOR_GOOD)]


def saturated(shape: Shape, hz: float) -> tuple[Scenario, Defects]:
    """The amplifier ends below the peaks."""
    scenario, side = row(shape, rate_hz=hz), side_of(shape)
    return scenario, [Clip(f"{side}_force_n", 0.85 * min(rep.peak_force_n for rep in reps_of(scenario, side)))]


def spike(shape: Shape, hz: float) -> tuple[Scenario, Defects]:
    """Interference on both channels, of one sample and of a few milliseconds."""
    scenario, side = row(shape, rate_hz=hz), side_of(shape)
    reps = reps_of(scenario, side)
    return scenario, [
        Spike(f"{side}_force_n", reps[1].t_start + 0.3, 400.0),
        Spike(f"{side}_position_m", reps[2].t_top - 0.1, 0.25),
        Spike(f"{side}_force_n", reps[3].t_start + 0.4, -300.0, lasts=0.004),
    ]


def zero_drift(shape: Shape, hz: float) -> tuple[Scenario, Defects]:
    """The zero of the load cell moves by a tenth of the force between two sets."""
    scenario = row(shape, rate_hz=hz, sets=2, reps=3)
    return scenario, [Drift(f"{side_of(shape)}_force_n", simulate(scenario).truth.sets[0].t_end + 4.5, 22.0)]


def wrong_sign(shape: Shape, hz: float) -> tuple[Scenario, Defects]:
    """The load cell is wired the wrong way round."""
    return row(shape, rate_hz=hz), [Reversed(f"{side_of(shape)}_force_n")]


def backwards(shape: Shape, hz: float) -> tuple[Scenario, Defects]:
    """The encoder is wired the wrong way round."""
    return row(shape, rate_hz=hz), [Reversed(f"{side_of(shape)}_position_m")]


def swapped(shape: Shape, hz: float) -> tuple[Scenario, Defects]:
    """Each load cell hangs on the other cable."""
    return row(shape, rate_hz=hz), [Swapped()]


def force_without_motion(shape: Shape, hz: float) -> tuple[Scenario, Defects]:
    """The encoder's cable is off."""
    return row(shape, rate_hz=hz), [Stuck(f"{side_of(shape)}_position_m", 0.0, FOR_GOOD)]


def motion_without_force(shape: Shape, hz: float) -> tuple[Scenario, Defects]:
    """The load cell is unplugged in the middle of a set, and shows the noise of its open input."""
    scenario, side = row(shape, rate_hz=hz, reps=5), side_of(shape)
    return scenario, [Unplugged(f"{side}_force_n", reps_of(scenario, side)[1].t_end + 0.1, FOR_GOOD)]


def encoder_slip(shape: Shape, hz: float) -> tuple[Scenario, Defects]:
    """The encoder loses 15 mm in each of five strokes."""
    scenario, side = row(shape, rate_hz=hz, reps=5), side_of(shape)
    reps = reps_of(scenario, side)
    every = (reps[-1].t_start - reps[0].t_start) / 4.0
    return scenario, [Slip(f"{side}_position_m", reps[0].t_start + 0.3, 0.015, every=every, times=5)]


def encoder_chatter(shape: Shape, hz: float) -> tuple[Scenario, Defects]:
    """The encoder jumps to and fro for a second."""
    scenario, side = row(shape, rate_hz=hz), side_of(shape)
    return scenario, [Chatter(f"{side}_position_m", reps_of(scenario, side)[1].t_start + 0.3, 1.0)]


def gap(shape: Shape, hz: float) -> tuple[Scenario, Defects]:
    """The board says nothing for 0.4 s of a stroke."""
    scenario, side = row(shape, rate_hz=hz), side_of(shape)
    return scenario, [Gap(reps_of(scenario, side)[1].t_start + 0.3, 0.4, side)]


def clocks_apart(shape: Shape, hz: float) -> tuple[Scenario, Defects]:
    """What the clock fit says is given to the core with the session."""
    return row(shape, rate_hz=hz), []


def implausible_rate(shape: Shape, hz: float) -> tuple[Scenario, Defects]:
    """The boards give one sample of four for six seconds."""
    scenario, side = row(shape, rate_hz=hz), side_of(shape)
    return scenario, [Slower(reps_of(scenario, side)[1].t_start - 1.0, 6.0, 4)]


CASES = (
    Case("stuck", stuck),
    Case("saturated", saturated, touches="all"),
    Case("spike", spike),
    Case("zero_drift", zero_drift),
    Case("wrong_sign", wrong_sign, touches="all", ends=False),
    Case("sides_swapped", swapped, touches="all", of_both=True, ends=False),
    Case("force_without_motion", force_without_motion, touches="none", ends=False),
    Case("motion_without_force", motion_without_force, ends=False),
    Case("encoder_slip", encoder_slip, touches="all"),
    Case("gap", gap),
    Case("clocks_apart", clocks_apart, touches="none", of_both=True, ends=False),
    Case("implausible_rate", implausible_rate),
)
MORE = (
    Case("stuck", dead, touches="all", ends=False),
    Case("wrong_sign", backwards, touches="all", ends=False),
    Case("encoder_chatter", encoder_chatter),
)


def played(case: Case, shape: Shape, hz: float = 100.0) -> Played:
    """The session with its defect."""
    scenario, defects = case.make(shape, hz)
    return play(scenario, defects, clock_s=0.2 if case.name == "clocks_apart" else None)


def told(case: Case, shape: Shape, session: Played) -> None:
    """That the fault was raised, and cleared where it ended, on the right side, with something to do about it."""
    side = None if case.of_both else side_of(shape)
    raised, cleared = session.raised(case.name), session.cleared(case.name)
    assert side in [fault.side for fault in raised]
    assert all(len(fault.detail) > 20 for fault in raised)
    assert all(before.ts < after.ts for before, after in zip(raised, cleared, strict=False))
    assert (len(cleared) == len(raised)) == case.ends
    for fault in session.faults:
        assert fault.side in (side, None) or case.of_both or fault.name == "implausible_rate"


def flagged(case: Case, shape: Shape, session: Played) -> None:
    """That the reps it touches, and their set, bear its name."""
    reps = [rep for rep in session.reps if rep.side == side_of(shape)]
    bearing = [rep for rep in reps if case.name in flags_of(rep)]
    if case.touches == "none":
        assert bearing == []
    else:
        assert bearing
        assert case.touches == "some" or bearing == reps
    assert session.sets == [] or any(case.name in flags_of(each) for each in session.sets)


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_each_fault_is_told_and_flagged_and_nothing_wrong_stands_unflagged(case: Case, shape: Shape) -> None:
    session = played(case, shape)
    told(case, shape, session)
    flagged(case, shape, session)
    assert lies(session) == []


@pytest.mark.parametrize("shape", ["together", "right_only"])
@pytest.mark.parametrize("case", MORE, ids=lambda case: case.make.__name__)
def test_so_is_another_form_of_it(case: Case, shape: Shape) -> None:
    session = played(case, shape)
    told(case, shape, session)
    flagged(case, shape, session)
    assert lies(session) == []


@pytest.mark.parametrize("case", [*CASES, *MORE], ids=lambda case: case.make.__name__)
def test_so_it_is_at_50_samples_a_second(case: Case) -> None:
    session = played(case, "left_only", 50.0)
    told(case, "left_only", session)
    assert lies(session) == []


@pytest.mark.parametrize(
    "case", [case for case in CASES if case.name in ("stuck", "spike")], ids=lambda case: case.name
)
def test_so_it_is_at_1000_samples_a_second(case: Case) -> None:
    session = played(case, "left_only", 1000.0)
    told(case, "left_only", session)
    assert lies(session) == []


@pytest.mark.parametrize("shape", SHAPES)
def test_what_is_left_of_a_rep_with_a_spike_is_right(shape: Shape) -> None:
    session = played(Case("spike", spike), shape)
    for rep in session.reps:
        real = of_truth(rep, session.truth)
        assert real is not None
        assert wrong_numbers(rep, real) == []
        assert rep.mean_force_n is not None


@pytest.mark.parametrize("name", ["saturated", "stuck", "wrong_sign", "sides_swapped", "motion_without_force"])
def test_a_force_that_is_not_to_be_believed_is_null_with_the_faults_name(name: str) -> None:
    case = next(case for case in CASES if case.name == name)
    session = played(case, "together")
    bearing = [rep for rep in session.reps if name in flags_of(rep)]
    assert bearing
    for rep in bearing:
        hidden = [rep.mean_force_n, rep.eccentric_mean_force_n]
        assert None in hidden
        assert f"mean_force_n={name}" in rep.reasons
    ids = {rep.id for rep in bearing if rep.mean_force_n is None}
    for pair in session.pairs:
        if {pair.left_rep, pair.right_rep} & ids:
            assert pair.asymmetry_mean_force_pct is None
            assert f"asymmetry_mean_force_pct={name}" in pair.reasons


def test_a_cell_that_is_off_costs_no_rep() -> None:
    for make in (dead, motion_without_force, wrong_sign):
        session = played(Case("", make), "together")
        assert [(each.left_reps, each.right_reps) for each in session.sets] == [
            (each.left_reps, each.right_reps) for each in session.truth.sets
        ]


def test_clocks_that_are_apart_leave_no_lag() -> None:
    pairs = played(Case("clocks_apart", clocks_apart), "together").pairs
    assert len(pairs) == 4
    assert all(pair.lag_ms is None and "lag_ms=clocks_apart" in pair.reasons for pair in pairs)


def test_a_zero_that_has_moved_is_taken_off_or_else_the_force_is_null() -> None:
    scenario, defects = zero_drift("together", 100.0)
    corrected, left_alone = play(scenario, defects), play(scenario, defects, track_zero=False)
    for rep in corrected.reps:
        real = of_truth(rep, corrected.truth)
        assert real is not None
        assert wrong_numbers(rep, real) == []
        assert rep.mean_force_n is not None
    second = [rep for rep in left_alone.reps if rep.set == 2 and rep.side == "left"]
    assert len(second) == 3
    assert all(rep.mean_force_n is None and "mean_force_n=zero_drift" in rep.reasons for rep in second)


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("hz", [20.0, 50.0, 100.0])
@pytest.mark.parametrize("channels", ["both", "position", "force"])
def test_a_healthy_session_raises_no_fault(shape: Shape, hz: float, channels: str) -> None:
    if channels == "force":
        scenario = SCENARIOS["isometric_hold"].but(shape=shape, rate_hz=hz, reps=2)
    else:
        names = BOTH if channels == "both" else BOTH[::2]
        scenario = row(shape, rate_hz=hz, channels=names, reps=3)
    assert [(fault.name, fault.side) for fault in play(scenario).faults] == []


def test_nor_does_one_at_1000_samples_a_second() -> None:
    assert play(row("together", rate_hz=1000.0, reps=2)).faults == []

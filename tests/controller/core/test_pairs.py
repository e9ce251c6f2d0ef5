"""Which reps belong together, what a pair may say, and what a set adds up to; on reps made by hand."""

from __future__ import annotations

import pytest

from controller.core.asymmetry import Result
from controller.core.sets import (
    Counted,
    RunningSet,
    asymmetry,
    compare,
    is_partial,
    mean_of,
    neighbours,
    overlap,
    partner,
    reference_rom,
    total_of,
    velocity_loss,
)
from controller.core.settings import ChannelCalibration, Exercise, IndexName
from protocols.events import Side
from tests.controller.core.reps import counted, row

QUANTITIES = {
    "peak_force_pct": "peak_force",
    "mean_force_pct": "mean_force",
    "impulse_pct": "impulse",
    "work_pct": "work_concentric",
    "rom_pct": "rom",
    "mean_velocity_pct": "mean_velocity",
    "eccentric_peak_force_pct": "eccentric_peak_force",
    "eccentric_mean_force_pct": "eccentric_mean_force",
    "eccentric_work_pct": "work_eccentric",
    "eccentric_mean_velocity_pct": "eccentric_mean_velocity",
}
DURATIONS = ("concentric_s_pct", "eccentric_s_pct", "hold_s_pct")


def made(left: list[Counted], right: list[Counted]) -> RunningSet:
    running = RunningSet(number=1)
    running.reps["left"] += left
    running.reps["right"] += right
    return running


def numbers(pairs: list[tuple[Counted, Counted]]) -> list[tuple[int, int]]:
    assert all((left.event.side, right.event.side) == ("left", "right") for left, right in pairs)
    return [(left.event.rep, right.event.rep) for left, right in pairs]


# -- what was made at the same time


def test_two_reps_have_in_common_what_the_shorter_one_shares() -> None:
    assert overlap(counted(0.0, 2.0), counted(1.5, 2.5)) == pytest.approx(0.5)
    assert overlap(counted(1.5, 2.5), counted(0.0, 2.0)) == pytest.approx(0.5)
    assert overlap(counted(0.0, 2.0), counted(0.5, 1.0)) == pytest.approx(1.0)
    assert overlap(counted(0.0, 1.0), counted(2.0, 3.0)) < 0.0


def test_a_rep_lasts_to_its_top_and_an_effort_to_its_end() -> None:
    assert counted(1.0, 2.0, hold=0.5).span == (1.0, 2.0)
    assert counted(1.0, 2.0, hold=0.5, rom=None).span == (1.0, 3.5)
    assert counted(1.0, 2.0, rom=None, t_end=None).span == (1.0, 2.0)


def test_three_tenths_in_common_make_a_partner_and_less_does_not() -> None:
    rep = counted(0.0, 1.0)
    near, far = counted(0.69, 1.69, side="right"), counted(0.71, 1.71, side="right")
    assert partner(rep, [near]) is near
    just = counted(7.0, 17.0, side="right")
    assert partner(counted(0.0, 10.0), [just]) is just
    assert partner(rep, [far]) is None
    assert partner(rep, []) is None


def test_the_partner_is_the_rep_with_most_in_common() -> None:
    first, second = row([0.5, 1.4], side="right")
    assert partner(counted(1.2, 2.2), [first, second]) is second


# -- the shape of a set


def test_a_set_without_reps_has_no_shape_and_one_side_alone_is_that_side() -> None:
    assert made([], []).shape() is None
    assert made([], []).empty
    assert made(row([0.0]), []).shape() == "left_only"
    assert made([], row([0.0], side="right")).shape() == "right_only"
    assert not made([], row([0.0], side="right")).empty


@pytest.mark.parametrize(
    ("left", "right", "shape"),
    [
        ([0.0, 3.0, 6.0, 9.0], [0.1, 3.1, 6.1, 9.1], "together"),
        ([0.0, 3.0, 6.0, 9.0], [0.1, 3.1, 7.5, 10.5], "together"),  # half of them at once
        ([0.0, 3.0, 6.0, 9.0], [0.1, 4.5, 7.5, 10.5], "alternating"),  # a quarter
        ([0.0, 3.0, 6.0, 9.0, 12.0], [3.1], "together"),  # one rep of the right, made with the left
        ([0.0], [1.5], "alternating"),
        ([0.0, 3.0], [1.5, 4.5], "alternating"),
        ([0.0, 3.0, 6.0], [1.5, 7.5], "alternating"),  # the right missed one
        ([0.0, 3.0, 6.0], [9.0, 12.0, 15.0], "sequential"),
        ([9.0, 12.0], [0.0, 3.0, 6.0], "sequential"),
        ([0.0, 3.0], [6.0], "sequential"),  # left, left, right
        ([0.0, 1.5, 3.0, 4.5, 9.0], [6.0, 7.5, 10.5, 12.0, 13.5], "sequential"),  # 3 changes of the 9 there could be
        ([0.0, 3.0, 4.5, 9.0], [1.5, 6.0, 7.5, 10.5], "alternating"),  # 5 changes of 7
    ],
)
def test_a_set_has_the_shape_that_its_reps_show(left: list[float], right: list[float], shape: str) -> None:
    assert made(row(left), row(right, side="right")).shape() == shape
    mirrored = made(row(right), row(left, side="right"))
    assert mirrored.shape() == shape


def test_half_of_the_possible_changes_are_alternating() -> None:
    left, right = row([0.0, 1.5, 6.0, 7.5]), row([3.0, 4.5, 9.0], side="right")  # 3 changes of the 6 there could be
    assert made(left, right).shape() == "alternating"


def test_reps_come_in_the_order_of_their_starts() -> None:
    order = made(row([0.0, 4.0]), row([2.0, 6.0], side="right")).in_order()
    assert [(side, rep.event.rep) for side, rep in order] == [("left", 1), ("right", 1), ("left", 2), ("right", 2)]


def test_a_set_is_flagged_once_with_each_flag() -> None:
    running = made([], [])
    for name in ("interrupted", "board_restarted", "interrupted"):
        running.flag(name)
    assert running.flags == ["interrupted", "board_restarted"]


# -- pairs


def test_together_pairs_by_time_and_a_missed_rep_shifts_none() -> None:
    running = made(row([0.0, 3.0, 6.0]), row([0.1, 6.1], side="right"))
    assert numbers(running.pairs("together")) == [(1, 1), (3, 2)]


def test_sequential_pairs_by_number_as_far_as_both_go() -> None:
    running = made(row([0.0, 3.0, 6.0]), row([9.0, 12.0], side="right"))
    assert numbers(running.pairs("sequential")) == [(1, 1), (2, 2)]


def test_one_side_alone_has_no_pairs() -> None:
    assert made(row([0.0]), []).pairs("left_only") == []


@pytest.mark.parametrize(
    ("left", "right", "pairs"),
    [
        ([0.0, 4.0, 8.0], [2.0, 6.0, 10.0], [(1, 1), (2, 2), (3, 3)]),
        ([2.0, 6.0, 10.0], [0.0, 4.0, 8.0], [(1, 1), (2, 2), (3, 3)]),
        ([0.0, 4.0, 8.0], [2.0, 10.0], [(1, 1), (3, 2)]),  # the right missed its second
        ([0.0, 8.0], [2.0, 6.0, 10.0], [(1, 1), (2, 3)]),  # the left missed its second
        ([0.0], [2.0], [(1, 1)]),
    ],
)
def test_alternating_pairs_each_rep_with_the_next_of_the_other_side(
    left: list[float], right: list[float], pairs: list[tuple[int, int]]
) -> None:
    assert numbers(made(row(left), row(right, side="right")).pairs("alternating")) == pairs


def test_what_leads_is_paired_before_what_follows_and_the_closer_first() -> None:
    # The left leads. Its first is missed by the right, and the right begins twice where the left is missing.
    left, right = row([0.0, 9.0]), row([3.0, 6.0, 7.5], side="right")
    assert numbers(neighbours(made(left, right).in_order())) == [(1, 1), (2, 3)]


def test_nothing_has_no_neighbours() -> None:
    assert neighbours([]) == []


# -- what a pair says


@pytest.mark.parametrize(("facet", "quantity"), QUANTITIES.items())
def test_each_facet_compares_its_own_quantity(facet: str, quantity: str) -> None:
    left, right = counted(), counted(side="right")
    setattr(left.measures, quantity, 100.0)
    setattr(right.measures, quantity, 80.0)
    values, reasons = compare(left, right, name="percent_difference")
    assert values[facet] == pytest.approx(-20.0)
    assert facet not in reasons
    assert set(values) == {*QUANTITIES, *DURATIONS}


def test_durations_are_compared_as_well() -> None:
    left = counted(0.0, 1.0, eccentric=2.0, hold=0.3)
    right = counted(0.0, 1.25, side="right", eccentric=1.5, hold=0.6)
    values, _ = compare(left, right, name="percent_difference")
    assert values["concentric_s_pct"] == pytest.approx(20.0)
    assert values["eccentric_s_pct"] == pytest.approx(-25.0)
    assert values["hold_s_pct"] == pytest.approx(50.0)


def test_an_effort_without_a_position_has_no_concentric_to_compare() -> None:
    values, reasons = compare(counted(rom=None), counted(rom=None, side="right"), name="percent_difference")
    assert values["concentric_s_pct"] is None
    assert reasons["concentric_s_pct"] == "unknown"
    assert values["hold_s_pct"] == 0.0


@pytest.mark.parametrize(("name", "value"), [("percent_difference", -15.0), ("bilateral", -8.108)])
def test_a_pair_is_on_the_scale_that_the_exercise_names(name: IndexName, value: float) -> None:
    values, _ = compare(counted(force=100.0), counted(force=85.0, side="right"), name=name)
    assert values["mean_force_pct"] == pytest.approx(value, abs=0.001)


@pytest.mark.parametrize(
    ("left", "right", "compared"),
    [
        (15.0, 20.0, False),  # 15 N is not over 15 N
        (15.1, 20.0, True),
        (20.0, 15.0, False),
        (100.0, 1000.0, False),  # nor a tenth over a tenth
        (101.0, 1000.0, True),
        (1000.0, 100.0, False),
        (None, 300.0, True),  # without a cell there is no load to judge
        (None, None, True),
    ],
)
def test_a_side_without_load_has_no_index(left: float | None, right: float | None, compared: bool) -> None:  # noqa: FBT001
    values, reasons = compare(counted(force=left), counted(force=right, side="right"), name="percent_difference")
    assert (values["rom_pct"] == 0.0) == compared
    assert reasons.get("rom_pct") == (None if compared else "load")


def test_a_null_of_either_side_makes_the_facet_null_with_its_reason() -> None:
    for flawed, other in ((0, 1), (1, 0)):
        reps = [counted(rfd=1.0), counted(side="right", rfd=1.0)]
        reps[flawed].measures.mean_force = None
        reps[flawed].measures.reasons["mean_force"] = "saturated"
        reps[other].measures.reasons["peak_force"] = "gap"
        values, reasons = compare(reps[0], reps[1], name="percent_difference")
        assert values["mean_force_pct"] is None
        assert reasons["mean_force_pct"] == "saturated"
        assert reasons["peak_force_pct"] == "gap"
        assert reasons["impulse_pct"] == "unknown"


@pytest.mark.parametrize(
    ("left", "right", "value"), [(0.0, 0.19, None), (0.0, 0.2, 100.0), (0.2, 0.1, -50.0), (0.19, 0.19, None)]
)
def test_turns_without_a_hold_have_no_asymmetry_of_it(left: float, right: float, value: float | None) -> None:
    values, reasons = compare(counted(hold=left), counted(hold=right, side="right"), name="percent_difference")
    assert values["hold_s_pct"] == (None if value is None else pytest.approx(value))
    assert reasons.get("hold_s_pct") == ("no_hold" if value is None else None)


def test_a_hold_of_a_rep_is_not_compared_with_the_length_of_an_effort() -> None:
    _, reasons = compare(counted(), counted(rom=None, side="right"), name="percent_difference")
    assert reasons["hold_s_pct"] == "no_hold"


def test_two_sides_of_nothing_say_so() -> None:
    values, reasons = compare(
        counted(mean_velocity=0.0), counted(side="right", mean_velocity=0.0), name="percent_difference"
    )
    assert values["mean_velocity_pct"] is None
    assert reasons["mean_velocity_pct"] == "nothing"


@pytest.mark.parametrize(("flawed", "other"), [(0, 1), (1, 0)])
def test_nothing_of_a_stroke_with_a_gap_is_compared_and_the_other_stroke_is(flawed: int, other: int) -> None:
    reps = [counted(mean_velocity=0.5), counted(side="right", mean_velocity=0.5)]
    reps[flawed].measures.reasons["mean_velocity"] = "gap"
    values, reasons = compare(reps[0], reps[1], name="percent_difference")
    for facet in ("rom_pct", "concentric_s_pct"):
        assert values[facet] is None
        assert reasons[facet] == "gap"
    assert values["eccentric_s_pct"] == 0.0
    reps = [counted(), counted(side="right")]
    reps[other].measures.reasons["eccentric_mean_velocity"] = "gap"
    values, reasons = compare(reps[0], reps[1], name="percent_difference")
    assert values["eccentric_s_pct"] is None
    assert reasons["eccentric_s_pct"] == "gap"
    assert values["rom_pct"] == 0.0


def test_how_long_a_stack_fell_is_not_compared() -> None:
    dropped = counted(eccentric=None)
    dropped.measures.reasons["eccentric_mean_velocity"] = "let_go"
    _, reasons = compare(dropped, counted(side="right"), name="percent_difference")
    assert reasons["eccentric_s_pct"] == "let_go"


# -- partial reps


def test_a_rep_under_three_fifths_of_the_reference_is_partial() -> None:
    assert is_partial(counted(rom=0.29), 0.5)
    assert not is_partial(counted(rom=0.3), 0.5)
    assert not is_partial(counted(rom=0.01), None)
    assert not is_partial(counted(rom=None), 0.5)


def test_the_reference_is_the_median_of_the_full_reps() -> None:
    assert (
        reference_rom([counted(rom=0.5), counted(rom=0.6), counted(rom=0.1), counted(rom=0.8), counted(rom=None)])
        == 0.6
    )
    assert reference_rom([counted(rom=None)]) is None


@pytest.mark.parametrize(
    ("roms", "usual"),
    [((0.9, 0.3), 0.9), ((0.9, 0.3, 0.32, 0.34), 0.33), ((0.3, 0.6, 0.62, 0.64), 0.62), ((0.2, 0.6), 0.6)],
)
def test_one_odd_rep_does_not_move_the_reference(roms: tuple[float, ...], usual: float) -> None:
    assert reference_rom([counted(rom=rom) for rom in roms]) == pytest.approx(usual)


# -- a set's index


def index_of(pairs: list[tuple[Counted, Counted]], *, facet: str = "mean_force") -> Result:
    references: dict[Side, float | None] = {"left": 0.5, "right": 0.6}
    return asymmetry(pairs, references, Exercise(), facet=facet, calibrations=(None, None))


def pair(left: float, right: float, *, left_rom: float = 0.5, right_rom: float = 0.6) -> tuple[Counted, Counted]:
    return counted(force=left, rom=left_rom), counted(side="right", force=right, rom=right_rom)


def test_a_sets_index_is_the_mean_of_its_signed_pairs_without_partial_ones() -> None:
    pairs = [
        pair(100.0, 80.0), pair(80.0, 100.0), pair(100.0, 70.0),
        pair(100.0, 20.0, left_rom=0.29), pair(100.0, 20.0, right_rom=0.35),
    ]  # fmt: skip
    result = index_of(pairs)
    assert result.value == pytest.approx((-20.0 + 20.0 - 30.0) / 3.0)
    assert result.pairs == 3


def test_a_sets_index_is_of_the_facet_that_is_asked_for() -> None:
    assert index_of([pair(100.0, 100.0)], facet="rom").value == pytest.approx(100.0 / 6.0)


def test_a_set_keeps_the_pairs_that_have_a_number_and_drops_the_others() -> None:
    dark = pair(100.0, 80.0)
    dark[0].measures.mean_force = None
    result = index_of([dark, pair(100.0, 80.0), pair(100.0, 90.0)])
    assert (result.pairs, result.reason) == (2, "fewer_than_3_pairs")
    assert result.value == pytest.approx(-15.0)


def test_a_set_without_a_pair_to_use_says_why_the_first_one_is_not() -> None:
    dark = pair(100.0, 80.0)
    dark[0].measures.mean_force = None
    dark[0].measures.reasons["mean_force"] = "gap"
    partial = pair(100.0, 80.0, left_rom=0.2)
    assert index_of([dark, partial]) == Result(reason="gap")
    assert index_of([partial, dark]) == Result(reason="partial")
    assert index_of([]) == Result(reason="no_pairs")


def test_a_sets_interval_has_the_calibration_and_its_verdict_the_exercises_threshold() -> None:
    references: dict[Side, float | None] = {"left": None, "right": None}
    cells = ChannelCalibration(uncertainty_pct=3.0), ChannelCalibration(uncertainty_pct=4.0)
    exercise = Exercise(threshold_pct=25.0)
    result = asymmetry([pair(100.0, 80.0)] * 3, references, exercise, facet="mean_force", calibrations=cells)
    assert result.high == pytest.approx(-20.0 + 1.96 * 0.8 * 5.0)
    assert result.reason == "under_threshold_25_pct"


# -- what a side adds up to


def speeds(*values: float | None) -> list[Counted]:
    return [counted(mean_velocity=value) for value in values]


@pytest.mark.parametrize(
    ("reps", "loss"),
    [
        (speeds(0.8, 1.0, 0.7), 30.0),
        (speeds(0.8, 1.0), 0.0),
        (speeds(1.0, None, 0.9), 10.0),
        (speeds(1.0, 0.9, None), None),  # the last is not known
        (speeds(1.0), None),
        (speeds(None, 1.0), None),
        (speeds(0.0, 0.0), None),
        ([], None),
    ],
)
def test_velocity_loss_is_from_the_best_rep_to_the_last(reps: list[Counted], loss: float | None) -> None:
    assert velocity_loss(reps) == (None if loss is None else pytest.approx(loss))


def test_a_mean_or_a_total_needs_every_rep() -> None:
    reps = [counted(work_concentric=value) for value in (100.0, 140.0, 120.0)]
    assert mean_of(reps, "work_concentric") == pytest.approx(120.0)
    assert total_of(reps, "work_concentric") == pytest.approx(360.0)
    reps[1].measures.work_concentric = None
    assert mean_of(reps, "work_concentric") is None
    assert total_of(reps, "work_concentric") is None
    assert mean_of([], "work_concentric") is None

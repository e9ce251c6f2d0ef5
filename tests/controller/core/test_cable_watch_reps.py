"""What the watch over a cable says of its rests and its strokes: a zero, a stop, a sign, a load that cannot be."""

from __future__ import annotations

from math import inf
from typing import Literal

import pytest

from controller.core.cable_watch import CableWatch
from controller.core.sensor_truth import Finding, Mark
from tests.controller.core.watch import at, forces, marks, rep, told, watched

# -- rest


@pytest.mark.parametrize(
    ("usual", "noise", "most"), [(None, 0.0, 6.0), (50.0, 0.0, 6.0), (300.0, 0.0, 30.0), (None, 5.0, 15.0)]
)
def test_a_stack_is_down_under_six_newtons_a_tenth_of_the_usual_force_or_the_noise(
    usual: float | None, noise: float, most: float
) -> None:
    watch = watched()
    if usual is not None:
        watch.counted(rep(), usual)
    forces(watch, 0.0, [0.0], noise=noise)
    for sign in (1.0, -1.0):
        assert watch.is_unloaded(sign * (most - 0.1))
        assert not watch.is_unloaded(sign * (most + 0.1))


def come_home(watch: CableWatch, xs: list[float]) -> None:
    """A visit every 10 s with a stroke of half a metre before it."""
    for number, x in enumerate(xs):
        t0 = 10.0 * number
        at(watch, t0 - 1.0, x + 0.5)
        for k in range(41):
            at(watch, t0 + k / 100.0, x)
            watch.home(t0 + k / 100.0, x)


@pytest.mark.parametrize(("top_force", "hangs_on"), [(121.0, True), (119.0, False)])
def test_a_stop_that_moved_under_a_load_that_hangs_on_is_a_slip(top_force: float, hangs_on: bool) -> None:  # noqa: FBT001
    watch = watched()
    watch.counted(rep(-9.0, top_force=top_force), 300.0)
    come_home(watch, [0.0, 0.0, 0.012, 0.012, 0.012])
    slips = [mark for mark in marks(watch) if mark.t1 > 40.0]
    assert (slips != []) == hangs_on
    if hangs_on:
        assert slips[0].spoils == "motion"
        assert slips[0].t0 == pytest.approx(10.4)
        assert any(
            each.detail == "the {side} cable comes home +12 mm from where it did; its encoder lost count, look at its "
            "coupling"
            for each in told(watch)
        )


def moved_zero(*, corrected: bool) -> CableWatch:
    """Two rests at nothing, a rep of 300 N, and a rest at 20 N."""
    watch = watched()
    at(watch, 0.0, 0.0)
    for t, level in ((1.0, 0.0), (2.0, 0.0), (9.0, 20.0)):
        watch.moves()
        if t == 9.0:
            watch.counted(rep(3.0, t_end=6.0), 300.0)
        watch.zero_seen(t, level, corrected=corrected)
    return watch


def test_a_zero_that_moved_spoils_the_force_since_it_was_last_right_and_no_more_once_it_is_taken_off() -> None:
    watch = moved_zero(corrected=True)
    assert marks(watch) == [Mark("zero_drift", 2.0, 9.0, "force"), Mark("zero_drift", 9.0, inf, "nothing")]
    said = "with nothing on it the {side} load cell says +20.0 N more than at the rest before; "
    assert {each.detail for each in told(watch)} == {said + "that is taken off from here on"}
    left = moved_zero(corrected=False)
    assert all(mark.spoils == "force" for mark in marks(left))
    assert left.marks.lasts("zero_drift")
    assert {each.detail for each in told(left)} == {said + "forces are not shown until it is tared"}


def test_a_zero_that_stays_from_one_rest_to_the_next_ends_it() -> None:
    watch = moved_zero(corrected=True)
    told(watch)
    watch.zero_seen(10.0, 20.0, corrected=True)
    assert told(watch) == []
    watch.moves()
    watch.zero_seen(15.0, 20.0, corrected=True)
    detail = "the zero of the {side} load cell stayed from one rest to the next"
    assert told(watch) == [Finding("zero_drift", 15.0, detail, over=True)]


def test_a_tare_ends_what_is_wrong_with_the_zero_and_the_sign() -> None:
    watch = moved_zero(corrected=False)
    watch.marks.begin("wrong_sign", 9.0, spoils="force", detail="")
    watch.marks.begin("stuck", 9.0, spoils="force", detail="")
    told(watch)
    watch.tared(12.0, 20.0)
    detail = "the {side} load cell was tared"
    assert told(watch) == [Finding(name, 12.0, detail, over=True) for name in ("zero_drift", "wrong_sign")]


# -- strokes


def resting(watch: CableWatch, level: float = 0.0) -> None:
    at(watch, 0.0, 0.0)
    for k in range(110):
        watch.rests(k / 100.0, level)


def test_a_stroke_under_which_the_force_falls_has_the_wrong_sign_until_it_rises() -> None:
    watch = watched()
    resting(watch)
    watch.topped(rep(10.0, force=-300.0), zero=0.0)
    assert marks(watch) == [Mark("wrong_sign", 10.0, inf, "force")]
    watch.topped(rep(20.0, force=None), zero=0.0)
    watch.topped(rep(20.0, force=14.0), zero=0.0)
    assert watch.marks.lasts("wrong_sign")
    watch.topped(rep(30.0, force=300.0), zero=0.0)
    assert told(watch)[-1] == Finding("wrong_sign", 30.0, "the {side} force is positive under load again", over=True)


def test_the_sign_is_that_of_the_force_before_its_zero_is_taken_off() -> None:
    watch = watched()
    resting(watch, 100.0)
    watch.topped(rep(force=-10.0), zero=100.0)
    assert marks(watch) == []
    watch.topped(rep(force=-20.0), zero=100.0)
    assert watch.marks.lasts("wrong_sign")


@pytest.mark.parametrize("starts_with", ["concentric", "eccentric"])
def test_loaded_strokes_in_beyond_the_stop_have_the_wrong_sign_where_the_way_out_comes_first(
    starts_with: Literal["concentric", "eccentric"],
) -> None:
    watch = watched(starts_with)
    for k in range(3):
        watch.home(4.0 + k / 10.0, 0.5)
    for k in range(20):
        for velocity in (-0.3, 0.3):
            at(watch, 8.0 + k / 100.0, 0.3, velocity)
            watch.force(8.0 + k / 100.0, 200.0 + k, zero=0.0, at_rail=False, noise=0.0, noise_m=0.0)
    watch.marks.drain()
    watch.topped(rep(10.0, start_x=0.3), zero=0.0)
    found = [mark for mark in marks(watch) if mark.name == "wrong_sign"]
    assert found == ([Mark("wrong_sign", 4.2, inf, "both")] if starts_with == "concentric" else [])
    if found:
        assert told(watch)[-1].detail == (
            "the {side} cable goes in beyond its stop under load, as its encoder says; turn the sign of the "
            "position's span"
        )


def test_strokes_that_carry_nothing_between_loaded_ones_spoil_the_force_until_a_loaded_one() -> None:
    watch = watched()
    watch.counted(rep(0.0), 300.0)
    watch.unloaded(rep(4.0, t_end=None))
    watch.unloaded(rep(4.0, t_end=6.0, rom=None))
    watch.unloaded(rep(4.0, t_end=6.0))
    assert marks(watch) == []
    watch.unloaded(rep(8.0, t_end=10.0))
    assert marks(watch) == [Mark("motion_without_force", 4.0, inf, "force")]
    watch.counted(rep(12.0), None)
    assert watch.marks.lasts("motion_without_force")
    watch.counted(rep(16.0), 300.0)
    assert told(watch) == [
        Finding(
            "motion_without_force", 4.0,
            "the {side} cable makes whole strokes and its load cell feels nothing; is it unplugged, or the stack's pin "
            "out?",
        ),
        Finding("motion_without_force", 16.0, "the {side} load cell feels the load again", over=True),
    ]  # fmt: skip


def test_before_any_load_strokes_that_carry_nothing_spoil_nothing() -> None:
    watch = watched()
    for k in range(5):
        watch.unloaded(rep(4.0 * k, t_end=4.0 * k + 2.0))
    assert marks(watch) == [Mark("motion_without_force", 0.0, inf, "nothing")]


def test_in_another_set_one_stroke_more_has_to_carry_nothing() -> None:
    watch = watched()
    watch.counted(rep(0.0), 300.0)
    watch.new_set()
    for k, seen in enumerate((False, False, True)):
        watch.unloaded(rep(4.0 * k, t_end=4.0 * k + 2.0))
        assert watch.marks.lasts("motion_without_force") == seen


def test_a_set_begins_with_its_first_rep() -> None:
    watch = watched()
    said = [watch.between_sets]
    watch.counted(rep(force=None), None)
    said.append(watch.between_sets)
    watch.new_set()
    assert [*said, watch.between_sets] == [True, False, True]


def test_the_usual_force_is_that_of_the_reps_with_one() -> None:
    watch = watched()
    usual = [watch.usual]
    for force in (None, 300.0, 400.0):
        watch.counted(rep(), force)
        usual.append(watch.usual)
    assert usual == [None, None, 300.0, 330.0]


def test_a_board_that_began_afresh_has_no_fault_of_its_channels_and_keeps_its_zero() -> None:
    watch = moved_zero(corrected=False)
    for name in ("stuck", "wrong_sign", "force_without_motion", "motion_without_force", "implausible_rate"):
        watch.marks.begin(name, 9.0, spoils="force", detail="")
    told(watch)
    watch.restart(20.0)
    assert {(each.name, each.since, each.over) for each in told(watch)} == {
        (name, 20.0, True)
        for name in ("stuck", "wrong_sign", "force_without_motion", "motion_without_force", "implausible_rate")
    }
    assert watch.marks.lasts("zero_drift")
    assert watch.usual == 300.0


def test_every_detail_of_a_restart_says_so() -> None:
    watch = watched()
    watch.marks.begin("stuck", 1.0, spoils="force", detail="")
    watch.restart(2.0)
    assert told(watch)[-1].detail == "the {side} board began afresh"

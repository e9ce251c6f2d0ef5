"""What the watch over a cable says of its sensors: the name, the stretch, what it spoils, and when it is over."""

from __future__ import annotations

from math import inf
from typing import Literal

import pytest

from controller.core.cable_watch import CableWatch
from controller.core.rep_metrics import Measures
from controller.core.sensor_truth import Finding, Mark, Marks
from controller.core.settings import Exercise


def watched(starts_with: Literal["concentric", "eccentric"] = "concentric") -> CableWatch:
    return CableWatch(Exercise(starts_with=starts_with), Marks())


def marks(watch: CableWatch) -> list[Mark]:
    return watch.marks.touching(-inf, inf)


def told(watch: CableWatch) -> list[Finding]:
    return watch.marks.drain()


def forces(watch: CableWatch, t0: float, values: list[float], *, noise: float = 0.0, noise_m: float = 0.0) -> float:
    """Forces at 100 Hz over a zero of nothing; the time after them."""
    for k, force in enumerate(values):
        watch.force(t0 + k / 100.0, force, zero=0.0, at_rail=False, noise=noise, noise_m=noise_m)
    return t0 + len(values) / 100.0


def at(watch: CableWatch, t: float, x: float, velocity: float = 0.0) -> None:
    watch.position(t, x, velocity, noise=0.0, quantum=0.0)


def rep(t_start: float = 10.0, *, force: float | None = 300.0, top_force: float | None = 300.0, rom: float | None = 0.5,
        start_x: float = 0.0, t_end: float | None = 13.0) -> Measures:  # fmt: skip
    return Measures(
        t_start=t_start, t_top=t_start + 1.0, t_end=t_end, rom=rom, mean_force=force, top_force=top_force,
        start_x=start_x,
    )  # fmt: skip


# -- each channel by itself


def test_a_gap_of_the_position_spoils_all_and_one_of_the_force_the_force() -> None:
    watch = watched()
    watch.gap("position", 1.0, 1.12)
    watch.gap("force", 3.0, 3.3)
    assert marks(watch) == [Mark("gap", 1.0, 1.12, "both"), Mark("gap", 3.0, 3.3, "force")]
    assert told(watch) == [
        Finding("gap", 1.0, "no {side} position for 120 ms; nothing is measured across it"),
        Finding("gap", 3.0, "no {side} force for 300 ms; nothing is measured across it"),
    ]


def test_a_leap_that_was_left_out_spoils_nothing() -> None:
    watch = watched()
    watch.leapt("force", [(1.0, 412.345)], 1.01)
    watch.leapt("position", [(3.0, -0.5), (3.01, 0.5)], 3.02)
    first, second = marks(watch)
    assert (first.name, first.spoils, first.t1) == ("spike", "nothing", 1.01)
    assert first.touches(0.5, 1.0)
    assert not first.touches(0.5, 0.9999)
    assert second.touches(2.5, 3.0)
    assert [each.detail for each in told(watch)] == [
        "one sample of the {side} force leapt to 412.3 and back and was left out; look for a loose contact",
        "2 samples of the {side} position leapt to -0.5 and back and was left out; look for a loose contact",
    ]


def test_a_rail_is_marked_though_it_is_a_single_sample() -> None:
    watch = watched()
    watch.railed(2.0, 2.0)
    (mark,) = marks(watch)
    assert (mark.name, mark.spoils) == ("saturated", "force")
    assert mark.touches(1.0, 2.0)
    assert not mark.touches(1.0, 1.9999)
    assert not mark.touches(2.0, 3.0)
    assert told(watch)[0].detail == "the {side} load cell is at the end of its range; forces are not shown"


def test_a_rate_that_cannot_be_spoils_times_until_both_channels_are_right_again() -> None:
    watch = watched()

    def come(t0: float, hz: float, *channels: str) -> None:
        for k in range(120):
            for channel in channels:
                watch.sampled(channel, t0 + k / hz)

    come(0.0, 100.0, "position", "force")
    assert marks(watch) == []
    come(1.2, 20.0, "position", "force")
    (mark,) = marks(watch)
    assert (mark.name, mark.spoils, mark.t1) == ("implausible_rate", "timing", inf)
    assert told(watch)[0].detail == (
        "the {side} position comes with 20 samples a second instead of 100; times and velocities are not shown"
    )
    come(7.2, 100.0, "position")
    assert told(watch) == []
    come(9.0, 100.0, "force")
    (over,) = told(watch)
    assert (over.name, over.over) == ("implausible_rate", True)
    assert over.detail == "the {side} sample rate can be believed again"
    assert 9.1 < over.since < 9.5


# -- both together


def test_a_position_that_steps_spoils_the_motion() -> None:
    watch = watched()
    for k in range(80):
        at(watch, k / 100.0, 0.0 if k < 50 else -0.02)
    (mark,) = marks(watch)
    assert (mark.name, mark.spoils, mark.t1) == ("encoder_slip", "motion", 0.5)
    (found,) = told(watch)
    assert found.detail == (
        "the {side} position stepped by -20 mm, faster than anything moves; look at the encoder's coupling"
    )
    assert found.since == pytest.approx(-1e-6)


def test_a_position_that_flips_to_and_fro_chatters() -> None:
    watch = watched()
    for k in range(120):
        at(watch, k / 100.0, 0.004 if k >= 100 and k % 2 else 0.0)
    assert {(mark.name, mark.spoils) for mark in marks(watch)} == {("encoder_chatter", "motion")}
    assert told(watch)[0].detail.startswith("the {side} position jumps to and fro, faster")


def test_a_cell_that_says_one_thing_is_stuck_until_it_says_another() -> None:
    watch = watched()
    at(watch, 0.0, 0.0)
    t = forces(watch, 0.0, [float(k % 2) for k in range(60)])
    end = forces(watch, t, [123.456] * 250)
    assert marks(watch) == [Mark("stuck", t, inf, "force")]
    forces(watch, end, [124.0])
    assert marks(watch) == [Mark("stuck", t, end, "force")]
    assert [each.detail for each in told(watch)] == [
        "the {side} load cell says 123.5 and nothing else; check its wiring",
        "the {side} load cell moves again",
    ]


def test_a_rail_is_not_stuck() -> None:
    watch = watched()
    at(watch, 0.0, 0.0)
    t = forces(watch, 0.0, [float(k % 2) for k in range(60)])
    for k in range(400):
        watch.force(t + k / 100.0, 500.0, zero=0.0, at_rail=True, noise=0.0, noise_m=0.0)
    assert marks(watch) == []


def test_without_a_position_a_force_that_falls_under_load_has_the_wrong_sign_until_it_rises() -> None:
    watch = watched()
    t = forces(watch, 0.0, [0.0, *[-100.0 - k % 2 for k in range(50)]])
    assert marks(watch) == [Mark("wrong_sign", 0.01, inf, "force")]
    end = forces(watch, t, [200.0 + k % 2 for k in range(50)])
    assert t < marks(watch)[0].t1 < end
    assert [each.detail for each in told(watch)] == [
        "the {side} force falls when its cable is pulled; turn the sign of its span",
        "the {side} force is positive under load again",
    ]


def pulled(watch: CableWatch, t0: float, *, zero: float = 0.0, noise: float = 0.0, noise_m: float = 0.0,
           wander: float = 0.0) -> None:  # fmt: skip
    """Four strokes of 100 N in the force of a cable that wanders by so much, 1 s up and 1 s down."""
    for k in range(800):
        t, up = t0 + k / 100.0, k % 200
        at(watch, t, wander if k >= 400 else 0.0)
        force = zero + (up if up < 100 else 200 - up)
        watch.force(t, force, zero=zero, at_rail=False, noise=noise, noise_m=noise_m)


def test_a_cable_that_is_pulled_and_stands_has_force_without_motion_until_it_moves() -> None:
    watch = watched()
    pulled(watch, 5.0, zero=50.0)
    assert marks(watch) == [Mark("force_without_motion", 5.0, inf, "both")]
    at(watch, 13.0, 0.049)
    assert watch.marks.lasts("force_without_motion")
    at(watch, 13.01, -0.051)
    assert marks(watch)[0] == Mark("force_without_motion", 5.0, 13.01, "both")
    assert [each.detail for each in told(watch) if each.name == "force_without_motion"] == [
        "the {side} cable is pulled as in strokes and its position does not move; is the encoder's cable off?",
        "the {side} position moves again",
    ]


def test_a_cable_stands_within_a_centimetre_or_eight_times_its_noise() -> None:
    for wander, noise_m, stands in ((0.009, 0.0, True), (0.011, 0.0, False), (0.018, 0.0023, True),
                                    (0.018, 0.0022, False)):  # fmt: skip
        watch = watched()
        pulled(watch, 5.0, wander=wander, noise_m=noise_m)
        assert watch.marks.lasts("force_without_motion") == stands
    noisy = watched()
    pulled(noisy, 5.0, noise=17.0)
    assert not noisy.marks.lasts("force_without_motion")


def test_cells_that_are_swapped_explain_a_force_without_motion() -> None:
    watch = watched()
    pulled(watch, 5.0)
    watch.marks.begin("sides_swapped", 0.0, spoils="force", detail="")
    told(watch)
    pulled(watch, 13.0)
    assert [(each.name, each.over, each.detail) for each in told(watch)] == [
        ("force_without_motion", True, "the load cells are swapped")
    ]


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

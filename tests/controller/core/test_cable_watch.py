"""What the watch over a cable says of its sensors: the name, the stretch, what it spoils, and when it is over."""

from __future__ import annotations

from math import inf

import pytest

from controller.core.cable_watch import CableWatch
from controller.core.sensor_truth import Finding, Mark
from tests.controller.core.watch import at, forces, marks, told, watched

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

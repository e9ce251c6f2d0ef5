"""Efforts of a cable with a load cell alone: announced, measured, taken back."""

from __future__ import annotations

import pytest

from controller.core.announcement import Announcement
from controller.core.settings import ChannelCalibration, Exercise
from controller.core.side import Side

Stretch = tuple[float, float]  # N and s


def cell(track_zero: bool = True) -> Side:  # noqa: FBT001, FBT002
    side = Side(Exercise())
    side.calibrate(force=ChannelCalibration(), position=None, track_zero=track_zero)
    return side


def pulled(*stretches: Stretch, side: Side | None = None, t0: float = 0.0, hz: float = 100.0) -> list[Announcement]:
    """What is announced of a force in steps."""
    side, said, k = side or cell(), [], 0
    for force, seconds in stretches:
        for _ in range(round(seconds * hz)):
            side.feed_force(t0 + k / hz, force + 0.01 * (k % 2), saturated=False)
            said += side.drain()
            k += 1
    return said


def standing(said: list[Announcement]) -> list[tuple[float, float]]:
    """Start and end of the finals that hold."""
    held: list[tuple[float, float]] = []
    for each in said:
        if each.status == "retracted" and each.take_back == -1:
            held.pop()
        elif each.status == "final":
            assert each.measures is not None
            assert each.measures.t_end is not None
            held.append((each.measures.t_start, each.measures.t_end))
    return held


def test_a_pull_is_announced_while_it_lasts_and_measured_at_its_end() -> None:
    first, final = pulled((0.0, 2.0), (200.0, 3.0), (0.0, 2.0))
    assert first.status == "provisional"
    assert first.measures is not None
    assert first.measures.t_start == pytest.approx(2.0, abs=0.011)
    assert first.measures.t_end is None
    assert first.turn == first.measures.t_top
    assert final.status == "final"
    measures = final.measures
    assert measures is not None
    assert measures.t_start == pytest.approx(2.0, abs=0.011)
    assert measures.t_end == final.turn == pytest.approx(5.0, abs=0.011)
    assert final.hold == measures.time_under_tension == pytest.approx(3.0, abs=0.021)
    assert measures.mean_force == final.force == pytest.approx(200.0, rel=0.005)
    assert measures.peak_force == pytest.approx(200.0, rel=0.005)
    assert measures.impulse == pytest.approx(600.0, rel=0.01)


def test_an_effort_has_no_motion() -> None:
    *_, final = pulled((0.0, 2.0), (200.0, 3.0), (0.0, 2.0))
    measures = final.measures
    assert measures is not None
    names = ("rom", "mean_velocity", "peak_velocity", "work_concentric", "mean_power", "peak_power", "rfd",
             "eccentric_mean_velocity", "eccentric_mean_force", "eccentric_peak_force", "work_eccentric", "sparc",
             "ldlj", "sticking_point_pct")  # fmt: skip
    for name in names:
        assert getattr(measures, name) is None
        assert measures.reasons[name] == "no_position"


def test_the_force_is_measured_over_the_zero() -> None:
    *_, final = pulled((50.0, 4.0), (250.0, 3.0), (50.0, 2.0))
    assert final.force == pytest.approx(200.0, rel=0.01)


def test_a_knock_is_no_effort_and_a_short_pull_that_was_announced_is_taken_back() -> None:
    assert pulled((0.0, 2.0), (200.0, 0.1), (0.0, 2.0)) == []
    assert pulled((0.0, 2.0), (10.0, 3.0), (0.0, 2.0)) == []
    pull = ((0.0, 2.0), (200.0, 2.0))
    said = pulled(*pull, *pull, *pull, (0.0, 2.0), (20.0, 2.0), (0.0, 2.0))
    assert [each.status for each in said[-2:]] == ["provisional", "retracted"]
    assert said[-1].take_back == 0
    assert len(standing(said)) == 3


@pytest.mark.parametrize(
    ("snatch", "gap", "pull", "one"),
    [(0.6, 0.5, 3.0, True), (0.6, 0.5, 1.5, False), (0.6, 0.9, 3.0, False), (1.7, 0.5, 8.0, False),
     (1.3, 0.5, 5.0, True)],
)  # fmt: skip
def test_a_snatch_right_before_a_pull_is_part_of_it(snatch: float, gap: float, pull: float, one: bool) -> None:  # noqa: FBT001
    said = pulled((0.0, 2.0), (200.0, snatch), (0.0, gap), (200.0, pull), (0.0, 2.0))
    held = standing(said)
    assert len(held) == (1 if one else 2)
    assert held[-1][1] == pytest.approx(2.0 + snatch + gap + pull, abs=0.02)
    assert [each.status for each in said if each.take_back == -1] == (["retracted"] if one else [])


def test_the_phase_is_top_under_effort_and_unknown_before_a_sample() -> None:
    side = cell()
    phases: list[str | None] = [side.phase]
    for stretch, t0 in (((0.0, 1.0), 0.0), ((200.0, 1.0), 1.0), ((0.0, 1.0), 2.0)):
        pulled(stretch, side=side, t0=t0)
        phases.append(side.phase)
    assert phases == [None, "rest", "top", "rest"]


def test_a_side_is_busy_under_effort_and_says_when_it_was_last() -> None:
    side = cell()
    pulled((0.0, 1.0), side=side)
    busy = [side.busy]
    assert side.motion_end < -1e8
    for force, t0 in ((200.0, 1.0), (0.0, 2.0)):
        pulled((force, 1.0), side=side, t0=t0)
        busy.append(side.busy)
    assert busy == [False, True, False]
    assert side.motion_end == pytest.approx(2.0, abs=0.02)


def test_a_stream_that_ends_under_effort_has_no_more_of_it_than_a_load_that_stays() -> None:
    side = cell()
    said = pulled((0.0, 2.0), (200.0, 1.0), side=side)
    assert [each.status for each in said] == ["provisional"]
    side.flush()
    assert [(each.status, each.take_back) for each in side.drain()] == [("retracted", 0)]


def test_a_restart_forgets_what_is_under_way() -> None:
    side = cell()
    pulled((0.0, 2.0), (200.0, 1.0), side=side)
    side.restart()
    assert [each.status for each in side.drain()] == ["retracted"]
    assert not side.busy
    (effort,) = standing(pulled((0.0, 2.0), (200.0, 2.0), (0.0, 2.0), side=side, t0=10.0))
    assert effort == pytest.approx((12.0, 14.0), abs=0.02)


def test_under_the_wrong_sign_there_are_no_efforts_and_what_was_announced_is_taken_back() -> None:
    side = cell()
    pulled((0.0, 2.0), (200.0, 1.0), side=side)
    side.feed_force(3.0, 0.0, saturated=False)
    side.cable.marks.begin("wrong_sign", 0.0, spoils="force", detail="")
    for t in (3.01, 3.02, 3.03):
        side.feed_force(t, 0.0, saturated=False)
    assert [each.status for each in side.drain()] == ["retracted"]
    assert not side.busy


def test_a_small_load_that_stays_between_two_sets_is_a_zero_that_has_moved() -> None:
    pulls = ((0.0, 2.0), (200.0, 2.0), (0.0, 2.0))
    for apart, moved in ((40.0, True), (80.0, False)):
        side = cell()
        pulled(*pulls, side=side)
        side.new_set()
        said = pulled((0.0, 1.0), (apart, 10.0), side=side, t0=10.0)
        assert (side.cable.zero.zero == pytest.approx(apart, abs=1.0)) == moved
        assert [each.status for each in said] == (["provisional", "retracted"] if moved else ["provisional"])
        assert side.busy != moved


def test_samples_are_kept_for_as_long_as_an_effort_lasts_and_four_seconds_at_rest() -> None:
    side = cell()
    pulled((0.0, 30.0), side=side)
    assert 20.0 < side.cable.forces.series.t[0] < 26.0
    pulled((200.0, 30.0), side=side, t0=30.0)
    assert 24.0 < side.cable.forces.series.t[0] < 29.02


def test_a_pull_with_a_gap_in_it_says_so_and_has_no_force() -> None:
    side = cell()
    pulled((0.0, 2.0), (200.0, 1.0), side=side)
    *_, final = pulled((200.0, 1.0), (0.0, 2.0), side=side, t0=3.4)
    assert final.flags == ["gap"]
    assert final.measures is not None
    assert final.measures.mean_force is None
    assert final.force == pytest.approx(200.0, rel=0.01)


def test_a_gap_before_it_is_announced_is_said_at_once() -> None:
    side = cell()
    pulled((0.0, 2.0), (200.0, 0.1), side=side)
    (first,) = pulled((200.0, 1.0), side=side, t0=2.2)
    assert first.status == "provisional"
    assert first.flags == ["gap"]
    assert first.measures is not None
    assert first.measures.mean_force is None
    assert first.force == pytest.approx(200.0, rel=0.02)

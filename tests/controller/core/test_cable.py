"""One cable: what its channels give, what is remembered of them, and where its zero is looked for."""

from __future__ import annotations

from math import inf

import pytest

from controller.core.cable import Cable
from controller.core.rep_metrics import Measures
from controller.core.settings import ChannelCalibration, Exercise


def cable(*, force: bool = True, position: bool = True, track_zero: bool = True, span: float = 1.0) -> Cable:
    made = Cable(Exercise())
    made.calibrate(
        force=ChannelCalibration(span=span) if force else None,
        position=ChannelCalibration(span=span) if position else None,
        track_zero=track_zero,
    )
    return made


def feed(made: Cable, t0: float, seconds: float, *, x: float | None = None, f: float | None = None) -> float:
    """Samples at 100 Hz; returns the time after them."""
    for k in range(round(seconds * 100.0)):
        t = t0 + k / 100.0
        if f is not None:
            list(made.feed_force(t, f, saturated=False))
        if x is not None:
            for at, clean in made.feed_position(t, x):
                made.stands(at, clean, usual=None)
    return t0 + seconds


def faults(made: Cable) -> list[tuple[str, float, float]]:
    return [(mark.name, mark.t0, mark.t1) for mark in made.marks.touching(-inf, inf)]


def test_a_channel_exists_once_it_is_calibrated_or_fed() -> None:
    made = Cable(Exercise())
    assert (made.has_position, made.has_force, made.last_t, made.over_zero) == (False, False, 0.0, None)
    list(made.feed_position(1.0, 0.5))
    assert (made.has_position, made.has_force) == (True, False)
    list(made.feed_force(1.0, 0.5, saturated=False))
    assert made.has_force
    assert cable(position=False).has_force
    assert not cable(position=False).has_position


def test_a_calibration_replaces_the_channels_that_are_given_and_no_other() -> None:
    made = cable(span=2.0)
    made.calibrate(force=ChannelCalibration(span=3.0), position=None, track_zero=True)
    assert made.forces.line is not None
    assert made.positions.line is not None
    assert (made.forces.line.physical(1.0), made.positions.line.physical(1.0)) == (3.0, 2.0)


def test_samples_come_out_calibrated_one_later_and_the_last_when_they_are_let_go() -> None:
    made = cable(span=2.0)
    out = [list(made.feed_position(k / 100.0, 0.001 * k)) for k in range(3)]
    assert out == [[], [(0.0, 0.0)], [(0.01, 0.002)]]
    assert made.last_t == 0.01
    assert list(made.flush_positions()) == [(0.02, 0.004)]
    assert made.last_t == 0.02
    out = [list(made.feed_force(1.0 + k / 100.0, float(k), saturated=False)) for k in range(3)]
    assert out == [[], [(1.0, 0.0)], [(1.01, 2.0)]]
    assert made.last_t == 1.01
    assert list(made.flush_forces()) == [(1.02, 4.0)]
    assert made.last_t == 1.02


def test_a_sample_that_leaps_is_left_out_and_told_once() -> None:
    for channel in ("position", "force"):
        made = cable()
        for k in range(60):
            t, leaps = k / 100.0, k == 40
            if channel == "position":
                out = list(made.feed_position(t, 0.3 if leaps else 0.0))
            else:
                out = list(made.feed_force(t, 300.0 if leaps else 0.0, saturated=False))
            assert all(value == 0.0 for _, value in out)
        ((name, begin, _),) = faults(made)
        assert name == "spike"
        assert begin == pytest.approx(0.4, abs=1e-5)
        (found,) = made.marks.drain()
        assert f"the {{side}} {channel} leapt" in found.detail


def test_a_pause_of_a_channel_is_a_gap_of_it() -> None:
    made = cable()
    feed(made, 0.0, 1.0, x=0.0, f=0.0)
    feed(made, 1.2, 0.1, x=0.0)
    feed(made, 1.3, 0.1, f=0.0)
    (first, t0, t1), (second, t2, t3) = faults(made)
    assert (first, second) == ("gap", "gap")
    assert (t0, t1, t2, t3) == pytest.approx((0.99, 1.2, 0.99, 1.3))
    assert [mark.spoils for mark in made.marks.touching(0.0, 9.0)] == ["both", "force"]


@pytest.mark.parametrize(("after", "least"), [(1.0, 1.0), (0.25, 0.25)])
def test_a_channel_that_is_silent_while_time_goes_on_has_a_gap(after: float, least: float) -> None:
    made = cable()
    feed(made, 0.0, 1.01, x=0.0, f=0.0)
    last = made.last_t
    made.idle(last + least - 0.01, after=after)
    assert faults(made) == []
    made.idle(last + least + 0.01, after=after)
    assert [(name, t0) for name, t0, _ in faults(made)] == [("gap", last)] * 2
    assert [mark.spoils for mark in made.marks.touching(0.0, 9.0)] == ["both", "force"]


def test_a_channel_is_silent_after_a_second_unless_told() -> None:
    made = cable()
    feed(made, 0.0, 1.01, x=0.0, f=0.0)
    last = made.last_t
    for after, gaps in ((0.99, 0), (1.01, 2)):
        made.idle(last + after)
        assert len(faults(made)) == gaps


def test_a_slow_channel_may_be_silent_for_six_of_its_periods() -> None:
    made = cable(position=False)
    for k in range(40):
        list(made.feed_force(k / 10.0, 0.0, saturated=False))
    made.idle(3.8 + 0.59, after=0.25)
    assert faults(made) == []
    made.idle(3.8 + 0.61, after=0.25)
    assert [name for name, _, _ in faults(made)] == ["gap"]


def test_a_channel_that_never_came_has_no_gap() -> None:
    made = cable()
    feed(made, 0.0, 0.5, f=0.0)
    made.idle(9.0)
    assert [mark.spoils for mark in made.marks.touching(0.0, 9.0)] == ["force"]


def test_a_saturated_sample_is_one_where_it_came() -> None:
    made = cable()
    list(made.feed_force(2.0, 500.0, saturated=True))
    ((name, t0, t1),) = faults(made)
    assert name == "saturated"
    assert (t0, t1) == pytest.approx((2.0, 2.0))
    assert t0 < t1


# -- rest and zero


def test_a_cable_that_rests_at_home_unloaded_shows_its_zero() -> None:
    made = cable()
    feed(made, 0.0, 1.2, x=0.0, f=5.0)
    assert made.zero.known
    assert made.zero.zero == pytest.approx(5.0)
    assert made.over_zero == pytest.approx(0.0)


def test_without_leave_to_follow_it_the_zero_stays_where_it_was() -> None:
    made = cable(track_zero=False)
    feed(made, 0.0, 1.2, x=0.0, f=5.0)
    assert (made.zero.known, made.over_zero) == (False, 5.0)


def test_a_rest_takes_three_tenths_of_a_second_in_one_place() -> None:
    for seconds, rested in ((0.31, False), (0.34, True)):
        made = cable()
        made.unreferenced = True
        feed(made, 0.0, seconds, x=0.0, f=0.0)
        assert made.unreferenced != rested


@pytest.mark.parametrize(("x", "home"), [(0.029, True), (0.031, False)])
def test_home_is_three_centimetres_over_the_lowest_rest(x: float, home: bool) -> None:  # noqa: FBT001
    made = cable()
    t = feed(made, 0.0, 1.2, x=0.0, f=0.0)
    made.moves()
    feed(made, t, 1.5, x=x, f=-4.0)
    assert (made.zero.zero < -3.0) == home


@pytest.mark.parametrize(("usual", "followed"), [(None, True), (300.0, True), (100.0, False)])
def test_under_a_force_that_is_much_of_the_usual_no_zero_is_looked_for(usual: float | None, followed: bool) -> None:  # noqa: FBT001
    made = cable()
    for k in range(120):
        list(made.feed_force(k / 100.0, 50.0, saturated=False))
        for at, clean in made.feed_position(k / 100.0, 0.0):
            made.stands(at, clean, usual=usual)
    assert made.zero.known == followed


def test_a_tare_takes_the_force_as_it_stands() -> None:
    made = cable()
    made.tare()
    assert not made.zero.known
    feed(made, 0.0, 0.2, f=40.0)
    made.marks.begin("zero_drift", 0.0, spoils="force", detail="")
    made.tare()
    assert (made.zero.zero, made.over_zero) == (40.0, 0.0)
    assert not made.marks.lasts("zero_drift")
    assert faults(made)[0][2] == pytest.approx(0.18)


def test_motion_ends_a_rest() -> None:
    made = cable(position=False)
    for begin in (0.0, 0.3):
        for k in range(30):
            for at, clean in made.feed_force(begin + k / 100.0, 5.0, saturated=False):
                made.follow_zero(at, clean)
        made.moves()
    assert not made.zero.known


# -- restart


def test_after_a_restart_the_position_is_unknown_and_the_zero_is_kept() -> None:
    made = cable(span=2.0)
    feed(made, 0.0, 1.2, x=0.0, f=5.0)
    made.restart()
    unknown = made.unreferenced
    assert (made.positions.x, made.last_t) == (None, 0.0)
    assert made.positions.line is not None
    assert made.forces.line is not None
    assert (made.positions.line.physical(1.0), made.forces.line.physical(1.0)) == (2.0, 2.0)
    assert made.zero.zero == pytest.approx(10.0)
    assert made.forces.f == 10.0
    feed(made, 2.0, 1.2, x=0.5, f=1.0)  # where it rests now is home
    assert (unknown, made.unreferenced) == (True, False)
    assert made.zero.zero == pytest.approx(2.0)


def test_a_cable_without_a_position_has_none_to_lose() -> None:
    made = cable(position=False)
    made.restart()
    assert not made.unreferenced


# -- what is remembered


def test_a_trace_is_the_motion_and_the_force_over_zero_from_then_on() -> None:
    made = cable()
    feed(made, 0.0, 1.0, x=0.0, f=7.0)
    made.tare()
    trace = made.trace(0.9)
    assert trace.t[0] == pytest.approx(0.9, abs=0.011)
    assert trace.f is not None
    assert set(trace.f) == {0.0}
    times, xs, force_times, forces = made.samples(0.955)
    assert list(times) == list(force_times)
    assert list(times)[-3:] == pytest.approx([0.96, 0.97, 0.98])
    assert 0.94 < times[0] < 0.96
    assert (set(xs), set(forces)) == ({0.0}, {7.0})
    alone = cable(force=False)
    feed(alone, 0.0, 1.0, x=0.0)
    assert alone.trace(0.5).f is None


def test_a_channel_that_has_been_silent_since_a_quarter_second_before_its_end_hides_a_rep() -> None:
    for end, flags in ((1.2, []), (1.3, ["gap"])):
        made = cable()
        feed(made, 0.0, 1.0, x=0.0, f=0.0)
        measures = Measures(t_start=0.5, t_top=end, rom=0.5, mean_force=300.0)
        assert made.hide(measures) == flags
        assert (measures.mean_force is None) == (flags != [])
    made = cable(force=False)
    feed(made, 0.0, 1.0, x=0.0)
    measures = Measures(t_start=0.2, t_top=0.5, t_lower=0.5, t_end=1.3, t_lowered=1.3, rom=0.5, mean_force=300.0)
    assert made.hide(measures) == ["gap"]
    assert measures.reasons["mean_force"] == "no_force"

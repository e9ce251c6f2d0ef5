"""Counts to SI, the zero that follows an unloaded cable, and what a rep says of its calibration."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from controller.core.calibration import Channel, ZeroTracker
from controller.core.settings import ChannelCalibration, CoreSettings, Identity
from controller.core.station import Station
from protocols.events import Rep
from tests.controller.core.signals import Stroke, side

UNIX = 1_770_000_000.0  # s
DATE = "2026-01-01T00:00:00+00:00"
DATED = 1_767_225_600.0  # the same, Unix


@given(zero=st.floats(-1e6, 1e6), span=st.floats(1e-6, 10.0), value=st.floats(-5000.0, 5000.0))
def test_a_straight_line_is_undone_by_its_calibration(zero: float, span: float, value: float) -> None:
    channel = Channel(ChannelCalibration(zero=zero, span=span))
    assert channel.physical(zero + value / span) == pytest.approx(value, abs=1e-6 + 1e-9 * abs(zero))


def rest(tracker: ZeroTracker, force: float, *, start: float) -> None:
    for k in range(100):
        tracker.rest(start + k / 100.0, force)


def test_the_first_steady_rest_is_zero_a_lower_one_too_and_a_held_one_is_not() -> None:
    tracker = ZeroTracker()
    rest(tracker, 45.0, start=0.0)
    assert tracker.zero == pytest.approx(45.0)
    rest(tracker, 90.0, start=2.0)
    assert tracker.zero == pytest.approx(45.0)
    rest(tracker, 12.0, start=4.0)
    assert tracker.zero == pytest.approx(12.0)
    rest(tracker, 15.0, start=6.0)
    assert tracker.zero == pytest.approx(15.0)


def test_a_hand_that_holds_on_between_reps_does_not_lift_the_zero_step_by_step() -> None:
    tracker = ZeroTracker()
    rest(tracker, 0.0, start=0.0)
    for number, force in enumerate((3.0, 6.0, 9.0, 12.0), 1):
        for k in range(100):
            tracker.rest(10.0 * number + k / 100.0, force, in_set=True)
    assert tracker.zero <= 1.5
    for number, force in enumerate((3.0, 6.0, 9.0, 12.0), 5):
        rest(tracker, force, start=10.0 * number)
    assert tracker.zero <= 6.0


def test_a_cell_that_warms_up_over_minutes_is_followed() -> None:
    tracker = ZeroTracker()
    for minute in range(20):
        rest(tracker, 0.9 * minute, start=60.0 * minute)
    assert tracker.zero == pytest.approx(0.9 * 19, abs=0.5)


def test_a_force_that_never_stands_is_no_zero() -> None:
    tracker = ZeroTracker()
    for k in range(200):
        tracker.rest(k / 100.0, 20.0 * (k % 10))
    assert not tracker.known


def calibrated(date: str | None) -> Rep:
    station = Station(CoreSettings(), Identity(recording="test", session="test", unix_anchor=UNIX))
    force = ChannelCalibration(zero=1000.0, span=0.5, id="left-force", date=date)
    station.calibrate("left", force=force, position=ChannelCalibration(span=0.001, id="left-position", date=date))
    signal = side([Stroke()] * 2)
    for t, x, f in zip(signal.t.tolist(), signal.x.tolist(), signal.f.tolist(), strict=True):
        station.feed(t, left_position=x / 0.001, left_force=1000.0 + f / 0.5)
    station.finish()
    return [event for event in station.drain() if isinstance(event, Rep) and event.status == "final"][-1]


def test_a_calibrated_rep_names_its_calibration_and_its_age() -> None:
    rep = calibrated(DATE)
    assert rep.calibration == "left-force,left-position"
    assert "uncalibrated" not in rep.flags
    assert rep.mean_force_n == pytest.approx(300.0, rel=0.01)
    assert rep.rom_m == pytest.approx(0.6, rel=0.003)
    assert rep.calibration_age_s == pytest.approx(rep.ts / 1000.0 - DATED, abs=1.0)


@pytest.mark.parametrize("date", [None, "last spring"])
def test_a_calibration_without_a_readable_date_has_no_age(date: str | None) -> None:
    assert calibrated(date).calibration_age_s is None


def commanded(*, loaded: bool) -> str | None:
    station = Station(CoreSettings(), Identity(recording="test", session="test"))
    signal = side([Stroke(rest=0.0)] * 2, tail=3.0)
    for t, x, f in zip(signal.t.tolist(), signal.x.tolist(), signal.f.tolist(), strict=True):
        station.feed(t, left_position=x, left_force=f + (200.0 if loaded and t > signal.truth[-1].t_end else 0.0))
    return station.command(float(signal.t[-1]), "tare", {})


def test_a_tare_is_refused_under_load_and_done_at_rest() -> None:
    assert commanded(loaded=False) is None
    refused = commanded(loaded=True)
    assert refused is not None
    assert "loaded" in refused


def held(tracker: ZeroTracker, *samples: tuple[float, float]) -> ZeroTracker:
    for t, force in samples:
        tracker.rest(t, force)
    return tracker


def test_a_force_must_be_steady_for_four_tenths_to_be_a_zero() -> None:
    assert not held(ZeroTracker(), (0.0, 8.0), (0.39, 8.0)).known
    tracker = held(ZeroTracker(), (0.0, 8.0), (0.2, 9.0), (0.41, 10.0))
    assert tracker.known
    assert tracker.zero == pytest.approx(9.0)  # the mean of what was seen


@pytest.mark.parametrize(
    ("level", "off", "steady"),
    [
        (0.0, 2.5, True),
        (0.0, 2.6, False),
        (200.0, 6.0, True),
        (200.0, 6.1, False),
        (-200.0, 6.0, True),
        (-200.0, -6.1, False),
    ],
)
def test_steady_is_within_two_and_a_half_newtons_or_three_percent(level: float, off: float, steady: bool) -> None:  # noqa: FBT001
    assert held(ZeroTracker(), (0.0, level), (0.3, level + off), (0.5, level)).known == steady


def test_a_motion_between_begins_the_rest_anew() -> None:
    tracker = held(ZeroTracker(), (0.0, 8.0), (0.3, 8.0))
    tracker.move()
    assert not held(tracker, (0.31, 8.0), (0.6, 8.0)).known
    assert held(tracker, (0.75, 8.0)).known


@pytest.mark.parametrize(("force", "zero"), [(13.9, 13.9), (14.1, 10.0), (-30.0, -30.0)])
def test_a_zero_creeps_up_by_four_newtons_at_most_and_falls_at_will(force: float, zero: float) -> None:
    tracker = held(ZeroTracker(), (0.0, 10.0), (0.5, 10.0))
    tracker.move()
    assert held(tracker, (1.0, force), (1.5, force)).zero == pytest.approx(zero)


def test_a_tare_is_zero_at_once_and_what_was_averaged_is_forgotten() -> None:
    tracker = held(ZeroTracker(), (0.0, 8.0), (0.3, 8.0))
    tracker.set(50.0)
    assert (tracker.zero, tracker.known) == (50.0, True)
    held(tracker, (0.5, 8.0))
    assert tracker.zero == 50.0


def test_the_first_steady_force_is_zero_however_large() -> None:
    assert held(ZeroTracker(), (0.0, 900.0), (0.5, 900.0)).zero == pytest.approx(900.0)


@pytest.mark.parametrize(("force", "seconds", "zero"), [(99.0, 0.5, 99.0), (101.0, 50.0, 0.0), (101.0, 61.0, 101.0)])
def test_where_a_first_level_is_bounded_a_higher_one_is_zero_only_after_a_minute(
    force: float, seconds: float, zero: float
) -> None:
    tracker = ZeroTracker()
    for k in range(round(100.0 * seconds)):
        tracker.rest(k / 100.0, force, most=100.0)
    assert tracker.known is (zero > 0.0)
    assert tracker.zero == pytest.approx(zero)

"""A board's rate against what was asked for: what stays off is said, and nothing else."""

from __future__ import annotations

from itertools import accumulate
from random import Random

import pytest

from controller.rate_watch import OFF, STAYS, WINDOW, RateWatch

ASKED = 100.0  # Hz


def changes(watch: RateWatch, times: list[float]) -> list[float]:
    return [t for t in times if watch.sample(t)]


def evenly(hz: float, *, since: float = 0.0, seconds: float = 20.0) -> list[float]:
    return [since + k / hz for k in range(round(hz * seconds))]


@pytest.mark.parametrize("share", [-0.5, -0.21, 0.22, 1.0, 9.0])
def test_a_rate_that_stays_off_is_found_after_two_windows_and_told_as_it_is(share: float) -> None:
    watch = RateWatch(ASKED)
    hz = ASKED * (1.0 + share)
    (t,) = changes(watch, evenly(hz))
    assert t == pytest.approx(STAYS * WINDOW, abs=2 * STAYS / hz)
    assert watch.off == pytest.approx(hz)


@pytest.mark.parametrize("share", [-0.19, 0.0, 0.18])
def test_a_rate_within_a_fifth_is_let_be(share: float) -> None:
    assert abs(share) < OFF
    assert changes(RateWatch(ASKED), evenly(ASKED * (1.0 + share))) == []


def test_lost_and_jittered_samples_are_no_other_rate() -> None:
    random = Random(3)
    kept = [t + random.uniform(-0.004, 0.004) for t in evenly(ASKED) if random.random() > 0.3]
    assert changes(RateWatch(ASKED), sorted(kept)) == []


def test_one_odd_window_is_an_accident() -> None:
    times = [*evenly(ASKED, seconds=4.0), *evenly(50.0, since=4.0, seconds=2.0), *evenly(ASKED, since=6.0)]
    assert changes(RateWatch(ASKED), times) == []


def test_it_is_over_a_window_after_the_rate_is_right_again() -> None:
    watch = RateWatch(ASKED)
    times = [*evenly(50.0, seconds=10.0), *evenly(ASKED, since=10.0)]
    raised, cleared = changes(watch, times)
    assert raised < 10.0 < cleared <= 10.0 + 2.0 * WINDOW
    assert watch.off is None


def test_a_slow_board_is_given_the_samples_that_a_reading_needs() -> None:
    assert changes(RateWatch(1.0), evenly(1.0, seconds=60.0)) == []
    assert len(changes(RateWatch(1.0), evenly(0.5, seconds=60.0))) == 1


def test_times_that_stand_still_say_nothing() -> None:
    assert changes(RateWatch(ASKED), list(accumulate([0.0] * 50 + [0.5] * 6))) == []


def test_after_a_reset_it_begins_anew() -> None:
    watch = RateWatch(ASKED)
    changes(watch, evenly(50.0, seconds=3.0))
    watch.reset()
    assert changes(watch, evenly(50.0, since=100.0, seconds=3.0)) == []
    assert watch.off is None

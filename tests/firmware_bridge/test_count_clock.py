"""Samples without a stamp are placed by their count, though the rate is not what it was said to be."""

from __future__ import annotations

from itertools import pairwise
from random import Random

import pytest

from firmware_bridge.count_clock import GAP, CountClock

LATE = 0.004  # s at most


def heard(
    clock: CountClock, *, rate_hz: float, seconds: float, begin: float = 100.0, gap: tuple[float, float] = (0.0, 0.0)
) -> list[tuple[float, float, int, float]]:
    """True time, given time, loss and uncertainty of each sample, some milliseconds late; none comes in the gap."""
    random, out = Random(1), []
    for k in range(int(seconds * rate_hz)):
        true = begin + k / rate_hz
        if gap[0] <= true - begin < gap[1]:
            continue
        t, lost = clock.sample(true + random.uniform(0.0, LATE))
        out.append((true, t, lost, clock.state.uncertainty))
    return out


@pytest.mark.parametrize("rate_hz", [80.0, 80.3, 78.9, 88.0, 68.0, 96.0])
def test_samples_are_placed_though_the_rate_is_off_by_a_fifth(rate_hz: float) -> None:
    clock = CountClock(80.0)
    found = heard(clock, rate_hz=rate_hz, seconds=40.0)
    assert all(abs(true - t) <= 2.0 * uncertainty for true, t, _, uncertainty in found if true > 110.0)
    assert all(abs(true - t) <= 0.005 for true, t, *_ in found if true > 125.0)
    assert all(a[1] < b[1] for a, b in pairwise(found))
    assert sum(lost for _, _, lost, _ in found) == 0


@pytest.mark.parametrize("begins", [1.5, 3.0, 20.0])
@pytest.mark.parametrize("rate_hz", [80.0, 86.0])
def test_a_gap_is_as_many_samples_as_are_missing(begins: float, rate_hz: float) -> None:
    clock = CountClock(80.0)
    found = heard(clock, rate_hz=rate_hz, seconds=40.0, gap=(begins, begins + 1.5))
    assert sum(lost for _, _, lost, _ in found) == pytest.approx(1.5 * rate_hz, abs=GAP * rate_hz)
    late = [abs(true - t) for true, t, *_ in found if true > 130.0]
    assert max(late) <= 0.010


def test_a_line_that_was_held_up_is_no_gap() -> None:
    clock = CountClock(80.0)
    heard(clock, rate_hz=80.0, seconds=20.0)
    lost = 0
    for _ in range(120):  # a second and a half, all at once
        lost += clock.sample(121.5)[1]
    for k in range(400):
        lost += clock.sample(121.5 + k / 80.0)[1]
    assert lost == 0


def test_until_the_rate_is_fitted_the_clock_does_not_call_itself_sure() -> None:
    clock = CountClock(80.0)
    found = heard(clock, rate_hz=81.5, seconds=6.0)
    assert all(abs(true - t) <= 2.0 * uncertainty for true, t, _, uncertainty in found[-80:])
    assert clock.state.uncertainty > 0.01

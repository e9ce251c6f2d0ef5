"""A reading counts once it stands still: not while a mass swings, comes to rest, or a hand is on it."""

from __future__ import annotations

from math import exp, pi, sin, sqrt
from random import Random

import pytest

from controller.core.steady import BLOCK, BLOCKS, Steadiness

HZ = 100.0


def watched(values: list[float], *, hz: float = HZ, zero: float | None = 0.0) -> tuple[float | None, Steadiness]:
    """When it first stood still, s."""
    steadiness = Steadiness(zero=zero)
    for k, value in enumerate(values):
        steadiness.step(k / hz, value)
        if steadiness.reading is not None:
            return k / hz, steadiness
    return None, steadiness


@pytest.mark.parametrize("hz", [10.0, 80.0, 1000.0])
@pytest.mark.parametrize("noise", [0.0, 20.0])
def test_a_quiet_or_noisy_level_is_steady_after_two_seconds(hz: float, noise: float) -> None:
    random = Random(1)
    at, steadiness = watched([round(5000.0 + random.gauss(0.0, noise)) for _ in range(int(5 * hz))], hz=hz)
    assert at is not None
    assert BLOCKS * BLOCK <= at <= BLOCKS * BLOCK + 0.5
    reading = steadiness.reading
    assert reading is not None
    assert reading.mean == pytest.approx(5000.0, abs=max(5.0 * noise / sqrt(2.0 * hz), 0.01))
    assert reading.deviation == pytest.approx(noise, rel=0.5 if hz < 50 else 0.2)


def test_a_mass_that_swings_is_not_steady_until_it_has_calmed_down() -> None:
    # on 1 m of cable the pull goes up and down twice in the 2 s of a swing; by 2 % at first, calming down over 8 s
    values = [5000.0 * (1.0 + 0.02 * exp(-k / HZ / 8.0) * sin(2.0 * pi * k / HZ)) for k in range(int(60 * HZ))]
    at, steadiness = watched(values)
    assert at is not None
    assert at > 20.0  # when 180 counts up and down have become the 10 that are 0.2 %
    reading = steadiness.reading
    assert reading is not None
    assert reading.mean == pytest.approx(5000.0, rel=0.001)


def test_a_reading_that_creeps_is_not_steady() -> None:
    assert watched([1000.0 + 5.0 * k / HZ for k in range(2000)])[0] is None


def test_the_share_grows_while_it_stands_and_falls_with_a_step() -> None:
    steadiness = Steadiness(zero=0.0)
    shares = []
    for k in range(600):
        steadiness.step(k / HZ, 100.0 if k < 200 else 5000.0)
        shares.append(steadiness.share)
    assert shares[190] > shares[60] > 0.0
    assert shares[260] < shares[190]
    assert shares[-1] == 1.0


def test_the_error_of_the_mean_is_that_of_its_blocks() -> None:
    random, errors, means = Random(2), [], []
    for _ in range(200):
        _, steadiness = watched([random.gauss(0.0, 10.0) for _ in range(300)])
        assert steadiness.reading is not None
        means.append(steadiness.reading.mean)
        errors.append(steadiness.reading.error)
    spread = sqrt(sum(mean**2 for mean in means) / len(means))
    assert sum(errors) / len(errors) == pytest.approx(spread, rel=0.15)

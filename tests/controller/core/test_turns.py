"""Where a stroke ends, from the whole of its flanks: turns, stands, single flanks, and what is none of these."""

from __future__ import annotations

import numpy as np
import pytest

from controller.core.turns import Corner, Floats, corner

RATE = 100.0
NOISE = 0.0005  # m
OFF = 0.0005  # m


def flanks(
    power: float, other: float, *, stand: float = 0.0, reach: float = 0.3, height: float = 0.04
) -> tuple[Floats, Floats]:
    """Up to a level of 0.7 m at t = 5 s, a stand, and down again; each flank `height` high and `reach` s long."""
    t = np.arange(5.0 - reach, 5.0 + stand + reach + 1e-9, 1.0 / RATE)
    y = 0.7 - height * (np.maximum(5.0 - t, 0.0) / reach) ** power
    return t, y - height * (np.maximum(t - 5.0 - stand, 0.0) / reach) ** other


def noisy(y: Floats, seed: int) -> Floats:
    return y + np.random.default_rng(seed).normal(0.0, NOISE, len(y))


def found(t: Floats, y: Floats, *, reached: float | None, left: float | None, noise: float = NOISE) -> Corner:
    end = corner(t, y, reached=reached, left=left, noise=noise, off=OFF)
    assert end is not None
    return end


@pytest.mark.parametrize(("power", "other"), [(2.0, 2.0), (3.0, 3.0), (4.0, 4.0), (2.0, 4.0), (4.0, 3.0)])
def test_a_turn_is_found_between_flanks_of_any_power(power: float, other: float) -> None:
    t, y = flanks(power, other)
    end = found(t, y, reached=4.93, left=5.08, noise=1e-5)
    assert end.reached == end.left == pytest.approx(5.0, abs=0.002)
    assert end.level == pytest.approx(0.7, abs=1e-5)


@pytest.mark.parametrize(("power", "other"), [(2.0, 2.0), (3.0, 3.0), (2.0, 3.0)])
def test_noise_wider_than_the_flat_of_a_turn_moves_it_by_two_samples_at_most(power: float, other: float) -> None:
    t, y = flanks(power, other)
    off = [found(t, noisy(y, seed), reached=4.93, left=5.08).reached - 5.0 for seed in range(40)]
    assert np.mean(off) == pytest.approx(0.0, abs=0.005)
    assert np.sqrt(np.mean(np.square(off))) < 2.0 / RATE


@pytest.mark.parametrize("stand", [0.25, 0.35, 0.5])
def test_a_stand_ends_each_phase_half_a_millimetre_from_its_level(stand: float) -> None:
    t, y = flanks(3.0, 3.0, stand=stand)
    half = 0.3 * (OFF / 0.04) ** (1.0 / 3.0)
    ends = [found(t, noisy(y, seed), reached=4.9, left=5.1 + stand) for seed in range(40)]
    assert np.mean([end.reached for end in ends]) == pytest.approx(5.0 - half, abs=0.005)
    assert np.mean([end.left for end in ends]) == pytest.approx(5.0 + stand + half, abs=0.005)
    assert np.std([end.reached for end in ends]) < 0.01


def test_a_level_kept_for_less_than_sixty_milliseconds_is_a_turn() -> None:
    t, y = flanks(3.0, 3.0, stand=0.04)
    end = found(t, y, reached=4.93, left=5.1, noise=1e-4)
    assert end.reached == end.left == pytest.approx(5.02, abs=0.005)


def test_one_flank_alone_is_dated_half_a_millimetre_from_its_level() -> None:
    t, y = flanks(3.0, 3.0, stand=0.4)
    up = t <= 5.2
    down = t >= 5.2
    half = 0.3 * (OFF / 0.04) ** (1.0 / 3.0)
    assert found(t[up], y[up], reached=4.95, left=None, noise=1e-5).reached == pytest.approx(5.0 - half, abs=0.002)
    assert found(t[down], y[down], reached=None, left=5.45, noise=1e-5).left == pytest.approx(5.4 + half, abs=0.002)


def test_a_second_flank_that_stays_within_the_noise_is_not_there_yet() -> None:
    t, y = flanks(3.0, 3.0, stand=0.2)
    part = t <= 5.24  # the way back has come a tenth of a millimetre
    both = corner(t[part], y[part], reached=4.95, left=5.2, noise=NOISE, off=OFF)
    assert both == corner(t[part], y[part], reached=4.95, left=None, noise=NOISE, off=OFF)


def test_what_has_no_flanks_is_no_end() -> None:
    t = np.arange(0.0, 0.6, 0.01)
    bounce = np.abs(np.sin(12.0 * t)) * 0.03
    assert corner(t, bounce, reached=0.2, left=0.4, noise=NOISE, off=OFF) is None
    assert corner(t, np.zeros_like(t), reached=0.2, left=0.4, noise=NOISE, off=OFF) is None
    assert corner(t[:5], bounce[:5], reached=0.02, left=0.03, noise=NOISE, off=OFF) is None


def test_ten_times_as_many_samples_say_the_same() -> None:
    t, y = flanks(3.0, 2.0)
    fine = np.linspace(t[0], t[-1], 10 * len(t) + 1)  # no whole number of them goes into one
    end = found(fine, np.interp(fine, t, y), reached=4.93, left=5.08, noise=1e-5)
    assert end.reached == pytest.approx(found(t, y, reached=4.93, left=5.08, noise=1e-5).reached, abs=0.002)

"""The highest velocity, force and power of a stroke against closed forms, with and without noise."""

from __future__ import annotations

from typing import Final

import numpy as np
import pytest

from controller.core.rep_metrics import Measures, mechanics
from controller.core.trace import Floats, Trace, highest_force
from simulators.profiles import CURVES, Profile

LOAD, MASS = 250.0, 25.0  # N, kg
ROM: Final = 0.55  # m
BACK: Final = 1.3  # times as long as out
NOISE, FORCE_NOISE = 0.0005, 2.0  # m, N
SMOOTH: Final[tuple[Profile, ...]] = ("minimum_jerk", "half_sine", "early_peak", "late_peak", "sticking", "trapezoid")
PEAKS: Final = ("peak_velocity", "eccentric_peak_velocity", "peak_power", "peak_force")


def measured(profile: Profile, hz: float, seconds: float, *, noise: float, force_noise: float, seed: int) -> Measures:
    """One stroke out from 1 s on, held for half a second, and back, with its true dates."""
    rng = np.random.default_rng(seed)
    t = np.arange(round((BACK * seconds + seconds + 2.0) * hz) + 1) / hz + rng.uniform(0.0, 1.0 / hz)
    top, lower = 1.0 + seconds, 1.5 + seconds
    out, back = (np.clip(tau, 0.0, 1.0) for tau in ((t - 1.0) / seconds, (t - lower) / (BACK * seconds)))
    s, _, a = CURVES[profile](out)
    s_back, _, a_back = CURVES[profile](back)
    a = np.where((t >= 1.0) & (t <= top), a, 0.0) * ROM / seconds**2
    a -= np.where((back > 0.0) & (back < 1.0), a_back, 0.0) * ROM / (BACK * seconds) ** 2
    x = ROM * (s - s_back) + rng.normal(0.0, noise, len(t))
    f = LOAD + MASS * a + rng.normal(0.0, force_noise, len(t))
    trace = Trace(t, x, t, f, period=1.0 / hz, noise=noise, quantum=0.0, force_noise=force_noise)
    end = lower + BACK * seconds
    measures = Measures(t_start=1.0, t_top=top, t_lower=lower, t_end=end, t_lowered=end, rom=ROM)
    mechanics(trace, measures, hz=hz)
    return measures


def truth(profile: Profile, seconds: float) -> dict[str, float]:
    _, v, a = CURVES[profile](np.linspace(0.0, 1.0, 20_001))
    v, f = v * ROM / seconds, LOAD + MASS * a * ROM / seconds**2
    return dict(zip(PEAKS, (v.max(), -v.max() / BACK, (f * v).max(), f.max()), strict=True))


@pytest.mark.parametrize("hz", [80.0, 100.0, 250.0, 1000.0])
@pytest.mark.parametrize("profile", SMOOTH)
@pytest.mark.parametrize("seconds", [0.65, 1.1, 2.2])
def test_without_noise_every_peak_is_that_of_the_closed_form(profile: Profile, hz: float, seconds: float) -> None:
    found = measured(profile, hz, seconds, noise=0.0, force_noise=0.0, seed=1)
    for name, true in truth(profile, seconds).items():
        assert getattr(found, name) == pytest.approx(true, rel=0.005), name


@pytest.mark.parametrize("hz", [80.0, 100.0, 250.0, 1000.0])
@pytest.mark.parametrize("profile", SMOOTH)
@pytest.mark.parametrize("seconds", [0.65, 1.1, 2.2])
def test_noise_does_not_raise_the_peaks(profile: Profile, hz: float, seconds: float) -> None:
    found = [
        measured(profile, hz, seconds, noise=NOISE, force_noise=FORCE_NOISE, seed=seed) for seed in range(1, 13)
    ]  # fmt: skip
    for name, true in truth(profile, seconds).items():
        off = float(np.mean([getattr(each, name) / true - 1.0 for each in found]))
        assert abs(off) <= (0.02 if profile == "trapezoid" else 0.01), name  # a plateau is what noise plays on


@pytest.mark.parametrize("hz", [80.0, 1000.0])
def test_a_short_peak_of_the_force_is_not_smoothed_away(hz: float) -> None:
    found = [
        measured("isokinetic", hz, 1.1, noise=NOISE, force_noise=FORCE_NOISE, seed=seed).peak_force
        for seed in range(1, 13)
    ]
    assert np.mean([force for force in found if force is not None]) == pytest.approx(
        truth("isokinetic", 1.1)["peak_force"], rel=0.01
    )


@pytest.mark.parametrize("hz", [20.0, 80.0, 1000.0])
def test_the_highest_force_of_a_hold_is_that_of_the_hold_and_not_of_its_noise(hz: float) -> None:
    t: Floats = np.arange(round(4.0 * hz)) / hz
    hold = 300.0 * np.clip(np.minimum(t, 4.0 - t) / 0.5, 0.0, 1.0)
    found = [
        highest_force(t, hold + np.random.default_rng(seed).normal(0.0, FORCE_NOISE, len(t)), noise=FORCE_NOISE)
        for seed in range(12)
    ]
    assert np.mean(found) == pytest.approx(300.0, rel=0.01)
    assert highest_force(t, hold, noise=0.0) == 300.0

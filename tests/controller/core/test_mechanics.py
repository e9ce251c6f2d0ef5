"""The mechanics of one rep against closed forms, on traces whose motion and force are known."""

from __future__ import annotations

import numpy as np
import pytest

from controller.core.rep_metrics import (
    Measures,
    date_concentric,
    date_eccentric,
    date_eccentric_before,
    mechanics,
)
from controller.core.smoothness import log_dimensionless_jerk, spectral_arc_length
from controller.core.trace import Floats, Trace
from tests.controller.core.signals import leaving, minimum_jerk

NOTHING = np.empty(0)
HZ = 200.0


def traced(t: Floats, x: Floats, f: Floats | None) -> Trace:
    forces = (NOTHING, NOTHING) if f is None else (t, f)
    return Trace(t, x, *forces, period=float(t[1] - t[0]), noise=0.0, quantum=0.0)


def grid(seconds: float, hz: float = HZ) -> Floats:
    return np.arange(round(seconds * hz) + 1) / hz


def out_and_back(t: Floats) -> Floats:
    """0.6 m out from 1 to 2 s, held to 2.5 s, back until 4 s."""
    return 0.6 * (minimum_jerk(t - 1.0) - minimum_jerk((t - 2.5) / 1.5))


def rep(*, f: Floats | None, hz: float | None = HZ, eccentric: bool = True) -> Measures:
    t = grid(5.0)
    measures = Measures(t_start=1.0, t_top=2.0, t_lower=2.5, t_end=4.0, t_lowered=4.0, rom=0.6)
    mechanics(traced(t, out_and_back(t), f), measures, hz=hz, eccentric=eccentric)
    return measures


# -- force, work, power


def test_a_constant_force_does_force_times_way() -> None:
    measures = rep(f=np.full_like(grid(5.0), 250.0))
    assert measures.mean_force == pytest.approx(250.0)
    assert measures.peak_force == pytest.approx(250.0)
    assert measures.top_force == pytest.approx(250.0)
    assert measures.impulse == pytest.approx(250.0)  # over one second
    assert measures.work_concentric == pytest.approx(150.0, rel=1e-4)
    assert measures.mean_power == pytest.approx(150.0, rel=1e-4)
    assert measures.peak_power == pytest.approx(250.0 * 0.6 * 1.875, rel=0.002)
    assert measures.work_eccentric == pytest.approx(-150.0, rel=1e-4)
    assert measures.eccentric_mean_force == pytest.approx(250.0)
    assert measures.eccentric_peak_force == pytest.approx(250.0)


def test_work_is_the_integral_of_the_force_over_the_way_and_not_their_means() -> None:
    t = grid(5.0)
    measures = rep(f=100.0 + 500.0 * out_and_back(t))  # a spring: the work is 100 s + 250 s^2
    assert measures.work_concentric == pytest.approx(100.0 * 0.6 + 250.0 * 0.36, rel=1e-3)
    assert measures.work_eccentric == pytest.approx(-(100.0 * 0.6 + 250.0 * 0.36), rel=1e-3)
    assert measures.peak_force == pytest.approx(400.0, rel=1e-3)
    assert measures.eccentric_peak_force == pytest.approx(400.0, rel=1e-3)
    assert measures.top_force == pytest.approx(400.0, rel=1e-3)
    assert measures.mean_force == pytest.approx(100.0 + 500.0 * 0.3, rel=1e-3)  # half way on the mean of the time


def test_velocities_are_way_over_time_and_the_largest_in_each_direction() -> None:
    measures = rep(f=None)
    assert measures.mean_velocity == pytest.approx(0.6)
    assert measures.peak_velocity == pytest.approx(0.6 * 1.875, rel=0.002)
    assert measures.eccentric_mean_velocity == pytest.approx(-0.6 / 1.5, rel=1e-4)
    assert measures.eccentric_peak_velocity == pytest.approx(-0.6 / 1.5 * 1.875, rel=0.002)
    assert measures.time_under_tension == pytest.approx(3.0)


def test_without_a_cell_nothing_of_the_force_is_known() -> None:
    measures = rep(f=None)
    for name in ("mean_force", "peak_force", "impulse", "work_concentric", "mean_power", "peak_power", "rfd"):
        assert getattr(measures, name) is None
    for name in ("eccentric_mean_force", "eccentric_peak_force", "work_eccentric", "top_force"):
        assert getattr(measures, name) is None
    assert "rfd_n_per_s" not in measures.reasons


def test_a_rep_without_its_way_back_has_only_the_way_out() -> None:
    measures = rep(f=np.full_like(grid(5.0), 250.0), eccentric=False)
    assert measures.mean_force == pytest.approx(250.0)
    for name in ("eccentric_mean_velocity", "eccentric_mean_force", "work_eccentric", "time_under_tension"):
        assert getattr(measures, name) is None


def test_a_way_back_that_came_first_counts_from_its_own_start() -> None:
    t = grid(5.0)
    x = 0.6 - out_and_back(t)  # down from 1 to 2 s, up from 2.5 to 4 s
    measures = Measures(t_start=2.5, t_top=4.0, t_lower=1.0, t_end=4.0, t_lowered=2.0, rom=0.6)
    mechanics(traced(t, x, np.full_like(t, 250.0)), measures, hz=HZ)
    assert measures.time_under_tension == pytest.approx(3.0)
    assert measures.eccentric_mean_velocity == pytest.approx(-0.6, rel=1e-4)
    assert measures.work_eccentric == pytest.approx(-150.0, rel=1e-4)


# -- rate of force development


def pulled(slope: float, *, start: float, peak: float, base: float = 0.0) -> Floats:
    return base + np.clip(slope * (grid(5.0) - start), 0.0, peak)


def test_the_rate_of_force_is_the_slope_over_two_tenths_of_a_second() -> None:
    assert rep(f=pulled(1000.0, start=1.1, peak=400.0)).rfd == pytest.approx(1000.0, rel=0.001)
    assert rep(f=pulled(1000.0, start=1.1, peak=400.0, base=50.0)).rfd == pytest.approx(1000.0, rel=0.001)


def test_a_quick_rise_is_spread_over_the_two_tenths() -> None:
    # From 5 % of 100 N, which it has after 5 ms, to its plateau: 95 N in 0.2 s, to one sample of 5 ms.
    assert rep(f=pulled(1000.0, start=1.1, peak=100.0)).rfd == pytest.approx(95.0 / 0.2, abs=5.1 / 0.2)


def test_a_pull_that_began_up_to_half_a_second_before_the_motion_counts_from_there() -> None:
    f = np.interp(grid(5.0), [0.0, 0.7, 0.9, 1.2, 5.0], [0.0, 0.0, 300.0, 320.0, 320.0])  # 1500 N/s, then nearly none
    assert rep(f=f).rfd == pytest.approx((300.0 + 20.0 * 0.05 - 16.0) / 0.2, rel=0.02)


@pytest.mark.parametrize(("hz", "reason"), [(74.9, "rate"), (None, "rate"), (75.0, None)])
def test_under_the_rate_that_it_needs_there_is_none(hz: float | None, reason: str | None) -> None:
    measures = rep(f=pulled(1000.0, start=1.1, peak=400.0), hz=hz)
    assert measures.reasons.get("rfd_n_per_s") == reason
    assert (measures.rfd is None) == (reason is not None)
    for name in ("sparc", "ldlj"):
        assert measures.reasons.get(name) == reason
        assert (getattr(measures, name) is None) == (reason is not None)


def test_a_stream_that_ends_within_the_two_tenths_has_none() -> None:
    t = grid(1.0)
    measures = Measures(t_start=0.6, t_top=1.0, rom=0.3)
    f = np.where(t > 0.85, 1000.0 * (t - 0.85), 0.0)
    mechanics(traced(t, 0.3 * minimum_jerk((t - 0.6) / 0.4), f), measures, hz=HZ)
    assert measures.rfd is None
    assert measures.reasons["rfd_n_per_s"] == "short"


# -- sticking point


def velocity_of(*peaks: tuple[float, float]) -> Measures:
    """One second out whose velocity is a sum of smooth bumps (centre s, height m/s)."""
    t = grid(1.0)
    v = np.zeros_like(t)
    for centre, height in peaks:
        v += height * np.exp(-(((t - centre) / 0.1) ** 2))
    x = np.concatenate(([0.0], np.cumsum(0.5 * (v[1:] + v[:-1])) / HZ))
    measures = Measures(t_start=0.0, t_top=1.0, rom=float(x[-1]))
    mechanics(traced(t, x, None), measures, hz=HZ)
    return measures


def test_the_lift_sticks_between_its_two_peaks() -> None:
    assert velocity_of((0.25, 1.0), (0.75, 1.0)).sticking_point_pct == pytest.approx(50.0, abs=1.0)
    early = velocity_of((0.25, 0.5), (0.75, 1.0)).sticking_point_pct
    assert early is not None
    assert early == pytest.approx(33.0, abs=3.0)


def test_a_lift_with_one_peak_sticks_nowhere() -> None:
    measures = velocity_of((0.5, 1.0))
    assert measures.sticking_point_pct is None
    assert measures.reasons["sticking_point_pct"] == "none"


def test_a_peak_under_three_tenths_of_the_highest_is_none() -> None:
    assert velocity_of((0.25, 0.25), (0.75, 1.0)).sticking_point_pct is None
    assert velocity_of((0.25, 0.35), (0.75, 1.0)).sticking_point_pct is not None


def test_a_dip_of_less_than_a_tenth_is_no_sticking_point() -> None:
    near, far = ((0.415, 1.0), (0.585, 1.0)), ((0.41, 1.0), (0.59, 1.0))  # sums that dip by 8 % and by 13 %
    assert velocity_of(*near).sticking_point_pct is None
    assert velocity_of(*far).sticking_point_pct is not None


# -- smoothness


def hann_arc(seconds: float) -> float:
    """The arc of the spectrum of 1 - cos(2 pi t / T), which is |sinc(f T) / (1 - (f T)^2)|, up to 5 % or 10 Hz."""
    f = np.arange(1, 2_000_000) * 1e-5
    with np.errstate(divide="ignore", invalid="ignore"):
        spectrum = np.abs(np.sinc(f * seconds) / (1.0 - (f * seconds) ** 2))
    spectrum[~np.isfinite(spectrum)] = 0.5
    last = int(np.flatnonzero((spectrum >= 0.05) & (f <= 10.0))[-1])
    f, spectrum = f[: last + 1], spectrum[: last + 1]
    return -float(np.sum(np.hypot(np.diff(f) / (f[-1] - f[0]), np.diff(spectrum))))


@pytest.mark.parametrize("seconds", [1.0, 0.3, 0.15])  # the last is cut off at 10 Hz
@pytest.mark.parametrize("scale", [1.0, 0.02])
def test_the_arc_length_is_that_of_the_known_spectrum_at_any_height(seconds: float, scale: float) -> None:
    t = np.arange(round(seconds * 500.0) + 1) / 500.0
    v = scale * (1.0 - np.cos(2.0 * np.pi * t / seconds))
    assert spectral_arc_length(v, 500.0) == pytest.approx(
        hann_arc(seconds), abs=0.015
    )  # its frequencies are 0.24 Hz apart


@pytest.mark.parametrize("hz", [100.0, 1000.0])
def test_the_jerk_of_a_minimum_jerk_stroke_is_known_at_any_length(hz: float) -> None:
    for seconds in (0.5, 2.0):
        tau = np.arange(round(seconds * hz) + 1) / hz / seconds
        v = 0.6 * (30.0 * tau**2 - 60.0 * tau**3 + 30.0 * tau**4) / seconds
        assert log_dimensionless_jerk(v, hz) == pytest.approx(
            -np.log(720.0 / 1.875**2), abs=4.0 / (hz * seconds) + 0.03
        )


def test_eleven_samples_are_too_few_for_smoothness_and_twelve_are_enough() -> None:
    v = np.sin(np.linspace(0.0, np.pi, 12))
    for measure in (spectral_arc_length, log_dimensionless_jerk):
        assert measure(v[:11], 100.0) is None
        assert measure(v, 100.0) is not None
        assert measure(np.zeros(50), 100.0) is None


def test_a_steady_velocity_has_no_jerk_to_take_the_logarithm_of() -> None:
    assert log_dimensionless_jerk(np.full(50, 0.5), 100.0) is None


def test_a_stroke_of_a_few_samples_says_that_it_is_too_short() -> None:
    t = grid(2.0)
    measures = Measures(t_start=1.0, t_top=1.04, rom=0.1)
    mechanics(traced(t, 0.1 * minimum_jerk((t - 1.0) / 0.04), None), measures, hz=HZ)
    assert (measures.sparc, measures.ldlj) == (None, None)
    assert (measures.reasons["sparc"], measures.reasons["ldlj"]) == ("short", "short")


# -- dates


def dated(x: Floats, *, low: float, top: float, bottom: float, home: float = 0.0, returned: bool = True) -> Measures:
    trace = traced(grid((len(x) - 1) / HZ), x, None)
    measures, at = date_concentric(trace, low_t=low, top_t=top, home=home, returned=returned, min_rom=0.1)
    date_eccentric(trace, measures, at, bottom_t=bottom)
    return measures


def test_a_rep_between_stands_is_dated_at_half_a_millimetre() -> None:
    measures = dated(out_and_back(grid(5.0)), low=0.9, top=2.2, bottom=4.2)
    assert measures.t_start == pytest.approx(1.0 + leaving(0.6, 1.0), abs=0.005)
    assert measures.t_top == pytest.approx(2.0 - leaving(0.6, 1.0), abs=0.005)
    assert measures.t_lower == pytest.approx(2.5 + leaving(0.6, 1.5), abs=0.005)
    assert measures.t_end == pytest.approx(4.0 - leaving(0.6, 1.5), abs=0.005)
    assert measures.t_lowered == measures.t_end
    assert measures.rom == pytest.approx(0.6, abs=2e-4)
    assert measures.start_x == pytest.approx(0.0, abs=1e-4)


def turning(t: Floats) -> Floats:
    """Out and back without a stand, twice, from 1 s on: 1 s out, 1 s back."""
    return 0.6 * (minimum_jerk(t - 1.0) - minimum_jerk(t - 2.0) + minimum_jerk(t - 3.0) - minimum_jerk(t - 4.0))


def test_a_turn_is_one_instant_of_both_strokes() -> None:
    measures = dated(turning(grid(6.0)), low=0.9, top=2.0, bottom=3.0)
    assert measures.t_top == pytest.approx(2.0, abs=0.02)
    assert measures.t_lower == measures.t_top
    assert measures.t_end == pytest.approx(3.0, abs=0.02)
    second = dated(turning(grid(6.0)), low=3.0, top=4.0, bottom=5.2)
    assert second.t_start == pytest.approx(3.0, abs=0.02)


@pytest.mark.parametrize(("seconds", "stands"), [(0.02, False), (0.5, True)])
def test_a_short_rest_at_the_top_is_still_a_turn(seconds: float, stands: bool) -> None:  # noqa: FBT001
    t = grid(5.0)
    x = 0.6 * (minimum_jerk((t - 1.0) / 0.5) - minimum_jerk((t - 1.5 - seconds) / 0.5))
    measures = dated(x, low=0.9, top=1.5 + seconds / 2.0, bottom=3.0)
    assert measures.t_lower is not None
    assert (measures.t_lower > measures.t_top) == stands


def test_a_rep_begins_at_the_pause_nearest_home_and_not_where_the_handle_was_taken_up() -> None:
    t = grid(8.0)
    x = 0.3 * minimum_jerk(t - 1.0) + 0.5 * (minimum_jerk(t - 4.0) - minimum_jerk(t - 5.5))
    measures = dated(x, low=0.9, top=5.2, bottom=6.7, home=0.3)
    assert measures.t_start == pytest.approx(4.0 + leaving(0.5, 1.0), abs=0.01)
    assert measures.rom == pytest.approx(0.5, rel=0.003)
    whole = dated(x, low=0.9, top=5.2, bottom=6.7, home=0.0)
    assert whole.t_start == pytest.approx(1.0 + leaving(0.3, 1.0), abs=0.01)
    assert whole.rom == pytest.approx(0.8, rel=0.003)


@pytest.mark.parametrize(("pause", "rom"), [(0.0, 0.8), (0.1, 0.5)])
def test_a_slowing_of_less_than_a_tenth_of_a_second_is_no_start(pause: float, rom: float) -> None:
    t = grid(6.0)  # two strokes of half a second each, which creep for 77 ms where they meet
    x = 0.3 * minimum_jerk((t - 1.0) / 0.5) + 0.5 * minimum_jerk((t - 1.5 - pause) / 0.5) - 0.8 * minimum_jerk(t - 3.0)
    assert dated(x, low=0.9, top=2.5, bottom=4.2, home=0.3).rom == pytest.approx(rom, rel=0.01)


@pytest.mark.parametrize(("pause", "rom"), [(0.05, 0.8), (1.0, 0.2)])
def test_a_rep_begins_near_its_top_only_where_the_cable_stood(pause: float, rom: float) -> None:
    t = grid(8.0)
    x = 0.6 * minimum_jerk(t - 1.0) + 0.2 * (minimum_jerk((t - 2.0 - pause) / 0.5) - minimum_jerk(t - 4.5))
    assert dated(x, low=0.9, top=2.6 + pause, bottom=5.7, home=0.6).rom == pytest.approx(rom, rel=0.003)


@pytest.mark.parametrize(("returned", "rom"), [(False, 0.8), (True, 0.2)])
def test_a_stand_near_the_top_is_a_start_only_once_the_cable_came_back_to_it(returned: bool, rom: float) -> None:  # noqa: FBT001
    t = grid(8.0)
    x = 0.6 * minimum_jerk(t - 1.0) + 0.2 * (minimum_jerk(t - 4.0) - minimum_jerk(t - 5.5))  # a quarter is left
    found = dated(x, low=0.9, top=5.2, bottom=6.7, home=0.6, returned=returned)
    assert found.rom == pytest.approx(rom, rel=0.003)


def test_the_way_down_before_a_lift_is_dated_by_its_own_stands() -> None:
    t = grid(6.0)
    x = 0.6 - 0.6 * (minimum_jerk((t - 1.0) / 1.5) - minimum_jerk(t - 3.5))  # down 1 to 2.5 s, up 3.5 to 4.5 s
    trace = traced(t, x, None)
    measures, _ = date_concentric(trace, low_t=3.0, top_t=4.8, home=0.0, returned=False, min_rom=0.1)
    date_eccentric_before(trace, measures)
    assert measures.t_end == measures.t_top
    assert measures.t_lower == pytest.approx(1.0 + leaving(0.6, 1.5), abs=0.01)
    assert measures.t_lowered == pytest.approx(2.5 - leaving(0.6, 1.5), abs=0.01)
    assert measures.t_start == pytest.approx(3.5 + leaving(0.6, 1.0), abs=0.01)


@pytest.mark.parametrize(("down", "found"), [(0.15, False), (0.25, True)])
def test_a_way_down_of_less_than_a_third_of_the_lift_is_none(down: float, found: bool) -> None:  # noqa: FBT001
    t = grid(6.0)
    x = 0.6 - down * minimum_jerk(t - 1.0) + 0.6 * minimum_jerk(t - 3.5)
    trace = traced(t, x, None)
    measures, _ = date_concentric(trace, low_t=3.0, top_t=4.8, home=0.6 - down, returned=False, min_rom=0.1)
    date_eccentric_before(trace, measures)
    assert (measures.t_lower is not None) == found
    assert measures.t_end == measures.t_top


@pytest.mark.parametrize(("bottom", "end"), [(2.2, 2.51), (2.505, 2.51), (2.6, 2.6)])
def test_a_way_back_that_was_hardly_begun_ends_where_the_stream_does(bottom: float, end: float) -> None:
    t = grid(2.6)
    x = 0.6 * minimum_jerk(t - 1.0)  # held until the last sample
    trace = traced(t, x, None)
    measures = Measures(t_start=1.0, t_top=2.0, t_lower=2.505, rom=0.6)
    date_eccentric(trace, measures, trace.index(2.6), bottom_t=bottom)
    assert measures.t_end == pytest.approx(end)
    assert measures.t_lowered == measures.t_end

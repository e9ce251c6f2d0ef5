"""The regular grid around a rep: what its smoothing keeps, and where it finds levels and ends."""

from __future__ import annotations

import numpy as np
import pytest

from controller.core.trace import End, Floats, Trace
from tests.controller.core.signals import leaving, minimum_jerk

NOTHING = np.empty(0)


def traced(t: Floats, x: Floats, f: Floats | None = None, *, noise: float = 0.0, quantum: float = 0.0) -> Trace:
    forces = (NOTHING, NOTHING) if f is None else (t, f)
    return Trace(t, x, *forces, period=float(t[1] - t[0]), noise=noise, quantum=quantum)


def grid(seconds: float, hz: float = 100.0, *, start: float = 5.0) -> Floats:
    return start + np.arange(round(seconds * hz) + 1) / hz


# -- smoothing


@pytest.mark.parametrize("hz", [50.0, 100.0, 1000.0])
def test_a_cubic_and_its_velocity_come_out_as_they_are(hz: float) -> None:
    t = grid(1.0, hz)
    s = t - 5.0
    trace = traced(t, 0.1 + 0.5 * s - 0.3 * s**2 + 0.2 * s**3)
    inner = slice(max(round(0.05 * hz), 3), -max(round(0.05 * hz), 3))
    assert trace.t == pytest.approx(t)
    assert trace.x[inner] == pytest.approx((0.1 + 0.5 * s - 0.3 * s**2 + 0.2 * s**3)[inner], abs=1e-9)
    assert trace.v[inner] == pytest.approx((0.5 - 0.6 * s + 0.6 * s**2)[inner], abs=1e-7)


def test_a_straight_way_is_kept_up_to_its_ends() -> None:
    t = grid(1.0)
    trace = traced(t, 0.3 + 0.7 * (t - 5.0))
    assert trace.x == pytest.approx(0.3 + 0.7 * (t - 5.0))
    assert trace.v == pytest.approx(np.full_like(t, 0.7))


def test_a_lone_step_spreads_by_the_published_weights() -> None:
    t = grid(1.0, 50.0)  # 40 ms to each side are two samples: -3 12 17 12 -3 over 35, and 1 -8 0 8 -1 over 12
    x = np.zeros_like(t)
    x[25] = 0.35
    trace = traced(t, x)
    assert trace.x[22:29] == pytest.approx([0.0, -0.03, 0.12, 0.17, 0.12, -0.03, 0.0])
    assert trace.v[22:29] * 0.02 / 0.35 == pytest.approx(np.array([0.0, -1.0, 8.0, 0.0, -8.0, 1.0, 0.0]) / 12.0)


def test_noise_is_known_as_it_is_after_the_smoothing() -> None:
    t = grid(1.0, 50.0)
    trace = traced(t, np.zeros_like(t), noise=0.002)
    weights = np.array([-3.0, 12.0, 17.0, 12.0, -3.0]) / 35.0
    assert trace.noise == pytest.approx(0.002 * float(np.sqrt(np.sum(weights**2))))
    slopes = np.array([1.0, 8.0, 0.0, 8.0, 1.0]) / 12.0 / 0.02
    assert trace.slow(0, 50) == pytest.approx(2.5 * 0.002 * float(np.sqrt(np.sum(slopes**2))))


def test_uneven_samples_are_put_on_an_even_grid() -> None:
    t = np.array([1.0, 1.004, 1.02, 1.03, 1.041, 1.05, 1.06, 1.07, 1.08, 1.1])
    trace = Trace(t, 2.0 * t, t, 100.0 * t, period=0.01, noise=0.0, quantum=0.0)
    assert trace.t == pytest.approx(1.0 + 0.01 * np.arange(11))
    assert trace.x == pytest.approx(2.0 * trace.t)
    assert trace.f == pytest.approx(100.0 * trace.t)


def test_a_short_or_very_quick_stretch_still_has_a_grid() -> None:
    short = Trace(np.array([1.0, 1.01]), np.array([0.0, 0.1]), NOTHING, NOTHING, period=0.01, noise=0.0, quantum=0.0)
    assert len(short.t) == 8
    quick = Trace(np.array([1.0, 1.1]), np.array([0.0, 0.1]), NOTHING, NOTHING, period=1e-5, noise=0.0, quantum=0.0)
    assert quick.dt == 0.001


def test_without_two_forces_there_is_none() -> None:
    t = grid(0.2)
    assert traced(t, t).f is None
    one = Trace(t, t, t[:1], t[:1], period=0.01, noise=0.0, quantum=0.0)
    assert one.f is None
    two = Trace(t, t, t[:2], np.array([3.0, 5.0]), period=0.01, noise=0.0, quantum=0.0)
    assert two.f is not None
    assert two.f[-1] == 5.0


# -- looking things up


def test_a_time_has_the_grid_point_next_to_it() -> None:
    trace = traced(grid(1.0), grid(1.0))
    assert [trace.index(t) for t in (4.0, 5.0, 5.014, 5.016, 6.0, 9.0)] == [0, 0, 1, 2, 100, 100]


def test_the_first_point_beyond_a_level_is_looked_for_either_way() -> None:
    t = grid(1.0)
    trace = traced(t, 0.7 * (t - 5.0))
    assert trace.first(10, 90, above=0.35 + 1e-6) == 51
    assert trace.first(90, 10, below=0.35 - 1e-6) == 49
    assert trace.first(100, 0, below=0.0035) == 0
    assert trace.first(10, 90, above=5.0) == 90
    assert trace.first(90, 10, below=-5.0) == 10
    assert trace.first(10, 10, above=-1.0) == 10
    assert trace.first(0, 100, above=0.7 - 1e-6) == 100


def test_a_stretch_of_time_has_its_ends_interpolated() -> None:
    t = grid(1.0)
    trace = traced(t, 0.7 * (t - 5.0), 100.0 * (t - 5.0))
    ts, xs, vs, fs = trace.between(5.105, 5.125)
    assert ts == pytest.approx([5.105, 5.11, 5.12, 5.125])
    assert xs == pytest.approx(0.7 * (ts - 5.0))
    assert vs == pytest.approx([0.7] * 4)
    assert fs == pytest.approx(100.0 * (ts - 5.0))
    assert traced(t, t).between(5.1, 5.2)[3] is None
    assert len(trace.between(float(trace.t[10]), float(trace.t[12]))[0]) == 3  # its ends once, not twice


def test_standing_is_a_fiftieth_of_the_strokes_speed_or_four_millimetres_a_second() -> None:
    t = grid(1.0)
    assert traced(t, 1.5 * t).slow(10, 90) == pytest.approx(0.03)
    assert traced(t, -1.5 * t).slow(10, 90) == pytest.approx(0.03)
    assert traced(t, 0.1 * t).slow(10, 90) == pytest.approx(0.004)
    later = traced(t, np.where(t < 5.5, 0.0, 1.5 * (t - 5.5)))
    assert later.slow(0, 30) == pytest.approx(0.004)


# -- levels


def stroke(*, rom: float, seconds: float, before: float = 1.0, after: float = 1.0, hz: float = 200.0) -> Trace:
    t = grid(before + seconds + after, hz)
    return traced(t, 0.2 + rom * minimum_jerk((t - 5.0 - before) / seconds))


@pytest.mark.parametrize(("rom", "seconds"), [(0.3, 0.6), (0.6, 1.0), (0.6, 2.0)])
def test_a_stand_is_reached_and_left_half_a_millimetre_from_its_level(rom: float, seconds: float) -> None:
    trace = stroke(rom=rom, seconds=seconds)
    middle, last = trace.index(6.0 + seconds / 2.0), len(trace.t) - 1
    slow = trace.slow(0, last)
    top = trace.settle(middle, 1, last, out=True, slow=slow, rom=rom)
    bottom = trace.settle(middle, -1, 0, out=False, slow=slow, rom=rom)
    assert top.level == pytest.approx(0.2 + rom, abs=1e-4)
    assert bottom.level == pytest.approx(0.2, abs=1e-4)
    away = leaving(rom, seconds)
    assert bottom.t_level == pytest.approx(6.0 + away, abs=0.006)
    assert top.t_level == pytest.approx(6.0 + seconds - away, abs=0.006)
    assert bottom.t_meet < bottom.t_level
    assert top.t_meet > top.t_level


def test_a_stretch_of_two_points_is_its_own_end() -> None:
    trace = stroke(rom=0.6, seconds=1.0)
    found = trace.settle(5, -1, 4, out=False, slow=0.01, rom=0.6)
    assert found == End(float(trace.x[5]), float(trace.t[5]), float(trace.t[5]))


def test_a_coarse_encoder_dates_one_of_its_steps_from_the_level() -> None:
    t = grid(3.0, 200.0)
    x = np.round(0.6 * minimum_jerk(t - 6.0) / 0.004) * 0.004
    fine, coarse = traced(t, x), traced(t, x, quantum=0.004)
    middle, last = fine.index(6.5), len(t) - 1
    ends = [each.settle(middle, 1, last, out=True, slow=0.02, rom=0.6) for each in (fine, coarse)]
    assert ends[1].t_level < ends[0].t_level  # 4 mm below the level comes before half a millimetre below it
    tau = np.linspace(0.5, 1.0, 100_001)
    four_below = 6.0 + float(np.interp(0.6 - 0.004, 0.6 * minimum_jerk(tau), tau))
    assert ends[1].t_level == pytest.approx(four_below, abs=0.02)


def test_a_level_is_the_one_of_the_first_three_tenths_of_a_second() -> None:
    t = grid(4.0, 200.0)
    sag = 0.0004 * np.clip((t - 7.0) / 1.2, 0.0, 1.0)  # less than half a millimetre, over more than a second
    trace = traced(t, 0.6 * minimum_jerk(t - 6.0) - sag)
    top = trace.settle(trace.index(6.5), 1, len(t) - 1, out=True, slow=0.02, rom=0.6)
    assert top.level == pytest.approx(0.6 - 0.0004 * 0.15 / 1.2, abs=0.00005)

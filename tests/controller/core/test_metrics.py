"""Every metric against its closed form: minimum-jerk strokes under a constant load and an accelerated mass."""

from __future__ import annotations

from typing import Literal

import numpy as np
import pytest

from controller.core.settings import Exercise
from controller.core.smoothness import log_dimensionless_jerk, spectral_arc_length
from protocols.events import Rep
from tests.controller.core.signals import Stroke, minimum_jerk, play, side, standing

LOAD, MASS = 300.0, 30.0  # N, kg
STROKE = Stroke(rom=0.6, out=1.2, hold=0.6, back=2.0, rest=0.8)


def reps(hz: float, *, noise: float = 0.0) -> tuple[list[Rep], list[float]]:
    signal = side([STROKE] * 6, hz=hz, load=LOAD, mass=MASS, position_noise=noise, force_noise=4000.0 * noise)
    return standing(play(left=signal)), [truth.t_top - truth.t_start for truth in signal.truth]


@pytest.mark.parametrize("hz", [80.0, 100.0, 333.0, 1000.0])
def test_distance_time_and_velocity_agree_with_the_closed_form(hz: float) -> None:
    found, durations = reps(hz)
    for rep, duration in zip(found, durations, strict=True):
        assert rep.rom_m == pytest.approx(STROKE.rom, rel=0.003)
        assert rep.concentric_s == pytest.approx(duration, abs=0.005)
        assert rep.mean_velocity_m_per_s == pytest.approx(STROKE.rom / duration, abs=0.005)
        assert rep.peak_velocity_m_per_s == pytest.approx(1.875 * STROKE.rom / STROKE.out, rel=0.01)
        assert rep.eccentric_peak_velocity_m_per_s == pytest.approx(-1.875 * STROKE.rom / STROKE.back, rel=0.01)


@pytest.mark.parametrize("hz", [80.0, 100.0, 333.0, 1000.0])
def test_force_work_and_power_agree_with_the_closed_form(hz: float) -> None:
    found, durations = reps(hz)
    peak_acceleration = 5.7735 * STROKE.rom / STROKE.out**2
    for rep, duration in zip(found, durations, strict=True):
        assert rep.mean_force_n == pytest.approx(LOAD, rel=0.005)
        assert rep.peak_force_n == pytest.approx(LOAD + MASS * peak_acceleration, rel=0.005)
        assert rep.work_concentric_j == pytest.approx(LOAD * STROKE.rom, rel=0.005)
        assert rep.work_eccentric_j == pytest.approx(-LOAD * STROKE.rom, rel=0.005)
        assert rep.impulse_ns == pytest.approx(LOAD * duration, rel=0.01)
        assert rep.mean_power_w == pytest.approx(LOAD * STROKE.rom / duration, rel=0.01)
        assert rep.hold_s == pytest.approx(STROKE.hold, abs=0.25)


def test_turns_are_dated_where_the_cable_leaves_and_reaches_its_levels() -> None:
    signal = side([STROKE] * 4, hz=100.0)
    for rep, truth in zip(standing(play(left=signal)), signal.truth, strict=True):
        assert rep.t_start == pytest.approx(truth.t_start, abs=0.003)
        assert rep.t_top == pytest.approx(truth.t_top, abs=0.003)
        assert rep.t_end == pytest.approx(truth.t_end, abs=0.01)


def test_a_turn_without_a_stand_is_dated_between_its_flanks() -> None:
    signal = side([Stroke(out=1.0, hold=0.0, back=1.6, rest=0.0)] * 5, hz=100.0)
    found = standing(play(left=signal))
    for rep, truth in zip(found[1:-1], signal.truth[1:-1], strict=True):
        assert rep.t_start == pytest.approx(truth.t_start, abs=0.02)
        assert rep.t_top == pytest.approx(truth.t_top, abs=0.02)
        assert rep.t_end == pytest.approx(truth.t_end, abs=0.02)
        assert rep.top_s == pytest.approx(0.0, abs=0.001)


def test_noise_moves_the_means_by_no_more_than_the_table_allows() -> None:
    signals = [side([STROKE] * 8, hz=100.0, position_noise=0.0005, force_noise=3.0, seed=seed) for seed in range(4)]
    found = [rep for signal in signals for rep in standing(play(left=signal))]
    roms = np.array([rep.rom_m for rep in found]) / STROKE.rom - 1.0
    work = np.array([rep.work_concentric_j for rep in found]) / (LOAD * STROKE.rom) - 1.0
    assert abs(roms.mean()) <= 0.003
    assert np.percentile(np.abs(roms), 95) <= 0.01
    assert abs(work.mean()) <= 0.005
    assert np.percentile(np.abs(work), 95) <= 0.02


def test_below_eighty_hertz_what_needs_more_is_null_with_its_reason() -> None:
    for rep in reps(50.0)[0]:
        assert (rep.rfd_n_per_s, rep.sparc, rep.ldlj) == (None, None, None)
        for name in ("rfd_n_per_s", "sparc", "ldlj"):
            assert f"{name}=rate" in rep.reasons
    for rep in reps(100.0)[0]:
        assert rep.rfd_n_per_s is not None
        assert rep.sparc is not None


def test_the_smoothness_of_a_minimum_jerk_stroke_is_the_same_at_every_rate() -> None:
    found = {hz: (rep.sparc, rep.ldlj) for hz in (100.0, 200.0, 500.0) for rep in reps(hz)[0][:1]}
    for sparc, ldlj in found.values():
        assert sparc == pytest.approx(found[500.0][0], abs=0.03)
        assert ldlj == pytest.approx(found[500.0][1], abs=0.3)
    # Balasubramanian et al. 2015: -1.4 for the smoothest of movements
    assert found[500.0][0] == pytest.approx(-1.4, abs=0.1)


def test_a_provisional_is_announced_soon_after_the_turn_and_a_final_soon_after_the_end() -> None:
    signal = side([STROKE] * 6, hz=100.0)
    events = [event for event in play(left=signal) if isinstance(event, Rep)]
    tops = [event.ts / 1000.0 for event in events if event.status == "provisional"]
    ends = [event.ts / 1000.0 for event in events if event.status == "final"]
    for announced, ended, truth in zip(tops, ends, signal.truth, strict=True):
        assert announced <= truth.t_top + 0.15 + 0.07  # from the level's half millimetre on to the stand itself
        assert ended <= truth.t_end + 0.15 + 0.11


def test_without_force_every_force_is_null_with_its_reason() -> None:
    signal = side([STROKE] * 3, hz=100.0)
    for rep in standing(play(left=signal, force=False)):
        assert rep.rom_m is not None
        for name in ("mean_force_n", "peak_force_n", "work_concentric_j", "mean_power_w", "impulse_ns"):
            assert getattr(rep, name) is None
            assert f"{name}=no_force" in rep.reasons


@pytest.mark.parametrize("channels", [(True, True), (True, False), (False, True)])
@pytest.mark.parametrize("starts_with", ["concentric", "eccentric"])
def test_every_null_of_an_ordinary_set_says_why(
    channels: tuple[bool, bool], starts_with: Literal["concentric", "eccentric"]
) -> None:
    signal = side([STROKE] * 4, hz=100.0)
    if starts_with == "eccentric":
        signal.x = STROKE.rom - signal.x  # from the top down
    position, force = channels
    found = play(left=signal, exercise=Exercise(starts_with=starts_with), position=position, force=force)
    reps = [event for event in found if isinstance(event, Rep) and event.status != "retracted"]
    assert len(reps) == 8
    for rep in reps:
        assert "unknown" not in rep.reasons
    if starts_with == "eccentric" and position:
        for rep in reps[1::2]:
            assert rep.bottom_s == pytest.approx(STROKE.hold, abs=0.25)  # and what the levels take of both strokes
            assert rep.top_s is None or rep.top_s == pytest.approx(STROKE.rest, abs=0.25)


def test_a_cable_that_is_loaded_before_and_after_its_strokes_keeps_its_load() -> None:
    signal = side([Stroke() for _ in range(4)], force_noise=1.0)
    signal.f = 300.0 + (signal.f - np.median(signal.f[signal.t < 1.5])) * 0.01
    reps = standing(play(left=signal))
    assert [rep.mean_force_n for rep in reps] == [pytest.approx(303.0, abs=2.0)] * 4
    assert all("zero_tracked" not in rep.flags for rep in reps)


def test_an_untared_cell_does_not_spoil_the_force() -> None:
    signal = side([STROKE] * 4, hz=100.0, load=LOAD, mass=MASS, force_noise=1.0)
    signal.f += 45.0
    for rep in standing(play(left=signal)):
        assert rep.mean_force_n == pytest.approx(LOAD, rel=0.01)
        assert "zero_tracked" in rep.flags


@pytest.mark.parametrize("hz", [50.0, 100.0, 1000.0])
@pytest.mark.parametrize("noise", [2.0, 5.0])
def test_the_zero_is_found_under_the_noise_of_the_cell_and_not_in_the_load_that_is_held(
    hz: float, noise: float
) -> None:
    signal = side([STROKE] * 4, hz=hz, load=LOAD, mass=MASS, force_noise=noise, start=5.0)
    signal.f += 25.0 + LOAD * (signal.t > 3.5) * (signal.t < signal.truth[0].t_start)  # the hands take the weight
    found = standing(play(left=signal))
    assert len(found) == 4
    for rep in found:
        assert rep.mean_force_n == pytest.approx(LOAD, rel=0.02)


@pytest.mark.parametrize(("noise", "quantum"), [(0.0015, 0.0), (0.0003, 0.0005), (0.001, 0.002)])
@pytest.mark.parametrize("hz", [50.0, 100.0, 1000.0])
def test_the_zero_is_found_where_the_position_flickers(hz: float, noise: float, quantum: float) -> None:
    signal = side([STROKE] * 3, hz=hz, load=LOAD, mass=MASS, position_noise=noise, quantum=quantum, force_noise=1.0)
    signal.f += LOAD * (signal.t > 1.7) * (signal.t < signal.truth[0].t_start)  # the hands take the weight
    found = standing(play(left=signal))
    assert [rep.mean_force_n for rep in found] == [pytest.approx(LOAD, rel=0.02)] * 3


def test_a_minimum_jerk_profile_has_its_known_smoothness() -> None:
    t = np.linspace(0.0, 1.0, 1001)
    v = np.gradient(minimum_jerk(t), t)
    clean = log_dimensionless_jerk(v, 1000.0)
    assert clean == pytest.approx(-np.log(720.0 / 1.875**2), abs=0.05)  # the integral of its squared jerk is 720
    rough = v + 0.1 * np.sin(2.0 * np.pi * 8.0 * t)
    smooth_arc, rough_arc = spectral_arc_length(v, 1000.0), spectral_arc_length(rough, 1000.0)
    assert smooth_arc is not None
    assert rough_arc is not None
    assert rough_arc < smooth_arc < -1.0

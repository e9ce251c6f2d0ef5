"""Paths, tension and truth against closed forms."""

from __future__ import annotations

import numpy as np
import pytest

from simulators.cable import Cable, G
from simulators.lifter import Stroke
from simulators.profiles import CURVES, PROFILES, Profile
from simulators.trajectory import LEVEL, Path, arriving, leaving
from simulators.truth import Span, rep_truth

ROM, OUT, BACK = 0.6, 1.2, 1.8


def one_rep(*, top: float = 0.5, load: float = 1.0) -> tuple[Path, Stroke]:
    path = Path()
    path.stand(1.0, load=load)
    path.stand(1.0)
    path.move(ROM, OUT)
    path.stand(top)
    path.move(0.0, BACK)
    path.stand(1.0)
    last = len(path.segments) - 2
    return path, Stroke("left", 1, (2, 2), (last, last))


def test_a_stroke_peaks_at_fifteen_eighths_of_its_mean_velocity() -> None:
    path, stroke = one_rep()
    truth = rep_truth(stroke, path, Cable(), number=1, lowered_first=False)
    assert truth.peak_velocity == pytest.approx(1.875 * ROM / OUT, rel=1e-6)


def test_velocity_and_acceleration_are_the_derivatives_of_position() -> None:
    path, _ = one_rep()
    path.move(0.4, 0.8)
    path.fall(8.0)
    path.stand(0.5)
    t = np.linspace(0.0, path.t, 60_001)
    motion = path.at(t)
    jumps = np.abs(np.diff(motion.a, append=motion.a[-1])) > 0.1
    jumps |= np.abs(np.diff(motion.v, append=motion.v[-1])) > 0.01
    smooth = ~jumps  # away from a slam's corners
    inner = smooth & np.roll(smooth, 1) & np.roll(smooth, -1)
    np.testing.assert_allclose(np.gradient(motion.x, t)[inner], motion.v[inner], atol=2e-3)
    np.testing.assert_allclose(np.gradient(motion.v, t)[inner], motion.a[inner], atol=2e-2)


def test_a_phase_leaves_its_level_by_half_a_millimetre_and_ends_as_near() -> None:
    path, stroke = one_rep()
    truth = rep_truth(stroke, path, Cable(), number=1, lowered_first=False)
    x = path.at(np.array([truth.t_start, truth.t_top, truth.t_end])).x
    np.testing.assert_allclose(x, [LEVEL, ROM - LEVEL, LEVEL], atol=1e-9)
    assert truth.concentric_s == pytest.approx(OUT - 2.0 * leaving(ROM, OUT))
    assert truth.rom_m == ROM


def test_a_stroke_that_turns_at_once_ends_at_its_turn() -> None:
    path, stroke = one_rep(top=0.0)
    truth = rep_truth(stroke, path, Cable(), number=1, lowered_first=False)
    assert truth.t_top == pytest.approx(2.0 + OUT, abs=1e-12)
    assert truth.hold_s == 0.0


def test_without_friction_the_work_is_the_weight_times_the_height() -> None:
    path, stroke = one_rep(top=0.0)
    cable = Cable(mass_kg=20.0, coulomb_n=0.0, viscous_n_s_per_m=0.0, pulleys_kg=0.0)
    truth = rep_truth(stroke, path, cable, number=1, lowered_first=False)
    whole = Span.of(path, cable, 2.0, 2.0 + OUT)
    assert whole.work == pytest.approx(20.0 * G * ROM, rel=1e-7)
    assert truth.work_concentric_j == pytest.approx(20.0 * G * (ROM - LEVEL), rel=2e-3)
    assert truth.mean_force_n == pytest.approx(20.0 * G, rel=2e-2)


def test_friction_takes_energy_on_both_ways() -> None:
    path, stroke = one_rep(top=0.0)
    cable = Cable(coulomb_n=10.0, viscous_n_s_per_m=0.0, return_friction=0.5)
    truth = rep_truth(stroke, path, cable, number=1, lowered_first=False)
    assert truth.work_concentric_j is not None
    assert truth.work_eccentric_j is not None
    assert truth.work_concentric_j + truth.work_eccentric_j == pytest.approx(15.0 * ROM, rel=0.02)


def test_a_ratio_of_two_halves_the_weight_at_the_handle() -> None:
    still = Path()
    still.stand(1.0, load=1.0)
    still.stand(1.0)
    now = still.at(np.array([1.5]))
    assert Cable(mass_kg=40.0, ratio=2.0).force(now)[0] == pytest.approx(20.0 * G)
    assert Cable(mass_kg=40.0, ratio=2.0, pulleys_kg=0.0).inertia_kg == pytest.approx(10.0)


def test_the_tension_of_a_jerked_cable_is_never_below_zero() -> None:
    path = Path()
    path.stand(0.2, load=1.0)
    for _ in range(5):
        path.move(0.5, 0.15)
        path.move(0.0, 0.15)
    force = Cable(mass_kg=10.0).force(path.at(np.linspace(0.0, path.t, 20_001)))
    assert force.min() == 0.0
    assert force.max() > 10.0 * G


def test_a_dropped_handle_falls_freely_bounces_lower_each_time_and_ends_at_home() -> None:
    path = Path()
    path.stand(0.2, load=1.0)
    path.move(0.5, 1.0)
    path.fall(8.0)
    path.stand(1.0)
    t = np.linspace(1.2, path.t, 50_001)
    motion = path.at(t)
    assert motion.x.min() >= -1e-12
    assert motion.x[-1] == 0.0
    landing = 1.2 + (2 * 0.5 / 8.0) ** 0.5
    assert t[np.argmax(motion.x <= 1e-3)] == pytest.approx(landing, abs=1e-3)
    assert Cable().force(motion).max() < 10.0  # nothing but the return spring
    after = motion.x[t > landing + 1e-3]
    assert 0.02 < after.max() < 0.1


def test_a_handle_that_slips_in_full_motion_flies_on_before_it_falls() -> None:
    path = Path()
    path.stand(0.2, load=1.0)
    path.begin_to_move(0.6, 1.0, share=0.5)
    slipped = path.t
    path.fall(8.0)
    path.stand(1.0)
    speed = 1.875 * 0.6 / 1.0
    t = np.linspace(slipped - 0.1, path.t, 50_001)
    motion = path.at(t)
    assert motion.x.max() == pytest.approx(0.3 + speed**2 / (2 * 8.0), rel=1e-6)
    assert np.abs(np.diff(motion.v[t < slipped + 0.2])).max() < 1e-3  # no jump of the speed where the hand opens
    assert Cable().force(motion)[t > slipped + 1e-6].max() < 10.0
    assert motion.x[-1] == 0.0


@pytest.mark.parametrize("profile", PROFILES)
def test_every_profile_goes_once_from_rest_to_rest_and_its_derivatives_are_its_own(profile: Profile) -> None:
    tau = np.linspace(0.0, 1.0, 20_001)
    s, v, a = CURVES[profile](tau)
    np.testing.assert_allclose([s[0], s[-1], v[0], v[-1]], [0.0, 1.0, 0.0, 0.0], atol=1e-9)
    assert v.min() >= -1e-12
    np.testing.assert_allclose(np.gradient(s, tau)[1:-1], v[1:-1], atol=1e-4)
    np.testing.assert_allclose(np.gradient(v, tau)[1:-1], a[1:-1], atol=2e-2)


@pytest.mark.parametrize("profile", PROFILES)
def test_the_first_and_the_last_half_millimetre_of_a_profile_are_left_out_of_its_phases(profile: Profile) -> None:
    path = Path()
    path.stand(1.0)
    path.move(ROM, OUT, profile=profile)
    path.stand(1.0)
    x = path.at(np.array([1.0 + leaving(ROM, OUT, profile), 1.0 + OUT - arriving(ROM, OUT, profile)])).x
    np.testing.assert_allclose(x, [LEVEL, ROM - LEVEL], atol=1e-9)
    assert path.begins(1) == pytest.approx(1.0 + leaving(ROM, OUT, profile))
    assert path.ends(1) == pytest.approx(1.0 + OUT - arriving(ROM, OUT, profile))

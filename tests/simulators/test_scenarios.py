"""Sessions: what is in them, that a seed says it all, and that the truth agrees with fine integration."""

from __future__ import annotations

import dataclasses
from itertools import pairwise
from pathlib import Path
from typing import get_args

import numpy as np
import pytest

from protocols.events import Shape
from protocols.neutral_csv import CHANNELS
from simulators.lifter import Oddity
from simulators.scenarios import SCENARIOS, Session, samples, simulate
from simulators.sensors import Sensor, Sensors
from simulators.truth import Truth, percent_difference

ROW = SCENARIOS["iso_lateral_row"]


def test_the_same_seed_gives_the_same_samples_and_another_one_gives_others() -> None:
    assert simulate(ROW).samples == simulate(ROW).samples
    assert simulate(ROW).truth == simulate(ROW).truth
    assert simulate(ROW.but(seed=2)).samples != simulate(ROW).samples


@pytest.mark.parametrize("name", SCENARIOS)
def test_no_force_is_below_zero_and_both_handles_end_at_home(name: str) -> None:
    session = Session(SCENARIOS[name])
    t = np.arange(0.0, session.duration, 0.001)
    for channel in CHANNELS:
        values = session.values(channel, t)
        if channel.endswith("force_n"):
            assert values.min() >= 0.0
        assert values[-1] == 0.0
    assert {path.load for path in session.paths.values()} == {0.0}


@pytest.mark.parametrize("shape", get_args(Shape))
def test_each_shape_has_its_reps_on_its_sides(shape: Shape) -> None:
    truth = simulate(ROW.but(shape=shape, reps=6)).truth.sets[0]
    assert truth.shape == shape
    assert truth.left_reps == (0 if shape == "right_only" else 6)
    assert truth.right_reps == (0 if shape == "left_only" else 6)
    left = [rep for rep in truth.reps if rep.side == "left"]
    right = [rep for rep in truth.reps if rep.side == "right"]
    if shape == "together":
        assert all(abs(a.t_start - b.t_start) < 0.2 for a, b in zip(left, right, strict=True))
    if shape == "alternating":
        assert all(a.t_end < b.t_start for a, b in zip(left, right, strict=True))
    if shape == "sequential":
        assert 0.0 < right[0].t_start - left[-1].t_end < 8.0  # one set
    if "only" in shape:
        assert truth.asymmetry_mean_force_pct is None


def test_the_truth_of_a_rep_agrees_with_its_samples_without_noise() -> None:
    quiet = ROW.but(rate_hz=10_000.0, reps=2, force_noise_n=0.0, force_step_n=1e-4, position_step_m=1e-7)
    played = simulate(quiet)
    columns = np.array(played.samples, dtype=np.float64).T
    for rep in played.truth.reps:
        x, f = columns[1:3] if rep.side == "left" else columns[3:5]
        inside = (columns[0] >= rep.t_start) & (columns[0] <= rep.t_top)
        assert f[inside].mean() == pytest.approx(rep.mean_force_n, rel=1e-3)
        work = float(np.sum(0.5 * (f[inside][1:] + f[inside][:-1]) * np.diff(x[inside])))
        assert work == pytest.approx(rep.work_concentric_j, rel=1e-3)
        assert rep.mean_velocity == pytest.approx((x[inside][-1] - x[inside][0]) / rep.concentric_s, rel=1e-3)
        assert rep.rom_m == pytest.approx(x[inside][-1] - x[inside][0], abs=0.0011)


def test_a_strength_ratio_is_the_asymmetry_of_the_mean_forces_and_the_stronger_side_is_faster() -> None:
    truth = simulate(ROW.but(ratio=0.8, force_variation=0.0, variation=0.0)).truth
    assert truth.sets[0].asymmetry_mean_force_pct == pytest.approx(-20.0, abs=0.7)
    means = {side: np.mean([rep.mean_velocity for rep in truth.reps if rep.side == side]) for side in ("left", "right")}
    assert means["left"] > means["right"]
    assert percent_difference(100.0, 80.0) == pytest.approx(-20.0)


def test_the_lag_is_the_difference_of_the_starts() -> None:
    truth = simulate(ROW.but(lag_s=0.15, variation=0.0)).truth
    assert truth.sets[0].lag_ms == pytest.approx(150.0, abs=2.0)
    assert simulate(ROW.but(lag_s=-0.1, variation=0.0)).truth.sets[0].lag_ms == pytest.approx(-100.0, abs=2.0)


def test_velocity_falls_by_the_fatigue() -> None:
    reps = [r for r in simulate(ROW.but(variation=0.0, fatigue=0.3)).truth.reps if r.side == "left"]
    assert reps[0].mean_velocity is not None
    assert reps[-1].mean_velocity == pytest.approx(0.7 * reps[0].mean_velocity, rel=0.01)


def test_a_dropped_handle_is_no_rep_a_let_go_one_is_and_a_short_one_is_partial() -> None:
    deeds = (
        Oddity("dropped", 3, "left"),
        Oddity("let_go", 5),
        Oddity("partial", 7, "right"),
        Oddity("snatch", 2),
        Oddity("pause_out", 4),
        Oddity("pause_back", 6),
    )
    truth = simulate(ROW.but(oddities=deeds, reps=8)).truth.sets[0]
    assert (truth.left_reps, truth.right_reps) == (7, 8)
    assert (truth.left_partial_reps, truth.right_partial_reps) == (0, 1)
    assert truth.pairs == 6
    gone = [rep for rep in truth.reps if rep.let_go]
    assert len(gone) == 2
    assert all(rep.eccentric_s is None and rep.work_eccentric_j is None for rep in gone)
    lefts = [rep for rep in truth.reps if rep.side == "left"]
    assert [rep.number for rep in lefts] == [1, 2, 3, 4, 5, 6, 7]
    assert [rep.effort for rep in lefts] == [1, 2, 4, 5, 6, 7, 8]


def test_handling_makes_motion_and_no_rep() -> None:
    plain = simulate(ROW)
    handled = simulate(ROW.but(handling=("bump", "reposition", "walk_out")))
    assert len(handled.truth.reps) == len(plain.truth.reps)
    begin = handled.truth.sets[0].t_start
    before = [x for t, x, *_ in handled.samples if t < begin and x is not None]
    assert max(before) > 0.3


def test_reps_without_rest_share_their_turns() -> None:
    truth = simulate(ROW.but(top_s=0.0, bottom_s=0.0)).truth
    lefts = [rep for rep in truth.reps if rep.side == "left"]
    for one, following in pairwise(lefts):
        assert one.t_end == pytest.approx(following.t_start, abs=1e-9)
    assert all(rep.hold_s == 0.0 for rep in lefts)


def test_the_raise_is_held_two_seconds_and_is_one_effort_of_the_arm() -> None:
    truth = simulate(SCENARIOS["prone_diagonal_raise"]).truth.sets[0]
    assert truth.shape == "right_only"
    assert {rep.side for rep in truth.reps} == {"right"}
    assert all(1.7 < rep.hold_s < 2.5 for rep in truth.reps)
    left = [x for _, x, *_ in simulate(SCENARIOS["prone_diagonal_raise"]).samples if x is not None]
    assert max(left) > 0.25  # the opposite leg moves the other cable


def test_a_squat_is_lowered_first() -> None:
    for rep in simulate(SCENARIOS["back_squat"]).truth.reps:
        assert rep.t_end == rep.t_top
        assert rep.eccentric_s is not None
        assert rep.rom_m == pytest.approx(0.5, rel=0.1)


def test_a_hold_on_a_fixed_cable_has_force_and_no_stroke() -> None:
    played = simulate(SCENARIOS["isometric_hold"])
    assert len(played.truth.reps) == 8
    assert all(rep.rom_m is None and rep.mean_velocity is None and rep.hold_s > 3.0 for rep in played.truth.reps)
    assert {sample[1] for sample in played.samples} == {None}
    assert max(sample[2] or 0.0 for sample in played.samples) > 150.0


def test_a_session_of_two_sides_in_turn_is_two_sets() -> None:
    truth = simulate(ROW.but(shapes=("left_only", "right_only"), sets=2, rest_s=20.0)).truth
    assert [each.shape for each in truth.sets] == ["left_only", "right_only"]
    assert truth.sets[1].t_start - truth.sets[0].t_end > 20.0


def test_channels_can_be_absent_and_clocks_irregular() -> None:
    rows = list(samples(ROW, 50.0, channels=("left_position_m",), clock_jitter=0.4))
    assert all(f is x is g is None for _, _, f, x, g in rows)
    steps = np.diff([row[0] for row in rows])
    assert steps.min() > 0.0
    assert steps.std() > 0.002
    assert len(rows) == int(simulate(ROW).truth.duration_s * 50.0)


def test_an_unknown_change_is_an_error() -> None:
    with pytest.raises(TypeError, match="colour"):
        ROW.but(colour="red")


def test_truth_comes_back_from_its_file(tmp_path: Path) -> None:
    truth = simulate(ROW).truth
    truth.write(tmp_path / "truth.json")
    assert Truth.read(tmp_path / "truth.json") == truth


def test_noise_does_not_depend_on_how_samples_are_cut() -> None:
    values = np.linspace(0.0, 500.0, 1000)
    whole = Sensor("left_force_n", Sensors(), 7).counts(values)
    pieces = Sensor("left_force_n", Sensors(), 7)
    cut = np.concatenate([pieces.counts(part) for part in np.array_split(values, [3, 10, 500])])
    np.testing.assert_array_equal(whole, cut)


def test_a_load_cell_rails_at_its_limit_and_an_untared_one_is_off_by_its_zero() -> None:
    cell = Sensor("left_force_n", Sensors(force_noise_n=0.0, force_limit_n=100.0, force_zero_n=40.0), 1)
    values = cell.nominal(cell.counts(np.array([0.0, 50.0, 90.0, 900.0])))
    np.testing.assert_allclose(values, [40.0, 90.0, 100.0, 100.0], atol=0.02)
    assert dataclasses.replace(Sensors(), force_zero_n=1.0) != Sensors()

"""What is made of single samples: spikes, the rate, noise, standing, velocity."""

from __future__ import annotations

import random

import pytest

from controller.core.kinematics import LeapGate, Noise, Period, Stillness, Velocity

DT = 0.01  # s


# -- spikes


QUIET = [0.0] * 20


def gate_of(least: float = 0.03, share: float = 0.0) -> LeapGate:
    return LeapGate(least=least, share=share, bends=lambda dt, _: 60.0 * dt * dt)


def passed(gate: LeapGate, values: list[float], *, dt: float = DT) -> list[float]:
    out = [each for k, value in enumerate(values) for each in gate.step(k * dt, value)]
    return [value for _, value in (*out, *gate.flush())]


@pytest.mark.parametrize(
    ("values", "spikes"),
    [
        ([0.037, 0.0, 0.0], 1),  # over 0.03 m and 60 m/s^2 for 10 ms
        ([-0.037, 0.0, 0.0], 1),
        ([0.035, 0.0, 0.0], 0),
        ([-0.035, 0.0, 0.0], 0),
        ([0.5, 0.5, 0.5], 0),  # a step that stays
        ([0.5, 0.45, 0.0, 0.0], 2),  # 10 ms of interference
        ([0.5, -0.45, 0.0, 0.0], 2),
        ([0.5, 0.45, 0.5, 0.0], 0),  # longer than that
        ([0.002, 0.006, 0.012, 0.02, 0.03], 0),  # a fast way
        ([0.5, 0.0, 0.5, 0.0, 0.0], 2),  # each beside what was let through
    ],
)
def test_what_leaps_away_and_comes_back_is_taken_out(values: list[float], spikes: int) -> None:
    gate = gate_of()
    kept = passed(gate, [*QUIET, *values])
    assert len(gate.taken_out) == spikes
    assert len(kept) == len(QUIET) + len(values) - spikes
    assert kept == [value for value in [*QUIET, *values] if value in kept]


def test_a_lively_channel_has_no_leaps_as_small_as_its_own() -> None:
    lively = [0.02 * (k % 2) for k in range(40)]
    gate = gate_of()
    passed(gate, [*lively, 0.1, 0.0, 0.02])
    assert gate.taken_out == []


def test_a_leap_counts_by_its_share_of_the_range() -> None:
    held = [*(float(k) for k in range(101)), *[100.0] * 60]
    small, large = gate_of(least=5.0, share=0.15), gate_of(least=5.0, share=0.15)
    passed(small, [*held, 114.0, 100.0, 100.0])
    passed(large, [*held, 117.0, 100.0, 100.0])
    assert (len(small.taken_out), len(large.taken_out)) == (0, 1)


def test_a_sample_comes_out_with_its_own_time_when_the_next_one_is_in() -> None:
    gate = gate_of()
    assert gate.step(0.0, 1.0) == []
    assert gate.step(0.5, 2.0) == [(0.0, 1.0)]
    assert gate.flush() == [(0.5, 2.0)]
    assert gate.flush() == []


def test_after_a_flush_nothing_is_known_of_what_came_before() -> None:
    gate = gate_of()
    passed(gate, QUIET)
    assert passed(gate, [5.0, 0.0]) == [5.0, 0.0]


# -- the rate


def run(steps: list[float], *, start: float = 3.0) -> tuple[Period, list[float | None]]:
    period, t = Period(), start
    gaps = [period.step(t)]
    for step in steps:
        t += step
        gaps.append(period.step(t))
    return period, gaps


def test_the_rate_is_known_after_four_steps_as_their_median() -> None:
    assert run([0.01] * 3)[0].hz is None
    period, _ = run([0.01, 0.02, 0.03, 0.5])
    assert period.seconds == pytest.approx(0.03)
    assert run([0.01] * 4)[0].hz == pytest.approx(100.0)


def test_a_few_odd_steps_at_the_start_do_not_move_the_rate() -> None:
    steps = [0.01] * 40
    steps[2], steps[9], steps[20] = 3.0, 0.0, 0.2
    assert run(steps)[0].hz == pytest.approx(100.0)


@pytest.mark.parametrize(
    ("count", "seconds"), [(4, 0.01), (7, 0.01), (8, 0.03), (15, 0.03), (16, 0.05), (31, 0.05), (32, 0.07)]
)
def test_the_median_is_taken_anew_each_time_the_steps_have_doubled(count: int, seconds: float) -> None:
    steps = [0.01] * 4 + [0.03] * 4 + [0.05] * 8 + [0.07] * 16
    assert run(steps[:count])[0].seconds == pytest.approx(seconds)


def test_afterwards_the_rate_follows_by_a_hundredth_a_step_and_never_by_more_than_twice() -> None:
    settled = [0.01] * 32
    assert run([*settled, 0.012])[0].seconds == pytest.approx(0.01 + 0.01 * 0.002)
    assert run([*settled, 5.0])[0].seconds == pytest.approx(0.01 + 0.01 * 0.01)
    assert run([*settled, 0.0])[0].seconds == pytest.approx(0.01 - 0.01 * 0.005)
    assert run([*settled, *[0.02] * 700])[0].hz == pytest.approx(50.0, rel=0.01)


@pytest.mark.parametrize(
    ("dt", "step", "gap"),
    [
        (0.02, 0.079, False),  # four periods of 50 Hz
        (0.02, 0.081, True),
        (0.001, 0.049, False),  # what is shorter than 50 ms is bridged
        (0.001, 0.051, True),
    ],
)
def test_a_gap_is_four_periods_and_fifty_milliseconds(dt: float, step: float, gap: bool) -> None:  # noqa: FBT001
    for before in (10, 40):  # while the rate is being found, and later
        _, gaps = run([dt] * before + [step, dt])
        assert gaps[:-2] == [None] * (before + 1)
        assert gaps[-2] == (pytest.approx(step) if gap else None)
        assert gaps[-1] is None


def test_no_gap_is_known_before_the_rate_is() -> None:
    assert run([0.01, 1.0])[1] == [None, None, None]


# -- noise


@pytest.mark.parametrize("sigma", [0.0003, 0.001, 0.003])
def test_the_noise_of_a_standing_cable_is_known_after_a_second(sigma: float) -> None:
    draw, noise = random.Random(7), Noise()
    for _ in range(1500):
        noise.step(0.4 + draw.gauss(0.0, sigma))
    assert noise.deviation == pytest.approx(sigma, rel=0.25)


def test_smooth_motion_is_no_noise() -> None:
    noise = Noise()
    for k in range(300):
        t = k * DT
        noise.step(0.2 + 0.5 * t - 0.3 * t * t)  # no third difference at all
    assert noise.deviation == pytest.approx(5e-5)


def test_the_encoders_step_is_the_smallest_that_was_seen() -> None:
    noise = Noise()
    assert noise.quantum == 0.0
    for x in (0.3, 0.3, 0.302, 0.301, 0.301, 0.304):
        noise.step(x)
    assert noise.quantum == pytest.approx(0.001)


def test_the_first_position_is_no_step() -> None:
    noise = Noise()
    noise.step(0.0004)
    assert noise.quantum == 0.0
    noise.step(0.0014)
    assert noise.quantum == pytest.approx(0.001)


# -- standing


def test_a_cable_stands_since_it_came_to_the_level_it_keeps() -> None:
    still = Stillness()
    assert still.step(1.0, 0.5, 0.25) == 0.0
    assert still.step(1.5, 0.75, 0.25) == 0.5  # a quarter away is within a quarter
    assert still.step(2.0, 0.25, 0.25) == 1.0
    assert still.step(2.5, 0.8, 0.25) == 0.0  # a new level
    assert still.step(3.0, 0.6, 0.25) == 0.5


# -- velocity


def test_a_steady_motion_has_its_velocity_after_a_few_time_constants() -> None:
    velocity = Velocity()
    assert velocity.step(0.0, 0.1) == 0.0
    for k in range(1, 60):
        found = velocity.step(k * DT, 0.1 + 0.8 * k * DT)
    assert found == velocity.value
    assert found == pytest.approx(0.8, abs=0.001)


def test_the_velocity_answers_a_step_of_it_as_a_critically_damped_filter() -> None:
    fine, velocity = 0.0001, Velocity()  # so fine that it is the continuous filter
    velocity.step(0.0, 0.0)
    for k in range(1, 901):
        found = velocity.step(k * fine, k * fine)
        if k in (300, 900):  # one and three time constants: 1 - (1 + t/tau) exp(-t/tau)
            assert found == pytest.approx({300: 0.26424, 900: 0.80085}[k], abs=0.01)


def test_two_samples_of_one_instant_change_no_velocity() -> None:
    velocity = Velocity()
    for k in range(60):
        velocity.step(k * DT, 0.8 * k * DT)
    before = velocity.value
    assert velocity.step(59 * DT, 9.0) == before
    assert velocity.step(60 * DT, 0.8 * 60 * DT) == pytest.approx(before, abs=0.001)


@pytest.mark.parametrize(("pause", "kept"), [(0.5, True), (0.51, False)])
def test_after_half_a_second_without_a_sample_the_velocity_starts_anew(pause: float, kept: bool) -> None:  # noqa: FBT001
    velocity = Velocity()
    for k in range(60):
        velocity.step(k * DT, 0.8 * k * DT)
    found = velocity.step(59 * DT + pause, 0.8 * (59 * DT + pause))
    assert (found == pytest.approx(0.8, abs=0.01)) == kept
    assert kept or found == 0.0

"""What one channel gives away: a cell that says the same, a position that jumps or chatters, a rate that cannot be."""

from __future__ import annotations

import random
from typing import Any

import pytest

from controller.core.channel_watch import Rate, Steps, StuckForce


def near(*values: float) -> Any:
    """These numbers, to a millionth."""
    return tuple(pytest.approx(value) for value in values)


# -- stuck


def lively(changes: int = 60, *, repeats: int = 1, quantum: float = 1.0) -> StuckForce:
    """A cell at 100 Hz up to t = 0 that goes to and fro over a step, each value so many times; the cable stands."""
    check = StuckForce()
    check.moved(0.0)
    count = (changes + 1) * repeats
    for k in range(count):
        assert check.step((k - count) / 100.0, quantum * (k // repeats % 2), at_rail=False) is None
    return check


def stuck_after(
    check: StuckForce, force: float, *, speed: float = 0.0, turns_at: float = 1e9, seconds: float = 20.0,
    at_rail: bool = False,
) -> float | None:  # fmt: skip
    """After how long of one force it is stuck, while the cable goes to and fro between 0 and a place, in m/s."""
    for k in range(round(100.0 * seconds)):
        t = k / 100.0
        way = speed * t % (2.0 * turns_at)
        since = check.step(t, force, at_rail=at_rail)
        check.moved(min(way, 2.0 * turns_at - way))
        if since is not None:
            assert since == 0.0
            return t
    return None


@pytest.mark.parametrize(
    ("speed", "after"), [(2.0, 0.3), (0.5, 0.31), (0.3, 0.51), (0.1, 1.51)]
)  # three tenths of a second, and 0.15 m
def test_one_force_over_a_way_is_stuck(speed: float, after: float) -> None:
    found = stuck_after(lively(), 10.0, speed=speed)
    assert found is not None
    assert abs(found - after) < 0.021


def test_a_way_in_is_one_too() -> None:
    check = lively()
    check.moved(1.0)
    check.step(0.0, 10.0, at_rail=False)
    for k in range(1, 60):
        check.moved(1.0 - 0.005 * k)
        if check.step(k / 100.0, 10.0, at_rail=False) is not None:
            assert 0.29 < k / 100.0 < 0.33
            return
    raise AssertionError


def test_one_force_under_load_is_stuck_after_two_seconds_also_where_the_cable_stands() -> None:
    assert stuck_after(lively(), 16.0) == 2.0
    assert stuck_after(lively(), 14.0) is None


def test_a_cell_that_repeats_itself_is_given_ten_times_as_long() -> None:
    assert stuck_after(lively(repeats=6), 10.0, speed=2.0) == pytest.approx(0.59, abs=0.011)
    assert stuck_after(lively(repeats=6), 10.0, speed=0.01, seconds=10.0) is None
    assert stuck_after(lively(repeats=15), 16.0) == pytest.approx(2.99, abs=0.011)


def test_one_long_rest_without_a_change_may_be_the_fault_itself_and_teaches_little() -> None:
    check = lively()
    for k in range(1000):  # stuck where the cable stands unloaded, which nobody can see
        assert check.step(-100.0 + k / 100.0, 0.0, at_rail=False) is None
    for k in range(100):
        assert check.step(-90.0 + k / 100.0, float(k % 2), at_rail=False) is None
    assert stuck_after(check, 10.0, speed=0.5) == pytest.approx(0.31, abs=0.011)


def test_many_long_rests_without_a_change_are_its_way() -> None:
    check = lively()
    for k in range(40 * 30):
        assert check.step(-100.0 + k / 100.0, float(k // 30 % 2), at_rail=False) is None
    assert stuck_after(check, 10.0, speed=0.5) == pytest.approx(3.0, abs=0.1)


def test_a_cell_that_is_not_known_yet_is_stuck_after_three_strokes_only() -> None:
    assert stuck_after(lively(45), 100.0, speed=0.5) is None
    assert stuck_after(lively(55), 100.0, speed=0.5) is not None
    found = stuck_after(lively(45), 100.0, speed=0.12, turns_at=0.12)
    assert found is not None
    assert 2.8 < found < 2.9  # 0.12 m out and back, and 0.1 m out
    assert stuck_after(lively(45), 100.0, speed=0.09, turns_at=0.09) is None


def test_without_load_it_takes_six_strokes() -> None:
    found = stuck_after(lively(45), 10.0, speed=0.12, turns_at=0.12)
    assert found is not None
    assert 5.8 < found < 5.9


def test_at_a_rail_only_strokes_tell() -> None:
    assert stuck_after(lively(), 100.0, speed=0.5, at_rail=True) is None
    assert stuck_after(lively(), 100.0, at_rail=True) is None
    assert stuck_after(lively(), 100.0, speed=0.12, turns_at=0.12, at_rail=True) is not None


def test_strokes_that_begin_with_the_way_in_count_too() -> None:
    check = lively(45)
    check.moved(0.5)
    check.step(0.0, 100.0, at_rail=False)
    check.step(0.01, 100.0, at_rail=False)
    said = []
    for k, x in enumerate([0.5] * 8 + [0.39, 0.5, 0.39]):
        check.moved(x)
        said.append(check.step(0.02 + k / 100.0, 100.0, at_rail=False))
    assert said == [None] * 10 + [0.0]


def test_another_value_ends_it_and_its_run_is_not_taken_for_usual() -> None:
    check = lively()
    assert stuck_after(check, 100.0) == 2.0
    assert check.step(20.0, 99.0, at_rail=False) is None
    said = [check.step(20.0 + k / 100.0, 99.0, at_rail=False) for k in range(1, 210)]
    assert said[:190] == [None] * 190
    assert said[-1] == 20.0


def test_a_cells_step_is_its_smallest_change() -> None:
    check = StuckForce()
    assert check.quantum == 0.0
    for k, force in enumerate((0.0, 5.0, 7.5, 7.5, 4.0)):
        check.step(k / 100.0, force, at_rail=False)
    assert check.quantum == 2.5


def test_a_load_is_over_the_lowest_level_that_was_shown() -> None:
    check = lively()
    check.step(-0.02, -10.0, at_rail=False)
    assert stuck_after(check, 6.0) == 2.0
    check = lively()
    check.step(-0.02, 90.0, at_rail=False)
    assert stuck_after(check, 14.0) is None


# -- steps

Found = tuple[str, float, float, float]


def steps(
    xs: list[float], *, hz: float = 100.0, noise: float = 0.0, quantum: float = 0.0, late: float = 0.0, at: int = -1
) -> list[Found]:
    """What is found in positions; those from `at` on come `late` s later."""
    check = Steps()
    times = [k / hz + (late if 0 <= at <= k else 0.0) for k in range(len(xs))]
    found = [check.step(t, x, noise=noise, quantum=quantum) for t, x in zip(times, xs, strict=True)]
    return [each for each in found if each is not None]


def stepped(size: float, *, before: float = 0.0) -> list[float]:
    """100 samples of a speed in m per sample, a step on top, and 20 samples more."""
    return [before * k + (size if k >= 100 else 0.0) for k in range(120)]


@pytest.mark.parametrize("sign", [1.0, -1.0])
@pytest.mark.parametrize(
    ("hz", "largest"), [(100.0, 0.011), (50.0, 0.029), (200.0, 0.0065)]
)  # 5 mm, and 60 m/s^2 for one sample
def test_a_step_that_no_motion_makes_is_a_slip(hz: float, largest: float, sign: float) -> None:
    assert steps(stepped(sign * 0.97 * largest), hz=hz) == []
    ((name, begin, end, size),) = steps(stepped(sign * 1.03 * largest), hz=hz)
    assert name == "encoder_slip"
    assert (end, size) == near(100 / hz, sign * 1.03 * largest)
    assert begin == 0.0  # it stood so long: nobody knows when it slipped


def test_of_a_cable_that_moves_a_slip_is_between_two_samples() -> None:
    ((name, begin, end, size),) = steps(stepped(0.02, before=0.005))
    assert name == "encoder_slip"
    assert (begin, end, size) == near(0.99, 1.0, 0.025)


def test_a_slip_of_a_cable_that_stood_for_a_while_is_since_it_stood() -> None:
    ((_, begin, end, _),) = steps([0.001 * min(k, 50) + (0.02 if k >= 100 else 0.0) for k in range(120)])
    assert (begin, end) == (0.5, 1.0)


@pytest.mark.parametrize(
    ("noise", "quantum", "largest"), [(0.002, 0.0, 0.022), (0.0, 0.004, 0.016), (0.0005, 0.001, 0.011)]
)
def test_a_step_is_larger_than_the_encoders_noise_and_count(noise: float, quantum: float, largest: float) -> None:
    assert steps(stepped(0.97 * largest), noise=noise, quantum=quantum) == []
    assert len(steps(stepped(1.03 * largest), noise=noise, quantum=quantum)) == 1


def test_a_step_after_a_longer_pause_is_none() -> None:
    assert len(steps(stepped(0.05), at=100, late=0.005)) == 1
    assert steps(stepped(0.05), at=100, late=0.007) == []


def test_a_step_in_a_lively_motion_is_larger_than_eight_times_what_is_usual_there() -> None:
    jagged = [0.0, 0.001] * 50
    assert steps([*jagged, *[0.02] * 20]) == []
    assert len(steps([*jagged, *[0.05] * 20])) == 1
    assert len(steps([*jagged, *[0.0] * 300, *[0.02] * 20])) == 1


def test_what_speeds_up_evenly_does_not_step() -> None:
    assert steps([0.5 * 50.0 * (k / 100.0) ** 2 for k in range(50)]) == []


def chatter(
    size: float, *, quiet: int = 80, hz: float = 100.0, noise: float = 0.0, quantum: float = 0.0
) -> list[Found]:
    """What is found in a standing cable's position that flips 12 times."""
    return steps([0.0] * quiet + [size, 0.0] * 6, hz=hz, noise=noise, quantum=quantum)


def test_flips_to_and_fro_are_chatter() -> None:
    found = chatter(0.004)
    assert {each[0] for each in found} == {"encoder_chatter"}
    _, begin, end, size = found[-1]
    assert (begin, end, size) == near(0.83, 0.91, 0.004)
    assert chatter(0.0021) != []
    assert chatter(0.0019) == []


def test_chatter_takes_six_turns_and_a_channel_that_is_known() -> None:
    assert steps([0.0] * 80 + [0.004, 0.0] * 3) == []
    assert steps([0.0] * 80 + [0.004, 0.0] * 4) != []
    assert chatter(0.004, quiet=50) == []
    assert steps([0.0] * 80 + [0.004 * k for k in range(12)]) == []


def test_chatter_is_more_than_the_noise_and_the_count() -> None:
    assert chatter(0.004, noise=0.0004) != []
    assert chatter(0.004, noise=0.0006) == []
    assert chatter(0.004, quantum=0.0015) != []
    assert chatter(0.004, quantum=0.0017) == []


def test_flips_that_a_hand_could_make_are_no_chatter() -> None:
    assert chatter(0.004, hz=25.0) == []
    assert chatter(0.004, hz=50.0) != []


def test_a_noisy_encoder_finds_its_noise_again_and_it_is_no_fault() -> None:
    rng = random.Random(1)
    assert steps([rng.gauss(0.0, 0.001) for _ in range(2000)], noise=0.001) == []


# -- rate


def rated(*stretches: tuple[float, int]) -> list[tuple[bool, float, str | None]]:
    """What is said at each sample of stretches of a rate in Hz and a number of samples."""
    rate, t, said = Rate(), 0.0, []
    for hz, count in stretches:
        for _ in range(count):
            wrong, since = rate.step(t)
            said.append((wrong, since, rate.why))
            t += 1.0 / hz
    return said


@pytest.mark.parametrize(
    ("hz", "why"),
    [
        (9.0, "9 samples a second, too few for a stroke"),
        (9.4, "9.4 samples a second, too few for a stroke"),
        (9.6, None),
        (4800.0, None),
        (5200.0, "5.2e+03 samples a second; check the unit of the times"),
    ],
)
def test_a_rate_that_no_stroke_or_no_board_has_is_told(hz: float, why: str | None) -> None:
    said = rated((hz, 60))
    assert said[-1][2] == why
    assert said[-1][0] == (why is not None)
    assert not any(wrong for wrong, _, _ in said[:24])


def test_a_very_slow_rate_is_told_after_some_seconds() -> None:
    said = rated((1.0, 9))
    assert [wrong for wrong, _, _ in said] == [False] * 8 + [True]
    assert said[-1][1] == 0.0


@pytest.mark.parametrize(
    ("then", "why"),
    [
        (45.0, "45 samples a second instead of 100"), (52.0, None), (190.0, None),
        (210.0, "210 samples a second instead of 100"),
    ],
)  # fmt: skip
def test_a_rate_that_is_half_or_twice_what_it_was_is_told(then: float, why: str | None) -> None:
    said = rated((100.0, 60), (then, 60))
    assert said[-1][2] == why
    first = next((since for wrong, since, _ in said if wrong), None)
    assert (first is not None) == (why is not None)
    assert first is None or 0.3 < first < 0.6


def test_a_rate_that_comes_back_is_right_again() -> None:
    said = rated((100.0, 60), (20.0, 60), (100.0, 60))
    assert said[110][0]
    assert not said[-1][0]


def test_a_rate_that_only_begins_slowly_is_not_held_against_the_one_that_follows() -> None:
    said = rated((9.0, 60), (100.0, 400))
    assert said[59][2] == "9 samples a second, too few for a stroke"
    assert [why for _, _, why in said[-300:]] == [None] * 300


def test_a_rate_is_not_known_before_48_steps() -> None:
    assert not any(wrong for wrong, _, _ in rated((100.0, 30), (30.0, 60)))
    assert any(wrong for wrong, _, _ in rated((100.0, 50), (30.0, 60)))


def test_a_few_late_samples_are_no_rate() -> None:
    assert not any(wrong for wrong, _, _ in rated((100.0, 100), (20.0, 10), (100.0, 60)))

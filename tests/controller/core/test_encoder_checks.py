"""What an encoder cannot show: strokes that move nothing, a stop that wanders, a cable that goes in beyond its stop."""

from __future__ import annotations

from typing import Any

import pytest

from controller.core.encoder_checks import Inward, Stops, Swings


def near(*values: float) -> Any:
    """These numbers, to a millionth."""
    return tuple(pytest.approx(value) for value in values)


# -- swings


def wave(count: int, *, half: float, low: float = 0.0, high: float = 200.0, held: float = 0.0) -> list[float]:
    """Forces at 100 Hz: up in `half` s, held, down in `half` s, `count` times; it begins and ends at the low level."""
    steps = round(half * 100.0)
    up = [low + (high - low) * k / steps for k in range(steps)]
    return (up + [high] * round(held * 100.0) + [high + low - each for each in up]) * count + [low] * 20


def told(forces: list[float], *, noise: float = 0.0, moves: float = 0.0, at: float = 0.0) -> float | None:
    """When the swings were said to be strokes; the cable moves by `moves` m at `at` s, 10 mm are no motion."""
    swings = Swings()
    for k, force in enumerate(forces):
        t = k / 100.0
        if swings.step(t, force, moves if t >= at else 0.0, stands=0.01, noise=noise):
            return t
    return None


def test_three_strokes_without_motion_are_told_when_the_fourth_begins_and_two_are_not() -> None:
    three = told(wave(4, half=1.0))
    assert three is not None
    assert 6.0 < three < 6.4
    assert told(wave(2, half=1.0) + [0.0] * 600) is None
    assert told(wave(3, half=1.0)) is None


@pytest.mark.parametrize(
    ("low", "high", "noise", "seen"),
    [
        (0.0, 17.0, 0.0, True),
        (0.0, 14.0, 0.0, False),
        (900.0, 1090.0, 0.0, True),  # 15 % of the force
        (900.0, 1040.0, 0.0, False),
        (0.0, 45.0, 6.5, True),
        (0.0, 45.0, 8.0, False),
    ],
)
def test_a_swing_is_so_much_of_the_force_and_more_than_the_noise(
    low: float, high: float, noise: float, seen: bool  # noqa: FBT001
) -> None:  # fmt: skip
    # From a level that has been there for a while, as the force of late fades slowly.
    assert (told([low] * 300 + wave(7, half=1.0, low=low, high=high), noise=noise) is not None) == seen


def test_a_cable_that_moves_by_more_than_it_stands_by_begins_anew() -> None:
    assert told(wave(4, half=1.0), moves=0.009, at=4.0) is not None
    assert told(wave(4, half=1.0), moves=0.011, at=4.0) is None
    assert told(wave(4, half=1.0), moves=-0.011, at=4.0) is None
    later = told(wave(7, half=1.0), moves=0.011, at=4.0)
    assert later is not None
    assert later > 9.9


def test_strokes_without_motion_have_been_since_the_cable_stood() -> None:
    swings, since = Swings(), set()
    for k, force in enumerate(wave(7, half=1.0)):
        if swings.step(k / 100.0, force, 0.2 if k >= 150 else 0.0, stands=0.01, noise=0.0):
            since.add(swings.since)
    assert since == {1.5}


def test_quick_strokes_are_told_after_three_seconds_and_knocks_never() -> None:
    quick = told(wave(20, half=0.2))
    assert quick is not None
    assert 3.0 <= quick < 3.1
    assert told(wave(60, half=0.07)) is None


def test_what_takes_more_than_twelve_seconds_is_no_stroke() -> None:
    assert told(wave(4, half=11.0)) is not None
    assert told(wave(4, half=13.0)) is None


def test_a_hold_that_begins_with_the_stack_down_is_no_stroke_of_a_cable_that_does_not_move() -> None:
    assert told(wave(6, half=1.0, held=3.0)) is None
    assert told(wave(6, half=1.0, held=2.0)) is not None
    assert told(wave(6, half=1.0, held=3.0, low=60.0)) is not None
    assert told(wave(6, half=1.0, held=3.0, low=30.0)) is None


# -- stops


def came_home(
    xs: list[float], *, stay: float = 0.4, out: float = 0.5, load: int = 1, stops: Stops | None = None, t: float = 0.0
) -> list[tuple[float, float] | None]:
    """What is said after each visit: one every 10 s, with a stroke of `out` m before it."""
    stops = stops if stops is not None else Stops()
    for _ in range(abs(load)):
        stops.held(load=load > 0)
    found = []
    for number, x in enumerate(xs):
        begin = t + 10.0 * number
        stops.moved(x + out)
        for k in range(round(stay * 100.0) + 1):
            stops.moved(x)
            stops.home(begin + k / 100.0, x)
        found.append(stops.settled(begin + stay))
    return found


def test_a_stop_that_stays_within_four_millimetres_is_one() -> None:
    assert came_home([0.0, 0.003, 0.0, 0.003, 0.001, 0.002, 0.0, 0.003]) == [None] * 8


@pytest.mark.parametrize("sign", [1.0, -1.0])
def test_a_stop_that_has_moved_is_told_when_the_cable_came_home_to_it_three_times(sign: float) -> None:
    found = came_home([0.0, 0.0, sign * 0.012, sign * 0.012, sign * 0.012])
    assert found[:4] == [None] * 4
    assert found[4] is not None
    assert found[4] == near(10.4, sign * 0.012)


def test_by_how_much_is_from_the_middle_of_the_old_to_the_middle_of_the_new() -> None:
    found = came_home([0.0, 0.002, 0.015, 0.018, 0.016])[-1]
    assert found == near(10.4, 0.015)


@pytest.mark.parametrize(
    "xs",
    [
        [0.0, 0.012, 0.012, 0.012],  # one visit is no stop yet
        [0.0, 0.0, 0.0095, 0.0095, 0.0095],
        [0.0, 0.005, 0.017, 0.017, 0.017],
        [0.0, 0.0, 0.012, 0.017, 0.012],
    ],
)
def test_a_stop_that_is_not_sure_has_not_moved(xs: list[float]) -> None:
    assert came_home(xs) == [None] * len(xs)


@pytest.mark.parametrize("sign", [1.0, -1.0])
def test_a_stop_that_creeps_is_told_after_three_steps_of_one_way(sign: float) -> None:
    found = came_home([sign * each for each in (0.0, 0.008, 0.016, 0.024)])
    assert found == [None, None, None, near(0.4, sign * 0.024)]
    assert came_home([sign * each for each in (0.0, 0.006, 0.012, 0.018)]) == [None] * 4
    assert came_home([sign * each for each in (0.0, 0.01, 0.02, 0.023)]) == [None] * 4
    assert came_home([sign * each for each in (0.0, 0.02, 0.01, 0.04)]) == [None] * 4


def test_once_it_has_slipped_the_next_visit_tells_until_it_stays() -> None:
    stops, slipped = Stops(), [0.0, 0.0, 0.012, 0.012, 0.012]
    came_home(slipped, stops=stops)
    assert came_home([0.017, 0.0205, 0.026], stops=stops, t=50.0) == [
        near(40.4, 0.005),
        None,
        near(60.4, 0.0055),
    ]
    stayed = Stops()
    came_home(slipped, stops=stayed)
    assert came_home([0.012, 0.012, 0.017], stops=stayed, t=50.0) == [None] * 3


def test_a_visit_takes_three_tenths_of_a_second_and_is_asked_for_while_it_lasts() -> None:
    xs = [0.0, 0.0, 0.012, 0.012, 0.012]
    assert came_home(xs, stay=0.28)[-1] is None
    assert came_home(xs, stay=0.32)[-1] is not None
    stops = Stops()
    came_home(xs[:4], stops=stops)
    stops.moved(0.5)
    for k in range(40):
        stops.home(50.0 + k / 100.0, 0.012)
    assert stops.settled(50.5) is None
    assert stops.settled(50.39) is not None


def test_without_a_load_that_hangs_on_at_the_top_a_cable_may_come_home_to_anywhere() -> None:
    xs = [0.0, 0.0, 0.012, 0.012, 0.012]
    assert came_home(xs, load=0)[-1] is None
    assert came_home(xs, load=-1)[-1] is None
    for without, seen in ((2, True), (3, False)):  # no more than three reps are remembered
        stops = Stops()
        for load in [True] * 5 + [False] * without:
            stops.held(load=load)
        assert (came_home(xs, load=0, stops=stops)[-1] is not None) == seen
    stops = Stops()
    for load in [False] * 9 + [True] * 4:
        stops.held(load=load)
    assert came_home(xs, load=0, stops=stops)[-1] is not None


def test_a_short_way_out_is_no_stroke_and_the_visit_goes_on() -> None:
    stops = Stops()
    came_home([0.0, 0.0], out=0.09, stops=stops)
    assert [(each.t0, each.t1, each.x) for each in stops.visits] == [near(0.0, 10.4, 0.0)]
    came_home([0.0], out=0.11, stops=stops, t=20.0)
    assert [each.t0 for each in stops.visits] == [0.0, 20.0]
    came_home([0.005], out=0.05, stops=stops, t=30.0)
    assert [(each.t0, each.x) for each in stops.visits] == [(0.0, 0.0), (30.0, 0.005)]
    came_home([0.008], out=0.05, stops=stops, t=40.0)
    assert [(each.t0, each.x) for each in stops.visits] == [(0.0, 0.0), (30.0, 0.005)]


@pytest.mark.parametrize("stop", [-1.0, 1.0])
def test_it_is_no_matter_where_a_stop_is(stop: float) -> None:
    stops = Stops()
    came_home([stop, stop], out=0.09, stops=stops)
    assert len(stops.visits) == 1
    assert came_home([stop + x for x in (0.0, 0.0, 0.012, 0.012, 0.012)])[-1] == near(10.4, 0.012)


def test_no_more_visits_are_remembered_than_are_needed() -> None:
    stops = Stops()
    came_home([0.0] * 40, stops=stops)
    assert 5 <= len(stops.visits) <= 16


@pytest.mark.parametrize(
    ("bottoms", "home", "seen"),
    [
        ((0.0, 0.01, 0.02), 0.02, True),
        ((0.0, -0.01, -0.02), -0.02, True),
        ((0.0, 0.02), 0.02, False),
        ((0.0, 0.0, 0.0), 0.02, False),
        ((0.0, 0.005, 0.009), 0.009, False),
        ((0.0, 0.01, 0.027), 0.04, True),  # a third of the way may be missing
        ((0.0, 0.01, 0.026), 0.04, False),
        ((0.0, 0.005, 0.0075), 0.012, True),
        ((0.0, 0.005, 0.0065), 0.012, False),
        ((0.0, 0.01, 0.06), 0.04, False),
    ],
)
def test_a_stop_that_went_along_with_the_bottoms_of_three_reps_has_moved(
    bottoms: tuple[float, ...], home: float, seen: bool  # noqa: FBT001
) -> None:  # fmt: skip
    stops = Stops()
    came_home([0.0], stops=stops)
    for number, x in enumerate(bottoms):
        stops.rep(2.0 + number, x)
    found = came_home([home], stops=stops, t=10.0)[-1]
    assert found == (near(0.4, home) if seen else None)


def test_the_reps_before_the_last_visit_have_no_say_in_it() -> None:
    stops = Stops()
    for number, x in enumerate((0.0, 0.01)):
        stops.rep(-3.0 + number, x)
    came_home([0.0], stops=stops)
    stops.rep(5.0, 0.02)
    assert came_home([0.02], stops=stops, t=10.0)[-1] is None


# -- inward


def strokes_in(
    start: float = 0.35, *, home: float | None = 0.5, inward: float = 200.0, outward: float = 200.0,
    out_to: float = 0.5, speed: float = 0.3, least: float = 15.0,
) -> bool:  # fmt: skip
    """Whether strokes between home and `start`, 0.15 m inside it unless told, give a count that runs down."""
    check = Inward()
    if home is not None:
        check.home(home)
    for k in range(10):
        check.step(start + 0.01 * k, -speed, inward)
        check.step(start + 0.01 * k, speed, outward)
    check.step(out_to, 0.0, inward)
    return check.stroke(start, least=least)


def test_loaded_strokes_beyond_the_stop_count_down() -> None:
    assert strokes_in()
    assert strokes_in(0.39)
    assert not strokes_in(0.41)
    assert not strokes_in(home=None)


def test_they_do_not_where_the_way_out_is_the_heavier_one() -> None:
    assert strokes_in(inward=198.5)
    assert not strokes_in(inward=197.0)
    assert strokes_in(inward=220.0)


def test_they_do_not_without_a_load_both_ways() -> None:
    assert not strokes_in(inward=14.0, outward=14.0)
    assert not strokes_in(inward=14.0)
    assert not strokes_in(outward=14.0)
    assert strokes_in(inward=16.0, outward=16.0)
    assert not strokes_in(inward=40.0, outward=40.0, least=41.0)
    assert strokes_in(inward=40.0, outward=40.0, least=40.0)


def test_they_do_not_where_the_cable_has_gone_out_under_load() -> None:
    assert strokes_in(out_to=0.519)
    assert not strokes_in(out_to=0.521)


def test_a_cable_that_hardly_moves_says_nothing() -> None:
    assert not strokes_in(speed=0.05)
    assert strokes_in(speed=0.051)


def test_at_home_all_begins_anew() -> None:
    check = Inward()
    check.home(0.5)
    for velocity in (-0.3, 0.3):
        check.step(0.3, velocity, 200.0)
    assert check.stroke(0.3, least=15.0)
    check.home(0.5)
    assert not check.stroke(0.3, least=15.0)

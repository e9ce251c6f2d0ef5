"""What a load cell cannot show: a cable that pushes, strokes that carry nothing, a zero that wanders."""

from __future__ import annotations

import pytest

from controller.core.force_checks import Sign, Unloaded, ZeroShift

# -- sign


def rest(sign: Sign, level: float, *, t: float = 0.0, seconds: float = 1.1, noise: float = 0.0) -> Sign:
    """The cable stands with its stack down, 100 samples a second."""
    for k in range(round(seconds * 100.0)):
        sign.rests(t + k / 100.0, level, noise=noise)
    return sign


def test_a_stroke_under_which_the_force_falls_below_rest_tells_at_once() -> None:
    assert rest(Sign(), 0.0).stroke(5.0, -16.0) == 5.0
    assert rest(Sign(), 0.0).stroke(5.0, -14.0) is None
    assert rest(Sign(), 100.0).stroke(5.0, 84.0) == 5.0
    assert rest(Sign(), 100.0).stroke(5.0, 86.0) is None
    assert rest(Sign(), 100.0).stroke(5.0, 150.0) is None


def test_without_a_rest_a_second_stroke_has_to_agree() -> None:
    sign = Sign()
    assert sign.stroke(5.0, -16.0) is None
    assert sign.stroke(7.0, -16.0) == 5.0
    assert sign.stroke(9.0, -14.0) is None


def test_a_rest_is_one_force_for_a_second() -> None:
    assert rest(Sign(), 100.0, seconds=0.95).stroke(5.0, 80.0) is None
    assert rest(Sign(), 100.0, seconds=1.05).stroke(5.0, 80.0) == 5.0


def test_motion_breaks_a_rest() -> None:
    sign = rest(Sign(), 100.0, seconds=0.6)
    sign.moves()
    assert rest(sign, 100.0, t=0.6, seconds=0.6).stroke(5.0, 80.0) is None


@pytest.mark.parametrize(
    ("level", "shift", "noise", "one"),
    [
        (0.0, 2.4, 0.0, True), (0.0, 2.7, 0.0, False), (0.0, -2.7, 0.0, False), (0.0, 5.0, 2.7, True),
        (0.0, 5.0, 2.4, False), (200.0, 5.5, 0.0, True), (200.0, 6.5, 0.0, False),
    ],
)  # fmt: skip
def test_a_force_is_one_within_a_band_of_the_cells_noise_and_of_itself(
    level: float, shift: float, noise: float, one: bool  # noqa: FBT001
) -> None:  # fmt: skip
    sign = rest(Sign(), level, seconds=0.6, noise=noise)
    rest(sign, level + shift, t=0.6, seconds=0.6, noise=noise)
    assert (sign.stroke(5.0, level - 30.0) is not None) == one


def test_of_two_rests_far_apart_the_first_is_the_level_until_a_stroke_agrees_with_the_lower() -> None:
    held = rest(rest(Sign(), 0.0), 30.0, t=2.0, seconds=1.5)  # somebody holds on
    assert held.stroke(5.0, -16.0) == 5.0
    lower = rest(rest(Sign(), 0.0), -30.0, t=2.0, seconds=1.5)
    assert lower.stroke(5.0, -20.0) is None
    assert lower.stroke(7.0, -20.0) == 5.0
    again = rest(rest(Sign(), 0.0), -30.0, t=2.0, seconds=1.5)
    assert again.stroke(5.0, -20.0) is None
    assert again.stroke(6.0, -10.0) is None  # so the lower one is the unloaded level
    assert again.stroke(7.0, -20.0) is None
    assert again.stroke(9.0, -46.0) == 9.0


def test_the_level_follows_a_zero_that_drifts() -> None:
    sign = Sign()
    for number in range(5):
        sign.moves()
        rest(sign, 10.0 * number, t=2.0 * number)
    assert not sign.rises(54.0)
    assert sign.rises(56.0)


def test_a_force_rises_by_more_than_fifteen_newtons() -> None:
    assert Sign().rises(15.1)
    assert not Sign().rises(14.9)
    assert rest(Sign(), -100.0).rises(-84.0)
    assert not rest(Sign(), -100.0).rises(-86.0)


def test_a_tare_is_a_rest_and_forgets_what_fell() -> None:
    sign = Sign()
    sign.stroke(5.0, -20.0)
    sign.tared(-20.0)
    assert sign.stroke(6.0, -30.0) is None
    assert sign.stroke(7.0, -36.0) == 7.0


def alone(forces: list[float], sign: Sign | None = None) -> tuple[float | None, bool]:
    """What is said at the last of the forces, ten a second, of a cell without a position."""
    sign = sign or Sign()
    said: tuple[float | None, bool] = (None, False)
    for k, force in enumerate(forces):
        said = sign.alone(k / 10.0, force)
    return said


def tared(level: float) -> Sign:
    sign = Sign()
    sign.tared(level)
    return sign


def test_without_a_position_a_force_below_zero_for_three_tenths_of_a_second_is_pushed() -> None:
    assert alone([0.0] + [-16.0] * 4) == (0.1, False)
    assert alone([0.0] + [-16.0] * 3) == (None, False)
    assert alone([0.0] + [-14.0] * 9) == (None, False)
    assert alone([0.0, *[-16.0] * 3, 0.0, *[-16.0] * 3]) == (None, False)


def test_without_a_position_a_force_above_zero_for_as_long_is_pulled() -> None:
    assert alone([0.0] + [16.0] * 4) == (None, True)
    assert alone([0.0] + [16.0] * 3) == (None, False)
    assert alone([0.0] + [14.0] * 9) == (None, False)
    assert alone([0.0, *[16.0] * 3, 0.0, *[16.0] * 3]) == (None, False)


def test_a_cell_that_began_far_from_zero_says_nothing_before_it_was_near() -> None:
    assert alone([-300.0] * 9) == (None, False)
    assert alone([300.0] * 9) == (None, False)
    assert alone([-300.0, -14.0, *[-300.0] * 4]) == (0.2, False)
    assert alone([-300.0, -16.0, *[-300.0] * 4]) == (None, False)


def test_a_fall_by_less_than_was_pulled_is_a_hand_that_lets_go() -> None:
    assert alone([0.0, *[100.0] * 3, *[-90.0] * 5]) == (None, False)
    assert alone([0.0, *[100.0] * 3, *[-110.0] * 5]) == (0.4, False)


def test_a_fall_counts_from_a_level_that_is_near_zero_only() -> None:
    assert alone([-20.0] * 5, tared(10.0)) == (None, False)
    assert alone([-24.0] * 5, tared(10.0)) == (0.0, False)
    assert alone([-14.0] * 5, tared(4.0)) == (None, False)
    assert alone([-16.0] * 5, tared(4.0)) == (0.0, False)
    assert alone([26.0] * 5, tared(10.0)) == (None, True)
    assert alone([24.0] * 5, tared(10.0)) == (None, False)


# -- strokes without load


def strokes(
    check: Unloaded, count: int, *, rom: float = 0.5, lasts: float = 2.0, every: float = 4.0
) -> list[float | None]:
    return [check.stroke(every * k, every * k + lasts, rom) for k in range(count)]


def trained(*roms: float | None) -> Unloaded:
    """In a set with reps of these ROMs."""
    check = Unloaded()
    for rom in roms:
        check.loaded(rom)
    return check


def test_in_a_set_the_second_stroke_without_load_tells_and_between_sets_the_third() -> None:
    assert strokes(trained(0.5), 3) == [None, 0.0, 0.0]
    between = trained(0.5)
    between.in_set = False
    assert strokes(between, 4) == [None, None, 0.0, 0.0]


def test_before_anything_was_loaded_the_fifth_even_stroke_tells() -> None:
    assert strokes(Unloaded(), 6) == [None, None, None, None, 0.0, 0.0]


@pytest.mark.parametrize(
    ("roms", "lasts", "even"),
    [
        ((0.5, 0.5, 0.64, 0.5, 0.5), (2.0,) * 5, True),
        ((0.5, 0.5, 0.66, 0.5, 0.5), (2.0,) * 5, False),
        ((0.5,) * 5, (2.0, 2.0, 2.0, 2.0, 2.55), True),
        ((0.5,) * 5, (2.0, 2.0, 2.0, 2.0, 2.65), False),
    ],
)
def test_strokes_are_even_by_their_rom_and_by_their_time(
    roms: tuple[float, ...], lasts: tuple[float, ...], even: bool  # noqa: FBT001
) -> None:  # fmt: skip
    check = Unloaded()
    said = [check.stroke(4.0 * k, 4.0 * k + lasts[k], roms[k]) for k in range(5)]
    assert (said[-1] is not None) == even


def test_an_uneven_stroke_is_forgotten_after_five() -> None:
    check = Unloaded()
    check.stroke(-4.0, -2.0, 0.9)
    assert strokes(check, 5)[-1] == -4.0


@pytest.mark.parametrize(("rom", "alike"), [(0.61, True), (0.64, False), (0.39, True), (0.36, False)])
def test_only_strokes_like_the_loaded_ones_count(rom: float, alike: bool) -> None:  # noqa: FBT001
    check = trained(0.2, 0.5, 0.9)
    assert (strokes(check, 2, rom=rom)[-1] is not None) == alike


def test_a_stroke_long_after_the_last_begins_anew() -> None:
    assert strokes(trained(0.5), 2, every=9.9) == [None, 0.0]
    assert strokes(trained(0.5), 2, every=10.1) == [None, None]


def test_a_loaded_rep_begins_anew_and_one_without_a_rom_says_nothing_of_what_is_usual() -> None:
    check = trained(0.5)
    check.stroke(0.0, 2.0, 0.5)
    check.loaded(None)
    assert check.usual == [0.5]
    assert check.stroke(4.0, 6.0, 0.5) is None
    assert trained(*[0.5] * 20).usual == [0.5] * 9


# -- zero


def rests(
    check: ZeroShift, t: float, level: float, *, quantum: float = 0.0, corrected: bool = True, at_home: bool = True
) -> tuple[float, float] | bool | None:
    return check.rests(t, level, quantum=quantum, corrected=corrected, at_home=at_home)


def known(level: float = 0.0, usual: float | None = 300.0) -> ZeroShift:
    """A zero that was confirmed before and after motion, at 2 s; reps of 300 N unless told."""
    check = ZeroShift()
    if usual is not None:
        check.rep(usual)
    rests(check, 1.0, level)
    check.moves()
    assert rests(check, 2.0, level) is True
    check.moves()
    return check


def test_the_first_level_says_nothing_and_one_that_stays_after_motion_does() -> None:
    check = ZeroShift()
    assert rests(check, 1.0, 0.0) is None
    assert rests(check, 2.0, 0.0) is None
    check.moves()
    assert rests(check, 3.0, 0.0) is True
    assert rests(check, 4.0, 0.0) is None


@pytest.mark.parametrize(
    ("usual", "moved", "quantum", "seen"),
    [
        (100.0, 8.1, 0.0, True), (100.0, 7.9, 0.0, False), (100.0, -8.1, 0.0, True), (300.0, 12.1, 0.0, True),
        (300.0, 11.9, 0.0, False), (100.0, 14.9, 10.0, False), (100.0, 15.1, 10.0, True),
    ],
)  # fmt: skip
def test_a_zero_moves_by_more_than_eight_newtons_a_share_of_the_force_and_the_cells_steps(
    usual: float, moved: float, quantum: float, seen: bool  # noqa: FBT001
) -> None:  # fmt: skip
    found = rests(known(20.0, usual), 9.0, 20.0 + moved, quantum=quantum)
    assert found == ((2.0, pytest.approx(moved)) if seen else True)


def test_a_corrected_zero_is_what_the_next_is_compared_with_and_one_left_alone_is_not() -> None:
    for corrected in (True, False):
        check = known()
        assert rests(check, 9.0, 20.0, corrected=corrected) == (2.0, 20.0)
        check.moves()
        again = rests(check, 15.0, 20.0, corrected=corrected)
        assert again == (True if corrected else (2.0, 20.0))
    check = known()
    rests(check, 9.0, 20.0)
    assert rests(check, 15.0, 40.0) == (9.0, 20.0)


def test_before_a_rep_any_level_is_the_first() -> None:
    check = known(usual=None)
    assert rests(check, 9.0, 200.0) is True
    check.rep(300.0)
    check.moves()
    assert rests(check, 12.0, 200.0) is True


def test_the_usual_force_follows_the_reps() -> None:
    check, usual = ZeroShift(), []
    for force in (300.0, 400.0):
        usual.append(check.usual)
        check.rep(force)
    assert [*usual, check.usual] == [None, 300.0, 330.0]


def test_a_tare_is_the_level_from_then_on() -> None:
    check = known()
    check.tared(5.0, 50.0)
    assert rests(check, 9.0, 50.0) is None
    assert rests(check, 10.0, 80.0) == (9.0, 30.0)


def test_a_slow_drift_moves_the_level_along() -> None:
    check = known()
    for k in range(400):
        check.moves()
        assert rests(check, 3.0 + k, 0.05 * k) is True


@pytest.mark.parametrize(
    ("base", "level", "at_home", "sure", "let_go"),
    [
        (100.0, 5.0, True, True, True),  # down to zero
        (-100.0, -195.0, True, True, True),  # by a third of the usual force
        (100.0, 60.0, True, True, False),
        (100.0, 60.0, True, False, True),  # nobody knows the first level was one
        (-20.0, -60.0, True, False, False),  # below zero: no hand can bring it there
        (-20.0, -60.0, False, False, True),
        (9.0, -31.0, True, False, True),
        (7.0, -33.0, True, False, False),
        (40.0, 7.0, True, True, True),
        (40.0, 9.0, True, True, False),
        (100.0, 11.0, True, True, False),
        (105.0, 14.0, True, True, True),
    ],
)
def test_a_level_that_falls_may_be_a_hand_that_lets_go(
    base: float, level: float, at_home: bool, sure: bool, let_go: bool  # noqa: FBT001
) -> None:  # fmt: skip
    if sure:
        check = known(base)
    else:
        check = ZeroShift()
        check.rep(300.0)
        rests(check, 2.0, base)
    found = rests(check, 9.0, level, at_home=at_home)
    assert found == (True if let_go else (2.0, pytest.approx(level - base)))
    check.moves()
    assert rests(check, 12.0, level) is True

"""Whether each load cell is on the cable whose position it goes with, stroke by stroke."""

from __future__ import annotations

import numpy as np

from controller.core.side_checks import Channels, Swap
from tests.controller.core.signals import Floats, minimum_jerk

STACK = 40.0  # kg


def moved(t: Floats, begin: float, lasts: float, way: float) -> Floats:
    return way * minimum_jerk((t - begin) / lasts)


def channels(t0: float, *, swapped: bool, still: bool = False, live: float = 1.0) -> tuple[Channels, Channels]:
    """Both sides' samples from before t0: each pulls a stack, the right one a little later and further.

    still: the right one does not move; live: how much of the stacks' inertia is in the forces.
    """
    t = np.arange(t0 - 0.5, t0 + 3.0, 0.01)
    xs = [moved(t, t0, 1.0, 0.5), moved(t, t0 + 0.2, 1.3, 0.0 if still else 0.6)]
    fs = [200.0 + live * STACK * np.gradient(np.gradient(x, 0.01), 0.01) for x in xs]
    if swapped:
        fs.reverse()
    return (t, xs[0], t, fs[0]), (t, xs[1], t, fs[1])


def after(
    *strokes: tuple[float, bool], lasts: float = 1.5, still: bool = False, live: float = 1.0
) -> list[float | None]:
    """Since when the cells are said to be swapped after each stroke, (start, swapped)."""
    swap, said = Swap(), []
    for t0, swapped in strokes:
        swap.stroke(t0, t0 + lasts, *channels(t0, swapped=swapped, still=still, live=live))
        said.append(swap.since)
    return said


def test_two_strokes_under_which_the_forces_go_crosswise_are_swapped_cells_from_the_start() -> None:
    assert after((5.0, True), (9.0, True)) == [None, 0.0]


def test_so_they_are_where_one_cable_stands() -> None:
    assert after((5.0, True), (9.0, True), still=True) == [None, 0.0]
    assert after((5.0, False), (9.0, False), still=True) == [None, None]


def test_cells_that_follow_their_own_cables_are_not_swapped() -> None:
    assert after(*((5.0 + 4.0 * k, False) for k in range(5))) == [None] * 5


def test_strokes_that_start_within_a_second_are_one_vote() -> None:
    assert after((5.0, True), (5.9, True)) == [None, None]
    assert after((5.0, True), (6.1, True)) == [None, 0.0]


def test_cells_that_were_right_are_swapped_after_four_strokes_since_the_first_of_them() -> None:
    right = [(5.0, False), (9.0, False)]
    assert after(*right, *((13.0 + 4.0 * k, True) for k in range(4))) == [None] * 5 + [13.0]
    assert after((5.0, False), (13.0, True), (17.0, True)) == [None, None, 0.0]  # once right is not yet right


def test_a_straight_stroke_between_begins_anew() -> None:
    assert after((5.0, True), (9.0, False), (13.0, True), (17.0, True)) == [None, None, None, 0.0]


def test_swapped_cells_are_right_again_after_two_strokes_in_a_row() -> None:
    swapped = [(5.0, True), (9.0, True)]
    assert after(*swapped, (13.0, False), (17.0, False)) == [None, 0.0, 0.0, None]
    assert after(*swapped, (13.0, False), (17.0, True), (21.0, False)) == [None, 0.0, 0.0, 0.0, 0.0]


def test_a_short_stroke_says_nothing() -> None:
    assert after((5.0, True), (9.0, True), lasts=0.33) == [None, None]


def test_a_force_that_hardly_changes_says_nothing() -> None:
    assert after((5.0, True), (9.0, True), live=0.02) == [None, None]


def test_samples_that_begin_after_the_stroke_say_nothing() -> None:
    swap = Swap()
    for t0 in (5.0, 9.0):
        left, right = channels(t0, swapped=True)
        late = tuple(each[55:] for each in right)
        swap.stroke(t0, t0 + 1.5, left, (right[0], right[1], late[2], late[3]))
    assert swap.since is None


def test_cables_that_stand_say_nothing() -> None:
    swap = Swap()
    for t0 in (5.0, 9.0):
        (t, x, _, left), (_, _, _, right) = channels(t0, swapped=True)
        swap.stroke(t0, t0 + 1.5, (t, 0.01 * x, t, left), (t, 0.01 * x, t, right))
    assert swap.since is None


def test_a_force_that_neither_motion_explains_says_nothing() -> None:
    rng = np.random.default_rng(1)
    swap = Swap()
    for t0 in (5.0, 9.0, 13.0):
        left, right = channels(t0, swapped=True)
        noisy = [(t, x, tf, f + np.convolve(rng.normal(0.0, 300.0, len(f)), np.ones(9) / 9, "same"))
                 for t, x, tf, f in (left, right)]  # fmt: skip
        swap.stroke(t0, t0 + 1.5, noisy[0], noisy[1])
    assert swap.since is None

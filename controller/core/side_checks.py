"""What two sides say about each other: whether each load cell is on the cable whose position it goes with.

The force of a cable follows its own motion: the stack's inertia, its friction, a spring. Over each stroke both forces
are fitted with both motions; where they fit crosswise and not straight, the cells are swapped.
"""

from __future__ import annotations

from typing import Final

import numpy as np
from numpy.typing import NDArray

from controller.core.trace import Floats

STEP: Final = 0.02  # s
SMOOTH: Final = 9  # steps that are averaged, of forces and motions alike
STANDS: Final = 0.01  # m; so little motion explains no force
BRISK: Final = 0.15  # of a stroke's peak velocity; slower, friction is still on its way
BETTER: Final = 0.35  # of the other fit's residual; so much better is a vote
NOISE: Final = 1.0  # N; residuals under it tell nothing
LIVELY: Final = 0.02  # of the largest force; a force that varies less tells nothing either
TOLD: Final = 0.03  # of the forces' variance; what the right motions leave of it at most
APART: Final = 1.0  # s; two sides' strokes that start closer are one vote
FIRST_VOTES: Final = 2  # at the start of a session
LATER_VOTES: Final = 4  # once the sides were right
RIGHT_AGAIN: Final = 2

Channels = tuple[Floats, Floats, Floats, Floats]  # times and positions, times and forces


class Swap:
    """Votes stroke by stroke."""

    def __init__(self) -> None:
        self._crosswise: list[float] = []  # starts of strokes in a row
        self._straight = 0  # strokes in a row
        self._was_right = False
        self.since: float | None = None  # s; from when the cells are swapped, None where they are not

    def stroke(self, t0: float, t1: float, left: Channels, right: Channels) -> None:
        """Take what both sides did during a stroke out of one of them, from t0 to t1."""
        t = np.arange(t0, t1, STEP)
        if len(t) < 2 * SMOOTH:
            return
        if any(len(each) < SMOOTH or each[0] > t0 + STEP for side in (left, right) for each in side[::2]):
            return
        places = [_smoothed(np.interp(t, side[0], side[1])) for side in (left, right)]
        forces = [_smoothed(np.interp(t, side[2], side[3])) for side in (left, right)]
        moving = [x for x in places if float(np.ptp(x)) >= STANDS]
        brisk = np.all([_brisk(x) for x in moving], axis=0) if moving else np.zeros(len(places[0]), dtype=bool)
        if int(np.sum(brisk)) < SMOOTH:
            return
        motions = [_regressors(x)[brisk] for x in places]
        forces = [force[brisk] for force in forces]
        straight = _residual(forces[0], motions[0]) + _residual(forces[1], motions[1])
        crosswise = _residual(forces[0], motions[1]) + _residual(forces[1], motions[0])
        whole = float(np.var(forces[0]) + np.var(forces[1]))
        if whole < max(NOISE, LIVELY * float(np.max(np.abs(forces)))) ** 2:
            return
        if min(straight, crosswise) < TOLD * whole:
            self._vote(t0, straight, crosswise)

    def _vote(self, t0: float, straight: float, crosswise: float) -> None:
        if max(straight, crosswise) < NOISE**2:
            return
        if crosswise < BETTER * straight:
            self._straight = 0
            if self._crosswise and abs(t0 - self._crosswise[-1]) < APART:
                return
            self._crosswise = [*self._crosswise[-7:], t0]
            if self.since is None and len(self._crosswise) >= (LATER_VOTES if self._was_right else FIRST_VOTES):
                self.since = self._crosswise[0] if self._was_right else 0.0
        elif straight < BETTER * crosswise:
            self._crosswise.clear()
            self._straight += 1
            if self._straight >= RIGHT_AGAIN:
                self._was_right, self.since = True, None


def _smoothed(values: Floats) -> Floats:
    return np.convolve(values, np.full(SMOOTH, 1.0 / SMOOTH), "valid")


def _brisk(x: Floats) -> NDArray[np.bool_]:
    """Where a stroke is well on its way: the stretch around its peak velocity."""
    v = np.gradient(x, STEP)
    peak = int(np.argmax(v))
    slow = np.flatnonzero(v < BRISK * v[peak])
    first = slow[slow < peak].max(initial=-1) + 1
    last = slow[slow > peak].min(initial=len(v))
    inside = np.zeros(len(v), dtype=bool)
    inside[first:last] = True
    return inside


def _regressors(x: Floats) -> Floats:
    """What a force may follow: nothing, the place (a spring), the acceleration (a stack).

    Not the velocity: with that, one side's motion could be made to look like the other's a moment later.
    """
    one = np.ones_like(x)
    if float(np.ptp(x)) < STANDS:
        return one[:, None]
    return np.column_stack((one, x, np.gradient(np.gradient(x, STEP), STEP)))


def _residual(force: Floats, motion: Floats) -> float:
    """Mean square of what the motion leaves of the force, N^2."""
    scale = np.maximum(np.abs(motion).max(axis=0), 1e-12)
    fit, *_ = np.linalg.lstsq(motion / scale, force, rcond=None)
    return float(np.mean((force - motion / scale @ fit) ** 2))

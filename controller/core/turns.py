"""Where a stroke ends, read from the whole of its flanks: near its level each is taken for a power of time.

A flank of a minimum-jerk stroke grows with the cube of time (Flash and Hogan 1985), one that is stopped hard with the
square, one that runs out with the fourth power; so the power is fitted too. Level and heights are linear in such a
model and come out of it by themselves (variable projection, Golub and Pereyra 1973); times and powers are found by
damped least squares (Marquardt 1963).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]

POWER: Final = 3.0
POWER_SPREAD: Final = 1.0  # of the powers of strokes, by which one is held where the samples do not tell it
POWERS_TRIED: Final = (3.0, 2.2, 4.0)
GOOD: Final = 1.3  # times the noise that a fit may leave over to be taken at once
SEEN: Final = 3.0  # times the noise that a flank must be high
POWERS: Final = (1.7, 5.0)  # a step of the acceleration; a long run-out
HEIGHT: Final = 50.0  # standard deviations of the noise up to which a flank is read
HEIGHT_LEAST: Final = 0.004  # m; at least so far
HEIGHT_MOST: Final = 0.08  # of the ROM; at most so far
STAND: Final = 0.06  # s from flank to flank that are a stand and not a turn
SURE: Final = 10.0  # variances by which a stand must fit better than a turn (an F test at some 0.2 %)
APART: Final = 0.6  # s from flank to flank; beyond, each is fitted by itself
BESIDE: Final = 0.3  # s of the stand that are looked at beside such a flank
POINTS: Final = 150  # in a fit at most; neighbours are averaged
LEAST_POINTS: Final = 8
ROUNDS: Final = 12
MISFIT: Final = 3.0  # times the noise by which the fit may be off; beyond, the motion is not of this kind


@dataclass(frozen=True, slots=True)
class Corner:
    """An end of a stroke: its level in m, when it is reached and when it is left in s; in a turn the same instant."""

    level: float
    reached: float
    left: float


@dataclass(frozen=True, slots=True)
class _Fit:
    """reached, left: where the flanks would meet the level, s; powers of time; heights (m) at `scale` s from there."""

    reached: float
    left: float
    powers: tuple[float, float]
    scale: float
    level: float
    heights: tuple[float, float]
    tall: tuple[float, float]  # m, how high the flanks are in the samples
    squares: float
    free: int

    def at(self, off: float) -> tuple[float, float]:
        """When the two flanks are `off` m from the level, s."""
        far = [
            self.scale * (off / max(height, 1e-9)) ** (1.0 / power)
            for height, power in zip(self.heights, self.powers, strict=True)
        ]
        return self.reached - far[0], self.left + far[1]


def corner(
    t: Floats, y: Floats, *, reached: float | None, left: float | None, noise: float, off: float
) -> Corner | None:
    """The end between two flanks, or at one of them; y (m) is highest there, t rises and is in s.

    reached, left: roughly when, s, None where that flank is not in t; noise: standard deviation of y, m; off: how far
    from its level a stand is reached and left, m. None when the motion is no such thing.
    """
    t, y = _thinned(t, y)
    if len(t) < LEAST_POINTS:
        return None
    flanks = reached is not None, left is not None
    first, last = t[0] if reached is None else reached, t[-1] if left is None else left
    stand = _best(t, y, (first, last), noise=noise, flanks=flanks)
    if reached is None or left is None:
        if not _follows(stand, noise, flanks):
            return None
        near = stand.at(off)
        return Corner(stand.level, near[0], near[0]) if left is None else Corner(stand.level, near[1], near[1])
    if stand.tall[1] <= SEEN * noise < stand.tall[0]:  # it is not left yet
        return corner(t, y, reached=reached, left=None, noise=noise, off=off)
    middle = 0.5 * (stand.reached + stand.left)
    turn = _best(t, y, (middle, middle), noise=noise, turn=True)
    spread = max(stand.squares / stand.free, noise * noise)
    stood = stand.left - stand.reached > STAND and turn.squares - stand.squares > SURE * spread
    best = stand if stood else turn
    if not _follows(best, noise, flanks):
        return None
    return Corner(best.level, *best.at(off)) if stood else Corner(best.level, turn.reached, turn.reached)


def _best(
    t: Floats,
    y: Floats,
    ends: tuple[float, float],
    *,
    noise: float,
    turn: bool = False,
    flanks: tuple[bool, bool] = (True, True),
) -> _Fit:
    """The best fit of several beginnings, as far as one is needed."""
    best: _Fit | None = None
    for power in POWERS_TRIED:
        found = _fitted(t, y, np.array([*ends, power, power]), noise=noise, turn=turn, flanks=flanks)
        if best is None or found.squares < best.squares:
            best = found
        if best.squares <= (GOOD * noise) ** 2 * best.free:
            break
    assert best is not None
    return best


def _follows(fit: _Fit, noise: float, flanks: tuple[bool, bool]) -> bool:
    """Whether a fit has the flanks that were asked for, and leaves no more over than noise."""
    seen = all(height > SEEN * noise for height, there in zip(fit.tall, flanks, strict=True) if there)
    return seen and fit.squares <= (MISFIT * noise) ** 2 * fit.free


def _thinned(t: Floats, y: Floats) -> tuple[Floats, Floats]:
    """Means of neighbours, so that at most POINTS are left."""
    by = -(-len(t) // POINTS)
    if by <= 1:
        return t, y
    whole = len(t) // by * by
    return t[:whole].reshape(-1, by).mean(axis=1), y[:whole].reshape(-1, by).mean(axis=1)


def _fitted(t: Floats, y: Floats, z: Floats, *, noise: float, turn: bool, flanks: tuple[bool, bool]) -> _Fit:
    """The least squares from the start z = (reached, left, power, power), with one time where it is a turn."""
    scale = max(0.25 * float(t[-1] - t[0]), 1e-3)
    free = np.array([True, True, True, True]) & np.array([flanks[0], flanks[1] and not turn, *flanks])
    if turn:
        free[0] = True
    steps = np.array([1e-3 * scale, 1e-3 * scale, 0.01, 0.01])
    edge = 0.02 * float(t[-1] - t[0])

    def inside(z: Floats) -> Floats:
        z = z.copy()
        z[0] = min(max(z[0], t[0] + edge), t[-1] - edge)
        z[1] = z[0] if turn else min(max(z[1], z[0]), t[-1] - edge)
        z[2:] = np.clip(z[2:], *POWERS)
        return z

    def left_over(z: Floats) -> tuple[Floats, Floats]:
        columns = [np.ones_like(t)]
        if flanks[0]:
            columns.append(-((np.maximum(z[0] - t, 0.0) / scale) ** z[2]))
        if flanks[1]:
            columns.append(-((np.maximum(t - z[1], 0.0) / scale) ** z[3]))
        shape = np.stack(columns)
        gram = shape @ shape.T
        gram[np.diag_indices_from(gram)] += 1e-12 * len(t)
        linear = np.linalg.solve(gram, shape @ y)
        usual = noise / POWER_SPREAD * (z[2:] - POWER)
        return np.concatenate((y - linear @ shape, usual)), np.asarray(linear, dtype=np.float64)

    z = inside(z)
    off, linear = left_over(z)
    squares, damping = float(off @ off), 1e-2
    which = np.flatnonzero(free)
    for _ in range(ROUNDS):
        slopes = []
        for k in which:
            moved = z.copy()
            moved[k] += steps[k]
            slopes.append((left_over(inside(moved))[0] - off) / steps[k])
        jacobian = np.stack(slopes)
        normal, slope = jacobian @ jacobian.T, jacobian @ off
        better = False
        while not better and damping < 1e6:
            change = np.zeros(4)
            change[which] = np.linalg.solve(normal + damping * np.diag(np.diag(normal) + 1e-15), -slope)
            new = inside(z + change)
            new_off, new_linear = left_over(new)
            new_squares = float(new_off @ new_off)
            better = new_squares < squares
            damping *= 0.2 if better else 5.0
        if not better:
            break
        done = squares - new_squares < 1e-4 * squares
        z, off, linear, squares = new, new_off, new_linear, new_squares
        if done:
            break
    given = iter(linear[1:])
    heights = [float(next(given)) if there else 0.0 for there in flanks]
    far = max(z[0] - t[0], 0.0), max(t[-1] - z[1], 0.0)
    tall = [height * (each / scale) ** power for height, each, power in zip(heights, far, z[2:], strict=True)]
    return _Fit(
        float(z[0]),
        float(z[1]),
        (float(z[2]), float(z[3])),
        scale,
        float(linear[0]),
        (heights[0], heights[1]),
        (float(tall[0]), float(tall[1])),
        squares,
        max(len(t) - int(free.sum()) - len(linear), 1),
    )

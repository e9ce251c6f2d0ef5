"""Checks of an encoder: against where its cable comes home to, and against the force in it.

A cable goes out from a stop and comes back to the same, and a stack that is pulled like that of a stroke moves. Each
check is fed what its side knows and answers with what cannot be. Forces in N, positions in m, times in s.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise
from math import inf
from statistics import median
from typing import Final

STANDS: Final = 0.01  # m; less is no motion
MOVES: Final = 0.05  # m; so far a cable goes before its encoder is believed again
SWING: Final = 15.0  # N up or down
SWING_SHARE: Final = 0.15  # of the force of late; the larger of both
SWING_SMOOTHED: Final = 0.06  # s; time constant
SWING_NOISE: Final = 6.0  # standard deviations of the cell's noise
SWINGS: Final = 6  # up and down, without the cable moving: three strokes
SWING_LEAST: Final = 0.1  # s; a shorter swing is a knock
SWINGS_FOR: Final = 3.0  # s at least
SWINGS_MOST: Final = 12.0  # s for one; a slower one is no stroke
PLATEAU: Final = 2.5  # s at one force: a hold on a cable that is meant to stand
HOLD_FROM: Final = 0.2  # of its force; a hold begins with the stack down
PLATEAU_BAND: Final = 0.05  # of the force
PUSHED: Final = 15.0  # N below the unloaded level; a cable cannot push
INWARD: Final = 0.10  # m beyond the unloaded home; a cable cannot go in further than to its stop
SURPLUS: Final = 0.01  # by which a stroke against friction and stack is heavier than its way back
SLIPPED: Final = 0.01  # m
SAME_STOP: Final = 0.004  # m
VISIT: Final = 0.3  # s at one place
WENT_OUT: Final = 0.10  # m; a stroke between two visits
STOPS: Final = 3  # times the cable came home to one place


class Swings:
    """Counts how often a force goes up and down like that of strokes while its cable stands."""

    __slots__ = (
        "_anchor", "_at", "_extreme", "_plateau", "_plateau_since", "_recent", "_rising", "_smooth", "_t", "_trough",
        "count", "since",
    )  # fmt: skip

    def __init__(self) -> None:
        self._anchor: float | None = None
        self._recent = self._t = self._smooth = 0.0
        self._reset(0.0, 0.0)

    def _reset(self, t: float, force: float) -> None:
        self.count, self.since = 0, t
        self._extreme, self._rising, self._at = force, True, t
        self._trough = force
        self._plateau, self._plateau_since = force, t

    def step(self, t: float, force: float, x: float, *, stands: float, noise: float) -> bool:
        """Take a force over zero, where the cable is, and the standard deviation of the cell's noise in N.

        Returns whether these are strokes that do not move the cable.
        """
        dt, self._t = t - self._t, t
        self._smooth += dt / (dt + SWING_SMOOTHED) * (force - self._smooth)
        force = self._smooth
        if self._anchor is None or abs(x - self._anchor) > stands:
            self._anchor = x
            self._reset(t, force)
            return False
        self._recent = max(abs(force), self._recent * 0.999)
        limit = max(SWING, SWING_SHARE * self._recent, SWING_NOISE * noise)
        beyond = force > self._extreme if self._rising else force < self._extreme
        if beyond:
            self._extreme = force
        elif abs(force - self._extreme) >= limit:
            if t - self._at >= SWING_LEAST:
                self.count += 1
            if t - self._at > SWINGS_MOST:
                self.count, self.since = 0, t
            if not self._rising:
                self._trough = self._extreme
            self._extreme, self._rising, self._at = force, not self._rising, t
        if abs(force - self._plateau) > PLATEAU_BAND * abs(self._plateau) + 1.0:
            self._plateau, self._plateau_since = force, t
        elif t - self._plateau_since >= PLATEAU and force > SWING and self._trough < HOLD_FROM * force:
            self.count, self.since = 0, t
        return self.count >= SWINGS and t - self.since >= SWINGS_FOR


@dataclass(slots=True)
class Visit:
    """A stay at one place with the stack down."""

    t0: float
    t1: float
    x: float


class Stops:
    """Where a cable comes home to. Its stop stays where it is: elsewhere is an encoder that lost count."""

    __slots__ = ("_bottoms", "_held", "_out", "_slips", "visits")

    def __init__(self) -> None:
        self.visits: list[Visit] = []
        self._bottoms: list[tuple[float, float]] = []  # start of a rep, and where it began
        self._out = -inf  # m, the furthest since the last visit began
        self._slips = False
        self._held = 0  # reps at whose top the load hung on, less the others

    def held(self, *, load: bool) -> None:
        """A rep has been made; load: it hung on at the top. Else a cable without force in it may be anywhere."""
        self._held = min(max(self._held + (1 if load else -1), -STOPS), STOPS)

    def moved(self, x: float) -> None:
        """The cable is at x."""
        self._out = max(self._out, x)

    def rep(self, t_start: float, x: float) -> None:
        """A rep began at x."""
        self._bottoms = [*self._bottoms[-63:], (t_start, x)]

    def home(self, t: float, x: float) -> None:
        """The cable stands with its stack down."""
        here = self.visits[-1] if self.visits else None
        if here is not None and self._out - max(here.x, x) < WENT_OUT:  # no stroke lies between
            if abs(x - here.x) >= SAME_STOP:
                here.x, here.t0, self._out = x, t, x
            here.t1 = t
            return
        self.visits = [*self.visits[-15:], Visit(t, t, x)]
        self._out = x

    def settled(self, t: float) -> tuple[float, float] | None:
        """Asked while the cable is home: since when, and by how much, its stop has moved."""
        here = self.visits[-1] if self.visits else None
        if here is None or here.t1 - here.t0 < VISIT or t > here.t1 or self._held <= 0:
            return None
        found = self._moved()
        if found is not None:
            self._slips = True
            self.visits = self.visits[-1:]
        return found

    def _moved(self) -> tuple[float, float] | None:
        xs = [visit.x for visit in self.visits]
        if self._slips and len(xs) >= 2:  # once it has slipped, the next visit tells
            if abs(xs[-1] - xs[-2]) > SAME_STOP:
                return self.visits[-2].t1, xs[-1] - xs[-2]
            self._slips = len(xs) < STOPS
        _now, before = xs[-1], xs[:-1]
        old, new = xs[1 - 2 * STOPS : -STOPS], xs[-STOPS:]
        if len(old) == STOPS - 1 and max(old) - min(old) < SAME_STOP and max(new) - min(new) < SAME_STOP:
            shift = median(new) - median(old)
            if abs(shift) > SLIPPED:
                return self.visits[-STOPS - 1].t1, shift
        if len(before) >= STOPS:
            last = xs[-STOPS - 1 :]
            steps = [b - a for a, b in pairwise(last)]
            if (min(steps) > SAME_STOP or max(steps) < -SAME_STOP) and abs(sum(steps)) > 2.0 * SLIPPED:
                return self.visits[-STOPS - 1].t1, sum(steps)
        return self._crept()

    def _crept(self) -> tuple[float, float] | None:
        """Reps under load whose bottoms went the same way as the stop did from before them until now."""
        if len(self.visits) < 2:
            return None
        since = self.visits[-2].t1
        bottoms = [x for t, x in self._bottoms if t > since]
        came = self.visits[-1].x - self.visits[-2].x
        if len(bottoms) < STOPS or abs(came) <= SLIPPED:
            return None
        return (since, came) if abs(bottoms[-1] - bottoms[0] - came) < max(0.005, 0.34 * abs(came)) else None


class Inward:
    """Notices loaded strokes beyond the stop, the way in heavier than the way out: the encoder counts down."""

    __slots__ = ("_heard", "_home", "_over")

    def __init__(self) -> None:
        self._home: float | None = None
        self._over = 0.0  # m that the cable went out from home under load
        self._heard = {True: [0.0, 0.0], False: [0.0, 0.0]}  # sum and count of the force, going out and in

    def home(self, x: float) -> None:
        """The cable rests here, its stack down."""
        self._home, self._over = x, 0.0
        self._heard = {True: [0.0, 0.0], False: [0.0, 0.0]}

    def step(self, x: float, velocity: float, over: float) -> None:
        """Take a place, its velocity and the force over zero."""
        if self._home is not None and over > PUSHED:
            self._over = max(self._over, x - self._home)
        if abs(velocity) > 0.05 and over > PUSHED:
            heard = self._heard[velocity > 0.0]
            heard[0] += over
            heard[1] += 1.0

    def stroke(self, start: float, *, least: float) -> bool:
        """Whether the strokes since home, of which the last one out began at `start`, go in beyond the stop."""
        (in_sum, in_count), (out_sum, out_count) = self._heard[False], self._heard[True]
        if self._home is None or self._home - start < INWARD or self._over > 2.0 * SLIPPED:
            return False
        if not in_count or not out_count:
            return False
        inward, outward = in_sum / in_count, out_sum / out_count
        return inward >= least and inward >= (1.0 - SURPLUS) * outward

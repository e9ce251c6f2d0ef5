"""Efforts of a cable that has only a load cell: a rise of the force and its return, with the time between."""

from __future__ import annotations

from enum import Enum
from math import hypot
from typing import Final

SMOOTHING: Final = 0.04  # s
OVER_NOISE: Final = 8.0  # standard deviations of the smoothed force; the base is the lowest of late
BASE_FOLLOWS: Final = 2.0  # s; time constant with which the base rises after the force, a slow drift is no effort
RISE_SHARE: Final = 0.6  # of its base; sway on a constant load stays below, a pull goes far above
RETURN_SHARE: Final = 0.35  # of its height; so far an effort must come back
BRIEF_REST: Final = 0.7  # s; a shorter one has no base of its own
RETURNED_FOR: Final = 0.1  # s under that share; a shorter dip is noise
FALLS: Final = 0.02  # of its height; less is no change of a force that has come back
ANNOUNCED_AFTER: Final = 0.3  # s over the threshold
LEAST: Final = 0.2  # s; shorter is a knock
SMALL: Final = 0.25  # of the median height of the last efforts; less is a bump


class Change(Enum):
    """What a sample brought to light."""

    BEGAN = "began"  # over the threshold for long enough to be announced
    ENDED = "ended"
    KNOCK = "knock"  # back too soon, or too small beside the others: no effort


class Efforts:
    """The state machine of one load cell, forces in N and times in s of stream time.

    REST follows the base: at once downwards, slowly upwards. A rise over it by `min_force`, by RISE_SHARE of it and out
    of the noise is an effort, until the force has come back to RETURN_SHARE of its height. That is recognised by the
    smoothed force. It is dated by the force itself, from where it rises through the threshold to where it falls through
    it again, or falls no further; so an effort that is over may have to wait for its end.
    """

    __slots__ = (
        "_announced", "_began_t", "_fell_t", "_force", "_heights", "_least", "_level", "_lowest", "_noise", "_old_base",
        "_over", "_rest_since", "_rose_t", "_t", "_under_since",
        "active", "base", "end_t", "falling", "peak", "peak_t", "recognised", "start_t",
    )  # fmt: skip

    def __init__(self, *, min_force: float) -> None:
        self._least = min_force
        self._noise = 0.0  # N, standard deviation of the smoothed force
        self._t: float | None = None
        self._force = self._level = 0.0
        self._began_t = 0.0  # s, when the smoothed force rose through the threshold
        self._over = 0.0  # N, the threshold through which the effort rose
        self._rose_t: float | None = None  # s, when the force last rose through the threshold
        self._fell_t: float | None = None  # s, when it fell through it after the effort
        self._lowest = (0.0, 0.0)  # s and N, how far it has fallen
        self._old_base: float | None = None
        self._rest_since = 0.0
        self._heights: list[float] = []
        self._announced = False
        self._under_since: float | None = None
        self.active = False
        self.falling = False  # over, but not dated yet
        self.base = 0.0
        self.peak = 0.0
        self.start_t = self.peak_t = self.end_t = 0.0
        self.recognised = (0.0, 0.0)  # s, from the smoothed force's rise to its return

    @property
    def threshold(self) -> float:
        """The force over which the cable is under effort, in N."""
        return self.base + max(self._least, RISE_SHARE * abs(self.base), OVER_NOISE * self._noise)

    def step(self, t: float, force: float, *, noise: float = 0.0) -> Change | None:
        """Take one force and its standard deviation, N; returns what has just been decided."""
        if self._t is None:
            self._t, self._force, self._level, self.base = t, force, force, force
            self._rest_since = t
            return None
        dt, self._t = t - self._t, t
        before, self._force = self._force, force
        level = self._level
        share = dt / (dt + SMOOTHING)
        self._level += share * (force - level)
        self._noise = hypot((1.0 - share) * self._noise, share * noise)  # white noise through the same average
        if self.active:
            self._crosses_down(t, dt, before)
            return self._effort(t)
        self._rest(dt)
        over = self.threshold
        if before <= over < force:
            self._rose_t = t - dt * (force - over) / (force - before)
        if self.falling:
            self._crosses_down(t, dt, before)
            return self._falls(t)
        if self._level > over:
            # The threshold never falls under the smoothed force, which has just risen through it after the force.
            self._began_t = t - dt * (self._level - over) / (self._level - level)
            self.start_t = self._rose_t if self._rose_t is not None else self._began_t
            self.active, self._announced = True, False
            self._over, self._rose_t, self._fell_t = over, None, None
            self.peak, self.peak_t = self._level, t
        return None

    def _crosses_down(self, t: float, dt: float, before: float) -> None:
        """Note when the force falls through the threshold, for the last time since it was high."""
        if self.active and self._force >= self.base + RETURN_SHARE * (self.peak - self.base):
            self._fell_t = None
        elif self._fell_t is None and self._force <= self._over:
            above = max(before, self._over)
            self._fell_t = t - dt * (self._over - self._force) / max(above - self._force, 1e-12)

    def end(self) -> Change | None:
        """The stream ends: an effort that never came back is none, it may be a load that stays."""
        if self.falling:
            self.falling = False
            return Change.ENDED
        if self.active and self._announced:
            self.active = False
            return Change.KNOCK
        self.active = False
        return None

    def _rest(self, dt: float) -> None:
        low = self._level
        if self._t is not None and self._old_base is not None and self._t - self._rest_since < BRIEF_REST:
            low = max(low, self._old_base)
        if low < self.base:
            self.base = low
        else:
            self.base += dt / (dt + BASE_FOLLOWS) * (low - self.base)

    def _effort(self, t: float) -> Change | None:
        if self._level > self.peak:
            self.peak, self.peak_t = self._level, t
        height = self.peak - self.base
        if self._level >= self.base + RETURN_SHARE * height:
            self._under_since = None
        elif self._under_since is None:
            self._under_since = t
        elif t - self._under_since >= RETURNED_FOR:
            self.active = False
            self.recognised, self._under_since = (self._began_t, self._under_since), None
            self._old_base, self._rest_since = self.base, t
            self.base = self._level  # it falls on; a new effort rises from where that ends
            usual = sorted(self._heights[-3:])
            small = len(usual) == 3 and height < SMALL * usual[1]
            if self.recognised[1] - self._began_t < LEAST or small:
                return Change.KNOCK
            self._heights = [*self._heights[-2:], height]
            self.falling, self._lowest = True, (t, self._level)
            return self._falls(t)
        if not self._announced and t - self.start_t >= ANNOUNCED_AFTER:
            self._announced = True
            return Change.BEGAN
        return None

    def _falls(self, t: float) -> Change | None:
        """An effort is over; it ends where the force falls through the threshold, or where it falls no further."""
        lowest = self._lowest[1]
        change = FALLS * self.peak
        if self._level < lowest - change:
            self._lowest = t, self._level
        self.end_t = self._fell_t if self._fell_t is not None else self._lowest[0]
        goes_on = self._level <= lowest + change and t - self._lowest[0] < RETURNED_FOR
        if self._fell_t is None and goes_on:
            return None
        self.falling = False
        return Change.ENDED

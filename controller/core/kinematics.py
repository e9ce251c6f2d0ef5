"""From a stream of positions to what the phases need: clean samples, noise, stillness, velocity, rate.

Everything here is a recursion over single samples, so nothing depends on how the input was cut.
Delay: the leap gate holds one sample back; the velocity of `Velocity` lags by its time constant.
"""

from __future__ import annotations

from collections.abc import Callable
from math import inf, sqrt

STILL_AFTER = 0.11  # s within the band that count as standing
STILL_BAND = 0.0005  # m; a level is kept within half a millimetre
TURN_BACK = 0.004  # m that a handle must come back before it has turned
NOISE_FLOOR = 5e-5  # m
FORCE_NOISE_FLOOR = 0.05  # N
THIRD_DIFFERENCE = sqrt(20.0)  # standard deviation of the third difference of unit white noise
VELOCITY_TAU = 0.03  # s
GAP_PERIODS = 4.0  # sample periods without a sample that are a gap
GAP_LEAST = 0.05  # s; shorter ones are bridged
BURST = 0.0105  # s; longer than a burst of interference is a step
LEAP_KNOWN = 16  # samples; before, it is not known what a leap is
LEAP = 4.0  # times the liveliest second difference
OF_LATE = 0.15  # s; time constant with which that is forgotten


class LeapGate:
    """Takes out samples that leap away and come back at once: one alone, or a burst of some milliseconds.

    A leap is larger than any change that the channel has just made: `least`, `share` of all that it has shown so
    far, LEAP times its liveliest second difference of late, and what `bends` allows in the time between two samples;
    where the times are uneven, also what the channel goes on by in as much as they differ.
    What follows is judged afresh, so a step that stays is let through. Holds one sample back; more during a leap.
    """

    __slots__ = (
        "_a",
        "_b",
        "_bends",
        "_count",
        "_high",
        "_least",
        "_lively",
        "_low",
        "_pending",
        "_share",
        "_uneven",
        "taken_out",
    )

    def __init__(self, *, least: float, share: float, bends: Callable[[float, float], float]) -> None:
        """bends: from s between two samples, and the range shown so far, to what may lie between their values."""
        self._least, self._share, self._bends = least, share, bends
        self._a: tuple[float, float] | None = None  # the last but one that was let through
        self._b: tuple[float, float] | None = None
        self._pending: list[tuple[float, float]] = []
        self._lively = self._uneven = 0.0
        self._count = 0
        self._high, self._low = -inf, inf
        self.taken_out: list[tuple[float, float]] = []  # times and values, until somebody takes them

    def step(self, t: float, value: float) -> list[tuple[float, float]]:
        """Take a sample, return those that are now known to be none, or no longer to be, leaps."""
        if self._b is None or not self._pending or self._count < LEAP_KNOWN:
            pass
        elif abs(self._pending[0][1] - self._b[1]) > self._least:  # else it is none, whatever the limit is
            limit = self._limit(self._pending[0][0] - self._b[0])
            away = [self._away(at, held) for at, held in self._pending]
            if min(abs(each) for each in away) > limit:
                off = self._away(t, value)
                near = abs(off) <= max(limit, 0.3 * abs(away[0]))
                if near and all(abs(each - off) > limit for each in away):
                    self.taken_out += self._pending
                    self._pending = [(t, value)]
                    return []
                if not near and t - self._pending[0][0] <= BURST:
                    self._pending.append((t, value))
                    return []
        out = self._pending
        for each in out:
            self._let_through(*each)
        self._pending = [(t, value)]
        return out

    def flush(self) -> list[tuple[float, float]]:
        """Let go of what is held back."""
        out, self._pending = self._pending, []
        self._a = self._b = None
        return out

    def _away(self, t: float, value: float) -> float:
        """How far a sample lies beyond where the channel was, and would be at t if it went on as it did."""
        assert self._b is not None
        was = would_be = self._b[1]
        if self._a is not None and 0.0 < t - self._b[0] <= 4.0 * (self._b[0] - self._a[0]):
            would_be += (self._b[1] - self._a[1]) / (self._b[0] - self._a[0]) * (t - self._b[0])
        return value - min(max(value, min(was, would_be)), max(was, would_be))

    def _limit(self, dt: float) -> float:
        spread = max(self._high - self._low, 0.0)
        limit = max(self._least, self._share * spread, LEAP * self._lively) + self._bends(dt, spread)
        if self._a is not None and self._b is not None and self._b[0] > self._a[0]:
            limit += abs(self._b[1] - self._a[1]) / (self._b[0] - self._a[0]) * self._uneven
        return limit

    def _let_through(self, t: float, value: float) -> None:
        self._count += 1
        self._high, self._low = max(self._high, value), min(self._low, value)
        if self._b is not None:
            step = t - self._b[0]
            before = step if self._a is None else self._b[0] - self._a[0]
            self._uneven = max(self._uneven * max(1.0 - step / OF_LATE, 0.0), min(abs(step - before), step))
            self._lively *= max(1.0 - step / OF_LATE, 0.0)
            if self._a is not None and 0.5 * step < self._b[0] - self._a[0] < 2.0 * step:
                self._lively = max(self._lively, abs(value - 2.0 * self._b[1] + self._a[1]))
        self._a, self._b = self._b, (t, value)


class Period:
    """The running sample period: follows the median of the steps, deaf to gaps."""

    __slots__ = ("_first", "_last", "_start", "seconds")

    def __init__(self) -> None:
        self.seconds: float | None = None
        self._last: float | None = None
        self._first: list[float] = []

    def step(self, t: float) -> float | None:
        """Take a sample's time; returns the length of the gap before it, None when there was none."""
        last, self._last = self._last, t
        if last is None:
            return None
        dt = t - last
        if self.seconds is None or len(self._first) < 32:
            self._first.append(dt)
            if len(self._first) in (4, 8, 16, 32):
                self.seconds = sorted(self._first)[len(self._first) // 2]
        else:
            near = min(max(dt, 0.5 * self.seconds), 2.0 * self.seconds)
            self.seconds += 0.01 * (near - self.seconds)
        if self.seconds is not None and dt > max(GAP_PERIODS * self.seconds, GAP_LEAST):
            return dt
        return None

    @property
    def hz(self) -> float | None:
        """Samples a second, None before there are enough."""
        return 1.0 / self.seconds if self.seconds else None


class Noise:
    """Standard deviation of a channel's white noise, at least `floor`, and its quantum, both in the channel's unit.

    The third difference takes smooth motion out (Hamming, Numerical Methods, 10.4); its lower quartile is followed,
    so that strokes between rests do not count.
    """

    __slots__ = ("_a", "_b", "_c", "_floor", "_quartile", "_seen", "quantum")

    def __init__(self, *, floor: float = NOISE_FLOOR) -> None:
        self._floor = floor
        self._a = self._b = self._c = 0.0
        self._seen = 0
        self._quartile = 0.0
        self.quantum = 0.0

    def step(self, x: float) -> None:
        """Take one sample."""
        step = abs(x - self._c)
        if self._seen and step > 1e-7 and (self.quantum == 0.0 or step < self.quantum):
            self.quantum = step
        if self._seen >= 3:
            third = abs(x - 3.0 * self._c + 3.0 * self._b - self._a)
            gain = max(0.02 * self._quartile, 0.02 * self._floor)
            self._quartile += 0.25 * gain if third > self._quartile else -0.75 * gain
            if self._seen < 64:
                self._quartile += (0.32 * third - self._quartile) / self._seen
            self._quartile = max(self._quartile, 0.0)
        self._seen += 1
        self._a, self._b, self._c = self._b, self._c, x

    @property
    def deviation(self) -> float:
        """Standard deviation; the quartile of |N(0, 1)| is 0.3186."""
        return max(self._quartile / (0.3186 * THIRD_DIFFERENCE), self._floor)


class Stillness:
    """How long the position has kept one level."""

    __slots__ = ("_level", "_since")

    def __init__(self) -> None:
        self._level: float | None = None
        self._since = 0.0

    def step(self, t: float, x: float, band: float) -> float:
        """Take a position; returns the seconds since it came within `band` of the level it keeps."""
        if self._level is None or abs(x - self._level) > band:
            self._level, self._since = x, t
        return t - self._since


class Velocity:
    """A critically damped tracking filter of second order: a smooth live velocity that lags by VELOCITY_TAU."""

    __slots__ = ("_t", "_x", "value")

    def __init__(self) -> None:
        self._t: float | None = None
        self._x = 0.0
        self.value = 0.0

    def step(self, t: float, x: float) -> float:
        """Take a position, return the velocity in m/s."""
        if self._t is None or t - self._t > 0.5:
            self._t, self._x, self.value = t, x, 0.0
            return 0.0
        dt = t - self._t
        if dt <= 0.0:
            return self.value
        keep = 1.0 / (1.0 + dt / VELOCITY_TAU)
        residual = x - (self._x + self.value * dt)
        self._x = x - keep * keep * residual
        self.value += (1.0 - keep) * (1.0 - keep) * residual / dt
        self._t = t
        return self.value

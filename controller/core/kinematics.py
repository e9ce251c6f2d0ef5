"""From a stream of positions to what the phases need: clean samples, noise, stillness, velocity, rate.

Everything here is a recursion over single samples, so nothing depends on how the input was cut.
Delay: the spike gate holds one sample back; the velocity of `Velocity` lags by its time constant.
"""

from __future__ import annotations

from math import sqrt

STILL_AFTER = 0.11  # s within the band that count as standing
STILL_BAND = 0.0005  # m; a level is kept within half a millimetre
TURN_BACK = 0.004  # m that a handle must come back before it has turned
NOISE_FLOOR = 5e-5  # m
FORCE_NOISE_FLOOR = 0.05  # N
THIRD_DIFFERENCE = sqrt(20.0)  # standard deviation of the third difference of unit white noise
VELOCITY_TAU = 0.03  # s
GAP_PERIODS = 4.0  # sample periods without a sample that are a gap
GAP_LEAST = 0.05  # s; shorter ones are bridged


class SpikeGate:
    """Takes out a single sample that leaps away from both neighbours; holds one sample back.

    A leap counts when it is over `least` plus `per_second` times the time to its neighbours, on the same side of
    both. What follows is judged afresh, so a step that stays is let through.
    """

    __slots__ = ("_before", "_held", "_least", "_per_second", "spikes")

    def __init__(self, *, least: float, per_second: float) -> None:
        self._least = least
        self._per_second = per_second
        self._before: float | None = None
        self._held: tuple[float, float] | None = None
        self.spikes = 0

    def step(self, t: float, value: float) -> tuple[float, float] | None:
        """Take a sample, return the one before it, or None when that was a spike or there is none yet."""
        held, self._held = self._held, (t, value)
        if held is None:
            return None
        if self._before is not None:
            limit = self._least + self._per_second * (t - held[0])
            up, on = held[1] - self._before, held[1] - value
            if (up > limit and on > limit) or (up < -limit and on < -limit):
                self.spikes += 1
                return None
        self._before = held[1]
        return held

    def flush(self) -> tuple[float, float] | None:
        """Let go of the sample that is held back."""
        held, self._held = self._held, None
        self._before = None
        return held


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

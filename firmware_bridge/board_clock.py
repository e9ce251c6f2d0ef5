"""Board ticks to host time: unwrapped, without the jitter of arrival, never running back.

A frame cannot arrive before its last sample was taken, so arrival minus ticks is at least the clocks' offset: the lower
envelope of these differences is followed (its slope by Theil and Sen's median of slopes over the minima of one second
each). An answer to a ping was stamped by the board after the question left, which bounds the offset from below;
midway between the two lies the estimate, and their distance is its uncertainty.

What is given out moves towards the estimate by at most SLEW of the time that passes, so that velocities stay true.
"""

from __future__ import annotations

from itertools import combinations
from math import sqrt
from statistics import median
from typing import Final

from firmware_bridge.messages import ClockState

WRAP: Final = 1 << 32  # ticks
TICK: Final = 1e-6  # s
BUCKET: Final = 1.0  # s
BUCKETS: Final = 60
SLOPE_AFTER: Final = 5  # buckets; before, the clocks are taken to run alike
SLEW: Final = 0.0005  # of the time that passes
EARLY_SLEW: Final = 0.1  # the same in the first EARLY s, while the estimate settles
EARLY: Final = 2.0  # s
MAX_SKEW: Final = 500e-6
DEFAULT_UNCERTAINTY: Final = 0.002  # s, one-way only: what a frame's own transmission may take


class BoardClock:
    """One board's clock, from its first frame to its next boot."""

    def __init__(self) -> None:
        self._ticks: int | None = None  # unwrapped, of the last frame's last sample
        self._received = 0.0
        self._first = 0.0  # s of board time at the first frame
        self._minima: list[tuple[float, float]] = []  # board time, least arrival minus board time, a bucket each
        self._bucket = 0
        self._slope = 0.0
        self._upper: float | None = None  # offset at board time 0 along the slope, not more than this
        self._questions: list[tuple[float, float]] = []  # board time, question's departure minus board time
        self._applied: float | None = None  # offset given out at the last sample
        self._applied_at = 0.0
        self._jitter = 0.0

    def _unwrapped(self, ticks: int, received_at: float) -> int:
        """Ticks without wraps: of all that fit, those nearest to what the host's time since the last frame says."""
        if self._ticks is None:
            return ticks
        expected = self._ticks + round((received_at - self._received) / TICK)
        return ticks + WRAP * round((expected - ticks) / WRAP)

    def block(self, ticks: int, step: int, count: int, received_at: float) -> tuple[float, ...]:
        """Host times of `count` samples, `step` ticks apart, the first at `ticks`, that arrived at received_at, s."""
        last = self._unwrapped(ticks + step * (count - 1), received_at)
        first_frame = self._ticks is None
        self._ticks, self._received = last, received_at
        at = last * TICK
        if first_frame:
            self._first = at
        self._observe(at, received_at - at)
        target = self._estimate(at)
        if self._applied is None or at <= self._applied_at:
            before, since = target, at - step * count * TICK
        else:
            before, since = self._applied, self._applied_at
            slew = EARLY_SLEW if at - self._first < EARLY else SLEW
            room = (slew + abs(self._slope)) * (at - since)
            target = min(max(target, before - room), before + room)
        self._applied, self._applied_at = target, at
        span = at - since
        times = []
        for k in range(count):
            x = (last - step * (count - 1 - k)) * TICK
            share = (x - since) / span if span > 0.0 else 1.0
            times.append(x + before + (target - before) * max(share, 0.0))
        return tuple(times)

    def answer(self, ticks: int, asked_at: float, received_at: float) -> None:
        """A ping that left at asked_at (host, s) was answered by the board at `ticks`."""
        if self._ticks is None:
            return
        at = self._unwrapped(ticks, received_at) * TICK
        self._questions = [*self._questions[-BUCKETS:], (at, asked_at - at)]

    def _observe(self, at: float, difference: float) -> None:
        bucket = int(at // BUCKET)
        if not self._minima or bucket != self._bucket:
            self._bucket = bucket
            self._minima = [*self._minima[-(BUCKETS - 1) :], (at, difference)]
            self._fit()
        elif difference < self._minima[-1][1]:
            self._minima[-1] = (at, difference)
        level = difference - self._slope * at
        if self._upper is None or level < self._upper:
            self._upper = level
        self._jitter += 0.01 * (abs(level - self._upper) - self._jitter)

    def _fit(self) -> None:
        """Refit the envelope over the finished buckets."""
        done = self._minima[:-1]
        if len(done) >= SLOPE_AFTER:
            slopes = [(d - b) / (c - a) for (a, b), (c, d) in combinations(done, 2) if c > a]
            self._slope = min(max(median(slopes), -MAX_SKEW), MAX_SKEW)
        self._upper = min(d - self._slope * a for a, d in self._minima)

    @property
    def _lower(self) -> float | None:
        """Offset at board time 0 along the slope, not less than this; None without an answer to a ping."""
        if not self._questions:
            return None
        return max(d - self._slope * a for a, d in self._questions)

    def _estimate(self, at: float) -> float:
        assert self._upper is not None
        lower = self._lower
        level = self._upper if lower is None or lower > self._upper else 0.5 * (self._upper + lower)
        return level + self._slope * at

    @property
    def state(self) -> ClockState:
        """The fit as it stands."""
        lower = self._lower
        if lower is None or self._upper is None:
            uncertainty = DEFAULT_UNCERTAINTY
        else:
            uncertainty = max(self._upper - lower, 0.0) / sqrt(12.0)  # anywhere between the two bounds
        return ClockState(skew_ppm=self._slope * 1e6, uncertainty=uncertainty, jitter=self._jitter)

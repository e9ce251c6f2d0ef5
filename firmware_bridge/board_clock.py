"""Board ticks to host time: unwrapped, without the jitter of arrival, never running back.

A frame cannot arrive before its last sample was taken: arrival minus ticks is the clocks' offset plus a delay, and
the delay is never negative. The lower envelope of these differences is followed, its slope by Theil and Sen's median
of slopes over the minima of one second each, its level by the least of them along that slope. That alone is late by
the time a frame takes on its way at best. An answer to a ping was stamped by the board after the question had left,
so asking minus ticks is at most the offset: the estimate lies midway between the two bounds, and half their distance
is the most that it can be wrong.

What is given out moves towards the estimate by at most SLEW of the time that passes, so that velocities stay true.
Everything follows from ticks and stamps; nothing here looks at a clock.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import combinations
from math import hypot, sqrt
from statistics import median
from typing import Final

from firmware_bridge.messages import ClockState

WRAP: Final = 1 << 32  # ticks
TICK: Final = 1e-6  # s
BUCKET: Final = 1.0  # s of board time, of which the least delayed frame is kept
BUCKETS: Final = 60  # kept
STALE: Final = 300.0  # s; a difference older than this says nothing about the offset now
SLOPE_AFTER: Final = 8  # whole buckets; before, the clocks are taken to run alike
FLAT: Final = 3  # buckets that are looked at until then
SURE_AFTER: Final = 12  # whole buckets; before, a slope over EARLY_SKEW is rather a burst of late frames
EARLY_SKEW: Final = 300e-6
MAX_SKEW: Final = 0.01  # a ceramic resonator keeps 0.5 %
SLEW: Final = 0.0005  # of the time that passes
FAST_SLEW: Final = 0.04  # the same in the first EARLY s, and while more than FAR s are to be made up
EARLY: Final = 2.0  # s
FAR: Final = 0.02  # s
BROKEN: Final = 0.25  # s; a frame that is so much too early comes from a clock that was set anew
ROUND_TRIP_MOST: Final = 5.0  # s; an answer to an older question is none of ours
CONTRADICTION: Final = 0.001  # s; bounds that cross by more: the board does not date its answers right
ONE_WAY: Final = 0.002  # s, standard uncertainty without a ping: what a frame takes on its way is not seen
FLOOR: Final = 50e-6  # s, standard uncertainty that the interrupts of both ends leave at best

_Point = tuple[float, float]  # board time, host time minus board time; s


class BoardClock:
    """One board's clock, from its first frame to its next boot."""

    def __init__(
        self, *, one_way: float = ONE_WAY, early_skew: float = EARLY_SKEW, most_skew: float = MAX_SKEW, far: float = FAR
    ) -> None:
        """one_way: standard uncertainty of what a frame takes on its way where no ping bounds it, s.

        early_skew, most_skew: how far the clocks may run apart, before and after SURE_AFTER buckets. far: s; what is
        to be made up beyond it is made up fast.
        """
        self._one_way, self._early_skew, self._most_skew, self._far = one_way, early_skew, most_skew, far
        self._seen: tuple[int, float] | None = None  # last unwrapped ticks and their arrival
        self._slope = 0.0  # of the host's clock against the board's, less 1
        self._jitter = 0.0
        self._given: float | None = None  # host time of the last sample given out
        self._forget()

    def _forget(self) -> None:
        """Begin the fit afresh; what has been given out still holds."""
        self._minima: list[_Point] = []
        self._bucket = 0
        self._questions: list[_Point] = []
        self._upper: float | None = None  # bounds of the offset, at board time 0 along the slope
        self._lower: float | None = None
        self._applied: _Point | None = None  # board time and offset of the last sample given out
        self._first: float | None = None  # board time of the first block

    def block(self, ticks: int, step: int, count: int, received_at: float) -> tuple[float, ...]:
        """Host times of `count` samples, `step` ticks apart, the first at `ticks`, that arrived at received_at, s."""
        ages = range(step * (count - 1), -1, -step) if step else (0,)
        return self._placed((ticks + step * (count - 1)) % WRAP, ages, step, received_at)

    def stamped(self, ticks: Sequence[int], received_at: float) -> tuple[float, ...]:
        """Host times of samples with a stamp each, rising but for the wrap, that arrived together."""
        ages = [(ticks[-1] - each) % WRAP for each in ticks]
        return self._placed(ticks[-1], ages, ages[0] // max(len(ticks) - 1, 1), received_at)

    def restart(self) -> None:
        """Ticks begin anew; what has been given out still holds."""
        self._forget()
        self._seen = None

    @property
    def is_settled(self) -> bool:
        """Whether the clocks' difference in speed has been seen, and is not merely taken to be none."""
        return len(self._minima) > SLOPE_AFTER

    def _placed(self, ticks: int, ages: Sequence[int], step: int, received_at: float) -> tuple[float, ...]:
        """Host times of samples so many ticks before the last of them, which was taken at `ticks`."""
        last = self._unwrapped(ticks, received_at)
        at = last * TICK
        if self._is_broken(at, received_at - at):
            self._forget()
        self._seen = (last, received_at)
        self._observe(at, received_at - at)
        assert self._upper is not None
        self._jitter += 0.01 * (received_at - at - self._slope * at - self._upper - self._jitter)
        if self._first is None:
            self._first = at
        since, before, target = self._steered(at, step * len(ages) * TICK)
        first = (last - ages[0]) * TICK
        lift = self._lift(first + before + (target - before) * _share(first, since, at), step)
        self._applied = (at, target + lift)
        times = []
        for age in ages:
            x = (last - age) * TICK
            times.append(x + lift + before + (target - before) * _share(x, since, at))
        self._given = times[-1]
        return tuple(times)

    def answer(self, ticks: int, asked_at: float, received_at: float) -> None:
        """A ping that left at asked_at (host, s) was answered by the board at `ticks`; it came at received_at."""
        if not 0.0 <= received_at - asked_at <= ROUND_TRIP_MOST:
            return
        unwrapped = self._unwrapped(ticks, received_at)
        at = unwrapped * TICK
        if self._is_broken(at, received_at - at, ran_back=False):
            return  # if the clock was set anew, the next samples say so
        self._seen = (unwrapped, received_at)
        self._observe(at, received_at - at)
        self._questions = [*self._questions[1 - BUCKETS :], (at, asked_at - at)]
        level = asked_at - at - self._slope * at
        self._lower = level if self._lower is None else max(level, self._lower)

    @property
    def state(self) -> ClockState:
        """The fit as it stands."""
        uncertainty, width = self._one_way, self._width
        if width is not None:
            uncertainty = hypot(width / sqrt(12.0), FLOOR)  # anywhere between the bounds
        if self._applied is not None and self._upper is not None:  # what is given out may not be there yet
            uncertainty = hypot(uncertainty, self._applied[1] - self._estimate(self._applied[0]))
        return ClockState(skew_ppm=-self._slope * 1e6, uncertainty=uncertainty, jitter=self._jitter)

    # -- the fit

    def _unwrapped(self, ticks: int, received_at: float) -> int:
        """Ticks without wraps: of all that fit, those nearest to what the host's time since the last frame says."""
        if self._seen is None:
            return ticks
        expected = self._seen[0] + round((received_at - self._seen[1]) / TICK)
        return ticks + WRAP * round((expected - ticks) / WRAP)

    def _is_broken(self, at: float, difference: float, *, ran_back: bool = True) -> bool:
        """Whether this cannot come from the clock that was fitted: too early, too late to know, or running back."""
        if self._upper is None or not self._minima:
            return False
        if ran_back and self._applied is not None and at <= self._applied[0]:
            return True
        return at - self._minima[-1][0] > STALE or difference < self._estimate(at) - BROKEN

    def _observe(self, at: float, difference: float) -> None:
        """Take an upper bound of the offset."""
        bucket = int(at // BUCKET)
        if not self._minima or bucket > self._bucket:
            self._bucket = bucket
            self._minima = [point for point in self._minima[1 - BUCKETS :] if at - point[0] < STALE]
            self._minima.append((at, difference))
            self._fit(at)
            return
        level, (least_at, least) = difference - self._slope * at, self._minima[-1]
        if level < least - self._slope * least_at:
            self._minima[-1] = (at, difference)
        if self._upper is None or level < self._upper:
            self._upper = level

    def _fit(self, now: float) -> None:
        """Fit the envelope anew, its slope over the whole buckets."""
        whole = self._minima[:-1]
        if len(whole) >= SLOPE_AFTER:
            most = self._most_skew if len(whole) >= SURE_AFTER else self._early_skew
            slope = median((d - b) / (c - a) for (a, b), (c, d) in combinations(whole, 2) if c > a)
            self._slope = min(max(slope, -most), most)
        self._questions = [point for point in self._questions if now - point[0] < BUCKET * BUCKETS]
        looked_at = self._minima if len(whole) >= SLOPE_AFTER else self._minima[-FLAT:]
        since = looked_at[0][0]
        self._upper = min(d - self._slope * a for a, d in looked_at)
        self._lower = max((d - self._slope * a for a, d in self._questions if a >= since), default=None)

    @property
    def _width(self) -> float | None:
        """How far apart the two bounds are, s; None without a lower one that can be."""
        if self._upper is None or self._lower is None or self._lower > self._upper + CONTRADICTION:
            return None
        return abs(self._upper - self._lower)

    def _estimate(self, at: float) -> float:
        assert self._upper is not None
        level = self._upper
        if self._width is not None and self._lower is not None:
            level = 0.5 * (self._upper + self._lower)
        return level + self._slope * at

    # -- what is given out

    def _steered(self, at: float, length: float) -> tuple[float, float, float]:
        """Board time and offset of the last sample given out, and the offset for the one at `at`; s."""
        estimate = self._estimate(at)
        if self._applied is None or self._first is None:
            return at - length, estimate - self._slope * length, estimate
        since, before = self._applied
        carried = before + self._slope * (at - since)
        is_fast = at - self._first < EARLY or abs(estimate - carried) > self._far
        room = (FAST_SLEW if is_fast else SLEW) * (at - since)
        return since, before, min(max(estimate, carried - room), carried + room)

    def _lift(self, first: float, step: int) -> float:
        """What a block's times have to be put off by, s, so that they rise over a clock that was set anew."""
        if self._given is None or first > self._given:
            return 0.0
        return self._given + max(step, 1) * TICK - first


def _share(x: float, since: float, at: float) -> float:
    return max((x - since) / (at - since), 0.0) if at > since else 1.0

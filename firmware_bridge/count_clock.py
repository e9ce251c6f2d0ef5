"""Times for a device without a clock: its samples are counted, and the count is fitted to their arrivals.

The count times the period is a clock like any other, only that its speed is not well known: the configured rate is
measured over the first seconds and set right where it is off. Samples that were lost let the count fall behind for
good, while a late line catches up; so a delay that stays is a gap, of so many samples.
"""

from __future__ import annotations

from itertools import pairwise
from math import hypot
from statistics import median
from typing import Final

from firmware_bridge.board_clock import FAR, ONE_WAY, WRAP, BoardClock
from firmware_bridge.messages import ClockState

SKEW: Final = 0.03  # share by which the rate may be off and still be fitted as a clock that runs wrong
MEASURED_OVER: Final = 4.0  # s of arrivals
OFF: Final = 0.01  # share by which a measured rate differs from the configured one, and is taken instead
WINDOW: Final = 1.0  # s of arrivals, of which the least delay is looked at
NEAR: Final = 0.005  # s; so far off the times may stay while they are steered gently
GAP: Final = 0.08  # s; a least delay beyond is samples that are missing


class CountClock:
    """The clock of one device."""

    def __init__(self, rate_hz: float, *, one_way: float = ONE_WAY) -> None:
        self._period = 1.0 / rate_hz
        self._one_way = one_way
        self._clock = BoardClock(one_way=one_way, early_skew=SKEW, most_skew=SKEW, far=NEAR)
        self._at = 0.0  # s by the count
        self._began: tuple[float, float] | None = None  # the arrival that began the window, and its least delay so far
        self._minima: list[tuple[float, float]] = []  # count time and arrival of the least delayed sample of a window
        self._least: tuple[float, float] = (0.0, 0.0)
        self._measured = False

    def link_up(self) -> None:
        """How many samples have passed is not known; the count begins anew."""
        self._clock.restart()
        self._began = None
        self._minima.clear()

    def sample(self, received_at: float) -> tuple[float, int]:
        """Host time of the next sample, which arrived at received_at, and how many were lost before it; s."""
        self._at += self._period
        lost = self._looked_at(received_at)
        (t,) = self._clock.block(round(self._at * 1e6) % WRAP, 0, 1, received_at)
        delay = received_at - t
        if self._began is None:
            self._began = (received_at, delay)
            self._least = (self._at, received_at)
        elif received_at - self._at < self._least[1] - self._least[0]:
            self._least = (self._at, received_at)
        if delay < self._began[1]:
            self._began = (self._began[0], delay)
        return t, lost

    @property
    def state(self) -> ClockState:
        """The fit as it stands; until the rate has been fitted, times may be as far off as the clock lets them be."""
        state = self._clock.state
        unsure = 0.0 if self._clock.is_settled else FAR
        return ClockState(skew_ppm=state.skew_ppm, uncertainty=hypot(state.uncertainty, unsure), jitter=state.jitter)

    def _looked_at(self, received_at: float) -> int:
        """Close the window where it is over; returns how many samples its delays say are missing."""
        if self._began is None or received_at - self._began[0] < WINDOW:
            return 0
        delay = self._began[1]
        self._began = None
        if not self._measured:
            self._minima.append(self._least)
            return self._measure()
        if delay <= GAP:
            return 0
        lost = round(delay / self._period)
        self._at += lost * self._period
        return lost

    def _measure(self) -> int:
        """Take the measured rate instead of the configured one where they differ; returns samples lost meanwhile."""
        (a, arrived), (b, last) = self._minima[0], self._minima[-1]
        if last - arrived < MEASURED_OVER:
            return 0
        self._measured = True
        # the median, so that a gap in one of the windows is none of the rate's
        stretch = median((u - t) / (y - x) for (x, t), (y, u) in pairwise(self._minima))
        if abs(stretch - 1.0) <= OFF:
            return 0  # a gap shows in the next window
        self._period *= stretch
        self._clock.restart()
        missing = last - arrived - stretch * (b - a)
        return round(missing / self._period) if missing > GAP else 0

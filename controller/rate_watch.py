"""Whether a board keeps the rate that it was asked for, by the times of its samples."""

from __future__ import annotations

from statistics import median
from typing import Final

OFF: Final = 0.2  # share; a board whose timer is set up wrong is off by more, and a resonator by far less
WINDOW: Final = 2.0  # s of samples whose usual step is one reading of the rate
STEPS: Final = 8  # that a reading needs at the least, however slow the board is
STAYS: Final = 2  # readings in a row, after which it is no accident


class RateWatch:
    """One source. Lost samples change nothing: the step that is usual is looked at."""

    def __init__(self, rate_hz: float) -> None:
        """rate_hz: what was asked for."""
        self.asked = rate_hz
        self._steps: list[float] = []
        self._began = 0.0
        self._last: float | None = None
        self._odd = 0  # readings in a row
        self.off: float | None = None  # the rate that it keeps instead, Hz; None: it is as it should be, or not known

    def reset(self) -> None:
        """Nothing is known any more: the board has gone, or begun afresh."""
        self._last = None
        self._steps.clear()
        self._odd = 0
        self.off = None

    def sample(self, t: float) -> bool:
        """A sample was taken at t, s. True when `off` has changed between a rate and None."""
        if self._last is None:
            self._began = self._last = t
            return False
        self._steps.append(t - self._last)
        self._last = t
        if t - self._began < WINDOW or len(self._steps) < STEPS:
            return False
        step = median(self._steps)
        self._steps.clear()
        self._began = t
        return self._read(1.0 / step if step > 0.0 else None)

    def _read(self, rate: float | None) -> bool:
        was_off = self.off is not None
        if rate is None or abs(rate / self.asked - 1.0) <= OFF:
            self._odd = 0
            self.off = None
        else:
            self._odd += 1
            if self._odd >= STAYS and not was_off:
                self.off = rate
        return was_off != (self.off is not None)

"""When a reading stands still, and what it then is. Time comes in with the samples."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass
from math import sqrt
from typing import Final

BLOCK: Final = 0.25  # s whose mean is looked at; a mass on a metre of cable swings in about 2 s, its pull in 1 s
BLOCKS: Final = 8  # that must agree
BAND: Final = 8.0  # standard errors of a block's mean within which they agree
SHARE: Final = 0.002  # of the load; the same for a reading with little noise
QUIET: Final = 1.5  # counts; the same for one without any


@dataclass(frozen=True, slots=True)
class Reading:
    """A steady reading, in counts."""

    mean: float
    error: float  # standard error of the mean, from the spread of its blocks
    deviation: float  # standard deviation of a single sample, by successive differences
    samples: int


@dataclass(frozen=True, slots=True)
class _Block:
    mean: float
    samples: int
    squares: float  # of successive differences
    pairs: int


class Steadiness:
    """Follows one channel until its reading stands still."""

    def __init__(self, *, zero: float | None = None, floor: float = 0.0, share: float | None = None) -> None:
        """zero: counts of no load, where it is known; floor: counts of wandering that never matter; share: of load."""
        self._zero, self._floor = zero, floor
        self._share = SHARE if share is None else share
        self._blocks: deque[_Block] = deque(maxlen=BLOCKS)
        self._begun: float | None = None
        self._sum = self._squares = 0.0
        self._count = self._pairs = 0
        self._last: float | None = None

    def step(self, t: float, counts: float) -> None:
        """Take one sample; t in s, rising."""
        if self._begun is None:
            self._begun = t
        if t - self._begun >= BLOCK:
            if self._count:
                self._blocks.append(_Block(self._sum / self._count, self._count, self._squares, self._pairs))
            self._begun = t
            self._sum = self._squares = 0.0
            self._count = self._pairs = 0
        if self._last is not None:
            self._squares += (counts - self._last) ** 2
            self._pairs += 1
        self._last = counts
        self._sum += counts
        self._count += 1

    @property
    def level(self) -> float | None:
        """The last block's mean, counts."""
        return self._blocks[-1].mean if self._blocks else None

    @property
    def deviation(self) -> float:
        """Standard deviation of a single sample, counts: half the mean square of successive differences."""
        pairs = sum(block.pairs for block in self._blocks)
        return sqrt(sum(block.squares for block in self._blocks) / (2.0 * pairs)) if pairs else 0.0

    @property
    def share(self) -> float:
        """How much of the time that is needed has been steady, 0 to 1."""
        if not self._blocks:
            return 0.0
        limit, low, high, steady = self._limit, float("inf"), -float("inf"), 0
        for block in reversed(self._blocks):
            low, high = min(low, block.mean), max(high, block.mean)
            if high - low > limit:
                break
            steady += 1
        return steady / BLOCKS

    @property
    def reading(self) -> Reading | None:
        """The reading, once it has stood still for long enough."""
        if self.share < 1.0:
            return None
        means = [block.mean for block in self._blocks]
        mean = sum(means) / BLOCKS
        spread = sqrt(sum((each - mean) ** 2 for each in means) / (BLOCKS - 1))
        return Reading(mean, spread / sqrt(BLOCKS), self.deviation, sum(block.samples for block in self._blocks))

    @property
    def _limit(self) -> float:
        samples = min(block.samples for block in self._blocks)
        load = abs(self._blocks[-1].mean - self._zero) if self._zero is not None else 0.0
        return max(BAND * self.deviation / sqrt(samples), self._share * load, QUIET, self._floor)

"""Defects of a sensor, as functions over its counts. Times in s of the world."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from simulators.sensors import Counts, Sensor
from simulators.trajectory import Floats


@dataclass(slots=True)
class Stuck:
    """A channel that keeps saying the same from `at` for `lasts` s."""

    channel: str
    at: float
    lasts: float
    hits: int = 0
    _held: int | None = field(default=None, init=False, repr=False)

    def __call__(self, sensor: Sensor, times: Floats, counts: Counts) -> Counts:
        """The counts with the defect in them."""
        if sensor.channel != self.channel:
            return counts
        stuck = (times >= self.at) & (times < self.at + self.lasts)
        before = counts[times < self.at]
        if len(before):
            self._held = int(before[-1])
        if not stuck.any():
            return counts
        if self._held is None:
            self._held = int(counts[stuck][0])
        self.hits += int(stuck.sum())
        return np.where(stuck, self._held, counts)


@dataclass(slots=True)
class Saturate:
    """A load cell at the end of its range from `at` for `lasts` s."""

    channel: str
    at: float
    lasts: float
    hits: int = 0

    def __call__(self, sensor: Sensor, times: Floats, counts: Counts) -> Counts:
        """The counts with the defect in them."""
        if sensor.channel != self.channel:
            return counts
        railed = (times >= self.at) & (times < self.at + self.lasts)
        self.hits += int(railed.sum())
        return np.where(railed, sensor.highest, counts)

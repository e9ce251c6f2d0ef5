"""Defects of sensors: functions over a channel's counts, or over rows of samples. Times in s of the world.

`hits` counts the samples that were changed.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from math import inf
from typing import Final

import numpy as np

from simulators.sensors import Counts, Sensor
from simulators.trajectory import Floats

Row = tuple[float, float | None, float | None, float | None, float | None]
OTHER: Final = {"left_force_n": "right_force_n", "right_force_n": "left_force_n"}


@dataclass(slots=True)
class Stuck:
    """A channel that keeps saying the same from `at` for `lasts` s: a dead cell, an encoder that has come off."""

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


@dataclass(slots=True)
class Clip:
    """A load cell whose amplifier goes no further than `limit` N, either way."""

    channel: str
    limit: float
    hits: int = 0

    def __call__(self, sensor: Sensor, times: Floats, counts: Counts) -> Counts:
        """The counts with the defect in them."""
        del times
        if sensor.channel != self.channel:
            return counts
        most = round(self.limit / sensor.scale)
        clipped = np.clip(counts, sensor.offset - most, sensor.offset + most)
        self.hits += int((clipped != counts).sum())
        return clipped


@dataclass(slots=True)
class Unplugged:
    """A load cell that is off from `at` for `lasts` s: its converter shows its own noise about zero (in N)."""

    channel: str
    at: float
    lasts: float
    noise_n: float = 0.3
    seed: int = 1
    hits: int = 0

    def __call__(self, sensor: Sensor, times: Floats, counts: Counts) -> Counts:
        """The counts with the defect in them."""
        if sensor.channel != self.channel:
            return counts
        off = (times >= self.at) & (times < self.at + self.lasts)
        self.hits += int(off.sum())
        swing = np.sin(12_345.678 * times + self.seed) * 1.4 * self.noise_n / sensor.scale  # however it is cut
        return np.where(off, sensor.offset + np.round(swing).astype(np.int64), counts)


@dataclass(slots=True)
class Spike:
    """Interference: the samples within `lasts` s from `at` are off by `by` (N or m), and so every `every` s."""

    channel: str
    at: float
    by: float
    every: float = inf
    lasts: float = 0.0
    hits: int = 0
    _next: float | None = field(default=None, init=False, repr=False)

    def __call__(self, sensor: Sensor, times: Floats, counts: Counts) -> Counts:
        """The counts with the defect in them."""
        if sensor.channel != self.channel:
            return counts
        out = counts.copy()
        for k, t in enumerate(times.tolist()):
            begins = self.at if self._next is None else self._next
            if t < begins:
                continue
            out[k] += round(self.by / sensor.scale)
            self.hits += 1
            if t >= begins + self.lasts:
                self._next = begins + self.every
        return out


@dataclass(slots=True)
class Drift:
    """A load cell whose zero moves by `by` N from `at` on, within `over` s."""

    channel: str
    at: float
    by: float
    over: float = 1.0
    hits: int = 0

    def __call__(self, sensor: Sensor, times: Floats, counts: Counts) -> Counts:
        """The counts with the defect in them."""
        if sensor.channel != self.channel:
            return counts
        moved = np.clip((times - self.at) / max(self.over, 1e-9), 0.0, 1.0) * self.by / sensor.scale
        self.hits += int((moved != 0.0).sum())
        return counts + np.round(moved).astype(np.int64)


@dataclass(slots=True)
class Reversed:
    """A channel whose sign is the wrong way round, from `at` on."""

    channel: str
    at: float = 0.0
    hits: int = 0

    def __call__(self, sensor: Sensor, times: Floats, counts: Counts) -> Counts:
        """The counts with the defect in them."""
        if sensor.channel != self.channel:
            return counts
        turned = times >= self.at
        self.hits += int(turned.sum())
        return np.where(turned, 2 * sensor.offset - counts, counts)


@dataclass(slots=True)
class Slip:
    """An encoder that loses count by `by` m at `at`, and again every `every` s `times` times in all, each in 0.2 s."""

    channel: str
    at: float
    by: float
    every: float = inf
    times: int = 1
    hits: int = 0

    def __call__(self, sensor: Sensor, times: Floats, counts: Counts) -> Counts:
        """The counts with the defect in them."""
        if sensor.channel != self.channel:
            return counts
        moved = np.zeros(len(times))
        for k in range(self.times):
            begins = self.at + (k * self.every if k else 0.0)
            moved += np.clip((times - begins) / 0.2, 0.0, 1.0) * self.by / sensor.scale
        self.hits += int((moved != 0.0).sum())
        return counts + np.round(moved).astype(np.int64)


@dataclass(slots=True)
class Chatter:
    """An encoder that jumps to and fro by `by` m from sample to sample, from `at` for `lasts` s."""

    channel: str
    at: float
    lasts: float
    by: float = 0.01
    hits: int = 0
    _up: bool = field(default=True, init=False, repr=False)

    def __call__(self, sensor: Sensor, times: Floats, counts: Counts) -> Counts:
        """The counts with the defect in them."""
        if sensor.channel != self.channel:
            return counts
        out = counts.copy()
        for k in np.flatnonzero((times >= self.at) & (times < self.at + self.lasts)).tolist():
            out[k] += round((self.by if self._up else 0.0) / sensor.scale)
            self._up = not self._up
            self.hits += 1
        return out


@dataclass(slots=True)
class Swapped:
    """Each load cell is on the other side's cable."""

    hits: int = 0

    def reads(self, channel: str) -> str:
        """Whose force a channel really is."""
        self.hits += channel in OTHER
        return OTHER.get(channel, channel)

    def __call__(self, sensor: Sensor, times: Floats, counts: Counts) -> Counts:
        """The counts as they are: the defect is in what they were taken from."""
        del sensor, times
        return counts


@dataclass(slots=True)
class Gap:
    """A side (both where it is None) from which nothing comes from `at` for `lasts` s."""

    at: float
    lasts: float
    side: str | None = None
    hits: int = 0

    def rows(self, rows: list[Row]) -> list[Row]:
        """The rows with the defect in them."""
        out: list[Row] = []
        for row in rows:
            if not self.at <= row[0] < self.at + self.lasts:
                out.append(row)
                continue
            self.hits += 1
            t, a, b, c, d = row
            if self.side == "left":
                out.append((t, None, None, c, d))
            elif self.side == "right":
                out.append((t, a, b, None, None))
        return out


@dataclass(slots=True)
class Slower:
    """A board that gives one sample of `of` only, from `at` for `lasts` s."""

    at: float
    lasts: float
    of: int
    hits: int = 0

    def rows(self, rows: list[Row]) -> list[Row]:
        """The rows with the defect in them."""
        out = []
        for k, row in enumerate(rows):
            if self.at <= row[0] < self.at + self.lasts and k % self.of:
                self.hits += 1
            else:
                out.append(row)
        return out


OverRows = Gap | Slower

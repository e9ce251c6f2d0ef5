"""Defects of sensors: functions over a channel's counts, or over rows of samples. Times in s of the world.

`hits` counts the samples that were changed.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import MISSING, dataclass, field, fields
from math import inf
from typing import Final

import numpy as np
from numpy.typing import NDArray

from protocols.neutral_csv import CHANNELS
from simulators.sensors import FORCE_CHANNELS, POSITION_CHANNELS, Counts, Sensor
from simulators.trajectory import Floats

Row = tuple[float, float | None, float | None, float | None, float | None]
Struck = NDArray[np.bool_]
Wrong = tuple[Struck, Counts]  # which samples are struck, and what is said instead
OTHER: Final = {"left_force_n": "right_force_n", "right_force_n": "left_force_n"}


@dataclass(slots=True)
class OfAChannel:
    """A defect of one channel's sensor. A subclass says which samples it strikes, and what becomes of the counts."""

    channel: str
    hits: int = field(default=0, init=False)

    def __call__(self, sensor: Sensor, times: Floats, counts: Counts) -> Counts:
        """The counts with the defect in them."""
        if sensor.channel != self.channel:
            return counts
        struck, wrong = self._wrong(sensor, times, counts)
        self.hits += int(struck.sum())
        return np.where(struck, wrong, counts)

    def _wrong(self, sensor: Sensor, times: Floats, counts: Counts) -> Wrong:
        raise NotImplementedError


@dataclass(slots=True)
class Stuck(OfAChannel):
    """A channel that keeps saying the same from `at` for `lasts` s: a dead cell, an encoder that has come off."""

    at: float
    lasts: float
    _held: int | None = field(default=None, init=False, repr=False)

    def _wrong(self, sensor: Sensor, times: Floats, counts: Counts) -> Wrong:
        del sensor
        stuck = _within(times, self.at, self.lasts)
        before = counts[times < self.at]
        if len(before):
            self._held = int(before[-1])
        if self._held is None and stuck.any():
            self._held = int(counts[stuck][0])
        return stuck, counts if self._held is None else np.full_like(counts, self._held)


@dataclass(slots=True)
class Saturate(OfAChannel):
    """A load cell at the end of its range from `at` for `lasts` s."""

    at: float
    lasts: float

    def _wrong(self, sensor: Sensor, times: Floats, counts: Counts) -> Wrong:
        return _within(times, self.at, self.lasts), np.full_like(counts, sensor.highest)


@dataclass(slots=True)
class Clip(OfAChannel):
    """A load cell whose amplifier goes no further than `limit` N, either way, from `at` for `lasts` s."""

    limit: float
    at: float = 0.0
    lasts: float = inf

    def _wrong(self, sensor: Sensor, times: Floats, counts: Counts) -> Wrong:
        most = round(self.limit / sensor.scale)
        clipped = np.clip(counts, sensor.offset - most, sensor.offset + most)
        return (clipped != counts) & _within(times, self.at, self.lasts), clipped


@dataclass(slots=True)
class Unplugged(OfAChannel):
    """A load cell that is off from `at` for `lasts` s: its converter shows its own noise about zero (in N)."""

    at: float
    lasts: float
    noise_n: float = field(default=0.3, kw_only=True)
    seed: int = field(default=1, kw_only=True)

    def _wrong(self, sensor: Sensor, times: Floats, counts: Counts) -> Wrong:
        del counts
        swing = np.sin(12_345.678 * times + self.seed) * 1.4 * self.noise_n / sensor.scale  # however it is cut
        return _within(times, self.at, self.lasts), sensor.offset + np.round(swing).astype(np.int64)


@dataclass(slots=True)
class Spike(OfAChannel):
    """Interference: the samples within `lasts` s from `at` are off by `by` (N or m), and so every `every` s."""

    at: float
    by: float
    every: float = inf
    lasts: float = 0.0
    _next: float | None = field(default=None, init=False, repr=False)

    def _wrong(self, sensor: Sensor, times: Floats, counts: Counts) -> Wrong:
        struck = np.zeros(len(times), dtype=bool)
        for k, t in enumerate(times.tolist()):
            begins = self.at if self._next is None else self._next
            if t >= begins:
                struck[k] = True
                if t >= begins + self.lasts:
                    self._next = begins + self.every
        return struck, counts + round(self.by / sensor.scale)


@dataclass(slots=True)
class Drift(OfAChannel):
    """A load cell whose zero moves by `by` N from `at` on, within `over` s."""

    at: float
    by: float
    over: float = 1.0

    def _wrong(self, sensor: Sensor, times: Floats, counts: Counts) -> Wrong:
        return _moved(np.clip((times - self.at) / max(self.over, 1e-9), 0.0, 1.0) * self.by, sensor, counts)


@dataclass(slots=True)
class Reversed(OfAChannel):
    """A channel whose sign is the wrong way round, from `at` for `lasts` s."""

    at: float = 0.0
    lasts: float = inf

    def _wrong(self, sensor: Sensor, times: Floats, counts: Counts) -> Wrong:
        return _within(times, self.at, self.lasts), 2 * sensor.offset - counts


@dataclass(slots=True)
class Slip(OfAChannel):
    """An encoder that loses count by `by` m at `at`, and again every `every` s `times` times in all, each in 0.2 s."""

    at: float
    by: float
    every: float = inf
    times: int = 1

    def _wrong(self, sensor: Sensor, times: Floats, counts: Counts) -> Wrong:
        slips = np.zeros(len(times))
        for k in range(self.times):
            begins = self.at + (k * self.every if k else 0.0)
            slips += np.clip((times - begins) / 0.2, 0.0, 1.0) * self.by
        return _moved(slips, sensor, counts)


@dataclass(slots=True)
class Chatter(OfAChannel):
    """An encoder that jumps to and fro by `by` m from sample to sample, from `at` for `lasts` s."""

    at: float
    lasts: float
    by: float = 0.01
    _struck: int = field(default=0, init=False, repr=False)

    def _wrong(self, sensor: Sensor, times: Floats, counts: Counts) -> Wrong:
        struck = _within(times, self.at, self.lasts)
        numbers = self._struck + np.cumsum(struck)
        self._struck += int(struck.sum())
        return struck, counts + np.where(numbers % 2 == 1, round(self.by / sensor.scale), 0)


def _within(times: Floats, at: float, lasts: float) -> Struck:
    return np.asarray((times >= at) & (times < at + lasts))


def _moved(by: Floats, sensor: Sensor, counts: Counts) -> Wrong:
    """Counts off by so many N or m."""
    moved = by / sensor.scale
    return moved != 0.0, counts + np.round(moved).astype(np.int64)


SENSOR_FAULTS: Final[dict[str, tuple[Sequence[str], type[OfAChannel]]]] = {  # the channels that can have it
    "stuck": (CHANNELS, Stuck),
    "saturate": (FORCE_CHANNELS, Saturate),
    "clip": (FORCE_CHANNELS, Clip),
    "unplugged": (FORCE_CHANNELS, Unplugged),
    "drift": (FORCE_CHANNELS, Drift),
    "spike": (CHANNELS, Spike),
    "reversed": (CHANNELS, Reversed),
    "slip": (POSITION_CHANNELS, Slip),
    "chatter": (POSITION_CHANNELS, Chatter),
}


def settings(made: type[OfAChannel]) -> tuple[list[str], list[str]]:
    """What a defect has to be told besides its channel, and what it may be told."""
    own = [each for each in fields(made) if each.init and not each.kw_only and each.name != "channel"]
    must = [each.name for each in own if each.default is MISSING]
    return must, [each.name for each in own if each.name not in must]


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

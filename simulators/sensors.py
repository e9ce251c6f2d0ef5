"""Load cells and encoders: from N and m at the handle to the counts of a board, and nominally back."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final
from zlib import crc32

import numpy as np
from numpy.typing import NDArray

from protocols.events import Side
from protocols.neutral_csv import CHANNELS
from simulators.trajectory import Floats

Counts = NDArray[np.int64]
FORCE_CHANNELS: Final = tuple(name for name in CHANNELS if name.endswith("force_n"))
POSITION_CHANNELS: Final = tuple(name for name in CHANNELS if name.endswith("position_m"))
I32: Final = 2**31 - 1


@dataclass(frozen=True, kw_only=True, slots=True)
class Sensors:
    """What stands between the handle and the counts."""

    force_noise_n: float = 0.4  # standard deviation
    force_zero_n: float = 0.0  # what an untared cell says with no load on it
    force_gain: float = 1.0  # of what it says over what is so: 1 is a cell as its board states it
    force_step_n: float = 0.02  # one count
    force_offset: int = 84_213  # counts of a nominal zero
    force_limit_n: float = 2000.0  # the cell rails here
    position_noise_m: float = 0.0  # standard deviation
    position_step_m: float = 0.0002  # one count
    position_gain: float = 1.0  # the same of an encoder; negative: it counts the other way


class Sensor:
    """One channel. Its noise is drawn sample by sample from the seed: the way they are cut into blocks is no matter."""

    def __init__(self, channel: str, sensors: Sensors, seed: int) -> None:
        self.channel = channel
        self.is_force = channel in FORCE_CHANNELS
        self.side: Side = "left" if channel.startswith("left") else "right"
        step = sensors.force_step_n if self.is_force else sensors.position_step_m
        self.scale = float(np.float32(step))  # as INFO carries it
        self.offset = sensors.force_offset if self.is_force else 0
        self._zero = sensors.force_zero_n if self.is_force else 0.0
        self._gain = sensors.force_gain if self.is_force else sensors.position_gain
        self._noise = sensors.force_noise_n if self.is_force else sensors.position_noise_m
        limit = round(sensors.force_limit_n / self.scale) if self.is_force else I32
        self.lowest, self.highest = max(self.offset - limit, -I32), min(self.offset + limit, I32)
        self._random = np.random.Generator(np.random.PCG64([seed, crc32(channel.encode())]))

    def counts(self, values: Floats) -> Counts:
        """The next samples of the channel: N or m in, counts out."""
        noise = self._noise * self._random.standard_normal(len(values)) if self._noise else 0.0
        counts = np.floor((values * self._gain + self._zero + noise) / self.scale + 0.5).astype(np.int64) + self.offset
        return np.clip(counts, self.lowest, self.highest)

    def nominal(self, counts: Counts) -> Floats:
        """What INFO says that these counts are, N or m."""
        return np.asarray((counts - self.offset) * self.scale, dtype=np.float64)

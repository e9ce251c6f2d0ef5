"""What a board samples: a group of channels that are read at the same instants, in blocks of counts.

All times are in microseconds of the board's own oscillator since the world began.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final, Protocol

import numpy as np

from protocols.cablelink import Channel, ChannelSide, Kind, SampleStatus, Unit
from simulators.scenarios import Fault, Session
from simulators.sensor_faults import Swapped
from simulators.sensors import Sensor
from simulators.trajectory import Floats

AHEAD: Final = 256  # samples that are computed at once; what they are does not depend on it
SATURATED: Final = {"left": SampleStatus.FORCE_LEFT_SATURATED, "right": SampleStatus.FORCE_RIGHT_SATURATED}
SIDE_CODE: Final = {"left": ChannelSide.LEFT, "right": ChannelSide.RIGHT}

World = Callable[[Floats], Floats]  # the board's microseconds -> s of the world's true time


@dataclass(frozen=True, slots=True)
class Block:
    """Samples that leave in one message. dt_us is 0 for a single one."""

    first_us: float
    last_us: float
    dt_us: int
    status: int
    rows: tuple[tuple[int, ...], ...]


class Source(Protocol):
    """One numbered source of a board."""

    channels: tuple[Channel, ...]

    def start(self, first_us: float, world: World, *, rate_hz: int, batch: int, mask: int) -> None:
        """Begin to sample at first_us, the channels of the mask."""

    def stop(self) -> None:
        """End sampling."""

    @property
    def due_us(self) -> float | None:
        """When the next block is whole; None while there is none to come."""

    def take(self) -> Block:
        """That block. Only while due_us is not None."""

    def tare(self, mask: int, samples: int) -> bool:
        """Take the mean of so many samples as zero from now on; False while such a tare is running."""

    def rehome(self, t: float) -> None:
        """The board restarts at t (s, world): what counts increments counts from here, and a tare is forgotten."""


class SessionSource:
    """Channels of a simulated session, sampled by the board's clock."""

    def __init__(
        self, session: Session, channels: Sequence[str], *, loop: bool = False, faults: Sequence[Fault] = ()
    ) -> None:
        """`loop`: the session begins again when it is over; otherwise its last state stays."""
        scenario = session.scenario
        self.session = session
        self.sensors = [Sensor(name, scenario.sensors, scenario.seed) for name in channels]
        self.channels = tuple(
            Channel(
                kind=Kind.FORCE if s.is_force else Kind.POSITION,
                side=SIDE_CODE[s.side],
                unit=Unit.NEWTON if s.is_force else Unit.METRE,
                scale=s.scale,
                offset=float(s.offset),
            )
            for s in self.sensors
        )
        self._loop = loop
        self._faults = tuple(faults)
        self._home = [0] * len(self.sensors)
        self._rows: deque[tuple[tuple[int, ...], int]] = deque()
        self._streaming = False
        self._tare = _Tare(len(self.sensors))
        self._chosen: list[int] = []
        self._next = self._computed = 0  # samples since start
        self._first_us = self._step_us = 0.0
        self._batch = 1
        self._world: World = _seconds

    def start(self, first_us: float, world: World, *, rate_hz: int, batch: int, mask: int) -> None:
        """Begin to sample at first_us, the channels of the mask."""
        self._chosen = [k for k in range(len(self.sensors)) if mask >> k & 1]
        self._first_us, self._world = first_us, world
        self._step_us, self._batch = 1e6 / rate_hz, batch
        self._next = self._computed = 0
        self._rows.clear()
        self._streaming = True

    def stop(self) -> None:
        """End sampling."""
        self._streaming = False

    @property
    def due_us(self) -> float | None:
        """When the next block is whole."""
        if not self._streaming:
            return None
        return self._first_us + (self._next + self._batch - 1) * self._step_us

    def take(self) -> Block:
        """The next block."""
        while len(self._rows) < self._batch:
            self._compute()
        first = self._first_us + self._next * self._step_us
        last = first + (self._batch - 1) * self._step_us
        self._next += self._batch
        rows, status = [], 0
        for _ in range(self._batch):
            row, flags = self._rows.popleft()
            if self._tare.step(row):
                flags |= SampleStatus.TARE_ACTIVE
            status |= flags
            rows.append(tuple(row[k] - self._tare.zero[k] for k in self._chosen))
        dt = round(self._step_us) if self._batch > 1 else 0
        return Block(first, last, dt, status, tuple(rows))

    def tare(self, mask: int, samples: int) -> bool:
        """Take the mean of so many samples as zero from now on; at once, from one sample, while nothing streams."""
        if not self._tare.begin(mask, samples, [s.offset for s in self.sensors]):
            return False
        if not self._streaming:
            now = self._world(np.array([self._first_us + self._next * self._step_us]))
            row = tuple(int(s.counts(self._values(s, now))[0]) for s in self.sensors)
            while self._tare.step(row):
                pass
        return True

    def rehome(self, t: float) -> None:
        """An encoder counts from where it stands when its board starts; a load cell keeps its zero."""
        at = self._wrapped(np.array([t]))
        self._home = [
            0 if s.is_force else round(float(self.session.values(s.channel, at)[0]) / s.scale) for s in self.sensors
        ]
        self._tare = _Tare(len(self.sensors))
        self._streaming = False

    def _compute(self) -> None:
        steps = np.arange(self._computed, self._computed + AHEAD, dtype=np.float64)
        times = self._world(self._first_us + steps * self._step_us)
        columns, flags = [], np.zeros(AHEAD, dtype=np.int64)
        for sensor, home in zip(self.sensors, self._home, strict=True):
            counts = sensor.counts(self._values(sensor, times))
            for fault in self._faults:
                counts = fault(sensor, times, counts)
            if sensor.is_force:
                railed = (counts <= sensor.lowest) | (counts >= sensor.highest)
                flags |= np.where(railed, int(SATURATED[sensor.side]), 0)
            columns.append((counts - home).tolist())
        self._rows.extend(zip(zip(*columns, strict=True), flags.tolist(), strict=True))
        self._computed += AHEAD

    def _values(self, sensor: Sensor, times: Floats) -> Floats:
        channel = sensor.channel
        for fault in self._faults:
            channel = fault.reads(channel) if isinstance(fault, Swapped) else channel
        return self.session.values(channel, self._wrapped(times))

    def _wrapped(self, times: Floats) -> Floats:
        return np.asarray(times % self.session.duration) if self._loop else times


class _Tare:
    """The board's own zero of each channel, and the tare that is running."""

    def __init__(self, channels: int) -> None:
        self.zero = [0] * channels
        self._sums = [0] * channels
        self._offsets = [0] * channels
        self._mask = self._left = self._samples = 0

    def begin(self, mask: int, samples: int, offsets: list[int]) -> bool:
        if self._left:
            return False
        self._mask, self._left, self._samples = mask, samples, samples
        self._sums, self._offsets = [0] * len(self.zero), offsets
        return True

    def step(self, row: tuple[int, ...]) -> bool:
        """Take a sample; True while the tare is not done with it."""
        if not self._left:
            return False
        self._sums = [total + count for total, count in zip(self._sums, row, strict=True)]
        self._left -= 1
        if self._left:
            return True
        for k, total in enumerate(self._sums):
            if self._mask >> k & 1:
                self.zero[k] = round(total / self._samples) - self._offsets[k]
        return False


def _seconds(us: Floats) -> Floats:
    return us / 1e6

"""What the simulated devices of other makers have in common: a clock that drifts, samples, a wire, bad manners.

A twin speaks bytes in virtual time: it is told the time, and says what it has sent up to it. It knows nothing of the
link that carries them. Its clock starts three seconds before its wrap.
"""

from __future__ import annotations

import heapq
from collections import deque
from collections.abc import Callable, Sequence
from random import Random
from typing import Final

import numpy as np

from firmware_bridge.link import Chunk
from simulators.scenarios import Fault, Session
from simulators.sensors import Sensor
from simulators.trajectory import Floats
from simulators.virtual_board import BEFORE_WRAP, WRAP, World

AHEAD: Final = 64  # samples that are computed at once; what they are does not depend on it
DARK: Final = 0.3  # s that a restart takes
Values = tuple[float, ...]  # N or m, one a channel


class Signals:
    """What the sensors of some channels say at given instants of the world, N and m."""

    def __init__(
        self, session: Session, channels: Sequence[str], *, loop: bool = False, faults: Sequence[Fault] = ()
    ) -> None:
        """`loop`: the session begins again when it is over; otherwise its last state stays."""
        scenario = session.scenario
        self.channels = tuple(channels)
        self._session, self._loop, self._faults = session, loop, tuple(faults)
        self._sensors = [Sensor(name, scenario.sensors, scenario.seed) for name in channels]

    def at(self, times: Floats) -> list[Values]:
        """The samples at these times (s, rising from call to call)."""
        within = np.maximum(times, 0.0)
        if self._loop:
            within = within % self._session.duration
        columns = []
        for sensor in self._sensors:
            counts = sensor.counts(self._session.values(sensor.channel, within))
            for fault in self._faults:
                counts = fault(sensor, times, counts)
            columns.append(sensor.nominal(counts).tolist())
        return list(zip(*columns, strict=True))


class Twin:
    """One device. A subclass says what it does when it boots, hears, and samples."""

    def __init__(
        self,
        signals: Signals,
        *,
        rate_hz: float,
        now: float = 0.0,
        ppm: float = 0.0,
        seed: int = 1,
        world: World | None = None,
        baud: int | None = None,
    ) -> None:
        """A device that is switched on at host time `now`, s.

        ppm: how much too fast its clock runs. world: shared by devices that see the same, which begins when one of them
        is told to start; None: one of its own, which begins at once. baud: bytes take their time on the wire.
        """
        self.world = world if world is not None else World(began=now)
        self.random = Random(seed)
        self.sent: deque[tuple[float, Values]] = deque(maxlen=200_000)  # host time and values of each sample
        self._signals, self._rate_hz, self._baud = signals, rate_hz, baud
        self._speed = 1.0 + ppm * 1e-6  # its seconds in a true second
        self._now = self._booted_at = self._line_free = now
        self._due: list[tuple[float, int, Callable[[], None]]] = []
        self._number = 0
        self._out: list[Chunk] = []
        self._ahead: deque[Values] = deque()
        self._first: float | None = None  # host time of sample 0; None: it does not sample
        self._next = self._computed = 0
        self._dark = False
        self.restarts: deque[float] = deque()  # s of the world at which it restarts by itself, in order
        self.paces: deque[tuple[float, float]] = deque()  # the same of its rate, and the times that it is its own
        self._pace = 1.0
        self.later(0.0, self.booted)

    # -- the outside

    def chunks(self, host_time: float) -> list[Chunk]:
        """What it sent up to host_time (s, never back), each with the time at which it had left."""
        while True:
            sample = self._sample_time(self._next)
            restart = self._host_time(self.restarts[0]) if self.restarts else None
            pace = self._host_time(self.paces[0][0]) if self.paces else None
            acts = [at for at in (self._due[0][0] if self._due else None, sample, restart, pace) if at is not None]
            if not acts or min(acts) > host_time:
                break
            if restart is not None and restart == min(acts):
                self.restarts.popleft()
                self._now = max(self._now, restart)
                self.restart()
            elif pace is not None and pace == min(acts):
                self._now = max(self._now, pace)
                self._change_pace(self.paces.popleft()[1])
            elif self._due and (sample is None or self._due[0][0] <= sample):
                self._now, _, act = heapq.heappop(self._due)
                act()
            else:
                assert sample is not None
                self._now = sample
                self._take()
        self._now = max(self._now, host_time)
        out, self._out = self._out, []
        return out

    def receive(self, data: bytes) -> None:
        """Take bytes from the host, at the time that was last told."""
        if not self._dark:
            self.heard(data)

    def restart(self) -> None:
        """Cut the power for a moment."""
        self.stop()
        self._due.clear()
        self._dark = True
        self._push(self._now + DARK, self._boot)

    @property
    def is_streaming(self) -> bool:
        """Whether it samples."""
        return self._first is not None

    @property
    def world_time(self) -> float | None:
        """Seconds since the world began; None before."""
        return None if self.world.began is None else self._now - self.world.began

    # -- for a device to say

    def booted(self) -> None:
        """It has power."""

    def heard(self, data: bytes) -> None:
        """Bytes came from the host."""

    def sampled(self, values: Values) -> None:
        """A sample was taken, now."""

    # -- for a device to use

    @property
    def micros(self) -> int:
        """Its microseconds since it booted."""
        return round((self._now - self._booted_at) * 1e6 * self._speed)

    @property
    def ticks(self) -> int:
        """What its clock says."""
        return (WRAP - BEFORE_WRAP + self.micros) % WRAP

    def later(self, delay: float, act: Callable[[], None]) -> None:
        """Do something in so many s, unless a restart comes between."""
        self._push(self._now + delay, act)

    def say(self, data: bytes) -> None:
        """Send bytes; they have left when the wire has taken them."""
        start = max(self._now, self._line_free)
        self._line_free = start + (10.0 * len(data) / self._baud if self._baud else 0.0)
        self._out.append(Chunk(self._line_free, data))

    def start(self) -> None:
        """Begin to sample; the world begins with the first."""
        if self.world.began is None:
            self.world.began = self._now
        self._begin()

    def stop(self) -> None:
        """End sampling."""
        self._first = None

    def happens(self, share: float) -> bool:
        """Whether one of its bad manners shows now."""
        return self.random.random() < share

    # -- time

    def _host_time(self, world_time: float) -> float | None:
        return None if self.world.began is None else self.world.began + world_time

    @property
    def _period(self) -> float:
        return 1.0 / (self._rate_hz * self._pace) / self._speed

    def _begin(self) -> None:
        """The next sample is a period away, and the first."""
        self._first = self._now + self._period
        self._next = self._computed = 0
        self._ahead.clear()

    def _change_pace(self, pace: float) -> None:
        self._pace = pace
        if self._first is not None:
            self._begin()

    def _push(self, at: float, act: Callable[[], None]) -> None:
        self._number += 1
        heapq.heappush(self._due, (at, self._number, act))

    def _boot(self) -> None:
        self._dark = False
        self._booted_at = self._now
        self.booted()

    def _sample_time(self, number: int) -> float | None:
        return None if self._first is None else self._first + number * self._period

    def _take(self) -> None:
        if not self._ahead:
            self._compute()
        values = self._ahead.popleft()
        self._next += 1
        self.sent.append((self._now, values))
        self.sampled(values)

    def _compute(self) -> None:
        assert self._first is not None
        numbers = np.arange(self._computed, self._computed + AHEAD, dtype=np.float64)
        times = self._first + numbers * self._period
        began = self.world.began
        self._ahead.extend(self._signals.at(times - began if began is not None else np.full(AHEAD, -1.0)))
        self._computed += AHEAD

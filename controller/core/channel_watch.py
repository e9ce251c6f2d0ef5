"""What one channel gives away about itself: that it is stuck, jumps, chatters, or comes at a rate that cannot be.

Recursions over single samples, each with a bounded memory. What is usual for a channel is learned from the channel:
its own noise, its own repeats, its own rate. Forces in N, positions in m, times in s of stream time.
"""

from __future__ import annotations

from collections import deque
from itertools import pairwise
from math import ceil, pi
from statistics import median
from typing import Final

SAME_AT_LEAST: Final = 8  # equal samples
SAME_TIMES: Final = 10  # times the longest run of equal samples that this cell has shown
SAME_FOR: Final = 0.3  # s
SAME_WAY: Final = 0.15  # m that a cable goes under a force that does not change at all
SAME_TURNS: Final = 3  # strokes (out, back, out) under one and the same value; no cable has no friction and no mass
SAME_HOLD: Final = 2.0  # s under load without a way
LEARNED: Final = 50  # changes of value; before, what is usual is not known
SURPRISE: Final = 1.25  # times the longest run before; one longer run teaches no more, since it may be the fault
LOADED: Final = 15.0  # N over the lowest level
STROKE: Final = 0.10  # m; a shorter way is no stroke

FASTEST_TURN: Final = 60.0  # m/s^2; no hand and no stack bends the way of a handle more
LEAST_JUMP: Final = 0.005  # m
LIVELY: Final = 8.0  # times the liveliest second difference of late
FLIPS: Final = 6  # turns of direction in FLIP_SAMPLES steps that are chatter, not motion
FLIP_SAMPLES: Final = 8
FLIP_LEAST: Final = 0.002  # m
NOISE_KNOWN: Final = 64  # samples until a channel's noise is known
FLIP_NOISE: Final = 8.0  # times the noise that was there before

SLOWEST_HZ: Final = 9.5  # Hz; with fewer samples a stroke has no turns
FASTEST_HZ: Final = 5000.0  # Hz; no board samples a cable faster: the unit of the times is wrong
RATE_CHANGE: Final = 2.0  # times faster or slower than before
RATE_WINDOW: Final = 24  # steps
RATE_KNOWN: Final = 48  # steps until a rate is known


class StuckForce:
    """Notices a load cell that says one and the same value while its cable moves, or for far too long.

    A cell repeats itself as long as its noise is finer than its counts; how long it does so is learned. Where the
    longest run is known, ten times that over a way of 0.15 m are enough, or two seconds under load. Where it is not,
    or where the cell is coarse, only a value that outlasts three strokes is no longer a force.
    """

    __slots__ = (
        "_changes", "_high", "_inner", "_last", "_low", "_outer", "_rising", "_run", "_usual", "quantum", "since",
        "turns", "x",
    )  # fmt: skip

    def __init__(self) -> None:
        self._last: float | None = None
        self._run = 0
        self._usual = 1
        self._changes = 0
        self.quantum = 0.0  # N, the smallest change
        self._low = self._high = 0.0  # N, all that was shown
        self.since = 0.0
        self.x: float | None = None
        self._inner = self._outer = 0.0  # m, the way since the run began
        self._rising = True
        self.turns = 0

    def moved(self, x: float) -> None:
        """Take a position: where the cable is under the force of now."""
        if self.x is None:
            self._inner = self._outer = x
        self.x = x
        if self._run <= 1:
            self._inner = self._outer = x
            self.turns = 0
            return
        if self.turns == 0:
            self._inner, self._outer = min(self._inner, x), max(self._outer, x)
            if self._outer - self._inner >= STROKE:
                self.turns, self._rising = 1, x >= self._outer
                self._outer = x if self._rising else self._outer
                self._inner = x if not self._rising else self._inner
            return
        if self._rising:
            self._outer = max(self._outer, x)
            if self._outer - x >= STROKE:
                self.turns, self._rising, self._inner = self.turns + 1, False, x
        else:
            self._inner = min(self._inner, x)
            if x - self._inner >= STROKE:
                self.turns, self._rising, self._outer = self.turns + 1, True, x

    def step(self, t: float, force: float, *, at_rail: bool) -> float | None:
        """Take a force; returns since when it is stuck, None while it is not."""
        if force != self._last:
            if self._last is None:
                self._low = self._high = force
            else:
                self._changes += 1
                change = abs(force - self._last)
                self.quantum = min(self.quantum, change) if self.quantum else change
                if not self._stuck(t, at_rail=at_rail):
                    self._learn(self._run)
            self._low, self._high = min(self._low, force), max(self._high, force)
            self._last, self._run, self.since, self.turns = force, 1, t, 0
            if self.x is not None:
                self._inner = self._outer = self.x
            return None
        self._run += 1
        return self.since if self._stuck(t, at_rail=at_rail) else None

    def _learn(self, run: int) -> None:
        """Take a run that is over and was not known to be stuck, as one at rest never is."""
        if self._changes > LEARNED:
            run = min(run, ceil(SURPRISE * self._usual))
        self._usual = max(self._usual, run)

    def _stuck(self, t: float, *, at_rail: bool) -> bool:
        if self._run < SAME_AT_LEAST or self._last is None:
            return False
        loaded = self._last - self._low > LOADED
        if self.turns >= (SAME_TURNS if loaded else 2 * SAME_TURNS):
            return True
        lasted = t - self.since
        learned = self._changes >= LEARNED and self._run >= SAME_TIMES * self._usual
        if at_rail or not learned or lasted < SAME_FOR:
            return False
        way = self._outer - self._inner
        return way >= SAME_WAY or (loaded and lasted >= SAME_HOLD and self._run >= 2 * SAME_TIMES * self._usual)


class Steps:
    """Notices steps of a position that no motion makes: one that stays (a slip), or many to and fro (chatter)."""

    __slots__ = ("_flat", "_last", "_lively", "_quiet", "_seen", "_steps")

    def __init__(self) -> None:
        self._last: tuple[float, float] | None = None
        self._steps: deque[tuple[float, float, float]] = deque(maxlen=FLIP_SAMPLES)  # t, dt, dx
        self._lively = 0.0
        self._quiet: float | None = None  # m, the noise as it was before
        self._seen = 0
        self._flat = 0.0  # s, since when the position has been the same

    def step(self, t: float, x: float, *, noise: float, quantum: float) -> tuple[str, float, float, float] | None:
        """Take a position; returns (fault, from, to, how far) of what the last samples show."""
        last, self._last = self._last, (t, x)
        if last is None:
            self._flat = t
            return None
        dt, dx = t - last[0], x - last[1]
        self._seen += 1
        settled = self._quiet is not None and self._seen > NOISE_KNOWN
        self._quiet = min((self._quiet or 0.0) * (1.0 + 0.05 * dt), noise) if settled else noise
        self._steps.append((t, dt, dx))
        found = self._jump(quantum) or (self._flipping(quantum) if settled else None)
        if dx != 0.0 and len(self._steps) < 2:
            self._flat = t
        if len(self._steps) >= 2 and self._steps[-2][2] != 0.0 and found is None:
            self._flat = self._steps[-2][0]
        return found

    def _jump(self, quantum: float) -> tuple[str, float, float, float] | None:
        """The middle one of the last three steps is one by itself."""
        if len(self._steps) < 3:
            return None
        (_, dt0, dx0), (t1, dt1, dx1), (_, dt2, dx2) = self._steps[-3], self._steps[-2], self._steps[-1]
        bend = abs(dx1 - dx0)
        self._lively = max(self._lively * (1.0 - dt1), 0.0)
        if bend < LEAST_JUMP:
            self._lively = max(self._lively, bend)
            return None
        even = max(dt0, dt1, dt2) <= 1.6 * min(dt0, dt1, dt2)
        limit = max(LEAST_JUMP, LIVELY * self._lively, FLIP_NOISE * (self._quiet or 0.0), 2.5 * quantum)
        limit += FASTEST_TURN * dt1 * dt1
        over0, over2 = dx1 - dx0, dx1 - dx2
        if even and ((over0 > limit and over2 > limit) or (over0 < -limit and over2 < -limit)):
            return "encoder_slip", min(self._flat, t1 - dt1), t1, dx1
        self._lively = max(self._lively, min(bend, LEAST_JUMP))
        return None

    def _flipping(self, quantum: float) -> tuple[str, float, float, float] | None:
        if len(self._steps) < FLIP_SAMPLES or max(abs(self._steps[-1][2]), abs(self._steps[-2][2])) < FLIP_LEAST:
            return None
        sizes = sorted(abs(dx) for _, _, dx in self._steps)
        typical = sizes[FLIP_SAMPLES // 2]
        if typical < max(FLIP_LEAST, FLIP_NOISE * (self._quiet or 0.0), 2.5 * quantum):
            return None
        steps = list(self._steps)
        flips = sum(a[2] * b[2] < 0.0 for a, b in pairwise(steps))
        dt = median(step[1] for step in steps)
        if flips < FLIPS or 0.5 * typical * (pi / dt) ** 2 < 0.5 * FASTEST_TURN:
            return None
        return "encoder_chatter", steps[0][0] - steps[0][1], steps[-1][0], typical


class Rate:
    """Notices a sample rate that cannot be: too slow, too fast, or twice or half of what it was."""

    __slots__ = ("_count", "_last", "_steps", "_usual", "why")

    def __init__(self) -> None:
        self._last: float | None = None
        self._steps: deque[float] = deque(maxlen=RATE_WINDOW)
        self._usual: float | None = None  # s, the step that this channel is known by
        self._count = 0
        self.why: str | None = None

    def step(self, t: float) -> tuple[bool, float]:
        """Take a sample's time; returns whether the rate cannot be, and since when it may have been so."""
        last, self._last = self._last, t
        if last is None:
            return False, t
        self._steps.append(t - last)
        self._count += 1
        slow = len(self._steps) == RATE_WINDOW or (t - last) * len(self._steps) > 2.0
        if not slow or self._count % 8:
            return self.why is not None, t
        step = median(self._steps)
        since = t - sum(self._steps)
        self.why = self._judge(step)
        if self.why is None and self._count >= RATE_KNOWN and self._usual is None and self._even():
            self._usual = step
        return self.why is not None, since

    def _even(self) -> bool:
        """Whether the steps that are looked at are of one rate, and not of two, one after the other."""
        half = len(self._steps) // 2
        steps = [*self._steps]
        return 1.0 / RATE_CHANGE < median(steps[:half]) / max(median(steps[half:]), 1e-9) < RATE_CHANGE

    def _judge(self, step: float) -> str | None:
        if step > 1.0 / SLOWEST_HZ:
            return f"{1.0 / step:.2g} samples a second, too few for a stroke"
        if step < 1.0 / FASTEST_HZ:
            return f"{1.0 / max(step, 1e-9):.2g} samples a second; check the unit of the times"
        if self._usual is not None and not 1.0 / RATE_CHANGE < step / self._usual < RATE_CHANGE:
            return f"{1.0 / step:.3g} samples a second instead of {1.0 / self._usual:.3g}"
        return None

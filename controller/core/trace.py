"""The motion around one rep on a regular grid: smoothed, differentiated, and dated at its turns.

Smoothing is a symmetric Savitzky-Golay cubic (Savitzky and Golay 1964), so position, velocity and force have no lag
between them. It runs over a finished stretch of the stream, never over an input block.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import Final

import numpy as np
from numpy.typing import NDArray

from controller.core.turns import APART, BESIDE, HEIGHT, HEIGHT_LEAST, HEIGHT_MOST, Corner, corner

Floats = NDArray[np.float64]

SMOOTHING: Final = 0.04  # s to each side, or
SMOOTHING_SHARE: Final = 0.08  # of the time that a minimum-jerk stroke so far and so fast takes, whichever is less
LEAST_STEP: Final = 0.001  # s
LEVEL: Final = 0.0005  # m; a phase starts and ends this far from the level that is kept
FLANK: Final = 8.0  # the second height of a flank over the first; a minimum-jerk flank is then twice as far in time
STAND_RUN: Final = 0.08  # s at one level that are a stand
NOISY_RUN: Final = 0.25  # s of it where the noise is wider than LEVEL: a slow turn looks level for so long
EASE: Final = 0.03  # s from where a stroke slows down to its level
LEVEL_OVER: Final = 0.3  # s over which a level is averaged at most
NEAR: Final = 0.04  # of the ROM; the neighbourhood of an end in which its flank is sought
SLOW: Final = 0.02  # of the peak speed
SLOWEST: Final = 0.004  # m/s
PEAK_NOISE: Final = 0.003  # of the highest velocity; its noise where the highest is read, as far as the window may go
FORCE_PEAK_NOISE: Final = 0.001  # of the highest force, the same
PEAK_SHARE: Final = 0.1  # of the time that a minimum-jerk stroke so far and so fast takes; the window to each side
WIDER: Final = 1.25  # from one window to the next
MISFIT: Final = 4.0  # standard errors by which the residuals of a fit may be larger than the noise


@lru_cache(maxsize=64)
def _kernels(half: int) -> tuple[Floats, Floats]:
    """Smoothing and first-derivative weights of the cubic least-squares fit over 2 * half + 1 points."""
    steps = np.arange(-half, half + 1, dtype=np.float64)
    fit = np.linalg.pinv(np.vander(steps, 4, increasing=True))
    return fit[0], fit[1]


def _convolve(values: Floats, kernel: Floats) -> Floats:
    """Weighted sum around each point; the ends are continued by point reflection."""
    half = len(kernel) // 2
    head = 2.0 * values[0] - values[half:0:-1]
    tail = 2.0 * values[-1] - values[-2 : -half - 2 : -1]
    return np.correlate(np.concatenate((head, values, tail)), kernel, "valid")


def _mean_around(values: Floats, half: int) -> Floats:
    """Mean over `half` samples to each side, fewer at the ends."""
    sums = np.concatenate(([0.0], np.cumsum(values)))
    at = np.arange(len(values))
    first, end = np.maximum(at - half, 0), np.minimum(at + half + 1, len(values))
    return np.asarray((sums[end] - sums[first]) / (end - first), dtype=np.float64)


def quieter(raw: Floats, so_far: Floats, *, noise: float, halves: tuple[int, int], slope: bool = False) -> Floats:
    """What `so_far` has, from cubic fits over wider windows wherever these still fit `raw` as well as its noise allows.

    noise: standard deviation of `raw`; halves: those of the narrowest and the widest window, in samples; slope: whether
    the derivative by the sample is asked for, else the value. A window that a fit does not follow is not widened
    further, so a short peak stays as high as it is.
    """
    half, widest = halves[0], min(halves[1], (len(raw) - 2) // 2)
    out = so_far
    while half <= widest:
        smooth, derivative = _kernels(half)
        off = raw - _convolve(raw, smooth)
        free = 1.0 - float(smooth[half])
        limit = noise * noise * free * (1.0 + MISFIT * float(np.sqrt(2.0 / (2 * half + 1))))
        fits = _mean_around(off * off, half) <= limit
        out = np.where(fits, _convolve(raw, derivative if slope else smooth), out)
        half = widest if half < widest < round(WIDER * half) else max(round(WIDER * half), half + 1)
    return out


def _quiet_force(forces: Floats, *, noise: float, per_sample: float, widest: float) -> Floats:
    """Forces without so much of their noise that the highest of them is that of the force.

    per_sample: points of `forces` to one sample of the cell; widest: of the window, points to each side.
    """
    highest = max(float(np.max(np.abs(forces))), noise, 1e-9)
    # the centre of a cubic fit over n points has 2.25 / n of the variance of one
    wanted = 1.125 * (noise / (FORCE_PEAK_NOISE * highest)) ** 2 * per_sample
    return quieter(forces, forces, noise=noise, halves=(2, int(min(wanted, widest))))


def highest_force(ts: Floats, fs: Floats, *, noise: float) -> float:
    """The highest force of an effort, whose samples have so much noise, in N."""
    widest = PEAK_SHARE * float(ts[-1] - ts[0]) / max(float(np.median(np.diff(ts))), LEAST_STEP)
    return float(np.max(_quiet_force(fs, noise=noise, per_sample=1.0, widest=widest)))


@dataclass(frozen=True, slots=True)
class End:
    """One end of a stroke: its level, when the flank stands LEVEL from it, and where the flank would meet it."""

    level: float  # m
    t_level: float  # s
    t_meet: float  # s


class Trace:
    """Positions, velocities and (where there is a cell) forces over one stretch of time, on a grid of `dt` seconds."""

    __slots__ = (
        "_force_noise", "_force_step", "_raw", "_raw_noise", "_speed_noise", "_window",
        "dt", "f", "noise", "quantum", "t", "v", "x",
    )  # fmt: skip

    def __init__(
        self,
        ts: Floats,
        xs: Floats,
        tf: Floats,
        fs: Floats,
        *,
        period: float,
        noise: float,
        quantum: float,
        force_noise: float = 0.0,
    ) -> None:
        """ts, tf: rising times in s; xs in m; fs in N, possibly empty; period: s between samples."""
        self.dt = max(float(period), LEAST_STEP)
        count = max(round(float(ts[-1] - ts[0]) / self.dt) + 1, 8)
        self.t = ts[0] + self.dt * np.arange(count)
        self._raw = np.interp(self.t, ts, xs)
        smooth, slope = self._smooth(SMOOTHING)
        fastest = float(np.max(np.abs(self.v)))
        quick = SMOOTHING_SHARE * 1.875 * float(np.ptp(self.x)) / fastest if fastest > 0.0 else SMOOTHING
        if quick < SMOOTHING:
            smooth, slope = self._smooth(quick)
        self._window = len(slope) // 2
        self._raw_noise = noise
        self._force_noise = force_noise
        self._force_step = float(np.median(np.diff(tf))) if len(tf) > 1 else self.dt
        self.f = np.interp(self.t, tf, fs) if len(tf) > 1 else None
        self.noise = noise * float(np.sqrt(np.sum(smooth * smooth)))
        self._speed_noise = noise * float(np.sqrt(np.sum(slope * slope))) / self.dt
        self.quantum = quantum

    def _smooth(self, reach: float) -> tuple[Floats, Floats]:
        """Smooth over `reach` seconds to each side; returns the weights."""
        half = min(max(round(reach / self.dt), 2), (len(self._raw) - 2) // 2)
        smooth, slope = _kernels(half)
        self.x = _convolve(self._raw, smooth)
        self.v = _convolve(self._raw, slope) / self.dt
        return smooth, slope

    def for_peaks(self, t0: float, t1: float) -> tuple[Floats, Floats | None]:
        """Velocities and forces of the stroke from t0 to t1, from which its highest are read.

        The highest of many noisy values is higher than the truth. So both are smoothed further, as far as their noise
        asks for it and the stroke's own shape allows.
        """
        _, x, v, f = self.between(t0, t1)
        fastest = float(np.max(np.abs(v)))
        if fastest <= 0.0:
            return v, f
        widest = PEAK_SHARE * 1.875 * abs(float(x[-1] - x[0])) / fastest / self.dt
        # the noise of a slope falls with the window to the power of 1.5, that of a value to the power of 0.5
        wanted = self._window * (self._speed_noise / (PEAK_NOISE * fastest)) ** (2.0 / 3.0)
        halves = self._window + 1, int(min(wanted, widest))
        speed = quieter(self._raw, self.v * self.dt, noise=self._raw_noise, halves=halves, slope=True) / self.dt
        inside = (self.t > t0) & (self.t < t1)
        v = np.concatenate(([np.interp(t0, self.t, speed)], speed[inside], [np.interp(t1, self.t, speed)]))
        if f is None or self.f is None:
            return v, None
        force = _quiet_force(
            self.f, noise=self._force_noise, per_sample=self._force_step / self.dt, widest=widest
        )  # fmt: skip
        return v, np.concatenate(([np.interp(t0, self.t, force)], force[inside], [np.interp(t1, self.t, force)]))

    def index(self, t: float) -> int:
        """The grid point nearest to t, inside the trace."""
        return min(max(round((t - float(self.t[0])) / self.dt), 0), len(self.t) - 1)

    def slow(self, first: int, last: int) -> float:
        """The speed under which the cable counts as standing, given the stroke between two grid points, in m/s."""
        peak = float(np.max(np.abs(self.v[first : last + 1])))
        return max(SLOW * peak, SLOWEST, 2.5 * self._speed_noise)

    def settle(self, start: int, step: int, stop: int, *, out: bool, slow: float, rom: float) -> End:
        """The end that a stroke reaches, walking from `start` (inside the stroke) by `step` (1 or -1) up to `stop`.

        out: whether the end is the outer one (a top) or the inner one (a bottom). The level is the one kept there,
        or the extreme when none is kept. The flank is read at two heights; a minimum-jerk flank grows with the cube
        of time (Flash and Hogan 1985), so twice the time to the lower height minus that to the higher is where it
        meets the level.
        """
        y = (self.x if out else -self.x)[start : stop + step if stop + step >= 0 else None : step]
        if len(y) < 3:
            return End(float(self.x[start]), float(self.t[start]), float(self.t[start]))
        speed = np.diff(y) / self.dt
        calm = np.flatnonzero(speed <= slow)
        first = int(calm[0]) if len(calm) else len(y) - 1
        kept = self._kept(y, min(first + round(EASE / self.dt), len(y) - 1))
        level = kept if kept is not None else float(np.max(y[: first + int(0.15 / self.dt) + 2]))
        low = max(LEVEL, self.quantum, 3.0 * self.noise)
        high = min(FLANK * low, 0.25 * rom)
        near, far = self._reach(level - y, low), self._reach(level - y, high)
        sign = step * self.dt
        at = float(self.t[start])
        meet = near + (near - far) / (np.cbrt(high / low) - 1.0) if far < near else near
        at_level = meet - (meet - near) * float(np.cbrt(max(LEVEL, self.quantum) / low))
        return End(level if out else -level, float(at + sign * at_level), float(at + sign * meet))

    def corner(self, arrive: End | None, leave: End | None, *, out: bool, rom: float) -> Corner | None:
        """The end between two flanks that are near each other, or at one of them, by the whole of the flanks.

        arrive, leave: the flanks as `settle` found them, one of them at least. A return that has only just begun is
        seen without `leave`. None where the motion is of another kind.
        """
        one = arrive or leave
        assert one is not None
        turned = 1.0 if out else -1.0
        y = turned * (self.x - one.level)
        noise = float(np.hypot(self._raw_noise, self.quantum / np.sqrt(12.0)))
        height = min(max(HEIGHT * noise, HEIGHT_LEAST), HEIGHT_MOST * rom)
        beside, last = round(BESIDE / self.dt), len(y) - 1
        reached = self.index(arrive.t_level) if arrive is not None else None
        left = self.index(leave.t_level) if leave is not None else None
        if reached is not None and left is None:
            end = reached + self._run(y[reached:], height)
            calm = np.flatnonzero(y[reached : end + 1] >= -max(LEVEL, self.quantum, 3.0 * self.noise))
            left = reached + int(calm[-1]) if len(calm) else reached
            if left >= min(end, last) or (left - reached) * self.dt > APART:
                last, left = min(reached + beside, left), None
        first = reached - self._run(y[reached::-1], height) if reached is not None else max((left or 0) - beside, 0)
        end = left + self._run(y[left:], height) if left is not None else last
        part = slice(max(first, 0), end + 1)
        found = corner(
            self.t[part],
            turned * self._raw[part],
            reached=float(self.t[reached]) if reached is not None else None,
            left=float(self.t[left]) if left is not None else None,
            noise=noise,
            off=LEVEL,
        )
        return Corner(turned * found.level, found.reached, found.left) if found is not None else None

    @staticmethod
    def _run(y: Floats, height: float) -> int:
        """How many points it takes from the beginning of y to `height` under 0."""
        under = np.flatnonzero(y < -height)
        return int(under[0]) if len(under) else len(y) - 1

    def _kept(self, y: Floats, at: int) -> float | None:
        """The level that y keeps from a grid point on, None when it does not stay there for long."""
        band = max(LEVEL, self.quantum, 4.0 * self.noise)
        length = max(round((STAND_RUN if band <= LEVEL else NOISY_RUN) / self.dt), 2)
        level = float(np.median(y[at : at + length]))
        off = np.flatnonzero(np.abs(y[at:] - level) > band)
        run = int(off[0]) if len(off) else len(y) - at
        if run < length:
            return None
        return float(np.median(y[at : at + min(run, round(LEVEL_OVER / self.dt)) + 1]))

    @staticmethod
    def _reach(away: Floats, height: float) -> float:
        """Fractional index at which a flank first comes within `height` of its level; it falls like a cube of time."""
        near = np.flatnonzero(away <= height)
        if not len(near):
            return float(len(away) - 1)
        k = int(near[0])
        if k == 0:
            return 0.0
        before, after = np.cbrt(away[k - 1 : k + 1])
        return k - 1 + float((before - np.cbrt(height)) / (before - after))

    def first(self, start: int, stop: int, *, above: float = np.inf, below: float = -np.inf) -> int:
        """The first grid point from start towards stop whose position is above or below a level, else stop."""
        step = 1 if stop >= start else -1
        x = self.x[start : stop + step if stop + step >= 0 else None : step]
        hits = np.flatnonzero((x > above) | (x < below))
        return start + step * int(hits[0]) if len(hits) else stop

    def between(self, t0: float, t1: float) -> tuple[Floats, Floats, Floats, Floats | None]:
        """Times, positions, velocities and forces from t0 to t1, the ends interpolated."""
        inside = self.t[(self.t > t0) & (self.t < t1)]
        t = np.concatenate(([t0], inside, [t1]))
        f = np.interp(t, self.t, self.f) if self.f is not None else None
        return t, np.interp(t, self.t, self.x), np.interp(t, self.t, self.v), f

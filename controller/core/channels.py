"""The two channels of a cable: counts in, clean newtons and metres out, with what they say of themselves.

Delay: the leap gate holds one sample back.
"""

from __future__ import annotations

from typing import Final

from controller.core.calibration import Channel
from controller.core.channel_watch import FASTEST_TURN
from controller.core.kinematics import FORCE_NOISE_FLOOR, STILL_BAND, LeapGate, Noise, Period, Stillness, Velocity
from controller.core.series import Rail, Series

KEEP: Final = 90.0  # s of samples kept at most
KEEP_AT_REST: Final = 3.0  # s of samples kept where nothing is under way
LOOK_BACK: Final = 1.0  # s of samples looked at before a stroke or an effort
REST_BAND: Final = 0.001  # m; a cable at rest keeps its place within this, its encoder's count may flicker
FORCE_SPIKE: Final = 20.0  # N; smaller ones do not matter
FORCE_SPIKE_SHARE: Final = 0.15  # of the range of forces so far
POSITION_SPIKE: Final = 0.004  # m


def force_bends(dt: float, spread: float) -> float:
    """How far a lone sample may really lie from both neighbours, N: at low rates one sample is a whole jerk."""
    return (4000.0 * dt + spread) * min(max((dt - 0.012) / 0.04, 0.0), 1.0)


def position_bends(dt: float, spread: float) -> float:  # noqa: ARG001 - a hand's acceleration does not know the range
    """The same in m, by the most that anything accelerates a handle."""
    return FASTEST_TURN * dt * dt


class PositionChannel:
    """Positions in m. line: its calibration, None until there is a position."""

    __slots__ = (
        "_rests", "_still", "_velocity",
        "gate", "line", "noise", "period", "rested_for", "series", "still_for", "velocity", "x",
    )  # fmt: skip

    def __init__(self, line: Channel | None = None) -> None:
        self.line = line
        self.gate = LeapGate(least=POSITION_SPIKE, share=0.0, bends=position_bends)
        self.period = Period()
        self.noise = Noise()
        self.series = Series()
        self._velocity = Velocity()
        self._still, self._rests = Stillness(), Stillness()
        self.x: float | None = None
        self.velocity = 0.0  # m/s, lagging by the tracking filter
        self.still_for = 0.0  # s that it has kept one level
        self.rested_for = 0.0  # s that it has kept one place, as a cable that rests does

    def step(self, t: float, x: float) -> float | None:
        """Take a clean position; returns the length of the gap before it in s, None where there was none."""
        gap = self.period.step(t)
        self.x = x
        self.noise.step(x)
        deviation, quantum = self.noise.deviation, self.quantum
        self.still_for = self._still.step(t, x, max(STILL_BAND, 6.0 * deviation, 1.5 * quantum))
        self.rested_for = self._rests.step(t, x, max(REST_BAND, 8.0 * deviation, 2.5 * quantum))
        self.velocity = self._velocity.step(t, x)
        self.series.add(t, x)
        return gap

    @property
    def quantum(self) -> float:
        """The encoder's step, where it is coarse enough to matter, in m."""
        return self.noise.quantum if 1e-4 < self.noise.quantum < 5e-3 and self.noise.deviation < 1e-3 else 0.0


class ForceChannel:
    """Forces in N, their zero not taken off. line: its calibration, None until there is a force; f: the last force."""

    __slots__ = ("f", "gate", "line", "noise", "period", "rail", "series")

    def __init__(self, line: Channel | None = None, *, f: float | None = None) -> None:
        self.line = line
        self.gate = LeapGate(least=FORCE_SPIKE, share=FORCE_SPIKE_SHARE, bends=force_bends)
        self.period = Period()
        self.noise = Noise(floor=FORCE_NOISE_FLOOR)
        self.rail = Rail()
        self.series = Series()
        self.f = f

    def step(self, t: float, f: float) -> float | None:
        """Take a clean force; returns the length of the gap before it in s, None where there was none."""
        gap = self.period.step(t)
        self.f = f
        self.noise.step(f)
        self.series.add(t, f)
        return gap

"""One cable as its sensors show it: both channels clean, watched and remembered, its load cell's zero followed."""

from __future__ import annotations

from collections.abc import Iterator
from math import inf
from typing import Final

from controller.core.cable_watch import CableWatch
from controller.core.calibration import ZERO_MOST, ZERO_STAYS, ZERO_STAYS_UNSURE, Channel, ZeroTracker
from controller.core.channels import ForceChannel, PositionChannel
from controller.core.kinematics import GAP_PERIODS, LeapGate
from controller.core.rep_metrics import Measures
from controller.core.sensor_truth import Marks
from controller.core.settings import ChannelCalibration, Exercise
from controller.core.trace import Floats, Trace
from controller.core.validity import hide

RESTED: Final = 0.3  # s in one place that are a rest
HOME_BAND: Final = 0.03  # m over the lowest resting level that are still home
UNLOADED: Final = 0.4  # of the set's usual force; a standing cable under less holds no load
SET_APART: Final = 0.3  # of the usual force; a higher one between two sets is a load and no zero
SILENT: Final = 1.0  # s; a channel alone that is silent for so long has a gap
UNHEARD: Final = 0.25  # s; the same within a rep


class Cable:
    """Forces in N, positions in m, times in s of stream time."""

    def __init__(self, exercise: Exercise) -> None:
        self.positions, self.forces = PositionChannel(), ForceChannel()
        self.zero = ZeroTracker()
        self.marks = Marks()
        self.watch = CableWatch(exercise, self.marks)
        self.unreferenced = False  # the board restarted, and nobody knows yet where the cable stood
        self._track_zero = True
        self._lowest: float | None = None  # m, of the levels at which it rested

    def calibrate(
        self, *, force: ChannelCalibration | None, position: ChannelCalibration | None, track_zero: bool
    ) -> None:
        """Set the channels that are given."""
        self._track_zero = track_zero
        if force is not None:
            self.forces.line = Channel(force)
        if position is not None:
            self.positions.line = Channel(position)

    def restart(self) -> None:
        """The board restarted: its incremental position starts from anywhere, the zero of its load cell stays."""
        self.watch.restart(self.last_t)
        self.positions = PositionChannel(self.positions.line)
        self.forces = ForceChannel(self.forces.line, f=self.forces.f)
        self._lowest = None
        self.unreferenced = self.has_position

    @property
    def has_position(self) -> bool:
        """Whether there is a position channel."""
        return self.positions.line is not None

    @property
    def has_force(self) -> bool:
        """Whether there is a load cell."""
        return self.forces.line is not None

    @property
    def last_t(self) -> float:
        """When the last sample of either channel came, 0 before the first."""
        return max([*self.positions.series.t[-1:], *self.forces.series.t[-1:]], default=0.0)

    @property
    def over_zero(self) -> float | None:
        """The force now, its zero taken off."""
        return self.forces.f - self.zero.zero if self.forces.f is not None else None

    # -- samples

    def feed_position(self, t: float, counts: float) -> Iterator[tuple[float, float]]:
        """Take one position in counts; yields the clean ones that are known by it, in m, each as it is taken in."""
        if self.positions.line is None:
            self.positions.line = Channel(ChannelCalibration())
        self.watch.sampled("position", t)
        gate = self.positions.gate
        for at, x in gate.step(t, self.positions.line.physical(counts)):
            self._position(at, x)
            yield at, x
        self._left_out("position", gate, t)

    def feed_force(self, t: float, counts: float, *, saturated: bool) -> Iterator[tuple[float, float]]:
        """Take one force in counts; yields the clean ones that are known by it, in N, each as it is taken in."""
        if self.forces.line is None:
            self.forces.line = Channel(ChannelCalibration())
        if saturated:
            self.watch.railed(t, t)
        self.watch.sampled("force", t)
        gate = self.forces.gate
        for at, f in gate.step(t, self.forces.line.physical(counts)):
            self._force(at, f)
            yield at, f
        self._left_out("force", gate, t)

    def flush_positions(self) -> Iterator[tuple[float, float]]:
        """Let go of held positions."""
        for at, x in self.positions.gate.flush():
            self._position(at, x)
            yield at, x

    def flush_forces(self) -> Iterator[tuple[float, float]]:
        """Let go of held forces."""
        for at, f in self.forces.gate.flush():
            self._force(at, f)
            yield at, f

    def _left_out(self, channel: str, gate: LeapGate, t: float) -> None:
        if gate.taken_out:
            self.watch.leapt(channel, gate.taken_out, t)
            gate.taken_out = []

    def _position(self, t: float, x: float) -> None:
        channel = self.positions
        gap = channel.step(t, x)
        if gap is not None:
            self.watch.gap("position", t - gap, t)
        self.watch.position(t, x, channel.velocity, noise=channel.noise.deviation, quantum=channel.quantum)

    def _force(self, t: float, f: float) -> None:
        channel = self.forces
        gap = channel.step(t, f)
        if gap is not None:
            self.watch.gap("force", t - gap, t)
        railed = channel.rail.step(t, f)
        if railed is not None:
            if channel.rail.earlier is not None:
                self.watch.railed(*channel.rail.earlier)
                channel.rail.earlier = None
            self.watch.railed(railed, t)
        self.watch.force(
            t, f, zero=self.zero.zero, at_rail=railed is not None, noise=channel.noise.deviation,
            noise_m=self.positions.noise.deviation,
        )  # fmt: skip

    def idle(self, t: float, *, after: float = SILENT) -> None:
        """Time goes on: a channel from which nothing has come for `after` s, while others do, has a gap."""
        for name, channel in (("position", self.positions), ("force", self.forces)):
            came, period = channel.series.t, channel.period.seconds
            if came and period and t - came[-1] > max(after, (GAP_PERIODS + 2.0) * period):
                self.watch.gap(name, came[-1], t)

    # -- rest and zero

    def moves(self) -> None:
        """The cable moves or is loaded."""
        self.zero.move()
        self.watch.moves()

    def stands(self, t: float, x: float, *, usual: float | None) -> None:
        """No stroke is under way: where the cable rests it may be home, and unloaded. usual: the set's force."""
        if self.positions.rested_for < RESTED:
            return
        if self._lowest is None or x < self._lowest:
            self._lowest = x
        self.unreferenced = False
        f, over = self.forces.f, self.over_zero
        if f is None or over is None:
            return
        if self.watch.is_unloaded(over):
            self.watch.home(t, x)
        if x <= self._lowest + HOME_BAND:
            self.watch.rests(t, f)
            if usual is None or abs(over) < UNLOADED * usual:
                self.follow_zero(t, f)

    def follow_zero(self, t: float, f: float) -> None:
        """Take the force of a cable that seems to be unloaded: its zero may be there."""
        between_sets, usual = self.watch.between_sets, self.watch.usual
        level = self.zero.rest(
            t,
            f,
            follow=self._track_zero,
            apart=SET_APART * usual if usual is not None and between_sets else 0.0,
            stays=ZERO_STAYS if between_sets and self.has_position else ZERO_STAYS_UNSURE,
            noise=self.forces.noise.deviation,
            in_set=not between_sets,
            most=ZERO_MOST if self.has_position else inf,
        )
        if level is not None:
            self.watch.zero_seen(t, level, corrected=self._track_zero)

    def tare(self) -> None:
        """Take the force as it stands for zero."""
        f, came = self.forces.f, self.forces.series.t
        if f is not None:
            self.zero.set(f)
            self.watch.tared(came[-1] if came else 0.0, f)

    # -- what is remembered

    def trace(self, t0: float) -> Trace:
        """The motion and the force over zero from t0 on."""
        ts, xs = self.positions.series.since(t0)
        tf, fs = self.forces.series.since(t0)
        return Trace(
            ts, xs, tf, fs - self.zero.zero,
            period=self.positions.period.seconds or 0.01, noise=self.positions.noise.deviation,
            quantum=self.positions.quantum, force_noise=self.forces.noise.deviation,
        )  # fmt: skip

    def samples(self, t0: float) -> tuple[Floats, Floats, Floats, Floats]:
        """Times and positions, times and forces, from t0 on as far as they are remembered."""
        return (*self.positions.series.since(t0), *self.forces.series.since(t0))

    def hide(self, measures: Measures) -> list[str]:
        """Take out of a rep just measured what cannot be trusted, a channel that is silent by now included."""
        self.idle(measures.t_end if measures.t_end is not None else measures.t_top, after=UNHEARD)
        return hide(measures, self.marks, has_force=self.has_force)

"""One cable: samples in, announcements of reps out."""

from __future__ import annotations

from controller.core.announcement import Announcement, Announcer
from controller.core.cable import Cable
from controller.core.calibration import Channel
from controller.core.effort_finder import EffortFinder
from controller.core.rep_finder import RepFinder
from controller.core.settings import ChannelCalibration, Exercise
from protocols.events import Phase


class Side:
    """One cable, its reps where its position is known, and its efforts where only its force is."""

    def __init__(self, exercise: Exercise) -> None:
        self.exercise = exercise
        self.firmware: str | None = None
        self.cable = Cable(exercise)
        self._announcer = Announcer()
        self._reps = RepFinder(exercise, self.cable, self._announcer)
        self._efforts = EffortFinder(exercise, self.cable, self._announcer)

    # -- what it is made of

    def calibrate(
        self, *, force: ChannelCalibration | None, position: ChannelCalibration | None, track_zero: bool
    ) -> None:
        """Set the channels that are given."""
        self.cable.calibrate(force=force, position=position, track_zero=track_zero)

    def restart(self) -> None:
        """The board restarted: its incremental position starts from anywhere."""
        self._end(self.cable.last_t, moving=False)
        self.cable.restart()
        self._reps.restart()
        self._efforts.restart()

    @property
    def position(self) -> Channel | None:
        """The position's calibration, None where there is no position."""
        return self.cable.positions.line

    @property
    def force(self) -> Channel | None:
        """The force's calibration, None where there is no load cell."""
        return self.cable.forces.line

    # -- how it stands

    @property
    def hz(self) -> float | None:
        """Samples a second of the position, or of the force where that is all there is."""
        return (self.cable.positions if self.cable.has_position else self.cable.forces).period.hz

    @property
    def x(self) -> float | None:
        """The last position in m, None where it is unknown."""
        return self.cable.positions.x

    @property
    def velocity(self) -> float | None:
        """Live velocity in m/s, lagging by the tracking filter."""
        return self.cable.positions.velocity if self.x is not None else None

    @property
    def phase(self) -> Phase | None:
        """The phase as a display shows it."""
        return self._finder.phase

    @property
    def busy(self) -> bool:
        """Whether a stroke or effort is under way that may become a rep."""
        return self._finder.busy

    @property
    def motion_end(self) -> float:
        """When this cable last moved or was under effort, s; long ago where it never did."""
        return max(self._reps.motion_end, self._efforts.motion_end)

    @property
    def dropped_at(self) -> float | None:
        """When this set's last dropped handle was home, s: no rep, but training."""
        return self._reps.dropped_at

    @property
    def _finder(self) -> RepFinder | EffortFinder:
        return self._reps if self.cable.has_position else self._efforts

    # -- samples

    def feed_position(self, t: float, counts: float) -> None:
        """Take one position sample."""
        for at, x in self.cable.feed_position(t, counts):
            self._step_position(at, x)

    def feed_force(self, t: float, counts: float, *, saturated: bool) -> None:
        """Take one force sample."""
        for at, f in self.cable.feed_force(t, counts, saturated=saturated):
            self._step_force(at, f)

    def _step_position(self, t: float, x: float) -> None:
        self._reps.step(t, x)
        self.cable.positions.series.forget_before(self._reps.needs_from(t))

    def _step_force(self, t: float, f: float) -> None:
        if not self.cable.has_position:
            self._efforts.step(t, f)
        self.cable.forces.series.forget_before(self._finder.needs_from(t))

    def idle(self, t: float) -> None:
        """Time goes on without a sample of one of the channels."""
        self.cable.idle(t)

    def tare(self) -> None:
        """Take the force as it stands for zero."""
        self.cable.tare()

    def flush(self) -> None:
        """The stream is over: let go of held samples and finish what is under way."""
        for at, x in self.cable.flush_positions():
            self._step_position(at, x)
        for at, f in self.cable.flush_forces():
            self._step_force(at, f)
        self._end(self.cable.last_t, moving=True)

    def _end(self, t: float, *, moving: bool) -> None:
        if self.cable.has_position:
            self._reps.end(t, moving=moving)
        else:
            self._efforts.end(t)

    # -- what it says

    def drain(self) -> list[Announcement]:
        """What has been announced since the last call."""
        return self._announcer.drain()

    def take_strokes(self) -> list[tuple[float, float]]:
        """When strokes out began and were at their tops, s, since the last call."""
        return self._reps.take_strokes()

    def handled_beside(self, spans: list[tuple[float, float]]) -> None:
        """What the other cable did then (from, to in s) was handling."""
        self._reps.handled_beside(spans)

    def new_set(self) -> None:
        """A set has ended."""
        self._announcer.provisional = False
        self._reps.new_set()
        self.cable.watch.new_set()

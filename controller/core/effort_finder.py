"""The efforts of a cable of which only the force is known: recognised, measured and announced."""

from __future__ import annotations

from typing import Final

import numpy as np

from controller.core.announcement import Announcement, Announcer
from controller.core.cable import SET_APART, Cable
from controller.core.channels import KEEP, KEEP_AT_REST, LOOK_BACK
from controller.core.efforts import Change, Efforts
from controller.core.rep_metrics import Measures
from controller.core.settings import Exercise
from controller.core.trace import highest_force
from controller.core.validity import (
    DRIVEN_FIELDS,
    ECCENTRIC_FORCE_FIELDS,
    ECCENTRIC_MOTION_FIELDS,
    MOTION_FIELDS,
    blank,
)
from protocols.events import Phase as PhaseName

SNATCH: Final = 1.5  # s; a shorter effort may be a snatch at the handle
SNATCH_GAP: Final = 0.7  # s from it to the pull it belongs to
SNATCH_SHARE: Final = 3.0  # times as long as the snatch the pull must last


class EffortFinder:
    """Forces in N, times in s of stream time."""

    def __init__(self, exercise: Exercise, cable: Cable, announcer: Announcer) -> None:
        self._exercise = exercise
        self._cable = cable
        self._announcer = announcer
        self.motion_end = -1e9  # s, when this cable was last under effort
        self.restart()

    def restart(self) -> None:
        """Forget what is under way: the board began afresh."""
        self._efforts = Efforts(min_force=self._exercise.min_force_n)
        self._before: tuple[float, float] | None = None  # s, rise and return of the last effort, as recognised

    @property
    def phase(self) -> PhaseName | None:
        """The phase as a display shows it: a pull on a fixed cable is all top."""
        if self._cable.forces.f is None:
            return None
        return "top" if self._efforts.active else "rest"

    @property
    def busy(self) -> bool:
        """Whether an effort is under way, or waits for its end."""
        return self._efforts.active or self._efforts.falling

    def needs_from(self, t: float) -> float:
        """From when on samples are still to be looked at, at t."""
        return max(self._efforts.start_t if self.busy else t - KEEP_AT_REST, t - KEEP) - LOOK_BACK

    def step(self, t: float, f: float) -> None:
        """Take a clean force that the cable has taken in."""
        cable, efforts = self._cable, self._efforts
        if cable.marks.lasts("wrong_sign"):
            self._drop()
            return
        change = efforts.step(t, f, noise=cable.forces.noise.deviation)
        if change is not None:
            self._changed(change, t)
        usual, zero = cable.watch.usual, cable.zero.zero
        if not efforts.active:
            cable.watch.rests(t, f)
            cable.follow_zero(t, f)
        elif usual is not None and cable.watch.between_sets and abs(f - zero) < SET_APART * usual:
            cable.follow_zero(t, f)  # what looks like a small effort may be a zero that has moved
            if cable.zero.zero > zero + self._exercise.min_force_n:
                self._drop()
                efforts.base = f
        else:
            cable.moves()

    def end(self, t: float) -> None:
        """The stream ends at t, or the board restarts: finish what is under way."""
        change = self._efforts.end()
        if change is not None:
            self._changed(change, t)

    def _drop(self) -> None:
        """What is under way is no effort."""
        if self._efforts.end() is not None:
            self._announcer.take_back()

    def _changed(self, change: Change, t: float) -> None:
        efforts = self._efforts
        if change is Change.KNOCK:
            self._announcer.take_back()
            return
        ended = change is Change.ENDED
        self.motion_end = end = efforts.end_t if ended else t
        measures = self._measure(end)
        force = measures.mean_force
        if ended:
            measures.t_end = end
        flags = self._cable.hide(measures)
        if not ended:
            self._announcer.say(Announcement("provisional", measures.t_top, measures, flags=flags, force=force))
            return
        if self._follows_snatch():
            self._announcer.take_back_finals(-1)
        self._before = efforts.recognised
        hold = end - efforts.start_t
        if "time_under_tension" not in measures.reasons:
            measures.time_under_tension = hold
        self._cable.watch.counted(measures, force)
        self._announcer.say(Announcement("final", end, measures, flags=flags, hold=hold, force=force))

    def _follows_snatch(self) -> bool:
        """Whether the effort before was a snatch at the handle, and this one is its pull."""
        if self._before is None:
            return False
        (rose, fell), (start, returned) = self._before, self._efforts.recognised
        lasted = fell - rose
        return start - fell < SNATCH_GAP and lasted < SNATCH and returned - start > SNATCH_SHARE * lasted

    def _measure(self, end: float) -> Measures:
        efforts, forces = self._efforts, self._cable.forces
        ts, fs = forces.series.since(efforts.start_t)
        # the ends are instants between two samples
        inside = (ts > efforts.start_t) & (ts < end)
        ends = np.interp((efforts.start_t, end), ts, fs)
        ts = np.concatenate(((efforts.start_t,), ts[inside], (end,)))
        fs = np.concatenate((ends[:1], fs[inside], ends[1:])) - self._cable.zero.zero
        measures = Measures(t_start=efforts.start_t, t_top=min(efforts.peak_t, end), t_lower=None)
        blank(measures, (*MOTION_FIELDS, *ECCENTRIC_MOTION_FIELDS, *ECCENTRIC_FORCE_FIELDS), "no_position")
        blank(measures, (*DRIVEN_FIELDS, "rfd"), "no_position")
        if len(ts) > 1:
            measures.impulse = float(np.trapezoid(fs, ts))
            measures.mean_force = measures.impulse / float(ts[-1] - ts[0])
            measures.peak_force = highest_force(ts, fs, noise=forces.noise.deviation)
        return measures

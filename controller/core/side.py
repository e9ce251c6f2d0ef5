"""One cable: samples in, announcements of reps out."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Final, Literal

import numpy as np

from controller.core.cable_watch import CableWatch
from controller.core.calibration import ZERO_STAYS, ZERO_STAYS_UNSURE, Channel, ZeroTracker
from controller.core.channel_watch import FASTEST_TURN
from controller.core.efforts import Change, Efforts
from controller.core.kinematics import (
    FORCE_NOISE_FLOOR,
    GAP_PERIODS,
    STILL_BAND,
    LeapGate,
    Noise,
    Period,
    Stillness,
    Velocity,
)
from controller.core.rep_metrics import (
    Measures,
    date_concentric,
    date_eccentric,
    date_eccentric_before,
    mechanics,
)
from controller.core.rep_phases import Phase, RepPhases, Turn
from controller.core.rep_rules import LEAD_IN as LEAD_IN_STROKES
from controller.core.rep_rules import Finished, RepRules
from controller.core.sensor_truth import Marks
from controller.core.series import Rail, Reference, Series
from controller.core.settings import ChannelCalibration, Exercise
from controller.core.trace import Floats, Trace, highest_force
from controller.core.validity import (
    ECCENTRIC_FORCE_FIELDS,
    ECCENTRIC_MOTION_FIELDS,
    MOTION_FIELDS,
    blank,
    hide,
)
from protocols.events import Phase as PhaseName

LEAD_IN: Final = 1.0  # s of samples looked at before a stroke
LOWERING: Final = 15.0  # s; the longest eccentric that is looked for before a stroke out
KEEP: Final = 90.0  # s of samples kept at most
SNATCH: Final = 1.5  # s; a shorter effort may be a snatch at the handle
SNATCH_GAP: Final = 0.7  # s from it to the pull it belongs to
SNATCH_SHARE: Final = 3.0  # times as long as the snatch the pull must last
RESTED: Final = 0.3  # s in one place that are a rest
REST_BAND: Final = 0.001  # m; a cable at rest keeps its place within this, its encoder's count may flicker
HOME_BAND: Final = 0.03  # m over the lowest resting level that are still home
FORCE_SPIKE: Final = 20.0  # N; smaller ones do not matter
FORCE_SPIKE_SHARE: Final = 0.15  # of the range of forces so far
POSITION_SPIKE: Final = 0.004  # m
SET_APART: Final = 0.3  # of the usual force; a higher one between two sets is a load and no zero
SILENT: Final = 1.0  # s; a channel alone that is silent for so long has a gap
UNHEARD: Final = 0.25  # s; the same within a rep


def force_bends(dt: float, spread: float) -> float:
    """How far a lone sample may really lie from both neighbours, N: at low rates one sample is a whole jerk."""
    return (4000.0 * dt + spread) * min(max((dt - 0.012) / 0.04, 0.0), 1.0)


def position_bends(dt: float, spread: float) -> float:  # noqa: ARG001 - a hand's acceleration does not know the range
    """The same in m, by the most that anything accelerates a handle."""
    return FASTEST_TURN * dt * dt


@dataclass(slots=True)
class Announcement:
    """What a side has to say about a rep; the station makes the event of it."""

    status: Literal["provisional", "final", "retracted"]
    t: float  # s, stream time of the sample that caused it
    turn: float = 0.0  # s, the dated turn that it announces
    measures: Measures | None = None
    partial: bool = False
    flags: list[str] = field(default_factory=list)
    hold: float | None = None
    force: float | None = None  # N, mean over the concentric, also where it may not be shown
    take_back: int = (
        0  # retracted: how many of the set's first finals go, 0: the running provisional; -1: the last final
    )


class Side:
    """One cable's channels, detectors and memory."""

    def __init__(self, exercise: Exercise) -> None:
        self.exercise = exercise
        self.position: Channel | None = None
        self.force: Channel | None = None
        self.firmware: str | None = None
        self.zero = ZeroTracker()
        self.reference = Reference()
        self._firsts: list[Finished] | None = []  # the set's first strokes, until they have been judged
        self.marks = Marks()
        self.watch = CableWatch(exercise, self.marks)
        self._aside: list[Measures] = []  # strokes without load; reps after all where the cell turns out to be off
        self.unreferenced = False
        self.announced = False  # a provisional stands
        self.dropped_at: float | None = None  # s, when this set's last dropped handle was home: no rep, but training
        self.motion_end = -1e9  # s, when this cable last moved or was under effort
        self.x: float | None = None
        self.f: float | None = None
        self.spikes = 0
        self.strokes: list[tuple[float, float]] = []  # s, starts and tops, until somebody takes them
        self._track_zero = True
        self.announcements: list[Announcement] = []
        self._reset()

    def _reset(self) -> None:
        self._xs, self._fs = Series(), Series()
        self._x_gate = LeapGate(least=POSITION_SPIKE, share=0.0, bends=position_bends)
        self._f_gate = LeapGate(least=FORCE_SPIKE, share=FORCE_SPIKE_SHARE, bends=force_bends)
        self.x_period, self.f_period = Period(), Period()
        self._noise, self._velocity = Noise(), Velocity()
        self._still, self._rests = Stillness(), Stillness()
        self._force_noise = Noise(floor=FORCE_NOISE_FLOOR)
        self._rail = Rail()
        self._phases = RepPhases(min_rom=self.exercise.min_rom_m, give_up=self.exercise.set_gap_s)
        self._rules = RepRules(self.exercise)
        self._efforts = Efforts(min_force=self.exercise.min_force_n)
        self._lowest: float | None = None
        self._top: Measures | None = None
        self._lifted: float | None = None  # s, start of the last stroke out that was counted at its top
        self._last_effort: tuple[float, float] | None = None  # s, rise and return, as they were recognised

    # -- what it is made of

    def calibrate(
        self, *, force: ChannelCalibration | None, position: ChannelCalibration | None, track_zero: bool
    ) -> None:
        """Set the channels that are given."""
        self._track_zero = track_zero
        if force is not None:
            self.force = Channel(force)
        if position is not None:
            self.position = Channel(position)

    def restart(self) -> None:
        """The board restarted: its incremental position starts from anywhere."""
        self._end_stroke(self._xs.t[-1] if self._xs.t else 0.0, moving=False)
        zero, force = self.zero, self.f
        self.watch.restart(self._xs.t[-1] if self._xs.t else 0.0)
        self._reset()
        self.zero, self.f = zero, force
        self.x = None
        self.unreferenced = self.position is not None
        self.reference.bottoms.clear()  # levels from before mean nothing now

    @property
    def hz(self) -> float | None:
        """Samples a second of the position, or of the force where that is all there is."""
        return self.x_period.hz if self.position is not None else self.f_period.hz

    @property
    def velocity(self) -> float | None:
        """Live velocity in m/s, lagging by the tracking filter."""
        return self._velocity.value if self.x is not None else None

    @property
    def phase(self) -> PhaseName | None:
        """The phase as a display shows it."""
        if self.position is not None:
            if self.x is None:
                return None
            phase, standing = self._phases.phase, self._phases.still_for > 0.3
            if phase is Phase.OUT:
                return "concentric"
            if phase is Phase.TOP:
                return "top" if standing or self._phases.top_x - self.x < 0.01 else "eccentric"
            return "eccentric" if phase is Phase.BACK else "rest"
        if self.force is None or self.f is None:
            return None
        return "top" if self._efforts.active else "rest"

    @property
    def busy(self) -> bool:
        """Whether a stroke or effort is under way that may become a rep."""
        if self.position is not None:
            phases = self._phases
            return phases.phase in (Phase.TOP, Phase.BACK) or (
                phases.phase is Phase.OUT and phases.rom > 0.5 * self.exercise.min_rom_m
            )
        return self._efforts.active or self._efforts.falling

    def drain(self) -> list[Announcement]:
        """What has been announced since the last call."""
        out, self.announcements = self.announcements, []
        return out

    # -- samples

    def feed_position(self, t: float, counts: float) -> None:
        """Take one position sample."""
        if self.position is None:
            self.position = Channel(ChannelCalibration())
        self.watch.sampled("position", t)
        for each in self._x_gate.step(t, self.position.physical(counts)):
            self._step_position(*each)
        if self._x_gate.taken_out:
            self._left_out("position", self._x_gate, t)

    def feed_force(self, t: float, counts: float, *, saturated: bool) -> None:
        """Take one force sample."""
        if self.force is None:
            self.force = Channel(ChannelCalibration())
        if saturated:
            self.watch.railed(t, t)
        self.watch.sampled("force", t)
        for each in self._f_gate.step(t, self.force.physical(counts)):
            self._step_force(*each)
        if self._f_gate.taken_out:
            self._left_out("force", self._f_gate, t)

    def _left_out(self, channel: str, gate: LeapGate, t: float) -> None:
        self.spikes += len(gate.taken_out)
        self.watch.leapt(channel, gate.taken_out, t)
        gate.taken_out = []

    def idle(self, t: float, *, after: float = SILENT) -> None:
        """Time goes on: a channel from which nothing has come for `after` s, while others do, has a gap."""
        for name, series, period in (("position", self._xs, self.x_period), ("force", self._fs, self.f_period)):
            if series.t and period.seconds and t - series.t[-1] > max(after, (GAP_PERIODS + 2.0) * period.seconds):
                self.watch.gap(name, series.t[-1], t)

    def _step_position(self, t: float, x: float) -> None:
        gap = self.x_period.step(t)
        if gap is not None:
            self.watch.gap("position", t - gap, t)
        self.x = x
        self._noise.step(x)
        deviation = self._noise.deviation
        still = self._still.step(t, x, max(STILL_BAND, 6.0 * deviation, 1.5 * self._quantum))
        velocity = self._velocity.step(t, x)
        self.watch.position(t, x, velocity, noise=deviation, quantum=self._quantum)
        self._xs.add(t, x)
        turn = self._phases.step(t, x, still, deviation)
        if turn is not None:
            self._turned(turn, t, x)
        phases = self._phases
        rests = self._rests.step(t, x, max(REST_BAND, 8.0 * deviation, 2.5 * self._quantum))
        if not phases.at_rest:
            self.zero.move()
            self.watch.moves()
        elif rests >= RESTED:
            self._resting(t, x)
        if self._lowers_first and self.announced and phases.settled:
            self._finish_lifted(t)
        start = phases.low_t if phases.phase is not Phase.REST else t - 3.0
        self._xs.forget_before(max(start - self._lead_in, t - KEEP))

    @property
    def _lowers_first(self) -> bool:
        return self.exercise.starts_with == "eccentric"

    @property
    def _lead_in(self) -> float:
        """How much is kept from before a stroke out, in s; the stroke back where that comes first."""
        return LOWERING if self._lowers_first else 2.0 * LEAD_IN

    @property
    def _quantum(self) -> float:
        """The encoder's step, where it is coarse enough to matter, in m."""
        return self._noise.quantum if 1e-4 < self._noise.quantum < 5e-3 and self._noise.deviation < 1e-3 else 0.0

    def _resting(self, t: float, x: float) -> None:
        if self._lowest is None or x < self._lowest:
            self._lowest = x
        if self.unreferenced:
            self.unreferenced = False
        if self.force is None or self.f is None:
            return
        if self.watch.is_unloaded(self.f - self.zero.zero):
            self.watch.home(t, x)
        usual = self.reference.force
        unloaded = usual is None or abs(self.f - self.zero.zero) < 0.4 * usual
        if x <= self._lowest + HOME_BAND:
            self.watch.rests(t, self.f)
            if unloaded:
                self._zero_rests(t, self.f)

    def _zero_rests(self, t: float, f: float) -> None:
        usual = self.watch.usual
        known = usual is not None and self.watch.between_sets
        apart = SET_APART * usual if usual is not None and known else 0.0
        stays = ZERO_STAYS if self.watch.between_sets and self.position is not None else ZERO_STAYS_UNSURE
        level = self.zero.rest(
            t,
            f,
            follow=self._track_zero,
            apart=apart,
            stays=stays,
            noise=self._force_noise.deviation,
            in_set=not self.watch.between_sets,
        )
        if level is not None:
            self.watch.zero_seen(t, level, corrected=self._track_zero)

    def _step_force(self, t: float, f: float) -> None:
        gap = self.f_period.step(t)
        if gap is not None:
            self.watch.gap("force", t - gap, t)
        self.f = f
        self._force_noise.step(f)
        railed = self._rail.step(t, f)
        if railed is not None:
            if self._rail.earlier is not None:
                self.watch.railed(*self._rail.earlier)
                self._rail.earlier = None
            self.watch.railed(railed, t)
        self._fs.add(t, f)
        self.watch.force(
            t, f, zero=self.zero.zero, at_rail=railed is not None, noise=self._force_noise.deviation,
            noise_m=self._noise.deviation,
        )  # fmt: skip
        if self.position is None:
            self._step_effort(t, f)
            lasts = self._efforts.active or self._efforts.falling
            self._fs.forget_before(max(self._efforts.start_t if lasts else t - 3.0, t - KEEP) - LEAD_IN)
        else:
            start = self._phases.low_t if self._phases.phase is not Phase.REST else t - 3.0
            self._fs.forget_before(max(start - self._lead_in, t - KEEP))

    def _step_effort(self, t: float, f: float) -> None:
        if self.marks.lasts("wrong_sign"):
            if self._efforts.end() is not None:
                self._take_back(t)
            return
        change = self._efforts.step(t, f)
        if change is not None:
            self._effort(change, t)
        usual = self.watch.usual
        if not self._efforts.active:
            self.watch.rests(t, f)
            self._zero_rests(t, f)
        elif usual is not None and self.watch.between_sets and abs(f - self.zero.zero) < SET_APART * usual:
            before = self.zero.zero
            self._zero_rests(t, f)  # what looks like a small effort may be a zero that has moved
            if self.zero.zero > before + self.exercise.min_force_n:
                if self._efforts.end() is not None:
                    self._take_back(t)
                self._efforts.base = f
        else:
            self.zero.move()
            self.watch.moves()

    # -- reps from position

    def _trace(self, t0: float) -> Trace:
        ts, xs = self._xs.since(t0)
        tf, fs = self._fs.since(t0) if self.force is not None else (np.empty(0), np.empty(0))
        return Trace(
            ts, xs, tf, fs - self.zero.zero,
            period=self.x_period.seconds or 0.01, noise=self._noise.deviation, quantum=self._quantum,
            force_noise=self._force_noise.deviation,
        )  # fmt: skip

    def channels(self, t0: float) -> tuple[Floats, Floats, Floats, Floats]:
        """Times and positions, times and forces, from t0 (s) on as far as they are remembered."""
        return (*self._xs.since(t0), *self._fs.since(t0))

    def _measure(self, *, finished: bool) -> tuple[Measures, float | None]:
        """The rep's measures so far, and its mean concentric force whatever may be shown of it."""
        phases, usual = self._phases, self.reference.bottom
        assert phases.low_x is not None
        start = usual if usual is not None else phases.last_start
        measures = self._measure_from(phases.bottom_x if finished else start, finished=finished)
        if not finished:
            self.watch.topped(measures, zero=self.zero.zero)
        elif self._rules.let_go(measures, self._believed(measures), self.reference):
            # where a handle fell to says nothing of where its rep began
            measures = self._measure_from(start, finished=True)
        return measures, self._believed(measures)

    def _measure_from(self, home: float, *, finished: bool) -> Measures:
        """The measures of a rep that began at the stand nearest to `home`, m."""
        phases = self._phases
        trace = self._trace(phases.low_t - LEAD_IN)
        measures, top = date_concentric(
            trace,
            low_t=phases.low_t,
            top_t=phases.top_t,
            home=home,
            returned=finished or self.reference.bottom is None,
            min_rom=self.exercise.min_rom_m,
        )
        if finished:
            date_eccentric(trace, measures, top, bottom_t=phases.bottom_t)
        mechanics(trace, measures, hz=self.hz, eccentric=finished)
        return measures

    def _believed(self, measures: Measures) -> float | None:
        """The mean concentric force, None where the cell does not even say whether there was one."""
        if self.marks.distrusts_force(measures.t_start, measures.t_top):
            measures.top_force = None
            return None
        return measures.mean_force

    def _turned(self, turn: Turn, t: float, x: float) -> None:
        if turn is Turn.TOP:
            self.motion_end = t
            self._topped(t)
            return
        if turn is Turn.NEVER:
            self._take_back(t)
            return
        if not self._lowers_first:
            self._bottomed(t)
        self._phases.next_stroke(t, x)

    def _topped(self, t: float) -> None:
        if self.unreferenced:
            self.unreferenced = False
        if self._lowers_first and self._phases.low_t == self._lifted:
            return  # it was counted, stood a while, and went a little further
        measures, force = self._measure(finished=False)
        self._top = measures
        self.strokes = [*self.strokes[-7:], (measures.t_start, measures.t_top)]
        self._take_up_aside(t)
        if self._rules.loaded(force, self.reference):
            flags = self._hide(measures)
            self.announced = True
            self.announcements.append(
                Announcement(
                    "provisional",
                    t,
                    measures.t_top,
                    measures,
                    self._rules.partial(measures, self.reference),
                    flags,
                    force=force,
                )
            )
        elif self.announced:
            self._take_back(t)

    def _finish_lifted(self, t: float) -> None:
        """A stroke out is over; where the exercise lowers first it is the whole rep, if it was lowered before."""
        phases = self._phases
        assert phases.low_x is not None
        trace = self._trace(phases.low_t - LOWERING)
        measures, _ = date_concentric(
            trace,
            low_t=phases.low_t,
            top_t=phases.top_t,
            home=phases.low_x,
            returned=False,
            min_rom=self.exercise.min_rom_m,
        )
        date_eccentric_before(trace, measures)
        if measures.t_lower is None:
            self._take_back(t)
            return
        mechanics(trace, measures, hz=self.hz)
        self._lifted = phases.low_t
        self.motion_end = measures.t_top
        self._final(t, measures, self._believed(measures), [], hold=None)

    def _take_back(self, t: float) -> None:
        if self.announced:
            self.announced = False
            self.announcements.append(Announcement("retracted", t))

    def _bottomed(self, t: float, *, cut_off: bool = False) -> None:
        measures, force = self._measure(finished=True)
        self.motion_end = measures.t_end if measures.t_end is not None else t
        flags = ["cut_off"] if cut_off else []
        if not self._rules.is_rep(measures, force, self.reference):
            if self._rules.let_go(measures, force, self.reference):
                self.dropped_at = measures.t_end
            self._take_back(t)
            if force is not None and not self._rules.loaded(force, self.reference):
                self._set_aside(t, measures)
            return
        if self._rules.let_go(measures, force, self.reference):
            flags.append("let_go")
        if "let_go" in flags:
            blank(measures, (*ECCENTRIC_FORCE_FIELDS, *ECCENTRIC_MOTION_FIELDS), "let_go")
        hold = measures.t_lower - measures.t_top if measures.t_lower is not None else None
        self._final(t, measures, force, flags, hold=hold)

    def _set_aside(self, t: float, measures: Measures) -> None:
        """Keep a stroke that carried no load: it was one after all where its load cell turns out to be off."""
        if measures.rom is None or measures.rom < self.exercise.min_rom_m:
            return
        self._aside = [*self._aside[-7:], measures]
        self.watch.unloaded(measures)
        self._take_up_aside(t)

    def _take_up_aside(self, t: float) -> None:
        waiting, self._aside = self._aside, []
        for measures in waiting:
            if self.marks.distrusts_force(measures.t_start, measures.t_top):
                hold = measures.t_lower - measures.t_top if measures.t_lower is not None else None
                self._final(t, measures, None, [], hold=hold)
            elif t - measures.t_top < 3.0 * self.exercise.set_gap_s:
                self._aside.append(measures)

    def _final(
        self, t: float, measures: Measures, force: float | None, flags: list[str], *, hold: float | None
    ) -> None:
        partial = self._rules.partial(measures, self.reference)
        flags += self._hide(measures)
        self.reference.add(measures, force=force, partial=partial)
        self._judge_first(t, Finished(measures, force, partial))
        if force is not None:
            self._aside.clear()
        self.watch.counted(measures, force)
        self.announced = False
        turn = measures.t_end if measures.t_end is not None else t
        self.announcements.append(Announcement("final", t, turn, measures, partial, flags, hold, force))

    def _judge_first(self, t: float, finished: Finished) -> None:
        """Take back the set's first strokes once its reps show that they were handling."""
        if self._firsts is None:
            return
        self._firsts.append(finished)
        handling = self._rules.lead_in(self._firsts)
        if handling:
            self.reference.drop_first(handling, full=sum(not each.partial for each in self._firsts[:handling]))
            self.announcements.append(Announcement("retracted", t, take_back=handling))
            del self._firsts[:handling]
        if len(self._firsts) >= LEAD_IN_STROKES:
            self._firsts = None

    def _hide(self, measures: Measures) -> list[str]:
        self.idle(measures.t_end if measures.t_end is not None else measures.t_top, after=UNHEARD)
        return hide(measures, self.marks, has_force=self.force is not None)

    # -- efforts from force alone

    def _effort(self, change: Change, t: float) -> None:
        efforts = self._efforts
        if change is Change.KNOCK:
            self._take_back(t)
            return
        end = efforts.end_t if change is Change.ENDED else t
        self.motion_end = end
        measures = self._measure_effort(end)
        force = measures.mean_force
        if change is Change.ENDED:
            measures.t_end = end
        flags = self._hide(measures)
        if change is Change.BEGAN:
            self.announced = True
            self.announcements.append(
                Announcement("provisional", t, measures.t_top, measures, flags=flags, force=force)
            )
            return
        hold = efforts.end_t - efforts.start_t
        start, returned = efforts.recognised
        if self._last_effort is not None:
            before, last = self._last_effort
            if (
                start - last < SNATCH_GAP
                and last - before < SNATCH
                and returned - start > SNATCH_SHARE * (last - before)
            ):
                self.announcements.append(Announcement("retracted", t, take_back=-1))  # a snatch before the pull
        self._last_effort = efforts.recognised
        self.announced = False
        if "time_under_tension" not in measures.reasons:
            measures.time_under_tension = hold
        self.watch.counted(measures, force)
        self.announcements.append(
            Announcement("final", t, efforts.end_t, measures, flags=flags, hold=hold, force=force)
        )

    def _measure_effort(self, end: float) -> Measures:
        efforts = self._efforts
        ts, fs = self._fs.since(efforts.start_t)
        # the ends are instants between two samples
        inside = (ts > efforts.start_t) & (ts < end)
        ends = np.interp((efforts.start_t, end), ts, fs)
        ts = np.concatenate(((efforts.start_t,), ts[inside], (end,)))
        fs = np.concatenate((ends[:1], fs[inside], ends[1:])) - self.zero.zero
        measures = Measures(t_start=efforts.start_t, t_top=min(efforts.peak_t, end), t_lower=None)
        blank(measures, (*MOTION_FIELDS, *ECCENTRIC_MOTION_FIELDS, *ECCENTRIC_FORCE_FIELDS), "no_position")
        blank(measures, ("work_concentric", "mean_power", "peak_power"), "no_position")
        if len(ts) > 1:
            measures.impulse = float(np.trapezoid(fs, ts))
            measures.mean_force = measures.impulse / float(ts[-1] - ts[0])
            measures.peak_force = highest_force(ts, fs, noise=self._force_noise.deviation)
        measures.reasons["rfd"] = "no_position"
        return measures

    def tare(self) -> None:
        """Take the force as it stands for zero."""
        if self.f is not None:
            self.zero.set(self.f)
            self.watch.tared(self._fs.t[-1] if self._fs.t else 0.0, self.f)

    # -- the end

    def _end_stroke(self, t: float, *, moving: bool) -> None:
        if self.position is not None:
            if self._lowers_first and self.announced:
                self._finish_lifted(t)
                return
            turn = self._phases.end(moving=moving)
            if turn is Turn.BOTTOM and not self._lowers_first:
                self._bottomed(t, cut_off=True)
            else:
                self._take_back(t)
        else:
            change = self._efforts.end()
            if change is not None:
                self._effort(change, t)

    def flush(self) -> None:
        """The stream is over: let go of held samples and finish what is under way."""
        for gate, step in ((self._x_gate, self._step_position), (self._f_gate, self._step_force)):
            for held in gate.flush():
                step(*held)
        last = max([*self._xs.t[-1:], *self._fs.t[-1:]], default=0.0)
        self._end_stroke(last, moving=True)

    def new_set(self) -> None:
        """A set has ended: what its reps had in common is no longer valid."""
        self.reference = Reference()
        self.dropped_at = None
        self._firsts = []
        self.watch.new_set()

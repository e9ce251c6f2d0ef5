"""The reps of a cable whose position is known: strokes recognised, measured, judged and announced."""

from __future__ import annotations

from typing import Final

from controller.core.announcement import Announcement, Announcer
from controller.core.cable import Cable
from controller.core.channels import KEEP, KEEP_AT_REST, LOOK_BACK
from controller.core.rep_metrics import Measures, date_concentric, date_eccentric, date_eccentric_before, mechanics
from controller.core.rep_phases import Phase, RepPhases, Turn
from controller.core.rep_rules import LEAD_IN, Finished, RepRules
from controller.core.series import Reference
from controller.core.settings import Exercise
from controller.core.validity import ECCENTRIC_FORCE_FIELDS, ECCENTRIC_MOTION_FIELDS, blank
from protocols.events import Phase as PhaseName

LOWERING: Final = 15.0  # s; the longest eccentric that is looked for before a stroke out
STANDING: Final = 0.3  # s that a cable has stood at the top of a stroke to be shown there
TOP_BAND: Final = 0.01  # m under the top that are still shown as the top
FALLS: Final = 3  # strokes one after the other, alike, that were taken for falls: they are the reps of the set
ASIDE: Final = 3.0  # set gaps; a stroke without load that is older was none, whatever its load cell turns out to be


class RepFinder:
    """Positions in m, times in s of stream time."""

    def __init__(self, exercise: Exercise, cable: Cable, announcer: Announcer) -> None:
        self._exercise = exercise
        self._cable = cable
        self._announcer = announcer
        self._rules = RepRules(exercise)
        self._lowers_first = exercise.starts_with == "eccentric"
        self._lead_in = LOWERING if self._lowers_first else 2.0 * LOOK_BACK  # s kept from before a stroke out
        self.reference = Reference()
        self._firsts: list[Finished] | None = []  # the set's first strokes, until they have been judged
        self._beside: list[tuple[float, float]] = []  # s, strokes out of the other cable that were handling
        self._aside: list[Measures] = []  # strokes without load; reps after all where the cell turns out to be off
        self._fallen: list[Finished] = []  # strokes in a row, alike, that were taken for falls without a cell
        self.dropped_at: float | None = None  # s, when this set's last dropped handle was home: no rep, but training
        self.motion_end = -1e9  # s, when this cable last moved
        self._strokes: list[tuple[float, float]] = []  # s, starts and tops, until somebody takes them
        self._begin()

    def _begin(self) -> None:
        self._phases = RepPhases(min_rom=self._exercise.min_rom_m, give_up=self._exercise.set_gap_s)
        self._lifted: float | None = None  # s, start of the last stroke out that was counted at its top

    def restart(self) -> None:
        """The position starts from anywhere: levels from before mean nothing now."""
        self._begin()
        self.reference.bottoms.clear()

    def new_set(self) -> None:
        """A set has ended: what its reps had in common is no longer valid."""
        self.reference = Reference()
        self.dropped_at = None
        self._firsts = []
        self._beside = []
        self._fallen = []

    @property
    def phase(self) -> PhaseName | None:
        """The phase as a display shows it."""
        x, phases = self._cable.positions.x, self._phases
        if x is None:
            return None
        if phases.phase is Phase.OUT:
            return "concentric"
        if phases.phase is Phase.TOP:
            return "top" if phases.still_for > STANDING or phases.top_x - x < TOP_BAND else "eccentric"
        return "eccentric" if phases.phase is Phase.BACK else "rest"

    @property
    def busy(self) -> bool:
        """Whether a stroke is under way that may become a rep."""
        phases = self._phases
        return phases.phase in (Phase.TOP, Phase.BACK) or (
            phases.phase is Phase.OUT and phases.rom > 0.5 * self._exercise.min_rom_m
        )

    def take_strokes(self) -> list[tuple[float, float]]:
        """When the strokes out began and were at their tops, since the last call."""
        out, self._strokes = self._strokes, []
        return out

    def needs_from(self, t: float) -> float:
        """From when on samples are still to be looked at, at t."""
        start = self._phases.low_t if self._phases.phase is not Phase.REST else t - KEEP_AT_REST
        return max(start - self._lead_in, t - KEEP)

    # -- recognised

    def step(self, t: float, x: float) -> None:
        """Take a clean position that the cable has taken in."""
        cable, phases = self._cable, self._phases
        positions = cable.positions
        turn = phases.step(t, x, positions.still_for, positions.noise.deviation, rested_for=positions.rested_for)
        if turn is not None:
            self._turned(turn, t, x)
        if phases.at_rest:
            cable.stands(t, x, usual=self.reference.force)
        else:
            cable.moves()
        if self._lowers_first and self._announcer.provisional and phases.settled:
            self._finish_lifted(t)

    def _turned(self, turn: Turn, t: float, x: float) -> None:
        if turn is Turn.TOP:
            self.motion_end = t
            self._topped(t)
            return
        if turn is Turn.NEVER:
            self._announcer.take_back()
            return
        if not self._lowers_first:
            self._bottomed(t)
        self._phases.next_stroke(t, x)

    def end(self, t: float, *, moving: bool) -> None:
        """The stream ends at t, or the board restarts: finish what is under way."""
        if self._lowers_first and self._announcer.provisional:
            self._finish_lifted(t)
            return
        turn = self._phases.end(moving=moving)
        if turn is Turn.BOTTOM and not self._lowers_first:
            self._bottomed(t, cut_off=True)
        else:
            self._announcer.take_back()

    # -- measured

    def _measure(self, *, finished: bool) -> tuple[Measures, float | None]:
        """The rep's measures so far, and its mean concentric force whatever may be shown of it."""
        phases, usual = self._phases, self.reference.bottom
        start = usual if usual is not None else phases.last_start
        measures = self._measure_from(phases.bottom_x if finished else start, finished=finished)
        if not finished:
            self._cable.watch.topped(measures, zero=self._cable.zero.zero)
        elif self._rules.let_go(measures, self._believed(measures), self.reference):
            # where a handle fell to says nothing of where its rep began
            measures = self._measure_from(start, finished=True)
        return measures, self._believed(measures)

    def _measure_from(self, home: float, *, finished: bool) -> Measures:
        """The measures of a rep that began at the stand nearest to `home`, m."""
        phases = self._phases
        trace = self._cable.trace(phases.low_t - LOOK_BACK)
        measures, top = date_concentric(
            trace,
            low_t=phases.low_t,
            top_t=phases.top_t,
            home=home,
            returned=finished or self.reference.bottom is None,
            min_rom=self._exercise.min_rom_m,
        )
        if finished:
            date_eccentric(trace, measures, top, bottom_t=phases.bottom_t)
        mechanics(trace, measures, hz=self._cable.positions.period.hz, eccentric=finished)
        return measures

    def _believed(self, measures: Measures) -> float | None:
        """The mean concentric force, None where the cell does not even say whether there was one."""
        if self._cable.marks.distrusts_force(measures.t_start, measures.t_top):
            measures.top_force = None
            return None
        return measures.mean_force

    # -- judged and announced

    def _topped(self, t: float) -> None:
        self._cable.unreferenced = False
        if self._lowers_first and self._phases.low_t == self._lifted:
            return  # it was counted, stood a while, and went a little further
        measures, force = self._measure(finished=False)
        self._strokes = [*self._strokes[-7:], (measures.t_start, measures.t_top)]
        self._take_up_aside(t)
        if not self._rules.loaded(force, self.reference):
            self._announcer.take_back()
            return
        flags = self._cable.hide(measures)
        partial = self._rules.partial(measures, self.reference)
        self._announcer.say(Announcement("provisional", measures.t_top, measures, partial, flags, force=force))

    def _finish_lifted(self, t: float) -> None:
        """A stroke out is over; where the exercise lowers first it is the whole rep, if it was lowered before."""
        phases = self._phases
        assert phases.low_x is not None
        trace = self._cable.trace(phases.low_t - LOWERING)
        measures, _ = date_concentric(
            trace,
            low_t=phases.low_t,
            top_t=phases.top_t,
            home=phases.low_x,
            returned=False,
            min_rom=self._exercise.min_rom_m,
        )
        date_eccentric_before(trace, measures)
        if measures.t_lower is None:
            self._announcer.take_back()
            return
        mechanics(trace, measures, hz=self._cable.positions.period.hz)
        self._lifted = phases.low_t
        self.motion_end = measures.t_top
        self._final(t, measures, self._believed(measures), [], hold=None)

    def _bottomed(self, t: float, *, cut_off: bool = False) -> None:
        measures, force = self._measure(finished=True)
        self.motion_end = measures.t_end if measures.t_end is not None else t
        let_go = self._rules.let_go(measures, force, self.reference)
        if not self._rules.is_rep(measures, force, self.reference):
            self._announcer.take_back()
            if let_go:
                self._dropped(t, Finished(measures, force, partial=False))
            if force is not None and not self._rules.loaded(force, self.reference):
                self._set_aside(t, measures)
            return
        flags = ["cut_off"] if cut_off else []
        if let_go:
            flags.append("let_go")
            blank(measures, (*ECCENTRIC_FORCE_FIELDS, *ECCENTRIC_MOTION_FIELDS), "let_go")
        self._final(t, measures, force, flags, hold=_stood(measures))

    def _dropped(self, t: float, stroke: Finished) -> None:
        """Keep a stroke that was taken for a fall; without a cell, who falls alike over and over does not fall."""
        self.dropped_at = stroke.measures.t_end
        if stroke.force is not None:
            return
        alike = not self._fallen or self._rules.agree(self._fallen[-1], stroke)
        self._fallen = [*(self._fallen if alike else ()), stroke]
        if len(self._fallen) == FALLS:
            for each in self._fallen:
                self._final(t, each.measures, None, [], hold=_stood(each.measures))

    def _set_aside(self, t: float, measures: Measures) -> None:
        """Keep a stroke that carried no load: it was one after all where its load cell turns out to be off."""
        if measures.rom is None or measures.rom < self._exercise.min_rom_m:
            return
        self._aside = [*self._aside[-7:], measures]
        self._cable.watch.unloaded(measures)
        self._take_up_aside(t)

    def _take_up_aside(self, t: float) -> None:
        waiting, self._aside = self._aside, []
        for measures in waiting:
            if self._cable.marks.distrusts_force(measures.t_start, measures.t_top):
                self._final(t, measures, None, [], hold=_stood(measures))
            elif t - measures.t_top < ASIDE * self._exercise.set_gap_s:
                self._aside.append(measures)

    def _final(
        self, t: float, measures: Measures, force: float | None, flags: list[str], *, hold: float | None
    ) -> None:
        partial = self._rules.partial(measures, self.reference)
        flags += self._cable.hide(measures)
        self.reference.add(measures, force=force, partial=partial)
        self._fallen = []
        self._judge_first(Finished(measures, force, partial))
        if force is not None:
            self._aside.clear()
        self._cable.watch.counted(measures, force)
        turn = measures.t_end if measures.t_end is not None else t
        self._announcer.say(Announcement("final", turn, measures, partial, flags, hold, force))

    def _judge_first(self, finished: Finished) -> None:
        """Take back the set's first strokes once its reps show that they were handling."""
        if self._firsts is None:
            return
        self._firsts.append(finished)
        self._judge_firsts()
        if len(self._firsts) >= LEAD_IN:
            self._firsts = None

    def handled_beside(self, spans: list[tuple[float, float]]) -> None:
        """What the other cable did then (from, to in s) was handling."""
        self._beside += spans
        self._judge_firsts()

    def _judge_firsts(self) -> None:
        if self._firsts is None:
            return
        handling = self._rules.lead_in(self._firsts, self._beside)
        if handling:
            self.reference.drop_first(handling, full=sum(not each.partial for each in self._firsts[:handling]))
            self._announcer.take_back_finals(handling)
            del self._firsts[:handling]


def _stood(measures: Measures) -> float | None:
    """How long the handle stood at the top, s."""
    return measures.t_lower - measures.t_top if measures.t_lower is not None else None

"""When a finished stroke is a rep: by its load, its ROM, and what the set's other reps look like."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from controller.core.rep_metrics import Measures
from controller.core.series import PARTIAL, Reference
from controller.core.settings import Exercise

LOADED_SHARE: Final = 0.25  # of the set's usual force; a stroke under less carries no load
GONE_AT_TOP: Final = 0.5  # of the stroke's mean force; under it at the top, and gone from there on, it was dropped
FALL: Final = 0.7  # s; a stack that falls is home before
FALL_SHARE: Final = 0.15  # of the ROM; from so high at least
FALL_LEAST: Final = 1.5  # m/s^2; the mean acceleration of a fall, friction and inertia of the pulleys included
FALL_SPEED: Final = 1.0  # m/s; without a cell, a fall reaches it
FASTER: Final = 1.5  # times the set's usual peak speed of the way back, and this
UNSLOWED: Final = 0.5  # of its peak speed, just before it is home; who lowers a handle slows it down before
SUDDEN: Final = 0.5  # of the set's usual time for the way back; without a cell, so quick a one is a fall
WHOLE: Final = 0.9  # of the reference ROM; a stroke that reached it was not dropped before its top,
WHOLE_GONE: Final = 0.97  # and where a cell says that nothing held the handle there, one that reached this
NEAR_LEVEL: Final = 0.25  # of the reference ROM; so close to the set's bottom or top a partial rep keeps
ALIKE: Final = 0.25  # of the ROM; two reps that differ by less agree on it


HANDLED: Final = 0.6  # of the usual force; a short stroke under less, before the set, was handling
HANDLED_BAND: Final = 0.8  # of its share of the ROM; on a band the force of a short stroke is as short
SHORT_ALONE: Final = 1.0 / 3.0  # of the usual ROM; without a cell, a shorter first stroke was handling
NEAR_START: Final = 0.1  # of the usual ROM; without a cell, a partial first rep starts as near as this to the others
RHYTHM_LEAST: Final = (
    0.3  # s; without a cell, a partial first rep is followed by the set's usual rest, give or take this
)
RHYTHM_SHARE: Final = 0.2  # and this share of that rest
UNLIKE: Final = 0.2  # of the usual ROM; without a cell, a first stroke from the set's bottom turns so far off its top,
AT_TEMPO: Final = 0.6  # and goes at less than this share of the reps' speed, or they at less of its: it was handling
BESIDE: Final = 0.5  # of the shorter stroke out; strokes of both cables that have so much in common are one handling
LEAD_IN: Final = 5  # strokes; handling is sought among the first ones only


Span = tuple[float, float]  # s


@dataclass(frozen=True, slots=True)
class Finished:
    """A stroke that has been announced as final; force: mean over the concentric, N, None without a cell."""

    measures: Measures
    force: float | None
    partial: bool

    @property
    def rom(self) -> float:
        """Range of motion, m."""
        assert self.measures.way is not None
        return self.measures.way

    @property
    def span(self) -> Span:
        """When it went out, s."""
        return self.measures.t_start, self.measures.t_top

    @property
    def speed(self) -> float:
        """Mean velocity out, m/s."""
        begin, top = self.span
        return self.rom / max(top - begin, 1e-9)

    def goes_with(self, other: Span) -> bool:
        """Whether the other cable went out at the same time."""
        (a0, a1), (b0, b1) = self.span, other
        return min(a1, b1) - max(a0, b0) >= BESIDE * min(a1 - a0, b1 - b0)

    @property
    def lowering(self) -> float | None:
        """Time of the way back, s."""
        down, up = self.measures.t_lowered, self.measures.t_lower
        return down - up if down is not None and up is not None else None


@dataclass(frozen=True, slots=True)
class RepRules:
    """The rules of one exercise. Forces in N, None where there is no cell."""

    exercise: Exercise

    def loaded(self, force: float | None, reference: Reference) -> bool:
        """Whether a stroke with this mean force carries load."""
        if force is None:
            return True
        usual = reference.force
        return force >= max(self.exercise.min_force_n, LOADED_SHARE * usual if usual is not None else 0.0)

    def partial(self, measures: Measures, reference: Reference) -> bool:
        """Whether the ROM stays under the share of the set's usual one that makes a full rep."""
        usual = reference.rom
        return usual is not None and measures.rom is not None and measures.rom < PARTIAL * usual

    def is_rep(self, measures: Measures, force: float | None, reference: Reference) -> bool:
        """Whether a finished stroke counts."""
        if measures.rom is None or measures.rom < self.exercise.min_rom_m or not self.loaded(force, reference):
            return False
        usual, bottom = reference.rom, reference.bottom
        if self._dropped(measures, force, usual) and self._fell(measures, force, reference):
            return False
        if usual is None or bottom is None or measures.rom >= PARTIAL * usual or len(reference.roms) < 2:
            return True
        near, top = NEAR_LEVEL * usual, measures.start_x + measures.rom
        return abs(measures.start_x - bottom) <= near or abs(top - bottom - usual) <= near

    @staticmethod
    def _dropped(measures: Measures, force: float | None, usual: float | None) -> bool:
        """Whether nothing held the handle when it turned short of the usual ROM; without a cell, whether it did."""
        whole = WHOLE if force is None else WHOLE_GONE
        if measures.rom is None or (usual is not None and measures.rom >= whole * usual):
            return False
        if force is None:
            return usual is not None
        way, stood = measures.gone_way, (measures.t_lower or measures.t_top) - measures.t_top
        if measures.top_force is None or way is None or stood > 0.0:
            return False
        return measures.top_force < GONE_AT_TOP * force and way > (1.0 - FALL_SHARE) * measures.rom

    def let_go(self, measures: Measures, force: float | None, reference: Reference) -> bool:
        """Whether the handle was let go on the way back."""
        return self._fell(measures, force, reference)

    @staticmethod
    def _fell(measures: Measures, force: float | None, reference: Reference) -> bool:
        """Whether the stack fell on the way back: by its force, else by its speed.

        With a cell: from some height on there was no force in the cable, and it was home as soon as a falling stack is.
        Without: it came home far quicker than it is lowered, or far faster and without slowing down.
        """
        if measures.t_end is None or measures.rom is None:
            return False
        if force is not None:
            way, time, speed = measures.gone_way, measures.gone_for, measures.gone_speed
            if way is None or time is None or speed is None:
                return False
            if way < FALL_SHARE * measures.rom or not 0.0 < time < FALL:
                return False
            return 2.0 * (way - max(speed, 0.0) * time) / time**2 >= FALL_LEAST
        back = measures.t_end - (measures.t_lower if measures.t_lower is not None else measures.t_top)
        usual, usual_speed, usual_rom = reference.lowering, reference.fall, reference.rom
        if usual is None or usual_speed is None or usual_rom is None or usual_rom < PARTIAL * measures.rom:
            return False  # what a far shorter stroke took says nothing of this one
        if back < min(FALL, SUDDEN * usual):
            return True
        speed = -(measures.eccentric_peak_velocity or 0.0)
        unslowed = measures.landing is not None and measures.landing >= UNSLOWED
        return unslowed and speed >= max(FALL_SPEED, FASTER * usual_speed)

    def lead_in(self, finals: list[Finished], beside: Sequence[Span] = ()) -> int | None:
        """How many of the set's first strokes were handling; None while they do not yet show what is usual.

        Two in a row that agree on their ROM and load show it. What came before them is judged from the
        first on, up to the first rep. beside: strokes out of the other cable that were handling.
        """
        if len(finals) < 2:
            return None
        before, last = finals[-2:]
        if not self.agree(before, last):
            return None
        number = 0
        while number < len(finals) - 2:
            stroke = finals[number]
            both = any(stroke.goes_with(other) for other in beside)
            if not self._handling(stroke, finals[number + 1], before, last, both=both):
                break
            number += 1
        return number

    @staticmethod
    def agree(a: Finished, b: Finished) -> bool:
        """Whether two strokes are as far and as hard, and neither of them fell."""
        forces = [each.force for each in (a, b) if each.force is not None]
        as_hard = len(forces) < 2 or min(forces) >= HANDLED * max(forces)
        backs = [each.lowering for each in (a, b) if each.lowering is not None]
        if len(forces) < 2 and len(backs) == 2 and min(backs) < min(FALL, SUDDEN * max(backs)):
            return False
        return as_hard and abs(a.rom - b.rom) <= ALIKE * max(a.rom, b.rom)

    def _handling(self, stroke: Finished, following: Finished, before: Finished, last: Finished, *, both: bool) -> bool:
        """Whether a stroke before two agreeing reps was handling: by its load, else by its place, rhythm and speed.

        both: what the other cable did meanwhile was.
        """
        usual = min(before.rom, last.rom)
        share = stroke.rom / usual
        start = 0.5 * (before.measures.start_x + last.measures.start_x)
        away = abs(stroke.measures.start_x - start) / usual
        top_away = abs(stroke.measures.start_x + stroke.rom - start - usual) / usual
        if stroke.force is not None and before.force is not None and last.force is not None:
            load = stroke.force / max(min(before.force, last.force), 1e-9)
            if load < LOADED_SHARE:
                return True
            short = share < 1.0 - ALIKE
            light = load < min(HANDLED, HANDLED_BAND * share)
            elsewhere = away > (NEAR_START if share < PARTIAL else NEAR_LEVEL)
            return short and (light or (elsewhere and top_away > NEAR_LEVEL))
        rest, rhythm = _between(stroke, following), _between(before, last)
        in_rhythm = abs(rest - rhythm) <= RHYTHM_LEAST + RHYTHM_SHARE * rhythm
        if min(away, top_away) > NEAR_LEVEL and (share < 1.0 - ALIKE or not in_rhythm):
            return True  # it shares neither end with the set's reps
        from_home = away <= NEAR_START and top_away > UNLIKE
        if from_home and (both or self._strays(stroke, last, share, in_rhythm=in_rhythm)):
            return True
        back, usual_back = stroke.lowering, last.lowering
        if share < WHOLE and back is not None and usual_back is not None and back < min(FALL, SUDDEN * usual_back):
            return True  # it was dropped
        if share >= 1.0 - ALIKE:
            return False
        return not in_rhythm or (share < PARTIAL and (share < SHORT_ALONE or away > NEAR_START))

    @staticmethod
    def _strays(stroke: Finished, last: Finished, share: float, *, in_rhythm: bool) -> bool:
        """Whether a stroke from the set's bottom to elsewhere is neither in its rhythm nor at its speed."""
        if share > 1.0 and not in_rhythm:
            return True
        return share >= PARTIAL and not AT_TEMPO <= stroke.speed / last.speed <= 1.0 / AT_TEMPO


def _between(a: Finished, b: Finished) -> float:
    """From the end of one stroke to the start of the next, s."""
    end = a.measures.t_end if a.measures.t_end is not None else a.measures.t_top
    return b.measures.t_start - end

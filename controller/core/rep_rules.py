"""When a finished stroke is a rep: by its load, its ROM, and what the set's other reps look like."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from controller.core.rep_metrics import Measures
from controller.core.series import Reference
from controller.core.settings import Exercise

PARTIAL: Final = 0.6  # of the reference ROM
LOADED_SHARE: Final = 0.25  # of the set's usual force; a stroke under less carries no load
GONE_SHARE: Final = 0.25  # of the stroke's mean force; under it the handle is no longer held
FALL: Final = 0.7  # s; a stack that falls is home before
SUDDEN: Final = 0.5  # of the set's usual time for the way back; without a cell, so quick a one is a fall
WHOLE: Final = 0.9  # of the reference ROM; a stroke that reached it was not dropped before its top
NEAR_LEVEL: Final = 0.25  # of the reference ROM; so close to the set's bottom or top a partial rep keeps
ALIKE: Final = 0.25  # of the ROM; two reps that differ by less agree on it


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

    def is_rep(self, measures: Measures, force: float | None, reference: Reference, *, held: float | None) -> bool:
        """Whether a finished stroke counts; held: mean force over the later part of the way back."""
        if measures.rom is None or measures.rom < self.exercise.min_rom_m or not self.loaded(force, reference):
            return False
        top_force = measures.top_force
        gone = top_force is not None and force is not None and top_force < GONE_SHARE * force
        if gone and self._fell(measures, force, held, reference):
            return False  # dropped before its top
        usual, bottom = reference.rom, reference.bottom
        cut_short = force is None and usual is not None and measures.rom < WHOLE * usual
        if cut_short and self._fell(measures, force, held, reference):
            return False  # the same, as far as the position alone shows it
        if usual is None or bottom is None or measures.rom >= PARTIAL * usual or len(reference.roms) < 2:
            return True
        near, top = NEAR_LEVEL * usual, measures.start_x + measures.rom
        return abs(measures.start_x - bottom) <= near or abs(top - bottom - usual) <= near

    def let_go(self, measures: Measures, force: float | None, reference: Reference, *, held: float | None) -> bool:
        """Whether the handle was let go on the way back."""
        return self._fell(measures, force, held, reference)

    @staticmethod
    def _fell(measures: Measures, force: float | None, held: float | None, reference: Reference) -> bool:
        """Whether the stack fell: home at once, with no force in the cable, or else far quicker than it is lowered."""
        if measures.t_end is None:
            return False
        back = measures.t_end - (measures.t_lower if measures.t_lower is not None else measures.t_top)
        if back >= FALL:
            return False
        if force is not None:
            return held is not None and held < GONE_SHARE * force
        usual = reference.lowering
        return usual is not None and back < SUDDEN * usual

    def lead_in(self, measures: Measures, reference: Reference) -> int:
        """How many of the set's first strokes were handling, now that this full rep agrees with the last one.

        Handling is a stroke under the share of a partial rep; or under three quarters, where it neither starts where
        these two start nor ends where they end.
        """
        roms, bottoms = reference.roms, reference.bottoms
        if measures.rom is None or not 2 <= len(roms) <= 4 or abs(measures.rom - roms[-1]) > ALIKE * measures.rom:
            return 0
        usual = min(roms[-1], measures.rom)
        near, top = NEAR_LEVEL * usual, measures.start_x + measures.rom
        for number, rom in enumerate(roms[:-1]):
            elsewhere = number < len(bottoms) == len(roms) and (
                abs(bottoms[number] - measures.start_x) > near and abs(bottoms[number] + rom - top) > near
            )
            if rom >= ((1.0 - ALIKE) if elsewhere else PARTIAL) * usual:
                return 0
        return len(roms) - 1

"""Which of a rep's measures may be shown, and why not the others."""

from __future__ import annotations

from typing import Final

from controller.core.rep_metrics import Measures
from controller.core.series import Spans

FORCE_FIELDS: Final = ("mean_force", "peak_force", "impulse", "work_concentric", "mean_power", "peak_power", "rfd")
ECCENTRIC_FORCE_FIELDS: Final = ("eccentric_mean_force", "eccentric_peak_force", "work_eccentric")
MOTION_FIELDS: Final = ("rom", "mean_velocity", "peak_velocity", "sparc", "ldlj", "sticking_point_pct")
ECCENTRIC_MOTION_FIELDS: Final = ("eccentric_mean_velocity", "eccentric_peak_velocity")


def blank(measures: Measures, names: tuple[str, ...], reason: str) -> None:
    """Take measures out, with one word of why."""
    for name in names:
        setattr(measures, name, None)
        measures.reasons[name] = reason


def hide(measures: Measures, *, gaps: Spans, saturated: Spans, has_force: bool) -> list[str]:
    """Take out what a gap or a saturated sample touches, or what no channel gives; returns the rep's flags."""
    flags = []
    end = measures.t_lowered if measures.t_lowered is not None else measures.t_top
    lower = measures.t_lower if measures.t_lower is not None else measures.t_top
    if not has_force:
        blank(measures, (*FORCE_FIELDS, *ECCENTRIC_FORCE_FIELDS), "no_force")
    for phase, force_fields, motion_fields in (
        ((measures.t_start, measures.t_top), FORCE_FIELDS, MOTION_FIELDS[1:]),  # the ROM stands on its two ends
        ((lower, end), ECCENTRIC_FORCE_FIELDS, ECCENTRIC_MOTION_FIELDS),
    ):
        if gaps.touch(*phase):
            blank(measures, (*force_fields, *motion_fields), "gap")
            flags.append("gap")
        if saturated.touch(*phase):
            blank(measures, force_fields, "saturated")
            flags.append("saturated")
    return list(dict.fromkeys(flags))

"""Which of a rep's measures may be shown, and why not the others."""

from __future__ import annotations

from typing import Final

from controller.core.rep_metrics import Measures
from controller.core.sensor_truth import Mark, Marks

FORCE_FIELDS: Final = ("mean_force", "peak_force", "impulse", "work_concentric", "mean_power", "peak_power", "rfd")
ECCENTRIC_FORCE_FIELDS: Final = ("eccentric_mean_force", "eccentric_peak_force", "work_eccentric")
MOTION_FIELDS: Final = ("rom", "mean_velocity", "peak_velocity", "sparc", "ldlj", "sticking_point_pct")
ECCENTRIC_MOTION_FIELDS: Final = ("eccentric_mean_velocity", "eccentric_peak_velocity")
DRIVEN_FIELDS: Final = ("work_concentric", "mean_power", "peak_power")  # force along a way
TIMED_FIELDS: Final = (
    "mean_velocity", "peak_velocity", "sparc", "ldlj", "mean_power", "peak_power", "impulse", "rfd",
    "concentric_s", "bottom_s", "hold_s", "time_under_tension",
)  # fmt: skip
ECCENTRIC_TIMED_FIELDS: Final = (*ECCENTRIC_MOTION_FIELDS, "top_s", "eccentric_s", "hold_s", "time_under_tension")
AT_AN_END: Final = 0.03  # s; a gap so near to the end of a stroke may hide where it was


def blank(measures: Measures, names: tuple[str, ...], reason: str) -> None:
    """Take measures out, with one word of why; a name that is no measure is that of a time in the event."""
    for name in names:
        if hasattr(measures, name):
            setattr(measures, name, None)
        measures.reasons.setdefault(name, reason)


def hide(measures: Measures, marks: Marks, *, has_force: bool) -> list[str]:
    """Take out what a fault touches, or what no channel gives; returns the rep's flags."""
    if not has_force:
        blank(measures, (*FORCE_FIELDS, *ECCENTRIC_FORCE_FIELDS), "no_force")
    flags = []
    top = measures.t_top
    if measures.reasons.get("rom") == "no_position" and measures.t_end is not None:
        top = measures.t_end  # an effort is one stretch
    for mark in marks.touching(measures.t_start, top):
        _spoil_concentric(measures, mark)
        flags.append(mark.name)
    if measures.t_lowered is not None and measures.t_lower is not None:
        for mark in marks.touching(measures.t_lower, measures.t_lowered):
            _spoil_eccentric(measures, mark)
            flags.append(mark.name)
    if measures.t_lower is not None and measures.t_lower > top:
        flags += [mark.name for mark in marks.touching(top, measures.t_lower)]
    return list(dict.fromkeys(flags))


def _spoil_concentric(measures: Measures, mark: Mark) -> None:
    if mark.spoils in ("force", "both"):
        blank(measures, FORCE_FIELDS, mark.name)
    if mark.spoils == "timing":
        blank(measures, TIMED_FIELDS, mark.name)
    if mark.spoils in ("motion", "both"):
        blank(measures, (*MOTION_FIELDS[1:], *DRIVEN_FIELDS), mark.name)
        ends = (measures.t_start, measures.t_top)
        if mark.name != "gap":
            blank(measures, ("rom",), mark.name)
        elif any(mark.touches(end - AT_AN_END, end + AT_AN_END) for end in ends):
            blank(measures, ("rom", "concentric_s", "top_s", "hold_s"), mark.name)  # the ROM stands on its two ends


def _spoil_eccentric(measures: Measures, mark: Mark) -> None:
    if mark.spoils in ("force", "both"):
        blank(measures, ECCENTRIC_FORCE_FIELDS, mark.name)
    if mark.spoils == "timing":
        blank(measures, ECCENTRIC_TIMED_FIELDS, mark.name)
    if mark.spoils in ("motion", "both"):
        blank(measures, (*ECCENTRIC_MOTION_FIELDS, "work_eccentric"), mark.name)
        ends = [end for end in (measures.t_lower, measures.t_lowered) if end is not None]
        if mark.name == "gap" and any(mark.touches(end - AT_AN_END, end + AT_AN_END) for end in ends):
            blank(measures, ("top_s", "eccentric_s", "hold_s", "time_under_tension"), mark.name)

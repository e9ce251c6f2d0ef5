"""Reps made by hand for the core's tests: what a set or an event is made from, without a stream."""

from __future__ import annotations

from controller.core.rep_metrics import Measures
from controller.core.sets import Counted
from protocols.events import Rep, Side


def counted(
    start: float = 0.0,
    top: float | None = None,
    *,
    side: Side = "left",
    number: int = 1,
    rom: float | None = 0.5,
    force: float | None = 300.0,
    hold: float | None = 0.5,
    partial: bool = False,
    eccentric: float | None = 1.0,
    hz: float | None = 100.0,
    flags: str = "",
    **values: float | None,
) -> Counted:
    """One final rep: the concentric lasts from start to top (1 s unless told), then a hold and the way back, s.

    values: other measures, by their names in Measures; the mean force is `force` unless told.
    """
    t_top = start + 1.0 if top is None else top
    event = Rep(
        id=f"{side}-{number}", ts=0, station="station", session="session", set=1, seq=number, side=side, rep=number,
        status="final", eccentric_s=eccentric, sample_hz=hz, partial=partial, flags=flags,
    )  # fmt: skip
    lower = t_top + (hold or 0.0)
    measures = Measures(
        t_start=start, t_top=t_top, t_lower=lower, t_end=lower + 1.0, t_lowered=lower + 1.0, rom=rom, mean_force=force
    )
    for name, value in values.items():
        setattr(measures, name, value)
    return Counted(event, measures, force, hold)


def row(starts: list[float], *, side: Side = "left", **values: float | None) -> list[Counted]:
    """Reps of one side, numbered from 1, one at each start; each takes 1 s to its top."""
    return [counted(start, side=side, number=k, **values) for k, start in enumerate(starts, 1)]  # type: ignore[arg-type]

"""What a display asks of a station at any time: where it stands, and how its cables are."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, Final

from controller.core.event_maker import EventMaker
from controller.core.sets import RunningSet
from controller.core.settings import CoreSettings
from controller.core.side import Side
from protocols.events import Phase, SetSummary, State, Telemetry
from protocols.events import Side as SideName

EVER: Final = -1e8  # s; a motion that ended before was never


@dataclass(frozen=True, slots=True)
class SideView:
    """What is known of a side: samples a second, calibration id and date, None where unknown.

    zero_drift: how far the load cell's zero is from its calibration, N; slips: times that the encoder lost count.
    """

    hz: float | None
    calibration: str | None
    calibrated: str | None
    zero_drift: float | None
    slips: int | None


def side_view(side: Side) -> SideView:
    """What is known of a side."""
    channels = [each.calibration for each in (side.force, side.position) if each is not None]
    ids = [each.id for each in channels if each.id is not None]
    dates = [each.date for each in channels if each.date is not None]
    cable = side.cable
    return SideView(
        round(side.hz, 1) if side.hz is not None else None,
        ",".join(ids) or None,
        min(dates, default=None),
        zero_drift=round(cable.zero.zero, 2) if cable.has_force and cable.zero.known else None,
        slips=cable.marks.times_seen["encoder_slip"] if cable.has_position else None,
    )


def state(
    make: EventMaker,
    settings: CoreSettings,
    sides: dict[SideName, Side],
    *,
    running: RunningSet,
    last: SetSummary | None,
    faults: list[str],
    now: float | None,
) -> State:
    """Where a station stands. last: the set before; faults: names of what is raised; now: s, None before a sample."""
    exercise = settings.exercise
    quiet = max((side.motion_end for side in sides.values()), default=-1e9)
    return State(
        ts=make.ts,
        phase_left=_phase(sides.get("left")),
        phase_right=_phase(sides.get("right")),
        session=make.identity.session,
        set=running.number,
        exercise=exercise.name,
        load_kg=settings.load_kg,
        person=settings.person,
        left_reps=_reps("left", sides, running, last),
        right_reps=_reps("right", sides, running, last),
        target=exercise.target_reps,
        shape=running.shape() or (last.shape if last is not None else None),
        index=exercise.index,
        asymmetry_pct=last.asymmetry_pct if last is not None else None,
        asymmetry_low_pct=last.asymmetry_low_pct if last is not None else None,
        asymmetry_high_pct=last.asymmetry_high_pct if last is not None else None,
        verdict=last.verdict if last is not None else None,
        verdict_reason=last.verdict_reason if last is not None else None,
        resting_s=round(float(now - quiet), 1) if now is not None and quiet > EVER else None,
        quality=",".join(faults) or "ok",
    )


def telemetry(make: EventMaker, sides: dict[SideName, Side], *, heard: Iterable[SideName]) -> Telemetry:
    """The cables as they are now, of the sides that are heard; forces over zero."""
    values: dict[str, Any] = {}
    for name in heard:
        side = sides[name]
        force, x, velocity = side.cable.over_zero, side.x, side.velocity
        values[f"force_{name}_n"] = round(force, 2) if force is not None else None
        values[f"position_{name}_m"] = round(x, 4) if x is not None else None
        values[f"velocity_{name}_m_per_s"] = round(velocity, 3) if velocity is not None else None
        values[f"phase_{name}"] = side.phase
    return Telemetry(ts=make.ts, **values)


def _phase(side: Side | None) -> Phase | None:
    return side.phase if side is not None else None


def _reps(name: SideName, sides: dict[SideName, Side], running: RunningSet, last: SetSummary | None) -> int | None:
    """A side's reps in the running set, or in the one before until there are any; None where there is no side."""
    if name not in sides:
        return None
    if not running.empty or last is None:
        return len(running.reps[name])
    return last.left_reps if name == "left" else last.right_reps

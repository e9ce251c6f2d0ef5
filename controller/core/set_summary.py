"""What a pair, a set and a comparison say."""

from __future__ import annotations

from collections import deque
from collections.abc import Collection
from dataclasses import dataclass
from typing import Any, Final

from controller.core.asymmetry import Result
from controller.core.event_maker import EventMaker, reasons_text, rounded
from controller.core.sets import (
    JOULE_PER_KCAL,
    Counted,
    RunningSet,
    asymmetry,
    compare,
    is_partial,
    mean_of,
    reference_rom,
    total_of,
    velocity_loss,
)
from controller.core.settings import ChannelCalibration, CoreSettings, Exercise
from controller.core.side import Side
from protocols.events import SIDES, Comparison, SetSummary, Shape
from protocols.events import Side as SideName

EFFICIENCY_LOW, EFFICIENCY_HIGH = 0.20, 0.25  # gross efficiency of concentric work
SAME_LOAD: Final = 0.10  # share by which two loads may differ and still be compared
UNDOABLE: Final = 4  # sets that are kept so that they can be taken back
ALIGNED: Final = 0.05  # s; a lag less certain than this is not given
DOUBTFUL: Final = 0.25  # of the shorter concentric; with clocks less certain it is not known which reps are pairs


def pair_fields(
    left: Counted, right: Counted, *, shape: str, exercise: Exercise, clock_uncertainty: float | None
) -> dict[str, Any]:
    """A pair event's fields; clock_uncertainty in s, None where both sides share one clock."""
    values, why = compare(left, right, name=exercise.index)
    if shape == "together" and clock_uncertainty is not None:
        shortest = min(rep.span[1] - rep.span[0] for rep in (left, right))
        if clock_uncertainty > max(ALIGNED, DOUBTFUL * shortest):
            values, why = dict.fromkeys(values), dict.fromkeys(values, "clocks_apart")
    reasons = {f"asymmetry_{key}": word for key, word in why.items()}
    lag = uncertainty = None
    if shape != "together":
        reasons["lag_ms"] = shape
    elif clock_uncertainty is not None and clock_uncertainty > ALIGNED:
        reasons["lag_ms"] = "clocks_apart"
    else:
        lag = (right.measures.t_start - left.measures.t_start) * 1000.0
        hz = min((rep.event.sample_hz for rep in (left, right) if rep.event.sample_hz is not None), default=None)
        reading = 1000.0 / hz / 12**0.5 * 2**0.5 if hz else 0.0  # two readings, each uniform within a sample
        uncertainty = (reading**2 + ((clock_uncertainty or 0.0) * 1000.0) ** 2) ** 0.5
    return {
        "shape": shape,
        "left_rep": left.event.id,
        "right_rep": right.event.id,
        "index": exercise.index,
        **{f"asymmetry_{key}": rounded(value, 3) for key, value in values.items()},
        "lag_ms": rounded(lag, 3),
        "lag_uncertainty_ms": rounded(uncertainty, 3),
        "reasons": reasons_text(reasons),
    }


Alone = tuple[SetSummary, list[Counted], float]


@dataclass(frozen=True, slots=True)
class _Totals:
    """What a session's sets add up to; work in J, None where none is known."""

    sets: int = 0
    left: int = 0
    right: int = 0
    work: float | None = None

    def and_one(self, reps: dict[SideName, int], work: float | None) -> _Totals:
        """The totals with one more set."""
        total = self.work if work is None else (self.work or 0.0) + work
        return _Totals(self.sets + 1, self.left + reps["left"], self.right + reps["right"], total)


@dataclass(frozen=True, slots=True)
class _Closed:
    """A set of the session that stands, and what was before it, so that it can be taken back."""

    summary: SetSummary
    comparison: Comparison | None
    alone_before: Alone | None
    totals_before: _Totals


class SetSummariser:
    """Closes sets, keeps the session's totals, and compares single-side sets with each other."""

    def __init__(self, make: EventMaker) -> None:
        self._make = make
        self._alone: Alone | None = None  # the last single-side set
        self._closed: deque[_Closed] = deque(maxlen=UNDOABLE)
        self._totals = _Totals()

    def totals(self, sides: Collection[SideName]) -> dict[str, Any]:
        """What the session adds up to; sides: those that are there."""
        totals = self._totals
        return {
            "sets": totals.sets,
            "left_reps": totals.left if "left" in sides else None,
            "right_reps": totals.right if "right" in sides else None,
            "work_j": rounded(totals.work, 3),
        }

    @property
    def last(self) -> SetSummary | None:
        """The session's last set that stands and can still be taken back."""
        return self._closed[-1].summary if self._closed else None

    def undo(self) -> bool:
        """Take back the last set that stands, and the comparison that it made; False where there is none."""
        if not self._closed:
            return False
        gone = self._closed.pop()
        self._alone, self._totals = gone.alone_before, gone.totals_before
        summary, compared = gone.summary, gone.comparison
        if compared is not None:
            self._make.add(
                Comparison, compared.set, exercise=compared.exercise, left_set=compared.left_set,
                right_set=compared.right_set, index=compared.index, retracts=compared.id,
            )  # fmt: skip
        self._make.add(
            SetSummary, summary.set, exercise=summary.exercise, person=summary.person, shape=summary.shape,
            index=summary.index, retracts=summary.id,
        )  # fmt: skip
        return True

    def close(
        self,
        running: RunningSet,
        pairs: list[tuple[Counted, Counted]],
        shape: Shape,
        sides: dict[SideName, Side],
        settings: CoreSettings,
        *,
        spoilt_by: str | None = None,
    ) -> SetSummary:
        """Put the set's event, and a comparison where there is one to make, into the log.

        spoilt_by: the fault for which there can be no index, whatever the reps say.
        """
        exercise = settings.exercise
        references = {side: reference_rom(running.reps[side]) for side in SIDES}
        partial = {side: [rep for rep in running.reps[side] if is_partial(rep, references[side])] for side in SIDES}
        full = {side: [rep for rep in running.reps[side] if rep not in partial[side]] for side in SIDES}
        facet = "mean_force" if any(side.force is not None for side in sides.values()) else "rom"
        if spoilt_by is not None:
            result = Result(reason=spoilt_by)
        elif shape in ("left_only", "right_only"):
            result = Result(reason="unilateral")
        elif exercise.cables_are == "one_limb_pair":
            result = Result(reason="one_limb_pair")
        else:
            result = asymmetry(pairs, references, exercise, facet=facet, calibrations=_calibrations(sides, facet))
        _flag_calibrations(running, _calibrations(sides, facet))
        everyone = [rep for side in SIDES for rep in running.reps[side]]
        work = total_of(everyone, "work_concentric")
        starts = [rep.measures.t_start for rep in everyone]
        ends = [rep.measures.t_end for rep in everyone if rep.measures.t_end is not None]
        fields: dict[str, Any] = {
            "velocity_loss_left_pct": rounded(velocity_loss(full["left"]), 3),
            "velocity_loss_right_pct": rounded(velocity_loss(full["right"]), 3),
            "time_under_tension_s": rounded(total_of(everyone, "time_under_tension"), 3),
            "work_j": rounded(work, 3),
            "volume_kg": None
            if settings.load_kg is None
            else rounded(settings.load_kg * sum(len(full[side]) for side in SIDES), 3),
            "kcal_low": rounded(work / EFFICIENCY_HIGH / JOULE_PER_KCAL, 4) if work is not None else None,
            "kcal_high": rounded(work / EFFICIENCY_LOW / JOULE_PER_KCAL, 4) if work is not None else None,
        }
        for side in SIDES:
            fields[f"{side}_mean_force_n"] = rounded(mean_of(full[side], "mean_force"), 3)
            fields[f"{side}_rom_m"] = rounded(mean_of(full[side], "rom"))
            fields[f"{side}_mean_velocity_m_per_s"] = rounded(mean_of(full[side], "mean_velocity"))
            fields[f"{side}_work_j"] = rounded(total_of(running.reps[side], "work_concentric"), 3)
            fields[f"{side}_reps"] = len(running.reps[side]) if side in sides else None
            fields[f"{side}_partial_reps"] = len(partial[side]) if side in sides else None
        reasons = {"asymmetry_pct": result.reason} if result.value is None and result.reason else {}
        summary = self._make.add(
            SetSummary,
            running.number,
            exercise=exercise.name,
            load_kg=settings.load_kg,
            person=settings.person,
            shape=shape,
            facet=facet,
            t_start=rounded(self._make.anchor + min(starts)),
            t_end=rounded(self._make.anchor + max(ends)) if ends else None,
            flags=",".join(running.flags),
            reasons=reasons_text(reasons),
            **_index_fields(result, exercise),
            **fields,
        )
        alone = self._alone
        comparison = self._compare(summary, full, shape, sides, settings) if spoilt_by is None else None
        reps = {side: len(running.reps[side]) for side in SIDES}
        self._closed.append(_Closed(summary, comparison, alone, self._totals))
        self._totals = self._totals.and_one(reps, work)
        return summary

    def _compare(
        self,
        summary: SetSummary,
        full: dict[SideName, list[Counted]],
        shape: Shape,
        sides: dict[SideName, Side],
        settings: CoreSettings,
    ) -> Comparison | None:
        if shape not in ("left_only", "right_only") or settings.exercise.cables_are == "one_limb_pair":
            self._alone = None
            return None
        side: SideName = "left" if shape == "left_only" else "right"
        before, self._alone = self._alone, (summary, full[side], self._make.now)
        if before is None or before[0].shape == shape or summary.t_start is None or before[0].t_end is None:
            return None
        other, reps, _ = before
        same = other.exercise == summary.exercise and _same_load(other.load_kg, summary.load_kg)
        if not same or summary.t_start - before[0].t_end > settings.exercise.side_gap_s:
            return None
        left, right = (full[side], reps) if side == "left" else (reps, full[side])
        facet = summary.facet or "mean_force"
        references: dict[SideName, float | None] = {"left": None, "right": None}
        pairs = list(zip(left, right, strict=False))
        calibrations = _calibrations(sides, facet)
        result = asymmetry(pairs, references, settings.exercise, facet=facet, calibrations=calibrations)
        reasons = {"asymmetry_pct": result.reason} if result.value is None and result.reason else {}
        self._alone = None
        return self._make.add(
            Comparison,
            summary.set,
            exercise=summary.exercise,
            load_kg=summary.load_kg,
            left_set=summary.set if side == "left" else other.set,
            right_set=summary.set if side == "right" else other.set,
            facet=facet,
            reasons=reasons_text(reasons),
            **_index_fields(result, settings.exercise),
        )


def _index_fields(result: Result, exercise: Exercise) -> dict[str, Any]:
    return {
        "index": exercise.index,
        "asymmetry_pct": rounded(result.value, 3),
        "asymmetry_low_pct": rounded(result.low, 3),
        "asymmetry_high_pct": rounded(result.high, 3),
        "pairs": result.pairs,
        "verdict": result.verdict,
        "verdict_reason": result.reason,
    }


def _same_load(a: float | None, b: float | None) -> bool:
    return a == b or (a is not None and b is not None and abs(a - b) <= SAME_LOAD * max(a, b))


def _calibrations(
    sides: dict[SideName, Side], facet: str
) -> tuple[ChannelCalibration | None, ChannelCalibration | None]:
    """Of the channel that a facet is measured by, left and right."""
    channels = [
        (sides[name].position if facet == "rom" else sides[name].force) if name in sides else None for name in SIDES
    ]
    left, right = (each.calibration if each is not None else None for each in channels)
    return left, right


def _flag_calibrations(
    running: RunningSet, calibrations: tuple[ChannelCalibration | None, ChannelCalibration | None]
) -> None:
    """Say in a set what its interval does not hold."""
    known = [each for each in calibrations if each is not None]
    if any(each.id is None for each in known):
        running.flag("uncalibrated")
    elif any(each.uncertainty_pct is None for each in known):
        running.flag("calibration_uncertainty_unknown")

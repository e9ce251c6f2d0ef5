"""Reps to sets: which shape a set has, which reps are pairs, and what the set adds up to."""

from __future__ import annotations

from dataclasses import dataclass, field
from itertools import pairwise
from math import hypot
from typing import Final

from controller.core.asymmetry import Result, index, index_uncertainty, summarise
from controller.core.rep_metrics import Measures
from controller.core.series import PARTIAL, usual_rom
from controller.core.settings import ChannelCalibration, Exercise, IndexName
from protocols.events import SIDES, Rep, Shape, Side

OVERLAP: Final = 0.3  # of the shorter concentric; so much in common makes two reps one pair
SWITCHES: Final = 0.5  # of the side changes that strict alternation would have
IDLE_SHARE: Final = 1.0 / 3.0  # of the other side's usual ROM
LEAST_LOAD: Final = 15.0  # N
LEAST_SHARE: Final = 0.1  # of the heavier side
LEAST_HOLD: Final = 0.2  # s; two turns without a hold have no asymmetry of it
JOULE_PER_KCAL: Final = 4184.0

FACETS: Final = {
    "peak_force_pct": "peak_force",
    "mean_force_pct": "mean_force",
    "impulse_pct": "impulse",
    "work_pct": "work_concentric",
    "rom_pct": "rom",
    "mean_velocity_pct": "mean_velocity",
    "concentric_s_pct": "concentric",
    "eccentric_peak_force_pct": "eccentric_peak_force",
    "eccentric_mean_force_pct": "eccentric_mean_force",
    "eccentric_work_pct": "work_eccentric",
    "eccentric_mean_velocity_pct": "eccentric_mean_velocity",
    "eccentric_s_pct": "eccentric",
    "hold_s_pct": "hold",
}

STROKE: Final = {"rom": "mean_velocity", "concentric": "mean_velocity", "eccentric": "eccentric_mean_velocity"}
"""What a gap or a fall leaves in a rep and is yet not compared: the measure of the same stroke that it takes away."""


@dataclass(slots=True)
class Counted:
    """A final rep that stands."""

    event: Rep
    measures: Measures
    force: float | None  # N, mean over the concentric, also where it may not be shown
    hold: float | None
    pair: str | None = None  # id of the pair it is in

    @property
    def span(self) -> tuple[float, float]:
        """When it took place: its concentric, or all of a force-only effort."""
        end = self.measures.t_top if self.measures.rom is not None else self.measures.t_end
        return self.measures.t_start, end if end is not None else self.measures.t_top

    def quantity(self, name: str) -> float | None:
        """One of the facets' quantities in SI."""
        if name == "concentric":
            return self.measures.t_top - self.measures.t_start if self.measures.rom is not None else None
        if name == "eccentric":
            return self.event.eccentric_s
        if name == "hold":
            return self.hold
        value: float | None = getattr(self.measures, name)
        return value


@dataclass(slots=True)
class RunningSet:
    """The set that is going on."""

    number: int
    reps: dict[Side, list[Counted]] = field(default_factory=lambda: {side: [] for side in SIDES})
    flags: list[str] = field(default_factory=list)

    @property
    def empty(self) -> bool:
        """Whether nothing has been counted."""
        return not any(self.reps.values())

    @property
    def last_end(self) -> float | None:
        """When the last of its reps ended, s of stream time; None before the first."""
        ends = [
            rep.measures.t_end if rep.measures.t_end is not None else rep.measures.t_top
            for side in SIDES
            for rep in self.reps[side]
        ]
        return max(ends, default=None)

    def idle_sides(self) -> list[Side]:
        """Sides whose every stroke is far shorter than the other side's reps: a hand that goes with the trunk."""
        usual = {side: reference_rom(self.reps[side]) for side in SIDES}
        left, right = usual["left"], usual["right"]
        if left is None or right is None:
            return []
        return [
            side
            for side in SIDES
            if all((rep.measures.rom or 0.0) < IDLE_SHARE * max(left, right) for rep in self.reps[side])
        ]

    def flag(self, name: str) -> None:
        """Mark the set once."""
        if name not in self.flags:
            self.flags.append(name)

    def in_order(self) -> list[tuple[Side, Counted]]:
        """All reps by their start."""
        return sorted(((side, rep) for side in SIDES for rep in self.reps[side]), key=lambda each: each[1].span[0])

    def shape(self) -> Shape | None:
        """What the reps look like; None before the first."""
        left, right = len(self.reps["left"]), len(self.reps["right"])
        if not left and not right:
            return None
        if not right:
            return "left_only"
        if not left:
            return "right_only"
        if sum(partner(rep, self.reps["right"]) is not None for rep in self.reps["left"]) >= 0.5 * min(left, right):
            return "together"
        order = [side for side, _ in self.in_order()]
        changes = sum(a != b for a, b in pairwise(order))
        if changes == 1 and max(left, right) > 1:
            return "sequential"
        return "alternating" if changes >= SWITCHES * 2 * min(left, right) else "sequential"

    def pairs(self, shape: Shape) -> list[tuple[Counted, Counted]]:
        """Left and right reps that belong together in a set of this shape."""
        left, right = self.reps["left"], self.reps["right"]
        if shape == "together":
            found = [(rep, partner(rep, right)) for rep in left]
            return [(a, b) for a, b in found if b is not None]
        if shape == "sequential":
            return list(zip(left, right, strict=False))
        if shape == "alternating":
            return neighbours(self.in_order())
        return []


def overlap(a: Counted, b: Counted) -> float:
    """Share of the shorter of two reps that they have in common."""
    (a0, a1), (b0, b1) = a.span, b.span
    return (min(a1, b1) - max(a0, b0)) / max(min(a1 - a0, b1 - b0), 1e-6)


def partner(rep: Counted, others: list[Counted]) -> Counted | None:
    """The rep of the other side made at the same time, if any."""
    best = max(others, key=lambda other: overlap(rep, other), default=None)
    return best if best is not None and overlap(rep, best) >= OVERLAP else None


def neighbours(order: list[tuple[Side, Counted]]) -> list[tuple[Counted, Counted]]:
    """Pairs of an alternating set: each rep with the next of the other side, none twice; a missed rep shifts none.

    Where sides follow each other more than once, the closer neighbours are taken first.
    """
    gaps = [
        (b.span[0] - a.span[1], k) for k, ((side_a, a), (side_b, b)) in enumerate(pairwise(order)) if side_a != side_b
    ]
    leads = order[0][0] if order else "left"
    gaps = [(gap, k) for gap, k in gaps if order[k][0] == leads] + sorted(
        (gap, k) for gap, k in gaps if order[k][0] != leads
    )
    used: set[int] = set()
    found = []
    for _, k in gaps:
        if k in used or k + 1 in used:
            continue
        used |= {k, k + 1}
        a, b = order[k], order[k + 1]
        found.append((k, (a[1], b[1]) if a[0] == "left" else (b[1], a[1])))
    return [pair for _, pair in sorted(found, key=lambda each: each[0])]


def compare(left: Counted, right: Counted, *, name: IndexName) -> tuple[dict[str, float | None], dict[str, str]]:
    """Every facet of one pair in %, and a reason for each that has none."""
    values: dict[str, float | None] = {}
    reasons: dict[str, str] = {}
    loads = [rep.force for rep in (left, right)]
    light = all(load is not None for load in loads) and min(load for load in loads if load is not None) <= max(
        LEAST_LOAD, LEAST_SHARE * max(load for load in loads if load is not None)
    )
    for key, quantity in FACETS.items():
        a, b = left.quantity(quantity), right.quantity(quantity)
        given = STROKE.get(quantity, quantity)
        missing = [reason for rep in (left, right) if (reason := rep.measures.reasons.get(given)) is not None]
        if a is None or b is None or missing:
            values[key], reasons[key] = None, missing[0] if missing else "unknown"
        elif key == "hold_s_pct" and (
            max(a, b) < LEAST_HOLD or (left.measures.rom is None) != (right.measures.rom is None)
        ):
            values[key], reasons[key] = None, "no_hold"
        elif light:
            values[key], reasons[key] = None, "load"
        else:
            values[key] = index(a, b, name=name)
            if values[key] is None:
                reasons[key] = "nothing"
    return values, reasons


def is_partial(rep: Counted, reference: float | None) -> bool:
    """Whether a rep is partial against a set's final reference ROM."""
    return reference is not None and rep.measures.rom is not None and rep.measures.rom < PARTIAL * reference


def reference_rom(reps: list[Counted]) -> float | None:
    """The usual ROM of a side's reps in a set."""
    return usual_rom([rep.measures.rom for rep in reps if rep.measures.rom is not None])


def asymmetry(
    pairs: list[tuple[Counted, Counted]],
    references: dict[Side, float | None],
    exercise: Exercise,
    *,
    facet: str,
    calibrations: tuple[ChannelCalibration | None, ChannelCalibration | None],
) -> Result:
    """A set's index over its full pairs in one facet; calibrations: of the channel that gives it, left and right."""
    values: list[float] = []
    compared_pairs: list[tuple[Counted, Counted]] = []
    reason: str | None = None
    for left, right in pairs:
        if is_partial(left, references["left"]) or is_partial(right, references["right"]):
            reason = reason or "partial"
            continue
        compared, reasons = compare(left, right, name=exercise.index)
        value = compared[f"{facet}_pct"]
        if value is None:
            reason = reason or reasons[f"{facet}_pct"]
        else:
            values.append(value)
            compared_pairs.append((left, right))
    result = summarise(
        values,
        threshold=exercise.threshold_pct,
        calibration_pct=_calibration_pct(compared_pairs, calibrations, facet=facet, name=exercise.index),
        checked=not any(each is not None and each.nominal for each in calibrations),
    )
    return Result(reason=reason) if not values and reason is not None else result


def _calibration_pct(
    pairs: list[tuple[Counted, Counted]],
    calibrations: tuple[ChannelCalibration | None, ChannelCalibration | None],
    *,
    facet: str,
    name: IndexName,
) -> float | None:
    """Standard uncertainty of an index from both calibrations, in points; None where one is not known."""
    left, right = (_mean([pair[k].quantity(FACETS[f"{facet}_pct"]) for pair in pairs]) for k in (0, 1))
    if left is None or right is None:
        return None
    pcts = [
        magnitude_uncertainty(each, value, from_zero=facet != "rom")
        for each, value in zip(calibrations, (left, right), strict=True)
    ]
    if pcts[0] is None or pcts[1] is None:
        return None
    return index_uncertainty(left, right, left_pct=pcts[0], right_pct=pcts[1], name=name)


def magnitude_uncertainty(calibration: ChannelCalibration | None, value: float, *, from_zero: bool) -> float | None:
    """Standard uncertainty of a mean force or a ROM in %; from_zero: whether the zero has a part in it.

    sqrt(u(span)^2 + (100 u(zero) / value)^2). The two are correlated against each other in a fit, so this errs to the
    large side. None where it is not known.
    """
    if calibration is None or calibration.uncertainty_pct is None:
        return None
    zero = calibration.zero_uncertainty if from_zero else None
    if zero is None or value == 0.0:
        return calibration.uncertainty_pct
    return hypot(calibration.uncertainty_pct, 100.0 * zero * calibration.span / value)


def _mean(values: list[float | None]) -> float | None:
    known = [value for value in values if value is not None]
    return sum(known) / len(known) if known and len(known) == len(values) else None


def velocity_loss(reps: list[Counted]) -> float | None:
    """100 (best - last) / best of the mean concentric velocities, in %."""
    speeds = [rep.measures.mean_velocity for rep in reps if rep.measures.mean_velocity is not None]
    if len(speeds) < 2 or reps[-1].measures.mean_velocity is None or max(speeds) <= 0.0:
        return None
    return 100.0 * (max(speeds) - speeds[-1]) / max(speeds)


def mean_of(reps: list[Counted], quantity: str) -> float | None:
    """Mean of a quantity over a side's reps; None unless every one has it."""
    values = [value for rep in reps if (value := rep.quantity(quantity)) is not None]
    return sum(values) / len(values) if values and len(values) == len(reps) else None


def total_of(reps: list[Counted], quantity: str) -> float | None:
    """Sum of a quantity over reps; None unless every one has it."""
    mean = mean_of(reps, quantity)
    return mean * len(reps) if mean is not None else None

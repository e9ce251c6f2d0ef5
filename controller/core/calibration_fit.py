"""Known loads and the counts that they gave to a straight line with its uncertainty, or a reason why there is none.

The line is counts = a + b load, fitted by ordinary least squares with the loads taken as exact (GUM, JCGM 100:2008,
H.3; NIST/SEMATECH e-Handbook 2.3.6.7, which calibrates a load cell). From it zero = a and span = 1 / b.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from math import hypot, pi, sqrt
from typing import Final

import numpy as np

from controller.core.asymmetry import student_t

G: Final = 9.80665  # m/s^2, standard gravity
G_UNCERTAINTY_PCT: Final = 0.16  # standard, where g is not given: from equator to pole it is 9.780 to 9.832
LEAST_LOADS: Final = 3  # different ones, nothing among them
LEAST_SIGNAL: Final = 20.0  # standard deviations of a single reading that the loads must be apart
UNSTEADY_PCT: Final = 0.5  # of the largest load; a mean less certain than this was not steady
RESIDUAL_LIMIT_PCT: Final = 1.0  # of the largest load
HYSTERESIS_LIMIT_PCT: Final = 1.0  # of the largest load
UNCERTAINTY_LIMIT_PCT: Final = 2.0  # standard, of the span; the index would be worth nothing
MIXED: Final = 1.5  # times as much as the channel that is calibrated; two cells that feel the same are within this
LEAST_COUNTS: Final = 20.0  # that a pull must turn an encoder
QUANTUM: Final = 1.0 / sqrt(12.0)  # counts, standard uncertainty of a reading in whole counts


class UnsoundError(Exception):
    """No calibration can be made of these readings; one line that says why, and what to do.

    fit: the line that was refused, None where there is none to show.
    """

    def __init__(self, reason: str, fit: Fit | None = None) -> None:
        super().__init__(reason)
        self.fit = fit


@dataclass(frozen=True, slots=True, kw_only=True)
class Point:
    """A steady reading under a known load."""

    load: float  # N at the handle, or m of cable out; 0: none
    counts: float  # mean
    error: float  # standard error of the mean, counts
    deviation: float  # standard deviation of a single reading, counts
    saturated: bool = False
    nominal: float | None = None  # the mean as the board's own scale has it, N
    others: dict[str, float] = field(default_factory=dict)  # the same of the channels beside it


@dataclass(frozen=True, slots=True, kw_only=True)
class Fit:
    """A channel's line: (counts - zero) * span, in N or m at the handle. Uncertainties are standard ones."""

    zero: float  # counts
    span: float  # N or m for one count
    uncertainty_pct: float  # of the span
    fit_pct: float  # its part that comes from the readings
    reference_pct: float  # its part that comes from masses, gravity, tape or drum
    zero_uncertainty: float  # counts
    residuals: tuple[float, ...] = ()  # N, as measured minus as known, of each point
    nonlinearity_pct: float | None = None  # of the largest load: the loads' mean residuals
    hysteresis_pct: float | None = None  # of the largest load: up against down, None: not given

    @property
    def residual(self) -> float | None:
        """The largest residual, N; None where two points only made the line."""
        return max((abs(each) for each in self.residuals), default=None)


def fit_loads(points: Sequence[Point], *, reference_pct: float, what: str = "this channel") -> Fit:
    """The line through readings under known loads, in the order in which they were taken.

    reference_pct: standard uncertainty of the loads themselves, as one share of all. Raises UnsoundError.
    """
    _check_readings(points, what)
    full = max(abs(point.load) for point in points)
    loads = np.array([point.load for point in points])
    counts = np.array([point.counts for point in points])
    errors = np.array([point.error for point in points])
    count = len(points)
    determinant = count * float(loads @ loads) - float(loads.sum()) ** 2
    slope = (count * float(loads @ counts) - float(loads.sum()) * float(counts.sum())) / determinant
    zero = (float(loads @ loads) * float(counts.sum()) - float(loads.sum()) * float(loads @ counts)) / determinant
    off = counts - zero - slope * loads
    freedom = count - 2
    spread = sqrt(float(off @ off) / freedom)
    few = student_t(freedom) / 1.96  # so that 1.96 times the result still covers 95 % of a few points
    slope_error = few * spread * sqrt(count / determinant)
    zero_error = few * spread * sqrt(float(loads @ loads) / determinant)
    centred = loads - loads.mean()
    by_slope = centred / float(centred @ centred)  # how much slope and zero take from each reading
    by_zero = 1.0 / count - loads.mean() * by_slope
    slope_error = max(slope_error, float(np.linalg.norm(by_slope * errors)))
    zero_error = max(zero_error, float(np.linalg.norm(by_zero * errors)), points[0].error)
    fit_pct = 100.0 * slope_error / abs(slope)
    residuals = tuple(float(each) for each in off / slope)
    result = Fit(
        zero=zero,
        span=1.0 / slope,
        uncertainty_pct=hypot(fit_pct, reference_pct),
        fit_pct=fit_pct,
        reference_pct=reference_pct,
        zero_uncertainty=zero_error,
        residuals=residuals,
        nonlinearity_pct=100.0 * max(abs(each) for each in _means(loads.tolist(), residuals).values()) / full,
        hysteresis_pct=_hysteresis(points, abs(slope) * full),
    )
    reason = _why_not(result, points, full)
    if reason is not None:
        raise UnsoundError(reason, result)
    return result


def fit_pull(home: Point, out: Point, *, length_uncertainty: float) -> Fit:
    """An encoder's line from a pull of known length (out.load, m); its sign follows from the pull.

    length_uncertainty: standard, m. Raises UnsoundError.
    """
    moved = _moved(home, out)
    reading = hypot(home.error, out.error, QUANTUM, QUANTUM)
    return _of_position(
        home,
        span=out.load / moved,
        fit_pct=100.0 * reading / abs(moved),
        reference_pct=100.0 * length_uncertainty / out.load,
    )


def fit_drum(home: Point, out: Point, *, diameter: float, diameter_uncertainty: float, counts_per_turn: float) -> Fit:
    """An encoder's line from the drum that it sits on; home and out only tell which way it counts.

    diameter: m, of the middle of the cable on the drum, with its standard uncertainty. Raises UnsoundError.
    """
    moved = _moved(home, out)
    return _of_position(
        home,
        span=(1.0 if moved > 0.0 else -1.0) * pi * diameter / counts_per_turn,
        fit_pct=0.0,
        reference_pct=100.0 * diameter_uncertainty / diameter,
    )


def _of_position(home: Point, *, span: float, fit_pct: float, reference_pct: float) -> Fit:
    uncertainty = hypot(fit_pct, reference_pct)
    fit = Fit(
        zero=home.counts,
        span=span,
        uncertainty_pct=uncertainty,
        fit_pct=fit_pct,
        reference_pct=reference_pct,
        zero_uncertainty=hypot(home.error, QUANTUM),
    )
    reason = _too_unsure(uncertainty, "pull further, or measure the length or the drum better")
    if reason is not None:
        raise UnsoundError(reason, fit)
    return fit


def _moved(home: Point, out: Point) -> float:
    moved = out.counts - home.counts
    if abs(moved) < LEAST_COUNTS:
        raise UnsoundError(
            f"the pull turned the encoder by {abs(moved):.0f} counts only; does it turn with the cable, is it wired?"
        )
    return moved


def _check_readings(points: Sequence[Point], what: str) -> None:
    """What must be true before a line is laid through them."""
    for point in points:
        if point.saturated:
            raise UnsoundError(f"the cell is at the end of its range under {point.load:.1f} N; hang less on it")
    if not any(point.load == 0.0 for point in points):
        raise UnsoundError("there is no reading of the empty cable; begin with nothing on it")
    if len({point.load for point in points}) < LEAST_LOADS:
        raise UnsoundError(
            f"{LEAST_LOADS} different loads are needed, the empty cable among them: two give a line through anything"
        )
    means = _means([point.load for point in points], [point.counts for point in points])
    ordered = [means[load] for load in sorted(means)]
    full = abs(ordered[-1] - ordered[0])
    noise = max(point.deviation for point in points)
    if full < LEAST_SIGNAL * noise or full < LEAST_COUNTS:
        raise UnsoundError(
            f"the masses changed the reading by {full:.0f} counts, and its noise is {noise:.1f}; hang more on it, "
            "or mend the wiring"
        )
    _check_channel(points, what)
    for point in points:
        if point.error > UNSTEADY_PCT / 100.0 * full:
            raise UnsoundError(f"the reading under {point.load:.1f} N was not steady; let the mass hang still")
    rises = {b > a for a, b in pairwise(ordered)}
    if len(rises) > 1 or any(a == b for a, b in pairwise(ordered)):
        raise UnsoundError("more mass did not always give more counts; was a mass entered wrong, or did the cable rub?")


def _check_channel(points: Sequence[Point], what: str) -> None:
    """Whether another channel felt the masses more than this one."""
    own = [point.nominal for point in points if point.nominal is not None]
    if not own:
        return
    for name in points[0].others:
        other = [point.others[name] for point in points if name in point.others]
        if max(other) - min(other) > MIXED * (max(own) - min(own)):
            raise UnsoundError(f"{name} changed more than {what} did; are the two mixed up, or was it the other cable?")


def _why_not(fit: Fit, points: Sequence[Point], full: float) -> str | None:
    """Why a line is refused, None where it is sound."""
    if fit.hysteresis_pct is not None and fit.hysteresis_pct > HYSTERESIS_LIMIT_PCT:
        return (
            f"loading and unloading differ by {fit.hysteresis_pct:.1f} % of the largest load, more than "
            f"{HYSTERESIS_LIMIT_PCT:g} %; does the cable rub, or the cell touch something?"
        )
    worst = max(range(len(points)), key=lambda k: abs(fit.residuals[k]))
    off = 100.0 * abs(fit.residuals[worst]) / full
    if off > RESIDUAL_LIMIT_PCT:
        return (
            f"the reading under {points[worst].load:.1f} N lies {fit.residuals[worst]:+.1f} N off the line, "
            f"{off:.1f} % of the largest load and more than {RESIDUAL_LIMIT_PCT:g} %; was that mass entered right?"
        )
    return _too_unsure(fit.uncertainty_pct, "take more and larger masses, or masses that are known better")


def _too_unsure(pct: float, advice: str) -> str | None:
    if pct <= UNCERTAINTY_LIMIT_PCT:
        return None
    return f"the span's standard uncertainty is {pct:.1f} %, more than {UNCERTAINTY_LIMIT_PCT:g} %; {advice}"


def _means(loads: Sequence[float], values: Sequence[float]) -> dict[float, float]:
    """The mean value of each load."""
    found: dict[float, list[float]] = {}
    for load, value in zip(loads, values, strict=True):
        found.setdefault(load, []).append(value)
    return {load: sum(each) / len(each) for load, each in found.items()}


def _hysteresis(points: Sequence[Point], full: float) -> float | None:
    """How far readings that were come down to lie from those that were come up to, in % of the largest load.

    full: counts of the largest load. None where no load was read both ways.
    """
    up: dict[float, list[float]] = {}
    down: dict[float, list[float]] = {}
    way, before = up, 0.0
    for point in points:
        if point.load != before:  # the same load again is read on the same way
            way = down if point.load < before else up
        way.setdefault(point.load, []).append(point.counts)
        before = point.load
    both = [abs(sum(up[k]) / len(up[k]) - sum(down[k]) / len(down[k])) for k in up.keys() & down.keys()]
    return 100.0 * max(both) / full if both else None

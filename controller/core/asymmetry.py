"""How two sides differ: the indices, the interval of their mean, and when a side may be called weaker.

All are signed, positive where the right side is larger.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import atan2, degrees, hypot, pi, sqrt
from typing import Final

from controller.core.settings import IndexName
from protocols.events import Verdict

LEAST_PAIRS: Final = 3  # for an interval
SAME_SIDE: Final = 0.8  # of the pairs that must agree on the side
DEFAULT_MDC_PCT: Final = 14.0
"""Minimal detectable change before a person's own is known: the lower end of 14-23 % for single tests
(Frontiers in Sports and Active Living 2025, fspor.2025.1635685)."""

# 97.5 % quantile of Student's t for 1 to 30 degrees of freedom (NIST/SEMATECH e-Handbook 1.3.6.7.2).
T_975: Final = (
    12.706, 4.303, 3.182, 2.776, 2.571, 2.447, 2.365, 2.306, 2.262, 2.228, 2.201, 2.179, 2.160, 2.145, 2.131,
    2.120, 2.110, 2.101, 2.093, 2.086, 2.080, 2.074, 2.069, 2.064, 2.060, 2.056, 2.052, 2.048, 2.045, 2.042,
)  # fmt: skip


def index(left: float, right: float, *, name: IndexName) -> float | None:
    """The asymmetry of two magnitudes in %, None where both are nothing.

    percent_difference 100 (R-L) / max(R,L) (Bishop et al. 2018); bilateral 100 (R-L) / (R+L);
    robinson 100 (R-L) / (0.5 (R+L)) (Robinson et al. 1987); symmetry_angle 100 (45 deg - atan2(L,R)) / 90 deg
    (Zifchock et al. 2008), with the sign of the others.
    """
    left, right = abs(left), abs(right)
    if max(left, right) <= 0.0:
        return None
    if name == "symmetry_angle":
        return 100.0 * (45.0 - degrees(atan2(left, right))) / 90.0
    whole = {"percent_difference": max(left, right), "bilateral": left + right, "robinson": 0.5 * (left + right)}
    return 100.0 * (right - left) / whole[name]


def index_uncertainty(left: float, right: float, *, left_pct: float, right_pct: float, name: IndexName) -> float | None:
    """Standard uncertainty of an index in points, from those of the two magnitudes in % of each.

    With q = min / max and u^2 = left_pct^2 + right_pct^2, by the partial derivatives (GUM 5.1.2):
    percent_difference q u; bilateral 2 q u / (1+q)^2; robinson 4 q u / (1+q)^2; symmetry_angle (2/pi) q u / (1+q^2).
    None where both are nothing.
    """
    left, right = abs(left), abs(right)
    if max(left, right) <= 0.0:
        return None
    q, u = min(left, right) / max(left, right), hypot(left_pct, right_pct)
    factor = {
        "percent_difference": 1.0,
        "bilateral": 2.0 / (1.0 + q) ** 2,
        "robinson": 4.0 / (1.0 + q) ** 2,
        "symmetry_angle": 2.0 / (pi * (1.0 + q**2)),
    }
    return factor[name] * q * u


def student_t(freedom: int) -> float:
    """97.5 % quantile of Student's t; beyond the table by its expansion in 1/freedom."""
    if freedom <= len(T_975):
        return T_975[freedom - 1]
    return 1.960 + 2.372 / freedom + 2.823 / freedom**2


@dataclass(frozen=True, slots=True)
class Result:
    """A set's asymmetry; every number None where there is none to give, with the reason."""

    value: float | None = None  # %
    low: float | None = None
    high: float | None = None
    pairs: int = 0
    verdict: Verdict | None = None
    reason: str | None = None


def summarise(
    values: list[float],
    *,
    threshold: float,
    calibration_pct: float | None,
    mdc_pct: float | None = None,
    checked: bool = True,
) -> Result:
    """The mean of signed pairs with its 95 % interval and verdict.

    values: the pairs' indices in %; calibration_pct: standard uncertainty of the index from both calibrations, in
    points, None: not known, and then the interval is that of the pairs alone; mdc_pct: the person's own minimal
    detectable change, None: not known yet; checked: whether somebody answers for both scales. Where nobody does, two
    cells may differ by more than any threshold, and no difference is supported.
    """
    count = len(values)
    if not count:
        return Result(reason="no_pairs")
    mean = sum(values) / count
    if count < LEAST_PAIRS:
        return Result(value=mean, pairs=count, reason="fewer_than_3_pairs")
    spread = sqrt(sum((v - mean) ** 2 for v in values) / (count - 1))
    half = hypot(student_t(count - 1) * spread / sqrt(count), 1.96 * (calibration_pct or 0.0))
    low, high = mean - half, mean + half
    same = sum(v * mean > 0.0 for v in values) / count
    limit = max(threshold, mdc_pct if mdc_pct is not None else DEFAULT_MDC_PCT)
    verdict: Verdict
    if low <= 0.0 <= high:
        verdict, reason = "none", "interval_includes_0"
    elif abs(mean) <= threshold:
        verdict, reason = "none", f"under_threshold_{threshold:g}_pct"
    elif abs(mean) <= limit:
        verdict, reason = "watch", f"under_minimal_detectable_change_{limit:g}_pct"
    elif same < SAME_SIDE:
        verdict, reason = "watch", "sides_flip"
    elif not checked:
        verdict, reason = "watch", "uncalibrated"
    else:
        verdict, reason = "supported", f"{'right' if mean > 0 else 'left'}_larger_over_{limit:g}_pct"
    return Result(value=mean, low=low, high=high, pairs=count, verdict=verdict, reason=reason)

"""The indices against closed forms, and the verdict's conditions one by one."""

from __future__ import annotations

from math import atan2, degrees, exp, lgamma, pi, sqrt

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from controller.core.asymmetry import Result, index, student_t, summarise
from controller.core.settings import IndexName

forces = st.floats(1.0, 5000.0)


def test_fifteen_percent_on_the_default_scale_is_eight_on_the_bilateral_one() -> None:
    assert index(85.0, 100.0, name="percent_difference") == pytest.approx(15.0)
    assert index(85.0, 100.0, name="bilateral") == pytest.approx(8.108, abs=0.001)
    assert index(85.0, 100.0, name="robinson") == pytest.approx(16.216, abs=0.001)
    angle = 100.0 * (45.0 - degrees(atan2(85.0, 100.0))) / 90.0
    assert index(85.0, 100.0, name="symmetry_angle") == pytest.approx(angle)


@given(left=forces, right=forces)
def test_every_index_is_positive_where_the_right_is_larger_and_mirrors_with_the_sides(
    left: float, right: float
) -> None:
    for name in ("percent_difference", "bilateral", "robinson", "symmetry_angle"):
        value, mirrored = index(left, right, name=name), index(right, left, name=name)
        assert value is not None
        assert mirrored is not None
        assert value == pytest.approx(-mirrored, abs=1e-9)
        assert (value > 1e-9) == (right > left) or abs(value) < 1e-9


def test_two_sides_of_nothing_have_no_index() -> None:
    assert index(0.0, 0.0, name="percent_difference") is None


@pytest.mark.parametrize(("freedom", "quantile"), [(2, 4.303), (10, 2.228), (40, 2.021), (120, 1.980)])
def test_students_t_agrees_with_the_tables(freedom: int, quantile: float) -> None:
    assert student_t(freedom) == pytest.approx(quantile, abs=0.002)


def test_the_interval_is_the_t_interval_with_the_calibration_in_quadrature() -> None:
    plain = summarise([10.0, 12.0, 14.0], threshold=10.0, calibration_pct=0.0)
    assert plain.value == pytest.approx(12.0)
    assert plain.high is not None
    assert plain.high - 12.0 == pytest.approx(4.303 * 2.0 / 3.0**0.5)
    wide = summarise([10.0, 12.0, 14.0], threshold=10.0, calibration_pct=3.0)
    assert wide.high is not None
    assert (wide.high - 12.0) ** 2 == pytest.approx((plain.high - 12.0) ** 2 + (1.96 * 3.0) ** 2)


def test_a_side_that_flips_is_not_hidden() -> None:
    result = summarise([12.0, -12.0, 12.0, -12.0], threshold=10.0, calibration_pct=0.0)
    assert result.value == pytest.approx(0.0)
    assert result.verdict == "none"


@pytest.mark.parametrize(
    ("values", "verdict", "reason"),
    [
        ([20.0, 21.0, 19.0, 20.0], "supported", "right_larger"),
        ([-20.0, -21.0, -19.0, -20.0], "supported", "left_larger"),
        ([12.0, 12.5, 11.5, 12.0], "watch", "minimal_detectable_change"),
        ([5.0, 5.5, 4.5, 5.0], "none", "threshold"),
        ([20.0, -20.0, 30.0], "none", "interval"),
        ([40.0] * 14 + [-10.0] * 5, "watch", "flip"),
    ],
)
def test_a_verdict_says_which_condition_decided(values: list[float], verdict: str, reason: str) -> None:
    result = summarise(values, threshold=10.0, calibration_pct=0.0)
    assert result.verdict == verdict
    assert result.reason is not None
    assert reason in result.reason


def test_a_persons_own_detectable_change_overrides_the_default() -> None:
    assert summarise([12.0, 12.5, 11.5], threshold=10.0, calibration_pct=0.0, mdc_pct=8.0).verdict == "supported"


def below(quantile: float, freedom: int) -> float:
    """Student's distribution up to a quantile, by Simpson's rule over its density."""
    x = np.linspace(0.0, quantile, 20_001)
    scale = exp(lgamma((freedom + 1) / 2) - lgamma(freedom / 2)) / sqrt(freedom * pi)
    density = scale * (1.0 + x * x / freedom) ** (-(freedom + 1) / 2)
    weights = np.ones_like(x)
    weights[1:-1:2], weights[2:-1:2] = 4.0, 2.0
    return 0.5 + float(np.sum(weights * density)) * float(x[1]) / 3.0


@pytest.mark.parametrize("freedom", [*range(1, 41), 60, 120, 1000])
def test_every_quantile_leaves_two_and_a_half_percent_beyond_it(freedom: int) -> None:
    assert below(student_t(freedom) - 0.0007, freedom) < 0.975 < below(student_t(freedom) + 0.0007, freedom)


def test_what_points_the_other_way_is_compared_by_its_size() -> None:
    assert index(-0.5, -0.4, name="percent_difference") == pytest.approx(-20.0)


@pytest.mark.parametrize(
    ("name", "whole"),
    [("percent_difference", 100.0), ("bilateral", 100.0), ("robinson", 200.0), ("symmetry_angle", 50.0)],
)
def test_a_side_against_nothing_is_the_end_of_each_scale(name: IndexName, whole: float) -> None:
    assert index(0.0, 40.0, name=name) == pytest.approx(whole)
    assert index(40.0, 0.0, name=name) == pytest.approx(-whole)


def test_no_pair_has_no_number_and_says_so() -> None:
    assert summarise([], threshold=10.0, calibration_pct=0.0) == Result(reason="no_pairs")


def test_two_pairs_have_their_mean_and_nothing_else() -> None:
    result = summarise([8.0, 12.0], threshold=10.0, calibration_pct=1.0)
    assert result == Result(value=10.0, pairs=2, reason="fewer_than_3_pairs")


def test_pairs_that_agree_leave_the_uncertainty_of_the_calibrations() -> None:
    result = summarise([30.0] * 3, threshold=10.0, calibration_pct=2.0)
    assert (result.value, result.pairs) == (30.0, 3)
    assert result.low == pytest.approx(30.0 - 1.96 * 2.0)
    assert result.high == pytest.approx(30.0 + 1.96 * 2.0)


@pytest.mark.parametrize(
    ("value", "threshold", "mdc", "verdict", "reason"),
    [
        (0.0, 10.0, None, "none", "interval_includes_0"),
        (10.0, 10.0, None, "none", "under_threshold_10_pct"),
        (10.1, 10.0, None, "watch", "under_minimal_detectable_change_14_pct"),
        (14.0, 10.0, None, "watch", "under_minimal_detectable_change_14_pct"),
        (14.1, 10.0, None, "supported", "right_larger_over_14_pct"),
        (-14.1, 10.0, None, "supported", "left_larger_over_14_pct"),
        (14.1, 10.0, 15.5, "watch", "under_minimal_detectable_change_15.5_pct"),
        (10.1, 10.0, 3.0, "supported", "right_larger_over_10_pct"),
        (18.0, 20.0, None, "none", "under_threshold_20_pct"),
        (20.1, 20.0, None, "supported", "right_larger_over_20_pct"),
    ],
)
def test_a_verdict_changes_only_over_its_limits(
    value: float, threshold: float, mdc: float | None, verdict: str, reason: str
) -> None:
    result = summarise([value] * 4, threshold=threshold, calibration_pct=0.0, mdc_pct=mdc)
    assert (result.verdict, result.reason) == (verdict, reason)


def test_four_pairs_of_five_on_one_side_are_enough_and_seven_of_nine_are_not() -> None:
    assert summarise([40.0] * 4 + [-1.0], threshold=10.0, calibration_pct=0.0).verdict == "supported"
    flips = summarise([40.0] * 7 + [-1.0] * 2, threshold=10.0, calibration_pct=0.0)
    assert (flips.verdict, flips.reason) == ("watch", "sides_flip")


@pytest.mark.parametrize("sign", [1.0, -1.0])
def test_a_pair_without_a_difference_is_on_neither_side(sign: float) -> None:
    result = summarise([sign * 40.0] * 7 + [0.0] * 2, threshold=10.0, calibration_pct=0.0)
    assert (result.verdict, result.reason) == ("watch", "sides_flip")

"""The indices against closed forms, and the verdict's conditions one by one."""

from __future__ import annotations

from math import atan2, degrees

import pytest
from hypothesis import given
from hypothesis import strategies as st

from controller.core.asymmetry import index, student_t, summarise

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

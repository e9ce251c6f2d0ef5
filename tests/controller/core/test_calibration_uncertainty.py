"""How sure the two calibrations are reaches the interval of the index, and what is not known is said."""

from __future__ import annotations

from math import hypot
from random import Random
from statistics import pstdev
from typing import get_args

import pytest
from hypothesis import given
from hypothesis import strategies as st

from controller.core.asymmetry import index, index_uncertainty, summarise
from controller.core.sets import magnitude_uncertainty
from controller.core.settings import ChannelCalibration, CoreSettings, Identity, IndexName
from controller.core.station import Station
from protocols.events import SIDES, SetSummary
from tests.controller.core.signals import Stroke, play, sets, side

NAMES: tuple[IndexName, ...] = get_args(IndexName)
SLOW = Stroke(out=1.0, hold=0.2, back=1.4, rest=0.4)
GOOD = ChannelCalibration(uncertainty_pct=0.5, id="good", date="2026-01-01")


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize(("left", "right"), [(300.0, 300.0001), (300.0, 240.0), (120.0, 400.0)])
def test_an_index_uncertainty_is_that_of_its_derivatives(name: IndexName, left: float, right: float) -> None:
    def at(a: float, b: float) -> float:
        value = index(a, b, name=name)
        assert value is not None
        return value

    step = 1e-6
    by_left = (at(left * (1 + step), right) - at(left, right)) / step  # points for the whole of the left
    by_right = (at(left, right * (1 + step)) - at(left, right)) / step
    expected = hypot(by_left * 0.004, by_right * 0.009)
    assert index_uncertainty(left, right, left_pct=0.4, right_pct=0.9, name=name) == pytest.approx(expected, rel=1e-3)


@pytest.mark.parametrize("name", NAMES)
def test_an_index_uncertainty_is_the_spread_that_wrong_spans_give(name: IndexName) -> None:
    random = Random(4)
    values = [index(280.0 * random.gauss(1, 0.01), 350.0 * random.gauss(1, 0.02), name=name) for _ in range(20_000)]
    spread = pstdev(value for value in values if value is not None)
    assert spread == pytest.approx(index_uncertainty(280.0, 350.0, left_pct=1.0, right_pct=2.0, name=name), rel=0.03)


@given(left=st.floats(1.0, 2000.0), right=st.floats(1.0, 2000.0), pct=st.floats(0.0, 5.0))
def test_an_index_is_never_less_sure_than_both_spans_together(left: float, right: float, pct: float) -> None:
    for name, most in zip(NAMES, (1.0, 0.5, 0.32, 1.0), strict=True):
        found = index_uncertainty(left, right, left_pct=pct, right_pct=pct, name=name)
        assert found is not None
        assert 0.0 <= found <= most * hypot(pct, pct) + 1e-12


def test_two_sides_of_nothing_have_no_uncertainty() -> None:
    assert index_uncertainty(0.0, 0.0, left_pct=1.0, right_pct=1.0, name="robinson") is None


def test_a_zero_that_is_not_sure_weighs_on_a_small_force_and_not_on_a_rom() -> None:
    calibration = ChannelCalibration(span=0.5, uncertainty_pct=0.3, zero_uncertainty=4.0)  # 2 N
    assert magnitude_uncertainty(calibration, 50.0, from_zero=True) == pytest.approx(hypot(0.3, 4.0))
    assert magnitude_uncertainty(calibration, 500.0, from_zero=True) == pytest.approx(hypot(0.3, 0.4))
    assert magnitude_uncertainty(calibration, 0.5, from_zero=False) == 0.3


@pytest.mark.parametrize("calibration", [None, ChannelCalibration(), ChannelCalibration(id="a", zero_uncertainty=1.0)])
def test_what_nobody_has_determined_is_not_nothing(calibration: ChannelCalibration | None) -> None:
    assert magnitude_uncertainty(calibration, 300.0, from_zero=True) is None


def test_an_unknown_uncertainty_leaves_the_interval_of_the_pairs_alone() -> None:
    values = [20.0, 21.0, 19.0, 20.0]
    assert summarise(values, threshold=10.0, calibration_pct=None) == summarise(
        values, threshold=10.0, calibration_pct=0.0
    )


def test_a_difference_between_unchecked_scales_is_watched_and_never_supported() -> None:
    result = summarise([20.0, 21.0, 19.0, 20.0], threshold=10.0, calibration_pct=None, checked=False)
    assert (result.verdict, result.reason) == ("watch", "uncalibrated")
    small = summarise([5.0, 5.5, 4.5, 5.0], threshold=10.0, calibration_pct=None, checked=False)
    assert (small.verdict, small.reason) == ("none", "under_threshold_10_pct")


def lifted(
    left: ChannelCalibration, right: ChannelCalibration, *, ratio: float = 0.8, force: bool = True
) -> SetSummary:
    """A set of both cables together, whose counts are N and m."""
    station = Station(CoreSettings(), Identity(recording="test", session="test"))
    signals = {
        "left": side([SLOW] * 5, load=300.0, tail=10.0),
        "right": side([Stroke(rom=0.6 * ratio, out=1.0, hold=0.2, back=1.4, rest=0.4)] * 5, load=300.0 * ratio,
                      mass=30.0 * ratio, tail=10.0),
    }  # fmt: skip
    for name, each in zip(SIDES, (left, right), strict=True):
        station.calibrate(name, force=each if force else None, position=ChannelCalibration() if force else each)
    a, b = signals["left"], signals["right"]
    for k, t in enumerate(a.t.tolist()):
        station.feed(
            t,
            left_position=float(a.x[k]),
            right_position=float(b.x[k]),
            left_force=float(a.f[k]) if force else None,
            right_force=float(b.f[k]) if force else None,
        )
    station.finish()
    (summary,) = [event for event in station.drain() if isinstance(event, SetSummary)]
    return summary


def half_width(summary: SetSummary) -> float:
    assert summary.asymmetry_high_pct is not None
    assert summary.asymmetry_low_pct is not None
    return (summary.asymmetry_high_pct - summary.asymmetry_low_pct) / 2.0


@pytest.mark.parametrize("force", [True, False])
def test_a_sets_interval_grows_by_both_calibrations_of_the_channel_it_compares(force: bool) -> None:  # noqa: FBT001
    pairs = half_width(lifted(ChannelCalibration(), ChannelCalibration(), force=force))
    left = ChannelCalibration(uncertainty_pct=1.5, id="left", date="2026-01-01")
    right = ChannelCalibration(uncertainty_pct=2.0, id="right", date="2026-01-01")
    both = lifted(left, right, force=force)
    assert both.facet == ("mean_force" if force else "rom")
    assert half_width(both) == pytest.approx(hypot(pairs, 1.96 * 0.8 * 2.5), rel=0.01)


def test_where_a_rom_begins_is_no_matter_to_how_sure_it_is() -> None:
    sure = ChannelCalibration(uncertainty_pct=0.5, id="a", date="2026-01-01")
    anywhere = ChannelCalibration(uncertainty_pct=0.5, zero_uncertainty=0.1, id="a", date="2026-01-01")
    assert lifted(anywhere, anywhere, force=False) == lifted(sure, sure, force=False)
    assert half_width(lifted(anywhere, anywhere)) > half_width(lifted(sure, sure))


def test_a_calibrated_set_has_no_flag_and_one_that_is_not_says_so() -> None:
    assert lifted(GOOD, GOOD).flags == ""
    assert lifted(GOOD, GOOD).verdict == "supported"
    vague = ChannelCalibration(id="vague", date="2026-01-01")
    assert lifted(GOOD, vague).flags == "calibration_uncertainty_unknown"
    # the log of somebody who answers for its numbers
    assert (lifted(GOOD, ChannelCalibration()).flags, lifted(GOOD, ChannelCalibration()).verdict) == (
        "uncalibrated", "supported",
    )  # fmt: skip


def test_a_set_measured_by_what_a_board_says_of_itself_supports_no_difference() -> None:
    summary = lifted(GOOD, ChannelCalibration(nominal=True))
    assert (summary.flags, summary.verdict, summary.verdict_reason) == ("uncalibrated", "watch", "uncalibrated")
    assert summary.asymmetry_pct == pytest.approx(-20.0, abs=0.5)


def test_a_set_of_one_side_says_too_what_it_was_measured_with() -> None:
    (summary,) = sets(play(left=side([SLOW] * 3, tail=10.0)))
    assert (summary.shape, summary.flags) == ("left_only", "uncalibrated")


def test_stated_uncertainties_cover_an_index_of_wrong_spans() -> None:
    random, inside, runs = Random(7), 0, 400
    for _ in range(runs):
        pairs = [(300.0 * random.gauss(1, 0.02), 252.0 * random.gauss(1, 0.02)) for _ in range(8)]
        a, b = random.gauss(1, 0.01), random.gauss(1, 0.01)
        values = [index(left * a, right * b, name="percent_difference") for left, right in pairs]
        known = [value for value in values if value is not None]
        u = index_uncertainty(300.0, 252.0, left_pct=1.0, right_pct=1.0, name="percent_difference")
        result = summarise(known, threshold=10.0, calibration_pct=u)
        assert result.low is not None
        assert result.high is not None
        inside += result.low <= -16.0 <= result.high
    assert 0.93 <= inside / runs < 1.0

"""The fit against closed forms, its uncertainty against many trials, and each reason to refuse it."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import replace
from math import hypot, pi, sqrt
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from controller.core.calibration_fit import (
    UNCERTAINTY_LIMIT_PCT,
    Fit,
    Point,
    UnsoundError,
    fit_drum,
    fit_loads,
    fit_pull,
)

LOADS = (0.0, 100.0, 200.0, 300.0)
ZERO, SPAN = 84_000.0, 0.02  # counts, N for one count


def point(load: float, counts: float, *, error: float = 0.5, deviation: float = 5.0) -> Point:
    return Point(load=load, counts=counts, error=error, deviation=deviation)


def line(*loads: float, zero: float = ZERO, span: float = SPAN) -> list[Point]:
    return [point(load, zero + load / span) for load in loads]


def refusal(points: list[Point], *, reference_pct: float = 0.5) -> str:
    with pytest.raises(UnsoundError) as raised:
        fit_loads(points, reference_pct=reference_pct, what="left force")
    text = str(raised.value)
    assert "\n" not in text
    return text


@given(
    zero=st.floats(-1e6, 1e6),
    span=st.floats(1e-4, 1.0) | st.floats(-1.0, -1e-4),
    loads=st.lists(st.integers(20, 500), min_size=2, max_size=8, unique=True),
)
def test_a_line_is_found_again_whatever_its_sign(zero: float, span: float, loads: list[int]) -> None:
    fit = fit_loads(
        [replace(each, error=0.0, deviation=0.1) for each in line(0.0, *map(float, loads), zero=zero, span=span)],
        reference_pct=0.5,
    )
    assert fit.span == pytest.approx(span, rel=1e-6)
    assert fit.zero == pytest.approx(zero, rel=1e-6, abs=1e-2)
    assert fit.uncertainty_pct == pytest.approx(0.5, rel=1e-3)
    assert max(abs(each) for each in fit.residuals) < 1e-3


def test_slope_zero_and_their_uncertainties_are_the_textbooks() -> None:
    # NIST/SEMATECH 4.1.4.1 and GUM H.3: s^2(b) = s^2 / sum (x - mean)^2, s^2(a) = s^2 sum x^2 / (n sum (x - mean)^2)
    off = (20.0, -35.0, 25.0, -10.0)  # counts
    fit = fit_loads(
        [point(load, ZERO + load / SPAN + each) for load, each in zip(LOADS, off, strict=True)], reference_pct=0.3
    )
    slope = 50.0 + sum((load - 150.0) * each for load, each in zip(LOADS, off, strict=True)) / 50_000.0
    zero = ZERO + sum(off) / 4.0 - (slope - 50.0) * 150.0
    rest = sqrt(sum((ZERO + load / SPAN + each - zero - slope * load) ** 2
                    for load, each in zip(LOADS, off, strict=True)) / 2.0)  # fmt: skip
    assert fit.span == pytest.approx(1.0 / slope)
    assert fit.zero == pytest.approx(zero)
    few = 4.303 / 1.96  # Student's t of two degrees of freedom
    assert fit.fit_pct == pytest.approx(100.0 * few * rest / sqrt(50_000.0) / slope)
    assert fit.zero_uncertainty == pytest.approx(few * rest * sqrt(140_000.0 / (4.0 * 50_000.0)))
    assert fit.uncertainty_pct == pytest.approx(hypot(fit.fit_pct, 0.3))
    assert fit.residuals[1] == pytest.approx((ZERO + 5000.0 - 35.0 - zero - slope * 100.0) / slope)
    assert fit.residual == max(abs(each) for each in fit.residuals)


def test_readings_that_happen_to_lie_on_a_line_are_no_surer_than_each_of_them() -> None:
    points = [replace(each, error=30.0) for each in line(0.0, 150.0, 300.0)]
    fit = fit_loads(points, reference_pct=0.0)
    assert fit.fit_pct == pytest.approx(100.0 * 30.0 / sqrt(45_000.0) / 50.0)
    assert fit.zero_uncertainty >= 30.0


@pytest.mark.parametrize("loads", [(0.0, 100.0, 300.0), LOADS, (0.0, 50.0, 100.0, 150.0, 200.0, 300.0, 100.0)])
def test_the_stated_uncertainty_covers_what_noise_does_to_span_and_zero(loads: tuple[float, ...]) -> None:
    random, runs = Random(3), 2000
    spans = zeros = 0
    for _ in range(runs):
        points = [point(load, ZERO + load / SPAN + random.gauss(0.0, 3.0), error=0.0) for load in loads]
        fit = fit_loads(points, reference_pct=0.0)
        spans += abs(fit.span / SPAN - 1.0) * 100.0 <= 1.96 * fit.uncertainty_pct
        zeros += abs(fit.zero - ZERO) <= 1.96 * fit.zero_uncertainty
    # 95 % of 2000 runs is 1900 with a standard deviation of 10; a fit that was refused would have raised
    assert 0.94 <= spans / runs <= 0.96
    assert 0.94 <= zeros / runs <= 0.96


def test_masses_that_are_all_wrong_by_one_share_are_covered_by_their_own_uncertainty() -> None:
    random, inside, runs = Random(5), 0, 1000
    for _ in range(runs):
        gain = random.gauss(1.0, 0.005)
        fit = fit_loads(
            [point(load, ZERO + gain * load / SPAN + random.gauss(0.0, 5.0), error=2.0) for load in LOADS],
            reference_pct=0.5,
        )
        inside += abs(fit.span / SPAN - 1.0) * 100.0 <= 1.96 * fit.uncertainty_pct
    assert 0.93 <= inside / runs <= 0.97


def test_up_and_down_are_kept_apart_from_the_bend_of_the_line() -> None:
    up, down = line(0.0, 150.0, 300.0), line(150.0, 0.0)
    down[0] = replace(down[0], counts=down[0].counts + 60.0)
    fit = fit_loads([*up, *down], reference_pct=0.5)
    assert fit.hysteresis_pct == pytest.approx(100.0 * 60.0 / 15_000.0, rel=0.01)
    assert fit.nonlinearity_pct is not None
    assert fit.nonlinearity_pct < 0.2
    assert fit_loads(line(*LOADS), reference_pct=0.5).hysteresis_pct is None


@pytest.mark.parametrize("loads", [(0.0, 150.0, 150.0, 300.0, 300.0), (0.0, 300.0, 150.0, 150.0)])
def test_a_load_that_is_read_twice_on_one_way_is_no_hysteresis(loads: tuple[float, ...]) -> None:
    assert fit_loads(line(*loads), reference_pct=0.5).hysteresis_pct is None


def bent(load: float, by: float) -> list[Point]:
    return [replace(each, counts=each.counts + by) if each.load == load else each for each in line(*LOADS)]


@pytest.mark.parametrize(
    ("points", "says"),
    [
        (line(0.0, 100.0), "3 different loads are needed"),
        (line(0.0, 100.0, 100.0, 0.0), "3 different loads are needed"),
        (line(100.0, 200.0, 300.0), "no reading of the empty cable"),
        (line(0.0, 1.0, 1.5), "changed the reading by 75 counts, and its noise is 5.0"),
        ([replace(each, deviation=0.0) for each in line(0.0, 0.1, 0.3)], "changed the reading by 15 counts"),
        (bent(200.0, -5000.0), "more mass did not always give more counts"),
        (bent(200.0, -8000.0), "more mass did not always give more counts"),
        (bent(200.0, 300.0), "the reading under 200.0 N lies +"),
        ([*line(*LOADS), replace(line(100.0)[0], counts=ZERO + 5400.0)], "loading and unloading differ by 2.7 %"),
        ([replace(each, saturated=each.load == 300.0) for each in line(*LOADS)], "end of its range under 300.0 N"),
        ([replace(each, error=200.0 * (each.load == 100.0)) for each in line(*LOADS)], "under 100.0 N was not steady"),
    ],
)
def test_what_is_unsound_is_refused_with_its_reason(points: list[Point], says: str) -> None:
    assert says in refusal(points)


def test_an_uncertainty_that_would_make_the_index_worthless_is_refused() -> None:
    assert "the span's standard uncertainty is 3.0 %" in refusal(line(*LOADS), reference_pct=3.0)


def with_neighbour(own: float, other: float) -> list[Point]:
    """Loads that move this channel by `own` and the one beside it by `other` of what they are, in N."""
    return [
        replace(each, nominal=own * each.load, others={"right force": 3.0 + other * each.load}) for each in line(*LOADS)
    ]


def test_two_channels_that_are_mixed_up_are_refused_and_a_little_crosstalk_is_not() -> None:
    assert "right force changed more than left force did" in refusal(with_neighbour(0.05, 1.0))
    assert fit_loads(with_neighbour(1.0, 0.05), reference_pct=0.5).span == pytest.approx(SPAN)


def test_a_pull_of_known_length_gives_span_and_sign() -> None:
    home, out = point(0.0, 1000.0, error=0.3), point(0.5, -1500.0, error=0.4)
    fit = fit_pull(home, out, length_uncertainty=0.002)
    assert fit.zero == 1000.0
    assert fit.span == pytest.approx(-0.5 / 2500.0)
    assert fit.reference_pct == pytest.approx(0.4)
    assert fit.fit_pct == pytest.approx(100.0 * hypot(0.3, 0.4, sqrt(1 / 12), sqrt(1 / 12)) / 2500.0)
    assert (fit.residual, fit.hysteresis_pct) == (None, None)


@pytest.mark.parametrize(("moved", "sign"), [(800.0, 1.0), (-800.0, -1.0)])
def test_a_drum_gives_the_span_and_the_pull_only_its_sign(moved: float, sign: float) -> None:
    fit = fit_drum(
        point(0.0, 50.0), point(0.0, 50.0 + moved), diameter=0.05, diameter_uncertainty=0.0002, counts_per_turn=2400.0
    )
    assert fit.span == pytest.approx(sign * pi * 0.05 / 2400.0)
    assert fit.uncertainty_pct == pytest.approx(0.4)


def test_a_handle_that_was_not_pulled_and_a_tape_that_tells_nothing_are_refused() -> None:
    with pytest.raises(UnsoundError, match="turned the encoder by 3 counts only"):
        fit_pull(point(0.0, 0.0), point(0.5, 3.0), length_uncertainty=0.002)
    with pytest.raises(UnsoundError, match="pull further"):
        fit_pull(point(0.0, 0.0), point(0.05, 250.0), length_uncertainty=0.002)


numbers = st.floats(-1e5, 1e5)


@given(
    st.lists(
        st.builds(point, st.sampled_from([0.0, 100.0, 200.0]) | st.floats(0.0, 1e3), numbers,
                  error=st.floats(0.0, 1e3), deviation=st.floats(0.0, 1e3)),
        max_size=6,
    )
)  # fmt: skip
def test_any_readings_give_a_sound_line_or_are_refused(points: list[Point]) -> None:
    fit: Fit | None = None
    with suppress(UnsoundError):
        fit = fit_loads(points, reference_pct=0.5)
    if fit is not None:
        assert 0.5 <= fit.uncertainty_pct <= UNCERTAINTY_LIMIT_PCT
        assert fit.span != 0.0

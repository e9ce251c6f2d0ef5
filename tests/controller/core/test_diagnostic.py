"""What a channel's counts say of its health, each with an advice."""

from __future__ import annotations

from random import Random

import pytest

from controller.core.diagnostic import Diagnosis, diagnose

HZ = 100.0
TIMES = [k / HZ for k in range(300)]


def noisy(deviation: float = 20.0, *, slope: float = 0.0, seed: int = 1) -> list[float]:
    random = Random(seed)
    return [round(84_000 + random.gauss(0.0, deviation) + slope * t) for t in TIMES]


def said(diagnosis: Diagnosis, name: str) -> tuple[str, str]:
    (finding,) = [each for each in diagnosis.findings if each.name == name]
    return finding.severity, finding.text


def test_a_healthy_cell_has_nothing_wrong_and_its_figures_are_right() -> None:
    diagnosis = diagnose(TIMES, noisy(), kind="force", rate_hz=HZ, span=0.02)
    assert diagnosis.worst == "info"
    assert diagnosis.rate_hz == pytest.approx(HZ)
    assert diagnosis.noise == pytest.approx(20.0, rel=0.1)
    assert diagnosis.jitter_s == pytest.approx(0.0, abs=1e-9)
    assert (diagnosis.saturated, diagnosis.samples) == (0.0, 300)
    assert said(diagnosis, "noise")[1] == f"{diagnosis.noise:.1f} counts, {0.02 * diagnosis.noise:.2f} N"


def test_a_channel_that_says_one_thing_only_is_a_wire() -> None:
    diagnosis = diagnose(TIMES, [84_213.0] * 300, kind="force", rate_hz=HZ, span=0.02)
    assert said(diagnosis, "unique_values") == ("error", "1 unique value in 300 samples: check the wiring")
    assert diagnosis.worst == "error"


def test_an_encoder_at_rest_says_one_thing_and_is_well() -> None:
    diagnosis = diagnose(TIMES, [0.0] * 300, kind="position", rate_hz=HZ, span=0.0002)
    assert diagnosis.worst == "info"
    assert "pull the handle" in said(diagnosis, "unique_values")[1]


@pytest.mark.parametrize(
    ("times", "severity"), [([k / 97.0 for k in range(300)], "warning"), ([k / 50.0 for k in range(300)], "error")]
)
def test_a_rate_that_is_not_the_one_asked_for_is_said_with_both(times: list[float], severity: str) -> None:
    found, text = said(diagnose(times, noisy(), kind="force", rate_hz=HZ), "rate")
    assert found == severity
    assert "100 Hz asked for" in text
    assert "rate_hz" in text


def test_lost_samples_show_in_the_jitter() -> None:
    times = [t for k, t in enumerate(TIMES) if k % 7]
    assert said(diagnose(times, noisy()[: len(times)], kind="force"), "jitter")[0] == "warning"


@pytest.mark.parametrize(("deviation", "severity"), [(50.0, "info"), (200.0, "warning"), (800.0, "error")])
def test_noise_is_judged_in_newtons_where_the_span_is_known(deviation: float, severity: str) -> None:
    assert said(diagnose(TIMES, noisy(deviation), kind="force", span=0.02), "noise")[0] == severity
    assert said(diagnose(TIMES, noisy(deviation), kind="force"), "noise")[0] == "info"


def test_noise_does_not_hide_behind_a_drift() -> None:
    assert diagnose(TIMES, noisy(slope=500.0), kind="force").noise == pytest.approx(20.0, rel=0.15)


def test_a_drift_is_told_from_noise() -> None:
    swinging = diagnose(TIMES, noisy(slope=100.0), kind="force", span=0.02)
    assert swinging.drift == pytest.approx(100.0, rel=0.1)
    assert said(swinging, "drift")[0] == "warning"
    for seed in range(10):
        assert said(diagnose(TIMES, noisy(1500.0, seed=seed), kind="force", span=0.02), "drift")[0] == "info"


@pytest.mark.parametrize("rail", [2**31 - 1, -(2**31), 2**23 - 1, -(2**23)])
def test_the_end_of_a_converters_range_is_saturation_whatever_the_board_says(rail: int) -> None:
    counts = [*noisy()[:150], *[float(rail)] * 150]
    diagnosis = diagnose(TIMES, counts, kind="force")
    assert diagnosis.saturated == pytest.approx(0.5)
    assert said(diagnosis, "saturation")[0] == "error"


def test_what_the_board_calls_saturated_is_counted() -> None:
    diagnosis = diagnose(TIMES, noisy(), kind="force", saturated=[k < 30 for k in range(300)])
    assert diagnosis.saturated == pytest.approx(0.1)
    assert diagnosis.worst == "error"


@pytest.mark.parametrize("count", [0, 1, 19])
def test_too_few_samples_are_an_error_and_no_figure(count: int) -> None:
    diagnosis = diagnose(TIMES[:count], noisy()[:count], kind="force", rate_hz=HZ)
    assert (diagnosis.worst, diagnosis.rate_hz, diagnosis.drift) == ("error", None, None)


def test_a_clock_that_stands_is_an_error_and_no_crash() -> None:
    diagnosis = diagnose([1.0] * 50, noisy()[:50], kind="force", rate_hz=HZ)
    assert said(diagnosis, "rate")[0] == "error"
    assert diagnosis.drift is None

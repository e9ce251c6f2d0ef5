"""Whether a channel's counts are what a healthy sensor gives, each finding with what to do about it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from math import sqrt
from statistics import median
from typing import Final, Literal

Severity = Literal["info", "warning", "error"]
Name = Literal["rate", "jitter", "unique_values", "noise", "saturation", "drift"]
Kind = Literal["force", "position"]

LEAST_SAMPLES: Final = 20
RATE_OFF: Final = (0.02, 0.2)  # share that the rate may be off before it is a warning, an error
JITTER: Final = 0.2  # of a step, standard deviation
FEW_VALUES: Final = 4  # of a load cell; its noise alone gives more
NOISE_N: Final = (2.0, 10.0)  # N, standard deviation: a warning, an error
DRIFT_N: Final = 1.0  # N/s; a cell that warms up drifts by far less
DRIFT_SURE: Final = 5.0  # standard errors of the slope; less is chance
RAILS: Final = frozenset({2**31 - 1, -(2**31), 2**31 - 2, -(2**31) + 1, 2**23 - 1, -(2**23)})
"""Counts at which 32 and 24 bit converters end; no sensor stands there by chance."""


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing looked at: how it is, how bad that is, and what to do."""

    name: Name
    severity: Severity
    text: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Diagnosis:
    """What some seconds of a channel show."""

    samples: int
    rate_hz: float | None  # None: too few samples
    jitter_s: float | None  # standard deviation of the steps between samples
    unique: int
    noise: float  # counts, standard deviation by successive differences
    saturated: float  # share of the samples
    drift: float | None  # counts a second
    findings: tuple[Finding, ...]

    @property
    def worst(self) -> Severity:
        """The severest of the findings."""
        found = {each.severity for each in self.findings}
        return "error" if "error" in found else "warning" if "warning" in found else "info"


def diagnose(
    times: Sequence[float],
    counts: Sequence[float],
    *,
    kind: Kind,
    saturated: Sequence[bool] = (),
    rate_hz: float | None = None,
    span: float | None = None,
) -> Diagnosis:
    """Look at a channel at rest.

    times: s, rising; saturated: for each sample, as the board says; rate_hz: what was asked for;
    span: N or m for one count, None: not known.
    """
    count = len(counts)
    if count < LEAST_SAMPLES:
        few = Finding("rate", "error", f"{count} samples only; is the board streaming, and its rate right?")
        return Diagnosis(
            samples=count, rate_hz=None, jitter_s=None, unique=len(set(counts)), noise=0.0, saturated=0.0, drift=None,
            findings=(few,),
        )  # fmt: skip
    steps = [b - a for a, b in pairwise(times)]
    usual = median(steps)
    measured = (count - 1) / (times[-1] - times[0]) if times[-1] > times[0] else None
    jitter = sqrt(sum((step - usual) ** 2 for step in steps) / len(steps))
    differences = [b - a for a, b in pairwise(counts)]
    noise = sqrt(sum(each**2 for each in differences) / (2.0 * len(differences)))
    railed = sum(value in RAILS for value in counts)
    share = max(railed, sum(saturated)) / count
    drift, drift_error = _slope(times, counts, noise)
    unique = len(set(counts))
    return Diagnosis(
        samples=count,
        rate_hz=measured,
        jitter_s=jitter,
        unique=unique,
        noise=noise,
        saturated=share,
        drift=drift,
        findings=(
            _rate(measured, rate_hz),
            _jitter(jitter, usual),
            _unique(unique, count, kind),
            _noise(noise, kind, span, alive=unique > 1),
            _saturation(share),
            _drift(drift, drift_error, kind, span),
        ),
    )


def _rate(measured: float | None, asked: float | None) -> Finding:
    if measured is None:
        return Finding("rate", "error", "all samples have one time; does the board's clock run?")
    if asked is None:
        return Finding("rate", "info", f"{measured:.1f} Hz")
    off = abs(measured / asked - 1.0)
    text = f"{measured:.1f} Hz, {asked:g} Hz asked for"
    if off > RATE_OFF[0]:
        advice = "samples are lost or the board cannot keep up: lower rate_hz, or look at the cable"
        return Finding("rate", "error" if off > RATE_OFF[1] else "warning", f"{text}; {advice}")
    return Finding("rate", "info", text)


def _jitter(jitter: float, step: float) -> Finding:
    text = f"{jitter * 1000.0:.2f} ms of a step of {step * 1000.0:.2f} ms"
    if jitter > JITTER * step:
        return Finding("jitter", "warning", f"{text}; samples are lost, or the board does not sample by a timer")
    return Finding("jitter", "info", text)


def _unique(unique: int, count: int, kind: Kind) -> Finding:
    text = f"{unique} unique value{'' if unique == 1 else 's'} in {count} samples"
    if kind == "position":
        return Finding("unique_values", "info", f"{text}; pull the handle: they must change" if unique == 1 else text)
    if unique == 1:
        return Finding("unique_values", "error", f"{text}: check the wiring")
    if unique < FEW_VALUES:
        return Finding("unique_values", "warning", f"{text}: the resolution is coarse; is the amplifier's gain right?")
    return Finding("unique_values", "info", text)


def _noise(noise: float, kind: Kind, span: float | None, *, alive: bool) -> Finding:
    text = f"{noise:.1f} counts"
    if kind == "position":
        advice = "; it chatters: shield the encoder's cable, and check its supply"
        return Finding("noise", "warning" if noise > 1.0 else "info", text + (advice if noise > 1.0 else ""))
    if span is None:
        return Finding("noise", "info", text)
    force = noise * abs(span)
    text = f"{text}, {force:.2f} N"
    if force > NOISE_N[0]:
        advice = "shield the cell's cable, keep it from motors, and check that it hangs free"
        return Finding("noise", "error" if force > NOISE_N[1] else "warning", f"{text}; {advice}")
    return Finding("noise", "info", text if alive else f"{text}; a cell that lives has some")


def _saturation(share: float) -> Finding:
    if share > 0.0:
        advice = "unload the cell; if it stays so, a wire is broken or the gain too high"
        return Finding("saturation", "error", f"{100.0 * share:.0f} % of the samples at the end of the range; {advice}")
    return Finding("saturation", "info", "none")


def _drift(drift: float | None, error: float, kind: Kind, span: float | None) -> Finding:
    if drift is None:
        return Finding("drift", "info", "not known")
    text = f"{drift:+.1f} counts/s"
    is_sure = abs(drift) > DRIFT_SURE * error
    if kind == "position":
        return Finding("drift", "info", f"{text}; the handle moves" if is_sure and abs(drift) > 1.0 else text)
    if span is None:
        return Finding("drift", "info", text)
    text = f"{text}, {drift * abs(span):+.2f} N/s"
    if is_sure and abs(drift * span) > DRIFT_N:
        return Finding("drift", "warning", f"{text}; the cable still swings, or the cell warms up: wait a little")
    return Finding("drift", "info", text)


def _slope(times: Sequence[float], counts: Sequence[float], noise: float) -> tuple[float | None, float]:
    """Least-squares slope in counts a second, and its standard error from the noise alone."""
    middle, level = sum(times) / len(times), sum(counts) / len(counts)
    spread = sum((t - middle) ** 2 for t in times)
    if spread <= 0.0:
        return None, 0.0
    slope = sum((t - middle) * (c - level) for t, c in zip(times, counts, strict=True)) / spread
    return slope, noise / sqrt(spread)

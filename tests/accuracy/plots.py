"""Bland-Altman plots, errors and latencies as images."""

from __future__ import annotations

from pathlib import Path
from random import Random
from typing import Any, Final

import matplotlib as mpl
import numpy as np
from matplotlib.figure import Figure

from simulators.profiles import PROFILES
from tests.accuracy.measure import Outcome
from tests.accuracy.rows import JUDGED, Latency, errors

MOST_POINTS: Final = 1500  # in one plot; more would only be more ink
INK: Final = "#1f4e79"
BAND: Final = "#c0392b"

mpl.rcParams.update({"font.size": 8, "axes.spines.top": False, "axes.spines.right": False, "figure.dpi": 90})


def bland_altman(outcomes: list[Outcome], file: Path) -> None:
    """Difference over mean for the four judged metrics, with bias and 95 % limits."""
    figure = Figure(figsize=(9.0, 6.4), layout="constrained")
    axes: Any = figure.subplots(2, 2)
    for axis, metric in zip(axes.ravel(), JUDGED, strict=True):
        of = errors(outcomes, metric)
        if len(of.found) < 2:
            continue
        off, agreement = of.of, of.agreement
        chosen = sorted(Random(1).sample(range(len(off)), min(MOST_POINTS, len(off))))
        mean = 0.5 * (np.asarray(of.found) + np.asarray(of.true))
        axis.plot(mean[chosen], off[chosen], ".", color=INK, alpha=0.25, markersize=3, markeredgewidth=0)
        for value, style in ((agreement.bias, "-"), (agreement.low, "--"), (agreement.high, "--")):
            axis.axhline(value, color=BAND, linestyle=style, linewidth=0.9)
        widest = max(2.0 * of.within, 3.0 * metric.much)
        axis.set_ylim(-widest, widest)
        outside = int(np.sum(np.abs(off) > widest))
        axis.set_title(f"{metric.name}, n {len(off)}" + (f", {outside} outside the frame" if outside else ""))
        axis.set_ylabel(f"found - true, {metric.unit}")
        axis.set_xlabel("mean of found and true")
    _save(figure, file)


def by_rate_and_profile(outcomes: dict[float, list[Outcome]], file: Path) -> None:
    """The error that 95 % of the reps keep within, by sample rate and by the way of moving."""
    figure = Figure(figsize=(9.0, 6.4), layout="constrained")
    axes: Any = figure.subplots(2, 2)
    rates = sorted(outcomes)
    for axis, metric in zip(axes.ravel(), JUDGED, strict=True):
        for k, profile in enumerate(PROFILES):
            values = []
            for rate in rates:
                of = errors([o for o in outcomes[rate] if o.case.scenario.lifter.profile == profile], metric)
                values.append(of.within if len(of.found) >= 10 else np.nan)
            axis.plot(range(len(rates)), values, "o-", markersize=3, linewidth=0.9, color=f"C{k}", label=profile)
        axis.axhline(metric.much, color=BAND, linewidth=0.8, linestyle=":")
        axis.set_xticks(range(len(rates)), [f"{rate:g}" for rate in rates])
        axis.set_yscale("log")
        axis.set_title(metric.name)
        axis.set_xlabel("Hz")
        axis.set_ylabel(f"95 % within, {metric.unit}")
    axes[0, 0].legend(fontsize=6, frameon=False)
    _save(figure, file)


def latency(outcomes: dict[float, list[Outcome]], file: Path) -> None:
    """How long after the dated turn, and how long before or after the time allowed."""
    figure = Figure(figsize=(9.0, 3.4), layout="constrained")
    axes: Any = figure.subplots(1, 2)
    rates = sorted(outcomes)
    for axis, final in zip(axes, (False, True), strict=True):
        drawn = []
        for rate in rates:
            over = Latency.of(outcomes[rate], final=final).over
            drawn.append(over or [np.nan])
        axis.boxplot(drawn, whis=(1, 99), showfliers=False, tick_labels=[f"{rate:g}" for rate in rates])
        axis.axhline(0.0, color=BAND, linewidth=0.8)
        axis.set_title(f"{'final' if final else 'provisional'}: later than allowed (1 to 99 %)")
        axis.set_xlabel("Hz")
        axis.set_ylabel("ms")
    _save(figure, file)


def _save(figure: Figure, file: Path) -> None:
    file.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(file, format="png", metadata={"Software": None})

"""docs/accuracy.md from the outcomes."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

import numpy as np

from tests.accuracy import sections
from tests.accuracy.corpus import Counted
from tests.accuracy.measure import Outcome
from tests.accuracy.results import BANDS, Results, band, lines
from tests.accuracy.rows import (
    JUDGED,
    Metric,
    Reached,
    alignment_row,
    bad_reps,
    counts_row,
    handling_row,
    index_row,
    is_bad,
    last_row,
    metric_row,
    moved,
    one_sided_row,
    quiet,
)

HEAD: Final = """# Accuracy

`make accuracy` writes this page: it simulates sets whose truth is known in closed form, lets the measuring core run
over them, and compares. No figure in it is typed in by hand. How to score a recording of one's own:
[measurement](measurement.md#scoring-a-recording).
"""
POPULATION: Final = """Counts are over all of them. Measures and the index are over the sets without noise and with the
typical one (0.5 mm, 2 N, standard deviations); the poor one (1.5 mm, 5 N) stands in the table of conditions. Bias, SD
and limits (bias -/+ 1.96 SD) are of found minus true (Bland and Altman 1986); the SEE is the residual of the
regression of the true values on those found. Holds on a fixed cable count as reps, and are left out of the measures.
"""
ALIGNED: Final = "left-right alignment, 80 Hz a side, clocks 100 ppm apart"
TARGETS: Final[dict[str, str]] = {
    "ROM": "bias <= 0.3 %, 95 % within 1 %",
    "mean concentric velocity": "bias <= 0.005 m/s, SEE <= 0.01 m/s",
    "mean force": "bias <= 0.5 %, 95 % within 2 %",
    "concentric work": "bias <= 0.5 %, 95 % within 2 %",
}


@dataclass(frozen=True, slots=True)
class Row:
    """One row of the table."""

    what: str
    target: str
    of: Callable[[list[Outcome]], Reached]
    metric: Metric | None = None


def _metric(metric: Metric) -> Row:
    return Row(
        metric.name, TARGETS[metric.name], lambda outcomes: metric_row(moved(quiet(outcomes)), metric), metric
    )  # fmt: skip


ROWS: Final = (
    Row("reps, all shapes", "precision and recall >= 0.998", counts_row),
    Row("last rep of a side", "all", last_row),
    Row("ghosts from handling", "0", handling_row),
    *(_metric(metric) for metric in JUDGED),
    Row(
        "asymmetry index of a set, mean force",
        "bias <= 0.5, SD <= 1 point; sign right over 5",
        lambda outcomes: index_row(quiet(outcomes)),
    ),
    Row("indices on single-side sets", "0", one_sided_row),
)


def unreached(results: Results) -> list[str]:
    """The rows that are not reached at 80 Hz and more."""
    outcomes = band(results, "80 Hz and more")
    names = [row.what for row in ROWS if row.of(outcomes).good is False]
    if alignment_row(results.lags).good is False:
        names.append("left-right alignment")
    rows = zip(("labelled recordings", "latency over them"), _corpus_rows(results.corpus), strict=True)
    names += [name for name, reached in rows if reached.good is False]
    return names


def render(results: Results) -> str:
    """The page."""
    parts = [
        HEAD,
        f"- {results.made}\n- {results.took}\n",
        _table(results),
        _population(results),
        _not_reached(results),
        sections.latency(results),
        sections.conditions(band(results, "80 Hz and more")),
        sections.others(results),
        sections.hidden(results),
        sections.wrong_cases(results),
        sections.recordings(results.corpus),
        sections.known(results.known),
        sections.images(results.images),
    ]
    return "\n".join(part for part in parts if part)


def _reached(reached: Reached) -> str:
    return {True: "yes", False: "**no**", None: "-"}[reached.good]


def _table(results: Results) -> str:
    rows = []
    for row in ROWS:
        cells = [row.what, row.target]
        for name in BANDS:
            reached = row.of(band(results, name))
            cells += [reached.text, _reached(reached)]
        rows.append(cells)
    lag, lossy = alignment_row(results.lags), alignment_row(results.lossy_lags)
    rows.append([ALIGNED, "<= 10 ms", lag.text, _reached(lag), *["-"] * 4])
    rows.append(["the same, one frame in 200 lost", "-", lossy.text, "-", *["-"] * 4])
    counts, latency = _corpus_rows(results.corpus)
    rows.append(["labelled recordings", "exact on every file, 0 ghosts", counts.text, _reached(counts), *["-"] * 4])
    rows.append(["latency over them", "p95 <= 300 ms", latency.text, _reached(latency), *["-"] * 4])
    header = ["what", "to reach"]
    for name in BANDS:
        header += [name, "reached"]
    return "## How right\n\n" + lines(header, rows)


def _corpus_rows(corpus: list[Counted]) -> tuple[Reached, Reached]:
    if not corpus:
        absent = Reached("their folder was absent", None)
        return absent, absent
    scored = [each for each in corpus if each.scored]
    exact = sum(each.found is not None and not each.missed and not each.ghosts for each in scored)
    ghosts = sum(each.ghosts for each in scored)
    latencies = [ms for each in scored for ms in each.latencies_ms]
    p95 = float(np.percentile(latencies, 95)) if latencies else 0.0
    return (
        Reached(f"{exact} of {len(scored)} exact, {ghosts} ghosts", exact == len(scored) and ghosts == 0),
        Reached(f"p95 {p95:.0f} ms (n {len(latencies)})", p95 <= 300.0),
    )


def _population(results: Results) -> str:
    reps = {rate: sum(len(o.reps) + len(o.missed) for o in some) for rate, some in sorted(results.outcomes.items())}
    told = ", ".join(
        f"{len(results.outcomes[rate])} sets and {count} reps at {rate:g} Hz" for rate, count in reps.items()
    )
    return f"Simulated: {told}.\n{POPULATION}"


def _not_reached(results: Results) -> str:
    outcomes = band(results, "80 Hz and more")
    parts = []
    for row in ROWS:
        if row.of(outcomes).good is not False:
            continue
        text = f"**{row.what}** ({row.target}): {row.of(outcomes).text}."
        if row.metric is not None:
            text += " " + _blame(moved(quiet(outcomes)), row.metric)
        parts.append(text)
    apart = [name for name in unreached(results) if name not in {row.what for row in ROWS}]
    parts += [f"**{name}**: see the table." for name in apart]
    if not parts:
        return "Every row is reached at 80 Hz and more.\n"
    return "## Not reached at 80 Hz and more\n\n" + "\n".join(f"- {part}" for part in parts) + "\n"


def _blame(outcomes: list[Outcome], metric: Metric) -> str:
    """The conditions in which large errors are at least twice as frequent as over all."""
    found = bad_reps(outcomes, is_bad(metric))
    every = sum(count for _, _, count in found["noise"])
    bad = sum(count for _, count, _ in found["noise"])
    if not bad:
        return "No single rep is far off."
    worst = [
        (count / total, f"{name} {value} {count}/{total}")
        for name, values in found.items()
        for value, count, total in values
        if total >= 20 and count / total >= 2.0 * bad / every
    ]
    told = ", ".join(text for _, text in sorted(worst, reverse=True)[:8]) or "no condition stands out"
    return f"{bad} of {every} reps are off by more than {metric.much:g} {metric.unit}, most where: {told}."

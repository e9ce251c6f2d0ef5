"""docs/accuracy.md from the outcomes."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from typing import Final

import numpy as np

from tests.accuracy.corpus import Counted
from tests.accuracy.known import Known
from tests.accuracy.measure import HIDEABLE, Outcome, hidden_counts
from tests.accuracy.rows import (
    DIMENSIONS,
    FORCE,
    JUDGED,
    OTHERS,
    Latency,
    Metric,
    Reached,
    alignment_row,
    bad_reps,
    counts_row,
    errors,
    handling_row,
    index_row,
    is_bad,
    last_row,
    metric_row,
    moved,
    one_sided_row,
    quiet,
)

BANDS: Final[dict[str, Callable[[float], bool]]] = {
    "80 Hz and more": lambda hz: hz >= 80.0,
    "50 Hz": lambda hz: hz == 50.0,
    "20 Hz": lambda hz: hz == 20.0,
}
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
LATENCY: Final = """## Latency

`latency_ms` is stream time of the announcement minus the dated turn. Allowed are 60 ms after the handle has come 5 mm
back from its extreme, or 150 ms of standing, whichever is sooner, by the exact path; one sample's time more is no
lateness. A rep that is let go has no turn at its bottom; where the exercise starts with the eccentric the final is due
at the top.
"""
HIDDEN: Final = """## What is hidden

The share of reps in which a field is null, by its reason. `no_force` is what an encoder alone cannot say.
"""
RECORDINGS: Final = """## Recordings of real people

Reps left / right. Labels of low certainty are shown and not scored. The recordings are no part of this project.
"""
ABSENT: Final = """## Recordings of real people

Their folder was absent when this page was made (`CABLE_STATION_CORPUS` names it).
"""
MOST_LINES: Final = 40  # of cases that went wrong
TARGETS: Final[dict[str, str]] = {
    "ROM": "bias <= 0.3 %, 95 % within 1 %",
    "mean concentric velocity": "bias <= 0.005 m/s, SEE <= 0.01 m/s",
    "mean force": "bias <= 0.5 %, 95 % within 2 %",
    "concentric work": "bias <= 0.5 %, 95 % within 2 %",
}


@dataclass(frozen=True, slots=True)
class Results:
    """Everything that the page is made of."""

    outcomes: dict[float, list[Outcome]]
    lags: list[tuple[float, float]]
    corpus: list[Counted]
    known: list[tuple[Known, int, int]]
    made: str  # one line: version, seed, command
    took: str  # one line: date and duration
    images: tuple[str, ...] = field(default=())


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


def band(results: Results, name: str) -> list[Outcome]:
    """The outcomes at the rates of a band."""
    return [outcome for rate, some in sorted(results.outcomes.items()) if BANDS[name](rate) for outcome in some]


def unreached(results: Results) -> list[str]:
    """The rows that are not reached at 80 Hz and more."""
    outcomes = band(results, "80 Hz and more")
    names = [row.what for row in ROWS if row.of(outcomes).good is False]
    if alignment_row(results.lags).good is False:
        names.append("left-right alignment")
    if any(each.good is False for each in _corpus_rows(results.corpus)):
        names.append("labelled recordings")
    return names


def render(results: Results) -> str:
    """The page."""
    parts = [
        HEAD,
        f"- {results.made}\n- {results.took}\n",
        _table(results),
        _population(results),
        _not_reached(results),
        _latency(results),
        _conditions(band(results, "80 Hz and more")),
        _others(results),
        _hidden(results),
        _wrong_cases(results),
        _recordings(results.corpus),
        _known(results.known),
        _images(results.images),
    ]
    return "\n".join(part for part in parts if part)


def _lines(header: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    said = ["| " + " | ".join(header) + " |", "|" + "---|" * len(header)]
    return "\n".join([*said, *("| " + " | ".join(row) + " |" for row in rows)]) + "\n"


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
    lag = alignment_row(results.lags)
    rows.append(
        ["left-right alignment, 80 Hz a side, clocks 100 ppm apart", "<= 10 ms", lag.text, _reached(lag), *["-"] * 4]
    )
    counts, latency = _corpus_rows(results.corpus)
    rows.append(["labelled recordings", "exact on every file, 0 ghosts", counts.text, _reached(counts), *["-"] * 4])
    rows.append(["latency over them", "p95 <= 300 ms", latency.text, _reached(latency), *["-"] * 4])
    header = ["what", "to reach"]
    for name in BANDS:
        header += [name, "reached"]
    return "## How right\n\n" + _lines(header, rows)


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


def _latency(results: Results) -> str:
    rows = []
    for rate, outcomes in sorted(results.outcomes.items()):
        grain = 1000.0 / rate
        cells = [f"{rate:g}"]
        for final in (False, True):
            said, reached = Latency.of(outcomes, final=final).told(grain)
            cells += [said, reached.text]
        rows.append(cells)
    return (
        LATENCY
        + "\n"
        + _lines(
            [
                "Hz",
                "provisional, ms: p50 / p95 / max",
                "later than allowed",
                "final, ms: p50 / p95 / max",
                "later than allowed",
            ],
            rows,
        )
    )


def _conditions(outcomes: list[Outcome]) -> str:
    rows = []
    for name, of in DIMENSIONS.items():
        for value in sorted({of(outcome.case) for outcome in outcomes}):
            some = [outcome for outcome in outcomes if of(outcome.case) == value]
            measured = moved(some if name == "noise" else quiet(some))
            cells = [name, value, str(sum(len(o.reps) for o in some)), str(sum(len(o.missed) for o in some))]
            cells.append(str(sum(len(o.ghosts_in_set) + len(o.ghosts_of_handling) for o in some)))
            for metric in JUDGED:
                found = errors(measured, metric)
                digits = 4 if metric.unit == "m/s" else 2
                bias = found.agreement.bias or 0.0
                cells.append(f"{bias:+.{digits}f}, {found.within:.{digits}f}" if len(found.found) > 1 else "-")
            rows.append(cells)
    head = ["condition", "value", "reps", "missed", "ghosts"]
    head += [f"{metric.name}, {metric.unit}" for metric in JUDGED]
    return (
        "## By condition, 80 Hz and more\n\nOf each measure: bias, and what 95 % of the errors keep within.\n\n"
        + _lines(head, rows)
    )


def _others(results: Results) -> str:
    rows = [
        [f"{metric.name}, {metric.unit}", *(_short(moved(quiet(band(results, name))), metric) for name in BANDS)]
        for metric in OTHERS
    ]
    holds = [[o for o in quiet(band(results, name)) if o.case.exercise == "hold"] for name in BANDS]
    rows.append(["mean force of a hold, %", *(_short(some, FORCE) for some in holds)])
    shapes = [f"{sum(o.shape_right for o in band(results, name))} of {len(band(results, name))}" for name in BANDS]
    rows.append(["shape of the set right", *shapes])
    partial = []
    for name in BANDS:
        reps = [rep for o in band(results, name) for rep in o.reps]
        partial.append(f"{sum(rep.partial_right for rep in reps)} of {len(reps)}")
    rows.append(["partial or full right", *partial])
    return "## Other measures\n\nBias, SD, and what 95 % of the errors keep within.\n\n" + _lines(
        ["what", *BANDS], rows
    )


def _short(outcomes: list[Outcome], metric: Metric) -> str:
    found = errors(outcomes, metric)
    if len(found.found) < 2:
        return "-"
    of = found.agreement
    digits = 2 if metric.relative else 3
    return f"{of.bias or 0.0:+.{digits}f}, {of.sd or 0.0:.{digits}f}, {found.within:.{digits}f} (n {of.n})"


def _hidden(results: Results) -> str:
    """What is null, how often, and why."""
    shares: dict[tuple[str, str], list[str]] = {}
    for k, name in enumerate(BANDS):
        outcomes = moved(band(results, name))
        reps = sum(len(o.reps) for o in outcomes)
        for key, count in hidden_counts(outcomes).items():
            shares.setdefault(key, ["-"] * len(BANDS))[k] = f"{100.0 * count / max(reps, 1):.1f} %"
    order = {name: k for k, name in enumerate(HIDEABLE)}
    rows = [
        [name, why, *of] for (name, why), of in sorted(shares.items(), key=lambda each: (order[each[0][0]], each[0][1]))
    ]
    return HIDDEN + "\n" + _lines(["field", "reason", *BANDS], rows)


def _wrong_cases(results: Results) -> str:
    rows = []
    for rate, outcomes in sorted(results.outcomes.items(), reverse=True):
        for o in outcomes:
            if o.missed or o.ghosts_in_set or o.ghosts_of_handling:
                ghosts = len(o.ghosts_in_set) + len(o.ghosts_of_handling)
                rows.append([f"{rate:g}", str(len(o.missed)), str(ghosts), o.case.told])
    if not rows:
        return "## Sets counted wrong\n\nNone, at any rate.\n"
    more = f"\nand {len(rows) - MOST_LINES} more.\n" if len(rows) > MOST_LINES else ""
    return "## Sets counted wrong\n\n" + _lines(["Hz", "missed", "ghosts", "set"], rows[:MOST_LINES]) + more


def _recordings(corpus: list[Counted]) -> str:
    if not corpus:
        return ABSENT
    rows = []
    for each in corpus:
        found = each.found or ("-", "-")
        labelled = ["-" if n is None else str(n) for n in each.labelled]
        rows.append(
            [each.file, " / ".join(labelled), f"{found[0]} / {found[1]}", each.certainty or "no claim", each.verdict]
        )  # fmt: skip
    return RECORDINGS + "\n" + _lines(["file", "labelled", "found", "label", "result"], rows)


def _known(known: list[tuple[Known, int, int]]) -> str:
    rows = [[each.what, f"{found} of {done}", each.why] for each, found, done in known]
    return "## Known failures\n\n" + _lines(["what", "counted", "why"], rows)


def _images(images: tuple[str, ...]) -> str:
    titles = ("Bland-Altman, 80 Hz and more", "Errors by rate and way of moving", "Latency by rate")
    shown = [f"![{title}](images/{name})" for title, name in zip(titles, images, strict=False)]
    return "## Plots\n\n" + "\n\n".join(shown) + "\n" if shown else ""

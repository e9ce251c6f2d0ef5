"""The sections of docs/accuracy.md that follow its table."""

from __future__ import annotations

from typing import Final

from tests.accuracy.corpus import Counted
from tests.accuracy.known import Known
from tests.accuracy.measure import HIDEABLE, Outcome, hidden_counts
from tests.accuracy.results import BANDS, Results, band, lines
from tests.accuracy.rows import DIMENSIONS, FORCE, JUDGED, OTHERS, Latency, Metric, errors, moved, quiet

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


def latency(results: Results) -> str:
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
        + lines(
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


def conditions(outcomes: list[Outcome]) -> str:
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
        + lines(head, rows)
    )


def others(results: Results) -> str:
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
    return "## Other measures\n\nBias, SD, and what 95 % of the errors keep within.\n\n" + lines(["what", *BANDS], rows)


def _short(outcomes: list[Outcome], metric: Metric) -> str:
    found = errors(outcomes, metric)
    if len(found.found) < 2:
        return "-"
    of = found.agreement
    digits = 2 if metric.relative else 3
    return f"{of.bias or 0.0:+.{digits}f}, {of.sd or 0.0:.{digits}f}, {found.within:.{digits}f} (n {of.n})"


def hidden(results: Results) -> str:
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
    return HIDDEN + "\n" + lines(["field", "reason", *BANDS], rows)


def wrong_cases(results: Results) -> str:
    rows = []
    for rate, outcomes in sorted(results.outcomes.items(), reverse=True):
        for o in outcomes:
            if o.missed or o.ghosts_in_set or o.ghosts_of_handling:
                ghosts = len(o.ghosts_in_set) + len(o.ghosts_of_handling)
                rows.append([f"{rate:g}", str(len(o.missed)), str(ghosts), o.case.told])
    if not rows:
        return "## Sets counted wrong\n\nNone, at any rate.\n"
    more = f"\nand {len(rows) - MOST_LINES} more.\n" if len(rows) > MOST_LINES else ""
    return "## Sets counted wrong\n\n" + lines(["Hz", "missed", "ghosts", "set"], rows[:MOST_LINES]) + more


def recordings(corpus: list[Counted]) -> str:
    if not corpus:
        return ABSENT
    rows = []
    for each in corpus:
        found = each.found or ("-", "-")
        labelled = ["-" if n is None else str(n) for n in each.labelled]
        rows.append(
            [each.file, " / ".join(labelled), f"{found[0]} / {found[1]}", each.certainty or "no claim", each.verdict]
        )  # fmt: skip
    return RECORDINGS + "\n" + lines(["file", "labelled", "found", "label", "result"], rows)


def known(known: list[tuple[Known, int, int]]) -> str:
    rows = [[each.what, f"{found} of {done}", each.why] for each, found, done in known]
    return "## Known failures\n\n" + lines(["what", "counted", "why"], rows)


def images(images: tuple[str, ...]) -> str:
    titles = ("Bland-Altman, 80 Hz and more", "Errors by rate and way of moving", "Latency by rate")
    shown = [f"![{title}](images/{name})" for title, name in zip(titles, images, strict=False)]
    return "## Plots\n\n" + "\n\n".join(shown) + "\n" if shown else ""

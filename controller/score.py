"""Compare what a recording's replay finds with labels: counts, measures and index."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from math import nan, sqrt
from pathlib import Path
from statistics import fmean
from typing import Final

import msgspec
import numpy as np
from msgspec import Struct
from rich.console import Console
from rich.table import Table

from controller.core.asymmetry import index
from controller.labels import MEASURES, Label, Labels, read_labels
from controller.replay import events_of
from protocols.events import SIDES, AnyEvent, Pair, Rep, SetSummary, Side
from protocols.recording import MAGIC

NEAR: Final = 1.0  # s; a rep found further from its label is another one
ANCHORS: Final = 20  # labels that are tried as the beginning when the two clocks differ
FACETS: Final = {"mean_force": "mean_force_n", "rom": "rom_m"}  # a set's facet, and the label that it compares
UNKNOWN: Final = "-"


class Agreement(Struct, frozen=True, kw_only=True):
    """Differences found minus true of n values (Bland and Altman 1986), None where n is too small.

    limits: bias -/+ 1.96 SD. see: standard error of the estimate, the residual of the true values' regression on those
    found, with n - 2 degrees of freedom.
    """

    n: int
    bias: float | None = None
    sd: float | None = None
    low: float | None = None
    high: float | None = None
    see: float | None = None

    @classmethod
    def of(cls, found: Sequence[float], true: Sequence[float]) -> Agreement:
        """Of values found, and the true ones in the same order."""
        n = len(found)
        if not n:
            return cls(n=0)
        a, b = np.asarray(found), np.asarray(true)
        bias = float(np.mean(a - b))
        if n < 2:
            return cls(n=n, bias=bias)
        sd = float(np.std(a - b, ddof=1))
        spread = float(np.std(a, ddof=1))
        see = None
        if n > 2 and spread > 0.0:
            slope = float(np.cov(a, b)[0, 1]) / spread**2
            residual = (b - b.mean()) - slope * (a - a.mean())
            see = sqrt(float(np.sum(residual**2)) / (n - 2))
        return cls(n=n, bias=bias, sd=sd, low=bias - 1.96 * sd, high=bias + 1.96 * sd, see=see)


class OfSide(Struct, frozen=True, kw_only=True):
    """One side's count. missed and ghosts: times in s of the labels' clock, None where labels have no time."""

    side: Side
    labelled: int
    found: int
    missed: list[float | None] = []
    ghosts: list[float | None] = []
    partial_wrong: int | None = None

    @property
    def exact(self) -> bool:
        """Whether every rep was found and no other."""
        return self.labelled == self.found and not self.missed and not self.ghosts


class OfSet(Struct, frozen=True, kw_only=True):
    """A set's index as found, and that of the labels of its pairs, in %."""

    set: int
    facet: str
    found_pct: float
    true_pct: float
    pairs: int


class Score(Struct, frozen=True, kw_only=True):
    """How a recording's replay compares with its labels. shift_s: label clock minus recording clock."""

    file: str
    exact: bool
    matched_by: str
    shift_s: float | None
    sides: list[OfSide]
    measures: dict[str, Agreement]
    sets: list[OfSet]


@dataclass(frozen=True, slots=True)
class Standing:
    """What holds at the end of an event log."""

    reps: list[Rep]
    pairs: list[Pair]
    sets: list[SetSummary]

    @classmethod
    def of(cls, events: Iterable[AnyEvent]) -> Standing:
        """The final reps, pairs and sets that nothing has replaced or retracted."""
        held: dict[str, Rep | Pair | SetSummary] = {}
        for event in events:
            if isinstance(event, Rep | Pair | SetSummary):
                for old in (event.retracts, event.replaces if isinstance(event, Rep) else None):
                    if old is not None:
                        held.pop(old, None)
                taken_back = event.retracts is not None and not (isinstance(event, Pair) and _speaks(event))
                if not taken_back and not (isinstance(event, Rep) and event.status != "final"):
                    held[event.id] = event
        values = list(held.values())
        return cls(
            [each for each in values if isinstance(each, Rep)],
            [each for each in values if isinstance(each, Pair)],
            [each for each in values if isinstance(each, SetSummary)],
        )


def _speaks(pair: Pair) -> bool:
    """Whether a pair that retracts another one takes its place: it has values, or a reason for each it has not."""
    return bool(pair.reasons) or any(
        getattr(pair, name) is not None for name in pair.__struct_fields__ if name.startswith("asymmetry_")
    )


Match = tuple[Rep | None, Label | None]


def match(found: Sequence[Rep], labels: Labels, *, shift: float = 0.0) -> list[Match]:
    """Reps and labels side by side: the nearest in time first where labels have one, else by number."""
    pairs: list[Match] = []
    timed = labels.timed
    for side in SIDES:
        reps = [rep for rep in found if rep.side == side]
        of_side = [label for label in labels.reps if label.side == side]
        if timed is None:
            longest = max(len(reps), len(of_side))
            padded: list[Rep | None] = [*reps, *[None] * (longest - len(reps))]
            pairs += zip(padded, [*of_side, *[None] * (longest - len(of_side))], strict=True)
            continue
        near = sorted(
            (distance, i, j)
            for i, rep in enumerate(reps)
            for j, label in enumerate(of_side)
            if (distance := abs(_time(rep, timed) + shift - _time(label, timed))) <= NEAR
        )
        taken: dict[int, int] = {}
        free = set(range(len(reps)))
        for _, i, j in near:
            if i in free and j not in taken:
                taken[j] = i
                free.discard(i)
        pairs += [(reps[taken[j]] if j in taken else None, label) for j, label in enumerate(of_side)]
        pairs += [(reps[i], None) for i in sorted(free)]
    return pairs


def _time(what: Rep | Label, name: str) -> float:
    value: float | None = getattr(what, name)
    return value if value is not None else nan


def clock_shift(found: Sequence[Rep], labels: Labels) -> float:
    """What to add to the recording's clock to get that of the labels: the shift at which most reps meet their label."""
    timed = labels.timed
    if timed is None or not found or not labels.reps:
        return 0.0
    true = np.sort([_time(label, timed) for label in labels.reps])
    at = np.sort([_time(rep, timed) for rep in found])
    best = (0.0, 0.0)
    for shift in (true[:ANCHORS, None] - at[None, :]).ravel():
        off = at + shift
        after = np.minimum(np.searchsorted(true, off), len(true) - 1)
        near = np.minimum(np.abs(off - true[after]), np.abs(off - true[np.maximum(after - 1, 0)]))
        fit = float(np.sum(np.maximum(1.0 - near / NEAR, 0.0)))
        if fit > best[0]:
            best = (fit, float(shift))
    return best[1]


def compare(events: Iterable[AnyEvent], labels: Labels, *, file: str, other_clock: bool) -> Score:
    """Score an event log; other_clock: labels and recording do not share their zero of time."""
    standing = Standing.of(events)
    timed = labels.timed
    shift = clock_shift(standing.reps, labels) if other_clock else 0.0
    matches = match(standing.reps, labels, shift=shift) if labels.reps else []
    sides = [_side(side, matches, labels, standing.reps, shift=shift) for side in SIDES if side in labels.counts]
    both = [(rep, label) for rep, label in matches if rep is not None and label is not None]
    measures = {}
    for name in MEASURES:
        values = [(getattr(rep, name), getattr(label, name)) for rep, label in both]
        known = [(a, b) for a, b in values if a is not None and b is not None]
        if known:
            measures[name] = Agreement.of([a for a, _ in known], [b for _, b in known])
    return Score(
        file=file,
        exact=all(side.exact for side in sides),
        matched_by=timed or ("number" if labels.reps else "count"),
        shift_s=shift if timed is not None else None,
        sides=sides,
        measures=measures,
        sets=_sets(standing, both),
    )


def _side(side: Side, matches: list[Match], labels: Labels, found: list[Rep], *, shift: float) -> OfSide:
    timed = labels.timed
    missed = [label for rep, label in matches if rep is None and label is not None and label.side == side]
    ghosts = [rep for rep, label in matches if label is None and rep is not None and rep.side == side]
    judged = [
        (rep, label)
        for rep, label in matches
        if rep is not None and label is not None and label.side == side and label.partial is not None
    ]
    return OfSide(
        side=side,
        labelled=labels.counts[side],
        found=sum(rep.side == side for rep in found),
        missed=[_time(label, timed) if timed is not None else None for label in missed],
        ghosts=[round(_time(rep, timed) + shift, 3) if timed is not None else None for rep in ghosts],
        partial_wrong=sum(rep.partial != label.partial for rep, label in judged) if judged else None,
    )


def _sets(standing: Standing, both: list[tuple[Rep, Label]]) -> list[OfSet]:
    labelled = {rep.id: label for rep, label in both}
    found = []
    for each in standing.sets:
        name = FACETS.get(each.facet or "")
        if name is None or each.asymmetry_pct is None:
            continue
        true = []
        for pair in standing.pairs:
            left, right = labelled.get(pair.left_rep), labelled.get(pair.right_rep)
            if pair.set != each.set or left is None or right is None or left.partial or right.partial:
                continue
            a, b = getattr(left, name), getattr(right, name)
            value = index(a, b, name=each.index) if a is not None and b is not None else None  # type: ignore[arg-type]
            if value is not None:
                true.append(value)
        if true:
            found.append(
                OfSet(
                    set=each.set,
                    facet=each.facet or "",
                    found_pct=each.asymmetry_pct,
                    true_pct=round(fmean(true), 3),
                    pairs=len(true),
                )
            )
    return found


def score(file: Path, truth: Path, *, json: bool) -> bool:
    """Print how a recording compares with its labels; True when every count is exact.

    Raises ReplayError or LabelError when one of the two cannot be read.
    """
    labels = read_labels(truth)
    played = events_of(file, warn=lambda line: print(f"cable-station: {line}", file=sys.stderr))  # noqa: T201
    events = [event for _, some in played for event in some]
    with file.open("rb") as opened:
        recorded = opened.read(len(MAGIC)) == MAGIC
    result = compare(events, labels, file=str(file), other_clock=recorded)
    if json:
        sys.stdout.buffer.write(msgspec.json.encode(result) + b"\n")
        sys.stdout.flush()
    else:
        show(result, Console(highlight=False))
    return result.exact


def show(result: Score, console: Console) -> None:
    """Print a score for a person."""
    counts = Table("side", "labelled", "found", "missed at", "ghosts at", "partial wrong", title=result.file)
    for each in result.sides:
        wrong = UNKNOWN if each.partial_wrong is None else str(each.partial_wrong)
        counts.add_row(
            each.side, str(each.labelled), str(each.found), _when(each.missed), _when(each.ghosts), wrong
        )  # fmt: skip
    console.print(counts)
    if result.measures:
        table = Table("found minus labelled", "n", "bias", "SD", "95 % limits", "SEE")
        for name, of in result.measures.items():
            limits = f"{_number(of.low)} to {_number(of.high)}"
            table.add_row(name, str(of.n), _number(of.bias), _number(of.sd), limits, _number(of.see))
        console.print(table)
    for one in result.sets:
        said = f"{one.found_pct:+.1f} %, by the labels {one.true_pct:+.1f} % ({one.pairs} pairs)"
        console.print(f"set {one.set}, {one.facet}: {said}")
    if result.shift_s:
        console.print(f"the labels' clock is {result.shift_s:+.2f} s from the recording's")
    console.print(f"matched by {result.matched_by}: {'exact' if result.exact else 'not exact'}")


def _when(times: list[float | None]) -> str:
    if not times:
        return UNKNOWN
    known = [f"{t:.1f} s" for t in times if t is not None]
    return ", ".join(known) if known else f"{len(times)}, no time"


def _number(value: float | None) -> str:
    return UNKNOWN if value is None else f"{value:+.4g}"

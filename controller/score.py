"""Compare what a recording's replay finds with labels: counts, measures and index."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Sequence
from math import sqrt
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
from controller.matching import Match, Standing, clock_shift, match, time_of
from controller.replay import events_of
from controller.voice import Voice
from protocols.events import SIDES, AnyEvent, Rep, Side
from protocols.recording import MAGIC

FACETS: Final = {"mean_force": "mean_force_n", "rom": "rom_m"}  # a set's facet, and the label that it compares
SHOWN: Final = {  # how a measure is called, and its decimals
    "rom_m": ("ROM, m", 4),
    "mean_velocity_m_per_s": ("velocity, m/s", 4),
    "mean_force_n": ("force, N", 2),
    "work_concentric_j": ("work, J", 2),
}
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
        missed=[time_of(label, timed) if timed is not None else None for label in missed],
        ghosts=[round(time_of(rep, timed) + shift, 3) if timed is not None else None for rep in ghosts],
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
    played = events_of(file, warn=Voice())
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
        table = Table("found - labelled", "n", "bias", "SD", "95 % from", "to", "SEE")
        for name, of in result.measures.items():
            called, digits = SHOWN[name]
            numbers = [_number(value, digits) for value in (of.bias, of.sd, of.low, of.high, of.see)]
            table.add_row(called, str(of.n), *numbers)
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


def _number(value: float | None, digits: int) -> str:
    return UNKNOWN if value is None else f"{value:.{digits}f}"

"""The table: what is to be reached, and what was, over any part of the simulated sets."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np

from controller.score import Agreement
from tests.accuracy.matrix import Case
from tests.accuracy.measure import Outcome, RepOutcome

FEWEST: Final = 20  # values; a figure over less of them is not judged

DIMENSIONS: Final[dict[str, Callable[[Case], str]]] = {
    "exercise": lambda case: case.exercise,
    "shape": lambda case: case.scenario.shapes[0],
    "channels": lambda case: case.channels,
    "noise": lambda case: case.noise,
    "speed": lambda case: case.speed,
    "turns": lambda case: case.turns,
    "profile": lambda case: case.scenario.lifter.profile,
    "clock": lambda case: case.clock,
    "handling": lambda case: case.handled,
    "oddity": lambda case: case.deed,
}


@dataclass(frozen=True, slots=True)
class Reached:
    """A row's figure, and whether it is good enough; None: nothing to judge."""

    text: str
    good: bool | None


@dataclass(frozen=True, kw_only=True, slots=True)
class Metric:
    """A field of the rep event; relative: its error is in % of the true value."""

    field: str
    name: str
    unit: str
    relative: bool
    much: float  # an error over this is a bad rep
    judged: Callable[[Errors], bool] | None = None


@dataclass(frozen=True, slots=True)
class Errors:
    """Found and true values of one metric."""

    found: list[float]
    true: list[float]
    relative: bool

    @property
    def of(self) -> np.ndarray[tuple[int], np.dtype[np.float64]]:
        """Found minus true, in % of the true where the metric is relative."""
        found, true = np.asarray(self.found), np.asarray(self.true)
        return np.asarray(100.0 * (found - true) / np.abs(true) if self.relative else found - true)

    @property
    def agreement(self) -> Agreement:
        """Bias, SD and limits of the errors; the SEE is in the metric's unit."""
        errors = self.of
        whole = Agreement.of(self.found, self.true)
        of = Agreement.of(errors.tolist(), [0.0] * len(errors))
        return Agreement(n=of.n, bias=of.bias, sd=of.sd, low=of.low, high=of.high, see=whole.see)

    @property
    def within(self) -> float:
        """95 % of the errors are no larger."""
        return float(np.percentile(np.abs(self.of), 95))


def _share(bias: float, within: float) -> Callable[[Errors], bool]:
    return lambda errors: abs(errors.agreement.bias or 0.0) <= bias and errors.within <= within


def _velocity(errors: Errors) -> bool:
    of = errors.agreement
    return abs(of.bias or 0.0) <= 0.005 and (of.see or 0.0) <= 0.01


def _percent(field: str, name: str, *, much: float, judged: Callable[[Errors], bool] | None = None) -> Metric:
    return Metric(field=field, name=name, unit="%", relative=True, much=much, judged=judged)


def _absolute(
    field: str, name: str, *, unit: str, much: float, judged: Callable[[Errors], bool] | None = None
) -> Metric:
    return Metric(field=field, name=name, unit=unit, relative=False, much=much, judged=judged)


ROM: Final = _percent("rom_m", "ROM", much=1.0, judged=_share(0.3, 1.0))
VELOCITY: Final = _absolute(
    "mean_velocity_m_per_s", "mean concentric velocity", unit="m/s", much=0.02, judged=_velocity
)  # fmt: skip
FORCE: Final = _percent("mean_force_n", "mean force", much=2.0, judged=_share(0.5, 2.0))
WORK: Final = _percent("work_concentric_j", "concentric work", much=2.0, judged=_share(0.5, 2.0))
JUDGED: Final = (ROM, VELOCITY, FORCE, WORK)
OTHERS: Final = (
    _percent("peak_velocity_m_per_s", "peak concentric velocity", much=5.0),
    _percent("peak_force_n", "peak force", much=5.0),
    _percent("work_eccentric_j", "eccentric work", much=5.0),
    _absolute("concentric_s", "concentric duration", unit="s", much=0.05),
    _absolute("eccentric_s", "eccentric duration", unit="s", much=0.05),
    _absolute("hold_s", "hold at the top", unit="s", much=0.1),
    _absolute("t_start", "start", unit="s", much=0.05),
    _absolute("t_top", "top", unit="s", much=0.05),
    _absolute("t_end", "end", unit="s", much=0.05),
)


def moved(outcomes: Iterable[Outcome]) -> list[Outcome]:
    """The sets in which something moves."""
    return [outcome for outcome in outcomes if outcome.case.exercise != "hold"]


def quiet(outcomes: Iterable[Outcome]) -> list[Outcome]:
    """The sets without noise and with the typical one."""
    return [outcome for outcome in outcomes if outcome.case.noise != "poor"]


def errors(outcomes: Iterable[Outcome], metric: Metric) -> Errors:
    """All reps that have the metric."""
    reps = [rep for outcome in outcomes for rep in outcome.reps if metric.field in rep.found]
    return Errors(
        [rep.found[metric.field] for rep in reps], [rep.true[metric.field] for rep in reps], metric.relative
    )  # fmt: skip


def number(value: float | None, unit: str = "") -> str:
    """A figure as the page shows it."""
    if value is None:
        return "-"
    digits = 4 if unit == "m/s" else 3 if unit == "s" else 2
    return f"{value:+.{digits}f}"


def metric_row(outcomes: Sequence[Outcome], metric: Metric) -> Reached:
    """Bias, spread and limits of one metric."""
    found = errors(outcomes, metric)
    if len(found.found) < FEWEST:
        return Reached(f"n {len(found.found)}", None)
    of = found.agreement
    see = f", SEE {of.see or 0.0:.4f} {metric.unit}" if not metric.relative and metric.unit == "m/s" else ""
    text = (
        f"bias {number(of.bias, metric.unit)}, SD {(of.sd or 0.0):.{4 if metric.unit == 'm/s' else 2}f}, limits "
        f"{number(of.low, metric.unit)} to {number(of.high, metric.unit)}, 95 % within "
        f"{found.within:.{4 if metric.unit == 'm/s' else 2}f} {metric.unit}{see} (n {of.n})"
    )
    return Reached(text, metric.judged(found) if metric.judged is not None else None)


def counts_row(outcomes: Sequence[Outcome]) -> Reached:
    """Precision and recall of reps."""
    hits = sum(len(outcome.reps) for outcome in outcomes)
    missed = sum(len(outcome.missed) for outcome in outcomes)
    ghosts = sum(len(outcome.ghosts_in_set) + len(outcome.ghosts_of_handling) for outcome in outcomes)
    if not hits:
        return Reached("no rep", None)
    precision, recall = hits / (hits + ghosts), hits / (hits + missed)
    text = f"precision {precision:.4f}, recall {recall:.4f} ({hits + missed} reps: {missed} missed, {ghosts} ghosts)"
    return Reached(text, min(precision, recall) >= 0.998)


def last_row(outcomes: Sequence[Outcome]) -> Reached:
    """Whether the last rep of each side was found."""
    found = sum(rep.last for outcome in outcomes for rep in outcome.reps)
    missed = sum(outcome.missed_last for outcome in outcomes)
    return Reached(f"{found} of {found + missed}", missed == 0 if found else None)


def handling_row(outcomes: Sequence[Outcome]) -> Reached:
    """Reps that were none, before or after the set's own."""
    ghosts = sum(len(outcome.ghosts_of_handling) for outcome in outcomes)
    return Reached(f"{ghosts} in {len(outcomes)} sets", ghosts == 0)


def index_row(outcomes: Sequence[Outcome]) -> Reached:
    """The sets' index of the mean force."""
    pairs = [
        outcome.index[1:] for outcome in outcomes if outcome.index is not None and outcome.index[0] == "mean_force"
    ]
    if len(pairs) < FEWEST:
        return Reached(f"n {len(pairs)}", None)
    of = Agreement.of([a for a, _ in pairs], [b for _, b in pairs])
    clear = [(a, b) for a, b in pairs if abs(b) > 5.0]
    wrong = sum(a * b <= 0.0 for a, b in clear)
    text = f"bias {of.bias:+.2f}, SD {of.sd:.2f} points (n {of.n}); sign wrong in {wrong} of {len(clear)} over 5"
    return Reached(text, abs(of.bias or 0.0) <= 0.5 and (of.sd or 0.0) <= 1.0 and wrong == 0)


def one_sided_row(outcomes: Sequence[Outcome]) -> Reached:
    """Indices given where there is nothing to compare."""
    alone = [outcome for outcome in outcomes if outcome.one_sided]
    given = sum(outcome.indices for outcome in alone)
    return Reached(f"{given} in {len(alone)} sets", given == 0 if alone else None)


def alignment_row(lags: Sequence[tuple[float, float]]) -> Reached:
    """The lag between two boards against the true one."""
    if not lags:
        return Reached("not run", None)
    off = np.array([found - true for found, true in lags])
    worst = float(np.abs(off).max())
    text = f"bias {off.mean():+.1f}, SD {off.std(ddof=1):.1f}, at most {worst:.1f} ms (n {len(off)})"
    return Reached(text, worst <= 10.0)


@dataclass(frozen=True, slots=True)
class Latency:
    """Announcements of one kind: latency_ms, and by how much the rule's time was overstepped, ms."""

    said: list[float]
    over: list[float]

    @classmethod
    def of(cls, outcomes: Iterable[Outcome], *, final: bool) -> Latency:
        """Of all provisional or final announcements."""
        reps = [rep for outcome in outcomes for rep in outcome.reps]
        return cls(
            [ms for rep in reps if (ms := rep.final_ms if final else rep.provisional_ms) is not None],
            [ms for rep in reps if (ms := rep.final_over_ms if final else rep.provisional_over_ms) is not None],
        )

    def told(self, grain_ms: float) -> tuple[str, Reached]:
        """The percentiles, and how many came later than the rule allows; one sample's time is no lateness."""
        if len(self.said) < FEWEST or not self.over:
            return "-", Reached("-", None)
        p50, p95, most = np.percentile(self.said, [50, 95, 100])
        late = [ms for ms in self.over if ms > grain_ms]
        text = f"{len(late)} of {len(self.over)} late" + (f", at most by {max(late):.0f} ms" if late else "")
        return f"{p50:.0f} / {p95:.0f} / {most:.0f}", Reached(text, not late)


def bad_reps(outcomes: Iterable[Outcome], bad: Callable[[RepOutcome], bool]) -> dict[str, list[tuple[str, int, int]]]:
    """For each condition its values with their bad and all reps, the worst first."""
    outcomes = list(outcomes)
    found: dict[str, list[tuple[str, int, int]]] = {}
    for name, of in DIMENSIONS.items():
        worse, every = Counter[str](), Counter[str]()
        for outcome in outcomes:
            value = of(outcome.case)
            every[value] += len(outcome.reps)
            worse[value] += sum(bad(rep) for rep in outcome.reps)
        ranked = sorted(every, key=lambda value: -worse[value] / max(every[value], 1))
        found[name] = [(value, worse[value], every[value]) for value in ranked if every[value]]
    return found


def is_bad(metric: Metric) -> Callable[[RepOutcome], bool]:
    """Whether a rep's error in a metric is large."""

    def bad(rep: RepOutcome) -> bool:
        if metric.field not in rep.found:
            return False
        off = rep.found[metric.field] - rep.true[metric.field]
        return abs(100.0 * off / rep.true[metric.field] if metric.relative else off) > metric.much

    return bad

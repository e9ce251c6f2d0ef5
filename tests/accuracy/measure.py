"""One simulated set through the core, and what it made of it beside the truth."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Final

import numpy as np

from controller.core.asymmetry import index
from controller.core.settings import ChannelCalibration, CoreSettings, Exercise, Identity
from controller.core.station import Station
from controller.labels import Label, Labels
from controller.matching import Standing, match
from controller.score import FACETS
from protocols.events import SIDES, AnyEvent, Pair, Rep, SetSummary
from protocols.neutral_csv import CHANNELS, parse_csv
from simulators.scenarios import Sample, Scenario, Session, simulate
from simulators.trajectory import Path
from simulators.truth import RepTruth, Truth
from tests.accuracy.matrix import Case

METRICS: Final = {  # the rep event's field, and the truth's
    "rom_m": "rom_m",
    "mean_velocity_m_per_s": "mean_velocity",
    "peak_velocity_m_per_s": "peak_velocity",
    "mean_force_n": "mean_force_n",
    "peak_force_n": "peak_force_n",
    "work_concentric_j": "work_concentric_j",
    "work_eccentric_j": "work_eccentric_j",
    "concentric_s": "concentric_s",
    "eccentric_s": "eccentric_s",
    "hold_s": "hold_s",
    "t_start": "t_start",
    "t_top": "t_top",
    "t_end": "t_end",
}
HIDEABLE: Final = (*METRICS, "rfd_n_per_s", "sparc", "ldlj")
BACK: Final = 0.005  # m from the extreme, after which a turn is known
AFTER_BACK: Final = 0.06  # s
STANDS: Final = 0.15  # s of standing, after which it is known too


@dataclass(frozen=True, slots=True)
class RepOutcome:
    """A rep that was found: values, its announcements, and what of it is hidden."""

    found: dict[str, float]
    true: dict[str, float]
    partial_right: bool
    last: bool  # of its side in the set
    provisional_ms: float | None  # latency_ms
    final_ms: float | None
    provisional_over_ms: float | None  # later than the rule allows; negative: sooner
    final_over_ms: float | None
    hidden: dict[str, str]


@dataclass(frozen=True, slots=True)
class Outcome:
    """A set: what was found, missed and invented; times in s."""

    case: Case
    reps: list[RepOutcome]
    missed: list[float]
    missed_last: int
    ghosts_in_set: list[float]
    ghosts_of_handling: list[float]
    shape_right: bool
    one_sided: bool
    indices: int  # pairs and set indices that were given
    index: tuple[str, float, float] | None  # facet, found, true, %
    pair_index: list[tuple[float, float]]  # of mean force
    lag_ms: list[tuple[float, float]] = field(default_factory=list)


def settings(scenario: Scenario) -> CoreSettings:
    """What a user of this scenario would set."""
    pair = scenario.cables_are == "one_limb_pair"
    exercise = Exercise(
        starts_with=scenario.lifter.starts_with,
        cables_are=scenario.cables_are,
        arm_side=scenario.arm_side if pair else None,
    )
    return CoreSettings(exercise=exercise)


def played(scenario: Scenario, samples: Iterable[Sample]) -> list[AnyEvent]:
    """The core's events."""
    station = Station(settings(scenario), Identity(recording="accuracy", session="accuracy"))
    for side in SIDES:
        for channel in scenario.channels:
            if channel == f"{side}_force_n":
                station.calibrate(side, force=ChannelCalibration())
            elif channel == f"{side}_position_m":
                station.calibrate(side, position=ChannelCalibration())
    feed = station.feed
    for t, a, b, c, d in samples:
        feed(t, left_position=a, left_force=b, right_position=c, right_force=d)
    station.finish()
    return station.drain()


def stamped_coarsely(samples: Sequence[Sample], rate_hz: float) -> list[Sample]:
    """The samples as a logger writes them whose clock ticks every second sample, read back from its CSV."""
    tick = 2.0 / rate_hz
    lines = [",".join(("time_s", *CHANNELS))]
    for t, *values in samples:
        cells = ("" if value is None else f"{value:.9g}" for value in values)
        lines.append(",".join((f"{np.floor(t / tick + 1e-6) * tick:.6f}", *cells)))
    rows = parse_csv("\n".join(lines) + "\n", name="coarse").rows
    return [(row.t, row.left_position, row.left_force, row.right_position, row.right_force) for row in rows]


def labels_of(truth: Truth) -> Labels:
    """The truth as labels; an effort without motion is known by its start."""
    reps = tuple(
        Label(side=rep.side, t_start=rep.t_start, t_top=rep.t_top if rep.rom_m is not None else None)
        for rep in truth.reps
    )
    return Labels({side: sum(rep.side == side for rep in reps) for side in SIDES}, reps)


def run(case: Case) -> Outcome:
    """Simulate a case, measure it, and compare."""
    scenario = case.scenario
    simulation = simulate(scenario)
    samples = simulation.samples
    if case.clock == "coarse":
        samples = stamped_coarsely(samples, scenario.rate_hz)
    events = played(scenario, samples)
    return judged(case, Session(scenario), events)


def judged(case: Case, session: Session, events: list[AnyEvent]) -> Outcome:
    """Compare an event log with what happened."""
    truth = session.truth
    labels = labels_of(truth)
    of_label = {id(label): rep for label, rep in zip(labels.reps, truth.reps, strict=True)}
    standing = Standing.of(events)
    matches = match(standing.reps, labels)
    both = [(rep, of_label[id(label)]) for rep, label in matches if rep is not None and label is not None]
    missed = [of_label[id(label)] for rep, label in matches if rep is None and label is not None]
    ghosts = [rep for rep, label in matches if label is None and rep is not None]
    [of_set] = truth.sets
    lasts = {id(reps[-1]) for side in SIDES if (reps := [r for r in of_set.reps if r.side == side])}
    announced = {event.id: event for event in events if isinstance(event, Rep)}
    inside: list[float] = []
    outside: list[float] = []
    for ghost in ghosts:
        t = ghost.t_top or 0.0
        (inside if of_set.t_start <= t <= of_set.t_end else outside).append(t)
    one_sided = of_set.shape in ("left_only", "right_only")
    return Outcome(
        case=case,
        reps=[_rep(rep, true, announced, session, last=id(true) in lasts) for rep, true in both],
        missed=[true.t_top for true in missed],
        missed_last=sum(id(true) in lasts for true in missed),
        ghosts_in_set=inside,
        ghosts_of_handling=outside,
        shape_right=[each.shape for each in standing.sets] == [of_set.shape],
        one_sided=one_sided,
        indices=len(standing.pairs) + sum(each.asymmetry_pct is not None for each in standing.sets),
        index=_index(standing.sets, truth),
        pair_index=_pairs(standing.pairs, both, "mean_force_n", "asymmetry_mean_force_pct"),
        lag_ms=_lags(standing.pairs, both),
    )


def _rep(rep: Rep, true: RepTruth, announced: dict[str, Rep], session: Session, *, last: bool) -> RepOutcome:
    values = [(name, getattr(rep, name), getattr(true, of)) for name, of in METRICS.items()]
    known = [(name, a, b) for name, a, b in values if a is not None and b is not None]
    reasons = dict(each.split("=", 1) for each in rep.reasons.split(",") if each)
    first, final = _announcements(rep, announced)
    path = session.paths[true.side]
    moved, lowered = true.rom_m is not None, session.scenario.lifter.starts_with == "eccentric"
    top = deadline(path, true.t_top, out=True) if moved else None
    end = top if lowered else deadline(path, true.t_end, out=False) if moved and not true.let_go else None
    return RepOutcome(
        found={name: a for name, a, _ in known},
        true={name: b for name, _, b in known},
        partial_right=rep.partial == true.partial,
        last=last,
        provisional_ms=first.latency_ms if first is not None else None,
        final_ms=final.latency_ms,
        provisional_over_ms=first.ts - 1000.0 * top if first is not None and top is not None else None,
        final_over_ms=final.ts - 1000.0 * end if end is not None else None,
        hidden={name: reasons.get(name, "?") for name in HIDEABLE if getattr(rep, name) is None},
    )


def _announcements(rep: Rep, announced: dict[str, Rep]) -> tuple[Rep | None, Rep]:
    """The last provisional of a rep that stands, and its first final: a renumbered one is announced again."""
    final, before = rep, announced.get(rep.replaces or "")
    while before is not None and before.status == "final":
        final, before = before, announced.get(before.replaces or "")
    return before, final


def deadline(path: Path, turn: float, *, out: bool) -> float:
    """When a turn must have been announced, s: by the exact path, 60 ms after 5 mm back or 150 ms into a stand."""
    k = max(k for k, segment in enumerate(path.segments) if segment.start < turn - 1e-9)
    extreme, level = path.segments[k].end, path.segments[k].x1
    stands_until = extreme
    for segment in path.segments[k + 1 :]:
        if not segment.still:
            break
        stands_until = segment.end
    else:
        stands_until = np.inf
    times = extreme + np.arange(0.0, 8.0, 0.001)
    back = (level - path.at(times).x) * (1.0 if out else -1.0)
    passed = np.flatnonzero(back >= BACK)
    turned = float(times[passed[0]]) + AFTER_BACK if len(passed) else np.inf
    stood = extreme + STANDS if stands_until - extreme >= STANDS else np.inf
    return float(min(turned, stood))


def _index(sets: list[SetSummary], truth: Truth) -> tuple[str, float, float] | None:
    """The set's index beside that of the true reps in the same facet."""
    if len(sets) != 1 or sets[0].asymmetry_pct is None:
        return None
    facet = sets[0].facet or ""
    field_name = FACETS[facet]
    left = {rep.effort: rep for rep in truth.reps if rep.side == "left" and not rep.partial}
    right = {rep.effort: rep for rep in truth.reps if rep.side == "right" and not rep.partial}
    values = []
    for effort in left.keys() & right.keys():
        a, b = getattr(left[effort], field_name), getattr(right[effort], field_name)
        if a is not None and b is not None:
            values.append(index(a, b, name="percent_difference") or 0.0)
    return (facet, sets[0].asymmetry_pct, float(np.mean(values))) if values else None


def _pairs(pairs: list[Pair], both: list[tuple[Rep, RepTruth]], name: str, key: str) -> list[tuple[float, float]]:
    true = {rep.id: each for rep, each in both}
    out = []
    for pair in pairs:
        left, right, value = true.get(pair.left_rep), true.get(pair.right_rep), getattr(pair, key)
        if left is not None and right is not None and value is not None:
            expected = index(getattr(left, name), getattr(right, name), name="percent_difference")
            if expected is not None:
                out.append((value, expected))
    return out


def _lags(pairs: list[Pair], both: list[tuple[Rep, RepTruth]]) -> list[tuple[float, float]]:
    true = {rep.id: each for rep, each in both}
    out = []
    for pair in pairs:
        left, right = true.get(pair.left_rep), true.get(pair.right_rep)
        if left is not None and right is not None and pair.lag_ms is not None:
            out.append((pair.lag_ms, 1000.0 * (right.t_start - left.t_start)))
    return out


def hidden_counts(outcomes: Iterable[Outcome]) -> Counter[tuple[str, str]]:
    """How often each field is null for each reason."""
    return Counter(
        (name, why) for outcome in outcomes for rep in outcome.reps for name, why in rep.hidden.items()
    )  # fmt: skip

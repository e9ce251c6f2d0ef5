"""Which reps hold at the end of an event log, and which label each of them belongs to."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from math import nan
from typing import Final

import numpy as np

from controller.labels import Label, Labels
from protocols.events import SIDES, AnyEvent, Pair, Rep, SetSummary

NEAR: Final = 1.0  # s; a rep found further from its label is another one
ANCHORS: Final = 20  # labels that are tried as the beginning when the two clocks differ


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
            if (distance := abs(time_of(rep, timed) + shift - time_of(label, timed))) <= NEAR
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


def time_of(what: Rep | Label, name: str) -> float:
    """The named time of a rep or a label, s; NaN where it has none."""
    value: float | None = getattr(what, name)
    return value if value is not None else nan


def clock_shift(found: Sequence[Rep], labels: Labels) -> float:
    """What to add to the recording's clock to get that of the labels: the shift at which most reps meet their label."""
    timed = labels.timed
    if timed is None or not found or not labels.reps:
        return 0.0
    true = np.sort([time_of(label, timed) for label in labels.reps])
    at = np.sort([time_of(rep, timed) for rep in found])
    best = (0.0, 0.0)
    for shift in (true[:ANCHORS, None] - at[None, :]).ravel():
        off = at + shift
        after = np.minimum(np.searchsorted(true, off), len(true) - 1)
        near = np.minimum(np.abs(off - true[after]), np.abs(off - true[np.maximum(after - 1, 0)]))
        fit = float(np.sum(np.maximum(1.0 - near / NEAR, 0.0)))
        if fit > best[0]:
            best = (fit, float(shift))
    return best[1]

"""What a run of the matrix found, and which part of it is meant."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from typing import Final

from tests.accuracy.corpus import Counted
from tests.accuracy.known import Known
from tests.accuracy.measure import Outcome

BANDS: Final[dict[str, Callable[[float], bool]]] = {
    "80 Hz and more": lambda hz: hz >= 80.0,
    "50 Hz": lambda hz: hz == 50.0,
    "20 Hz": lambda hz: hz == 20.0,
}


@dataclass(frozen=True, slots=True)
class Results:
    """Everything that the page is made of."""

    outcomes: dict[float, list[Outcome]]
    lags: list[tuple[float, float]]  # found and true, ms, between two boards
    lossy_lags: list[tuple[float, float]]  # the same where frames are lost
    corpus: list[Counted]
    known: list[tuple[Known, int, int]]
    made: str  # one line: version, seed, command
    took: str  # one line: date and duration
    images: tuple[str, ...] = field(default=())


def band(results: Results, name: str) -> list[Outcome]:
    """The outcomes at the rates of a band."""
    return [outcome for rate, some in sorted(results.outcomes.items()) if BANDS[name](rate) for outcome in some]


def lines(header: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """A table in Markdown."""
    said = ["| " + " | ".join(header) + " |", "|" + "---|" * len(header)]
    return "\n".join([*said, *("| " + " | ".join(row) + " |" for row in rows)]) + "\n"

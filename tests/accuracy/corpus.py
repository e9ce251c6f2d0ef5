"""The recordings of real people, file by file, where their folder is there."""

from __future__ import annotations

import csv
import os
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from controller.matching import Standing
from controller.replay import ReplayError, events_of
from protocols.events import SIDES, AnyEvent, Rep

FOLDER: Final = Path(os.environ.get("CABLE_STATION_CORPUS") or Path(__file__).parents[2].parent / "shared" / "corpus")
WHY: Final = {  # misses that are understood; the key begins the file's name
    "wheelchair_smartwheel": "pushes on a rim, told by force alone: the weakest stay under the threshold of an effort; "
    "their own label is unsure",
}


@dataclass(frozen=True, slots=True)
class Counted:
    """One recording: labelled and found reps a side; None where nothing is claimed."""

    file: str
    certainty: str
    labelled: tuple[int | None, int | None]
    found: tuple[int, int] | None  # None: it could not be read
    latencies_ms: tuple[float, ...] = ()

    @property
    def scored(self) -> bool:
        """Whether its label is sure enough to count."""
        return self.certainty in ("high", "medium") and any(n is not None for n in self.labelled)

    @property
    def missed(self) -> int:
        """Labelled reps that were not found."""
        return sum(max(0, n - k) for n, k in zip(self.labelled, self.found or (0, 0), strict=True) if n is not None)

    @property
    def ghosts(self) -> int:
        """Found reps that are not labelled."""
        return sum(max(0, k - n) for n, k in zip(self.labelled, self.found or (0, 0), strict=True) if n is not None)

    @property
    def verdict(self) -> str:
        """In a word or a sentence."""
        if self.found is None:
            return "not read"
        if all(n is None for n in self.labelled):
            return "read; no count is claimed"
        if not self.missed and not self.ghosts:
            return "exact"
        why = next((text for begin, text in WHY.items() if self.file.startswith(begin)), "not explained yet")
        return f"{self.missed} missed, {self.ghosts} ghosts: {why}"


def count(folder: Path = FOLDER) -> list[Counted]:
    """Every labelled recording of the folder, empty where there is none."""
    labels = folder / "labels.csv"
    if not labels.is_file():
        return []
    with labels.open(encoding="utf-8", newline="") as lines:
        rows = sorted(csv.DictReader(lines), key=lambda row: row["file"])
    return [_count(folder, row) for row in rows if (folder / row["file"]).is_file()]


def _count(folder: Path, row: dict[str, str]) -> Counted:
    labelled = tuple(int(row[f"{side}_reps"]) if row[f"{side}_reps"] else None for side in SIDES)
    said = (labelled[0], labelled[1])
    try:
        events: list[AnyEvent] = [event for _, some in events_of(folder / row["file"]) for event in some]
    except ReplayError:
        return Counted(row["file"], row["certainty"], said, None)
    reps = Standing.of(events).reps
    latencies = [
        event.latency_ms
        for event in events
        if isinstance(event, Rep) and event.status in ("provisional", "final") and event.latency_ms is not None
    ]
    left, right = (sum(rep.side == side for rep in reps) for side in SIDES)
    return Counted(row["file"], row["certainty"], said, (left, right), tuple(latencies))

"""The faults of a station: when each is raised and cleared, and what it does to the set that runs."""

from __future__ import annotations

from typing import Final

from controller.core.event_maker import EventMaker
from controller.core.rep_book import RepBook
from controller.core.sensor_truth import KINDS, OF_THE_STATION, Finding, Marks
from controller.core.set_summary import ALIGNED
from controller.core.side import Side
from controller.core.side_checks import Swap
from protocols.events import SIDES, Fault, Severity, Shape
from protocols.events import Side as SideName

ALIGNED_AGAIN: Final = 0.8  # of ALIGNED; clocks known so well are aligned again
HIDES_REPS: Final = ("force_without_motion", "motion_without_force", "stuck", "wrong_sign", "sides_swapped")
"""With which a side may do reps that nobody sees."""


class FaultLog:
    """What the sides' watches find and what comes from outside, each once while it is there.

    sides: those of the station, which may get more.
    """

    def __init__(self, make: EventMaker, book: RepBook, sides: dict[SideName, Side]) -> None:
        self._make = make
        self._book = book
        self._sides = sides
        self._raised: list[tuple[str, SideName | None]] = []  # in their order
        self._over: dict[tuple[str, SideName | None], str] = {}  # what is said when a fault is over
        self._marks = Marks()  # of both sides together
        self._swap = Swap()

    @property
    def names(self) -> list[str]:
        """What is raised now, each name once."""
        return sorted({name for name, _ in self._raised})

    # -- the log

    def begin(self, name: str, side: SideName | None, severity: Severity, detail: str) -> None:
        """Raise a fault that is not raised already."""
        if (name, side) in self._raised:
            return
        self._raised.append((name, side))
        running = self._book.running
        if not running.empty and name not in KINDS:
            running.flag(name)
        self._make.add(Fault, running.number, name=name, side=side, severity=severity, raised=True, detail=detail)

    def end(self, name: str, side: SideName | None, detail: str) -> None:
        """Clear a fault that is raised."""
        if (name, side) in self._raised:
            self._raised.remove((name, side))
            number = self._book.running.number
            self._make.add(Fault, number, name=name, side=side, severity="info", raised=False, detail=detail)

    # -- what the watches find

    def collect(self, name: SideName) -> None:
        """Raise what a side's watch has found, and go back to the reps that it has touched."""
        side = self._sides[name]
        for found in side.cable.marks.drain():
            self._found(name, found)
            if not found.over:
                self._book.revise(name, side, found.since)

    def _found(self, name: SideName | None, found: Finding) -> None:
        detail = found.detail.format(side=name)
        where = None if found.name in OF_THE_STATION else name
        if found.over:
            self._over[found.name, where] = detail
        else:
            self.begin(found.name, where, KINDS[found.name].severity, detail)

    def compare_clocks(self, t: float, uncertainty: float | None) -> None:
        """Look whether the two boards' clocks (standard uncertainty in s, None: one clock) are too far apart."""
        if uncertainty is not None and uncertainty > ALIGNED:
            self._marks.begin(
                "clocks_apart", t, spoils="nothing",
                detail=f"the two boards' clocks are known to {1000.0 * uncertainty:.0f} ms only; no lag is given",
            )  # fmt: skip
        elif uncertainty is not None and uncertainty < ALIGNED_AGAIN * ALIGNED:
            self._marks.end("clocks_apart", t, "the two boards' clocks are aligned")
        for found in self._marks.drain():
            self._found(None, found)

    def compare_strokes(self, moved: Side) -> None:
        """Look whether each load cell goes with its own cable, by the strokes that a side has just made."""
        strokes = moved.take_strokes()
        left, right = (self._sides.get(side) for side in SIDES)
        if not strokes or left is None or right is None:
            return
        if not all((left.position, left.force, right.position, right.force)):
            return
        for t0, t1 in strokes:
            self._swap.stroke(t0, t1, left.cable.samples(t0), right.cable.samples(t0))
        for name, side in self._sides.items():
            marks = side.cable.marks
            if self._swap.since is not None:
                marks.begin(
                    "sides_swapped", self._swap.since, spoils="force",
                    detail="each load cell follows the other side's cable; exchange the two cells, or their channels",
                )  # fmt: skip
            elif marks.lasts("sides_swapped"):
                marks.end("sides_swapped", strokes[-1][0], "each load cell follows its own cable")
            self.collect(name)

    def expire(self, t: float) -> None:
        """Clear what has not been seen for as long as its kind asks."""
        for name, side in list(self._raised):
            kind = KINDS.get(name)
            if kind is None:
                continue  # whoever found it outside the core clears it
            if t >= self._marks_of(name, side).last_seen.get(name, t) + kind.clears_after:
                self.end(name, side, self._over.pop((name, side), "it has not come again"))

    def _marks_of(self, name: str, side: SideName | None) -> Marks:
        """Where a fault is marked; swapped sides are on both."""
        whose: SideName | None = "left" if name == "sides_swapped" else side
        return self._marks if whose is None else self._sides[whose].cable.marks

    # -- the set

    def flag_set(self) -> None:
        """Put the names of the faults that lay in the running set on it."""
        running = self._book.running
        everyone = [rep.measures for side in SIDES for rep in running.reps[side]]
        begin = min(each.t_start for each in everyone)
        end = max(each.t_end if each.t_end is not None else each.t_top for each in everyone)
        for marks in (*(side.cable.marks for side in self._sides.values()), self._marks):
            for mark in marks.touching(begin, max(end, self._make.now)):
                if mark.touches(begin, end) or mark.name in HIDES_REPS:
                    running.flag(mark.name)

    def spoilt_by(self, shape: Shape) -> str | None:
        """The fault for which a side that seems to have done nothing may have done all, None where there is none."""
        missing: SideName | None = "right" if shape == "left_only" else "left" if shape == "right_only" else None
        if missing is None or missing not in self._sides:
            return None
        reps = [rep.measures for side in SIDES for rep in self._book.running.reps[side]]
        marks = self._sides[missing].cable.marks.touching(reps[0].t_start, reps[-1].t_top)
        return next((mark.name for mark in marks if mark.name in HIDES_REPS), None)

"""The book of the set that runs: its reps and pairs, as they stand in the event log."""

from __future__ import annotations

from controller.core.announcement import Announcement
from controller.core.event_maker import EventMaker, rep_fields, revised_fields
from controller.core.set_summary import pair_fields
from controller.core.sets import Counted, RunningSet, partner
from controller.core.settings import Exercise
from controller.core.side import Side
from controller.core.validity import hide
from protocols.events import SIDES, Pair, Rep, Shape
from protocols.events import Side as SideName


class RepBook:
    """Every entry is an event; nothing is struck out without one that says so, and numbers are used again."""

    def __init__(self, make: EventMaker, exercise: Exercise, *, number: int) -> None:
        self._make = make
        self._exercise = exercise  # its name may change with a command, and has no part in this
        self.running = RunningSet(number=number)
        self.clock_uncertainty: float | None = None  # s, of left against right; None where both share one clock
        self._provisional: dict[SideName, Rep] = {}
        self._pairs: dict[str, Pair] = {}

    @property
    def _two_limbs(self) -> bool:
        return self._exercise.cables_are == "two_limbs"

    # -- reps

    def enter(self, name: SideName, side: Side, said: Announcement) -> None:
        """Enter a provisional or final rep, and the pair that it makes."""
        assert said.measures is not None
        reps = self.running.reps[name]
        replaced = self._provisional.pop(name, None)
        event = self._make.add(
            Rep,
            self.running.number,
            side=name,
            rep=len(reps) + 1,
            status=said.status,
            replaces=replaced.id if replaced is not None else None,
            **rep_fields(
                said,
                side,
                now=self._make.now,
                before=reps[-1].measures.t_end if reps else None,
                anchor=self._make.anchor,
                algorithm=self._make.algorithm,
            ),
        )
        if said.status == "provisional":
            self._provisional[name] = event
            return
        counted = Counted(event, said.measures, said.force, said.hold)
        reps.append(counted)
        other: SideName = "right" if name == "left" else "left"
        mate = partner(counted, [rep for rep in self.running.reps[other] if rep.pair is None])
        if mate is not None and self._two_limbs:
            left, right = (counted, mate) if name == "left" else (mate, counted)
            self._pair(left, right, shape="together")

    def retract(self, name: SideName, take_back: int) -> list[tuple[float, float]]:
        """Take back a side's first finals (how many), its last one (-1), or its provisional (0).

        Returns when the first finals that are gone took place, s: they were handling.
        """
        if take_back == 0:
            self._retract_provisional(name)
            return []
        reps = self.running.reps[name]
        doomed = reps[-1:] if take_back < 0 else reps[:take_back]
        kept = [rep for rep in reps if rep not in doomed]
        self.running.reps[name] = kept
        for rep in doomed:
            self._retracted(rep.event)
            if rep.pair is not None:
                self._unpair(rep.pair)
        for number, rep in enumerate(kept, 1):
            if rep.event.rep != number:
                self._again(rep, rep=number)
        return [rep.span for rep in doomed] if take_back > 0 else []

    def revise(self, name: SideName, side: Side, since: float) -> None:
        """Take out of a side's reps what a fault found only now, there since then (s), had touched."""
        for rep in self.running.reps[name]:
            measures = rep.measures
            end = measures.t_end if measures.t_end is not None else measures.t_top
            if end <= since:
                continue
            flags = hide(measures, side.cable.marks, has_force=side.cable.has_force)
            changed = revised_fields(rep.event, measures, flags)
            if changed:
                self._again(rep, **changed)

    def _again(self, counted: Counted, **changed: object) -> None:
        """Publish a rep once more with changed fields, and its pair with it."""
        counted.event = self._make.again(counted.event, replaces=counted.event.id, **changed)
        if counted.pair is not None:
            members = self._members(counted.pair)
            if len(members) == 2:
                self._pair(*members, shape="together", retracts=counted.pair)

    def _retract_provisional(self, name: SideName) -> None:
        gone = self._provisional.pop(name, None)
        if gone is not None:
            self._retracted(gone)

    def _retracted(self, event: Rep) -> None:
        self._make.add(
            Rep, event.set, side=event.side, rep=event.rep, status="retracted", retracts=event.id, confidence=0.0,
            reasons="", algorithm=self._make.algorithm,
        )  # fmt: skip

    # -- pairs

    def _members(self, pair: str) -> list[Counted]:
        """The reps of a pair, left before right."""
        return [rep for side in SIDES for rep in self.running.reps[side] if rep.pair == pair]

    def _pair(self, left: Counted, right: Counted, *, shape: Shape, retracts: str | None = None) -> None:
        fields = pair_fields(
            left, right, shape=shape, exercise=self._exercise, clock_uncertainty=self.clock_uncertainty
        )
        event = self._make.add(Pair, self.running.number, retracts=retracts, **fields)
        left.pair = right.pair = event.id
        self._pairs[event.id] = event

    def _unpair(self, pair: str) -> None:
        for rep in self._members(pair):
            rep.pair = None
        event = self._pairs.pop(pair)
        self._make.add(
            Pair, event.set, shape=event.shape, left_rep=event.left_rep, right_rep=event.right_rep,
            index=event.index, retracts=pair,
        )  # fmt: skip

    # -- the end of a set

    def withdraw(self) -> None:
        """A set ends: what is provisional was no rep, and a hand that only went with the trunk made none."""
        for name in SIDES:
            self._retract_provisional(name)
        if not self.running.empty and self._two_limbs:
            for name in self.running.idle_sides():
                self.retract(name, len(self.running.reps[name]))

    def settle_pairs(self, shape: Shape) -> list[tuple[Counted, Counted]]:
        """The pairs of a set of this shape, as they now stand in the log."""
        running = self.running
        pairs = running.pairs(shape) if self._two_limbs else []
        wanted = {(id(left), id(right)) for left, right in pairs}
        paired = [rep.pair for side in SIDES for rep in running.reps[side] if rep.pair is not None]
        for pair in dict.fromkeys(paired):  # in the order of the reps: every replay has to say the same
            members = self._members(pair)
            if len(members) == 2 and (id(members[0]), id(members[1])) not in wanted:
                self._unpair(pair)
        for left, right in pairs:
            if left.pair is None or left.pair != right.pair:
                self._pair(left, right, shape=shape)
        return pairs

    def discard(self) -> None:
        """Take back all of the running set, which begins anew under its number."""
        for name in SIDES:
            self._retract_provisional(name)
            if self.running.reps[name]:
                self.retract(name, len(self.running.reps[name]))
        self.open(self.running.number)

    def open(self, number: int) -> None:
        """Open the page of a set."""
        self.running = RunningSet(number=number)
        self._pairs.clear()

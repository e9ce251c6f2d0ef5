"""The faults that a sensor can have: what each spoils, and when each has been, on one side."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from math import inf
from typing import Final, Literal

from protocols.events import Severity

Spoils = Literal["nothing", "force", "motion", "timing", "both"]
"""Which measures a fault makes unknown: those of the force, those of the position, those that are times or stand on
them, or all; `nothing`: it was left out or corrected, and is only flagged."""


@dataclass(frozen=True, slots=True)
class FaultKind:
    """One fault by its name. clears_after: s without it after which it is over."""

    severity: Severity
    clears_after: float
    cost: float  # of the confidence of a rep that it touches


KINDS: Final[dict[str, FaultKind]] = {
    "saturated": FaultKind("warning", 1.0, 0.05),
    "stuck": FaultKind("error", 1.0, 0.2),
    "spike": FaultKind("info", 3.0, 0.0),
    "zero_drift": FaultKind("warning", 0.0, 0.05),
    "wrong_sign": FaultKind("error", 0.0, 0.3),
    "sides_swapped": FaultKind("error", 0.0, 0.2),
    "force_without_motion": FaultKind("error", 1.0, 0.3),
    "motion_without_force": FaultKind("warning", 0.0, 0.3),
    "encoder_slip": FaultKind("warning", 5.0, 0.2),
    "encoder_chatter": FaultKind("warning", 2.0, 0.2),
    "gap": FaultKind("warning", 1.0, 0.2),
    "implausible_rate": FaultKind("warning", 1.0, 0.2),
    "clocks_apart": FaultKind("warning", 0.0, 0.0),
}
OF_THE_STATION: Final = ("sides_swapped", "clocks_apart")  # one fault of both sides
DISTRUSTED: Final = ("stuck", "wrong_sign", "sides_swapped", "motion_without_force")
"""Whose force does not even say whether a stroke is loaded: it is counted by its position."""
MOST: Final = 64  # stretches that are remembered
JOIN: Final = 0.1  # s; nearer ones of one kind are one


@dataclass(slots=True)
class Mark:
    """A stretch of time, s, in which a fault was there; t1 is inf while it lasts."""

    name: str
    t0: float
    t1: float
    spoils: Spoils

    def touches(self, t0: float, t1: float) -> bool:
        """Whether it reaches into t0 to t1."""
        return self.t0 < t1 and self.t1 > t0


@dataclass(frozen=True, slots=True)
class Finding:
    """A fault that was seen, or (`over`) is no longer there. since: s, from when on reps are touched."""

    name: str
    since: float
    detail: str
    over: bool = False


@dataclass(slots=True)
class Marks:
    """What has been wrong with one side's sensors, and what of it the station has not been told yet."""

    findings: list[Finding] = field(default_factory=list)
    last_seen: dict[str, float] = field(default_factory=dict)  # s, by fault; inf: it lasts
    times_seen: Counter[str] = field(default_factory=Counter)  # by fault
    _marks: list[Mark] = field(default_factory=list)

    def see(self, name: str, t0: float, t1: float, *, spoils: Spoils, detail: str) -> None:
        """A fault was there from t0 to t1."""
        if self._mark(name, t0, t1, spoils):
            self.last_seen[name] = max(self.last_seen.get(name, -inf), t1)
            self.times_seen[name] += 1
            self.findings.append(Finding(name, t0, detail))

    def begin(self, name: str, t0: float, *, spoils: Spoils, detail: str) -> None:
        """A fault is there from t0 on, until it ends."""
        if not self.lasts(name):
            self.see(name, t0, inf, spoils=spoils, detail=detail)

    def end(self, name: str, t: float, detail: str = "") -> None:
        """A fault that lasted is over at t."""
        if not self.lasts(name):
            return
        for mark in self._marks:
            if mark.name == name and mark.t1 == inf:
                mark.t1 = t
        self.last_seen[name] = t
        self.findings.append(Finding(name, t, detail, over=True))

    def _mark(self, name: str, t0: float, t1: float, spoils: Spoils) -> bool:
        """Remember a stretch; returns whether it says anything new."""
        last = next((mark for mark in reversed(self._marks) if (mark.name, mark.spoils) == (name, spoils)), None)
        if last is None or last.t0 > t1 or t0 > last.t1 + JOIN:
            self._marks = [*self._marks[1 - MOST :], Mark(name, t0, t1, spoils)]
            return True
        new = t1 > last.t1 or t0 < last.t0 - JOIN
        last.t0, last.t1 = min(last.t0, t0), max(last.t1, t1)
        return new

    def lasts(self, name: str) -> bool:
        """Whether a fault is there and has not ended."""
        return self.last_seen.get(name) == inf

    def touching(self, t0: float, t1: float) -> list[Mark]:
        """What reaches into t0 to t1."""
        return [mark for mark in self._marks if mark.touches(t0, t1)]

    def distrusts_force(self, t0: float, t1: float) -> bool:
        """Whether the force between t0 and t1 does not even say that the cable was loaded."""
        return any(
            mark.name in DISTRUSTED and mark.spoils in ("force", "both") and mark.touches(t0, t1)
            for mark in self._marks
        )

    def drain(self) -> list[Finding]:
        """What has been found since the last call."""
        out, self.findings = self.findings, []
        return out

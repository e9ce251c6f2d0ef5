"""Faults that several boards of a station can have at once, as one standing fault each.

The event log knows a fault by its name. So one board that is back must not end the fault of another that is not.
"""

from __future__ import annotations

from controller.core.station import Station
from protocols.events import Severity

SEVERITIES: tuple[Severity, ...] = ("info", "warning", "error")
Said = tuple[Severity, str]  # how bad, and what to do


class Troubles:
    """What is wrong with whom."""

    def __init__(self, station: Station) -> None:
        self._station = station
        self._standing: dict[str, dict[str, Said]] = {}  # fault -> whose -> what

    def say(self, t: float, name: str, whose: str, said: Said | None) -> None:
        """Take what is wrong with somebody at stream time t, s; None: nothing any more."""
        standing = self._standing.setdefault(name, {})
        if standing.get(whose) == said:
            return
        if standing:
            self._station.fault(t, name, raised=False)
        if said is None:
            del standing[whose]
        else:
            standing[whose] = said
        if standing:
            worst = max(standing.values(), key=lambda each: SEVERITIES.index(each[0]))[0]
            detail = "; ".join(each[1] for each in standing.values())
            self._station.fault(t, name, raised=True, severity=worst, detail=detail)

"""A run of a gym: what runs in it, what was seen, and what came of it."""

from __future__ import annotations

import asyncio
import time
from dataclasses import dataclass, field

from tests.soak.gateway import Gateway, Taken
from tests.soak.heard import Dashboard
from tests.soak.judged import Tally
from tests.soak.training import Soak


@dataclass(slots=True)
class Run:
    """What runs, what is heard, and what was seen of it."""

    gateway: Gateway
    dashboard: Dashboard
    seconds: float
    began: float = 0.0  # host monotonic s
    before: Taken | None = None
    after: Taken | None = None
    away: list[tuple[float, float]] = field(default_factory=list)  # Unix s: no broker, or the gateway held up
    looks: list[Taken] = field(default_factory=list)
    done: dict[str, int] = field(default_factory=dict)

    async def at(self, share: float) -> None:
        """Sleep until so much of the run is over."""
        await asyncio.sleep(max(self.began + share * self.seconds - time.monotonic(), 0.0))


@dataclass(slots=True)
class Outcome(Soak):
    """The report of a gym, with the figures for its page."""

    seconds: float = 0.0
    stations: int = 0
    boards: int = 0
    run: Run | None = None
    made: int = 0  # events
    heard: int = 0  # of them
    repeats: int = 0  # arrivals of what had been heard before
    tallies: dict[str | None, Tally] = field(default_factory=dict)
    announced_ms: tuple[float, float] = (0.0, 0.0)  # from the turn of a rep to its final announcement, p50, p99
    arrived_ms: tuple[float, float, float] = (0.0, 0.0, 0.0)  # from the sample to the dashboard, p50, p99, worst
    mb_per_hour: float | None = None
    samples_late: int = 0  # dropped, since the core had gone on
    processor: float = 0.0  # share of one that the gateway took

"""Sets that the core is known to count otherwise than a person would; played each time, so that the page stays true."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from controller.matching import Standing
from simulators.scenarios import SCENARIOS, Scenario, simulate
from simulators.sensors import FORCE_CHANNELS
from tests.accuracy.measure import played


@dataclass(frozen=True, slots=True)
class Known:
    """What is counted otherwise, and why."""

    what: str
    why: str
    scenario: Scenario


ROW: Final = SCENARIOS["iso_lateral_row"]
KNOWN: Final = (
    Known(
        "strokes of a stack that is never set down, by a load cell alone",
        "an effort ends when the force has come back, and it does not",
        ROW.but(channels=FORCE_CHANNELS),
    ),
)


def counted(known: Known) -> tuple[int, int]:
    """Reps found, and reps done."""
    simulation = simulate(known.scenario)
    found = Standing.of(played(known.scenario, simulation.samples)).reps
    return len(found), len(simulation.truth.reps)

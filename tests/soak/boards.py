"""A process that serves the boards of some stations over TCP: `python -m tests.soak.boards PLAN`.

PLAN is a JSON list of Served. Says `ready` with all addresses once it listens; what really happens lies beside the
plan by then, as STATION.truth.
"""

from __future__ import annotations

import sys
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import msgspec
from msgspec import Struct

from protocols.events import SIDES, Shape, Side
from simulators.fault_scripts import Script
from simulators.gym import session_board
from simulators.play import Play
from simulators.pump import Pump
from simulators.scenarios import SCENARIOS, Scenario, Session
from simulators.serving import serve
from simulators.tcp_port import TcpPort
from simulators.truth import Truth
from simulators.virtual_board import World

ORDER: Final[tuple[Shape, ...]] = ("together", "alternating", "left_only", "sequential", "right_only")
TRIED: Final = 5  # sets; so many of every machine and tempo are laid to see how many fit
AT_REST: Final = 12.0  # s after the last set, over the set gap


class Served(Struct, frozen=True, kw_only=True):
    """One station: its boards, its sets, and what goes wrong with it. Times in s."""

    name: str
    seed: int
    seconds: float  # in which its sets fit
    rate_hz: int
    two_boards: bool = False
    reps: int = 8
    quick: bool = False
    rest_s: float = 16.0
    fault: str | None = None  # the kind
    script: Script | None = None

    @property
    def boards(self) -> int:
        """How many it has."""
        return 2 if self.two_boards else 1


@dataclass(frozen=True, slots=True)
class Station:
    """A station made: what serves it, and what happens."""

    pumps: list[Pump]
    truth: Truth


def session(served: Served) -> Session:
    """As many sets as fit into the time, then rest."""
    name = ("iso_lateral_row", "iso_lateral_pulldown")[served.seed % 2]
    shapes = tuple(ORDER[(served.seed + k) % len(ORDER)] for k in range(len(ORDER)))
    scenario: Scenario = SCENARIOS[name].but(
        shapes=shapes, reps=served.reps, rate_hz=float(served.rate_hz), seed=served.seed, rest_s=served.rest_s,
        lead_s=3.0 + 0.37 * (served.seed % 7), tail_s=AT_REST, ratio=0.85 + 0.03 * (served.seed % 10),
    )  # fmt: skip
    if served.quick:
        scenario = scenario.but(
            shapes=("together",), concentric_s=0.7, eccentric_s=1.0, top_s=0.2, bottom_s=0.4, tail_s=AT_REST
        )
    tried = Session(scenario.but(sets=TRIED))
    one = (tried.duration - AT_REST) / TRIED
    sets = max(int((served.seconds - AT_REST) / one), 1)
    while (found := Session(scenario.but(sets=sets))).duration > served.seconds and sets > 1:
        sets -= 1
    return found


def made(served: Served, *, now: float) -> Station:
    """The boards of a station in its own world, switched on at `now`, host monotonic s."""
    played, world, script = session(served), World(), served.script
    sides: tuple[Side | None, ...] = SIDES if served.two_boards else (None,)
    pumps = []
    for k, side in enumerate(sides):
        board = session_board(
            played, side=side, now=now, ppm=(40.0, -35.0)[k], world=world,
            faults=script.sensor_faults() if script is not None else (),
            restarts=script.restarts if script is not None else (), paces=script.paces if script is not None else (),
        )  # fmt: skip
        pumps.append(Pump(board, script.impairments(world, seed=served.seed + k) if script is not None else None))
    return Station(pumps, played.truth)


def main(plan: Path) -> None:
    """Serve a plan until a signal comes."""
    stations = msgspec.json.decode(plan.read_bytes(), type=list[Served])
    now = time.monotonic()
    pumps: list[Pump] = []
    for served in stations:
        station = made(served, now=now)
        station.truth.write(plan.with_name(f"{served.name}.truth"))
        pumps += station.pumps

    async def ports() -> list[TcpPort]:
        return [TcpPort(pump) for pump in pumps]

    serve(Play(boards=(), impair=(), seed=0, ends=None), ports)


if __name__ == "__main__":
    main(Path(sys.argv[1]))

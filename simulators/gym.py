"""Boards of a simulated station: one for both cables, or one for each, that see the same world.

A board is one of ours, or the twin of another maker's device.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from protocols.events import SIDES, Side
from protocols.framing import MAX_BODY
from protocols.neutral_csv import CHANNELS
from protocols.sample_lines import SKIP, TIMES, LineFormat
from simulators.scenarios import Fault, Session
from simulators.simulated_ascii import SimulatedAsciiLine
from simulators.simulated_chronojump import SimulatedEncoder, SimulatedForceSensor, SimulatedFourCells
from simulators.simulated_tindeq import SimulatedTindeq
from simulators.sources import SessionSource
from simulators.twin import Signals, Twin
from simulators.virtual_board import VirtualBoard, World

TWINS: Final = ("tindeq", "chronojump-force", "chronojump-four", "chronojump-encoder", "ascii-line")


def session_board(
    session: Session,
    *,
    side: Side | None = None,
    now: float = 0.0,
    ppm: float = 0.0,
    loop: bool = False,
    faults: Sequence[Fault] = (),
    world: World | None = None,
    restarts: Sequence[float] = (),
    paces: Sequence[tuple[float, float]] = (),
    max_body: int = MAX_BODY,
) -> VirtualBoard:
    """A board that streams a session; `side`: only the channels of that cable. Raises ValueError without any."""
    scenario = session.scenario
    channels = [name for name in scenario.channels if side is None or name.startswith(side)]
    if not channels:
        raise ValueError(f"{scenario.name} has no channel on the {side} side")
    return VirtualBoard(
        [SessionSource(session, channels, loop=loop, faults=faults)],
        now=now,
        ppm=ppm,
        rate_hz=round(scenario.rate_hz),
        seed=scenario.seed * 4 + (0 if side is None else 1 + SIDES.index(side)),
        model="virtual cable board" if side is None else f"virtual cable board, {side}",
        world=world,
        restarts=restarts,
        paces=paces,
        max_body=max_body,
    )


def two_boards(
    session: Session,
    *,
    now: float = 0.0,
    ppm: tuple[float, float] = (0.0, 0.0),
    loop: bool = False,
    faults: Sequence[Fault] = (),
    max_body: int = MAX_BODY,
) -> tuple[VirtualBoard, VirtualBoard]:
    """The boards of the left and the right cable, each with its own clock; the first START begins their world."""
    world = World()
    left, right = (
        session_board(session, side=side, now=now, ppm=each, loop=loop, faults=faults, world=world, max_body=max_body)
        for side, each in zip(SIDES, ppm, strict=True)
    )
    return left, right


def twin(
    driver: str,
    session: Session,
    *,
    side: Side = "left",
    line: LineFormat | None = None,
    rate_hz: float = 80.0,
    now: float = 0.0,
    ppm: float = 0.0,
    loop: bool = False,
    faults: Sequence[Fault] = (),
    world: World | None = None,
) -> Twin:
    """The twin of another maker's device at one cable of a session; four cells, and lines, may be at both.

    line, rate_hz: of an ascii-line, None: its microseconds and the force of that cable. Raises ValueError for a driver
    that has no twin, and where the session has no such channel.
    """
    if line is None:
        line = LineFormat(("time_us", f"{side}_force_n"))
    names = {
        "chronojump-four": [f"{each}_force_n" for each in SIDES],
        "chronojump-encoder": [f"{side}_position_m"],
        "ascii-line": [_channel(column, side) for column in line.columns if column not in (*TIMES, SKIP)],
    }.get(driver, [f"{side}_force_n"])
    absent = [name for name in names if name not in session.scenario.channels]
    if absent:
        raise ValueError(f"{session.scenario.name} has no {absent[0]}")
    signals = Signals(session, names, loop=loop, faults=faults)
    seed = session.scenario.seed * 4 + SIDES.index(side)
    if driver == "tindeq":
        return SimulatedTindeq(signals, now=now, ppm=ppm, seed=seed, world=world)
    if driver == "ascii-line":
        return SimulatedAsciiLine(signals, line, rate_hz=rate_hz, now=now, ppm=ppm, seed=seed, world=world)
    kinds = {
        "chronojump-force": SimulatedForceSensor,
        "chronojump-four": SimulatedFourCells,
        "chronojump-encoder": SimulatedEncoder,
    }
    if driver not in kinds:
        raise ValueError(f"there is no twin of {driver!r}; known: cablelink, {', '.join(TWINS)}")
    return kinds[driver](signals, now=now, ppm=ppm, seed=seed, world=world)


def _channel(column: str, side: Side) -> str:
    """The channel of a session that a column shows."""
    kind = "force_n" if "force" in column else "position_m"
    own = next((each for each in SIDES if column.startswith(each)), side)
    name = f"{own}_{kind}"
    assert name in CHANNELS
    return name

"""Boards of a simulated station: one for both cables, or one for each, that see the same world."""

from __future__ import annotations

from collections.abc import Sequence

from protocols.events import SIDES, Side
from protocols.framing import MAX_BODY
from simulators.scenarios import Fault, Session
from simulators.sources import SessionSource
from simulators.virtual_board import VirtualBoard, World


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

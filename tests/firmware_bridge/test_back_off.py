"""However long a board was away, it streams again within five seconds of its return."""

from __future__ import annotations

import asyncio
from itertools import pairwise

import pytest

from tests.conformance.cases import CASES
from tests.conformance.lives import alive
from tests.conformance.virtual_time import Socket, SocketLink, run

WITHIN = 5.0  # s
AWAY = 1200.0  # s
CABLELINK = next(case for case in CASES if case.name == "cablelink")


async def gaps_and_return(monkeypatch: pytest.MonkeyPatch) -> tuple[list[float], float]:
    """The times between two attempts while a board is away, and how long it takes to stream when it is there, s."""
    attempts: list[float] = []
    loop, open_link = asyncio.get_running_loop(), Socket.open

    async def attempted(socket: Socket) -> SocketLink:
        attempts.append(loop.time())
        return await open_link(socket)

    monkeypatch.setattr(Socket, "open", attempted)
    async with alive(CABLELINK) as life:
        await life.more()
        life.socket.is_plugged = False
        await asyncio.sleep(AWAY)
        life.socket.is_plugged = True
        seen = life.samples
        await life.until(lambda: life.samples > seen)
        return [b - a for a, b in pairwise(attempts[1:])], loop.time() - attempts[-1]


def test_a_board_that_comes_back_streams_again_in_time_whenever_that_is(monkeypatch: pytest.MonkeyPatch) -> None:
    gaps, taken = run(gaps_and_return(monkeypatch))
    assert len(gaps) > AWAY / WITHIN
    assert max(gaps) + taken < WITHIN

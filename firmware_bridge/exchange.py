"""Commands that are repeated until they are acknowledged. A repeat is the same bytes, so that it takes effect once.

One command waits at a time: some devices hear two at once as none, and their answers name the command alone.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Awaitable, Callable
from typing import Final

from firmware_bridge.protocol import Command
from protocols.cablelink import AckResult

REPEATS: Final = 3


class Exchange:
    """The commands of one link that wait for their ACK."""

    def __init__(self, send: Callable[[bytes], Awaitable[None]], *, ack_within: float) -> None:
        """`ack_within`: s after which a command is repeated that does not say how long its answer takes."""
        self._send = send
        self._ack_within = ack_within
        self._waiting: dict[int, asyncio.Future[int]] = {}
        self._turn = asyncio.Lock()

    async def command(self, command: Command) -> int | None:
        """Send a command until it is acknowledged; its result (0: done), None without an answer. Raises LinkError.

        One that is never answered is done when it is sent.
        """
        async with self._turn:
            if command.key is None:
                await self._send(command.data)
                return AckResult.DONE
            return await self._answered(command.key, command)

    async def _answered(self, key: int, command: Command) -> int | None:
        answer: asyncio.Future[int] = asyncio.get_running_loop().create_future()
        self._waiting[key] = answer
        try:
            for _ in range(1 + REPEATS):
                await self._send(command.data)
                with contextlib.suppress(TimeoutError):
                    async with asyncio.timeout(command.within or self._ack_within):
                        return await asyncio.shield(answer)
            return None
        finally:
            del self._waiting[key]

    def acknowledged(self, of_sequence: int, result: int) -> None:
        """An ACK came; one for nobody (a repeat's) is let go."""
        answer = self._waiting.get(of_sequence)
        if answer is not None and not answer.done():
            answer.set_result(result)

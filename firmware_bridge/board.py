"""One board's life: its link is opened, lived on, lost, and opened again, for ever."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Final, Protocol

from firmware_bridge.ble_radio import Radio
from firmware_bridge.board_session import BoardSession, GivenUpError, ProblemName, Timing
from firmware_bridge.drivers import BoardConfig, check_url, link_problem, make_driver, open_link
from firmware_bridge.link import About, Chunk, Link, LinkError
from firmware_bridge.messages import Message
from protocols.cablelink import AckResult

USUAL: Final = Timing()
SPREAD: Final = 0.2  # of a back-off, so that the boards of a gym do not all come back at once


@dataclass(frozen=True, slots=True, kw_only=True)
class BoardProblem:
    """Something that stands between us and a board, or no longer does. detail says what to do, in one line."""

    board: str
    name: ProblemName
    raised: bool
    detail: str = ""


class Sink(Protocol):
    """Where a board's input goes: it decodes, and hands back what the board's life depends on."""

    def link_up(self, board: str, received_at: float) -> None:
        """The link opened."""

    def chunk(self, board: str, chunk: Chunk) -> list[Message]:
        """Bytes came; returns the messages that they completed."""

    def about(self, board: str, received_at: float, about: About) -> None:
        """What the board says of itself to its link; more than once where that changes."""

    def link_down(self, board: str, received_at: float, reason: str) -> None:
        """The link was lost or closed."""


class Board:
    """Owns one link. `run` goes on until it is cancelled, whatever the board does."""

    def __init__(
        self,
        config: BoardConfig,
        sink: Sink,
        problems: Callable[[BoardProblem], None],
        *,
        radio: Radio | None = None,
        timing: Timing = USUAL,
        seed: int | None = None,
        opens: Callable[[], Awaitable[Link]] | None = None,
    ) -> None:
        """Take the configuration and where input and problems go.

        `radio`: the Bluetooth that all boards share, None: its own. `seed`: of the back-off's spread, None: the id.
        `opens`: makes the link, None: as the URL says.

        Raises ValueError for a wrong URL, an unknown driver, or what does not go with it.
        """
        self._driver = make_driver(config)
        if opens is None:
            check_url(config.url)
            problem = link_problem(config)
            if problem is not None:
                raise ValueError(problem)
        self.config = config
        self._opens = opens
        self._sink, self._problems, self._timing = sink, problems, timing
        self._radio = radio or Radio()
        self._random = random.Random(config.id if seed is None else seed)
        self._standing: BoardProblem | None = None
        self._session: BoardSession | None = None

    async def run(self) -> None:
        """Live until cancelled; then the board is stopped and the link closed."""
        wait = self._timing.back_off
        while True:
            away = 0.0
            try:
                link = await self._open()
            except LinkError as error:
                self._report("board_absent", str(error))
            else:
                session = self._begun(link)
                away = await self._live(session)
                if session.has_streamed:
                    wait = self._timing.back_off
            await asyncio.sleep(max(wait * self._random.uniform(1.0 - SPREAD, 1.0 + SPREAD), away))
            wait = min(2.0 * wait, self._timing.back_off_most)

    async def _open(self) -> Link:
        if self._opens is not None:
            return await self._opens()
        return await open_link(
            self.config.url, baud=self._driver.capabilities.baud, driver=self.config.driver, radio=self._radio
        )

    async def identify(self, *, seconds: int = 5) -> str | None:
        """Let the board blink. Returns None when it does, else why not."""
        if not self._driver.capabilities.identifies:
            return f"board {self.config.id}: {self._driver.capabilities.name} cannot show itself"
        return await self._ask(lambda session: session.identify(seconds=seconds))

    async def tare(self, *, samples: int) -> str | None:
        """Let the board tare its channels. Returns None when it has begun to, else why not."""
        if not self._driver.capabilities.tares:
            return f"board {self.config.id}: {self._driver.capabilities.name} has no tare of its own; tare the station"
        return await self._ask(lambda session: session.tare(samples=samples))

    async def _ask(self, command: Callable[[BoardSession], Awaitable[int | None]]) -> str | None:
        if self._session is None or not self._session.has_streamed:
            return f"board {self.config.id} is not connected"
        try:
            result = await command(self._session)
        except LinkError as error:
            return str(error)
        if result is None:
            return f"board {self.config.id} does not answer"
        return None if result == AckResult.DONE else f"board {self.config.id} refuses it with {result}"

    def _begun(self, link: Link) -> BoardSession:
        return BoardSession(
            link,
            url=self.config.url,
            rate_hz=self.config.rate_hz,
            batch=self.config.batch,
            driver=self._driver,
            deliver=lambda chunk: self._sink.chunk(self.config.id, chunk),
            report=self._report,
            tell=lambda about: self._sink.about(self.config.id, asyncio.get_running_loop().time(), about),
            timing=self._timing,
        )

    async def _live(self, session: BoardSession) -> float:
        """One session to its end; returns for how long, s, there is no point in another."""
        self._session = session
        why, away = "closed", 0.0
        self._sink.link_up(self.config.id, asyncio.get_running_loop().time())
        try:
            await session.run()
        except LinkError as lost:
            why = str(lost)
            problem: ProblemName = lost.problem if isinstance(lost, GivenUpError) else "link_lost"
            self._report(problem, why)
            if problem == "board_version":
                away = self._timing.refused_for
        finally:
            self._session = None
            try:
                await session.close()
            finally:
                self._sink.link_down(self.config.id, asyncio.get_running_loop().time(), why)
        return away

    def _report(self, name: ProblemName | None, detail: str) -> None:
        """Pass a problem on if it is news; None: there is none any more."""
        standing = self._standing
        if standing is not None and (standing.name, name) == ("link_lost", "board_absent"):
            name = "link_lost"  # it is the same trouble, seen from the next attempt
        if standing is not None and standing.name != name:
            self._problems(BoardProblem(board=self.config.id, name=standing.name, raised=False))
            self._standing = None
        if name is not None and (standing is None or (standing.name, standing.detail) != (name, detail)):
            self._standing = BoardProblem(board=self.config.id, name=name, raised=True, detail=detail)
            self._problems(self._standing)

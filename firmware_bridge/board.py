"""One board's life: opened, asked who it is, started, listened to, missed, and opened again."""

from __future__ import annotations

import asyncio
import contextlib
import random
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final, Literal, Protocol

from firmware_bridge.cablelink_driver import MAJOR, CablelinkCommander
from firmware_bridge.drivers import BoardConfig, make_driver, open_link
from firmware_bridge.link import Chunk, Link, LinkError
from firmware_bridge.messages import Acknowledged, Identity, Message

ASK_EVERY: Final = 0.5  # s, who a board is that has not said so
STRANGE_AFTER: Final = 2.0  # s without a valid frame
ACK_WITHIN: Final = 0.2  # s
REPEATS: Final = 3
PING_EVERY: Final = 1.0  # s
EARLY_PINGS: Final = 5  # of them at once, so that the clock is known soon
EARLY_PING_EVERY: Final = 0.1  # s
ASK_AGAIN_AFTER: Final = 1.5  # s of silence while streaming
GIVE_UP_AFTER: Final = 3.0  # s of it
LOOK_EVERY: Final = 0.1  # s
BACK_OFF: Final = 0.25  # s, doubled up to BACK_OFF_MOST
BACK_OFF_MOST: Final = 5.0  # s
REFUSED_FOR: Final = 30.0  # s until a board of a higher version is asked again
STOP_WITHIN: Final = 0.3  # s

ProblemName = Literal[
    "board_absent", "board_silent", "board_junk", "board_version", "board_refuses", "board_lost", "board_config"
]


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

    def link_down(self, board: str, received_at: float, reason: str) -> None:
        """The link was lost or closed."""


class VersionError(Exception):
    """The board speaks a later major version."""


class Board:
    """Owns one link. `run` goes on until it is cancelled, whatever the board does."""

    def __init__(self, config: BoardConfig, sink: Sink, problems: Callable[[BoardProblem], None]) -> None:
        """Take the configuration and where input and problems go. Raises ValueError for an unknown driver."""
        self.config = config
        self._sink = sink
        self._problems = problems
        self._commander: CablelinkCommander = make_driver(config.driver).commander
        self._standing: ProblemName | None = None
        self._random = random.Random(config.id)  # spreads reconnects of many boards, the same at each run
        self._link: Link | None = None
        self._identities: dict[int, Identity] = {}
        self._to_start: list[int] = []
        self._acks: dict[int, asyncio.Future[int]] = {}
        self._bytes = 0
        self._frames = 0
        self._last_frame = 0.0

    async def run(self) -> None:
        """Live until cancelled."""
        wait = BACK_OFF
        while True:
            try:
                link = await open_link(self.config.url)
            except LinkError as error:
                self._raise("board_absent" if self._standing != "board_lost" else "board_lost", str(error))
            except ValueError as error:
                self._raise("board_config", str(error))
            else:
                frames = self._frames
                reason = await self._session(link)
                if self._frames > frames:
                    wait = BACK_OFF
                if reason is not None:
                    wait = max(wait, reason)
            await asyncio.sleep(wait * self._random.uniform(0.8, 1.2))
            wait = min(2.0 * wait, BACK_OFF_MOST)

    async def _session(self, link: Link) -> float | None:
        """One link from its opening to its loss; returns how long to stay away, None: the usual back-off."""
        self._link = link
        self._identities.clear()
        self._to_start.clear()
        self._bytes, self._last_frame = 0, time.monotonic()
        self._sink.link_up(self.config.id, time.monotonic())
        why, away = "closed", None
        try:
            async with asyncio.TaskGroup() as tasks:
                tasks.create_task(self._listen(link), name=f"{self.config.id}: listen")
                tasks.create_task(self._live(link), name=f"{self.config.id}: live")
        except* LinkError as lost:
            why = str(lost.exceptions[0])
            self._raise("board_lost", why)
        except* VersionError as refused:
            why, away = str(refused.exceptions[0]), REFUSED_FOR
            self._raise("board_version", why)
        finally:
            self._link = None
            for waiting in self._acks.values():
                waiting.cancel()
            self._acks.clear()
            with contextlib.suppress(LinkError, TimeoutError):
                async with asyncio.timeout(STOP_WITHIN):
                    for source in self._identities:
                        await link.send(self._commander.stop(source)[1])
            await link.close()
            self._sink.link_down(self.config.id, time.monotonic(), why)
        return away

    async def _listen(self, link: Link) -> None:
        while True:
            chunk = await link.receive()
            self._bytes += len(chunk.data)
            for message in self._sink.chunk(self.config.id, chunk):
                self._frames += 1
                self._last_frame = chunk.received_at
                if isinstance(message, Identity):
                    self._identified(message)
                elif isinstance(message, Acknowledged):
                    waiting = self._acks.pop(message.of_sequence, None)
                    if waiting is not None and not waiting.done():
                        waiting.set_result(message.result)

    def _identified(self, identity: Identity) -> None:
        known = self._identities.get(identity.source)
        if identity.major > MAJOR:
            raise VersionError(
                f"{self.config.url}: the board speaks cablelink {identity.major}, this program {MAJOR}; update it"
            )
        self._identities[identity.source] = identity
        if known is None or known.boot_id != identity.boot_id:
            self._to_start.append(identity.source)

    async def _live(self, link: Link) -> None:
        opened = time.monotonic()
        asked = pinged = -1e9
        pings = 0
        while True:
            now = time.monotonic()
            while self._to_start:
                await self._start(link, self._identities[self._to_start.pop(0)])
            if not self._identities and now - asked >= ASK_EVERY:
                asked = now
                await link.send(self._commander.who())
            if not self._identities and now - opened >= STRANGE_AFTER:
                self._strange()
            if self._identities:
                silent = now - self._last_frame
                if silent >= GIVE_UP_AFTER:
                    raise LinkError(f"{self.config.url}: the board fell silent")
                if silent >= ASK_AGAIN_AFTER and now - asked >= ASK_EVERY:
                    asked = now
                    await link.send(self._commander.who())
                if now - pinged >= (EARLY_PING_EVERY if pings < EARLY_PINGS else PING_EVERY):
                    pinged, pings = now, pings + 1
                    for source in self._identities:
                        await link.send(self._commander.ping(source, now=time.monotonic()))
            await asyncio.sleep(LOOK_EVERY if self._identities else 0.02)

    def _strange(self) -> None:
        if self._bytes:
            self._raise(
                "board_junk",
                f"{self.config.url}: {self._bytes} bytes and no {self.config.driver} in them; "
                "is the baud rate right, and is it this kind of board?",
            )
        else:
            self._raise("board_silent", f"{self.config.url}: opened, but nothing is heard; is the board running?")

    async def _start(self, link: Link, identity: Identity) -> None:
        sequence, data = self._commander.start(identity, rate_hz=self.config.rate_hz, batch=self.config.batch)
        result = await self._command(link, sequence, data)
        if result == 0:
            self._clear()
        elif result is None:
            self._raise("board_refuses", f"{self.config.url}: the board does not answer START")
        else:
            self._raise(
                "board_refuses", f"{self.config.url}: the board refused START with {result}; is the rate right?"
            )

    async def _command(self, link: Link, sequence: int, data: bytes) -> int | None:
        """Send a command until it is acknowledged; its result, None when there was no answer."""
        answer: asyncio.Future[int] = asyncio.get_running_loop().create_future()
        self._acks[sequence] = answer
        try:
            for _ in range(REPEATS + 1):
                await link.send(data)
                with contextlib.suppress(TimeoutError):
                    async with asyncio.timeout(ACK_WITHIN):
                        return await asyncio.shield(answer)
            return None
        finally:
            self._acks.pop(sequence, None)

    async def identify(self, *, seconds: int = 5) -> str | None:
        """Let the board blink. Returns None when it does, else why not."""
        link = self._link
        if link is None or not self._identities:
            return f"board {self.config.id} is not connected"
        try:
            for source in self._identities:
                result = await self._command(link, *self._commander.identify(source, seconds=seconds))
                if result != 0:
                    return f"board {self.config.id} {'does not answer' if result is None else 'cannot do that'}"
        except LinkError as error:
            return str(error)
        return None

    def _raise(self, name: ProblemName, detail: str) -> None:
        if self._standing == name:
            return
        self._clear()
        self._standing = name
        self._problems(BoardProblem(board=self.config.id, name=name, raised=True, detail=detail))

    def _clear(self) -> None:
        if self._standing is not None:
            cleared, self._standing = self._standing, None
            self._problems(BoardProblem(board=self.config.id, name=cleared, raised=False))

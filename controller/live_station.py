"""A station's boards read without measuring: what they are, and their counts as they come."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from typing import Final

from controller.calibration_file import CalibratedStation, Kind
from controller.wiring import Key, ProblemName, Wire, Wiring, wiring
from firmware_bridge.ble_radio import Radio
from firmware_bridge.board import Board, BoardProblem
from firmware_bridge.drivers import make_driver
from firmware_bridge.link import About, Chunk
from firmware_bridge.messages import (
    BoardStatus,
    ChannelInfo,
    ClockState,
    Identity,
    Message,
    ReaderCounters,
    SampleBlock,
)
from protocols.events import SIDES, Side

KNOWN_WITHIN: Final = 8.0  # s for a board to say what it is
HUB: Final = 0.5  # s that the other sources of a hub have after the first
SILENT: Final = 5.0  # s without samples
MOST_WAITING: Final = 20_000  # blocks, while a person thinks; half a minute of the fastest boards


class LiveError(Exception):
    """A board cannot be read; one line that says why."""


@dataclass(frozen=True, slots=True)
class LiveChannel:
    """One channel of a board that runs."""

    key: Key
    wiring: Wiring
    wire: Wire

    @property
    def name(self) -> str:
        """As people call it: left force."""
        return f"{self.wire.side} {self.wire.kind}"

    @property
    def info(self) -> ChannelInfo:
        """What the board says of it."""
        return self.wiring.identity.channels[self.wire.column]

    def nominal(self, counts: float) -> float:
        """What the board's own scale makes of counts, N or m."""
        return (counts - self.info.offset) * self.info.scale

    def saturated(self, block: SampleBlock) -> bool:
        """Whether the board says that this cell was at the end of its range."""
        if self.wire.kind != "force":
            return False
        bits = zip(SIDES, block.saturated, strict=True)
        return any(on and self.wiring.side_of("force", said) == self.wire.side for said, on in bits)


class LiveStation:
    """What the boards of a station say. Made by `opened`."""

    def __init__(self, config: CalibratedStation) -> None:
        self.config = config
        self._readers = {board.id: make_driver(board).reader for board in config.board}
        self._identities: dict[Key, Identity] = {}
        self._statuses: dict[Key, BoardStatus] = {}
        self._abouts: dict[str, About] = {}
        self._problems: dict[str, str] = {}
        self._unused: dict[Key, str] = {}  # why not all of a board's channels can be read
        self._wirings: dict[Key, Wiring] = {}
        self._blocks: asyncio.Queue[tuple[Key, SampleBlock]] = asyncio.Queue(MOST_WAITING)
        self._news = asyncio.Event()

    # -- the boards' sink

    def link_up(self, board: str, received_at: float) -> None:
        """A board's link opened."""
        del received_at
        self._readers[board].link_up()

    def chunk(self, board: str, chunk: Chunk) -> list[Message]:
        """A board's bytes came."""
        messages = self._readers[board].feed(chunk)
        for message in messages:
            if isinstance(message, Identity):
                self._identities[Key(board, message.source)] = message
                self._news.set()
            elif isinstance(message, BoardStatus):
                self._statuses[Key(board, message.source)] = message
            elif isinstance(message, SampleBlock):
                if self._blocks.full():
                    self._blocks.get_nowait()  # nobody has looked for long
                self._blocks.put_nowait((Key(board, message.source), message))
        return messages

    def about(self, board: str, received_at: float, about: About) -> None:
        """What a board says of itself to its link."""
        del received_at
        self._abouts[board] = about

    def link_down(self, board: str, received_at: float, reason: str) -> None:
        """A board's link was lost or closed; what that means comes as a problem."""

    def problem(self, problem: BoardProblem) -> None:
        """Something stands between us and a board, or no longer does."""
        if problem.raised:
            self._problems[problem.board] = problem.detail
        else:
            self._problems.pop(problem.board, None)
        self._news.set()

    # -- for whoever reads

    async def channels(self, *, within: float = KNOWN_WITHIN) -> list[LiveChannel]:
        """What can be read, once every board has said what it is or why it cannot. Raises LiveError for nothing.

        within: s that the boards get for it.
        """
        try:
            async with asyncio.timeout(within):
                while {key.board for key in self._identities} | set(self._problems) != set(self._readers):
                    self._news.clear()
                    await self._news.wait()
                await asyncio.sleep(HUB)
        except TimeoutError:
            pass
        found: list[LiveChannel] = []
        for key, identity in self._identities.items():
            taken = {(each.wire.side, each.wire.kind) for each in found}
            known = wiring(self.config, key, identity, taken=taken)
            found += [LiveChannel(key, known, wire) for wire in known.wires]
            unused = [text for name, text in known.problems.items() if name != "calibration_foreign"]
            self._unused[key] = "; ".join(unused)
            self._wirings[key] = known
        if not found:
            raise LiveError(self.trouble or "no board says what it is; is it switched on?")
        return found

    @property
    def trouble(self) -> str:
        """What is wrong with the boards and their channels, in one line; empty where nothing is."""
        return "; ".join(text for text in (*self._problems.values(), *self._unused.values()) if text)

    async def channel(self, side: Side, kind: Kind) -> tuple[LiveChannel, list[LiveChannel]]:
        """One channel, and those beside it. Raises LiveError when there is none."""
        found = await self.channels()
        for each in found:
            if (each.wire.side, each.wire.kind) == (side, kind):
                return each, [other for other in found if other is not each]
        known = ", ".join(each.name for each in found)
        why = f"; {self.trouble}" if self.trouble else ""
        raise LiveError(f"there is no {side} {kind}; the boards have {known}{why}")

    @property
    def identities(self) -> dict[Key, Identity]:
        """What the boards have said that they are."""
        return dict(self._identities)

    def wiring_problems(self, key: Key) -> dict[ProblemName, str]:
        """What cannot be used of a source, or not as it was meant, since `channels` was last asked."""
        known = self._wirings.get(key)
        return dict(known.problems) if known is not None else {}

    @property
    def problems(self) -> dict[str, str]:
        """What stands between us and a board, by its id."""
        return dict(self._problems)

    def counters(self, board: str) -> ReaderCounters:
        """What has come in from a board since it was opened."""
        return replace(self._readers[board].counters)

    def clock(self, key: Key) -> ClockState | None:
        """How a source's clock runs, None before anything is known of it."""
        return self._readers[key.board].clocks.get(key.source)

    def status(self, key: Key) -> BoardStatus | None:
        """What a source last said of its battery and its signal, None: nothing."""
        return self._statuses.get(key)

    def label(self, board: str) -> About:
        """What a board has said of itself to its link."""
        return self._abouts.get(board, About())

    async def next_block(self, *, within: float) -> tuple[Key, SampleBlock] | None:
        """The next samples of any board, None when none come within so many seconds."""
        try:
            async with asyncio.timeout(within):
                return await self._blocks.get()
        except TimeoutError:
            return None

    def forget(self) -> None:
        """Leave out what has come so far."""
        while not self._blocks.empty():
            self._blocks.get_nowait()

    async def block(self, board: str) -> tuple[Key, SampleBlock]:
        """The next samples of any board. Raises LiveError when `board` is in trouble, or nothing comes."""
        for _ in range(round(SILENT / 0.25)):
            if board in self._problems:
                raise LiveError(self._problems[board])
            found = await self.next_block(within=0.25)
            if found is not None:
                return found
        raise LiveError(f"board {board} sends no samples; is it switched on?")


@asynccontextmanager
async def opened(config: CalibratedStation, *, radio: Radio | None = None) -> AsyncIterator[LiveStation]:
    """A station whose boards live as long as the context; they are stopped and their links closed at its end.

    radio: the Bluetooth that several stations share, None: one of its own.
    """
    live = LiveStation(config)
    radio = radio or Radio()
    boards = [Board(each, live, live.problem, radio=radio) for each in config.board]
    tasks = [asyncio.create_task(board.run(), name=f"board {board.config.id}") for board in boards]
    try:
        yield live
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

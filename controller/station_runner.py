"""One live station: its boards' input is recorded, measured, and handed to whoever shows it."""

from __future__ import annotations

import asyncio
import contextlib
import functools
import time
from collections import deque
from collections.abc import Callable, Collection, Mapping, Sequence
from math import inf
from pathlib import Path
from typing import Final, Literal, Protocol

import msgspec
from msgspec import Struct
from msgspec.structs import replace

from controller.commands import Identify, Refused, checked, fields_of
from controller.config import RecordingConfig, StationConfig
from controller.display import Status
from controller.live_recording import LiveRecording
from controller.pipeline import Pipeline
from controller.resume import Start
from controller.voice import Level, Said
from firmware_bridge.ble_radio import Radio
from firmware_bridge.board import Board, BoardProblem
from firmware_bridge.link import About, Chunk
from firmware_bridge.messages import Message
from protocols.events import AnyEvent, CommandResult, Info, State, kind
from protocols.recording import AboutIn, ChunkIn, CommandIn, Input, LinkDown, LinkUp, ProblemIn, Resumed, Tick

TELEMETRY_EVERY: Final = 0.1  # s
TICK_EVERY: Final = 1.0  # s
STATE_EVERY: Final = 1.0  # s at least from one state to the next
HEALTH_EVERY: Final = 10.0  # s
HELD_AT_MOST: Final = 0.1  # s that an event waits for a slow disk to take what it came of
SERIOUS: Final = frozenset({"board_junk", "board_foreign", "board_version", "board_refuses"})


class Consumer(Protocol):
    """Somebody who shows or sends what a station says, without ever making it wait."""

    def offer(self, station_id: str, kind: str, payload: Struct, /) -> None:
        """Take one payload."""


class Outputs(Protocol):
    """What the outputs hold, for the station's health."""

    @property
    def depth(self) -> int:
        """Events that wait."""

    @property
    def unsaved(self) -> int | None:
        """Of these, those that wait in memory only, None where there is no file for them."""

    @property
    def events_dropped(self) -> int:
        """Events that made room for newer ones, or grew too old."""

    @property
    def dead_letters(self) -> int:
        """Events that the broker refused."""

    @property
    def telemetry_dropped(self) -> int:
        """Readings overtaken by newer ones."""


class StationRunner:
    """Owns a station's pipeline, recording and boards. Everything here runs in the event loop's thread."""

    def __init__(
        self,
        config: StationConfig,
        *,
        recording: RecordingConfig,
        start: Start,
        say: Callable[[str], None],
        radio: Radio | None = None,
        log: Callable[[AnyEvent], None] | None = None,
    ) -> None:
        """recording: where and how; start: with what it begins; log: sees every event.

        radio: the gateway's Bluetooth, None: one of its own.
        """
        self.config = config
        self.consumers: list[Consumer] = []
        self.outputs: Outputs | None = None
        self._say = say
        self._log = log
        self._loop = asyncio.get_running_loop()
        self._start = start
        self._recording = LiveRecording(config, recording, start, trouble=self._recorder_trouble, say=say)
        going_on = start.going_on
        self.pipeline = going_on.pipeline if going_on is not None else Pipeline(self._recording.header)
        radio = radio or Radio()
        self.boards = [Board(board, self, self._problem, radio=radio) for board in config.board]
        self._state: State | None = None
        self._state_after = -inf  # host monotonic, s; the next one may come then
        self._state_waits = False
        self._info: Info | None = None
        self._online: bool | None = None
        self._finished = False
        self._held: deque[AnyEvent] = deque()  # until what they came of is recorded
        self._said = self._released = 0  # events, of this life of the session

    @property
    def recording(self) -> Path | None:
        """The file that is written, if any."""
        recorder = self._recording.recorder
        return recorder.path if recorder is not None else None

    @property
    def said_before(self) -> int:
        """The number of the last event that was said before this start and is offered again, 0 where there is none."""
        return self._start.said_up_to

    # -- inputs: the boards' sink

    def link_up(self, board: str, received_at: float) -> None:
        """A board's link opened."""
        self._input(LinkUp(board=board, received_at=received_at))

    def chunk(self, board: str, chunk: Chunk) -> list[Message]:
        """A board's bytes came."""
        return self._input(ChunkIn(board=board, received_at=chunk.received_at, data=chunk.data))

    def about(self, board: str, received_at: float, about: About) -> None:
        """What a board says of itself to its link."""
        self._input(
            AboutIn(
                board=board,
                received_at=received_at,
                model=about.model,
                firmware=about.firmware,
                battery_pct=about.battery_pct,
            )
        )

    def link_down(self, board: str, received_at: float, reason: str) -> None:
        """A board's link was lost or closed."""
        self._input(LinkDown(board=board, received_at=received_at, reason=reason))

    def _problem(self, problem: BoardProblem) -> None:
        where = f"{self.config.id}: board {problem.board}"
        level: Level = "error" if problem.name in SERIOUS else "warning"
        text = f"{where}: {problem.detail}" if problem.raised else f"{where}: {problem.name} is over"
        self._say(Said(text, level=level if problem.raised else "info", station=self.config.id))
        self._input(
            ProblemIn(
                board=problem.board,
                received_at=time.monotonic(),
                name=problem.name,
                raised=problem.raised,
                severity="error" if problem.name in SERIOUS else "warning",
                detail=problem.detail,
            )
        )

    def _recorder_trouble(self, detail: str | None) -> None:
        """Called from the recorder's thread."""
        self._loop.call_soon_threadsafe(self._recorder_said, detail)

    def _recorder_said(self, detail: str | None) -> None:
        level: Level = "error" if detail is not None else "info"
        self._say(Said(detail or f"{self.config.id}: recording works again", level=level, station=self.config.id))
        self.output_problem("recorder", detail)

    def output_problem(self, name: str, detail: str | None) -> None:
        """An output is in trouble, None: no longer. Not to be called from within a consumer's `offer`."""
        self._input(
            ProblemIn(
                board="",
                received_at=time.monotonic(),
                name=name,
                raised=detail is not None,
                severity="error",
                detail=detail or "",
            )
        )

    def _input(self, record: Input) -> list[Message]:
        if self._finished:
            return []
        self._recording.put(record)
        messages = self.pipeline.feed(record)
        self._publish_events()
        return messages

    def _publish_events(self) -> None:
        events = self.pipeline.events()
        if not events:
            return
        self._hold(events)
        written = functools.partial(self._loop.call_soon_threadsafe, self._release, self._said)
        if self._recording.when_written(written):
            self._loop.call_later(HELD_AT_MOST, self._release, self._said)
        else:
            self._release(self._said)

    def _hold(self, events: Sequence[AnyEvent]) -> None:
        for event in events:
            self._recording.said(event)
            self._held.append(event)
        self._said += len(events)

    def _release(self, number: int) -> None:
        """Let the events up to the session's so-many-th go out: what they came of is recorded."""
        while self._released < number:
            self._released += 1
            self._tell(self._held.popleft())

    def _tell(self, event: AnyEvent) -> None:
        if self._log is not None:
            self._log(event)
        self._offer(kind(event), event)

    def _offer(self, name: str, payload: Struct) -> None:
        for consumer in self.consumers:
            consumer.offer(self.config.id, name, payload)

    # -- life

    async def run(self, *, problems: Mapping[str, str]) -> None:
        """Run the boards and the station's own clock until cancelled; then close the session.

        problems: what the outputs suffer from already, by name.
        """
        try:
            self._begin()
            for name, detail in problems.items():
                self.output_problem(name, detail)
            async with asyncio.TaskGroup() as tasks:
                for board in self.boards:
                    tasks.create_task(board.run(), name=f"{self.config.id}: board {board.config.id}")
                tasks.create_task(self._beat(), name=f"{self.config.id}: beat")
        finally:
            await self._finish()

    def _begin(self) -> None:
        """Offer again what was said before a kill, and let the session go on that it cut."""
        for event in self._start.events:
            self._tell(event)
        if self._start.going_on is not None:
            self._input(Resumed(received_at=time.monotonic()))
        self._start = Start()

    async def _finish(self) -> None:
        """Close the session, and let its events out once they are recorded; meanwhile other stations do the same."""
        self._finished = True
        self._recording.end(self.pipeline)
        self._hold(self.pipeline.events())
        closing = asyncio.ensure_future(asyncio.to_thread(self._recording.close))
        while not closing.done():  # in a time of its own, so whoever cancels again has to wait for it
            with contextlib.suppress(asyncio.CancelledError):
                await asyncio.shield(closing)
        self._release(self._said)
        self._show()

    def delivered(self) -> None:
        """The outputs have taken all events for good."""
        self._recording.delivered()

    async def _beat(self) -> None:
        """Tell the core the time, and the outputs where the station stands."""
        next_tick = next_health = time.monotonic()
        while True:
            now = time.monotonic()
            if now >= next_tick:
                next_tick = max(next_tick + TICK_EVERY, now)
                self._input(Tick(received_at=now))
                self._recording.tend(self.pipeline)
                self._show()
            if self._state_waits:
                self._show_state(now)
            if now >= next_health:
                next_health = now + HEALTH_EVERY
                self.show_health()
            if self.pipeline.station.active:
                self._offer("telemetry", self.pipeline.telemetry())
            await asyncio.sleep(TELEMETRY_EVERY)

    def _show(self) -> None:
        """Publish status, state and info where they have changed, the state unless the last one is too young."""
        online = self.pipeline.online and not self._finished
        if online != self._online:
            self._online = online
            missing = [name for name, up in self.pipeline.links.items() if not up]
            detail = f"no link to board {', '.join(missing)}" if missing else ""
            self._offer(
                "status",
                Status(ts=time.time_ns() // 1_000_000, status="online" if online else "offline", detail=detail),
            )
            self.show_health()
        self._show_state(time.monotonic())
        info = self.pipeline.info()
        if self._info is None or not _same(info, self._info):
            self._info = info
            self._offer("info", info)

    def _show_state(self, now: float) -> None:
        self._state_waits = now < self._state_after and not self._finished
        if self._state_waits:
            return
        state = self.pipeline.state()
        if self._state is None or not _same(state, self._state):
            self._state, self._state_after = state, now + STATE_EVERY
            self._offer("state", state)

    def show_health(self) -> None:
        """Publish the station's health: how well the boards are heard, and what the outputs hold."""
        health = replace(self.pipeline.health(), recorder_dropped_bytes=self._recording.dropped)
        if self.outputs is not None:
            health = replace(
                health,
                outbox_depth=self.outputs.depth,
                outbox_unsaved=self.outputs.unsaved,
                events_dropped=self.outputs.events_dropped,
                dead_letters=self.outputs.dead_letters,
                telemetry_dropped=self.outputs.telemetry_dropped,
            )
        self._offer("health", health)

    # -- commands

    async def command(self, name: str, payload: bytes, *, allowed: Collection[str] | None = None) -> CommandResult:
        """Check a command, carry it out, and say how that went."""
        now_ms = time.time_ns() // 1_000_000
        try:
            command = checked(name, payload, now_ms=now_ms, station=self.config.id, allowed=allowed)
        except Refused as refused:
            return self._answer(refused.request, str(refused))
        reason: str | None = None
        if self._finished:
            reason = "the controller ends; ask again when it is there"
        elif isinstance(command, Identify):
            reason = await self._identify(command)
        else:
            record = CommandIn(name=name, received_at=time.monotonic(), payload=msgspec.json.encode(fields_of(command)))
            self._recording.put(record)
            reason = self.pipeline.command(record)
            self._publish_events()
            self._show()
        return self._answer(command.request, reason)

    def _answer(self, request: str, reason: str | None) -> CommandResult:
        """What became of a command, by the station's time. reason: why it is refused, None: it is done."""
        state: Literal["done", "refused"] = "done" if reason is None else "refused"
        return CommandResult(ts=self.pipeline.station.ts, request=request, state=state, reason=reason)

    async def _identify(self, command: Identify) -> str | None:
        """Let the board that is meant blink; why one does not."""
        meant = [board for board in self.boards if command.board in (None, board.config.id)]
        if not meant:
            known = ", ".join(board.config.id for board in self.boards)
            return f"there is no board {command.board!r}; known: {known}"
        answers = await asyncio.gather(*(board.identify(seconds=command.seconds) for board in meant))
        return "; ".join(answer for answer in answers if answer is not None) or None


def _same(a: Struct, b: Struct) -> bool:
    """Whether two payloads say the same, their time and the running rest aside."""
    skip = ("ts", "resting_s")
    return all(getattr(a, name) == getattr(b, name) for name in a.__struct_fields__ if name not in skip)

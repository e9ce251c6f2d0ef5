"""One link to a board, from its opening to its loss.

opened -> asked (GET_INFO until INFO) -> started (pings, START until ACK) -> streaming
            ^                              |  no samples: started again
            +--- new boot, samples without INFO, silence: asked again --- long silence: the link is given up
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final, Literal

from firmware_bridge.exchange import Exchange
from firmware_bridge.link import About, Chunk, Link, LinkError
from firmware_bridge.messages import Acknowledged, Identity, Message, SampleBlock, Unplaced
from firmware_bridge.protocol import Command, Driver
from protocols.cablelink import MAJOR, AckResult

ProblemName = Literal[
    "board_absent",  # the link does not open
    "board_silent",  # it opens, and nothing or no samples come
    "board_junk",  # bytes that are no frames
    "board_foreign",  # the same, and they are text
    "board_version",  # another major version
    "board_refuses",  # START is not carried out
    "link_lost",
]

EARLY_PINGS: Final = 3  # before START: so the clock is known when the first samples come
PATIENT_BLOCKS: Final = 3  # a slow stream is missed after so many of its messages
STALLS: Final = 2  # starts in vain, after which it is said
SAMPLE_OF_JUNK: Final = 256  # bytes
TEXT: Final = frozenset(b"\t\r\n") | frozenset(range(0x20, 0x7F))


@dataclass(frozen=True, slots=True, kw_only=True)
class Timing:
    """How long what may take, s."""

    ask_every: float = 0.5  # who a board is that has not said so
    strange_after: float = 2.0  # without a valid frame
    open_in_vain: float = 10.0  # until a link is opened again over which no board has said what it is
    ack_within: float = 0.2
    ping_every: float = 1.0
    missed_after: float = 1.5  # without a frame, or without samples of a source
    given_up_after: float = 3.0  # without a frame
    send_within: float = 2.0
    stop_within: float = 0.3
    look_every: float = 0.1
    held_up: float = 0.5  # from one look to the next, after which it is us who stood still
    back_off: float = 0.25  # doubled up to back_off_most
    back_off_most: float = 2.5  # so that a board that comes back streams within five seconds
    refused_for: float = 30.0  # until a board of another version is asked again


class GivenUpError(LinkError):
    """Why we let go of a link ourselves."""

    def __init__(self, problem: ProblemName, detail: str) -> None:
        super().__init__(detail)
        self.problem: ProblemName = problem


class BoardSession:
    """One open link. run() ends with LinkError; close() is to be called whatever happened."""

    def __init__(
        self,
        link: Link,
        *,
        url: str,
        rate_hz: int | None,
        batch: int | None,
        driver: Driver,
        deliver: Callable[[Chunk], list[Message]],
        report: Callable[[ProblemName | None, str], None],
        tell: Callable[[About], None],
        timing: Timing,
    ) -> None:
        """`deliver` decodes a chunk; `report` takes a problem and its detail, None when samples come.

        `tell`: what the board says of itself to its link, at first and whenever that has changed.
        """
        self._now = asyncio.get_running_loop().time  # host monotonic, as the links stamp
        self._link, self._url, self._timing = link, url, timing
        self._rate_hz, self._batch = rate_hz, batch
        self._commander, self._can = driver.commander, driver.capabilities
        self._deliver, self._report, self._tell = deliver, report, tell
        self._about: About | None = None
        self._exchange = Exchange(self._send, ack_within=timing.ack_within)
        self._sending = asyncio.Lock()
        self._identities: dict[int, Identity] = {}
        self._to_start: list[int] = []
        self._wake = asyncio.Event()  # somebody is to be asked or started
        self._ask = True
        self._opened = self._last_frame = self._now()
        self._last_samples: dict[int, float] = {}
        self._stalls: dict[int, int] = {}
        self._framed = False
        self._junk = bytearray()
        self.has_streamed = False

    async def run(self) -> None:
        """Live until the link is lost. Raises LinkError, GivenUpError when we let go of it."""
        why: BaseException | None = None
        try:
            async with asyncio.TaskGroup() as tasks:
                for life in (self._listen, self._introduce, self._ping, self._watch):
                    tasks.create_task(life(), name=f"{self._url}: {life.__name__.lstrip('_')}")
        except* LinkError as lost:
            why = lost.exceptions[0]
        if why is not None:
            raise why

    async def close(self) -> None:
        """Stop the board if it can be told, and close the link."""
        try:
            with contextlib.suppress(LinkError, TimeoutError):
                async with asyncio.timeout(self._timing.stop_within):
                    for source in self._identities:
                        stop = self._commander.stop(source)
                        if stop is not None:
                            await self._send(stop.data)
        finally:
            await self._link.close()

    async def identify(self, *, seconds: int) -> int | None:
        """Let the board blink; result as of Exchange.command."""
        return await self._each(lambda source: self._commander.identify(source, seconds=seconds))

    async def tare(self, *, samples: int) -> int | None:
        """Let the board tare its channels; result as of Exchange.command."""
        return await self._each(lambda source: self._commander.tare(source, samples=samples))

    async def _each(self, command: Callable[[int], Command | None]) -> int | None:
        result: int | None = None
        for source in tuple(self._identities):
            told = command(source)
            result = await self._exchange.command(told) if told is not None else AckResult.NOT_SUPPORTED
            if result != AckResult.DONE:
                break
        return result

    async def _send(self, data: bytes) -> None:
        try:
            async with asyncio.timeout(self._timing.send_within), self._sending:
                await self._link.send(data)
        except TimeoutError:
            raise GivenUpError("link_lost", f"{self._url}: nothing can be sent; is the board hung?") from None

    # -- what comes in

    async def _listen(self) -> None:
        while True:
            chunk = await self._link.receive()
            messages = self._deliver(chunk)
            if messages:
                self._framed = True
                self._last_frame = chunk.received_at
            elif not self._framed:
                self._junk += chunk.data[: SAMPLE_OF_JUNK - len(self._junk)]
            for message in messages:
                self._take(message, chunk.received_at)

    def _take(self, message: Message, received_at: float) -> None:
        if isinstance(message, SampleBlock):
            self._last_samples[message.source] = received_at
            self._stalls.pop(message.source, None)
            self.has_streamed = True
            if not self._stalls:
                self._report(None, "")
        elif isinstance(message, Acknowledged):
            self._exchange.acknowledged(message.of_sequence, message.result)
        elif isinstance(message, Identity):
            self._identified(message, received_at)
        elif isinstance(message, Unplaced):
            self._ask = True
            self._wake.set()

    def _identified(self, identity: Identity, received_at: float) -> None:
        if identity.major != MAJOR:
            newer = "this program" if identity.major > MAJOR else "the board's firmware"
            raise GivenUpError(
                "board_version",
                f"{self._url}: the board speaks cablelink {identity.major}, this program {MAJOR}; update {newer}",
            )
        known = self._identities.get(identity.source)
        self._identities[identity.source] = identity
        if known is None or known.boot_id != identity.boot_id:
            self._last_samples[identity.source] = received_at
            self._begin(identity.source)

    def _begin(self, source: int) -> None:
        if source not in self._to_start:
            self._to_start.append(source)
        self._wake.set()

    # -- what goes out

    async def _introduce(self) -> None:
        """Ask and start whoever has to be."""
        asked = float("-inf")
        while True:
            self._wake.clear()
            while self._to_start:
                await self._start(self._identities[self._to_start.pop(0)])
            wait: float | None = None
            if self._ask or not self._identities:
                every = max(self._timing.ask_every, self._can.answers_after)
                wait = asked + every - self._now()
                if wait <= 0.0:
                    self._ask = False
                    asked, wait = self._now(), every
                    question = self._commander.who()
                    if question is not None:
                        await self._send(question)
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(wait):
                    await self._wake.wait()

    async def _start(self, identity: Identity) -> None:
        for _ in range(EARLY_PINGS):
            await self._send_ping(identity.source)
        command = self._commander.start(identity, rate_hz=self._rate_hz, batch=self._batch)
        result = await self._exchange.command(command) if command is not None else AckResult.DONE
        self._last_samples[identity.source] = max(self._now(), self._last_samples[identity.source])
        if result is None:
            self._report("board_refuses", f"{self._url}: the board does not answer START; does it run well?")
        elif result != AckResult.DONE:
            self._report(
                "board_refuses", f"{self._url}: the board refuses START with {result}; are rate_hz and batch right?"
            )

    async def _ping(self) -> None:
        while True:
            await asyncio.sleep(self._timing.ping_every)
            for source in tuple(self._identities):
                await self._send_ping(source)

    async def _send_ping(self, source: int) -> None:
        ping = self._commander.ping(source, now=self._now())
        if ping is not None:
            await self._send(ping)

    # -- what does not come

    async def _watch(self) -> None:
        looked = self._now()
        while True:
            await asyncio.sleep(self._timing.look_every)
            now = self._now()
            if now - looked > self._timing.held_up:
                self._not_listened(now - looked, now)
            looked = now
            self._look_about()
            if self._identities:
                self._watch_stream(now)
            elif now - self._opened >= self._timing.strange_after + self._can.answers_after:
                self._report(*self._strangeness())
                if now - self._opened >= self._timing.open_in_vain + self._can.answers_after:
                    raise GivenUpError(*self._strangeness())

    def _not_listened(self, pause: float, now: float) -> None:
        """This program stood still: what came meanwhile is still to be read, so nobody was silent in that time."""
        self._opened = min(self._opened + pause, now)
        self._last_frame = min(self._last_frame + pause, now)
        for source, at in self._last_samples.items():
            self._last_samples[source] = min(at + pause, now)

    def _look_about(self) -> None:
        about = self._link.about
        if about is not None and about != self._about:
            self._about = about
            self._tell(about)

    def _watch_stream(self, now: float) -> None:
        silent = now - self._last_frame - self._can.answers_after
        if silent >= self._timing.given_up_after:
            raise GivenUpError("board_silent", f"{self._url}: the board has fallen silent; is it switched on?")
        if silent >= self._timing.missed_after:
            self._ask = True
            self._wake.set()
            return
        for source, identity in self._identities.items():
            if now - self._last_samples[source] < self._patience(identity):
                continue
            self._last_samples[source] = now
            self._stalls[source] = self._stalls.get(source, 0) + 1
            if self._stalls[source] >= STALLS:
                self._report("board_silent", f"{self._url}: the board answers but sends no samples; restart it")
            self._begin(source)

    def _patience(self, identity: Identity) -> float:
        rate = self._rate_hz or identity.rate_hz or 1
        batch = self._batch or identity.batch
        return max(self._timing.missed_after, PATIENT_BLOCKS * batch / rate) + self._can.answers_after

    def _strangeness(self) -> tuple[ProblemName, str]:
        if self._framed:
            return "board_silent", f"{self._url}: the board does not say what it is; restart it"
        if not self._junk:
            return "board_silent", f"{self._url}: nothing is heard; is the board running, and is it the right port?"
        if sum(byte in TEXT for byte in self._junk) >= 0.9 * len(self._junk):
            return (
                "board_foreign",
                f"{self._url}: lines of text, none of {self._can.name}; is it another kind of board?",
            )
        return "board_junk", f"{self._url}: junk; wrong baud rate, or another protocol?"

"""A small board that speaks cablelink, and the two wires that it can hang on."""

from __future__ import annotations

import asyncio
import contextlib
import os
import pty
import time
import tty
from collections.abc import AsyncIterator
from dataclasses import dataclass, field, replace
from pathlib import Path

from protocols import cablelink
from protocols.cablelink import Ack, Channel, GetInfo, Identify, Info, Kind, Message, Ping, Pong, Samples, Start, Stop
from protocols.framing import FrameDecoder, encode

WRAP = 1 << 32
CHANNELS = (
    Channel(kind=Kind.FORCE, side=1, unit=1, scale=0.01, offset=5.0),
    Channel(kind=Kind.POSITION, side=1, unit=2, scale=1e-5),
)
SEND_EVERY = 0.005  # s


@dataclass
class SmallBoard:
    """Answers at once, and counts what took effect."""

    boot_id: int = 7
    major: int = 1
    sources: int = 1
    is_deaf: bool = False  # hears nothing, says nothing
    prattle: bytes = b""  # said over and over instead of anything else
    acks_to_swallow: int = 0
    result: int = 0
    samples_dry: bool = False  # answers, but has none
    streaming: set[int] = field(default_factory=set)
    starts: list[Start] = field(default_factory=list)
    stopped: asyncio.Event = field(default_factory=asyncio.Event)
    blinks: list[int] = field(default_factory=list)
    commands: list[Message] = field(default_factory=list)
    truth: list[float] = field(default_factory=list)  # host time of each sample

    def __post_init__(self) -> None:
        self._booted = time.monotonic()
        self._decoder = FrameDecoder()
        self._sequences: dict[int, int] = {}
        self._done: dict[int, tuple[int, int]] = {}
        self._sampled: dict[int, int] = {}

    def restart(self) -> bytes:
        self.__post_init__()
        self.boot_id += 1
        self.streaming.clear()
        return b"".join(self._info(source) for source in range(self.sources))

    @property
    def ticks(self) -> int:
        return (WRAP - 3_000_000 + int((time.monotonic() - self._booted) * 1e6)) % WRAP

    def receive(self, data: bytes) -> bytes:
        if self.is_deaf or self.prattle:
            return b""
        out = b""
        for body in self._decoder.feed(data):
            message = cablelink.decode(body)
            self.commands.append(message)
            before = self._done.get(message.sequence)
            if before is None or before[0] != message.TYPE:
                out += self._do(message)
                self._done[message.sequence] = (message.TYPE, self.result)
            if self.acks_to_swallow and isinstance(message, Start):
                self.acks_to_swallow -= 1
                continue
            ack = Ack(source=message.source, of_sequence=message.sequence, command=message.TYPE, result=self.result)
            out += self._frame(ack)
        return out

    def due(self) -> bytes:
        if self.prattle:
            return self.prattle
        if self.is_deaf or self.samples_dry:
            return b""
        out = b""
        for source in sorted(self.streaming):
            now = self.ticks
            first = self._sampled.get(source, now)
            count = ((now - first) % WRAP) // 1000
            if count:
                rows = tuple((k, source) for k in range(min(count, 50)))
                dt = 1000 if len(rows) > 1 else 0
                age = ((now - first) % WRAP) * 1e-6
                self.truth += [time.monotonic() - age + 0.001 * k for k in range(len(rows))]
                self._sampled[source] = (first + 1000 * len(rows)) % WRAP
                out += self._frame(Samples(source=source, dt_us=dt, rows=rows), ticks=first)
            else:
                self._sampled[source] = first
        return out

    def _do(self, message: Message) -> bytes:
        if isinstance(message, GetInfo):
            return b"".join(self._info(source) for source in range(self.sources))
        if isinstance(message, Ping):
            return self._frame(Pong(source=message.source, host_ns=message.host_ns))
        if isinstance(message, Start):
            self.starts.append(message)
            if not self.result:
                self.streaming.add(message.source)
                self._sampled.pop(message.source, None)
        if isinstance(message, Stop):
            self.stopped.set()
            self.streaming.discard(message.source)
        if isinstance(message, Identify):
            self.blinks.append(message.seconds)
        return b""

    def _info(self, source: int) -> bytes:
        return self._frame(
            Info(
                source=source,
                major=self.major,
                boot_id=self.boot_id,
                rate_hz=1000,
                batch=10,
                channels=CHANNELS,
                model="small",
            )
        )

    def _frame(self, message: Message, *, ticks: int | None = None) -> bytes:
        sequence = self._sequences.get(message.source, 0)
        self._sequences[message.source] = (sequence + 1) % 65536
        stamped = replace(message, sequence=sequence, t_us=self.ticks if ticks is None else ticks)
        return encode(stamped.to_body())


class Pty:
    """A board at the far end of a pseudo-terminal."""

    def __init__(self, board: SmallBoard, link: Path) -> None:
        self._board = board
        self._master, slave = pty.openpty()
        tty.setraw(slave)
        self.device = os.ttyname(slave)
        link.unlink(missing_ok=True)
        link.symlink_to(self.device)
        self._slave = slave
        os.set_blocking(self._master, False)
        self._loop = asyncio.get_running_loop()
        self._loop.add_reader(self._master, self._readable)
        self._sender = asyncio.create_task(self._send_what_is_due(), name="small board")

    def say(self, data: bytes) -> None:
        with contextlib.suppress(BlockingIOError):
            os.write(self._master, data)

    def _readable(self) -> None:
        self.say(self._board.receive(os.read(self._master, 4096)))

    async def _send_what_is_due(self) -> None:
        while True:
            await asyncio.sleep(SEND_EVERY)
            self.say(self._board.due())

    async def unplug(self) -> None:
        if self._sender.cancelled():
            return
        self._sender.cancel()
        await asyncio.gather(self._sender, return_exceptions=True)
        self._loop.remove_reader(self._master)
        os.close(self._slave)
        os.close(self._master)


@contextlib.asynccontextmanager
async def on_pty(board: SmallBoard, link: Path) -> AsyncIterator[Pty]:
    plugged = Pty(board, link)
    try:
        yield plugged
    finally:
        await plugged.unplug()


@dataclass
class Served:
    """A board behind a TCP port."""

    port: int = 0
    connections: int = 0


@contextlib.asynccontextmanager
async def on_tcp(board: SmallBoard) -> AsyncIterator[Served]:
    served = Served()
    lives: set[asyncio.Task[None]] = set()

    async def live(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        served.connections += 1

        async def send() -> None:
            while True:
                await asyncio.sleep(SEND_EVERY)
                writer.write(board.due())

        sender = asyncio.create_task(send(), name="small board")
        try:
            while data := await reader.read(4096):
                writer.write(board.receive(data))
        except ConnectionError:
            pass
        finally:
            sender.cancel()
            await asyncio.gather(sender, return_exceptions=True)
            writer.close()
            with contextlib.suppress(OSError):
                await writer.wait_closed()

    def accept(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        lives.add(asyncio.create_task(live(reader, writer), name="connection"))

    server = await asyncio.start_server(accept, "127.0.0.1", 0)
    served.port = server.sockets[0].getsockname()[1]
    try:
        yield served
    finally:
        server.close()
        for task in lives:
            task.cancel()
        await asyncio.gather(*lives, return_exceptions=True)
        await server.wait_closed()

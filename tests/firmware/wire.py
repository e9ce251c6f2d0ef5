"""The firmware as a process, and the host's end of its wire: the real serial link, commands one by one."""

from __future__ import annotations

import asyncio
import contextlib
import subprocess
from collections.abc import AsyncIterator, Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path

from firmware_bridge.serial_link import SerialLink, open_serial
from protocols import cablelink
from protocols.cablelink import Ack, Message
from protocols.framing import FrameDecoder, encode

SOON = 20.0  # s, within which everything here has long happened


@dataclass
class Running:
    """The process, and what it said on stderr once it has ended."""

    process: subprocess.Popen[str]
    complaints: str = ""


@contextlib.contextmanager
def running(program: Path, link: Path, *options: str) -> Iterator[Running]:
    """The firmware until the block ends; then it has ended well, and its link is gone."""
    process = subprocess.Popen(
        [program, "--until-eof", "--link", link, *options],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    board = Running(process)
    assert process.stdout is not None
    try:
        assert process.stdout.readline().strip() == str(link)
        yield board
    finally:
        _, board.complaints = process.communicate(timeout=SOON)
    assert process.returncode == 0, board.complaints
    assert not link.is_symlink()


class Wire:
    """An open link whose every message is kept."""

    def __init__(self, link: SerialLink) -> None:
        self._link = link
        self._decoder = FrameDecoder()
        self._sequence = 0
        self._seen = 0
        self.said: list[Message] = []

    @property
    def damaged(self) -> int:
        """Frames that came damaged."""
        return self._decoder.counters.damaged

    async def send(self, data: bytes) -> None:
        await self._link.send(data)

    async def until(self, what: Callable[[Message], bool]) -> list[Message]:
        """What comes after what was seen so far, up to and with the first message of which `what` holds."""
        begun = at = self._seen
        async with asyncio.timeout(SOON):
            while True:
                while at == len(self.said):
                    await self._hear()
                at += 1
                if what(self.said[at - 1]):
                    self._seen = at
                    return self.said[begun:at]

    async def _hear(self) -> None:
        chunk = await self._link.receive()
        self.said += [cablelink.decode(body) for body in self._decoder.feed(chunk.data)]

    async def ask(self, command: Message, *, repeated: int | None = None) -> tuple[Ack, list[Message]]:
        """Send a command with the next sequence, or a repeated one; its ACK, and what was said up to it."""
        if repeated is None:
            self._sequence += 1
        sequence = self._sequence if repeated is None else repeated
        await self.send(encode(replace(command, sequence=sequence).to_body()))
        heard = await self.until(lambda said: isinstance(said, Ack) and said.of_sequence == sequence)
        ack = heard[-1]
        assert isinstance(ack, Ack)
        return ack, heard

    def of(self, kind: type[Message]) -> list[Message]:
        """All messages of a kind so far."""
        return [message for message in self.said if isinstance(message, kind)]


@contextlib.asynccontextmanager
async def wired(link: Path) -> AsyncIterator[Wire]:
    """The host's end, open."""
    opened = await open_serial(str(link), baud=921_600)
    try:
        yield Wire(opened)
    finally:
        await opened.close()

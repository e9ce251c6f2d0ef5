"""A broker of our own in a process of its own: started, watched, started again, and gone when we are."""

from __future__ import annotations

import asyncio
import contextlib
import socket
import time
from collections import deque
from collections.abc import Callable
from pathlib import Path
from typing import Final

from controller.child import command_line
from controller.voice import Said

READY_WITHIN: Final = 15.0  # s; the pure-Python one takes some on a small machine
ANSWER_WITHIN: Final = 1.0  # s for a CONNACK
ASK_EVERY: Final = 0.05  # s
RESTART_AFTER: Final = 0.5  # s, doubled up to RESTART_MOST
RESTART_MOST: Final = 10.0  # s
SETTLED: Final = 30.0  # s of life after which a death is the first one again
STOP_WITHIN: Final = 2.5  # s, more than the child module's grace
PORT_TAKEN: Final = 98  # errno of Linux, in the broker's own words too
ACCEPTED: Final = bytes.fromhex("20 02 00 00")  # CONNACK of MQTT 3.1.1


class BrokerError(Exception):
    """The broker will not start; one line that says why and what to do."""


class PortTakenError(BrokerError):
    """Somebody else listens on the broker's port."""


def port_is_free(host: str, port: int) -> bool:
    """Whether a broker could listen there at this moment."""
    with socket.socket() as sock:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            sock.bind((host, port))
        except OSError:
            return False
        return True


def connect_packet(user: str | None, password: str) -> bytes:
    """A CONNECT of MQTT 3.1.1 with a clean session: what every broker here answers, the account checked."""
    strings = ["cable-station-ready", *([user, password] if user is not None else [])]
    flags = 0x02 | (0xC0 if user is not None else 0)
    payload = b"".join(len(text.encode()).to_bytes(2, "big") + text.encode() for text in strings)
    body = b"\x00\x04MQTT\x04" + bytes([flags]) + b"\x00\x05" + payload
    assert len(body) < 128  # one byte of length
    return bytes([0x10, len(body)]) + body


class BrokerChild:
    """Owns the process of a broker; its folder goes when the process ends with us."""

    def __init__(self, name: str, folder: Path, *, host: str, port: int, account: tuple[str, str] | None) -> None:
        """Take what to start. `account`: whom it must let in to count as there; a stranger on the port would not.

        `folder`: taken away even when we are killed.
        """
        self.name, self.folder, self.host, self.port = name, folder, host, port
        self.command: list[str] = []
        self._account = account
        self._process: asyncio.subprocess.Process | None = None
        self._words: deque[str] = deque(maxlen=20)
        self._listening: asyncio.Task[None] | None = None

    async def start(self) -> None:
        """Start it and wait until it takes our account. Raises BrokerError, PortTakenError."""
        if not port_is_free(self.host, self.port):
            raise PortTakenError(self._taken())
        self._words.clear()
        self._process = await asyncio.create_subprocess_exec(
            *command_line(*self.command, remove=str(self.folder)),
            stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.DEVNULL, stderr=asyncio.subprocess.PIPE,
        )  # fmt: skip
        self._listening = asyncio.create_task(self._listen(self._process), name=f"{self.name}: words")
        try:
            async with asyncio.timeout(READY_WITHIN):
                while not await self._takes_us():
                    if self._process.returncode is not None:
                        await self._listening
                        raise self._failure(self._process.returncode)
                    await asyncio.sleep(ASK_EVERY)
        except TimeoutError:
            raise BrokerError(f"{self.name} does not answer on port {self.port} within {READY_WITHIN:g} s") from None

    async def watch(self, say: Callable[[str], None]) -> None:
        """Start it again whenever it dies, until cancelled: one line a death, and ever longer pauses."""
        wait = RESTART_AFTER
        while True:
            assert self._process is not None
            began = time.monotonic()
            code = await self._process.wait()
            wait = RESTART_AFTER if time.monotonic() - began > SETTLED else wait
            say(Said(f"the {self.name} broker died ({_death(code)}); it is started again", level="error"))
            while True:
                await asyncio.sleep(wait)
                wait = min(2.0 * wait, RESTART_MOST)
                try:
                    await self.start()
                except BrokerError as error:
                    say(Said(f"{error}; trying again", level="warning"))
                    await self.stop()
                else:
                    break

    async def stop(self) -> None:
        """End it."""
        process, self._process = self._process, None
        if process is None:
            return
        assert process.stdin is not None
        if process.returncode is None:
            process.terminate()  # by its signal, not by the end of its input: the folder is needed again
        try:
            async with asyncio.timeout(STOP_WITHIN):
                await process.wait()
        except TimeoutError:
            process.kill()
            await process.wait()
        process.stdin.close()
        if self._listening is not None:
            await self._listening

    async def _takes_us(self) -> bool:
        """Whether the broker on the port accepts our account."""
        user, password = self._account or (None, "")
        try:
            async with asyncio.timeout(ANSWER_WITHIN):
                reader, writer = await asyncio.open_connection(self.host, self.port)
                try:
                    writer.write(connect_packet(user, password))
                    answer = await reader.readexactly(len(ACCEPTED))
                    writer.write(b"\xe0\x00")  # DISCONNECT
                finally:
                    writer.close()
                    with contextlib.suppress(OSError):
                        await writer.wait_closed()
        except (OSError, TimeoutError, asyncio.IncompleteReadError):
            return False
        return answer == ACCEPTED

    async def _listen(self, process: asyncio.subprocess.Process) -> None:
        """Read what it says to the end: a full pipe would stop it."""
        assert process.stderr is not None
        while data := await process.stderr.read(4096):
            self._words.extend(line for line in data.decode(errors="replace").splitlines() if line.strip())

    def _failure(self, code: int) -> BrokerError:
        words = " ".join(self._words)
        if "in use" in words or f"Errno {PORT_TAKEN}" in words:
            return PortTakenError(self._taken())
        return BrokerError(f"{self.name} will not start: {self._words[-1] if self._words else _death(code)}")

    def _taken(self) -> str:
        return f"port {self.port} on {self.host} is in use: end the other program, or give broker.port another (0: any)"


def _death(code: int) -> str:
    """An exit code in words; the child module gives -9 on as 247."""
    number = code - 256 if code > 192 else code
    return f"killed by signal {-number}" if number < 0 else f"exit code {number}"

"""A board on a serial port: pyserial opens it, the event loop reads it.

A thread for each port would cost three times the CPU, and a blocking read would lose the loop its turn.
"""

from __future__ import annotations

import asyncio
import contextlib
import errno
import grp
import os
import select
import termios
import time
from typing import Final

import serial

from firmware_bridge.link import Chunk, LinkError

CHUNK: Final = 4096  # bytes
DRAIN_LOOKS: Final = 20  # for the last command to leave before the port is closed
DRAIN_LOOK: Final = 0.005  # s between two of them
_ABSENT: Final = "there is no such port; is the board plugged in?"
_BUSY: Final = "another program uses this port; close it (a gateway that runs holds its ports)"
_NO_PORT: Final = "this is no serial port; is the path right?"
_ADVICE: Final = {
    errno.ENOENT: _ABSENT,
    errno.ENODEV: _ABSENT,
    errno.ENXIO: _ABSENT,
    errno.EBUSY: _BUSY,
    errno.ENOTTY: _NO_PORT,
    errno.EISDIR: _NO_PORT,
}


def _advice(path: str, error: Exception) -> str:
    number = error.errno if isinstance(error, OSError) else None
    if number in (errno.EACCES, errno.EPERM):
        return f"no permission; add this user to the group {_group(path)} and log in again"
    if number in _ADVICE:
        return _ADVICE[number]
    text = str(error)  # pyserial keeps these errors' numbers in their text only
    if "exclusively lock" in text:
        return _BUSY
    if "configure port" in text:
        return _NO_PORT
    return os.strerror(number) if number else text


def _group(path: str) -> str:
    try:
        return grp.getgrgid(os.stat(path).st_gid).gr_name  # noqa: PTH116 - a Path says no more
    except (OSError, KeyError):
        return "dialout"


class SerialLink:
    """One open port. What ends it, an unplugged cable included, is raised by receive() as LinkError."""

    about = None

    def __init__(self, port: serial.Serial) -> None:
        self._port = port
        self._fd: int = port.fileno()
        self._loop = asyncio.get_running_loop()
        self._chunks: asyncio.Queue[Chunk | LinkError] = asyncio.Queue()
        self._closed = False
        self._writable = asyncio.Event()  # or closed
        self._loop.add_reader(self._fd, self._readable)

    def _readable(self) -> None:
        try:
            data = os.read(self._fd, CHUNK)
        except BlockingIOError:
            return
        except OSError as error:
            self._end(os.strerror(error.errno or 0))
            return
        if data:
            self._chunks.put_nowait(Chunk(time.monotonic(), data))
        elif self._has_hung_up():
            self._end("the port is gone")

    def _has_hung_up(self) -> bool:
        """Whether nothing was read because the device is gone; its buffer may just have been flushed by somebody."""
        poll = select.poll()
        poll.register(self._fd, select.POLLIN)
        return any(events & (select.POLLHUP | select.POLLERR | select.POLLNVAL) for _, events in poll.poll(0))

    def _end(self, reason: str) -> None:
        self._loop.remove_reader(self._fd)
        self._chunks.put_nowait(LinkError(f"{self._port.name}: {reason}; was the plug pulled?"))

    async def receive(self) -> Chunk:
        """Return the next bytes. Raises LinkError when the port is gone."""
        item = await self._chunks.get()
        if isinstance(item, LinkError):
            self._chunks.put_nowait(item)  # and so for whoever asks again
            raise item
        return item

    async def send(self, data: bytes) -> None:
        """Send all bytes, one caller at a time. Raises LinkError when the port is gone, or closed meanwhile."""
        rest = memoryview(data)
        while rest:
            if self._closed:
                raise LinkError(f"{self._port.name}: it is closed")
            try:
                rest = rest[os.write(self._fd, rest) :]
            except BlockingIOError:
                await self._until_writable()
            except OSError as error:
                raise LinkError(f"{self._port.name}: {os.strerror(error.errno or 0)}; was the plug pulled?") from None

    async def _until_writable(self) -> None:
        self._writable.clear()
        self._loop.add_writer(self._fd, self._writable.set)
        try:
            await self._writable.wait()
        finally:
            if not self._closed:  # else the number may be another port's by now
                self._loop.remove_writer(self._fd)

    async def close(self) -> None:
        """Close; harmless when closed already."""
        if self._closed:
            return
        self._closed = True
        self._loop.remove_reader(self._fd)
        self._loop.remove_writer(self._fd)
        self._writable.set()
        try:
            await self._drain()
        finally:
            with contextlib.suppress(OSError):  # the device is gone, and so is the port
                self._port.close()

    async def _drain(self) -> None:
        """Let what was sent last leave; what a hung board does not take goes, or the kernel waits half a minute."""
        with contextlib.suppress(OSError, termios.error):
            for _ in range(DRAIN_LOOKS):
                if not self._port.out_waiting:
                    return
                await asyncio.sleep(DRAIN_LOOK)
            termios.tcflush(self._fd, termios.TCOFLUSH)


async def open_serial(path: str, *, baud: int) -> SerialLink:
    """Open a port for this process alone. Raises LinkError with what to do."""
    try:
        port = serial.Serial(path, baudrate=baud, timeout=0, write_timeout=0, exclusive=True)
    except (OSError, ValueError, termios.error) as error:  # SerialException is an OSError
        raise LinkError(f"{path}: {_advice(path, error)}") from None
    os.set_blocking(port.fileno(), False)
    return SerialLink(port)

"""A board on a serial port: pyserial opens it, the event loop reads it.

A thread for each port would cost three times the CPU, and a blocking read would lose the loop its turn.
"""

from __future__ import annotations

import asyncio
import errno
import os
import time
from typing import Final

import serial

from firmware_bridge.link import Chunk, LinkError

CHUNK: Final = 4096  # bytes
_ADVICE: Final = {
    errno.ENOENT: "there is no such port; is the board plugged in?",
    errno.ENODEV: "there is no such port; is the board plugged in?",
    errno.ENXIO: "there is no such port; is the board plugged in?",
    errno.EACCES: "no permission; add this user to the group dialout and log in again",
    errno.EBUSY: "another program uses this port; close it",
    errno.EAGAIN: "another program uses this port; close it",
    errno.EWOULDBLOCK: "another program uses this port; close it",
    errno.ENOTTY: "this is no serial port",
    errno.EISDIR: "this is no serial port",
}


def _advice(error: Exception) -> str:
    number = getattr(error, "errno", None)
    if number in _ADVICE:
        return _ADVICE[number]
    if "exclusively lock" in str(error):
        return _ADVICE[errno.EBUSY]
    return os.strerror(number) if number else str(error)


class SerialLink:
    """One open port. What ends it, an unplugged cable included, is raised by receive() as LinkError."""

    def __init__(self, port: serial.Serial) -> None:
        self._port = port
        self._fd: int = port.fileno()
        self._loop = asyncio.get_running_loop()
        self._chunks: asyncio.Queue[Chunk | LinkError] = asyncio.Queue()
        self._closed = False
        self._loop.add_reader(self._fd, self._readable)

    def _readable(self) -> None:
        try:
            data = os.read(self._fd, CHUNK)
        except BlockingIOError:
            return
        except OSError as error:
            self._end(LinkError(f"{self._port.name}: {os.strerror(error.errno or 0)}; was the plug pulled?"))
            return
        if data:
            self._chunks.put_nowait(Chunk(time.monotonic(), data))
        else:
            self._end(LinkError(f"{self._port.name}: the port was closed at its other end; was the plug pulled?"))

    def _end(self, error: LinkError) -> None:
        self._loop.remove_reader(self._fd)
        self._chunks.put_nowait(error)

    async def receive(self) -> Chunk:
        """Return the next bytes. Raises LinkError when the port is gone."""
        item = await self._chunks.get()
        if isinstance(item, LinkError):
            self._chunks.put_nowait(item)  # and so for whoever asks again
            raise item
        return item

    async def send(self, data: bytes) -> None:
        """Send all bytes. Raises LinkError when the port is gone."""
        rest = memoryview(data)
        while rest and not self._closed:
            try:
                rest = rest[os.write(self._fd, rest) :]
            except BlockingIOError:
                await self._writable()
            except OSError as error:
                raise LinkError(f"{self._port.name}: {os.strerror(error.errno or 0)}") from None

    async def _writable(self) -> None:
        ready = asyncio.Event()
        self._loop.add_writer(self._fd, ready.set)
        try:
            await ready.wait()
        finally:
            self._loop.remove_writer(self._fd)

    async def close(self) -> None:
        """Close; harmless when closed already."""
        if self._closed:
            return
        self._closed = True
        self._loop.remove_reader(self._fd)
        try:
            self._port.close()
        except OSError:
            return  # the device is gone, and so is the port


async def open_serial(path: str, *, baud: int) -> SerialLink:
    """Open a port for this process alone. Raises LinkError with what to do."""
    try:
        port = serial.Serial(path, baudrate=baud, timeout=0, write_timeout=0, exclusive=True)
    except (OSError, ValueError) as error:  # SerialException is an OSError
        raise LinkError(f"{path}: {_advice(error)}") from None
    os.set_blocking(port.fileno(), False)
    return SerialLink(port)

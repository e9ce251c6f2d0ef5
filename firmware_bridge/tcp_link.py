"""A board behind a TCP port: a serial server, or a simulator."""

from __future__ import annotations

import asyncio
import contextlib
import socket
import time
from typing import Final

from firmware_bridge.link import Chunk, LinkError

CONNECT_WITHIN: Final = 3.0  # s
CHUNK: Final = 4096  # bytes


class TcpLink:
    """One TCP connection."""

    about = None

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, *, name: str) -> None:
        self._reader = reader
        self._writer = writer
        self._name = name

    async def receive(self) -> Chunk:
        """Return the next bytes. Raises LinkError when the connection is gone."""
        try:
            data = await self._reader.read(CHUNK)
        except OSError as error:
            raise LinkError(f"{self._name}: {error.strerror or error}") from None
        if not data:
            raise LinkError(f"{self._name}: the other end closed the connection")
        return Chunk(time.monotonic(), data)

    async def send(self, data: bytes) -> None:
        """Send all bytes. Raises LinkError when the connection is gone."""
        try:
            self._writer.write(data)
            await self._writer.drain()
        except OSError as error:
            raise LinkError(f"{self._name}: {error.strerror or error}") from None

    async def close(self) -> None:
        """Close; harmless when closed already."""
        self._writer.close()
        with contextlib.suppress(OSError, TimeoutError):
            async with asyncio.timeout(1.0):
                await self._writer.wait_closed()


async def open_tcp(host: str, *, port: int) -> TcpLink:
    """Connect. Raises LinkError."""
    name = f"tcp://{host}:{port}"
    try:
        async with asyncio.timeout(CONNECT_WITHIN):
            reader, writer = await asyncio.open_connection(host, port)
    except TimeoutError:
        raise LinkError(f"{name}: no answer within {CONNECT_WITHIN:g} s; is the address right?") from None
    except OSError as error:
        raise LinkError(f"{name}: {error.strerror or error}; is the board on, and the port right?") from None
    except UnicodeError:  # of the encoding of names
        raise LinkError(f"{name}: this is no host's name; is the address right?") from None
    sock: socket.socket = writer.get_extra_info("socket")
    sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return TcpLink(reader, writer, name=name)

"""A simulated board behind a TCP port, as a serial server shows one: one connection at a time, the board runs on."""

from __future__ import annotations

import asyncio
import socket
import time
from typing import Final

from simulators.pty_port import READ, TICK, PortError
from simulators.pump import Pump

MOST_UNREAD: Final = 65_536  # bytes that wait for a slow host


class TcpPort:
    """One listening port on loopback or another address."""

    def __init__(self, pump: Pump, *, host: str = "127.0.0.1", port: int = 0) -> None:
        """Listen; port 0 takes any free one. Raises PortError."""
        self._pump = pump
        try:
            self._socket = socket.create_server((host, port))
        except OSError as error:
            raise PortError(f"{host}:{port}: {error.strerror or error}; give another --port") from None
        self.host, self.port = host, int(self._socket.getsockname()[1])
        self._writer: asyncio.StreamWriter | None = None
        self.lost = 0  # frames that a host did not read in time

    @property
    def name(self) -> str:
        """Where to connect."""
        return f"{self.host}:{self.port}"

    async def run(self, *, until: asyncio.Event) -> None:
        """Serve until the event is set, then close."""
        server = await asyncio.start_server(self._serve, sock=self._socket)
        try:
            while not until.is_set():
                now = time.monotonic()
                if self._pump.down(now) and self._writer is not None:
                    self._writer.close()
                    self._writer = None
                self._flush(now)
                await asyncio.sleep(TICK)
        finally:
            server.close()
            if self._writer is not None:
                self._writer.close()
            await server.wait_closed()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if self._writer is not None or self._pump.down(time.monotonic()):
            writer.close()
            return
        self._writer = writer
        sock: socket.socket = writer.get_extra_info("socket")
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        try:
            while data := await reader.read(READ):
                now = time.monotonic()
                self._pump.take(data, now)
                self._flush(now)
        except OSError:
            pass  # it is gone; the board waits for the next one
        finally:
            writer.close()
            if self._writer is writer:
                self._writer = None

    def _flush(self, now: float) -> None:
        frames = self._pump.due(now)
        if self._writer is None or self._writer.is_closing():
            return
        if self._writer.transport.get_write_buffer_size() > MOST_UNREAD:
            self.lost += len(frames)
            return
        self._writer.write(b"".join(frames))

"""A dashboard with a session that outlives its connections, and a way to the broker that opens after it is there."""

from __future__ import annotations

import asyncio
import contextlib
import json
import time
from collections.abc import AsyncIterator
from typing import Any, Final

import aiomqtt
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties

from tests.delivery.brokers import LOOPBACK, Brokers
from tests.delivery.source import SITE

AGAIN_AFTER: Final = 0.02  # s
HOUR: Final = 3600  # s


class Listener:
    """Hears every event of the site, and when."""

    def __init__(self, brokers: Brokers) -> None:
        self.heard: list[tuple[str, int, str, float]] = []  # station, number, id, host monotonic s
        self.ids: set[str] = set()
        self.listening = asyncio.Event()
        self._brokers = brokers

    async def run(self) -> None:
        """Listen, and again, until cancelled."""
        user, _, password = self._brokers.listener.partition(":")
        options: dict[str, Any] = {"clean_session": False, "protocol": aiomqtt.ProtocolVersion.V311}
        if self._brokers.v5:
            properties = Properties(PacketTypes.CONNECT)  # type: ignore[no-untyped-call]
            properties.SessionExpiryInterval = HOUR
            options = {"clean_start": False, "properties": properties, "protocol": aiomqtt.ProtocolVersion.V5}
        turn = 0
        while True:
            server = self._brokers.servers[turn % len(self._brokers.servers)]
            try:
                async with aiomqtt.Client(
                    LOOPBACK, server.port, username=user or None, password=password or None, identifier="dashboard",
                    timeout=3, keepalive=5, **options,
                ) as client:  # fmt: skip
                    await client.subscribe(f"cable/v1/{SITE}/+/event/#", qos=1)
                    self.listening.set()
                    async for message in client.messages:
                        self._hear(message)
            except aiomqtt.MqttError:
                turn += 1
            finally:
                self.listening.clear()
            await asyncio.sleep(AGAIN_AFTER)

    def _hear(self, message: aiomqtt.Message) -> None:
        assert isinstance(message.payload, bytes)
        event = json.loads(message.payload)
        self.heard.append((event["station"], event["seq"], event["id"], time.monotonic()))
        self.ids.add(event["id"])


class Way:
    """A way to a port, open or not: where a broker keeps nothing, the listener must be there before the gateway."""

    def __init__(self, port: int) -> None:
        self.port = 0
        self.is_open = False
        self._beyond = port
        self._tasks: set[asyncio.Task[None]] = set()

    @contextlib.asynccontextmanager
    async def made(self) -> AsyncIterator[None]:
        server = await asyncio.start_server(self._pass_on, LOOPBACK, 0)
        self.port = server.sockets[0].getsockname()[1]
        try:
            async with server:
                yield
        finally:
            for task in self._tasks:
                task.cancel()
            await asyncio.gather(*self._tasks, return_exceptions=True)

    async def _pass_on(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            if not self.is_open:
                return
            to_reader, to_writer = await asyncio.open_connection(LOOPBACK, self._beyond)
            both = [asyncio.create_task(_copy(reader, to_writer)), asyncio.create_task(_copy(to_reader, writer))]
            self._tasks |= set(both)
            await asyncio.wait(both, return_when=asyncio.FIRST_COMPLETED)
            for task in both:
                task.cancel()
            await asyncio.gather(*both, return_exceptions=True)
            self._tasks -= set(both)
            to_writer.close()
        except OSError:
            pass  # nobody listens there
        finally:
            writer.close()


async def _copy(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    with contextlib.suppress(OSError):
        while data := await reader.read(65536):
            writer.write(data)
            await writer.drain()

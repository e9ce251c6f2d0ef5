"""A client as another program would have it, for looking at what a broker of ours says and allows."""

from __future__ import annotations

import asyncio
import contextlib
import json
from collections.abc import AsyncIterator
from typing import Any

import aiomqtt

from controller.broker import Account, Broker

WITHIN = 20.0  # s; far more than anything here needs


@contextlib.asynccontextmanager
async def client(broker: Broker, account: Account | None, *, v5: bool = True) -> AsyncIterator[aiomqtt.Client]:
    """A connection to the broker, as one of its users."""
    async with aiomqtt.Client(
        broker.host,
        broker.port,
        username=account.user if account is not None else None,
        password=account.password if account is not None else None,
        protocol=aiomqtt.ProtocolVersion.V5 if v5 else aiomqtt.ProtocolVersion.V311,
        timeout=5,
    ) as connected:
        yield connected


class Heard:
    """All that came to one subscription, in order."""

    def __init__(self) -> None:
        self.messages: list[tuple[str, str, bool]] = []  # topic, payload, retained
        self._news = asyncio.Event()

    def add(self, message: aiomqtt.Message) -> None:
        assert isinstance(message.payload, bytes)
        self.messages.append((str(message.topic), message.payload.decode(), bool(message.retain)))
        self._news.set()

    def payloads(self, ends: str) -> list[str]:
        """What came on the topics that end so."""
        return [payload for topic, payload, _ in self.messages if topic.endswith(ends)]

    def objects(self, ends: str) -> list[dict[str, Any]]:
        """The same, read as JSON."""
        return [json.loads(payload) for payload in self.payloads(ends)]

    async def until(self, ends: str, *, count: int = 1, last: str | None = None) -> None:
        """Wait until so many came on the topics that end so, or until the last of them is `last`."""
        async with asyncio.timeout(WITHIN):
            while len(found := self.payloads(ends)) < count or (last is not None and found[-1] != last):
                self._news.clear()
                await self._news.wait()


@contextlib.asynccontextmanager
async def listening(broker: Broker, account: Account | None, pattern: str, *, v5: bool = True) -> AsyncIterator[Heard]:
    """Subscribe and collect until the block ends."""
    heard = Heard()
    async with client(broker, account, v5=v5) as connected:
        await connected.subscribe(pattern, qos=1)

        async def collect() -> None:
            async for message in connected.messages:
                heard.add(message)

        task = asyncio.create_task(collect(), name="test: collect")
        try:
            yield heard
        finally:
            task.cancel()
            with contextlib.suppress(asyncio.CancelledError, aiomqtt.MqttError):
                await task

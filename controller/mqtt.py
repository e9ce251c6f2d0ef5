"""The MQTT publisher: events in order and none lost while this process lives, the latest of everything else.

All that aiomqtt (2.5) does unexpectedly is dealt with here: a refused QoS 1 publish returns as if it were sent, so the
reason code is read; a client used again over a reconnect can wedge, so each connection has a new one; a publish does
not wake when the link drops, so the task that reads ends it; a broker that never answers a version 5 CONNECT is asked
again with 3.1.1.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import ssl
import time
from collections import deque
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any, Final

import aiomqtt
from aiomqtt import MqttError, ProtocolVersion
from msgspec import Struct
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties

from controller.broker import Broker
from protocols.events import CommandResult, to_json
from protocols.topics import StationTopics, commands, gateway_status, parse_command

KEEPALIVE: Final = 5  # s; a half-open link is noticed after twice as long
CONNECT_WITHIN: Final = 3.0  # s
PUBLISH_WITHIN: Final = 5.0  # s
BACK_OFF: Final = 0.25  # s, doubled up to BACK_OFF_MOST
BACK_OFF_MOST: Final = 5.0  # s
LATE_AFTER: Final = 5.0  # s from an event's making; later it says that it is late
TELEMETRY_EXPIRES: Final = 5  # s
MOST_EVENTS: Final = 100_000  # waiting for a broker
REFUSED: Final = 128  # reason codes from here on
FAREWELL_WITHIN: Final = 1.0  # s

EVENT_KINDS: Final = frozenset({"rep", "pair", "set", "comparison", "session", "cue", "fault"})
RETAINED: Final = frozenset({"state", "info", "health"})

Commanded = Callable[[str, str, bytes], Awaitable[CommandResult]]


@dataclass(frozen=True, slots=True)
class _Waiting:
    topic: str
    payload: bytes
    made_at: float  # host monotonic, s


class _Client(aiomqtt.Client):
    """aiomqtt's client, with the reason code of the last confirmation kept."""

    refusal: str | None = None

    def _on_publish(self, client: Any, userdata: Any, mid: int, reason_code: Any, properties: Any) -> None:
        if reason_code is not None and getattr(reason_code, "value", 0) >= REFUSED:
            self.refusal = str(reason_code)
        super()._on_publish(client, userdata, mid, reason_code, properties)


def _quiet() -> logging.Logger:
    """A logger for aiomqtt's own notes; what matters of them is said by us."""
    logger = logging.getLogger("cable-station.mqtt")
    logger.addHandler(logging.NullHandler())
    logger.propagate = False
    return logger


class Publisher:
    """One connection for the gateway and all of its stations."""

    def __init__(
        self,
        broker: Broker,
        *,
        site: str,
        gateway: str,
        stations: list[str],
        commanded: Commanded,
        say: Callable[[str], None],
    ) -> None:
        self.broker = broker
        self.connected = asyncio.Event()
        self.dropped = 0  # events, when more than MOST_EVENTS waited
        self.refused = 0  # events that the broker would not have
        self.telemetry_dropped = 0  # readings that a newer one overtook
        self._site, self._gateway = site, gateway
        self._topics = {station: StationTopics(site, station) for station in stations}
        self._status = dict.fromkeys(stations, "offline")
        self._commanded = commanded
        self._say = say
        self._events: deque[_Waiting] = deque()
        self._answers: deque[_Waiting] = deque()
        self._retained: dict[str, bytes] = {}  # all of it, published again at every connect
        self._changed: dict[str, bytes] = {}  # of it, what the broker has not got yet
        self._telemetry: dict[str, bytes] = {}
        self._wake = asyncio.Event()
        self._sent = asyncio.Event()
        self._protocol = ProtocolVersion.V5

    @property
    def depth(self) -> int:
        """Events that wait for the broker."""
        return len(self._events)

    def offer(self, station: str, kind: str, payload: Struct) -> None:
        """Take one payload; never blocks. Call it from the event loop's thread."""
        topics = self._topics[station]
        if kind in EVENT_KINDS:
            if len(self._events) >= MOST_EVENTS:
                self._events.popleft()
                self.dropped += 1
            self._events.append(_Waiting(topics.event(kind), to_json(payload), time.monotonic()))
        elif kind == "telemetry":
            topic = topics.of(kind)
            self.telemetry_dropped += topic in self._telemetry
            self._telemetry[topic] = to_json(payload)
        elif kind in RETAINED:
            self._retain(topics.of(kind), to_json(payload))
        elif kind == "status":
            self._status[station] = str(getattr(payload, "status", "offline"))
            self._retain(topics.of(kind), self._status[station].encode())
        self._wake.set()

    def _retain(self, topic: str, payload: bytes) -> None:
        self._retained[topic] = payload
        self._changed[topic] = payload

    async def run(self) -> None:
        """Connect, and again whenever the connection is lost, until cancelled."""
        wait, said = BACK_OFF, False
        while True:
            began = time.monotonic()
            try:
                await self._connection()
            except MqttError as error:
                lost = self.connected.is_set()
                if lost or not said:
                    verb = "lost" if lost else "cannot be reached"
                    self._say(f"broker {self.broker.url}: {verb}: {error}; trying again")
                    said = True
                if not lost and self.broker.kind != "mosquitto":
                    v5 = self._protocol is ProtocolVersion.V5
                    self._protocol = ProtocolVersion.V311 if v5 else ProtocolVersion.V5
            finally:
                if self.connected.is_set():
                    self.connected.clear()
                    said = False
            wait = BACK_OFF if time.monotonic() - began > BACK_OFF_MOST else min(2.0 * wait, BACK_OFF_MOST)
            await asyncio.sleep(wait)

    async def drained(self, *, within: float) -> bool:
        """Wait until the broker has all events, for at most `within` s; whether it has."""
        try:
            async with asyncio.timeout(within):
                while self._events:
                    self._sent.clear()
                    await self._sent.wait()
        except TimeoutError:
            return False
        return True

    async def _connection(self) -> None:
        account = self.broker.gateway
        client = _Client(
            self.broker.host,
            self.broker.port,
            username=account.user if account is not None else None,
            password=account.password if account is not None else None,
            identifier=f"cable-station-{self._site}-{self._gateway}",
            protocol=self._protocol,
            will=aiomqtt.Will(gateway_status(site=self._site, gateway=self._gateway), b"offline", qos=1, retain=True),
            clean_session=True if self._protocol is ProtocolVersion.V311 else None,
            timeout=CONNECT_WITHIN,
            keepalive=KEEPALIVE,
            logger=_quiet(),
            tls_context=ssl.create_default_context() if self.broker.tls else None,
        )
        async with client:
            await self._greet(client)
            self.connected.set()
            self._say(f"broker {self.broker.url}: connected")
            try:
                async with asyncio.TaskGroup() as tasks:
                    tasks.create_task(self._read(client), name="mqtt: read")
                    tasks.create_task(self._write(client), name="mqtt: write")
            except* MqttError as lost:
                raise MqttError(str(lost.exceptions[0])) from None
            except* asyncio.CancelledError:
                await self._take_leave(client)
                raise

    async def _greet(self, client: _Client) -> None:
        for station in self._topics:
            await client.subscribe(commands(site=self._site, station=station), qos=1)
        await self._send(client, gateway_status(site=self._site, gateway=self._gateway), b"online", retain=True)
        for station, status in self._status.items():
            self._retained[self._topics[station].of("status")] = status.encode()
        self._changed = dict(self._retained)
        self._wake.set()

    async def _take_leave(self, client: _Client) -> None:
        with contextlib.suppress(MqttError, TimeoutError):
            async with asyncio.timeout(FAREWELL_WITHIN):
                for station in self._topics:
                    await self._send(client, self._topics[station].of("status"), b"offline", retain=True)
                await self._send(
                    client, gateway_status(site=self._site, gateway=self._gateway), b"offline", retain=True
                )

    async def _read(self, client: _Client) -> None:
        async for message in client.messages:
            named = parse_command(str(message.topic))
            if named is None or not isinstance(message.payload, bytes):
                continue
            _, station, name = named
            result = await self._commanded(station, name, message.payload)
            self._answers.append(_Waiting(self._topics[station].result(name), to_json(result), time.monotonic()))
            self._wake.set()

    async def _write(self, client: _Client) -> None:
        """The one task that publishes: answers, events in order, then the latest of the rest."""
        while True:
            await self._wake.wait()
            self._wake.clear()
            while self._answers:
                await self._send(client, self._answers[0].topic, self._answers[0].payload)
                self._answers.popleft()
            while self._events:
                await self._event(client, self._events[0])
            while self._changed:
                topic, payload = next(iter(self._changed.items()))
                await self._send(client, topic, payload, retain=True)
                if self._changed.get(topic) is payload:
                    del self._changed[topic]
            while self._telemetry:
                topic = next(iter(self._telemetry))
                await self._send(client, topic, self._telemetry.pop(topic), qos=0, properties=self._expiry())

    async def _event(self, client: _Client, event: _Waiting) -> None:
        late = time.monotonic() - event.made_at > LATE_AFTER
        payload = event.payload[:-1] + (b',"late":true}' if late else b',"late":false}')
        await self._send(client, event.topic, payload)
        if client.refusal is not None:
            self.refused += 1
            self._say(f"broker {self.broker.url}: refused {event.topic}: {client.refusal}; check its access rules")
        if self._events and self._events[0] is event:  # a full queue may have dropped it meanwhile
            self._events.popleft()
        self._sent.set()

    def _expiry(self) -> Properties | None:
        if self._protocol is not ProtocolVersion.V5:
            return None
        properties = Properties(PacketTypes.PUBLISH)  # type: ignore[no-untyped-call]
        properties.MessageExpiryInterval = TELEMETRY_EXPIRES
        return properties

    @staticmethod
    async def _send(
        client: _Client,
        topic: str,
        payload: bytes,
        *,
        qos: int = 1,
        retain: bool = False,
        properties: Properties | None = None,
    ) -> None:
        client.refusal = None
        await client.publish(topic, payload, qos=qos, retain=retain, properties=properties, timeout=PUBLISH_WITHIN)

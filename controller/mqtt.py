"""The MQTT publisher: events in order and none lost while this process lives, the latest of everything else.

One task publishes. Events go with a window of unconfirmed ones; each stays in the outbox until it is confirmed, so a
lost connection sends some of them twice, with the same id. What is retained is published again at every connect.
"""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections import deque
from collections.abc import Awaitable, Callable
from typing import Final

from msgspec import Struct

from controller.broker import Broker
from controller.mqtt_connection import BrokerLost, Connection, answer, connection
from controller.outbox import Outbox, Waiting
from protocols.events import CommandResult, to_json
from protocols.topics import StationTopics, commands, gateway_status, parse_command

PUBLISH_WITHIN: Final = 5.0  # s for a confirmation; later the connection counts as lost
BACK_OFF: Final = 0.25  # s, doubled up to BACK_OFF_MOST
BACK_OFF_MOST: Final = 5.0  # s
LATE_AFTER: Final = 5.0  # s from an event's making; later it says that it is late
TELEMETRY_EXPIRES: Final = 5  # s
WINDOW: Final = 50  # events under way
FAREWELL_WITHIN: Final = 0.7  # s

EVENT_KINDS: Final = frozenset({"rep", "pair", "set", "comparison", "session", "cue", "fault"})
RETAINED: Final = frozenset({"state", "info", "health"})

Commanded = Callable[[str, str, bytes], Awaitable[CommandResult]]


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
        self.outbox = Outbox()
        self.telemetry_dropped = 0  # readings that a newer one overtook
        self._identifier = f"cable-station-{site}-{gateway}"
        self._gateway_status = gateway_status(site=site, gateway=gateway)
        self._patterns = [commands(site=site, station=station) for station in stations]
        self._topics = {station: StationTopics(site, station) for station in stations}
        self._commanded = commanded
        self._say = say
        self._answers: deque[tuple[str, bytes]] = deque()
        self._retained = {topics.of("status"): b"offline" for topics in self._topics.values()}
        self._changed: dict[str, bytes] = {}  # of what is retained, what the broker has not got yet
        self._telemetry: dict[str, bytes] = {}
        self._wake = asyncio.Event()
        self._settled = asyncio.Event()
        self._refusals: set[str] = set()
        self._v5 = broker.kind != "amqtt"
        self._v5_known = broker.kind != "external"

    @property
    def depth(self) -> int:
        """Events that wait for the broker."""
        return self.outbox.depth

    def offer(self, station: str, kind: str, payload: Struct) -> None:
        """Take one payload; never blocks. Call it from the event loop's thread."""
        topics = self._topics[station]
        if kind in EVENT_KINDS:
            self.outbox.put(Waiting(topics.event(kind), to_json(payload), time.monotonic()))
        elif kind == "telemetry":
            topic = topics.of(kind)
            self.telemetry_dropped += topic in self._telemetry
            self._telemetry[topic] = to_json(payload)
        elif kind in RETAINED:
            self._retain(topics.of(kind), to_json(payload))
        elif kind == "status":
            self._retain(topics.of(kind), str(getattr(payload, "status", "offline")).encode())
        self._wake.set()

    def _retain(self, topic: str, payload: bytes) -> None:
        self._retained[topic] = payload
        self._changed[topic] = payload

    async def run(self) -> None:
        """Connect, and again whenever the connection is lost, until cancelled; each trouble is one line an outage."""
        wait, said = BACK_OFF, set[str]()
        while True:
            began = time.monotonic()
            try:
                await self._connection()
            except BrokerLost as error:
                lost = self.connected.is_set()
                if lost and time.monotonic() - began > BACK_OFF_MOST:
                    wait = BACK_OFF
                if lost:
                    said = set()
                elif error.answered and not self._v5_known:
                    self._v5 = not self._v5
                if str(error) not in said:
                    said.add(str(error))
                    self._say(f"broker {self.broker.url}: {_trouble(error, lost=lost)}; trying again")
            finally:
                self.connected.clear()
                self.outbox.connection_lost(now=time.monotonic())
            await asyncio.sleep(wait)
            wait = min(2.0 * wait, BACK_OFF_MOST)

    async def drained(self, *, within: float) -> bool:
        """Wait until the broker has all events, for at most `within` s; whether it has."""
        try:
            async with asyncio.timeout(within):
                while self.outbox.depth:
                    self._settled.clear()
                    await self._settled.wait()
        except TimeoutError:
            return False
        return True

    async def _connection(self) -> None:
        async with connection(
            self.broker, identifier=self._identifier, v5=self._v5, will_topic=self._gateway_status, will=b"offline"
        ) as link:
            for pattern in self._patterns:
                await link.subscribe(pattern)
            await self._tell(link, self._gateway_status, b"online")
            self._changed = dict(self._retained)
            self._v5_known = True
            self.connected.set()
            self._say(f"broker {self.broker.url}: connected")
            try:
                async with asyncio.TaskGroup() as tasks:
                    tasks.create_task(self._read(link), name="mqtt: read")
                    tasks.create_task(self._write(link), name="mqtt: write")
            except BaseExceptionGroup as ended:
                if ended.split(BrokerLost)[1] is not None:
                    raise  # a bug of ours
                raise ended.exceptions[0] from None
            except asyncio.CancelledError:
                await self._take_leave(link)
                raise

    async def _take_leave(self, link: Connection) -> None:
        with contextlib.suppress(BrokerLost, TimeoutError):
            async with asyncio.timeout(FAREWELL_WITHIN):
                for topics in self._topics.values():
                    await self._tell(link, topics.of("status"), b"offline")
                await self._tell(link, self._gateway_status, b"offline")

    async def _read(self, link: Connection) -> None:
        """Carry out commands as they come, one after the other."""
        async for topic, payload, retained in link.messages():
            named = parse_command(topic)
            if named is None:
                continue
            _, station, name = named
            if retained:  # it would be carried out again at every connect
                self._say(f"broker {self.broker.url}: {topic}: a retained command is ignored; send it without retain")
                continue
            result = await self._commanded(station, name, payload)
            self._answers.append((self._topics[station].result(name), to_json(result)))
            self._wake.set()

    async def _write(self, link: Connection) -> None:
        """The one task that publishes: answers and the latest of all first, since they are few; then events."""
        under_way: deque[asyncio.Future[str | None]] = deque()
        while True:
            self._wake.clear()
            await self._urgent(link)
            while len(under_way) < WINDOW and (event := self.outbox.next()) is not None:
                under_way.append(link.begin(event.topic, stamped(event, now=time.monotonic())))
            if under_way:
                refused = await answer(under_way[0], within=PUBLISH_WITHIN)
                under_way.popleft()
                topic = self.outbox.settled(refused=refused is not None, now=time.monotonic()).topic
                if refused is not None:
                    self._refused(topic, refused)
                self._settled.set()
            else:
                await self._wake.wait()

    async def _urgent(self, link: Connection) -> None:
        while self._answers:
            await self._tell(link, *self._answers[0], retain=False)
            self._answers.popleft()
        while self._changed:
            topic, payload = next(iter(self._changed.items()))
            await self._tell(link, topic, payload)
            if self._changed.get(topic) is payload:
                del self._changed[topic]
        while self._telemetry:
            topic = next(iter(self._telemetry))
            payload = self._telemetry.pop(topic)
            await link.show(topic, payload, expires_s=TELEMETRY_EXPIRES, within=PUBLISH_WITHIN)

    async def _tell(self, link: Connection, topic: str, payload: bytes, *, retain: bool = True) -> None:
        refused = await link.publish(topic, payload, retain=retain, within=PUBLISH_WITHIN)
        if refused is not None:
            self._refused(topic, refused)

    def _refused(self, topic: str, why: str) -> None:
        """Say that the broker will not have a topic, once for each."""
        if topic not in self._refusals:
            self._refusals.add(topic)
            self._say(f"broker {self.broker.url}: refuses {topic}: {why}; check its access rules")


def stamped(event: Waiting, *, now: float) -> bytes:
    """An event's JSON as it is published: with `late`, which tells that it waited for longer than LATE_AFTER."""
    return event.payload[:-1] + (b',"late":true}' if now - event.made_at > LATE_AFTER else b',"late":false}')


def _trouble(error: BrokerLost, *, lost: bool) -> str:
    if lost:
        return f"lost: {error}"
    if error.answered:
        return f"will not have us: {error}; check its version, and user and password in broker.url"
    return f"cannot be reached: {error}; is it running, and is broker.url right"

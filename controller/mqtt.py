"""The MQTT publisher: events in order and none lost, the latest of everything else.

One task publishes. Events go with a window of unconfirmed ones; each stays in the outbox until it is confirmed, so a
lost connection sends some of them twice, with the same id. What is retained is published again at every connect.
"""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections import deque
from collections.abc import Awaitable, Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from itertools import islice
from typing import Final

from msgspec import Struct

from controller.adapters.adapter import Adapter, Outgoing
from controller.broker import Broker
from controller.mqtt_connection import CONNACK_WITHIN, BrokerLost, Connection, answer, connection
from controller.outbox import Outbox, Waiting, stamped
from controller.ownership import WORD_EVERY, Ownership
from controller.voice import Said
from protocols.events import CommandResult, Event, to_json
from protocols.topics import StationTopics, commands, gateway_status, parse_command

PUBLISH_WITHIN: Final = 5.0  # s for a confirmation; later the connection counts as lost
BACK_OFF: Final = 0.25  # s, doubled up to BACK_OFF_MOST
BACK_OFF_MOST: Final = 5.0  # s
TELEMETRY_EXPIRES: Final = 5  # s
CLUSTER_WITHIN: Final = 6.0  # s for an answer of a node; it may have to wait for an election among the others
SUBSCRIBE_AGAIN: Final = 10.0  # s after a refusal
WINDOW: Final = 50  # events under way
RETAINED_WINDOW: Final = 40  # of what is retained, under way at once
TIMER: Final = 0.001  # s; timers round down
FAREWELL_WITHIN: Final = 0.7  # s

RETAINED: Final = frozenset({"state", "info", "health"})

LONGEST_TOPIC: Final = 200  # characters of a topic that somebody else chose
MOST_ANSWERS: Final = 1000  # that wait; whoever floods us with commands loses the oldest
REPLIES: Final = "reply/"  # where answers go besides a station's own topics, for whoever asks with MQTT 5


@dataclass(frozen=True, slots=True)
class Answer:
    """An answer to a command."""

    topic: str
    payload: bytes
    correlation: bytes | None


def may_reply(topic: str | None, *, usual: str) -> bool:
    """Whether an answer may also go where its asker wants it: never where it would be taken for something else."""
    if topic is None or not topic.startswith((REPLIES, f"{usual}/")):
        return False
    return len(topic) <= LONGEST_TOPIC and not any(sign in topic for sign in "+#\0")


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
        outbox: Outbox | None = None,
        adapters: Sequence[Adapter] = (),
    ) -> None:
        """outbox: None: one in memory."""
        self.broker = broker
        self.connected = asyncio.Event()
        self.outbox = outbox or Outbox()
        self.telemetry_dropped = 0  # readings that a newer one overtook
        self._identifier = f"cable-station-{site}-{gateway}"
        self._gateway_status = gateway_status(site=site, gateway=gateway)
        self._patterns = [commands(site=site, station=station) for station in stations]
        self._topics = {station: StationTopics(site, station) for station in stations}
        self._commanded = commanded
        self._say = say
        self._adapters = adapters
        self._answers: deque[Answer] = deque(maxlen=MOST_ANSWERS)
        self._site = site
        self._unwanted: set[str] = set()  # what has been said of messages that are no commands for us
        self._retained = {topics.of("status"): b"offline" for topics in self._topics.values()}
        self._changed: dict[str, bytes] = {}  # of what is retained, what the broker has not got yet
        self._telemetry: dict[str, tuple[str, bytes]] = {}  # by name, the topic and what is to be shown
        self._wake = asyncio.Event()
        self._settled = asyncio.Event()
        self._refusals: set[str] = set()
        self._ownership = Ownership(site=site, gateway=gateway, stations=stations, say=say)
        self._v5 = broker.kind != "amqtt"
        self._v5_known = broker.kind != "external"

    @property
    def depth(self) -> int:
        """Events that wait for the broker."""
        return self.outbox.depth

    @property
    def unsaved(self) -> int | None:
        """Events that wait in memory only, None where there is no file for them."""
        return self.outbox.unsaved

    @property
    def events_dropped(self) -> int:
        """Events that made room for newer ones, or grew too old."""
        return self.outbox.dropped

    @property
    def dead_letters(self) -> int:
        """Events that the broker refused."""
        return self.outbox.dead_letters

    def offer(self, station: str, kind: str, payload: Struct) -> None:
        """Take one payload; never blocks. Call it from the event loop's thread."""
        topics = self._topics[station]
        if isinstance(payload, Event):
            now = time.monotonic()
            self.outbox.put(
                Waiting(
                    station=station, session=payload.session, seq=payload.seq, id=payload.id,
                    topic=topics.event(kind), payload=to_json(payload), made_at=now,
                ),
                now=now,
            )  # fmt: skip
        elif kind == "telemetry":
            topic = topics.of(kind)
            self.telemetry_dropped += topic in self._telemetry
            self._telemetry[topic] = topic, to_json(payload)
        elif kind in RETAINED:
            self._retain(topics.of(kind), to_json(payload))
        elif kind == "status":
            self._retain(topics.of(kind), str(getattr(payload, "status", "offline")).encode())
        for adapter in self._adapters:
            self._adapt(adapter.offered(station, kind, payload), of=payload)
        self._wake.set()

    def _adapt(self, messages: Iterable[Outgoing], *, of: Struct | None = None) -> None:
        """Take what an adapter says; of: the payload that made it say so."""
        for message in messages:
            if message.care == "event" and isinstance(of, Event):
                now = time.monotonic()
                self.outbox.put(
                    Waiting(
                        station=of.station, session=f"{of.session} {message.name}", seq=of.seq,
                        id=f"{of.id} {message.name}", topic=message.topic, payload=message.payload, made_at=now,
                    ),
                    now=now,
                )  # fmt: skip
            elif message.care == "retained":
                self._retain(message.topic, message.payload)
            else:
                self._telemetry[message.name] = message.topic, message.payload

    def _retain(self, topic: str, payload: bytes) -> None:
        self._changed[topic] = payload
        if payload:
            self._retained[topic] = payload
        else:
            self._retained.pop(topic, None)

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
                    text = f"broker {self.broker.url}: {_trouble(error, lost=lost)}; trying again"
                    self._say(Said(text, level="warning"))
                self.broker = self.broker.turned()
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
        await self._ownership.free(self.broker, v5=self._v5)
        patient = self._v5_known and self.broker.others
        async with connection(
            self.broker, identifier=self._identifier, v5=self._v5, will_topic=self._gateway_status, will=b"offline",
            answer_within=CLUSTER_WITHIN if patient else CONNACK_WITHIN,
        ) as link:  # fmt: skip
            refused = [pattern for pattern in self._patterns if not await self._subscribed(link, pattern)]
            await self._tell(link, self._gateway_status, b"online")
            for adapter in self._adapters:
                for pattern in adapter.patterns:
                    await link.may_subscribe(pattern)
                self._adapt(adapter.connected())
            for topic in self._ownership.topics:
                await link.may_subscribe(topic)
                await self._tell(link, topic, self._ownership.word)
            self._changed = dict(self._retained)
            self._v5_known = True
            self.connected.set()
            self._say(f"broker {self.broker.url}: connected")
            try:
                async with asyncio.TaskGroup() as tasks:
                    tasks.create_task(self._read(link), name="mqtt: read")
                    tasks.create_task(self._write(link), name="mqtt: write")
                    tasks.create_task(self._subscribe_again(link, refused), name="mqtt: subscribe")
                    tasks.create_task(self._own(), name="mqtt: own")
            except BaseExceptionGroup as ended:
                if ended.split(BrokerLost)[1] is not None:
                    raise  # a bug of ours
                raise ended.exceptions[0] from None
            except asyncio.CancelledError:
                await self._take_leave(link)
                raise

    async def _subscribed(self, link: Connection, pattern: str) -> bool:
        """Subscribe; False when the broker will not have it. Events go out all the same."""
        granted = await link.may_subscribe(pattern)
        if not granted and pattern not in self._refusals:
            text = f"broker {self.broker.url}: refuses the subscription to {pattern}: no commands come; check its rules"
            self._say(Said(text, level="error"))
        (self._refusals.discard if granted else self._refusals.add)(pattern)
        return granted

    async def _subscribe_again(self, link: Connection, patterns: list[str]) -> None:
        """Ask again: a cluster refuses for as long as too few of its nodes are there."""
        while patterns:
            await asyncio.sleep(SUBSCRIBE_AGAIN)
            patterns = [pattern for pattern in patterns if not await self._subscribed(link, pattern)]

    async def _own(self) -> None:
        """Say again and again that we run the stations. Raises BrokerLost when that does not get through."""
        while True:
            await asyncio.sleep(WORD_EVERY)
            for topic in self._ownership.topics:
                if topic in self._changed:
                    raise BrokerLost(f"no confirmation of {topic} within {WORD_EVERY:g} s", answered=True)
                self._changed[topic] = self._ownership.word
            self._wake.set()

    async def _take_leave(self, link: Connection) -> None:
        with contextlib.suppress(BrokerLost, TimeoutError):
            async with asyncio.timeout(FAREWELL_WITHIN):
                for topics in self._topics.values():
                    await self._tell(link, topics.of("status"), b"offline")
                await self._tell(link, self._gateway_status, b"offline")

    async def _read(self, link: Connection) -> None:
        """Carry out commands as they come, one after the other."""
        async for message in link.messages():
            if message.topic in self._ownership.topics:
                self._ownership.heard(message.topic, message.payload, retained=message.retained)
                continue
            named = parse_command(message.topic)
            if named is None:
                for adapter in self._adapters:
                    self._adapt(adapter.heard(message.topic, message.payload, retained=message.retained))
                self._wake.set()
                continue
            if named[0] != self._site or named[1] not in self._topics:
                self._not_ours("messages that are no commands for this gateway are ignored; check its access rules")
                continue
            if message.retained:  # it would be carried out again at every connect
                self._not_ours("a retained command is ignored; send it without retain")
                continue
            _, station, name = named
            result = await self._commanded(station, name, message.payload)
            answer = Answer(self._topics[station].result(name), to_json(result), message.correlation)
            self._answers.append(answer)
            if may_reply(message.reply_to, usual=answer.topic):
                assert message.reply_to is not None
                self._answers.append(replace(answer, topic=message.reply_to))
            self._wake.set()

    def _not_ours(self, why: str) -> None:
        """Say once that something which came is not carried out; a flood of it is one line."""
        if why not in self._unwanted:
            self._unwanted.add(why)
            self._say(f"broker {self.broker.url}: {why}")

    async def _write(self, link: Connection) -> None:
        """The one task that publishes: answers and the latest of all first, since they are few; then events."""
        under_way: deque[tuple[float, asyncio.Future[str | None]]] = deque()  # with when the answer must be there
        while True:
            self._wake.clear()
            await self._urgent(link)
            while under_way and under_way[0][1].done():
                self._settle(under_way.popleft()[1].result())
            now = time.monotonic()
            if under_way and now > under_way[0][0]:
                raise BrokerLost(f"no confirmation within {PUBLISH_WITHIN:g} s", answered=True)
            while len(under_way) < WINDOW and (event := self.outbox.next(now=now)) is not None:
                confirmed = link.begin(event.topic, stamped(event, now=now))
                confirmed.add_done_callback(lambda _: self._wake.set())
                under_way.append((now + PUBLISH_WITHIN, confirmed))
            due = self.outbox.due(now=now)
            deadline = under_way[0][0] if under_way else None
            await self._woken(until=min((each for each in (due, deadline) if each is not None), default=None))

    async def _woken(self, *, until: float | None) -> None:
        """Wait for something to do, at most until then (host monotonic, s)."""
        if until is None:
            await self._wake.wait()
            return
        loop = asyncio.get_running_loop()
        timer = loop.call_later(max(until - time.monotonic(), 0.0) + TIMER, self._wake.set)
        try:
            await self._wake.wait()
        finally:
            timer.cancel()

    def _settle(self, refused: str | None) -> None:
        topic = self.outbox.settled(refused=refused, now=time.monotonic()).topic
        if refused is not None:
            self._refused(topic, refused)
        self._settled.set()

    async def _urgent(self, link: Connection) -> None:
        while self._answers:
            one = self._answers.popleft()
            refused = await link.reply(one.topic, one.payload, correlation=one.correlation, within=PUBLISH_WITHIN)
            if refused is not None:
                self._not_ours(f"refuses an answer to a command: {refused}; check its access rules")
        while self._changed:  # all at once: one after the other, a slow broker would never get to the events
            sent = [
                (topic, payload, link.begin(topic, payload, retain=True))
                for topic, payload in islice(self._changed.items(), RETAINED_WINDOW)
            ]
            for topic, payload, confirmed in sent:
                refused = await answer(confirmed, within=PUBLISH_WITHIN)
                if refused is not None:
                    self._refused(topic, refused)
                if self._changed.get(topic) is payload:
                    del self._changed[topic]
        while self._telemetry:
            topic, payload = self._telemetry.pop(next(iter(self._telemetry)))
            await link.show(topic, payload, expires_s=TELEMETRY_EXPIRES, within=PUBLISH_WITHIN)

    async def _tell(self, link: Connection, topic: str, payload: bytes, *, retain: bool = True) -> None:
        refused = await link.publish(topic, payload, retain=retain, within=PUBLISH_WITHIN)
        if refused is not None:
            self._refused(topic, refused)

    def _refused(self, topic: str, why: str) -> None:
        """Say that the broker will not have a topic, once for each."""
        if topic not in self._refusals:
            self._refusals.add(topic)
            text = f"broker {self.broker.url}: refuses {topic}: {why}; check its access rules"
            self._say(Said(text, level="error"))


def _trouble(error: BrokerLost, *, lost: bool) -> str:
    if lost:
        return f"lost: {error}"
    if error.advice is not None:
        return f"{error}; {error.advice}"
    if error.answered:
        return f"will not have us: {error}; check its version, and the account in [broker]"
    return f"cannot be reached: {error}; is it running, and is broker.url right"

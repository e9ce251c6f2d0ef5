"""Who runs a station: one controller at a time, told by a retained word beside the station's status.

A controller looks before it connects as itself, under a name of its own so that it takes no connection away. A word
counts while the gateway that it names is online; the last will sees to that. Where broker and gateway died together
nobody sent it: then the station's health, which a controller publishes every 10 s, stays away. Of two that begin at
once the later word holds.
"""

from __future__ import annotations

import asyncio
import contextlib
import secrets
import socket
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Final

import msgspec

from controller.broker import Broker
from controller.mqtt_connection import BrokerLost, Connection, connection
from protocols.events import Owner
from protocols.topics import StationTopics, gateway_claim, gateway_status, gateway_statuses

ECHO_WITHIN: Final = 1.0  # s; a broker that does not let us hear ourselves is believed after that
HEALTH_WITHIN: Final = 25.0  # s; two of a station's messages may be missed on the way


@dataclass(slots=True)
class _Seen:
    """What the broker has told: owners and when their health came, by owner's topic; which gateways are online."""

    owners: dict[str, Owner] = field(default_factory=dict)
    online: dict[str, bool] = field(default_factory=dict)
    health: dict[str, float] = field(default_factory=dict)  # host monotonic, s


class Ownership:
    """This process's claim to its stations."""

    def __init__(self, *, site: str, gateway: str, stations: Sequence[str], say: Callable[[str], None]) -> None:
        self._site, self._say = site, say
        self._ours = Owner(gateway=gateway, instance=secrets.token_hex(4), host=socket.gethostname())
        self._stations = {StationTopics(site, station).of("owner"): station for station in stations}
        self._health = {StationTopics(site, each).of("health"): owner for owner, each in self._stations.items()}
        self._statuses = gateway_statuses(site=site)
        self._claim = gateway_claim(site=site, gateway=gateway)
        self._claimed: set[str] = set()

    @property
    def topics(self) -> list[str]:
        """Where the words stand."""
        return list(self._stations)

    @property
    def word(self) -> bytes:
        """What is said there by us."""
        return msgspec.json.encode(self._ours)

    async def free(self, broker: Broker, *, v5: bool) -> None:
        """Wait until no other controller runs one of our stations. Raises BrokerLost."""
        self._claimed.clear()
        name = f"cable-station-{self._site}-{self._ours.gateway}-{self._ours.instance}"
        async with connection(broker, identifier=name, v5=v5) as link:
            try:
                for topic in (*self._stations, self._statuses, self._claim):
                    await link.subscribe(topic)
            except BrokerLost:
                return  # its access rules let nobody look
            for topic in self._health:
                await link.may_subscribe(topic)
            seen = _Seen()
            echo = asyncio.create_task(self._heard_all(link, seen), name="ownership: look")
            try:
                await link.publish(self._claim, b"", within=ECHO_WITHIN)
                with contextlib.suppress(TimeoutError):
                    async with asyncio.timeout(ECHO_WITHIN):
                        await asyncio.shield(echo)
            finally:
                echo.cancel()
                await asyncio.gather(echo, return_exceptions=True)
            told = False
            while (other := self._other(seen, now=time.monotonic())) is not None:
                if not told:
                    told = True
                    station, owner = other
                    self._say(
                        f"broker {broker.url}: {station} is run by another controller, gateway {owner.gateway!r} on "
                        f"{owner.host}; this one stays passive until that one ends"
                    )
                with contextlib.suppress(TimeoutError):
                    async with asyncio.timeout(HEALTH_WITHIN):
                        await self._next(link, seen)

    async def _heard_all(self, link: Connection, seen: _Seen) -> None:
        """Take what is retained, up to the echo of our own word."""
        while not await self._next(link, seen):
            pass

    async def _next(self, link: Connection, seen: _Seen) -> bool:
        """Take one message; whether it is our echo."""
        async for message in link.messages():
            if message.topic == self._claim:
                return True
            if message.topic in self._stations:
                owner = owner_in(message.payload)
                if owner is not None:
                    seen.owners[message.topic] = owner
            elif message.topic in self._health:
                seen.health[self._health[message.topic]] = time.monotonic()
            else:
                seen.online[message.topic] = message.payload == b"online"
            return False
        return True

    def _other(self, seen: _Seen, *, now: float) -> tuple[str, Owner] | None:
        for topic, owner in seen.owners.items():
            alive = seen.online.get(gateway_status(site=self._site, gateway=owner.gateway), False)
            if now - seen.health.get(topic, now) >= HEALTH_WITHIN:  # what may not be read at all says nothing
                alive = False
            if owner.instance != self._ours.instance and alive:
                return self._stations[topic], owner
        return None

    def heard(self, topic: str, payload: bytes, *, retained: bool) -> None:
        """Take a word that comes while we run. Raises BrokerLost when another one's came after ours."""
        owner = owner_in(payload)
        if retained or owner is None:
            return
        if owner.instance == self._ours.instance:
            self._claimed.add(topic)
        elif topic in self._claimed:
            raise BrokerLost(f"{self._stations[topic]} was taken over by gateway {owner.gateway!r}", answered=True)


def owner_in(payload: bytes) -> Owner | None:
    """Who a word names; None for what is none, or names no gateway that there could be."""
    try:
        owner = msgspec.json.decode(payload, type=Owner)
        gateway_status(site="site", gateway=owner.gateway)
    except (msgspec.MsgspecError, UnicodeDecodeError, ValueError):
        return None
    return owner

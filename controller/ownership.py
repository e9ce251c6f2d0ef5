"""Who runs a station: one controller at a time, told by a retained word beside the station's status.

A controller looks before it connects as itself, under a name of its own so that it takes no connection away. A word
counts until its gateway is offline; the last will sees to that. Where broker and gateway died together nobody sent it,
so an owner says its word again every WORD_EVERY and ends its connection when that does not get through, and one that
is not heard for GONE_AFTER has gone. Of two that begin at once the later word holds.
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
from protocols.events import Owner, to_json
from protocols.topics import StationTopics, gateway_claim, gateway_status, gateway_statuses

ECHO_WITHIN: Final = 1.0  # s; a broker that does not let us hear ourselves is believed after that
WORD_EVERY: Final = 10.0  # s
GONE_AFTER: Final = 25.0  # s; a living owner's word is confirmed at least every 2 * WORD_EVERY


@dataclass(slots=True)
class _Seen:
    """What the broker has told: owners and when their last word came, by its topic; which gateways are online."""

    owners: dict[str, Owner] = field(default_factory=dict)
    said_at: dict[str, float] = field(default_factory=dict)  # host monotonic, s
    online: dict[str, bool] = field(default_factory=dict)


class Ownership:
    """This process's claim to its stations."""

    def __init__(self, *, site: str, gateway: str, stations: Sequence[str], say: Callable[[str], None]) -> None:
        self._site, self._say = site, say
        self._gateway, self._instance = gateway, secrets.token_hex(4)
        self._stations = {StationTopics(site, station).of("owner"): station for station in stations}
        self._statuses = gateway_statuses(site=site)
        self._status = gateway_status(site=site, gateway=gateway)
        self._claim = gateway_claim(site=site, gateway=gateway)
        self._claimed: set[str] = set()

    @property
    def topics(self) -> list[str]:
        """Where the words stand."""
        return list(self._stations)

    @property
    def word(self) -> bytes:
        """What is said there by us at this moment."""
        return to_json(
            Owner(
                ts=time.time_ns() // 1_000_000,
                gateway=self._gateway,
                instance=self._instance,
                host=socket.gethostname(),
            )
        )

    async def free(self, broker: Broker, *, v5: bool) -> None:
        """Wait until no other controller runs one of our stations. Raises BrokerLost."""
        self._claimed.clear()
        name = f"cable-station-{self._site}-{self._gateway}-{self._instance}"
        async with connection(broker, identifier=name, v5=v5) as link:
            if not all([await link.may_subscribe(topic) for topic in (*self._stations, self._statuses, self._claim)]):
                return  # its access rules let nobody look
            seen, told = _Seen(), False
            while True:
                await self._look(link, seen)
                others = self._others(seen, now=time.monotonic())
                if not others:
                    return
                if not told:
                    told = True
                    await self._give_way(link, [seen.owners[topic] for topic in others])
                    owner = seen.owners[others[0]]
                    self._say(
                        f"broker {broker.url}: {self._stations[others[0]]} is run by another controller, gateway "
                        f"{owner.gateway!r} on {owner.host}; this one stays passive until that one ends"
                    )
                with contextlib.suppress(TimeoutError):
                    async with asyncio.timeout(seen.said_at[others[0]] + GONE_AFTER - time.monotonic()):
                        await self._next(link, seen)

    async def _give_way(self, link: Connection, owners: Sequence[Owner]) -> None:
        """Say that our gateway is offline, as it may have been online, unless that is said of another of its name."""
        if all(owner.gateway != self._gateway for owner in owners):
            await link.publish(self._status, b"offline", retain=True, within=ECHO_WITHIN)

    async def _look(self, link: Connection, seen: _Seen) -> None:
        """Take all that the broker has for us by now, however long we were held up: what is retained, and words."""
        echo = asyncio.create_task(self._heard_all(link, seen), name="ownership: look")
        try:
            await link.publish(self._claim, b"", within=ECHO_WITHIN)
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(ECHO_WITHIN):
                    await asyncio.shield(echo)
        finally:
            echo.cancel()
            await asyncio.gather(echo, return_exceptions=True)

    async def _heard_all(self, link: Connection, seen: _Seen) -> None:
        """Take what comes, up to the echo of our claim."""
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
                    seen.owners[message.topic], seen.said_at[message.topic] = owner, time.monotonic()
            else:
                seen.online[message.topic] = message.payload == b"online"
            return False
        return True

    def _others(self, seen: _Seen, *, now: float) -> list[str]:
        """Where the words of others stand that count."""
        found = []
        for topic, owner in seen.owners.items():
            may_live = seen.online.get(gateway_status(site=self._site, gateway=owner.gateway), True)
            if owner.instance != self._instance and may_live and now - seen.said_at[topic] < GONE_AFTER:
                found.append(topic)
        return found

    def heard(self, topic: str, payload: bytes, *, retained: bool) -> None:
        """Take a word that comes while we run. Raises BrokerLost when another one's came after ours."""
        owner = owner_in(payload)
        if retained or owner is None:
            return
        if owner.instance == self._instance:
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

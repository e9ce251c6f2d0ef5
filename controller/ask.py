"""Send one command to a station that runs, over its broker, and wait for the answer."""

from __future__ import annotations

import asyncio
import secrets
import time
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Final

import msgspec

from controller.broker import Broker, external, told
from controller.broker_rules import url_problem
from controller.config import BrokerConfig, GymConfig, StationConfig
from controller.mqtt_connection import BrokerLost, Connection, connection
from protocols.events import CommandResult
from protocols.topics import StationTopics

ANSWER_WITHIN: Final = 5.0  # s
EXPIRES: Final = 10  # s; who hears it later does not carry it out


class AskError(Exception):
    """It was not done; one line that says why."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Address:
    """A station and the broker that leads to it."""

    broker: Broker
    site: str
    station: str


def address(gym: GymConfig, *, broker: str | None, station: str | None) -> Address:
    """Which station, over which broker: a URL, the folder that a gateway named, or None for the configuration's.

    Raises AskError, ConfigError when that does not follow from the configuration.
    """
    if broker is not None and "://" not in broker:
        reached = told(Path(broker))
    elif broker is not None:
        problem = url_problem(broker)
        if problem is not None:
            raise AskError(f"--broker: {problem}")
        theirs = BrokerConfig(url=broker, ca=gym.broker.ca, cert=gym.broker.cert, key=gym.broker.key)
        reached = external(theirs)
    elif gym.broker.url in ("auto", "none"):
        raise AskError(
            f"the configuration names no broker (broker.url is {gym.broker.url!r}); "
            "give --broker and the folder that the gateway named at its start"
        )
    else:
        reached = external(gym.broker)
    return Address(broker=reached, site=gym.site, station=chosen_station(gym, station).id)


def chosen_station(gym: GymConfig, station: str | None) -> StationConfig:
    """The station of this id, or the only one. Raises AskError when there is no telling which."""
    known = {each.id: each for each in gym.station}
    if station is None and len(known) > 1:
        raise AskError(f"which station? give --station, one of {', '.join(known)}")
    if station is not None and station not in known:
        raise AskError(f"there is no station {station!r}; known: {', '.join(known)}")
    return known[station] if station is not None else gym.station[0]


async def ask(where: Address, name: str, fields: dict[str, Any]) -> None:
    """Have a command carried out, over the first of the broker's nodes that has us.

    Raises AskError when it is refused, or nobody answers.
    """
    troubles = []
    for _ in range(1 + len(where.broker.others)):
        try:
            await _asked_at_one(where, name, fields)
        except BrokerLost as error:
            troubles.append(f"broker {where.broker.url}: {error}")
            where = replace(where, broker=where.broker.turned())
        else:
            return
    raise AskError("; ".join(troubles))


async def _asked_at_one(where: Address, name: str, fields: dict[str, Any]) -> None:
    """The same over the broker's first node alone. Raises BrokerLost too."""
    for v5 in (True, False):
        try:
            async with connection(where.broker, identifier=f"ask-{secrets.token_hex(6)}", v5=v5) as link:
                await _asked(link, where, name, fields)
                return
        except BrokerLost as error:
            if not v5 or not error.answered:
                raise


async def _asked(link: Connection, where: Address, name: str, fields: dict[str, Any]) -> None:
    topics = StationTopics(where.site, where.station)
    request = secrets.token_hex(8)
    now = time.time_ns() // 1_000_000
    payload = msgspec.json.encode({"v": 1, "request": request, "issued_at": now, "expires_s": EXPIRES, **fields})
    await link.subscribe(topics.result(name))
    refused = await link.publish(topics.of(f"cmd/{name}"), payload, within=ANSWER_WITHIN)
    if refused is not None:
        raise AskError(f"broker {where.broker.url}: {refused}; this account may not send commands")
    try:
        async with asyncio.timeout(ANSWER_WITHIN):
            async for message in link.messages():
                try:
                    result = msgspec.json.decode(message.payload, type=CommandResult)
                except msgspec.MsgspecError:
                    continue  # no answer of a station
                if result.request != request:
                    continue  # somebody else's
                if result.state == "refused":
                    raise AskError(f"{where.station}: {result.reason}")
                return
    except TimeoutError:
        raise AskError(f"{where.station} does not answer; does it run?") from None

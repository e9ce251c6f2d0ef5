"""Home Assistant: one retained message a station that describes it as a device, for discovery.

It points at the retained state and at the events, never at telemetry. It is made again when the station's sides
become known. A message of ours whose station is no longer here, or all of them when the switch is off, is taken back:
what the broker has retained says itself, by its availability, which gateway it came from.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from importlib.metadata import version
from typing import Any, Final

import msgspec
from msgspec import Struct

from controller.adapters.adapter import Outgoing
from controller.adapters.home_assistant_entities import EVENTS, STATES, components
from protocols.events import SIDES, Info, Side
from protocols.topics import StationTopics, gateway_status

__all__ = ["EVENTS", "STATES", "HomeAssistant"]

BIRTH: Final = b"online"
LONGEST: Final = 1_000_000  # bytes; others' messages may be of any size


class HomeAssistant:
    """The adapter. Without its switch it only takes back what it once said."""

    def __init__(
        self, *, site: str, gateway: str, stations: Mapping[str, str], prefix: str, is_enabled: bool = True
    ) -> None:
        """stations: names by id; prefix: Home Assistant's, as configured there."""
        self.patterns: Sequence[str] = (f"{prefix}/device/+/config", *((f"{prefix}/status",) if is_enabled else ()))
        self._gateway_status = gateway_status(site=site, gateway=gateway)
        self._site, self._prefix = site, prefix
        self._names = dict(stations) if is_enabled else {}
        self._sides: dict[str, frozenset[Side]] = dict.fromkeys(self._names, frozenset(SIDES))
        self._topics = {self._topic(station): station for station in self._names}

    def offered(self, station: str, kind: str, payload: Struct) -> Iterable[Outgoing]:
        """Describe a station again when it turns out to have other sides."""
        if kind == "info" and isinstance(payload, Info) and station in self._names and payload.sides:
            sides = frozenset(payload.sides)
            if sides != self._sides[station]:
                self._sides[station] = sides
                return [self._description(station)]
        return []

    def connected(self) -> Iterable[Outgoing]:
        """Describe all stations."""
        return [self._description(station) for station in self._names]

    def heard(self, topic: str, payload: bytes, *, retained: bool) -> Iterable[Outgoing]:
        """Describe all again when Home Assistant has started; take back what is ours and should not be there."""
        if topic == f"{self._prefix}/status":
            return self.connected() if payload == BIRTH and not retained else []
        if retained and topic not in self._topics and self._is_ours(topic, payload):
            return [Outgoing(topic, b"", "retained", topic)]
        return []

    def _topic(self, station: str) -> str:
        return discovery_topic(self._prefix, site=self._site, station=station)

    def _is_ours(self, topic: str, payload: bytes) -> bool:
        """Whether a description came from this gateway."""
        prefix = f"{self._prefix}/device/{device_id(self._site, '')}"
        if not topic.startswith(prefix) or len(payload) > LONGEST:
            return False
        try:
            said = msgspec.json.decode(payload)
        except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
            return False
        places = said.get("avty") if isinstance(said, dict) else None
        return isinstance(places, list) and {"t": self._gateway_status} in places

    def _description(self, station: str) -> Outgoing:
        topics = StationTopics(self._site, station)
        device = device_id(self._site, station)
        payload: dict[str, Any] = {
            "dev": {
                "ids": [device],
                "name": self._names[station],
                "mf": "cable-station",
                "mdl": "dual-cable station",
                "sw": version("cable-station"),
            },
            "o": {"name": "cable-station", "sw": version("cable-station")},
            "avty": [{"t": self._gateway_status}, {"t": topics.of("status")}],
            "avty_mode": "all",
            "qos": 1,
            "cmps": components(topics, device=device, sides=self._sides[station]),
        }
        topic = self._topic(station)
        return Outgoing(topic, msgspec.json.encode(payload), "retained", topic)


def discovery_topic(prefix: str, *, site: str, station: str) -> str:
    """Where a station's description stands."""
    return f"{prefix}/device/{device_id(site, station)}/config"


def device_id(site: str, station: str) -> str:
    """What a station is called there: unique, since ids have no underscore."""
    return f"cable-station_{site}_{station}"

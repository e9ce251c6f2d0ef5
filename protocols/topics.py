"""The MQTT topics: cable/v1/{site}/{station}/…, and the gateway's own status."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final

ROOT: Final = "cable/v1"
ID: Final = re.compile(r"[a-z0-9-]+")
COMMAND: Final = re.compile(r"[a-z][a-z_]*")


def valid_id(text: str) -> bool:
    """Whether a text may name a site, gateway or station; `_gateway` may not, so it never meets a station."""
    return ID.fullmatch(text) is not None


def _checked(**ids: str) -> None:
    for name, text in ids.items():
        if not valid_id(text):
            raise ValueError(f"{name} {text!r}: an id is made of a-z, 0-9 and -")


def gateway_status(*, site: str, gateway: str) -> str:
    """Where the gateway's own status stands, its last will. Raises ValueError for what is no id."""
    _checked(site=site, gateway=gateway)
    return f"{ROOT}/{site}/_gateway/{gateway}/status"


def gateway_claim(*, site: str, gateway: str) -> str:
    """Where a gateway's controllers find out that they have heard all that is retained. Raises ValueError as above."""
    _checked(site=site, gateway=gateway)
    return f"{ROOT}/{site}/_gateway/{gateway}/claim"


def gateway_statuses(*, site: str) -> str:
    """The filter that matches the status of every gateway."""
    _checked(site=site)
    return f"{ROOT}/{site}/_gateway/+/status"


@dataclass(frozen=True, slots=True)
class StationTopics:
    """The topics of one station. Raises ValueError for what is no id."""

    site: str
    station: str

    def __post_init__(self) -> None:
        _checked(site=self.site, station=self.station)

    def of(self, name: str) -> str:
        """status, owner, info, state, telemetry or health."""
        return f"{ROOT}/{self.site}/{self.station}/{name}"

    def event(self, kind: str) -> str:
        """An event of a kind."""
        return self.of(f"event/{kind}")

    def result(self, command: str) -> str:
        """The answer to a command."""
        return self.of(f"cmd/{command}/result")


def is_event(topic: str) -> bool:
    """Whether a topic is that of an event of ours."""
    parts = topic.split("/")
    return len(parts) == 6 and f"{parts[0]}/{parts[1]}" == ROOT and parts[4] == "event"


def commands(*, site: str, station: str) -> str:
    """The filter that matches a station's commands, not their results."""
    return StationTopics(site, station).of("cmd/+")


def parse_command(topic: str) -> tuple[str, str, str] | None:
    """Site, station and command name of a command's topic, None for any other."""
    parts = topic.split("/")
    if len(parts) != 6 or f"{parts[0]}/{parts[1]}" != ROOT or parts[4] != "cmd":
        return None
    site, station, command = parts[2], parts[3], parts[5]
    if not (valid_id(site) and valid_id(station) and COMMAND.fullmatch(command)):
        return None
    return site, station, command

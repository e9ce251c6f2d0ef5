"""The page of the configuration has every key with its default, and nothing else."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest
from msgspec import NODEFAULT, Struct
from msgspec.structs import fields

from controller.config import (
    BrokerConfig,
    ChannelConfig,
    DisplayConfig,
    GymConfig,
    HomeAssistantConfig,
    LogConfig,
    MetricsConfig,
    OutboxConfig,
    RecordingConfig,
    StationConfig,
    parse,
)  # fmt: skip
from controller.core.settings import Exercise
from firmware_bridge.drivers import BoardConfig

PAGE = (Path(__file__).parents[2] / "docs" / "configuration.md").read_text(encoding="utf-8")
SECTIONS: dict[str, type[Struct]] = {
    "The gateway": GymConfig,
    "station": StationConfig,
    "station.board": BoardConfig,
    "station.left and station.right": ChannelConfig,
    "station.exercise": Exercise,
    "broker": BrokerConfig,
    "display": DisplayConfig,
    "recording": RecordingConfig,
    "outbox": OutboxConfig,
    "home_assistant": HomeAssistantConfig,
    "metrics": MetricsConfig,
    "log": LogConfig,
}


def told(section: str) -> dict[str, str]:
    """The keys of a section, with the defaults that it tells; one `none` stands for all keys of its row."""
    table = PAGE.split(f"\n## {section}\n")[1].split("\n## ")[0]
    found: dict[str, str] = {}
    for row in re.findall(r"^\| (`.+?) \| (.+?) \|", table, re.MULTILINE):
        keys, defaults = re.findall(r"`(\w+)`", row[0]), row[1].split(", ")
        found.update(zip(keys, defaults if len(defaults) == len(keys) else defaults * len(keys), strict=True))
    return found


def default(value: Any) -> str:
    """A default as the page writes it."""
    if value is NODEFAULT:
        return "needed"
    if isinstance(value, Struct):
        return "all defaults"
    return "none" if value is None else f"`{json.dumps(value)}`"


@pytest.mark.parametrize("section", SECTIONS)
def test_a_section_has_every_key_with_its_default(section: str) -> None:
    kind = SECTIONS[section]
    own = {
        field.name: default(field.default_factory() if field.default_factory is not NODEFAULT else field.default)
        for field in fields(kind)
    }
    if kind is GymConfig:  # each of its tables is a section
        own = {name: value for name, value in own.items() if name not in SECTIONS}
    assert told(section) == own


def test_the_least_configuration_of_the_page_is_right() -> None:
    text = PAGE.split("```toml\n")[1].split("```")[0]
    assert parse(text, name="least").station[0].id == "row-1"

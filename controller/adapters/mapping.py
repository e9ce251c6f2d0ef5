"""The mapping at work: payloads as they come, the messages of the mapping file as they go.

What is made of an event goes the way of an event: in order, and never lost. Of the rest the latest counts.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from typing import Any, Final

import msgspec
from msgspec import Struct

from controller.adapters.adapter import Care, Outgoing
from controller.adapters.line_protocol import line
from controller.adapters.mapping_file import EVENTS, PLACEHOLDER, WHOLE, MessageConfig, named
from protocols.topics import ROOT

UNSAFE: Final = re.compile(r"[/+#\0]")  # in a part of a topic


class Mapping:
    """The adapter."""

    patterns: Sequence[str] = ()

    def __init__(self, messages: Sequence[MessageConfig], *, site: str, gateway: str) -> None:
        self._messages = [(f"mapping {number}", message) for number, message in enumerate(messages)]
        self._places = {"site": site, "gateway": gateway}

    def offered(self, station: str, kind: str, payload: Struct) -> Iterable[Outgoing]:
        """The payload in other words, as often as it is mapped."""
        found = []
        for name, message in self._messages:
            if kind in message.kinds:
                values = self._values(station, kind, payload)
                if _holds(message.when, values):
                    found += self._rendered(name, message, values)
        return found

    def connected(self) -> Iterable[Outgoing]:
        """Nothing: what is retained is sent again anyway."""
        return []

    def heard(self, topic: str, payload: bytes, *, retained: bool) -> Iterable[Outgoing]:
        """Nothing."""
        del topic, payload, retained
        return []

    def _values(self, station: str, kind: str, payload: Struct) -> dict[str, Any]:
        known = {**self._places, "station": station, "kind": kind, **msgspec.structs.asdict(payload)}
        if kind in EVENTS:
            known["event_type"] = kind
        return known

    def _rendered(self, name: str, message: MessageConfig, values: dict[str, Any]) -> list[Outgoing]:
        topic = PLACEHOLDER.sub(lambda found: _level(values[found[1]]), message.topic)
        data = _line(message, values) if message.format == "line" else _json(message, values)
        if data is None or topic.startswith(f"{ROOT}/"):
            return []
        care: Care = "retained" if message.retain else "latest"
        if values["kind"] in EVENTS:
            care = "event"
        return [Outgoing(topic, data, care, f"{name} {values['station']} {values['kind']}")]


def _holds(when: dict[str, Any], values: dict[str, Any]) -> bool:
    return all(
        values[key] in wanted if isinstance(wanted, list) else values[key] == wanted for key, wanted in when.items()
    )


def _chosen(message: MessageConfig, values: dict[str, Any]) -> dict[str, Any]:
    """The message's fields by their names; without a choice all that the payload has."""
    if message.fields is None:
        return {key: value for key, value in values.items() if key not in ("site", "gateway", "kind")}
    return {name: values[field] for name, field in named(message.fields).items()}


def _line(message: MessageConfig, values: dict[str, Any]) -> bytes | None:
    tags = {name: values[field] for name, field in message.labels.items()}
    fields = _chosen(message, values)
    if message.fields is None:
        fields = {key: value for key, value in fields.items() if key not in (*tags, "v", "ts")}
    text = line(_text(message.measurement, values), tags=tags, fields=fields, ts=values["ts"])
    return text.encode() if text is not None else None


def _json(message: MessageConfig, values: dict[str, Any]) -> bytes | None:
    fields = _chosen(message, values)
    if message.unknown == "omit":
        fields = {key: value for key, value in fields.items() if value is not None}
        if not fields:
            return None
    body = fields if message.body is None else _filled(message.body, {**values, WHOLE: fields})
    return msgspec.json.encode(body)


def _filled(body: Any, values: dict[str, Any]) -> Any:
    """A body with its placeholders filled: one that stands alone keeps the type of its value."""
    if isinstance(body, str):
        alone = PLACEHOLDER.fullmatch(body)
        return values[alone[1]] if alone is not None else _text(body, values)
    if isinstance(body, dict):
        return {_text(key, values): _filled(value, values) for key, value in body.items()}
    return [_filled(each, values) for each in body] if isinstance(body, list) else body


def _text(template: str, values: dict[str, Any]) -> str:
    return PLACEHOLDER.sub(lambda found: _word(values[found[1]]), template)


def _level(value: Any) -> str:
    return UNSAFE.sub("_", _word(value)) or "unknown"


def _word(value: Any) -> str:
    if value is None:
        return "unknown"
    return ("true" if value else "false") if isinstance(value, bool) else str(value)

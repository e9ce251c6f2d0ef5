"""The mapping file: which payloads are also said in other words, where, and how; TOML, checked against the types."""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Any, Final, Literal, get_args, get_type_hints

import msgspec
from msgspec import Meta, Struct

from controller.config import ConfigError, GymConfig, decoded, read_text, wrong
from controller.display import Status
from protocols.events import AnyEvent, Health, Info, State, Telemetry
from protocols.topics import ROOT

Kind = Literal[
    "rep", "pair", "set", "comparison", "session", "cue", "fault", "state", "telemetry", "info", "health", "status"
]
TYPES: Final[dict[str, type[Struct]]] = {
    **{str(each.__struct_config__.tag): each for each in get_args(AnyEvent)},
    "state": State, "telemetry": Telemetry, "info": Info, "health": Health, "status": Status,
}  # fmt: skip
EVENTS: Final = frozenset(str(each.__struct_config__.tag) for each in get_args(AnyEvent))
PLACES: Final = ("site", "gateway", "station", "kind")  # known beside a payload's own fields
WHOLE: Final = "fields"  # in a body: all of the message's fields
PLACEHOLDER: Final = re.compile(r"\{(\w+)\}")
LEVEL: Final = re.compile(r"[^/]*\{\w+\}[^/]*")


class MessageConfig(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One message in other words.

    fields, tags: names of the payload's fields, or a table of them by the names that they get; None: all fields, and
    the station as the only tag.
    """

    kinds: Annotated[list[Kind], Meta(min_length=1)]
    topic: Annotated[str, Meta(min_length=1, max_length=512)]
    when: dict[str, Any] = {}
    format: Literal["json", "line"] = "json"
    fields: list[str] | dict[str, str] | None = None
    unknown: Literal["null", "omit"] = "null"
    body: dict[str, Any] | list[Any] | None = None
    measurement: Annotated[str, Meta(min_length=1)] = "{kind}"
    tags: list[str] | dict[str, str] | None = None
    retain: bool = False

    @property
    def labels(self) -> dict[str, str]:
        """The tags' fields by the names that they get."""
        return named(self.tags if self.tags is not None else ["station"])

    @property
    def filter(self) -> str:
        """The topic filter that matches all that it may publish to."""
        return LEVEL.sub("+", self.topic)


class MappingFile(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """All of them."""

    message: Annotated[list[MessageConfig], Meta(min_length=1)]


def load_mapping(config: Path, gym: GymConfig) -> tuple[MessageConfig, ...]:
    """The messages of the mapping file that a configuration names, seen from its folder. Raises ConfigError."""
    if gym.mapping is None:
        return ()
    path = config.parent / gym.mapping
    return parse_mapping(read_text(path), name=str(path))


def parse_mapping(text: str, *, name: str) -> tuple[MessageConfig, ...]:
    """The messages in a text; name stands in its errors. Raises ConfigError."""
    found = decoded(text, MappingFile, name=name)
    for number, message in enumerate(found.message):
        problem = next(_problems(message), None)
        if problem is not None:
            raise wrong(name, f"message[{number}].{problem}")
    return tuple(found.message)


def _problems(message: MessageConfig) -> Iterator[str]:
    """What types cannot say."""
    yield from _topic(message)
    for key, value in message.when.items():
        yield from _condition(message, key, value)
    if message.fields is not None:
        for field in named(message.fields).values():
            yield from _unknown(message, "fields", field)
    if message.retain and EVENTS.intersection(message.kinds):
        yield "retain: an event that happened once must not be heard again at every connect"
    if message.format == "json":
        for key, is_said in (("measurement", message.measurement != "{kind}"), ("tags", message.tags is not None)):
            if is_said:
                yield f'{key}: goes with format = "line"'
        for text in _texts(message.body):
            for field in PLACEHOLDER.findall(text):
                if field != WHOLE:
                    yield from _unknown(message, "body", field)
    else:
        if message.body is not None:
            yield 'body: goes with format = "json"'
        for field in message.labels.values():
            yield from _unknown(message, "tags", field)
        for field in PLACEHOLDER.findall(message.measurement):
            yield from _unknown(message, "measurement", field)


def _topic(message: MessageConfig) -> Iterator[str]:
    topic = message.topic
    if re.search(r"[+#\x00-\x1f]", topic) or topic.startswith(("$", "/")) or topic.endswith("/"):
        yield f"topic: {topic!r} cannot be published to; no + and #, no $ at its start, no / at its ends"
    if topic == ROOT or topic.startswith(f"{ROOT}/"):
        yield f"topic: below {ROOT} stands the contract; take another"
    for field in PLACEHOLDER.findall(topic):
        yield from _unknown(message, "topic", field)
    rest = PLACEHOLDER.sub("", topic)
    if "{" in rest or "}" in rest:
        yield f"topic: {topic!r} has a brace that encloses no name"


def _condition(message: MessageConfig, key: str, value: Any) -> Iterator[str]:
    """A condition that can never be true is a mistake in writing."""
    missing = list(_unknown(message, "when", key))
    yield from missing
    if missing or key in PLACES:
        return
    for kind in message.kinds:
        if key == "event_type":
            continue
        hint = get_type_hints(TYPES[kind], include_extras=True)[key]
        for each in value if isinstance(value, list) else [value]:
            try:
                msgspec.convert(each, hint)
            except msgspec.ValidationError as error:
                yield f"when.{key}: {error}"


def _unknown(message: MessageConfig, where: str, field: str) -> Iterator[str]:
    for kind in message.kinds:
        known = fields_of(kind)
        if field not in known:
            near = difflib.get_close_matches(field, known, n=1, cutoff=0.6)
            hint = f"did you mean {near[0]!r}?" if near else "docs/payloads.md lists what there is"
            yield f"{where}: there is no {field!r} in a {kind}; {hint}"


def fields_of(kind: str) -> list[str]:
    """What a payload of a kind knows, and what is known beside it."""
    own = [*TYPES[kind].__struct_fields__, *(("event_type",) if kind in EVENTS else ())]
    return [*own, *(each for each in PLACES if each not in own)]


def named(fields: list[str] | dict[str, str]) -> dict[str, str]:
    """Fields of the payload by the names that they get."""
    return {field: field for field in fields} if isinstance(fields, list) else fields


def _texts(body: Any) -> Iterator[str]:
    """All texts in a body, keys too."""
    if isinstance(body, str):
        yield body
    elif isinstance(body, dict):
        for key, value in body.items():
            yield key
            yield from _texts(value)
    elif isinstance(body, list):
        for each in body:
            yield from _texts(each)


__all__ = ["ConfigError", "MessageConfig", "fields_of", "load_mapping", "named", "parse_mapping"]

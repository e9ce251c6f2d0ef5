"""An event as a CloudEvent 1.0 in binary mode: the attributes beside the payload, which stays as it is.

Over MQTT 5 each attribute is a user property of its own name, and the content type is a property that MQTT has.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Final

import msgspec
from msgspec import Struct

from protocols.topics import is_event

SPEC_VERSION: Final = "1.0"
CONTENT_TYPE: Final = "application/json"
EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)


class _Head(Struct, frozen=True):
    """What of an event becomes attributes."""

    id: str
    ts: int
    event_type: str


_head: Final = msgspec.json.Decoder(_Head)


def attributes(topic: str, payload: bytes) -> list[tuple[str, str]] | None:
    """The attributes of an event by its topic and JSON; None for a message that is no event of the contract.

    The source is the station's part of the topic, the type its version, then the kind: cable.v1.rep.
    """
    if not is_event(topic):
        return None
    try:
        head = _head.decode(payload)
    except (msgspec.MsgspecError, UnicodeDecodeError):
        return None  # no event of ours, wherever it goes
    source = topic.rsplit("/event/", 1)[0]
    time = (EPOCH + timedelta(milliseconds=head.ts)).isoformat(timespec="milliseconds").replace("+00:00", "Z")
    return [
        ("specversion", SPEC_VERSION),
        ("id", head.id),
        ("source", f"/{source}"),
        ("type", f"{'.'.join(source.split('/')[:2])}.{head.event_type}"),
        ("time", time),
    ]

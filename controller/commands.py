"""Commands as they come over MQTT: checked first, then carried out, then answered."""

from __future__ import annotations

from typing import Annotated, Any, Final, Literal

import msgspec
from msgspec import Meta, Struct

from protocols.events import Side

NOT_JSON: Final = (msgspec.MsgspecError, UnicodeDecodeError, RecursionError)
LONGEST: Final = 16_384  # bytes of a command
CLOCKS_APART: Final = 60.0  # s that a sender's clock may be ahead
LAST_INSTANT: Final = 253_402_300_799_999  # Unix ms, the end of the year 9999; more is no time


class Refused(Exception):  # noqa: N818 - an answer, not an error of ours
    """Why a command is not carried out; with the request's id as far as it could be read."""

    def __init__(self, reason: str, *, request: str = "") -> None:
        super().__init__(reason)
        self.request = request


class Command(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What every command carries."""

    v: Literal[1] = 1
    request: Annotated[str, Meta(min_length=1, max_length=128)]
    issued_at: Annotated[int, Meta(ge=0, le=LAST_INSTANT)]  # Unix ms
    expires_s: Annotated[float, Meta(gt=0, le=3600)] = 10.0


class Tare(Command, frozen=True, kw_only=True):
    """Take the force as it stands for zero, on one side or on all."""

    side: Side | None = None


class Select(Command, frozen=True, kw_only=True):
    """Who trains what, with which load."""

    person: Annotated[str, Meta(max_length=128)] | None = None
    exercise: Annotated[str, Meta(max_length=128)] | None = None
    load_kg: Annotated[float, Meta(gt=0, le=1000)] | None = None


class SetEnd(Command, frozen=True, kw_only=True):
    """Close the set now."""


class Identify(Command, frozen=True, kw_only=True):
    """Let one of the station's boards blink, or all."""

    board: Annotated[str, Meta(max_length=128)] | None = None  # its id, None: all
    seconds: Annotated[int, Meta(ge=1, le=60)] = 5


COMMANDS: Final[dict[str, type[Command]]] = {
    "tare": Tare,
    "select": Select,
    "set_end": SetEnd,
    "identify": Identify,
}


def checked(name: str, payload: bytes, *, now_ms: int) -> Command:
    """The command in a payload. Raises Refused when it is unknown, malformed or stale."""
    if len(payload) > LONGEST:
        raise Refused(f"malformed: {len(payload)} bytes are over the {LONGEST} that a command may have")
    request = _request_of(payload)
    kind = COMMANDS.get(name)
    if kind is None:
        raise Refused(f"there is no command {name!r}; known: {', '.join(sorted(COMMANDS))}", request=request)
    try:
        command = msgspec.json.decode(payload, type=kind)
    except NOT_JSON as error:
        raise Refused(f"malformed: {error}", request=request) from None
    age = (now_ms - command.issued_at) / 1000.0
    if age > command.expires_s:
        raise Refused(f"stale: issued {age:.1f} s ago, valid for {command.expires_s:g} s", request=request)
    if age < -CLOCKS_APART:
        raise Refused(f"issued {-age:.0f} s in the future; check the sender's clock", request=request)
    return command


def fields_of(command: Command) -> dict[str, Any]:
    """What the core must know of a command: its own fields, as far as they were given."""
    common = set(Command.__struct_fields__)
    given = {name: getattr(command, name) for name in command.__struct_fields__ if name not in common}
    return {name: value for name, value in given.items() if value is not None}


def _request_of(payload: bytes) -> str:
    try:
        data = msgspec.json.decode(payload)
    except NOT_JSON:
        return ""
    request = data.get("request") if isinstance(data, dict) else None
    return request[:128] if isinstance(request, str) else ""

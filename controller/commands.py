"""Commands as they come over MQTT: checked first, then carried out, then answered."""

from __future__ import annotations

from collections.abc import Collection
from typing import Annotated, Any, Final, Literal

import msgspec
from msgspec import Meta, Struct

from protocols.events import Side, field

NOT_JSON: Final = (msgspec.MsgspecError, UnicodeDecodeError, RecursionError)
LONGEST: Final = 16_384  # bytes of a command
CLOCKS_APART: Final = 60.0  # s that a sender's clock may be ahead
LAST_INSTANT: Final = 253_402_300_799_999  # Unix ms, the end of the year 9999; more is no time

Text = Annotated[str, Meta(max_length=128)]


class Refused(Exception):  # noqa: N818 - an answer, not an error of ours
    """Why a command is not carried out; with the request's id as far as it could be read."""

    def __init__(self, reason: str, *, request: str = "") -> None:
        super().__init__(reason)
        self.request = request


class Command(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What every command carries."""

    v: Annotated[Literal[1], field("version of the payload")] = 1
    request: Annotated[
        str, Meta(min_length=1, max_length=128), field("the sender's own id for it; the result repeats it")
    ]
    issued_at: Annotated[int, Meta(ge=0, le=LAST_INSTANT), field("when it was sent, by the sender's clock, Unix", "ms")]
    expires_s: Annotated[float, Meta(gt=0, le=3600), field("age at which it is refused as stale", "s")] = 10.0
    station: Annotated[str | None, field("id of the station it is for, which any other refuses; null: any")] = None


class Tare(Command, frozen=True, kw_only=True):
    """Take the force as it stands for zero, on one side or on all."""

    side: Annotated[Side | None, field("which cable; null: all")] = None


class Select(Command, frozen=True, kw_only=True):
    """Who trains what, with which load."""

    person: Annotated[Text | None, field("opaque id; null: as before")] = None
    exercise: Annotated[Text | None, field("name of the exercise; null: as before")] = None
    load_kg: Annotated[
        Annotated[float, Meta(gt=0, le=1000)] | None, field("what the stack is set to; null: as before", "kg")
    ] = None


class SessionStart(Command, frozen=True, kw_only=True):
    """Begin a session, of this person or of nobody known; one that runs is ended first."""

    person: Annotated[Text | None, field("opaque id; null: nobody known")] = None


class SessionEnd(Command, frozen=True, kw_only=True):
    """End the session; the next rep begins another one."""


class SetStart(Command, frozen=True, kw_only=True):
    """Let the next rep begin a set, whatever runs."""


class SetEnd(Command, frozen=True, kw_only=True):
    """Close the set now."""


class SetUndo(Command, frozen=True, kw_only=True):
    """Take back the last set that was closed."""


class SetRestart(Command, frozen=True, kw_only=True):
    """Take back the reps of the running set and begin it anew."""


class Pause(Command, frozen=True, kw_only=True):
    """Keep the set open over a rest, until `resume` or the next rep."""


class Resume(Command, frozen=True, kw_only=True):
    """End a pause; the set's rest counts on from here."""


class Identify(Command, frozen=True, kw_only=True):
    """Let one of the station's boards blink, or all."""

    board: Annotated[Text | None, field("id of the board; null: all")] = None
    seconds: Annotated[int, Meta(ge=1, le=60), field("how long it blinks", "s")] = 5


COMMANDS: Final[dict[str, type[Command]]] = {
    "tare": Tare,
    "identify": Identify,
    "select": Select,
    "session_start": SessionStart,
    "session_end": SessionEnd,
    "set_start": SetStart,
    "set_end": SetEnd,
    "set_undo": SetUndo,
    "set_restart": SetRestart,
    "pause": Pause,
    "resume": Resume,
}


def checked(
    name: str, payload: bytes, *, now_ms: int, station: str | None = None, allowed: Collection[str] | None = None
) -> Command:
    """The command in a payload. Raises Refused when it is unknown, not allowed, malformed, another's, or stale.

    station: who is asked; allowed: the commands that are carried out here, None: all.
    """
    if len(payload) > LONGEST:
        raise Refused(f"malformed: {len(payload)} bytes are over the {LONGEST} that a command may have")
    request = _request_of(payload)
    kind = COMMANDS.get(name)
    if kind is None:
        raise Refused(f"there is no command {name!r}; known: {', '.join(sorted(COMMANDS))}", request=request)
    if allowed is not None and name not in allowed:
        raise Refused(f"not allowed here: broker.commands has no {name!r}", request=request)
    try:
        command = msgspec.json.decode(payload, type=kind)
    except NOT_JSON as error:
        raise Refused(f"malformed: {error}", request=request) from None
    if station is not None and command.station not in (None, station):
        raise Refused(f"it is for station {command.station!r}; this is {station!r}", request=request)
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

"""Unknown is null in every event, never 0, and a number that is none is unknown."""

from __future__ import annotations

import json
from math import inf, nan
from typing import Any, get_args

import msgspec
import pytest

from protocols.event_ids import event_id
from protocols.events import AnyEvent, Telemetry, from_json, to_json

KINDS: tuple[type[AnyEvent], ...] = get_args(AnyEvent)
NEEDED: dict[str, Any] = {
    "id": event_id(recording="r", seq=1, ts=1), "ts": 1, "station": "s", "session": "x", "set": 1, "seq": 1,
    "side": "left", "rep": 1, "status": "final", "shape": "together", "left_rep": "a", "right_rep": "b",
    "index": "percent_difference", "left_set": 1, "right_set": 2, "state": "started", "name": "n",
    "severity": "info", "raised": True,
}  # fmt: skip


def smallest(kind: type[AnyEvent]) -> AnyEvent:
    """An event with nothing but what it cannot do without."""
    required = [field.name for field in msgspec.structs.fields(kind) if field.required]
    return kind(**{name: NEEDED[name] for name in required})


def may_be_unknown(kind: type[msgspec.Struct]) -> list[str]:
    return [field.name for field in msgspec.structs.fields(kind) if field.default is None]


def floats_of(kind: type[AnyEvent]) -> list[str]:
    """The fields that take a fraction or null, found by asking the decoder."""
    event = smallest(kind)
    found = []
    for name in may_be_unknown(kind):
        data = json.dumps({**json.loads(to_json(event)), name: 0.5})
        try:
            from_json(data)
        except msgspec.ValidationError:
            continue
        found.append(name)
    return found


@pytest.mark.parametrize("kind", KINDS)
def test_what_an_event_does_not_know_is_null_and_not_zero_or_left_out(kind: type[AnyEvent]) -> None:
    said = json.loads(to_json(smallest(kind)))
    assert all(name in said for name in may_be_unknown(kind))
    assert {name: said[name] for name in may_be_unknown(kind) if said[name] is not None} == {}
    assert from_json(json.dumps(said)) == smallest(kind)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("value", [nan, inf, -inf])
def test_a_number_that_is_none_comes_back_as_unknown(kind: type[AnyEvent], value: float) -> None:
    event = smallest(kind)
    spoilt = msgspec.structs.replace(event, **dict.fromkeys(floats_of(kind), value))
    assert from_json(to_json(spoilt)) == event


def test_the_kinds_with_measured_numbers_have_fractions_to_spoil() -> None:
    assert {kind.__name__: bool(floats_of(kind)) for kind in KINDS} == {
        "Rep": True, "Pair": True, "SetSummary": True, "Comparison": True, "Session": True, "Cue": True,
        "Fault": False,
    }  # fmt: skip


@pytest.mark.parametrize("value", [0.0, -0.0, 5e-324, 1e308])
def test_a_measured_zero_is_no_unknown(value: float) -> None:
    said = json.loads(to_json(Telemetry(ts=0, force_left_n=value)))
    assert said["force_left_n"] == value
    assert said["force_right_n"] is None

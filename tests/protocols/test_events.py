"""The vocabulary: its JSON, its ids, and that a key says its unit."""

from __future__ import annotations

import json
import uuid
from typing import Any, get_args, get_type_hints

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from protocols import events
from protocols.event_ids import event_id
from protocols.events import (
    UNITS,
    AnyEvent,
    CommandResult,
    Comparison,
    Cue,
    Fault,
    Health,
    Info,
    Pair,
    Rep,
    Session,
    SetSummary,
    State,
    Telemetry,
    from_json,
    kind,
    to_json,
)

COMMON: dict[str, Any] = {
    "id": event_id(recording="r", seq=7, ts=1_700_000_000_000),
    "ts": 1_700_000_000_000,
    "station": "row-1",
    "session": "s-1",
    "set": 2,
    "seq": 7,
}
REP = Rep(**COMMON, side="left", rep=3, status="final", rom_m=0.61, flags="let_go", reasons="eccentric_s=let_go")
EVENTS: dict[str, AnyEvent] = {
    "rep": REP,
    "pair": Pair(**COMMON, shape="together", left_rep="a", right_rep="b", index="percent_difference", lag_ms=-12.5),
    "set": SetSummary(**COMMON, shape="alternating", left_reps=8, right_reps=7, verdict="watch", asymmetry_pct=-4.0),
    "comparison": Comparison(**COMMON, left_set=1, right_set=2, reasons="asymmetry_pct=fewer_than_3_pairs"),
    "session": Session(**COMMON, state="interrupted", person="p-9"),
    "cue": Cue(**COMMON, name="slower", side="right", value=0.4, target=0.3),
    "fault": Fault(**COMMON, name="saturated", severity="warning", raised=True, detail="„left“ at 2 kN"),
}
PAYLOADS = (
    Rep, Pair, SetSummary, Comparison, Session, Cue, Fault, Telemetry, State, Info, Health, CommandResult,
)  # fmt: skip


@pytest.mark.parametrize("event", EVENTS.values(), ids=EVENTS.keys())
def test_an_event_comes_back_from_its_json(event: AnyEvent) -> None:
    assert from_json(to_json(event)) == event
    assert type(from_json(to_json(event))) is type(event)


@pytest.mark.parametrize(("name", "event"), EVENTS.items(), ids=EVENTS.keys())
def test_the_kind_in_the_topic_is_the_event_type_in_the_json(name: str, event: AnyEvent) -> None:
    assert kind(event) == name
    assert json.loads(to_json(event))["event_type"] == name


def test_all_kinds_are_tested() -> None:
    assert {type(event) for event in EVENTS.values()} == set(get_args(AnyEvent))


@pytest.mark.parametrize("event", EVENTS.values(), ids=EVENTS.keys())
def test_an_event_is_flat_and_carries_what_all_carry(event: AnyEvent) -> None:
    said = json.loads(to_json(event))
    assert not [key for key, value in said.items() if isinstance(value, (dict, list))]
    assert said["v"] == 1
    assert {key: said[key] for key in COMMON} == COMMON


def test_every_field_stands_in_the_json_and_unknown_is_null() -> None:
    said = json.loads(to_json(REP))
    assert set(said) == {field.name for field in msgspec.structs.fields(Rep)} | {"event_type"}
    assert said["mean_force_n"] is None
    assert said["replaces"] is None


@given(st.floats(allow_nan=False, allow_infinity=False))
def test_a_number_comes_back_to_the_last_bit(value: float) -> None:
    event = from_json(to_json(Cue(**COMMON, name="n", value=value)))
    assert isinstance(event, Cue)
    assert event.value == value


@given(st.text(st.characters(exclude_categories=["Cs"])))
def test_any_text_comes_back(text: str) -> None:
    event = Fault(**COMMON, name="n", severity="info", raised=False, detail=text)
    assert from_json(to_json(event)) == event


def test_a_later_field_is_ignored() -> None:
    assert from_json(to_json(REP)[:-1] + b',"of_a_later_version":[1]}') == REP


@pytest.mark.parametrize(
    ("data", "says"),
    [
        (b"", "truncated"),
        (b'{"event_type":"rep"', "truncated"),
        (b"[]", "object"),
        (b'{"event_type":"jump"}', "event_type"),
        (b'{"v":1}', "event_type"),
        (to_json(REP).replace(b'"left"', b'"middle"'), "side"),
        (to_json(REP).replace(b'"rep":3', b'"rep":"3"'), r"\$\.rep"),
        (to_json(REP).replace(b'"seq":7,', b""), "seq"),
        (b'{"event_type":"\xff"}', "utf-8"),
    ],
)
def test_what_is_no_event_is_refused_with_where(data: bytes, says: str) -> None:
    with pytest.raises((msgspec.DecodeError, UnicodeDecodeError), match=says):
        from_json(data)


@given(st.text(max_size=20), st.integers(0, 2**40), st.integers(-(2**41), 2**47))
def test_an_id_is_a_uuid_of_version_7_with_its_time(recording: str, seq: int, ts: int) -> None:
    text = event_id(recording=recording, seq=seq, ts=ts)
    parsed = uuid.UUID(text)
    assert str(parsed) == text
    assert parsed.version == 7
    assert parsed.variant == uuid.RFC_4122
    assert parsed.int >> 80 == max(0, ts)
    assert text == event_id(recording=recording, seq=seq, ts=ts)


def test_an_id_is_worked_out_as_written() -> None:
    # SHA-256 of "r:7" begins 8252 63af 427f 1328 df13; the version takes four bits (8 -> 7), the variant two (6 -> a).
    assert event_id(recording="r", seq=7, ts=0x0123456789AB) == "01234567-89ab-7252-a3af-427f1328df13"


@given(st.lists(st.integers(0, 10**6), unique=True, min_size=2, max_size=50))
def test_ids_of_one_instant_differ_by_their_number(numbers: list[int]) -> None:
    assert len({event_id(recording="r", seq=seq, ts=5) for seq in numbers}) == len(numbers)


def test_the_same_number_in_another_recording_has_another_id() -> None:
    assert event_id(recording="a", seq=1, ts=5) != event_id(recording="b", seq=1, ts=5)


@pytest.mark.parametrize("payload", PAYLOADS)
def test_a_key_says_the_unit_that_its_field_is_in(payload: type[msgspec.Struct]) -> None:
    for name, hint in get_type_hints(payload, vars(events), include_extras=True).items():
        for meta in getattr(hint, "__metadata__", ()):
            unit = (meta.extra_json_schema or {}).get("unit")
            suffixes = [suffix for suffix in UNITS if name.endswith(suffix)]
            if unit is not None and suffixes:
                assert UNITS[max(suffixes, key=len)] == unit, name

"""Commands as they come: what is carried out, and that everything else is refused with its reason and its request."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from controller.commands import (
    CLOCKS_APART,
    COMMANDS,
    LONGEST,
    Command,
    Identify,
    Refused,
    Select,
    SetEnd,
    Tare,
    checked,
    fields_of,
)

NOW = 1_700_000_000_000  # Unix ms


def payload(**fields: Any) -> bytes:
    return msgspec.json.encode({"request": "r-1", "issued_at": NOW, **fields})


def refusal(name: str, data: bytes, *, now_ms: int = NOW) -> Refused:
    with pytest.raises(Refused) as caught:
        checked(name, data, now_ms=now_ms, station="row-1")
    return caught.value


@pytest.mark.parametrize(
    ("name", "fields", "command"),
    [
        ("tare", {}, Tare(request="r-1", issued_at=NOW)),
        ("tare", {"side": "left"}, Tare(request="r-1", issued_at=NOW, side="left")),
        ("set_end", {"v": 1}, SetEnd(request="r-1", issued_at=NOW)),
        ("identify", {"seconds": 60}, Identify(request="r-1", issued_at=NOW, seconds=60)),
        ("identify", {"board": "left"}, Identify(request="r-1", issued_at=NOW, board="left")),
        ("select", {"load_kg": 30}, Select(request="r-1", issued_at=NOW, load_kg=30.0)),
        ("select", {"person": None, "exercise": "row"}, Select(request="r-1", issued_at=NOW, exercise="row")),
    ],
)
def test_a_right_command_is_what_it_says(name: str, fields: dict[str, Any], command: Command) -> None:
    assert checked(name, payload(**fields), now_ms=NOW) == command


@pytest.mark.parametrize(
    ("name", "fields", "reason"),
    [
        ("tear", {}, "there is no command 'tear'; known: identify, pause, resume, select, session_end, "),
        ("", {}, "there is no command ''"),
        ("tare", {"sides": "left"}, "malformed: Object contains unknown field `sides`"),
        ("tare", {"side": "middle"}, "malformed: Invalid enum value 'middle' - at `$.side`"),
        ("tare", {"side": ["left"]}, "malformed: Expected `str | null`, got `array` - at `$.side`"),
        ("tare", {"v": 2}, "malformed: Invalid enum value 2 - at `$.v`"),
        ("tare", {"station": "row-2"}, "it is for station 'row-2'; this is 'row-1'"),
        ("session_start", {"person": 7}, "malformed: Expected `str | null`, got `int` - at `$.person`"),
        ("set_end", {"side": "left"}, "malformed: Object contains unknown field `side`"),
        ("select", {"load_kg": 0}, "malformed: Expected `float` > 0.0 - at `$.load_kg`"),
        ("select", {"load_kg": "30"}, "malformed: Expected `float | null`, got `str` - at `$.load_kg`"),
        ("select", {"load_kg": 1e9}, "malformed: Expected `float` <= 1000.0 - at `$.load_kg`"),
        ("select", {"person": "p" * 129}, "malformed: Expected `str` of length <= 128 - at `$.person`"),
        ("identify", {"seconds": 0}, "malformed: Expected `int` >= 1 - at `$.seconds`"),
        ("identify", {"seconds": 1.5}, "malformed: Expected `int`, got `float` - at `$.seconds`"),
        ("tare", {"issued_at": -1}, "malformed: Expected `int` >= 0 - at `$.issued_at`"),
        ("tare", {"issued_at": "now"}, "malformed: Expected `int`, got `str` - at `$.issued_at`"),
        ("tare", {"expires_s": 0}, "malformed: Expected `float` > 0.0 - at `$.expires_s`"),
        ("tare", {"expires_s": 3601}, "malformed: Expected `float` <= 3600.0 - at `$.expires_s`"),
    ],
)
def test_a_wrong_command_is_refused_with_its_reason_and_request(name: str, fields: dict[str, Any], reason: str) -> None:
    refused = refusal(name, payload(**fields))
    assert str(refused).startswith(reason)
    assert refused.request == "r-1"


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"tare",
        b"[]",
        b"null",
        b'"r-1"',
        b'{"request": "r-1", "issued_at": 17',
        b'{"request": 7, "issued_at": 1700000000000}',
        b'{"request": null, "issued_at": 1700000000000}',
        b'{"request": "", "issued_at": 1700000000000}',
        b'{"issued_at": 1700000000000}',
        b'{"request": "\xff\xfe", "issued_at": 1700000000000}',
        b'{"request": "\\ud800", "issued_at": 1700000000000}',
        b"[" * LONGEST,
    ],
)
@pytest.mark.parametrize("name", [*COMMANDS, "none-such"])
def test_what_has_no_readable_request_is_refused_without_one(name: str, data: bytes) -> None:
    refused = refusal(name, data)
    assert refused.request == ""
    assert str(refused).startswith("malformed: " if name in COMMANDS else "there is no command")


def test_a_command_that_the_configuration_does_not_allow_is_refused_with_its_request() -> None:
    for data in (payload(), payload(nonsense=True)):
        with pytest.raises(Refused, match=r"^not allowed here: broker\.commands has no 'pause'$") as caught:
            checked("pause", data, now_ms=NOW, allowed=["tare"])
        assert caught.value.request == "r-1"
    assert isinstance(checked("tare", payload(), now_ms=NOW, allowed=["tare"]), Command)


def test_a_request_too_long_to_be_one_is_refused_under_its_beginning() -> None:
    assert refusal("tare", payload(request="q" * 129)).request == "q" * 128
    assert checked("tare", payload(request="q" * 128), now_ms=NOW).request == "q" * 128


def test_a_payload_that_no_command_needs_is_refused_unread() -> None:
    refused = refusal("tare", payload() + b" " * LONGEST)
    assert str(refused).startswith("malformed: ")
    assert str(LONGEST) in str(refused)


def test_a_command_is_carried_out_until_it_expires_and_not_a_millisecond_longer() -> None:
    data = payload(expires_s=2.5)
    assert isinstance(checked("tare", data, now_ms=NOW + 2500), Command)
    refused = refusal("tare", data, now_ms=NOW + 2501)
    assert str(refused) == "stale: issued 2.5 s ago, valid for 2.5 s"
    assert refused.request == "r-1"
    assert str(refusal("tare", payload(), now_ms=NOW + 10_001)).endswith("valid for 10 s")


def test_a_sender_whose_clock_is_ahead_is_believed_for_a_minute_only() -> None:
    ahead = round(CLOCKS_APART * 1000.0)
    assert isinstance(checked("set_end", payload(), now_ms=NOW - ahead), Command)
    refused = refusal("set_end", payload(), now_ms=NOW - ahead - 1000)
    assert str(refused) == "issued 61 s in the future; check the sender's clock"
    assert refused.request == "r-1"


@given(st.integers(min_value=2**63, max_value=10**400))
def test_no_instant_is_too_far_away_to_be_refused(issued_at: int) -> None:
    refused = refusal("tare", b'{"request": "r-1", "issued_at": %d}' % issued_at)
    assert str(refused)


LEAVES = st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20)
JSON = LEAVES | st.lists(LEAVES, max_size=3) | st.dictionaries(st.text(max_size=10), LEAVES, max_size=3)
NAMES = st.sampled_from([*COMMANDS, "reboot"])


@settings(suppress_health_check=[HealthCheck.too_slow])  # a loaded machine is no fault of the strategy
@given(NAMES, st.dictionaries(st.sampled_from(["request", "issued_at", "expires_s", "v", "side", "load_kg"]), JSON))
def test_any_object_is_a_command_or_a_refusal(name: str, fields: dict[str, Any]) -> None:
    outcome: Command | Refused
    try:
        outcome = checked(name, payload(**fields), now_ms=NOW)
    except Refused as refused:
        outcome = refused
    if isinstance(outcome, Refused):
        sent = fields.get("request", "r-1")
        assert outcome.request == (sent[:128] if isinstance(sent, str) else "")
        assert str(outcome)
    else:
        assert isinstance(outcome, COMMANDS[name])


@given(NAMES, st.binary(max_size=60))
def test_no_bytes_are_an_error_of_ours(name: str, data: bytes) -> None:
    assert refusal(name, data).request == ""


def test_the_core_gets_what_was_given_and_nothing_else() -> None:
    assert fields_of(checked("tare", payload(), now_ms=NOW)) == {}
    assert fields_of(checked("select", payload(load_kg=12.5, person=None), now_ms=NOW)) == {"load_kg": 12.5}
    assert fields_of(checked("identify", payload(), now_ms=NOW)) == {"seconds": 5}

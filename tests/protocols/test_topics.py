"""The topics: what the station writes, what the gateway's filter hears, and what is no id."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from protocols.topics import (
    StationTopics,
    commands,
    gateway_claim,
    gateway_status,
    gateway_statuses,
    parse_command,
    valid_id,
)

IDS = st.text("abcz019-", min_size=1, max_size=8)
COMMANDS = st.from_regex(r"[a-z][a-z_]{0,12}", fullmatch=True)
NO_IDS = ["", "Rack", "rack 1", "rack/1", "rack+", "#", "+", "_gateway", "räck", "rack_1", "rack\n", "\u0661", "$SYS"]


def matches(pattern: str, topic: str) -> bool:
    """MQTT 3.1.1, 4.7, for filters with + only."""
    parts, levels = pattern.split("/"), topic.split("/")
    return len(parts) == len(levels) and all(a in ("+", b) for a, b in zip(parts, levels, strict=True))


def test_the_topics_of_a_station_are_exactly_these() -> None:
    topics = StationTopics("gym-1", "rack-2")
    assert topics.of("telemetry") == "cable/v1/gym-1/rack-2/telemetry"
    assert topics.event("rep") == "cable/v1/gym-1/rack-2/event/rep"
    assert topics.result("start_session") == "cable/v1/gym-1/rack-2/cmd/start_session/result"
    assert commands(site="gym-1", station="rack-2") == "cable/v1/gym-1/rack-2/cmd/+"
    assert gateway_status(site="gym-1", gateway="gw") == "cable/v1/gym-1/_gateway/gw/status"
    assert gateway_claim(site="gym-1", gateway="gw") == "cable/v1/gym-1/_gateway/gw/claim"
    assert gateway_statuses(site="gym-1") == "cable/v1/gym-1/_gateway/+/status"


@pytest.mark.parametrize("text", ["a", "rack-1", "0", "-", "a" * 100])
def test_small_letters_digits_and_hyphens_are_an_id(text: str) -> None:
    assert valid_id(text)


@pytest.mark.parametrize("text", NO_IDS)
def test_anything_else_is_no_id_and_makes_no_topic(text: str) -> None:
    assert not valid_id(text)
    with pytest.raises(ValueError, match="station"):
        StationTopics("gym", text)
    with pytest.raises(ValueError, match="site"):
        StationTopics(text, "rack")
    with pytest.raises(ValueError, match="gateway"):
        gateway_status(site="gym", gateway=text)
    with pytest.raises(ValueError, match="site"):
        gateway_status(site=text, gateway="gw")
    with pytest.raises(ValueError, match="gateway"):
        gateway_claim(site="gym", gateway=text)
    with pytest.raises(ValueError, match="site"):
        gateway_statuses(site=text)
    with pytest.raises(ValueError, match="station"):
        commands(site="gym", station=text)


@settings(max_examples=40)
@given(site=IDS, station=IDS, command=COMMANDS)
def test_a_command_of_the_filter_is_parsed_into_its_parts(site: str, station: str, command: str) -> None:
    pattern = commands(site=site, station=station)
    topic = pattern.replace("+", command)
    assert matches(pattern, topic)
    assert parse_command(topic) == (site, station, command)


@settings(max_examples=40)
@given(site=IDS, station=IDS, command=COMMANDS)
def test_no_answer_and_nothing_that_a_station_says_is_a_command(site: str, station: str, command: str) -> None:
    topics = StationTopics(site, station)
    pattern = commands(site=site, station=station)
    said = [topics.result(command), topics.event(command), topics.of(command), gateway_status(site=site, gateway="g")]
    for topic in said:
        assert not matches(pattern, topic)
        assert parse_command(topic) is None


@settings(max_examples=40)
@given(site=IDS, gateway=IDS, station=IDS)
def test_a_gateways_status_never_meets_a_topic_of_a_station(site: str, gateway: str, station: str) -> None:
    assert not gateway_status(site=site, gateway=gateway).startswith(StationTopics(site, station).of(""))


@pytest.mark.parametrize(
    "topic",
    [
        "",
        "cable/v1/gym/rack/cmd",
        "cable/v1/gym/rack/cmd/",
        "cable/v1/gym/rack/cmd/+",
        "cable/v1/gym/rack/cmd/Start",
        "cable/v1/gym/rack/cmd/start/result",
        "cable/v1/gym/rack/event/rep",
        "cable/v2/gym/rack/cmd/start",
        "/cable/v1/gym/rack/cmd/start",
        "cable/v1//rack/cmd/start",
        "cable/v1/gym/_gateway/cmd/start",
        "cable/v1/gym/Rack/cmd/start",
        "cable/v1/gym/rack/cmd/start\n",
    ],
)
def test_any_other_topic_is_no_command(topic: str) -> None:
    assert parse_command(topic) is None


@settings(max_examples=60)
@given(topic=st.lists(st.one_of(IDS, st.text(max_size=4), st.just("cmd")), max_size=8).map("/".join))
def test_no_topic_whatever_makes_the_parser_fail(topic: str) -> None:
    found = parse_command(f"cable/v1/{topic}")
    if found is not None:
        site, station, command = found
        assert valid_id(site)
        assert valid_id(station)
        assert f"cable/v1/{topic}" == f"cable/v1/{site}/{station}/cmd/{command}"

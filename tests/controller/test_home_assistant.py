"""Home Assistant's discovery, as a client of its kind sees it at a real broker."""

from __future__ import annotations

import json
import os
import re
import signal
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import msgspec
import pytest

from controller.adapters.home_assistant import HomeAssistant
from controller.broker import Broker, broker, find_mosquitto
from controller.config import BrokerConfig
from protocols.events import Info, Rep, SetSummary, State
from tests.controller.home_assistant import problems, read
from tests.controller.mqtt_client import Heard, client, listening
from tests.controller.test_broker import broker_process
from tests.controller.test_mqtt import Gateway, connected, gateway, until

pytestmark = [
    pytest.mark.broker,
    pytest.mark.skipif(find_mosquitto() is None, reason="mosquitto is not installed"),
]
NAMES = {"one": "Row", "two": "Leg press"}
ONE = "homeassistant/device/cable-station_test_one/config"
TWO = "homeassistant/device/cable-station_test_two/config"
GOOD: dict[str, Any] = {
    "dev": {"ids": ["a"], "name": "A"}, "o": {"name": "b"}, "avty": [{"t": "c"}], "avty_mode": "all",
    "cmps": {"x": {"p": "sensor", "name": "X", "uniq_id": "a_x", "stat_t": "t"}},
}  # fmt: skip


def adapter(*, stations: tuple[str, ...] = ("one", "two"), is_enabled: bool = True) -> HomeAssistant:
    names = {station: NAMES[station] for station in stations}
    return HomeAssistant(site="test", gateway="hall", stations=names, prefix="homeassistant", is_enabled=is_enabled)


def info(*sides: str) -> Info:
    return Info(ts=1, station="one", sides=list(sides), software="1", algorithm="1")  # type: ignore[arg-type]


@asynccontextmanager
async def home_broker() -> AsyncIterator[Broker]:
    """A broker whose rules let both stations be discovered."""
    async with broker(
        BrokerConfig(kind="mosquitto"), site="test", gateway="hall", stations=["one", "two"], say=lambda _: None,
        home_assistant="homeassistant",
    ) as reached:  # fmt: skip
        assert reached is not None
        yield reached


@asynccontextmanager
async def home_gateway(reached: Broker, *, stations: tuple[str, ...] = ("one", "two")) -> AsyncIterator[Gateway]:
    async with gateway(reached, stations=stations, adapters=[adapter(stations=stations)]) as made:
        yield made


def latest(heard: Heard) -> dict[str, str]:
    return {topic: payload for topic, payload, _ in heard.messages}


async def test_each_station_is_one_retained_message_that_home_assistants_rules_allow() -> None:
    async with home_broker() as reached, home_gateway(reached) as made:
        await connected(made)
        async with listening(reached, reached.dashboard, "homeassistant/#") as before:
            await before.until("config", count=2)
        async with listening(reached, reached.dashboard, "homeassistant/#") as heard:
            await heard.until("config", count=2)
        assert sorted(topic for topic, _, _ in heard.messages) == [ONE, TWO]
        assert all(retained for _, _, retained in heard.messages)
        for topic, payload, _ in heard.messages:
            assert problems(topic, payload) == []
            said = read(payload)
            station = said["device"]["identifiers"][0].rsplit("_", 1)[1]
            assert said["device"]["name"] == NAMES[station]
            assert said["availability_mode"] == "all"
            assert [each["topic"] for each in said["availability"]] == [
                "cable/v1/test/_gateway/hall/status", f"cable/v1/test/{station}/status",
            ]  # fmt: skip
            topics = {each["state_topic"] for each in said["components"].values()}
            assert all(re.fullmatch(rf"cable/v1/test/{station}/(state|event/[a-z]+)", topic) for topic in topics)


async def test_what_the_entities_point_at_is_published_and_has_the_fields_of_their_templates() -> None:
    (said, _) = (read(message.payload.decode()) for message in adapter().connected())
    fields = {
        "state": set(msgspec.structs.asdict(State(ts=1))),
        "rep": {field.name for field in msgspec.structs.fields(Rep)},
        "set": {field.name for field in msgspec.structs.fields(SetSummary)},
    }
    for key, each in said["components"].items():
        kind = each["state_topic"].rsplit("/", 1)[1]
        for template in (each.get("value_template", ""), each.get("json_attributes_template", "")):
            named = set(re.findall(r"value_json\.(\w+)", template))
            assert named <= fields.get(kind, set()), key
        if each["platform"] == "event":
            assert each["event_types"] == [kind]


async def test_all_is_said_again_when_home_assistant_has_started_and_after_each_connect() -> None:
    async with home_broker() as reached, home_gateway(reached) as made:
        await connected(made)
        async with (
            listening(reached, reached.dashboard, "homeassistant/device/#") as heard,
            client(reached, reached.dashboard) as home,
        ):
            await heard.until("config", count=2)
            before = len(heard.messages)
            await home.publish("homeassistant/status", b"offline", qos=1)
            await home.publish("homeassistant/status", b"online", qos=1)
            await heard.until("config", count=before + 2)
            assert {topic for topic, _, _ in heard.messages[before:]} == {ONE, TWO}
        os.kill(broker_process(), signal.SIGKILL)
        await until(lambda: not made.publisher.connected.is_set())
        await connected(made)
        async with listening(reached, reached.dashboard, "homeassistant/device/#") as again:
            await again.until("config", count=2)


async def test_a_station_that_turns_out_to_have_one_side_takes_the_other_sides_entities_back() -> None:
    async with home_broker() as reached, home_gateway(reached) as made:
        await connected(made)
        async with listening(reached, reached.dashboard, ONE) as heard:
            await heard.until("config")
            made.publisher.offer("one", "info", info("left", "right"))
            made.publisher.offer("one", "info", info("left"))
            await heard.until("config", count=2)
            said = read(heard.payloads("config")[-1])["components"]
            assert said["right_reps"] == said["phase_right"] == {"platform": "sensor"}
            assert said["left_reps"]["unique_id"] == "cable-station_test_one_left_reps"
            assert problems(ONE, heard.payloads("config")[-1]) == []


async def test_a_station_that_is_taken_out_is_taken_back_and_nobody_elses() -> None:
    async with home_broker() as reached:
        async with home_gateway(reached) as made:
            await connected(made)
            await until(lambda: not made.publisher._changed)
        async with gateway(reached, adapters=[adapter(stations=("one",))]) as made:
            await connected(made)
            async with listening(reached, reached.dashboard, "homeassistant/device/#") as heard:
                await until(lambda: latest(heard).get(TWO, "") == "" and ONE in latest(heard))
            async with listening(reached, reached.dashboard, "homeassistant/device/#") as heard:
                await heard.until("config")
            assert TWO not in latest(heard)


def test_what_another_gateway_has_retained_is_left_alone() -> None:
    ours, lamp = adapter(stations=("one",)), "homeassistant/device/lamp/config"
    own = {"t": "cable/v1/test/_gateway/hall/status"}
    other = {"t": "cable/v1/test/_gateway/other/status"}
    assert list(ours.heard(TWO, json.dumps({**GOOD, "avty": [other]}).encode(), retained=True)) == []
    assert list(ours.heard(lamp, json.dumps({**GOOD, "avty": [own]}).encode(), retained=True)) == []
    (taken,) = ours.heard(TWO, json.dumps({**GOOD, "avty": [own]}).encode(), retained=True)
    assert (taken.topic, taken.payload, taken.care) == (TWO, b"", "retained")


async def test_without_the_switch_all_is_taken_back_and_nothing_said() -> None:
    async with home_broker() as reached:
        async with home_gateway(reached) as made:
            await connected(made)
            await until(lambda: not made.publisher._changed)
        async with gateway(reached, stations=("one", "two"), adapters=[adapter(is_enabled=False)]) as made:
            await connected(made)
            async with listening(reached, reached.dashboard, "homeassistant/device/#") as heard:
                await until(lambda: all(payload == "" for payload in latest(heard).values()))
            made.publisher.offer("one", "info", info("left"))
            await until(lambda: not made.publisher._changed)
            async with listening(reached, reached.dashboard, "#") as heard:
                await heard.until("one/info")
            assert not [topic for topic, _, _ in heard.messages if topic.startswith("homeassistant/")]


@pytest.mark.parametrize("payload", [b"", b"[]", b"{", b"\xff", b'{"avty": 3}', b'{"avty": [7]}', b"[" * 10_000])
def test_what_others_have_retained_is_never_taken_for_ours(payload: bytes) -> None:
    assert list(adapter(stations=("one",)).heard(TWO, payload, retained=True)) == []


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"dev": {"name": "A"}}, "identifiers"),
        ({"o": {}}, "origin: needs a name"),
        ({"avty_mode": "both"}, "availability_mode"),
        ({"surprise": 1}, "unknown key surprise"),
        ({"cmps": {"x": {"name": "X"}}}, "platform"),
        ({"cmps": {"x": {"p": "sensor", "name": "X", "stat_t": "t"}}}, "unique_id"),
        ({"cmps": {"x": {**GOOD["cmps"]["x"], "dev_cla": "weight", "unit_of_meas": "N"}}}, "weight is not in N"),
        ({"cmps": {"x": {**GOOD["cmps"]["x"], "dev_cla": "enum"}}}, "options"),
        ({"cmps": {"x": {**GOOD["cmps"]["x"], "p": "event"}}}, "event_types"),
    ],
)
def test_the_rules_refuse_what_home_assistant_would(change: dict[str, Any], says: str) -> None:
    assert problems(ONE, json.dumps(GOOD)) == []
    assert says in "; ".join(problems(ONE, json.dumps({**GOOD, **change})))

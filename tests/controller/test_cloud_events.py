"""CloudEvents 1.0, binary mode, as the specification's MQTT binding (3.1) describes them, at real brokers."""

from __future__ import annotations

import json
import uuid
from datetime import UTC, datetime
from typing import Any

import aiomqtt
import pytest

from controller.adapters.cloud_events import attributes
from controller.broker import find_mosquitto
from protocols.event_ids import event_id
from protocols.events import Fault, to_json
from tests.controller.mqtt_client import client, listening
from tests.controller.test_mqtt import connected, gateway, online, own_broker

FAULT = Fault(
    id=event_id(recording="r", seq=3, ts=1_795_529_487_097), ts=1_795_529_487_097, station="one", session="s", set=1,
    seq=3, name="test", severity="info", raised=True,
)  # fmt: skip
TOPIC = "cable/v1/test/one/event/fault"


@pytest.mark.broker
@pytest.mark.skipif(find_mosquitto() is None, reason="mosquitto is not installed")
async def test_under_mqtt_5_an_event_carries_its_attributes_beside_an_unchanged_payload() -> None:
    async with own_broker() as reached, gateway(reached) as made, client(reached, reached.dashboard) as listener:
        await connected(made)
        for topic in (TOPIC, "cable/v1/test/one/status"):
            await listener.subscribe(topic, qos=1)
        made.publisher.offer("one", "status", online())
        made.publisher.offer("one", "fault", FAULT)
        found: dict[str, aiomqtt.Message] = {}
        async for message in listener.messages:
            found[str(message.topic)] = message
            if len(found) == 2:
                break
    event = found[TOPIC]
    properties: Any = event.properties
    said = dict(properties.UserProperty)
    assert len(said) == len(properties.UserProperty)
    assert properties.ContentType == "application/json"
    assert said["specversion"] == "1.0"
    assert uuid.UUID(said["id"]) == uuid.UUID(FAULT.id)
    assert said["source"] == "/cable/v1/test/one"
    assert said["type"] == "cable.v1.fault"
    assert datetime.fromisoformat(said["time"]) == datetime.fromtimestamp(FAULT.ts / 1000, UTC)
    assert set(said) == {"specversion", "id", "source", "type", "time"}
    assert isinstance(event.payload, bytes)
    assert json.loads(event.payload) == {**json.loads(to_json(FAULT)), "late": False}
    status = found["cable/v1/test/one/status"]
    assert not hasattr(status.properties, "UserProperty")


async def test_under_mqtt_3_1_1_the_same_event_comes_without() -> None:
    async with own_broker("amqtt") as reached, gateway(reached) as made:
        async with listening(reached, None, TOPIC, v5=False) as heard:
            made.publisher.offer("one", "fault", FAULT)
            await heard.until("event/fault")
        assert json.loads(heard.payloads("fault")[0])["id"] == FAULT.id


@pytest.mark.parametrize("topic", ["cable/v1/test/one/state", "v1/gateway/telemetry", "cable/v1/test/one/event/a/b"])
def test_what_is_no_event_of_ours_is_no_cloud_event(topic: str) -> None:
    assert attributes(topic, b"not even JSON") is None


@pytest.mark.parametrize("payload", [b"", b"x", b"{}", b'{"id":1}', b"\xff"])
def test_a_payload_that_is_no_event_is_none_on_an_events_topic_either(payload: bytes) -> None:
    assert attributes(TOPIC, payload) is None


@pytest.mark.parametrize("ts", [0, 999, 1_795_529_487_097, -5])
def test_the_time_is_rfc_3339_to_the_millisecond(ts: int) -> None:
    said = dict(attributes(TOPIC, f'{{"id":"a","ts":{ts},"event_type":"fault"}}'.encode()) or [])
    assert said["time"].endswith("Z")
    assert round(datetime.fromisoformat(said["time"]).timestamp() * 1000) == ts

"""The mapping file: checked before anything runs, and heard at a real broker in its own words."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import re
import signal
import subprocess
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from controller.adapters.adapter import Outgoing
from controller.adapters.line_protocol import line
from controller.adapters.mapping import Mapping
from controller.adapters.mapping_file import MessageConfig, parse_mapping
from controller.broker import Broker, broker, find_mosquitto
from controller.config import BrokerConfig, ConfigError, OutboxConfig
from controller.display import Status
from controller.mqtt import Publisher
from controller.outbox import Outbox, opened
from protocols.events import CommandResult, Fault, Health, Rep, SetSummary, Telemetry
from tests.controller.mqtt_client import Heard, listening
from tests.controller.test_broker import broker_process
from tests.controller.test_mqtt import connected, fault, gateway, keep_listening, until

EXAMPLES = Path(__file__).parents[2] / "docs" / "examples"
COMMON: dict[str, Any] = {"id": "i", "ts": 1_795_529_487_097, "station": "one", "session": "s", "set": 2, "seq": 3}
NAMES = st.text("abcäß ,=-/.", min_size=1)
REP = Rep(**COMMON, side="left", rep=3, status="final", peak_force_n=201.5, rom_m=None)
MESSAGE = '[[message]]\nkinds = ["rep"]\ntopic = "t/{station}"\n'
TAKES_IT = ["mapping-thingsboard.toml", "mapping-influxdb.toml", "mapping-telegraf.toml"]


def example(name: str) -> tuple[MessageConfig, ...]:
    return parse_mapping((EXAMPLES / name).read_text(encoding="utf-8"), name=name)


def mapped(text: str, payload: Any, *, kind: str = "rep") -> list[Outgoing]:
    adapter = Mapping(parse_mapping(text, name="m"), site="hall", gateway="g")
    return list(adapter.offered("one", kind, payload))


def said(text: str, payload: Any, *, kind: str = "rep") -> Any:
    (message,) = mapped(text, payload, kind=kind)
    return json.loads(message.payload)


def split(text: str, at: str) -> list[str]:
    """Cut where a mark stands that is neither escaped nor in quotes."""
    parts, quoted, escaped = [""], False, False
    for each in text:
        if each == at and not quoted and not escaped:
            parts.append("")
            continue
        quoted ^= each == '"' and not escaped
        escaped = each == "\\" and not escaped
        parts[-1] += each
    return parts


def value(word: str) -> Any:
    """A field's value by its type."""
    if word[0] == '"':
        return re.sub(r'\\(["\\])', r"\1", word[1:-1])
    if word in ("true", "false"):
        return word == "true"
    return int(word[:-1]) if word.endswith("i") else float(word)


def point(text: str) -> tuple[str, dict[str, str], dict[str, Any], int]:
    """A line read back by the rules of InfluxDB's documentation: measurement, tags, fields, ns."""
    head, values, time = split(text, " ")
    name, *tags = ([re.sub(r"\\([,= ])", r"\1", word) for word in split(each, "=")] for each in split(head, ","))
    fields = [split(each, "=") for each in split(values, ",")]
    return "=".join(name), dict(tags), {k: value(v) for k, v in fields}, int(time)


class TestJson:
    def test_without_a_choice_all_fields_come_with_the_unknown_as_null(self) -> None:
        found = said(MESSAGE, REP)
        assert found["peak_force_n"] == 201.5
        assert found["rom_m"] is None
        assert found["event_type"] == "rep"

    def test_fields_are_chosen_named_and_left_out_where_unknown(self) -> None:
        text = f'{MESSAGE}fields = {{ peak = "peak_force_n", rom = "rom_m" }}\n'
        assert said(text, REP) == {"peak": 201.5, "rom": None}
        assert said(f'{text}unknown = "omit"\n', REP) == {"peak": 201.5}
        assert mapped(f'{MESSAGE}fields = ["rom_m"]\nunknown = "omit"\n', REP) == []

    def test_a_body_keeps_the_type_of_what_stands_alone_and_puts_the_rest_into_text(self) -> None:
        text = (
            f'{MESSAGE}fields = ["rep"]\n'
            'body = { "{station}" = [{ ts = "{ts}", at = "{site}/{set}", values = "{fields}", rom = "{rom_m}", k = 1}]}'
        )
        assert said(text, REP) == {
            "one": [{"ts": COMMON["ts"], "at": "hall/2", "values": {"rep": 3}, "rom": None, "k": 1}]
        }

    def test_only_what_meets_every_condition_is_said(self) -> None:
        text = f'{MESSAGE}when = {{ status = ["final", "retracted"], partial = false }}\n'
        assert len(mapped(text, REP)) == 1
        assert mapped(text, Rep(**COMMON, side="left", rep=3, status="provisional")) == []
        assert mapped(text, Rep(**COMMON, side="left", rep=3, status="final", partial=True)) == []

    def test_free_text_in_a_topic_stays_one_level_of_it(self) -> None:
        text = '[[message]]\nkinds = ["set"]\ntopic = "gym/{exercise}/{verdict}"\n'
        (message,) = mapped(text, SetSummary(**COMMON, exercise="a/+/#"), kind="set")

        assert message.topic == "gym/a____/unknown"


class TestLines:
    def test_a_point_has_measurement_tags_typed_fields_and_nanoseconds(self) -> None:
        chosen = 'tags = ["station", "side"]\nfields = ["rep", "peak_force_n", "partial", "rom_m"]\n'
        text = f'{MESSAGE}format = "line"\n{chosen}'
        (message,) = mapped(text, REP)
        assert message.payload == (
            b"rep,side=left,station=one rep=3i,peak_force_n=201.5,partial=false 1795529487097000000"
        )

    def test_a_point_without_any_known_field_is_not_sent(self) -> None:
        text = '[[message]]\nkinds = ["telemetry"]\ntopic = "t"\nformat = "line"\n'
        assert mapped(text, Telemetry(ts=1), kind="telemetry") == []
        assert len(mapped(text, Telemetry(ts=1, force_left_n=0.0), kind="telemetry")) == 1

    @given(NAMES, NAMES, st.text(), st.integers(-(2**62), 2**62), st.floats(allow_nan=False, allow_infinity=False))
    def test_any_point_comes_back_from_its_line(self, name: str, tag: str, word: str, whole: int, x: float) -> None:
        made = line(name, tags={"t": tag, "u": None}, fields={"f": word, "n": whole, "x": x}, ts=5)
        assert made is not None
        kept = re.sub(r"[\r\n]+", " ", word)
        assert point(made) == (name, {"t": tag}, {"f": kept, "n": whole, "x": x}, 5_000_000)

    @given(st.text(min_size=1), st.text(), st.text())
    def test_no_text_makes_two_lines_of_one(self, name: str, tag: str, word: str) -> None:
        made = line(name, tags={"t": tag}, fields={"f": word}, ts=5)
        assert made is not None
        assert not re.search(r"[\r\n]", made)


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("", "top level: the key `message` is missing"),
        ('[message]\nkinds = ["rep"]\n', "message: there may be several of them: write [[message]]"),
        (MESSAGE.replace("rep", "rap"), "message[0].kinds[0]: Invalid enum value 'rap'"),
        (MESSAGE.replace('["rep"]', "[]"), "message[0].kinds: Expected `array` of length >= 1"),
        (f"{MESSAGE}filds = []\n", "message[0].filds: unknown key 'filds'; did you mean 'fields'?"),
        (f'{MESSAGE}fields = ["peak_farce_n"]\n', "message[0].fields: there is no 'peak_farce_n' in a rep; did"),
        (f'{MESSAGE}fields = {{ a = "rap" }}\n', "message[0].fields: there is no 'rap' in a rep; did you mean 'rep'?"),
        (MESSAGE.replace("station", "statoin"), "message[0].topic: there is no 'statoin' in a rep; did you mean"),
        (MESSAGE.replace("t/{station}", "cable/v1/x"), "message[0].topic: below cable/v1 stands the contract"),
        (MESSAGE.replace("t/{station}", "t/+"), "message[0].topic: 't/+' cannot be published to"),
        (MESSAGE.replace("t/{station}", "t\\nuser x"), "message[0].topic: 't\\nuser x' cannot be published to"),
        (MESSAGE.replace("{station}", "{a b}"), "message[0].topic: 't/{a b}' has a brace that encloses no name"),
        (f'{MESSAGE}when = {{ status = "finl" }}\n', "message[0].when.status: Invalid enum value 'finl'"),
        (f"{MESSAGE}when = {{ statsu = 1 }}\n", "message[0].when: there is no 'statsu' in a rep; did you mean"),
        (f"{MESSAGE}retain = true\n", "message[0].retain: an event that happened once"),
        (f'{MESSAGE}body = {{ x = "{{valeus}}" }}\n', "message[0].body: there is no 'valeus' in a rep"),
        (f'{MESSAGE}measurement = "m"\n', 'message[0].measurement: goes with format = "line"'),
        (f'{MESSAGE}format = "line"\nbody = {{}}\n', 'message[0].body: goes with format = "json"'),
        (f'{MESSAGE}format = "line"\ntags = ["sode"]\n', "message[0].tags: there is no 'sode' in a rep"),
        (f"{MESSAGE}{MESSAGE}fields = 3\n", "message[1].fields: Expected"),
    ],
)  # fmt: skip
def test_what_is_wrong_is_said_with_its_place_and_what_is_right(text: str, says: str) -> None:
    with pytest.raises(ConfigError) as caught:
        parse_mapping(text, name="mapping.toml")
    assert str(caught.value).startswith(f"mapping.toml: {says}")
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("name", TAKES_IT)
def test_a_check_of_the_configuration_reads_the_mapping_that_it_names(name: str, tmp_path: Path) -> None:
    config = tmp_path / "gym.toml"
    text = (EXAMPLES / "station.toml").read_text(encoding="utf-8")
    config.write_text(f'mapping = "m.toml"\n{text}', encoding="utf-8")
    command = [sys.executable, "-m", "controller.cli", "run", str(config), "--check"]
    mapping = tmp_path / "m.toml"
    for content, code in (((EXAMPLES / name).read_text(encoding="utf-8"), 0), (f"{MESSAGE}fields = [1]\n", 2)):
        mapping.write_text(content, encoding="utf-8")
        done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=60)
        assert done.returncode == code
        assert f"{mapping}: " in done.stderr
    assert "fields" in done.stderr


def test_thingsboard_gets_what_its_gateway_api_takes() -> None:
    adapter = Mapping(example("mapping-thingsboard.toml"), site="hall", gateway="g")
    (rep,) = adapter.offered("one", "rep", REP)
    assert (rep.topic, rep.care) == ("v1/gateway/telemetry", "event")
    assert json.loads(rep.payload) == {
        "one": [{"ts": COMMON["ts"], "values": {"side": "left", "rep": 3, "peak_force_n": 201.5}}]
    }
    (online,) = adapter.offered("one", "status", Status(ts=1, status="online"))
    assert (online.topic, json.loads(online.payload)) == ("v1/gateway/connect", {"device": "one"})
    assert list(adapter.offered("one", "rep", Rep(**COMMON, side="left", rep=1, status="provisional"))) == []


def test_influxdb_and_telegraf_get_points_and_flat_objects() -> None:
    points = Mapping(example("mapping-influxdb.toml"), site="hall", gateway="g")
    (rep,) = points.offered("one", "rep", REP)
    assert rep.topic == "influx/one/rep"
    assert point(rep.payload.decode()) == (
        "rep", {"site": "hall", "station": "one", "side": "left"},
        {"rep": 3, "partial": False, "peak_force_n": 201.5, "confidence": 1.0}, COMMON["ts"] * 1_000_000,
    )  # fmt: skip
    (health,) = points.offered("one", "health", Health(ts=5, link="a=up", frames_lost=2))
    assert point(health.payload.decode())[2] == {"link": "a=up", "frames_lost": 2}
    objects = Mapping(example("mapping-telegraf.toml"), site="hall", gateway="g")
    raised = Fault(**COMMON, name="saturated", severity="warning", raised=True, detail="x")
    (flat,) = objects.offered("one", "fault", raised)
    assert not any(isinstance(value, dict | list | None) for value in json.loads(flat.payload).values())


@asynccontextmanager
async def mapped_broker(messages: tuple[MessageConfig, ...]) -> AsyncIterator[Broker]:
    async with broker(
        BrokerConfig(kind="mosquitto"), site="test", gateway="hall", stations=["one", "two"], say=lambda _: None,
        mapped=[message.filter for message in messages],
    ) as reached:  # fmt: skip
        assert reached is not None
        yield reached


@pytest.mark.broker
@pytest.mark.skipif(find_mosquitto() is None, reason="mosquitto is not installed")
class TestAtARealBroker:
    async def test_an_example_is_heard_where_it_says_and_the_contract_beside_it(self) -> None:
        messages = example("mapping-thingsboard.toml")
        adapter = Mapping(messages, site="test", gateway="hall")
        async with (
            mapped_broker(messages) as reached,
            gateway(reached, stations=("one", "two"), adapters=[adapter]) as made,
            listening(reached, reached.dashboard, "#") as heard,
        ):
            await connected(made)
            made.publisher.offer("one", "rep", REP)
            for station in ("one", "two"):
                made.publisher.offer(station, "health", Health(ts=7, frames_lost=0))
            await heard.until("gateway/telemetry", count=3)
            await heard.until("event/rep")
            named = [next(iter(each)) for each in heard.objects("gateway/telemetry")]
            assert sorted(named) == ["one", "one", "two"]
            assert not any(retained for topic, _, retained in heard.messages if topic.startswith("v1/"))
            assert not [line for line in made.said if "refuses" in line]

    async def test_a_mapped_event_is_as_safe_as_the_event_and_in_its_order(self) -> None:
        text = '[[message]]\nkinds = ["fault"]\ntopic = "other/{station}"\nfields = ["seq"]\n'
        messages = parse_mapping(text, name="m")
        adapter = Mapping(messages, site="test", gateway="hall")
        async with mapped_broker(messages) as reached, gateway(reached, adapters=[adapter]) as made:
            heard = Heard()
            listener = asyncio.create_task(keep_listening(reached, heard, "other/#"), name="test: dashboard")
            try:
                await until(lambda: bool(heard.messages))
                await connected(made)
                made.offer(*range(50))
                await heard.until("other/one", count=5)
                os.kill(broker_process(), signal.SIGKILL)
                made.offer(*range(50, 100))
                await until(lambda: {each["seq"] for each in heard.objects("other/one")} == set(range(100)))
            finally:
                listener.cancel()
                with contextlib.suppress(asyncio.CancelledError):
                    await listener
            numbers = [each["seq"] for each in heard.objects("other/one")]
            assert list(dict.fromkeys(numbers)) == list(range(100))

    async def test_of_what_is_no_event_the_latest_of_each_station_and_kind_is_kept(self) -> None:
        text = '[[message]]\nkinds = ["telemetry"]\ntopic = "other"\nbody = { "{station}" = "{ts}" }\n'
        messages = parse_mapping(text, name="m")
        adapter = Mapping(messages, site="test", gateway="hall")
        async with mapped_broker(messages) as reached, listening(reached, reached.dashboard, "other") as heard:
            made = gateway(reached, stations=("one", "two"), adapters=[adapter])
            async with made as running:
                for ts in range(5):
                    for station in ("one", "two"):
                        running.publisher.offer(station, "telemetry", Telemetry(ts=ts))
                await heard.until("other", count=2)
            assert heard.objects("other") == [{"one": 4}, {"two": 4}]

    async def test_both_wait_in_the_outboxs_file_and_neither_is_taken_for_the_other(self, tmp_path: Path) -> None:
        text = '[[message]]\nkinds = ["fault"]\ntopic = "other/{station}"\nfields = ["seq"]\n'
        messages = parse_mapping(text * 2, name="m")
        file = tmp_path / "outbox.db"

        def publisher(reached: Broker, outbox: Outbox) -> Publisher:
            return Publisher(
                reached, site="test", gateway="hall", stations=["one"], commanded=nobody, say=print, outbox=outbox,
                adapters=[Mapping(messages, site="test", gateway="hall")],
            )  # fmt: skip

        async with mapped_broker(messages) as reached:
            async with opened(OutboxConfig(), file, fault=ignored, say=print) as outbox:
                first = publisher(reached, outbox)
                for number in (1, 2):
                    first.offer("one", "fault", fault(number))
                assert first.depth == 6
            async with (
                opened(OutboxConfig(), file, fault=ignored, say=print) as outbox,
                listening(reached, reached.dashboard, "#") as heard,
            ):
                second = publisher(reached, outbox)
                assert second.depth == 6
                for number in (1, 2):  # as a session that goes on after a kill makes them again
                    second.offer("one", "fault", fault(number))
                running = asyncio.create_task(second.run(), name="test: publisher")
                try:
                    assert await second.drained(within=20.0)
                    await heard.until("event/fault", count=2)
                finally:
                    running.cancel()
                    with contextlib.suppress(asyncio.CancelledError):
                        await running
            assert [each["seq"] for each in heard.objects("other/one")] == [1, 1, 2, 2]
            assert [each["seq"] for each in heard.objects("event/fault")] == [1, 2]


def ignored(station: str | None, name: str, detail: str | None) -> None:
    assert detail is None


async def nobody(station: str, name: str, payload: bytes) -> CommandResult:
    raise AssertionError(name)

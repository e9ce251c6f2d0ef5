"""What may come over the broker: answers to whoever asks, and nothing to whoever may not, is late, or floods."""

from __future__ import annotations

import asyncio
import json
import signal
import time
from pathlib import Path
from typing import Any

import aiomqtt
import pytest
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties

from controller.broker import Broker, find_mosquitto
from controller.mqtt import may_reply
from tests.controller.mqtt_client import WITHIN, client, listening
from tests.controller.test_mqtt import ONE, connected, gateway, own_broker
from tests.security.theirs import theirs
from tests.stations.processes import board, station, write_config

pytestmark = [
    pytest.mark.broker,
    pytest.mark.skipif(find_mosquitto() is None, reason="mosquitto is not installed"),
]
ABSENT = "tcp://127.0.0.1:9"
GROWTH = 40_000  # kB that 10 000 messages may cost a controller for good; some 17 MB in all


def asking(reply_to: str, correlation: bytes) -> Properties:
    wanted = Properties(PacketTypes.PUBLISH)  # type: ignore[no-untyped-call]
    wanted.ResponseTopic, wanted.CorrelationData = reply_to, correlation
    return wanted


def command(request: str, *, age: float = 0.0, **fields: Any) -> bytes:
    issued = time.time_ns() // 1_000_000 - round(1000 * age)
    return json.dumps({"v": 1, "request": request, "issued_at": issued, **fields}).encode()


async def test_an_asker_with_mqtt_5_is_answered_where_it_wants_with_its_own_mark() -> None:
    async with own_broker() as reached, gateway(reached) as made:
        await connected(made)
        async with client(reached, reached.dashboard) as asker:
            await asker.subscribe("reply/#", qos=1)
            await asker.subscribe(f"{ONE}/cmd/+/result", qos=1)
            await asker.publish(
                f"{ONE}/cmd/tare", b'{"request":"r"}', qos=1, properties=asking("reply/me", b"\x00\x07")
            )
            found = {}
            async with asyncio.timeout(WITHIN):
                async for message in asker.messages:
                    assert message.properties is not None
                    found[str(message.topic)] = (
                        json.loads(message.payload)["request"],
                        message.properties.CorrelationData,  # type: ignore[attr-defined]
                    )
                    if len(found) == 2:
                        break
        assert found == {"reply/me": ("r", b"\x00\x07"), f"{ONE}/cmd/tare/result": ("r", b"\x00\x07")}


async def test_nobody_can_make_the_gateway_say_something_in_the_place_of_an_event() -> None:
    async with own_broker() as reached, gateway(reached) as made:
        await connected(made)
        async with (
            listening(reached, reached.dashboard, "#") as heard,
            client(reached, reached.dashboard) as asker,
        ):
            for topic in (f"{ONE}/event/rep", f"{ONE}/state", "cable/v1/test/two/status", "elsewhere"):
                await asker.publish(f"{ONE}/cmd/tare", b'{"request":"r"}', qos=1, properties=asking(topic, b"x"))
            await heard.until("tare/result", count=4)
        topics = {topic for topic, _, _ in heard.messages}
        assert topics <= {f"{ONE}/cmd/tare/result", f"{ONE}/cmd/tare", "cable/v1/test/_gateway/hall/status",
                          f"{ONE}/status", f"{ONE}/owner", f"{ONE}/info", f"{ONE}/state", f"{ONE}/health"}  # fmt: skip
        assert not any("request" in payload for topic, payload, _ in heard.messages if "/cmd/" not in topic)


@pytest.mark.parametrize(
    ("topic", "may"),
    [
        ("reply/me", True),
        ("usual/1", True),
        ("usual", False),  # it is answered there anyway
        ("reply/+", False),
        ("reply/#", False),
        ("cable/v1/test/one/event/rep", False),
        ("$SYS/x", False),
        ("reply/" + "x" * 400, False),
        (None, False),
    ],
)
def test_an_answer_goes_nowhere_but_where_answers_go(topic: str | None, may: bool) -> None:  # noqa: FBT001
    assert may_reply(topic, usual="usual") == may


@pytest.mark.parametrize("role", ["display", "gateway"])
async def test_an_account_that_may_not_command_is_not_heard(role: str) -> None:
    async with own_broker() as reached, gateway(reached) as made:
        await connected(made)
        async with (
            listening(reached, reached.dashboard, f"{ONE}/cmd/+/result") as heard,
            client(reached, getattr(reached, role)) as intruder,
            client(reached, reached.dashboard) as asker,
        ):
            await intruder.publish(f"{ONE}/cmd/tare", b'{"request":"intruder"}', qos=1)
            await asker.publish(f"{ONE}/cmd/select", b'{"request":"asker"}', qos=1)
            await heard.until("select/result")
        assert [name for _, name, _ in made.commands] == ["select"]


async def test_a_command_that_was_held_up_until_it_is_stale_is_refused(tmp_path: Path) -> None:
    async with theirs(tmp_path, "") as port:
        reached = Broker("127.0.0.1", port, "external")
        config = write_config(tmp_path, board(ABSENT), broker=reached.url)
        with station(config) as running:
            await asyncio.to_thread(running.says, "connected")
            async with listening(reached, None, f"{ONE}/cmd/+/result") as heard, client(reached, None) as asker:
                running.process.send_signal(signal.SIGSTOP)
                await asker.publish(f"{ONE}/cmd/select", command("late", expires_s=0.5, exercise="x"), qos=1)
                await asyncio.sleep(1.0)  # less than its broker would wait for it
                running.process.send_signal(signal.SIGCONT)
                await asker.publish(f"{ONE}/cmd/select", command("right", exercise="row"), qos=1)
                await heard.until("select/result", count=2)
            late, right = heard.objects("result")
            assert (late["request"], late["state"], late["reason"].split(":")[0]) == ("late", "refused", "stale")
            assert (right["request"], right["state"]) == ("right", "done")


async def test_what_was_kept_for_a_controller_that_was_away_is_not_carried_out(tmp_path: Path) -> None:
    async with theirs(tmp_path, "") as port:
        reached = Broker("127.0.0.1", port, "external")
        config = write_config(tmp_path, board(ABSENT), broker=reached.url)
        with station(config) as running:
            await asyncio.to_thread(running.says, "connected")
            running.process.kill()
            await asyncio.to_thread(running.process.wait)
        async with listening(reached, None, f"{ONE}/cmd/+/result") as heard, client(reached, None) as asker:
            for retain in (False, True):
                await asker.publish(f"{ONE}/cmd/select", command("old", exercise="x"), qos=1, retain=retain)
            with station(config) as running:
                await asyncio.to_thread(running.says, "a retained command is ignored")
                await asker.publish(f"{ONE}/cmd/select", command("new", exercise="row"), qos=1)
                await heard.until("select/result")
            assert [answer["request"] for answer in heard.objects("result")] == ["new"]


def resident(pid: int) -> int:
    """kB."""
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith("VmRSS:"))


async def test_a_flood_of_garbage_neither_hangs_nor_grows_the_controller(tmp_path: Path) -> None:
    async with theirs(tmp_path, "max_queued_messages 0") as port:
        reached = Broker("127.0.0.1", port, "external")
        config = write_config(tmp_path, board(ABSENT), broker=reached.url)
        with station(config) as running:
            await asyncio.to_thread(running.says, "connected")
            async with client(reached, None) as asker:

                async def flood(count: int) -> None:
                    junk = (b"\xff{[" * 200, command("f", junk=1), b"[" * 2000, b"")
                    for number in range(count):
                        payload = b"x" * 60_000 if number % 50 == 0 else junk[number % 4]
                        await asker.publish(
                            f"{ONE}/cmd/{('tare', 'tear')[number % 2]}", payload, qos=int(number % 100 == 1)
                        )
                    await answered(asker, f"flood-{count}")

                async def answered(asker: aiomqtt.Client, request: str) -> None:
                    """Ask until the answer comes; a queue that is full throws messages away."""
                    async with listening(reached, None, f"{ONE}/cmd/select/result") as heard, asyncio.timeout(60.0):
                        while request not in str(heard.messages):
                            await asker.publish(f"{ONE}/cmd/select", command(request, exercise="row"), qos=1)
                            await asyncio.sleep(0.2)

                await flood(1000)  # what it takes once and for all
                before = resident(running.process.pid)
                await asker.publish(f"{ONE}/cmd/tare", b"x" * 5_000_000, qos=1)
                await flood(10_000)
                assert resident(running.process.pid) - before < GROWTH
            assert not [line for line in running.err if "Traceback" in line or "lost" in line]
            assert len(running.err) < 20
            assert running.end() == 0

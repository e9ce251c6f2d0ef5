"""What a broker refuses is kept, told and counted, and holds up nothing."""

from __future__ import annotations

import asyncio
import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from controller.broker import Account, Broker, find_mosquitto
from controller.config import GymConfig
from controller.mqtt_connection import BrokerLost, Connection
from tests.controller.mqtt_client import client, listening
from tests.controller.test_runtime import command, gym, running, until
from tests.delivery.brokers import LOOPBACK, Mosquitto

pytestmark = [
    pytest.mark.broker,
    pytest.mark.skipif(find_mosquitto() is None, reason="mosquitto is not installed"),
]
SESSION = "cable/v1/test/one/event/session"
COMMANDS = "cable/v1/test/one/cmd/+"
FAULT = "cable/v1/test/one/event/fault"


async def refusing(folder: Path, *allowed: str) -> tuple[Mosquitto, Broker, GymConfig]:
    """A broker that lets the gateway write only some kinds of events, and a gateway's configuration for it."""
    made = Mosquitto(folder / "broker")
    rules = folder / "broker" / "rules"
    may = "\n".join(f"topic write cable/v1/test/one/event/{kind}" for kind in allowed)
    rules.write_text(rules.read_text().replace("topic write cable/v1/test/one/event/+", may))
    await made.start()
    port = made.servers[0].port
    user, _, password = made.listener.partition(":")
    reached = Broker(LOOPBACK, port, "external", dashboard=Account(user, password))
    return made, reached, gym(folder, broker=f'url = "mqtt://{made.gateway}@{LOOPBACK}:{port}"')


def dead_letters(folder: Path) -> list[tuple[Any, ...]]:
    with closing(sqlite3.connect(folder / "outbox.db")) as connection:
        return connection.execute("SELECT topic, reason FROM dead_letter ORDER BY n").fetchall()


async def test_a_refused_event_is_a_dead_letter_a_fault_event_and_a_number_in_health(tmp_path: Path) -> None:
    made, reached, config = await refusing(tmp_path, "fault", "set")
    try:
        async with listening(reached, reached.dashboard, "cable/v1/test/#") as heard, running(config) as gateway:
            await until(lambda: any(each["name"] == "publish_refused" for each in heard.objects("event/fault")))
            (fault,) = (each for each in heard.objects("event/fault") if each["name"] == "publish_refused")
            assert fault["raised"] is True
            assert SESSION in fault["detail"]
            assert "Not authorized" in fault["detail"]
            await until(lambda: len(dead_letters(tmp_path)) == 1)
            gateway.runtime.stations["one"].show_health()
            await until(lambda: heard.objects("one/health")[-1]["dead_letters"] == 1)
            assert heard.objects("one/health")[-1]["outbox_depth"] == 0
            assert sum(SESSION in line for line in gateway.said) == 1
        assert dead_letters(tmp_path)[0] == (SESSION, "Not authorized")
    finally:
        await made.end()


async def test_where_faults_are_refused_too_there_is_an_end_of_it(tmp_path: Path) -> None:
    made, reached, config = await refusing(tmp_path, "set")
    try:
        async with listening(reached, reached.dashboard, "cable/v1/test/#") as heard, running(config) as gateway:
            await until(lambda: any(topic == FAULT for topic, _ in dead_letters(tmp_path)))
            station = gateway.runtime.stations["one"]

            def counted() -> int:
                station.show_health()
                answers = heard.objects("one/health")
                return int(answers[-1]["dead_letters"]) if answers else 0

            before, since = -1, 0
            async with asyncio.timeout(20.0):
                while since < 10:  # ten round trips without one more
                    await asyncio.sleep(0.1)
                    now = counted()
                    since = since + 1 if now == before else 0
                    before = now
            assert before < 10
            assert heard.objects("event/fault") == []
    finally:
        await made.end()


async def test_events_go_out_though_the_broker_lets_no_commands_in(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A cluster may refuse a subscription while nodes are missing; mosquitto never does, so it is made here."""
    real, asked = Connection.subscribe, 0

    async def refuse_once(link: Connection, pattern: str) -> None:
        nonlocal asked
        asked += pattern == COMMANDS
        if pattern == COMMANDS and asked == 1:
            raise BrokerLost("it refused the subscription", answered=True)
        await real(link, pattern)

    monkeypatch.setattr(Connection, "subscribe", refuse_once)
    monkeypatch.setattr("controller.mqtt.SUBSCRIBE_AGAIN", 0.5)
    made, reached, config = await refusing(tmp_path, "+")
    try:
        async with listening(reached, reached.dashboard, "cable/v1/test/#") as heard, running(config) as gateway:
            await heard.until("event/session")
            assert sum("no commands come" in line for line in gateway.said) == 1
            await until(lambda: asked >= 2)
            async with client(reached, reached.dashboard) as sender:
                await sender.publish("cable/v1/test/one/cmd/set_end", command("a"), qos=1)
            await heard.until("/result")
    finally:
        await made.end()

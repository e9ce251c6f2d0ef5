from __future__ import annotations

import asyncio
import contextlib
import json
import os
import signal
from collections.abc import AsyncIterator, Callable, Sequence

import aiomqtt
import pytest

from controller.adapters.adapter import Adapter
from controller.broker import Broker, broker, find_mosquitto, free_port
from controller.config import BrokerConfig
from controller.display import Status
from controller.mqtt import Publisher
from protocols.events import CommandResult, Fault, Telemetry
from tests.controller.mqtt_client import WITHIN, Heard, client, listening
from tests.controller.test_broker import broker_process

needs_mosquitto = [
    pytest.mark.broker,
    pytest.mark.skipif(find_mosquitto() is None, reason="mosquitto is not installed"),
]
KINDS = [pytest.param("mosquitto", marks=needs_mosquitto), "amqtt"]
ONE = "cable/v1/test/one"


def fault(number: int) -> Fault:
    return Fault(
        id=f"id-{number}", ts=number, station="one", session="s", set=1, seq=number,
        name="test", severity="info", raised=True,
    )  # fmt: skip


class Gateway:
    """A publisher with the lines it says and the commands it was given."""

    def __init__(
        self, reached: Broker, stations: list[str], adapters: Sequence[Adapter] = (), *, name: str = "hall"
    ) -> None:
        self.said: list[str] = []
        self.commands: list[tuple[str, str, bytes]] = []
        self.publisher = Publisher(
            reached, site="test", gateway=name, stations=stations, commanded=self.command, say=self.said.append,
            adapters=adapters,
        )  # fmt: skip

    async def command(self, station: str, name: str, payload: bytes) -> CommandResult:
        self.commands.append((station, name, payload))
        return CommandResult(ts=1, request=json.loads(payload)["request"], state="done")

    def offer(self, *numbers: int) -> None:
        for number in numbers:
            self.publisher.offer("one", "fault", fault(number))


@contextlib.asynccontextmanager
async def gateway(
    reached: Broker, *, stations: tuple[str, ...] = ("one",), adapters: Sequence[Adapter] = (), name: str = "hall"
) -> AsyncIterator[Gateway]:
    made = Gateway(reached, list(stations), adapters, name=name)
    running = asyncio.create_task(made.publisher.run(), name="test: publisher")
    try:
        yield made
    finally:
        running.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await running


@contextlib.asynccontextmanager
async def own_broker(kind: str = "mosquitto", port: int = 0) -> AsyncIterator[Broker]:
    config = BrokerConfig(kind=kind, port=port)  # type: ignore[arg-type]
    async with broker(config, site="test", gateway="hall", stations=["one"], say=lambda _: None) as reached:
        assert reached is not None
        yield reached


async def connected(made: Gateway) -> None:
    async with asyncio.timeout(WITHIN):
        await made.publisher.connected.wait()


async def until(what: Callable[[], bool]) -> None:
    async with asyncio.timeout(WITHIN):
        while not what():  # noqa: ASYNC110 - a list of lines tells nobody
            await asyncio.sleep(0.02)


def online(status: str = "online") -> Status:
    return Status(ts=1, status=status)  # type: ignore[arg-type]


@pytest.mark.parametrize("kind", KINDS)
class TestWithEachBroker:
    async def test_who_subscribes_later_still_learns_what_is_retained(self, kind: str) -> None:
        v5 = kind == "mosquitto"
        async with own_broker(kind) as reached, gateway(reached) as made:
            made.publisher.offer("one", "status", online())
            await connected(made)
            async with listening(reached, reached.dashboard, "cable/v1/test/#", v5=v5) as before:
                await before.until("one/status", last="online")
            async with listening(reached, reached.dashboard, "cable/v1/test/#", v5=v5) as heard:
                await heard.until("one/status")
                await heard.until("_gateway/hall/status")
            assert ("cable/v1/test/_gateway/hall/status", "online", True) in heard.messages
            assert (f"{ONE}/status", "online", True) in heard.messages

    async def test_an_orderly_end_leaves_offline_behind(self, kind: str) -> None:
        v5 = kind == "mosquitto"
        async with own_broker(kind) as reached:
            async with gateway(reached) as made:
                made.publisher.offer("one", "status", online())
                await connected(made)
            async with listening(reached, reached.dashboard, "cable/v1/test/#", v5=v5) as heard:
                await heard.until("one/status")
                await heard.until("_gateway/hall/status")
            assert set(heard.payloads("status")) == {"offline"}

    async def test_events_come_in_order_and_are_never_retained(self, kind: str) -> None:
        v5 = kind == "mosquitto"
        async with own_broker(kind) as reached, gateway(reached) as made:
            async with listening(reached, reached.dashboard, f"{ONE}/event/#", v5=v5) as heard:
                made.offer(*range(300))
                await heard.until("event/fault", count=300)
            async with asyncio.timeout(WITHIN):
                assert await made.publisher.drained(within=WITHIN)
            assert [event["seq"] for event in heard.objects("fault")] == list(range(300))
            assert not any(retained for _, _, retained in heard.messages)
            assert made.publisher.depth == 0

    async def test_a_command_is_answered_with_its_own_request(self, kind: str) -> None:
        v5 = kind == "mosquitto"
        async with own_broker(kind) as reached, gateway(reached) as made:
            await connected(made)
            async with (
                listening(reached, reached.dashboard, f"{ONE}/cmd/+/result", v5=v5) as heard,
                client(reached, reached.dashboard, v5=v5) as sender,
            ):
                await sender.publish(f"{ONE}/cmd/tare", b'{"request":"r-7"}', qos=1)
                await heard.until("tare/result")
            assert [answer["request"] for answer in heard.objects("result")] == ["r-7"]
            assert made.commands == [("one", "tare", b'{"request":"r-7"}')]


async def keep_listening(reached: Broker, heard: Heard, pattern: str = f"{ONE}/event/#") -> None:
    """A dashboard with a session that outlives its connections."""
    from paho.mqtt.packettypes import PacketTypes  # noqa: PLC0415
    from paho.mqtt.properties import Properties  # noqa: PLC0415

    properties = Properties(PacketTypes.CONNECT)  # type: ignore[no-untyped-call]
    properties.SessionExpiryInterval = 3600
    assert reached.dashboard is not None
    while True:
        try:
            async with aiomqtt.Client(
                reached.host, reached.port, username=reached.dashboard.user, password=reached.dashboard.password,
                identifier="dashboard", protocol=aiomqtt.ProtocolVersion.V5, clean_start=False, properties=properties,
                timeout=5,
            ) as connection:  # fmt: skip
                await connection.subscribe(pattern, qos=1)
                heard.messages.append(("listening", "", False))
                async for message in connection.messages:
                    heard.add(message)
        except aiomqtt.MqttError:
            await asyncio.sleep(0.05)


@pytest.mark.broker
@pytest.mark.skipif(find_mosquitto() is None, reason="mosquitto is not installed")
class TestWithMosquitto:
    async def test_a_killed_broker_loses_no_event_and_no_order(self) -> None:
        async with own_broker() as reached, gateway(reached) as made:
            heard = Heard()
            listener = asyncio.create_task(keep_listening(reached, heard), name="test: dashboard")
            try:
                await until(lambda: bool(heard.messages))
                await connected(made)
                made.offer(*range(200))
                await heard.until("fault", count=20)
                os.kill(broker_process(), signal.SIGKILL)
                made.offer(*range(200, 400))
                await until(lambda: not made.publisher.connected.is_set())
                made.offer(*range(400, 500))
                async with asyncio.timeout(WITHIN):
                    while {event["seq"] for event in heard.objects("fault")} != set(range(500)):
                        await heard.until("fault", count=len(heard.payloads("fault")) + 1)
            finally:
                listener.cancel()
                with contextlib.suppress(asyncio.CancelledError):
                    await listener
            events = heard.objects("fault")
            first = list(dict.fromkeys(event["seq"] for event in events))
            assert first == list(range(500))
            assert all(event["id"] == f"id-{event['seq']}" for event in events)
            assert await made.publisher.drained(within=WITHIN)

    async def test_a_kill_right_after_the_last_confirmation_loses_nothing(self) -> None:
        """mosquitto confirms before it saves; a publisher that trusts it loses an event in about every third round."""
        async with own_broker() as reached, gateway(reached) as made:
            heard = Heard()
            await connected(made)
            for start in (0, 50, 100):
                greeted = len(heard.payloads("listening"))
                listener = asyncio.create_task(keep_listening(reached, heard), name="test: dashboard")
                await until(lambda: len(heard.payloads("listening")) > greeted)  # noqa: B023
                listener.cancel()
                with contextlib.suppress(asyncio.CancelledError):
                    await listener
                made.offer(*range(start, start + 50))
                assert await made.publisher.drained(within=WITHIN)
                os.kill(broker_process(), signal.SIGKILL)
                await until(lambda: not made.publisher.connected.is_set())
                await connected(made)
                listener = asyncio.create_task(keep_listening(reached, heard), name="test: dashboard")
                wanted = set(range(start + 50))
                await until(lambda: {event["seq"] for event in heard.objects("fault")} >= wanted)  # noqa: B023
                listener.cancel()
                with contextlib.suppress(asyncio.CancelledError):
                    await listener
            first = list(dict.fromkeys(event["seq"] for event in heard.objects("fault")))
            assert first == list(range(150))

    async def test_a_refused_event_is_counted_said_once_and_holds_up_no_other(self) -> None:
        async with own_broker() as reached, gateway(reached, stations=("one", "stranger")) as made:
            async with listening(reached, reached.dashboard, "cable/v1/test/+/event/#") as heard:
                for number in range(3):
                    made.publisher.offer("stranger", "fault", fault(number))
                made.offer(3)
                await heard.until("event/fault")
            assert [event["seq"] for event in heard.objects("fault")] == [3]
            assert made.publisher.dead_letters == 3
            about = [line for line in made.said if "stranger/event/fault" in line]
            assert len(about) == 1
            assert "access rules" in about[0]

    async def test_a_retained_command_is_not_carried_out(self) -> None:
        async with own_broker() as reached:
            async with client(reached, reached.dashboard) as sender:
                await sender.publish(f"{ONE}/cmd/tare", b'{"request":"old"}', qos=1, retain=True)
            async with gateway(reached) as made, client(reached, reached.dashboard) as sender:
                await connected(made)
                async with listening(reached, reached.dashboard, f"{ONE}/cmd/+/result") as heard:
                    await sender.publish(f"{ONE}/cmd/select", b'{"request":"new"}', qos=1)
                    await heard.until("result")
                assert [name for _, name, _ in made.commands] == ["select"]

    async def test_of_telemetry_only_the_latest_is_kept_while_there_is_no_connection(self) -> None:
        async with own_broker() as reached:
            made = Gateway(reached, ["one"])
            for ts in range(50):
                made.publisher.offer("one", "telemetry", Telemetry(ts=ts))
            async with listening(reached, reached.dashboard, f"{ONE}/telemetry") as heard:
                running = asyncio.create_task(made.publisher.run(), name="test: publisher")
                await heard.until("telemetry")
                running.cancel()
                with contextlib.suppress(asyncio.CancelledError):
                    await running
            assert [each["ts"] for each in heard.objects("telemetry")] == [49]
            assert made.publisher.telemetry_dropped == 49


async def test_without_a_broker_there_is_one_line_and_all_arrives_when_it_comes() -> None:
    port = free_port()
    async with gateway(Broker("127.0.0.1", port, "external")) as made:
        made.offer(*range(20))
        began = asyncio.get_running_loop().time()
        await until(lambda: asyncio.get_running_loop().time() > began + 1.0)  # two or three attempts
        assert len(made.said) == 1
        assert "Connection refused; is it running" in made.said[0]
        assert made.publisher.depth == 20
        async with own_broker("amqtt", port) as reached:
            async with listening(reached, None, f"{ONE}/event/#", v5=False) as heard:
                await heard.until("event/fault", count=20)
            assert [event["seq"] for event in heard.objects("fault")] == list(range(20))


async def test_what_is_retained_is_published_again_to_a_broker_that_forgot_it() -> None:
    async with own_broker("amqtt") as reached, gateway(reached) as made:
        made.publisher.offer("one", "status", online())
        async with listening(reached, None, "cable/v1/test/#", v5=False) as before:
            await before.until("one/status", last="online")
            await until(lambda: not made.publisher._changed)
        os.kill(broker_process(), signal.SIGKILL)  # it keeps nothing on disk
        await until(lambda: not made.publisher.connected.is_set())
        await connected(made)
        async with listening(reached, None, "cable/v1/test/#", v5=False) as heard:
            await heard.until("one/status", last="online")
            await heard.until("_gateway/hall/status", last="online")


async def test_a_broker_that_never_answers_version_5_is_asked_with_3_1_1() -> None:
    async with own_broker("amqtt") as reached, gateway(Broker(reached.host, reached.port, "external")) as made:
        made.offer(1)
        async with listening(reached, None, f"{ONE}/event/#", v5=False) as heard:
            await connected(made)
            made.offer(2)
            await heard.until("event/fault")
            await until(lambda: made.publisher.depth == 0)


async def test_an_attempt_at_a_mute_broker_is_said_once_and_its_socket_closed_before_the_next() -> None:
    came, open_now, most_open = 0, 0, 0

    async def mute(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal came, open_now, most_open
        came, open_now = came + 1, open_now + 1
        most_open = max(most_open, open_now)
        with contextlib.suppress(ConnectionError):
            while await reader.read(100):
                pass
        open_now -= 1
        writer.close()

    server = await asyncio.start_server(mute, "127.0.0.1", 0)
    async with server:
        port = server.sockets[0].getsockname()[1]
        async with gateway(Broker("127.0.0.1", port, "external")) as made:
            await until(lambda: came >= 2)
            (line,) = made.said
        await until(lambda: open_now == 0)
    assert line.startswith(f"broker mqtt://127.0.0.1:{port}: will not have us: no answer to CONNECT; check its version")
    assert most_open == 1


async def test_when_one_node_of_a_broker_is_not_there_the_next_is_asked() -> None:
    async with own_broker("amqtt") as reached:
        nodes = Broker("127.0.0.1", free_port(), "external", others=((reached.host, reached.port),))
        async with gateway(nodes) as made:
            made.offer(1)
            await connected(made)
            await until(lambda: made.publisher.depth == 0)
    assert made.said[0].startswith(f"broker {nodes.url}: cannot be reached")


@pytest.mark.broker
@pytest.mark.skipif(find_mosquitto() is None, reason="mosquitto is not installed")
@pytest.mark.parametrize("answer", ["_on_connect", "_on_subscribe"])
@pytest.mark.parametrize("steps", [0, 1, 2])
async def test_an_end_is_heard_that_comes_together_with_an_answer_of_the_broker(
    answer: str, steps: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """asyncio.wait_for of Python 3.11 loses such a cancellation; steps: of the event loop between the two."""
    loop = asyncio.get_running_loop()
    async with own_broker() as reached:
        made = Gateway(reached, ["one"])
        answered = getattr(aiomqtt.Client, answer)

        def cancel_after(steps: int) -> None:
            if steps:
                loop.call_soon(cancel_after, steps - 1)
            else:
                running.cancel()

        def and_cancel(self: aiomqtt.Client, *arguments: object) -> None:
            answered(self, *arguments)
            if not running.cancelling():
                cancel_after(steps)

        monkeypatch.setattr(aiomqtt.Client, answer, and_cancel)
        running = asyncio.create_task(made.publisher.run(), name="test: publisher")
        await asyncio.wait({running}, timeout=5.0)
        assert running.cancelled()

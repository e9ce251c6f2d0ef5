"""Two controllers for one station: the second says so and waits, and takes over when the first has gone."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import time
from collections.abc import Callable, Sequence
from pathlib import Path

import msgspec
import pytest

from controller.broker import Broker, find_mosquitto
from controller.broker_mosquitto import Roles, access_rules
from controller.mqtt_connection import BrokerLost
from controller.ownership import Ownership, owner_in
from protocols.events import Owner, to_json
from protocols.topics import gateway_status
from tests.controller.mqtt_client import WITHIN, client, listening
from tests.controller.test_broker import broker_process
from tests.controller.test_mqtt import connected, gateway, own_broker, until
from tests.security.test_deployment import EXAMPLES
from tests.security.theirs import theirs
from tests.stations.processes import Program, board, station, write_config
from tests.stations.test_gateway import ABSENT

pytestmark = [
    pytest.mark.broker,
    pytest.mark.skipif(find_mosquitto() is None, reason="mosquitto is not installed"),
]
PASSIVE = "this one stays passive"


def written(folder: Path, url: str, gateway: str) -> Path:
    folder.mkdir()
    path = write_config(folder, board(ABSENT), broker=url)
    path.write_text(f'gateway = "{gateway}"\n{path.read_text()}')
    return path


def shown(name: str) -> str:
    """The deployment page's block for a gateway, with our names in it."""
    block = (EXAMPLES / "access").read_text().split("# Screens")[0]
    return block.replace("downtown", "test").replace("row-1", "one").replace("gw-1", name)


def generated(name: str) -> str:
    """The same of a broker of our own."""
    rules = access_rules(Roles(site="test", gateway=name, stations=["one"]))
    return rules.split("user display")[0].replace("user gateway", f"user {name}")


def connections(running: Program) -> int:
    return sum("connected" in line for line in running.err)


@pytest.mark.parametrize("second", ["hall", "other"], ids=["same-gateway", "another-gateway"])
@pytest.mark.parametrize("end", [signal.SIGINT, signal.SIGKILL], ids=["ended", "killed"])
async def test_the_second_stays_passive_until_the_first_has_gone(
    tmp_path: Path, second: str, end: signal.Signals
) -> None:
    async with theirs(tmp_path, "") as port:
        reached = Broker("127.0.0.1", port, "external")
        configs = [written(tmp_path / str(n), reached.url, name) for n, name in enumerate(("hall", second))]
        with station(configs[0]) as one:
            await asyncio.to_thread(one.says, "connected")
            with station(configs[1]) as two:
                line = await asyncio.to_thread(two.says, PASSIVE)
                assert "one is run by another controller, gateway 'hall'" in line
                async with listening(reached, None, "cable/v1/test/_gateway/hall/status") as heard:
                    await heard.until("status")
                    assert heard.payloads("status") == ["online"]
                assert (connections(one), connections(two)) == (1, 0)
                assert not any("lost" in line for line in one.err)
                await asyncio.to_thread(one.end, end)
                await asyncio.to_thread(two.says, "connected")
                assert two.end() == 0


@pytest.mark.parametrize("kind", ["mosquitto", "amqtt"])
async def test_a_broker_of_our_own_is_told_who_runs_its_stations(kind: str) -> None:
    """Others of this machine may reach it, and amqtt takes everybody."""
    async with own_broker(kind) as reached, gateway(reached) as made:
        await connected(made)
        v5 = kind == "mosquitto"
        async with listening(reached, reached.dashboard, "cable/v1/test/one/owner", v5=v5) as heard:
            await heard.until("owner")
        (word,) = heard.objects("owner")
        assert word["gateway"] == "hall"
        assert 0.0 <= time.time() - word["ts"] / 1000.0 < WITHIN
        assert not any("refuses" in line for line in made.said)


@pytest.mark.parametrize("rules", [shown, generated])
async def test_the_access_rules_let_each_gateway_say_and_read_who_runs_a_station(
    tmp_path: Path, rules: Callable[[str], str]
) -> None:
    (tmp_path / "access").write_text(rules("gw-1") + rules("gw-2"))
    accounts = {"gw-1": "of-gw-1", "gw-2": "of-gw-2"}
    async with theirs(tmp_path, f"acl_file {tmp_path}/access", accounts=accounts) as port:
        first, second = (
            written(tmp_path / name, f"mqtt://{name}:{word}@127.0.0.1:{port}", name) for name, word in accounts.items()
        )
        with station(first) as one:
            await asyncio.to_thread(one.says, "connected")
            with station(second) as two:
                await asyncio.to_thread(two.says, PASSIVE)
                assert one.end() == 0
                await asyncio.to_thread(two.says, "connected")
                assert two.end() == 0
            assert not any("refuses" in line for line in (*one.err, *two.err))


async def test_one_that_was_killed_finds_its_own_word_and_goes_on(tmp_path: Path) -> None:
    async with theirs(tmp_path, "") as port:
        config = written(tmp_path / "0", f"mqtt://127.0.0.1:{port}", "hall")
        for _ in range(2):
            with station(config) as running:
                await asyncio.to_thread(running.says, "connected")
                assert not any(PASSIVE in line for line in running.err)
                running.process.kill()
                await asyncio.to_thread(running.process.wait)


def test_of_two_that_begin_at_once_the_one_with_the_earlier_word_gives_way() -> None:
    one, two = (Ownership(site="s", gateway=name, stations=["row"], say=lambda _: None) for name in ("a", "b"))
    (topic,) = one.topics
    one.heard(topic, two.word, retained=True)  # what was there before is looked at before connecting
    for word in (one.word, two.word):  # in the broker's order, to both
        two.heard(topic, word, retained=False)
    one.heard(topic, one.word, retained=False)
    with pytest.raises(BrokerLost, match="row was taken over by gateway 'b'"):
        one.heard(topic, two.word, retained=False)


@pytest.mark.parametrize("payload", [b"", b"x", b"{}", b'{"gateway":"A/#","instance":"a","host":"h"}', b"\xff"])
def test_a_word_that_names_nobody_is_no_owner(payload: bytes) -> None:
    assert owner_in(payload) is None


OTHERS = Owner(ts=1, gateway="other", instance="1", host="h")
OWNER, STATUS = "cable/v1/test/one/owner", "cable/v1/test/_gateway/other/status"
OURS = "cable/v1/test/_gateway/hall/status"


@pytest.fixture
def hurried(monkeypatch: pytest.MonkeyPatch) -> None:
    """Words come, and are missed, ten times as fast."""
    monkeypatch.setattr("controller.mqtt.WORD_EVERY", 1.0)
    monkeypatch.setattr("controller.ownership.GONE_AFTER", 2.5)


@pytest.mark.usefixtures("hurried")
@pytest.mark.parametrize("saved", [(), (STATUS,)], ids=["the word alone", "the status too"])
async def test_a_word_that_is_all_a_broker_saved_keeps_nobody_away(tmp_path: Path, saved: Sequence[str]) -> None:
    async with theirs(tmp_path, "") as port:
        reached = Broker("127.0.0.1", port, "external")
        async with client(reached, None) as broker:
            await broker.publish(OWNER, to_json(OTHERS), qos=1, retain=True)
            for topic in saved:
                await broker.publish(topic, b"online", qos=1, retain=True)
        async with gateway(reached) as made:
            await connected(made)
            assert PASSIVE in made.said[0]


async def test_a_broker_that_is_lost_in_mid_look_is_no_broker_where_nobody_may_look() -> None:
    packets: list[bytes] = []

    async def leaves(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        packets.append(await reader.read(1000))
        writer.write(b"\x20\x03\x00\x00\x00")  # CONNACK, without properties
        packets.append(await reader.read(1000))
        writer.close()

    async with await asyncio.start_server(leaves, "127.0.0.1", 0) as server:
        reached = Broker("127.0.0.1", server.sockets[0].getsockname()[1], "external")
        async with gateway(reached):
            await until(lambda: len(packets) >= 3)
    assert packets[1][:1] == b"\x82"  # SUBSCRIBE
    itself = b"\x00\x17cable-station-test-hall"  # its name with the length before it
    assert not any(itself in packet for packet in packets)


@pytest.mark.parametrize("name", ["other", "hall"])
async def test_one_that_gives_way_is_offline_unless_the_other_has_its_gateway_s_name(tmp_path: Path, name: str) -> None:
    async with theirs(tmp_path, "") as port:
        reached = Broker("127.0.0.1", port, "external")
        async with gateway(reached) as made, listening(reached, None, OURS) as heard, client(reached, None) as other:
            await connected(made)
            await heard.until("status", last="online")
            word = msgspec.structs.replace(OTHERS, gateway=name)
            await other.publish(gateway_status(site="test", gateway=name), b"online", qos=1, retain=True)
            await other.publish(OWNER, to_json(word), qos=1, retain=True)
            await until(lambda: any(PASSIVE in line for line in made.said))
            if name == "hall":
                await other.publish(OURS, b"the end", qos=1)
                await heard.until("status", last="the end")
                assert set(heard.payloads("status")) == {"online", "the end"}
                return
            await heard.until("status", last="offline")
            await other.publish(STATUS, b"offline", qos=1, retain=True)
            await heard.until("status", last="online")


@pytest.mark.usefixtures("hurried")
async def test_one_that_lives_is_left_its_stations_for_as_long_as_it_does(tmp_path: Path) -> None:
    async with theirs(tmp_path, "") as port:
        reached = Broker("127.0.0.1", port, "external")
        async with gateway(reached) as one:
            await connected(one)
            async with gateway(reached, name="other") as two, listening(reached, None, OWNER) as heard:
                await until(lambda: bool(two.said))
                await heard.until("owner", count=6)
                assert not two.publisher.connected.is_set()
            words = heard.objects("owner")
            assert {word["gateway"] for word in words} == {"hall"}
            assert [word["ts"] for word in words] == sorted({word["ts"] for word in words})
            assert not any("lost" in line for line in one.said)


@pytest.mark.usefixtures("hurried")
async def test_one_that_was_held_up_itself_does_not_take_that_for_the_other_s_silence(tmp_path: Path) -> None:
    async with theirs(tmp_path, "") as port:
        reached = Broker("127.0.0.1", port, "external")

        async def takes_over() -> bool:
            async with gateway(reached, name="other") as two:
                await until(lambda: bool(two.said))
                await asyncio.sleep(0.3)  # it has looked, and waits
                time.sleep(4.0)  # noqa: ASYNC251 - holds up the whole of this thread's loop
                await asyncio.wait({asyncio.create_task(two.publisher.connected.wait())}, timeout=2.0)
                return two.publisher.connected.is_set()

        async with gateway(reached) as one:
            await connected(one)
            assert not await asyncio.to_thread(asyncio.run, takes_over())
            assert not any("lost" in line for line in one.said)


@pytest.mark.usefixtures("hurried")
async def test_one_whose_words_do_not_get_through_does_not_go_on_as_the_owner() -> None:
    async with own_broker() as reached, gateway(reached) as made:
        await connected(made)
        os.kill(broker_process(), signal.SIGSTOP)
        try:
            await until(lambda: not made.publisher.connected.is_set())
        finally:
            os.kill(broker_process(), signal.SIGCONT)
        assert "no confirmation of cable/v1/test/one/owner within 1 s" in made.said[-1]


async def test_a_word_whose_gateway_died_with_the_broker_keeps_nobody_away(tmp_path: Path) -> None:
    """Nobody was left to send its last will: what the broker has kept says for ever that it is online."""
    kept = f"persistence true\npersistence_location {tmp_path}/\nautosave_on_changes true\nautosave_interval 1"
    database = tmp_path / "mosquitto.db"
    with contextlib.ExitStack() as stack:
        async with theirs(tmp_path, kept) as port:
            url = f"mqtt://127.0.0.1:{port}"
            one = stack.enter_context(station(written(tmp_path / "0", url, "hall")))
            await asyncio.to_thread(one.says, "connected")
            await asyncio.to_thread(one.until, lambda: database.exists() and b"/owner" in database.read_bytes())
            one.process.send_signal(signal.SIGSTOP)  # so that it says no farewell, as at a power cut
    async with theirs(tmp_path, kept, port=port):
        with station(written(tmp_path / "1", url, "hall")) as two:
            await asyncio.to_thread(two.says, PASSIVE)
            await asyncio.to_thread(two.says, "connected", within=60.0)

from __future__ import annotations

import asyncio
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import aiomqtt
import pytest

from controller.broker import Account, Broker, BrokerError, available, broker, external, find_mosquitto
from controller.broker_access import Tls
from controller.broker_child import BrokerChild
from controller.broker_mosquitto import Roles, access_rules
from controller.config import BrokerConfig
from controller.outbox import SAVED_AFTER
from tests.controller.mqtt_client import WITHIN, client, listening

needs_mosquitto = [
    pytest.mark.broker,
    pytest.mark.skipif(find_mosquitto() is None, reason="mosquitto is not installed"),
]
KINDS = [pytest.param("mosquitto", marks=needs_mosquitto), "amqtt"]


def started(config: BrokerConfig, say: Callable[[str], None] = lambda _: None):  # type: ignore[no-untyped-def]  # noqa: ANN201
    return broker(config, site="test", gateway="hall", stations=["one", "two"], say=say)


def descendants(pid: int) -> set[int]:
    """The processes below one, from /proc."""
    children: set[int] = set()
    for task in Path(f"/proc/{pid}/task").iterdir():
        children |= {int(each) for each in (task / "children").read_text().split()}
    return children.union(*(descendants(child) for child in children)) if children else children


def broker_process() -> int:
    """The broker's own process, below the module that guards it."""
    (guard,) = (p for p in descendants(os.getpid()) if "controller.child" in command_of(p))
    (inner,) = descendants(guard)
    return inner


def command_of(pid: int) -> str:
    return Path(f"/proc/{pid}/cmdline").read_text().replace("\0", " ")


def alive(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0] != "Z"
    except FileNotFoundError:
        return False


def saved(folder: Path, what: bytes) -> bool:
    return any(what in path.read_bytes() for path in folder.glob("*.db"))


def names(folder: Path) -> list[str]:
    return [path.name for path in folder.iterdir()]


def listeners(port: int) -> set[str]:
    """The addresses that a port is listened to on, as /proc writes them."""
    rows = [line.split() for name in ("tcp", "tcp6") for line in Path(f"/proc/net/{name}").read_text().splitlines()]
    return {row[1].split(":")[0] for row in rows if row[1].endswith(f":{port:04X}") and row[3] == "0A"}


async def until(what: Callable[[], bool]) -> None:
    async with asyncio.timeout(WITHIN):
        while not what():  # noqa: ASYNC110 - /proc and files tell nobody
            await asyncio.sleep(0.02)


@pytest.mark.parametrize("kind", KINDS)
async def test_a_started_broker_answers_at_once_and_leaves_neither_process_nor_folder(
    kind: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    async with started(BrokerConfig(kind=kind)) as reached:  # type: ignore[arg-type]
        assert reached is not None
        assert reached.kind == kind
        pid = broker_process()
        async with client(reached, reached.dashboard, v5=kind == "mosquitto"):
            pass
        assert names(tmp_path)
    assert not alive(pid)
    assert names(tmp_path) == []


@pytest.mark.parametrize("kind", KINDS)
async def test_a_broker_listens_on_loopback_only(kind: str) -> None:
    async with started(BrokerConfig(kind=kind)) as reached:  # type: ignore[arg-type]
        assert reached is not None
        assert listeners(reached.port) == {"0100007F"}


@pytest.mark.parametrize("kind", KINDS)
async def test_a_taken_port_is_one_line_even_where_a_stranger_accepts_connections_on_it(kind: str) -> None:
    with socket.socket() as stranger:
        stranger.bind(("127.0.0.1", 0))
        stranger.listen()
        port = stranger.getsockname()[1]
        with pytest.raises(BrokerError, match=rf"^port {port} on 127\.0\.0\.1 is in use: .*broker\.port"):
            async with started(BrokerConfig(kind=kind, port=port)):  # type: ignore[arg-type]
                pytest.fail("somebody else's port was taken for our broker")


@pytest.mark.parametrize("kind", KINDS)
async def test_a_killed_broker_is_started_again_on_its_port_with_one_line(kind: str) -> None:
    said: list[str] = []
    async with started(BrokerConfig(kind=kind), said.append) as reached:  # type: ignore[arg-type]
        assert reached is not None
        first = broker_process()
        said.clear()
        os.kill(first, signal.SIGKILL)
        await until(lambda: bool(said))
        async with asyncio.timeout(WITHIN):
            while True:
                try:
                    async with client(reached, reached.dashboard, v5=kind == "mosquitto"):
                        break
                except aiomqtt.MqttError:
                    await asyncio.sleep(0.05)
        assert broker_process() != first
    assert said == [f"the {kind} broker died (killed by signal 9); it is started again"]


@pytest.mark.broker
@pytest.mark.skipif(find_mosquitto() is None, reason="mosquitto is not installed")
def test_no_broker_and_no_folder_outlives_a_controller_that_is_killed(tmp_path: Path) -> None:
    script = (
        "import asyncio, sys\n"
        "from controller.broker import broker\n"
        "from controller.config import BrokerConfig\n"
        "async def main():\n"
        "    async with broker(BrokerConfig(), site='s', gateway='g', stations=['one'], say=print):\n"
        "        print('up', flush=True)\n"
        "        await asyncio.Event().wait()\n"
        "asyncio.run(main())\n"
    )
    with subprocess.Popen(
        [sys.executable, "-c", script],
        stdout=subprocess.PIPE, text=True, env={**os.environ, "TMPDIR": str(tmp_path)},
    ) as controller:  # fmt: skip
        assert controller.stdout is not None
        try:
            assert controller.stdout.readline() == "up\n"
            below = descendants(controller.pid)
            assert len(below) == 2
            assert list(tmp_path.iterdir())
        finally:
            controller.kill()
    asyncio.run(until(lambda: not any(alive(pid) for pid in below) and list(tmp_path.iterdir()) == []))


@pytest.mark.broker
@pytest.mark.skipif(find_mosquitto() is None, reason="mosquitto is not installed")
class TestRoles:
    async def test_nobody_without_an_account_gets_in(self) -> None:
        async with started(BrokerConfig(kind="mosquitto")) as reached:
            assert reached is not None
            for account in (None, Account("gateway", "guessed"), Account("somebody", "")):
                with pytest.raises(aiomqtt.MqttError):
                    async with client(reached, account):
                        pytest.fail("let in")

    async def test_passwords_differ_from_boot_to_boot_and_only_the_dashboard_s_is_in_a_file(self) -> None:
        seen = set()
        for _ in range(2):
            async with started(BrokerConfig(kind="mosquitto")) as reached:
                assert reached is not None
                passwords = {each.password for each in (reached.gateway, reached.display, reached.dashboard) if each}
                folder = Path(command_of(broker_process()).split(" -c ")[1].strip()).parent
                assert reached.dashboard is not None
                for path in folder.rglob("*"):
                    assert path.stat().st_mode & 0o077 == 0 or path.suffix in (".conf", ".db")
                    found = {each for each in passwords if path.is_file() and each.encode() in path.read_bytes()}
                    assert found <= ({reached.dashboard.password} if path.parent == reached.tools else set())
                assert not any(password in repr(reached) for password in passwords)
                seen |= passwords
        assert len(seen) == 6

    @pytest.mark.parametrize(
        ("role", "topic", "arrives"),
        [
            ("gateway", "cable/v1/test/one/event/rep", True),
            ("gateway", "cable/v1/test/two/cmd/tare/result", True),
            ("gateway", "cable/v1/test/_gateway/hall/status", True),
            ("gateway", "cable/v1/test/_gateway/hall/claim", True),
            ("gateway", "cable/v1/test/one/owner", True),
            ("gateway", "cable/v1/test/three/owner", False),
            ("gateway", "cable/v1/test/_gateway/other/claim", False),
            ("gateway", "cable/v1/test/three/event/rep", False),
            ("gateway", "cable/v1/test/_gateway/other/status", False),
            ("dashboard", "cable/v1/test/one/cmd/tare", True),
            ("dashboard", "cable/v1/test/one/event/rep", False),
            ("dashboard", "cable/v1/test/one/owner", False),
            ("display", "cable/v1/test/one/cmd/tare", False),
            ("display", "cable/v1/test/one/state", False),
        ],
    )
    async def test_each_role_writes_what_is_its_own(self, role: str, topic: str, *, arrives: bool) -> None:
        async with started(BrokerConfig(kind="mosquitto")) as reached:
            assert reached is not None
            async with listening(reached, reached.dashboard, "cable/v1/test/#") as heard:
                async with client(reached, getattr(reached, role)) as writer:
                    await writer.publish(topic, b"x", qos=1)
                async with client(reached, reached.gateway) as writer:  # what comes last shows that all has come
                    await writer.publish("cable/v1/test/one/health", b"last", qos=1)
                await heard.until("/health")
            assert [each for each, payload, _ in heard.messages if payload == "x"] == ([topic] if arrives else [])

    async def test_what_was_saved_outlives_a_kill_of_the_broker(self) -> None:
        async with started(BrokerConfig(kind="mosquitto")) as reached:
            assert reached is not None
            async with client(reached, reached.gateway) as writer:
                for number in range(50):
                    await writer.publish(f"cable/v1/test/one/event/{number}", b"kept", qos=1, retain=True)
            folder = Path(command_of(broker_process()).split(" -c ")[1].strip()).parent
            began = asyncio.get_running_loop().time()
            await until(lambda: saved(folder, b"event/49"))
            assert asyncio.get_running_loop().time() - began < SAVED_AFTER
            first = broker_process()
            os.kill(first, signal.SIGKILL)
            await until(lambda: not alive(first))
            async with asyncio.timeout(WITHIN):
                while True:
                    try:
                        async with listening(reached, reached.dashboard, "cable/v1/test/one/event/+") as heard:
                            await until(lambda: len(heard.messages) == 50)
                            break
                    except aiomqtt.MqttError:
                        await asyncio.sleep(0.05)


@pytest.mark.parametrize("says", [b"\x20\x02\x00\x05", b"HTTP/1.1 400 Bad Request\r\n\r\n", b""])
async def test_a_stranger_who_does_not_know_our_account_is_not_our_broker(says: bytes, tmp_path: Path) -> None:
    async def stranger(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read(100)
        writer.write(says)
        writer.close()

    server = await asyncio.start_server(stranger, "127.0.0.1", 0)
    async with server:
        port = server.sockets[0].getsockname()[1]
        child = BrokerChild("mosquitto", tmp_path, host="127.0.0.1", port=port, account=("gateway", "secret"))
        assert not await child._takes_us()


def test_a_station_that_is_not_ours_is_not_in_the_rules() -> None:
    rules = access_rules(Roles(site="hall", gateway="a", stations=["row"]))
    assert "cable/v1/hall/row/event/+" in rules
    gateway = rules.split("user display")[0]
    assert [line for line in gateway.splitlines() if "#" in line] == ["topic write reply/#"]


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        ("mqtt://broker.example", Broker("broker.example", 1883, "external")),
        ("mqtts://broker.example", Broker("broker.example", 8883, "external", tls=Tls())),
        (
            "mqtt://gym%40one:p%3Aq@10.0.0.2:1999",
            Broker("10.0.0.2", 1999, "external", Account("gym@one", "p:q")),
        ),
    ],
)
async def test_a_url_names_a_broker_that_is_not_started(url: str, expected: Broker) -> None:
    async with started(BrokerConfig(url=url)) as reached:
        assert reached == external(BrokerConfig(url=url)) == expected
        assert "p:q" not in expected.url


async def test_none_is_no_broker_at_all() -> None:
    async with started(BrokerConfig(url="none")) as reached:
        assert reached is None


def test_a_machine_without_any_broker_is_told_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("controller.broker.find_mosquitto", lambda: None)
    monkeypatch.setattr("importlib.util.find_spec", lambda _: None)
    with pytest.raises(BrokerError, match="install mosquitto"):
        available("any")

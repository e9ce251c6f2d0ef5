"""The broker of the deployment page, made of the very files that it shows."""

from __future__ import annotations

import asyncio
import contextlib
import os
import shutil
import subprocess
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from pathlib import Path

import pytest

from controller.broker import Broker, external, find_mosquitto, free_port
from controller.broker_access import Account, Tls
from controller.broker_checks import access_checks
from controller.broker_mosquitto import Roles, access_rules, hashed
from controller.config import BrokerConfig, load
from controller.mqtt_connection import BrokerLost, Connection, connection
from tests.security.certificates import openssl
from tests.security.theirs import WITHIN

EXAMPLES = Path(__file__).parents[2] / "docs" / "examples" / "broker"
HOST = "localhost"
ACCOUNTS = ("gw-1", "display", "dashboard", "bridge", "gw-2")
EVENT = b'{"v":1,"id":"a","ts":1,"station":"row-1","session":"s","set":1,"seq":1,"event_type":"rep"}'
SITE = "cable/v1/downtown"
pytestmark = [
    pytest.mark.broker,
    pytest.mark.skipif(find_mosquitto() is None, reason="mosquitto is not installed"),
    pytest.mark.skipif(openssl() is None, reason="openssl is not installed"),
]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    made = tmp_path_factory.mktemp("cable")
    for each in EXAMPLES.iterdir():
        shutil.copy(each, made)
    subprocess.run(["sh", "certificates.sh", HOST], cwd=made, check=True, capture_output=True, timeout=60)
    (made / "passwords").write_text("".join(f"{user}:{hashed(f'of-{user}')}\n" for user in ACCOUNTS))
    (made / "passwords").chmod(0o600)
    (made / "broker.password").touch(0o600)
    (made / "broker.password").write_text("of-gw-1\n")
    return made


def adapted(folder: Path, name: str, port: int, state: Path) -> Path:
    """A configuration of the page on a port of our own; every path is that of the copy."""
    state.mkdir(exist_ok=True)
    text = (folder / name).read_text().replace("/etc/mosquitto/cable", str(folder))
    text = text.replace("listener 8883", f"listener {port} 127.0.0.1").replace("/var/lib/mosquitto/", f"{state}/")
    path = state / name
    path.write_text(text + ("user root\n" if os.geteuid() == 0 else ""))
    return path


@contextlib.asynccontextmanager
async def mosquitto(config: Path, port: int) -> AsyncIterator[None]:
    program = find_mosquitto()
    assert program is not None
    process = await asyncio.create_subprocess_exec(program, "-c", str(config), stderr=asyncio.subprocess.DEVNULL)
    try:
        async with asyncio.timeout(WITHIN):
            while True:
                assert process.returncode is None
                with contextlib.suppress(OSError):
                    _, writer = await asyncio.open_connection("127.0.0.1", port)
                    writer.close()
                    break
                await asyncio.sleep(0.05)
        yield
    finally:
        if process.returncode is None:
            process.kill()
        await process.wait()


@contextlib.asynccontextmanager
async def gym(folder: Path, state: Path) -> AsyncIterator[int]:
    port = free_port()
    async with mosquitto(adapted(folder, "mosquitto.conf", port, state), port):
        yield port


def reached(folder: Path, port: int, user: str, password: str | None = None) -> Broker:
    account = Account(user, password or f"of-{user}")
    return Broker(HOST, port, "external", account, tls=Tls(ca=str(folder / "ca.crt")))


@contextlib.asynccontextmanager
async def as_user(folder: Path, port: int, user: str) -> AsyncIterator[Connection]:
    async with connection(reached(folder, port, user), identifier=f"test-{user}", v5=True) as link:
        yield link


async def test_a_gateway_gets_in_with_the_configuration_of_the_page(folder: Path, tmp_path: Path) -> None:
    config = load(folder / "gateway.toml").broker
    assert [each.severity for each in access_checks(config, now=datetime.now(UTC))] == ["info", "info"]
    async with gym(folder, tmp_path / "state") as port:
        ours = BrokerConfig(
            url=f"mqtts://{HOST}:{port}", user=config.user, password_file=config.password_file, ca=config.ca
        )
        async with connection(external(ours), identifier="gateway", v5=True) as link:
            assert await link.publish(f"{SITE}/row-1/event/rep", EVENT, within=WITHIN) is None


async def test_nobody_gets_in_without_its_password(folder: Path, tmp_path: Path) -> None:
    async with gym(folder, tmp_path / "state") as port:
        for broker in (
            reached(folder, port, "gw-1", "guessed"),
            reached(folder, port, "nobody"),
            Broker(HOST, port, "external", None, tls=Tls(ca=str(folder / "ca.crt"))),
            Broker(HOST, port, "external", Account("gw-1", "of-gw-1")),
        ):
            with pytest.raises(BrokerLost):
                async with connection(broker, identifier="test", v5=True):
                    pytest.fail("let in")


@pytest.mark.parametrize(
    ("user", "topic", "may"),
    [
        ("gw-1", f"{SITE}/row-1/event/rep", True),
        ("gw-1", f"{SITE}/pulldown-1/cmd/tare/result", True),
        ("gw-1", f"{SITE}/_gateway/gw-1/status", True),
        ("gw-1", f"{SITE}/_gateway/gw-1/claim", True),
        ("gw-1", f"{SITE}/row-1/owner", True),
        ("gw-1", f"{SITE}/row-2/owner", False),
        ("gw-1", "reply/somebody", True),
        ("gw-1", f"{SITE}/row-2/event/rep", False),
        ("gw-1", f"{SITE}/_gateway/gw-2/status", False),
        ("gw-1", f"{SITE}/row-1/cmd/tare", False),
        ("gw-1", "cable/v1/uptown/row-1/event/rep", False),
        ("gw-2", f"{SITE}/row-1/event/rep", False),
        ("display", f"{SITE}/row-1/cmd/tare", False),
        ("display", f"{SITE}/row-1/state", False),
        ("dashboard", f"{SITE}/row-1/cmd/tare", True),
        ("dashboard", f"{SITE}/row-1/event/rep", False),
        ("dashboard", f"{SITE}/row-1/cmd/tare/result", False),
        ("bridge", f"{SITE}/row-1/event/rep", False),
    ],
)
async def test_each_account_writes_what_is_its_own_and_is_told_otherwise(
    folder: Path, tmp_path: Path, user: str, topic: str, *, may: bool
) -> None:
    async with gym(folder, tmp_path / "state") as port, as_user(folder, port, user) as link:
        refused = await link.publish(topic, EVENT, within=WITHIN)
        assert (refused is None) == may
        assert refused is None or "not authorized" in refused.lower()


async def test_a_bridge_takes_events_out_and_commands_in_and_writes_no_other_site(folder: Path, tmp_path: Path) -> None:
    port, hub_port = free_port(), free_port()
    hub_passwords = tmp_path / "hub-passwords"
    hub_passwords.touch(0o600)
    hub_passwords.write_text(f"downtown:{hashed('the-password-of-this-gym')}\nhead-office:{hashed('of-head-office')}\n")
    shutil.copy(folder / "ca.crt", folder / "hub-ca.crt")
    hub = adapted(folder, "mosquitto.conf", hub_port, tmp_path / "hub")
    rules = (folder / "hub-access").read_text() + "\ntopic write cable/v1/+/+/cmd/+\n"  # head office commands
    (tmp_path / "hub-access").write_text(rules)
    hub.write_text(
        hub.read_text()
        .replace(f"{folder}/passwords", str(hub_passwords))
        .replace(f"{folder}/access", f"{tmp_path}/hub-access")
    )
    ours = adapted(folder, "mosquitto.conf", port, tmp_path / "gym")
    bridge = (folder / "bridge.conf").read_text().replace("/etc/mosquitto/cable", str(folder))
    ours.write_text(ours.read_text() + bridge.replace("hub.gyms.example:8883", f"{HOST}:{hub_port}"))
    async with (
        mosquitto(hub, hub_port),
        mosquitto(ours, port),
        as_user(folder, hub_port, "head-office") as office,
        as_user(folder, port, "gw-1") as gateway,
    ):
        await office.subscribe("cable/v1/#")
        await gateway.subscribe(f"{SITE}/row-1/cmd/+")

        async def first(link: Connection, wanted: str) -> None:
            async for message in link.messages():
                if message.topic == wanted:
                    return

        async with asyncio.timeout(2 * WITHIN):
            heard = asyncio.create_task(first(office, f"{SITE}/row-1/event/rep"), name="test: office")
            while not heard.done():  # the bridge may not be there yet
                await gateway.publish(f"{SITE}/row-1/event/rep", EVENT, within=WITHIN)
                await asyncio.sleep(0.1)
            commanded = asyncio.create_task(first(gateway, f"{SITE}/row-1/cmd/tare"), name="test: gateway")
            while not commanded.done():
                await office.publish(f"{SITE}/row-1/cmd/tare", b"x", within=WITHIN)
                await asyncio.sleep(0.1)
    async with mosquitto(hub, hub_port):
        broker = reached(folder, hub_port, "downtown", "the-password-of-this-gym")
        async with connection(broker, identifier="intruder", v5=True) as link:
            assert await link.publish("cable/v1/uptown/row-1/event/rep", EVENT, within=WITHIN) is not None


def test_the_page_s_rules_are_those_that_a_broker_of_our_own_gets() -> None:
    ours = access_rules(Roles(site="downtown", gateway="gw-1", stations=["row-1", "pulldown-1"]))
    shown = (EXAMPLES / "access").read_text().split("user bridge")[0].replace("user gw-1", "user gateway")
    rules = [line for line in shown.splitlines() if line.startswith(("user", "topic"))]
    assert sorted(rules) == sorted(line for line in ours.splitlines() if line)

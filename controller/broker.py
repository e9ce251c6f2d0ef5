"""The broker: somebody else's by its URL, or one of our own as a child on loopback."""

from __future__ import annotations

import asyncio
import contextlib
import importlib.util
import secrets
import shutil
import socket
import sys
import tempfile
from collections.abc import AsyncIterator, Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final, Literal
from urllib.parse import urlsplit

from controller.broker_access import Account, Tls, account
from controller.broker_child import BrokerChild, BrokerError, PortTakenError
from controller.broker_mosquitto import Roles, find_mosquitto, write_files, write_tools
from controller.config import BrokerConfig, ConfigError, read_text
from protocols.topics import ROOT

__all__ = ["Account", "Broker", "BrokerError", "available", "broker", "external", "find_mosquitto", "free_port"]

LOOPBACK: Final = "127.0.0.1"
TRIES: Final = 5  # free ports, each of which somebody else might take first
PASSWORD_BYTES: Final = 18

Kind = Literal["mosquitto", "amqtt", "external"]


@dataclass(frozen=True, slots=True)
class Broker:
    """How a broker is reached, and by whom. display, dashboard: for others, None where the broker is not ours."""

    host: str
    port: int
    kind: Kind
    gateway: Account | None = None
    display: Account | None = None
    dashboard: Account | None = None
    tls: Tls | None = None
    tools: Path | None = None  # settings of mosquitto's clients with the dashboard's account, in a broker's own folder
    others: tuple[tuple[str, int], ...] = ()  # host and port of the same broker's other nodes

    def turned(self) -> Broker:
        """The same with its next address first."""
        (host, port), *others = (*self.others, (self.host, self.port))
        return replace(self, host=host, port=port, others=tuple(others))

    @property
    def url(self) -> str:
        """Its address, without any password."""
        return f"{'mqtts' if self.tls else 'mqtt'}://{self.host}:{self.port}"

    def watch_command(self, site: str) -> str:
        """The command that shows a site's events; a password on its line would be in `ps` and in logs."""
        where = f"-h {self.host} -p {self.port} " if self.tools is None else ""
        settings = f"env XDG_CONFIG_HOME={self.tools} " if self.tools is not None else ""
        return f"{settings}mosquitto_sub {where}-t '{ROOT}/{site}/+/event/#' -v"


def external(config: BrokerConfig) -> Broker:
    """Somebody else's broker, which a URL names. Raises ConfigError when what it is reached with cannot be had."""
    tls = Tls(ca=config.ca, cert=config.cert, key=config.key) if config.tls else None
    if tls is not None:
        tls.context()
    host, port = _address(config.url)
    return Broker(host, port, "external", account(config), tls=tls, others=other_addresses(config))


def told(tools: Path) -> Broker:
    """A gateway's own broker, by the settings that it wrote for mosquitto's clients. Raises ConfigError."""
    options = dict(line.split(" ", 1) for line in read_text(tools / "mosquitto_sub").splitlines())
    try:
        account = Account(options["-u"], options["-P"])
        return Broker(options["-h"], int(options["-p"]), "mosquitto", dashboard=account, gateway=account)
    except (KeyError, ValueError):
        raise ConfigError(f"{tools}: not a folder that a gateway with a broker of its own has named") from None


def other_addresses(config: BrokerConfig) -> tuple[tuple[str, int], ...]:
    """Host and port of a broker's other nodes."""
    return tuple(_address(url) for url in config.others)


def _address(url: str) -> tuple[str, int]:
    parts = urlsplit(url)
    return parts.hostname or LOOPBACK, parts.port or (8883 if parts.scheme == "mqtts" else 1883)


def free_port() -> int:
    """A port of loopback that nobody listens on at this moment."""
    with socket.socket() as sock:
        sock.bind((LOOPBACK, 0))
        port: int = sock.getsockname()[1]
        return port


def available(kind: Literal["any", "mosquitto", "amqtt"]) -> Kind:
    """Which broker this machine can start. Raises BrokerError when it has none."""
    if kind in ("any", "mosquitto") and find_mosquitto() is not None:
        return "mosquitto"
    if kind in ("any", "amqtt") and importlib.util.find_spec("amqtt") is not None:
        return "amqtt"
    raise BrokerError(
        "there is no broker to start: install mosquitto (apt install mosquitto), or cable-station[embedded], "
        'or set broker.url to a broker, or to "none"'
    )


def _child(kind: Kind, folder: Path, port: int, roles: Roles) -> tuple[BrokerChild, Broker]:
    """A broker that could be started, with its files written into the folder."""
    if kind == "amqtt":
        child = BrokerChild("amqtt", folder, host=LOOPBACK, port=port, account=None)
        child.command = [sys.executable, "-m", "controller.amqtt_child", LOOPBACK, str(port)]
        return child, Broker(LOOPBACK, port, "amqtt")
    gateway, display, dashboard = (
        Account(user, secrets.token_urlsafe(PASSWORD_BYTES)) for user in ("gateway", "display", "dashboard")
    )
    passwords = {each.user: each.password for each in (gateway, display, dashboard)}
    config = write_files(folder, host=LOOPBACK, port=port, passwords=passwords, roles=roles)
    program = find_mosquitto()
    assert program is not None
    child = BrokerChild("mosquitto", folder, host=LOOPBACK, port=port, account=(gateway.user, gateway.password))
    child.command = [program, "-c", str(config)]
    tools = write_tools(folder, host=LOOPBACK, port=port, user=dashboard.user, password=dashboard.password)
    return child, Broker(LOOPBACK, port, "mosquitto", gateway, display, dashboard, tools=tools)


@contextlib.asynccontextmanager
async def broker(
    config: BrokerConfig,
    *,
    site: str,
    gateway: str,
    stations: Sequence[str],
    say: Callable[[str], None],
    home_assistant: str | None = None,
    mapped: Sequence[str] = (),
) -> AsyncIterator[Broker | None]:
    """The configured broker, started and watched when it is our own. Raises BrokerError when that will not start."""
    if config.url == "none":
        yield None
        return
    if config.url != "auto":
        yield external(config)
        return
    kind = available(config.kind)
    roles = Roles(site=site, gateway=gateway, stations=stations, home_assistant=home_assistant, mapped=mapped)
    async with contextlib.AsyncExitStack() as stack:
        folder = Path(tempfile.mkdtemp(prefix="cable-station-broker-"))
        stack.callback(shutil.rmtree, folder, ignore_errors=True)
        child, reached = await _started(kind, folder, config.port, roles)
        stack.push_async_callback(child.stop)
        if kind == "amqtt":
            say("the pure-Python broker amqtt is used: on this machine only, without accounts; mosquitto is better")
        watch = asyncio.create_task(child.watch(say), name="broker: watch")
        stack.push_async_callback(_cancelled, watch)
        yield reached


async def _started(kind: Kind, folder: Path, port: int, roles: Roles) -> tuple[BrokerChild, Broker]:
    """Start the broker on its port, or, where it is free to choose, on one that nobody else took first."""
    for tries_left in reversed(range(TRIES)):
        child, reached = _child(kind, folder, port or free_port(), roles)
        try:
            await child.start()
        except PortTakenError:
            await child.stop()
            if port or not tries_left:
                raise
        except BaseException:
            await child.stop()
            raise
        else:
            return child, reached
    raise AssertionError("unreachable")


async def _cancelled(task: asyncio.Task[None]) -> None:
    task.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await task

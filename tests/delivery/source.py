"""A gateway that makes events at a rate: `python -m tests.delivery.source JOURNAL OUTBOX RATE ACCOUNT HOST:PORT…`.

Publisher and outbox are those of the runtime. In place of a recording there is the journal, a line an event, written
before the event is offered; at a start the newest of it are offered again, as the replay of a recording's end would.
SIGTERM ends the making of events, and the process when the broker has them. Tells on standard error what happens, and
at its end how late its loop ran.
"""

from __future__ import annotations

import asyncio
import hashlib
import os
import signal
import sys
import time
from pathlib import Path
from typing import Final

from controller.broker import Account, Broker
from controller.config import OutboxConfig
from controller.mqtt import Publisher
from controller.outbox import opened
from controller.outbox_file import OutboxError
from protocols.events import CommandResult, Fault
from tests.contract import watch

STATIONS: Final = ("one", "two", "three", "four")
TICK: Final = 0.02  # s
AGAIN: Final = 20  # of each station's events, the newest; what is older must be in the outbox, or delivered
DRAINED_WITHIN: Final = 120.0  # s
SITE: Final = "test"
GATEWAY: Final = "hall"


def say(line: str) -> None:
    sys.stderr.write(line + "\n")
    sys.stderr.flush()


def made(station: str, seq: int) -> Fault:
    """An event that is the same whenever it is made."""
    name = hashlib.sha256(f"{station} {seq}".encode()).hexdigest()[:32]
    return Fault(
        id=name, ts=seq, station=station, session="s", set=1, seq=seq, name="test", severity="info", raised=True,
        detail="x" * 600,
    )  # fmt: skip


def reached(account: str, addresses: list[str]) -> Broker:
    user, _, password = account.partition(":")
    pairs = [(host, int(port)) for host, _, port in (address.partition(":") for address in addresses)]
    (host, port), *others = pairs
    return Broker(host, port, "external", Account(user, password) if user else None, others=tuple(others))


async def command(station: str, name: str, payload: bytes) -> CommandResult:
    return CommandResult(ts=0, request="", state="refused", reason="there is nothing to command")


def fault(station: str | None, name: str, detail: str | None) -> None:
    say(f"fault {name} {detail or 'is over'}")


class Source:
    """Makes events in turn for each station, numbered from 1."""

    def __init__(self, publisher: Publisher, journal: Path, rate: float) -> None:
        self.slowest = 0.0  # s that the loop was late
        self._publisher = publisher
        self._numbers = dict.fromkeys(STATIONS, 0)
        self._rate = rate
        self._again(journal)
        self._journal = os.open(journal, os.O_WRONLY | os.O_CREAT | os.O_APPEND)

    def _again(self, journal: Path) -> None:
        for line in journal.read_text().splitlines() if journal.exists() else ():
            whose, number, _ = line.split()
            self._numbers[whose] = int(number)
        for station, last in self._numbers.items():
            for seq in range(max(1, last - AGAIN + 1), last + 1):
                self._publisher.offer(station, "fault", made(station, seq))

    def make(self, count: int) -> None:
        for _ in range(count):
            station = min(self._numbers, key=lambda each: self._numbers[each])
            self._numbers[station] += 1
            os.write(self._journal, f"{station} {self._numbers[station]} {time.monotonic()}\n".encode())
            self._publisher.offer(station, "fault", made(station, self._numbers[station]))

    async def run(self, end: asyncio.Event) -> None:
        begun, count = time.monotonic(), 0
        due = begun
        while not end.is_set():
            due += TICK
            await asyncio.sleep(max(due - time.monotonic(), 0.0))
            late = time.monotonic() - due
            self.slowest = max(self.slowest, late)
            wanted = int((time.monotonic() - begun) * self._rate)
            self.make(wanted - count)
            count = wanted


async def main(journal: Path, outbox_file: Path, rate: float, broker: Broker) -> int:
    end = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, end.set)
    async with opened(OutboxConfig(), outbox_file, fault=fault, say=say) as outbox:
        publisher = Publisher(
            broker, site=SITE, gateway=GATEWAY, stations=list(STATIONS), commanded=command, say=say, outbox=outbox
        )
        running = asyncio.create_task(publisher.run(), name="publisher")
        source = Source(publisher, journal, rate)
        say("ready")
        await source.run(end)
        is_empty = await publisher.drained(within=DRAINED_WITHIN)
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)
        say(f"slowest {source.slowest:.4f} repeated {outbox.repeated} dropped {outbox.dropped}")
    return 0 if is_empty else 1


if __name__ == "__main__":
    watch()
    try:
        sys.exit(
            asyncio.run(
                main(Path(sys.argv[1]), Path(sys.argv[2]), float(sys.argv[3]), reached(sys.argv[4], sys.argv[5:]))
            )
        )
    except OutboxError as error:
        say(str(error))
        sys.exit(1)

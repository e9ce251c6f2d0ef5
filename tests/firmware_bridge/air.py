"""A fake BlueZ with boards in its air, for the real bleak."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator
from dataclasses import dataclass

import dbus_fast
import pytest
from bleak.backends.bluezdbus.manager import _global_instances
from dbus_fast.aio import MessageBus

from firmware_bridge.ble_link import BleLink
from firmware_bridge.ble_radio import Radio
from firmware_bridge.drivers import open_link
from firmware_bridge.link import LinkError
from protocols import cablelink
from protocols.cablelink import Message, Samples, Start
from simulators.ble_boards import peripherals
from simulators.ble_cablelink import MTU, longest
from simulators.ble_peripheral import Peripheral
from simulators.ble_tindeq import TindeqPeripheral
from simulators.fake_bluez import FakeBluez
from simulators.fake_bluez_bus import VARIABLE, PrivateBus, find_daemon
from simulators.fake_bluez_manners import Manners
from simulators.gym import session_board, twin
from simulators.pump import Pump
from simulators.scenarios import SCENARIOS, Session

SOON = 20.0  # s
BY_SERVICE = "ble:"
START = Start(sequence=9, rate_hz=100, batch=1).to_body()
needs_dbus = pytest.mark.skipif(find_daemon() is None, reason="dbus-daemon is not installed; make test installs it")
FIRST, SECOND = "C0:DE:00:00:00:01", "C0:DE:00:00:00:02"


@dataclass
class Air:
    """The bus, and bluetoothd on it."""

    bus: PrivateBus
    bluez: FakeBluez

    async def connections(self) -> int:
        """How many connections to the bus there are, besides the one that asks."""
        asking = await MessageBus(bus_address=self.bus.address).connect()
        reply = await asking.call(
            dbus_fast.Message(
                destination="org.freedesktop.DBus",
                path="/org/freedesktop/DBus",
                interface="org.freedesktop.DBus",
                member="ListNames",
            )
        )
        asking.disconnect()
        await asking.wait_for_disconnect()  # type: ignore[no-untyped-call]
        names: list[str] = reply.body[0]
        return sum(name.startswith(":") for name in names) - 1


@contextlib.asynccontextmanager
async def air(*peripherals: Peripheral, manners: Manners | None = None) -> AsyncIterator[Air]:
    with pytest.MonkeyPatch.context() as patch:
        async with PrivateBus() as bus, FakeBluez(bus.address, peripherals, manners=manners) as bluez:
            patch.setenv(VARIABLE, bus.address)
            yield Air(bus, bluez)
    await bleak_has_let_go()


async def bleak_has_let_go() -> None:
    """Wait until bleak has seen the end of the bus; it keeps a connection for as long as there is one."""
    manager = _global_instances.pop(asyncio.get_running_loop(), None)
    if manager is not None and manager._bus_watcher_task is not None:
        async with asyncio.timeout(10.0):
            await manager._bus_watcher_task


def boards(count: int = 1, *, mtu: int = MTU, rate: int = 100) -> list[Peripheral]:
    """Boards with both cables, C0:DE:00:00:00:01 and on, named cable-1 and on."""
    session = Session(SCENARIOS["iso_lateral_row"].but(reps=1, rate_hz=float(rate)))
    made = [session_board(session, now=time.monotonic(), max_body=longest(mtu)) for _ in range(count)]
    pumps = [(f"-{k}", Pump(board)) for k, board in enumerate(made, start=1)]
    return peripherals(made, pumps, mtu=mtu)


def tindeq(address: str) -> Peripheral:
    """A Progressor with the load of the left cable."""
    session = Session(SCENARIOS["iso_lateral_row"].but(reps=1))
    board = twin("tindeq", session, now=time.monotonic(), loop=True)
    return TindeqPeripheral(Pump(board), address=address, name="Progressor_1")


# -- links


async def opened(url: str, radio: Radio | None = None) -> BleLink:
    link = await open_link(url, radio=radio)
    assert isinstance(link, BleLink)
    return link


async def opened_in_the_end(url: str, radio: Radio) -> BleLink:
    """As a board's life does it, however often it takes."""
    async with asyncio.timeout(SOON):
        while True:
            try:
                return await opened(url, radio)
            except LinkError:
                await asyncio.sleep(0.02)


async def heard(link: BleLink, kind: type[Message]) -> Message:
    async with asyncio.timeout(SOON):
        while True:
            message = cablelink.decode((await link.receive()).data)
            if isinstance(message, kind):
                return message


async def streaming(link: BleLink) -> None:
    await link.send(START)
    await heard(link, Samples)


async def loss(link: BleLink) -> str:
    """What the link is lost with."""
    try:
        async with asyncio.timeout(SOON):
            while True:
                await link.receive()
    except LinkError as lost:
        return str(lost)

"""Whatever bluetoothd, its bus and its boards do, a link says that it is lost, and a new one can be made."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import Callable

import pytest
from bleak.exc import BleakBluetoothNotAvailableError, BleakBluetoothNotAvailableReason, BleakDBusError
from dbus_fast import Message
from dbus_fast.errors import AuthError

from firmware_bridge import ble_link, ble_radio
from firmware_bridge.ble_radio import Radio, said
from firmware_bridge.link import LinkError
from protocols import gatt
from protocols.cablelink import GetInfo, Info
from simulators.fake_bluez_adapter import FakeAdapter
from simulators.fake_bluez_device import FakeDevice
from simulators.fake_bluez_manners import Manners
from simulators.fake_bluez_tree import Answer
from tests.firmware_bridge.air import (
    BY_SERVICE,
    FIRST,
    SOON,
    START,
    air,
    boards,
    heard,
    loss,
    needs_dbus,
    opened,
    opened_in_the_end,
    streaming,
)

pytestmark = needs_dbus


@pytest.fixture(autouse=True)
def _quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ble_radio, "SEEK_WITHIN", 1.0)
    monkeypatch.setattr(ble_radio, "LOOK_AROUND", 0.3)


async def test_a_connection_aborted_twice_while_it_is_made_is_made_all_the_same() -> None:
    async with air(*boards(), manners=Manners(aborts=2)) as there:
        link = await opened(BY_SERVICE)
        await streaming(link)  # the callbacks of the two that failed have ended nothing
        assert there.bluez.device(FIRST).connections == 3
        await link.close()


async def test_a_board_lost_while_its_services_are_found_is_said_and_can_be_tried_again() -> None:
    async with air(*boards(), manners=Manners(vanishing=1, services_after=0.1)) as there:
        at_first = await there.connections()
        with pytest.raises(LinkError, match="not connected: failed to discover services"):
            await opened(BY_SERVICE)
        link = await opened(BY_SERVICE)
        await streaming(link)
        await link.close()
        assert await there.connections() <= at_first + 1  # bleak's own


async def test_services_that_are_found_late_are_waited_for() -> None:
    async with air(*boards(), manners=Manners(services_after=1.0)):
        link = await opened(BY_SERVICE)
        await streaming(link)
        await link.close()


async def test_a_connection_that_neither_comes_nor_fails_is_given_up_in_time(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ble_link, "CONNECT_WITHIN", 0.5)
    async with air(*boards(), manners=Manners(hanging=1)) as there:
        with pytest.raises(LinkError, match=r"not connected within 0\.5 s"):
            await opened(BY_SERVICE)
        link = await opened(BY_SERVICE)
        await streaming(link)
        await link.close()
        assert await there.connections() == 2  # bluetoothd's, and bleak's own


async def test_a_device_that_is_forgotten_when_nobody_scans_is_connected_while_we_scan() -> None:
    async with air(*boards(), manners=Manners(forgets=True)):
        for _ in range(2):
            link = await opened(BY_SERVICE)
            await streaming(link)
            await link.close()


@pytest.mark.parametrize(
    "trouble", [FakeDevice.drop, FakeDevice.remove], ids=["dropped", "removed without a word of its connection"]
)
async def test_a_lost_connection_is_said_to_everybody_who_asks_and_a_new_one_can_be_made(
    trouble: Callable[[FakeDevice], None],
) -> None:
    radio = Radio()
    async with air(*boards()) as there:
        link = await opened(BY_SERVICE, radio)
        await streaming(link)
        trouble(there.bluez.device(FIRST))
        assert "is the board on, charged and near?" in await loss(link)
        await loss(link)
        with pytest.raises(LinkError):
            await link.send(START)
        await link.close()
        link = await opened(BY_SERVICE, radio)
        await streaming(link)
        await link.close()


async def test_a_killed_bluetoothd_is_noticed_by_the_link_though_nobody_says_so() -> None:
    async with air(*boards()) as there:
        link = await opened(BY_SERVICE)
        await streaming(link)
        await there.bluez.kill()
        began = time.monotonic()
        assert link._client.is_connected  # bleak knows nothing of it
        assert "does bluetoothd run?" in await loss(link)
        assert time.monotonic() - began < ble_link.QUIET + ble_link.LOOK_EVERY + ble_link.READ_WITHIN
        await link.close()
        await link.close()


async def test_a_bluetoothd_that_comes_back_is_used_again() -> None:
    radio = Radio()
    async with air(*boards()) as there:
        link = await opened(BY_SERVICE, radio)
        await there.bluez.kill()
        await loss(link)
        await link.close()
        with pytest.raises(LinkError, match="does bluetoothd run"):
            await opened(BY_SERVICE, radio)
        await there.bluez.start()
        link = await opened(BY_SERVICE, radio)
        await streaming(link)
        await link.close()


async def test_a_bus_that_dies_is_a_loss_and_a_new_one_is_found() -> None:
    radio = Radio()
    async with air(*boards()) as there:
        link = await opened(BY_SERVICE, radio)
        await there.bus.close()
        await loss(link)
        await link.close()
        with pytest.raises(LinkError, match="no Bluetooth"):
            await opened(BY_SERVICE, radio)
    async with air(*boards()):
        link = await opened(BY_SERVICE, radio)
        await streaming(link)
        await link.close()


async def test_an_adapter_that_is_switched_off_and_on_is_said_and_used_again() -> None:
    radio = Radio()
    async with air(*boards()) as there:
        link = await opened(BY_SERVICE, radio)
        there.bluez.adapter.power(on=False)
        await loss(link)
        await link.close()
        with pytest.raises(LinkError, match="Bluetooth is off; `bluetoothctl power on`"):
            await opened(BY_SERVICE, radio)
        there.bluez.adapter.power(on=True)
        link = await opened_in_the_end(BY_SERVICE, radio)
        await streaming(link)
        await link.close()


async def test_a_scan_that_bluetoothd_has_forgotten_is_begun_anew_though_others_still_wait_for_it(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(ble_radio, "SCAN_LASTS", 1000.0)
    radio = Radio()

    async def seek_in_vain(first: float) -> None:
        await asyncio.sleep(first)
        while True:
            with contextlib.suppress(LinkError):
                await opened("ble://C0:DE:00:00:00:99", radio)

    async with air(*boards()) as there:
        others = [asyncio.create_task(seek_in_vain(0.5 * k), name=f"other {k}") for k in range(2)]
        while not there.bluez.adapter.scanning:  # noqa: ASYNC110 - the fake tells nobody
            await asyncio.sleep(0.01)
        there.bluez.adapter.go_deaf()
        link = await opened_in_the_end(f"ble://{FIRST}", radio)
        await streaming(link)
        await link.close()
        for other in others:
            other.cancel()
        await asyncio.gather(*others, return_exceptions=True)


async def test_a_scan_that_began_too_late_for_whoever_asked_for_it_does_not_stand_in_the_way_for_ever(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(ble_radio, "ANSWER_WITHIN", 0.2)
    slow = [0.5]
    begun = asyncio.Event()
    start = FakeAdapter._start

    async def late(adapter: FakeAdapter, message: Message) -> Answer:
        await asyncio.sleep(slow.pop() if slow else 0.0)
        begun.set()
        return await start(adapter, message)

    monkeypatch.setattr(FakeAdapter, "_start", late)
    radio = Radio()
    async with air(*boards()) as there:
        with pytest.raises(LinkError, match="bluetoothd does not answer"):
            await opened(BY_SERVICE, radio)
        async with asyncio.timeout(SOON):
            await begun.wait()
        link = await opened_in_the_end(BY_SERVICE, radio)
        await streaming(link)
        assert there.bluez.adapter.scanning == 0
        await link.close()


async def test_a_quiet_board_is_asked_whether_it_is_there_and_kept_while_it_answers(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(ble_link, "QUIET", 0.1)
    monkeypatch.setattr(ble_link, "LOOK_EVERY", 0.05)
    async with air(*boards()) as there:
        link = await opened(BY_SERVICE)
        device = there.bluez.device(FIRST)
        device.muted = True
        before = len(device.air.reads)
        async with asyncio.timeout(SOON):
            while len(device.air.reads) < before + 3:  # noqa: ASYNC110 - the fake tells nobody
                await asyncio.sleep(0.01)
        assert {uuid for uuid, _ in list(device.air.reads)[before:]} == {gatt.BATTERY_LEVEL}
        device.muted = False
        await link.send(GetInfo(sequence=1).to_body())
        await heard(link, Info)
        await link.close()


async def test_our_own_close_is_silent_and_leaves_the_board_free() -> None:
    async with air(*boards()) as there:
        link = await opened(BY_SERVICE)
        await streaming(link)
        await link.close()
        assert not there.bluez.device(FIRST).air.connected
        while not link._chunks.empty():
            await link.receive()  # raises where the close was taken for a loss
        await link.close()
        with pytest.raises(LinkError, match="it is closed"):
            await link.send(START)


async def test_a_hundred_drops_leak_no_connection_to_the_bus() -> None:
    radio = Radio()
    counts = []
    async with air(*boards()) as there:
        for _ in range(100):
            link = await opened(f"ble://{FIRST}", radio)
            there.bluez.device(FIRST).drop()
            await loss(link)
            await link.close()
            counts.append(await there.connections())
        assert there.bluez.device(FIRST).connections == 100
    assert set(counts) == {2}  # bluetoothd's, and bleak's own


@pytest.mark.parametrize(
    ("error", "words"),
    [
        (BleakBluetoothNotAvailableError("x", BleakBluetoothNotAvailableReason.DENIED_BY_SYSTEM), "group bluetooth"),
        (BleakBluetoothNotAvailableError("x", BleakBluetoothNotAvailableReason.NO_BLUETOOTH), "is an adapter there"),
        (
            BleakBluetoothNotAvailableError("no central", BleakBluetoothNotAvailableReason.NO_BLE_CENTRAL_ROLE),
            "central",
        ),
        (BleakDBusError("org.freedesktop.DBus.Error.AccessDenied", ["Rejected send message"]), "group bluetooth"),
        (BleakDBusError("org.bluez.Error.NotReady", ["Resource Not Ready"]), "Bluetooth is off"),
        (BleakDBusError("org.bluez.Error.Failed", ["two\nlines"]), "two lines"),
        (TimeoutError(), "bluetoothd does not answer"),
        (ConnectionRefusedError(111, "refused"), "does bluetoothd run"),
        (EOFError(), "does bluetoothd run"),
        (AssertionError(), "it has gone again"),
        (BleakDBusError("org.freedesktop.DBus.Error.UnknownObject", ['Method "ReadValue"']), "it has gone again"),
        (AuthError("REJECTED"), "group bluetooth"),
    ],
)
def test_what_stands_in_the_way_is_said_in_one_line_with_what_to_do(error: Exception, words: str) -> None:
    assert words in said(error)
    assert "\n" not in said(error)

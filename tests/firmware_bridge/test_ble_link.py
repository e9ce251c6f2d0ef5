"""A link over Bluetooth LE, while all goes well: the real bleak against a bluetoothd of our own."""

from __future__ import annotations

import asyncio
import time

import pytest

from firmware_bridge import ble_radio
from firmware_bridge.ble_link import BleLink
from firmware_bridge.drivers import open_link
from firmware_bridge.link import LinkError
from protocols import cablelink, gatt
from protocols.cablelink import Info, Samples
from protocols.tindeq import Command
from tests.firmware_bridge.air import (
    BY_SERVICE,
    FIRST,
    SECOND,
    air,
    boards,
    needs_dbus,
    opened,
    streaming,
    tindeq,
)

pytestmark = needs_dbus


@pytest.fixture(autouse=True)
def _quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ble_radio, "SEEK_WITHIN", 1.0)
    monkeypatch.setattr(ble_radio, "LOOK_AROUND", 0.3)


async def test_a_board_is_found_by_its_service_says_what_it_is_and_streams() -> None:
    async with air(*boards()):
        link = await opened(BY_SERVICE)
        assert isinstance(cablelink.decode((await link.receive()).data), Info)
        await streaming(link)
        assert link.about.address == FIRST
        await link.close()


async def test_the_device_information_and_the_battery_are_read() -> None:
    async with air(*boards()):
        link = await opened(BY_SERVICE)
        about = link.about
        await link.close()
    assert (about.name, about.model, about.firmware) == ("cable-1", "virtual cable board", "1.2.0")
    assert about.battery_pct == 80


async def test_an_info_too_long_for_a_notification_is_read_whole() -> None:
    async with air(*boards(mtu=64)) as there:
        link = await opened(BY_SERVICE)
        data = (await link.receive()).data
        info = cablelink.decode(data)
        assert isinstance(info, Info)
        assert info.model == "virtual cable board"
        assert dict(there.bluez.device(FIRST).air.reads)[gatt.CABLELINK.info or ""] == 1 + len(data) // 63 > 1
        await link.close()


async def test_what_is_sent_is_cut_to_the_size_that_the_connection_takes() -> None:
    async with air(*boards(mtu=64)) as there:
        link = await opened(BY_SERVICE)
        await link.send(bytes(range(150)))
        sent = [data for uuid, data in there.bluez.device(FIRST).air.writes if uuid == gatt.CABLELINK.write]
        await link.close()
    assert [len(data) for data in sent] == [61, 61, 28]
    assert b"".join(sent) == bytes(range(150))


async def test_notifications_come_one_chunk_each_and_in_order() -> None:
    async with air(*boards()):
        link = await opened(BY_SERVICE)
        await link.receive()  # INFO, as it was read
        await streaming(link)
        chunks = [await link.receive() for _ in range(50)]
        await link.close()
    sequences = [cablelink.decode(chunk.data).sequence for chunk in chunks]
    assert sequences == list(range(sequences[0], sequences[0] + 50))
    assert [c.received_at for c in chunks] == sorted(c.received_at for c in chunks)


async def test_nothing_that_came_before_the_first_look_is_handed_over() -> None:
    async with air(*boards()) as there:
        link = await opened(BY_SERVICE)
        await streaming(link)
        await link.close()  # and the board streams on
        link = await opened(BY_SERVICE)
        seen = there.bluez.device(FIRST).air.notifications
        while there.bluez.device(FIRST).air.notifications < seen + 5:  # noqa: ASYNC110 - the fake tells nobody
            await asyncio.sleep(0.01)
        up = time.monotonic()
        first, second = await link.receive(), await link.receive()
        assert isinstance(cablelink.decode(first.data), Info)
        assert isinstance(cablelink.decode(second.data), Samples)
        assert up <= first.received_at <= second.received_at
        await link.close()


async def test_a_progressor_is_reached_by_its_own_service_and_has_nothing_to_be_read() -> None:
    progressor = tindeq(SECOND)
    async with air(*boards(), progressor):
        link = await open_link(BY_SERVICE, driver="tindeq")
        assert isinstance(link, BleLink)
        assert link.about.address == SECOND
        assert (link.about.model, link.about.battery_pct) == (None, None)
        await link.send(bytes((Command.VERSION,)))
        assert (await link.receive()).data == b"\x00\x071.2.3.4"
        await link.send(bytes((Command.START,)))
        assert (await link.receive()).data[0] == 1
        await link.close()


async def test_a_board_of_another_kind_says_that_it_is_one() -> None:
    async with air(*boards()):
        with pytest.raises(LinkError, match=r"no characteristic 7e4e1702.*is it another kind of board"):
            await open_link(f"ble://{FIRST}", driver="tindeq")

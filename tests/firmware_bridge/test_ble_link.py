"""Links over Bluetooth LE: the real bleak against a bluetoothd with the manners of the real one."""

from __future__ import annotations

import asyncio
import re
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from firmware_bridge import ble_link, ble_radio
from firmware_bridge.ble_link import BleLink
from firmware_bridge.ble_radio import Radio
from firmware_bridge.drivers import check_url, open_link, wire_of
from firmware_bridge.link import LinkError
from protocols import cablelink, gatt
from protocols.cablelink import GetInfo, Info, Message, Samples, Start
from simulators.fake_bluez_device import FakeDevice
from simulators.fake_bluez_manners import Manners
from tests.firmware_bridge.air import FIRST, SECOND, air, bleak_has_let_go, boards, needs_dbus

pytestmark = needs_dbus
SOON = 20.0  # s
BY_SERVICE = "ble:"
START = Start(sequence=9, rate_hz=100, batch=1).to_body()


@pytest.fixture(autouse=True)
def _quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ble_radio, "SEEK_WITHIN", 1.0)
    monkeypatch.setattr(ble_radio, "LOOK_AROUND", 0.3)


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
    assert about.battery_percent == 80


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


# -- which board


@pytest.mark.parametrize(
    ("url", "address"),
    [(f"ble://{SECOND}", SECOND), (f"ble://{FIRST.lower()}", FIRST), ("ble:?name=cable-2", SECOND)],
)
async def test_the_right_one_of_two_is_connected_and_the_other_left_alone(url: str, address: str) -> None:
    async with air(*boards(2)) as there:
        link = await opened(url)
        await streaming(link)
        connected = {each for each in (FIRST, SECOND) if there.bluez.device(each).connections}
        await link.close()
    assert connected == {address}


async def test_of_two_boards_with_the_service_none_is_taken_and_both_are_named() -> None:
    async with air(*boards(2)) as there:
        with pytest.raises(LinkError, match=f"2 boards fit, {FIRST} and {SECOND}; name the right one"):
            await opened(BY_SERVICE)
        assert there.bluez.device(FIRST).connections == there.bluez.device(SECOND).connections == 0


async def test_a_url_by_service_stays_with_the_board_that_it_has_once_stood_for() -> None:
    first, second = boards(2)
    radio = Radio()
    async with air(first):
        await (await opened(BY_SERVICE, radio)).close()
    async with air(second) as there:
        with pytest.raises(LinkError, match=f"{FIRST} is not seen"):
            await opened(BY_SERVICE, radio)
        assert there.bluez.device(SECOND).connections == 0


async def test_a_board_that_is_ours_already_is_not_given_to_another_link() -> None:
    radio = Radio()
    async with air(*boards()):
        link = await opened(BY_SERVICE, radio)
        with pytest.raises(LinkError, match="is not seen"):
            await opened(f"ble://{FIRST}", radio)
        await streaming(link)
        await link.close()
        again = await opened(f"ble://{FIRST}", radio)
        await again.close()


async def test_several_boards_are_found_at_once_with_one_scan_and_connected_one_by_one() -> None:
    radio = Radio()
    addresses = [f"C0:DE:00:00:00:{k:02X}" for k in range(1, 6)]
    async with air(*boards(5)) as there:
        links = await asyncio.gather(*(opened(f"ble://{each}", radio) for each in addresses))
        await asyncio.gather(*(streaming(link) for link in links))
        assert there.bluez.adapter.most_connecting == 1
        assert there.bluez.adapter.scanning == 0
        await asyncio.gather(*(link.close() for link in links))


async def test_an_absent_board_does_not_hold_up_the_others() -> None:
    radio = Radio()
    async with air(*boards()):
        absent = asyncio.create_task(opened("ble://C0:DE:00:00:00:09", radio))
        await asyncio.sleep(0)
        began = time.monotonic()
        link = await opened(f"ble://{FIRST}", radio)
        assert time.monotonic() - began < ble_radio.SEEK_WITHIN
        with pytest.raises(LinkError, match="09 is not seen; is it on, charged, near"):
            await absent
        await streaming(link)
        await link.close()


# -- bad manners


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
        with pytest.raises(LinkError, match="not connected"):
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


async def test_a_scan_that_an_adapter_has_forgotten_is_begun_anew() -> None:
    radio = Radio()
    async with air(*boards()) as there:
        others = [asyncio.create_task(opened(f"ble://C0:DE:00:00:00:1{k}", radio)) for k in range(3)]
        while not there.bluez.adapter.scanning:  # noqa: ASYNC110 - the fake tells nobody
            await asyncio.sleep(0.01)
        there.bluez.adapter.power(on=False)
        there.bluez.adapter.power(on=True)
        assert there.bluez.adapter.scanning == 0
        link = await opened_in_the_end(BY_SERVICE, radio)
        await asyncio.gather(*others, return_exceptions=True)
        await streaming(link)
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
        assert {uuid for uuid, _ in device.air.reads[before:]} == {gatt.BATTERY_LEVEL}
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


# -- other programs


async def test_a_board_still_connected_for_a_killed_program_is_taken_over() -> None:
    async with air(*boards()) as there:
        link = await opened(BY_SERVICE)
        assert link._client._backend._bus is not None  # type: ignore[attr-defined]
        link._client._backend._bus.disconnect()  # type: ignore[attr-defined]  # as the kernel does for a killed process
        link._is_open = False
        device = there.bluez.device(FIRST)
        while device.is_listened_to:  # noqa: ASYNC110 - the fake tells nobody
            await asyncio.sleep(0.01)
        assert device.air.connected
        second = await opened(BY_SERVICE)
        await streaming(second)
        assert device.connections == 1
        await second.close()
        await link.close()


async def test_a_board_that_another_program_listens_to_is_not_taken_from_it() -> None:
    async with air(*boards()):
        link = await opened(BY_SERVICE)
        with pytest.raises(LinkError, match="another program uses this board; close it"):
            await opened(BY_SERVICE)  # with a radio of its own, as another program has
        await link.close()


async def test_without_a_bus_it_is_said_what_is_missing(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("DBUS_SYSTEM_BUS_ADDRESS", f"unix:path={tmp_path}/none")
    with pytest.raises(LinkError, match="no Bluetooth; is an adapter there"):
        await opened(BY_SERVICE)
    await bleak_has_let_go()


# -- URLs


@pytest.mark.parametrize(
    ("url", "words"),
    [
        ("ble://AA", "a board is named as in ble://AA:BB:CC:DD:EE:FF"),
        ("ble:?uuid=1", "'uuid' is no option"),
        ("ble:?name=", "a board is named as in"),
        ("ble:?service=180f", "'180f' is no UUID of 32 digits"),
        (f"ble://{FIRST}?name=cable", "an address and a name; take one of them"),
    ],
)
def test_a_wrong_url_says_how_a_right_one_looks(url: str, words: str) -> None:
    with pytest.raises(ValueError, match=re.escape(words)) as error:
        check_url(url)
    assert url in str(error.value)


def test_a_driver_without_a_bluetooth_profile_is_refused_over_bluetooth() -> None:
    with pytest.raises(ValueError, match="driver ascii_line is not known over Bluetooth; known: cablelink, tindeq"):
        check_url("ble:", driver="ascii_line")


def test_only_bluetooth_carries_messages() -> None:
    assert [wire_of(url) for url in ("ble:", f"ble://{FIRST}", "tcp://host:1", "serial:///dev/x")] == [
        "messages", "messages", "stream", "stream",
    ]  # fmt: skip

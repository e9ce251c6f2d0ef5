"""Which board a URL stands for, several boards at once, and boards that other programs hold."""

from __future__ import annotations

import asyncio
import re
import time
from pathlib import Path

import pytest
from dbus_fast import Variant

from firmware_bridge import ble_radio
from firmware_bridge.ble_link import BleLink
from firmware_bridge.ble_radio import Radio
from firmware_bridge.ble_sought import sought
from firmware_bridge.drivers import BoardConfig, check_url, link_problem, wire_of
from firmware_bridge.link import LinkError
from protocols.gatt import CABLELINK
from simulators.fake_bluez_manners import Manners
from tests.firmware_bridge.air import (
    BY_SERVICE,
    FIRST,
    SECOND,
    SOON,
    air,
    bleak_has_let_go,
    boards,
    needs_dbus,
    opened,
    streaming,
)

pytestmark = needs_dbus


@pytest.fixture(autouse=True)
def _quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ble_radio, "SEEK_WITHIN", 1.0)
    monkeypatch.setattr(ble_radio, "LOOK_AROUND", 0.3)


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


async def test_one_board_that_two_links_look_for_at_once_is_given_to_one_of_them() -> None:
    radio = Radio()
    urls = (f"ble://{SECOND}", BY_SERVICE, "ble:?name=cable-1")
    async with air(*boards(2), manners=Manners(services_after=1.0)) as there:  # the first holds up the others
        there.bluez.device(SECOND).properties["UUIDs"] = Variant("as", [])
        found = await asyncio.gather(*(opened(url, radio) for url in urls), return_exceptions=True)
        links = [each for each in found if isinstance(each, BleLink)]
        refused = [str(each) for each in found if isinstance(each, LinkError)]
        for link in links:
            await link.close()
        assert there.bluez.device(FIRST).connections == 1
    assert len(links) == 2
    assert refused == [f"{urls[2]}: {FIRST} is another board's already; give each its own address"]


# -- other programs


async def test_a_board_still_connected_for_a_killed_program_is_taken_over_at_once(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    async with air(*boards()) as there:
        link = await opened(BY_SERVICE)
        assert link._client._backend._bus is not None  # type: ignore[attr-defined]
        link._client._backend._bus.disconnect()  # type: ignore[attr-defined]  # as the kernel does for a killed process
        link._is_open = False
        device = there.bluez.device(FIRST)
        while device.is_listened_to:  # noqa: ASYNC110 - the fake tells nobody
            await asyncio.sleep(0.01)
        assert device.air.connected
        monkeypatch.setattr(ble_radio, "SEEK_WITHIN", 2.0 * SOON)
        async with asyncio.timeout(SOON):
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
        await streaming(link)
        await link.close()


async def test_without_a_bus_it_is_said_what_is_missing(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("DBUS_SYSTEM_BUS_ADDRESS", f"unix:path={tmp_path}/none")
    with pytest.raises(LinkError, match="no Bluetooth; is an adapter there"):
        await opened(BY_SERVICE)
    await bleak_has_let_go()


async def test_a_bus_that_lets_nobody_in_is_said(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    async def hang_up(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read(1)
        writer.close()

    server = await asyncio.start_unix_server(hang_up, tmp_path / "bus")
    monkeypatch.setenv("DBUS_SYSTEM_BUS_ADDRESS", f"unix:path={tmp_path}/bus")
    with pytest.raises(LinkError, match=BY_SERVICE.rstrip(":")):
        await opened(BY_SERVICE)
    with pytest.raises(LinkError):
        await Radio().around([sought(BY_SERVICE, service=CABLELINK.service)], seconds=0.1)
    monkeypatch.setenv("DBUS_SYSTEM_BUS_ADDRESS", "none:of=these")
    with pytest.raises(LinkError):
        await opened(BY_SERVICE)
    server.close()
    await server.wait_closed()
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
    wrong = link_problem(BoardConfig(id="left", url="ble:", driver="chronojump-force"))
    assert wrong == "ble:: a Chronojump force sensor is reached by serial:// or tcp://"


def test_only_bluetooth_carries_messages() -> None:
    assert [wire_of(url) for url in ("ble:", f"ble://{FIRST}", "tcp://host:1", "serial:///dev/x")] == [
        "messages", "messages", "stream", "stream",
    ]  # fmt: skip

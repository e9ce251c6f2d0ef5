"""The fake BlueZ as the real bleak sees it, its bus, and what it copies of bluetoothd's manners."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
from itertools import pairwise
from pathlib import Path
from struct import iter_unpack, unpack

import pytest
from bleak import BleakClient, BleakScanner
from bleak.exc import BleakDBusError, BleakError
from dbus_fast.aio import MessageBus
from typer.testing import CliRunner

from firmware_bridge.drivers import open_link
from protocols import cablelink, gatt
from protocols.cablelink import Info, Samples, Start
from protocols.tindeq import Command
from simulators.ble_cablelink import longest
from simulators.ble_peripheral import NOTIFY, Characteristic, Service
from simulators.cli import app
from simulators.fake_bluez import FakeBluez
from simulators.fake_bluez_bus import VARIABLE, PrivateBus
from simulators.fake_bluez_device import FakeDevice
from simulators.fake_bluez_manners import MannerError, Manners, Timed, parse_manners
from simulators.pty_port import PortError
from simulators.simulated_tindeq import BATTERY_MV
from tests.firmware_bridge.air import FIRST, SECOND, Air, air, bleak_has_let_go, boards, needs_dbus, tindeq
from tests.simulators.test_cli import ended, simulator

pytestmark = needs_dbus
SOON = 20.0  # s
CABLELINK, TINDEQ = gatt.CABLELINK, gatt.TINDEQ


async def seen(*services: str, count: int = 1) -> set[str]:
    """The addresses that a scan finds, once there are so many."""
    found: set[str] = set()
    async with asyncio.timeout(SOON), BleakScanner(service_uuids=list(services) or None) as scanner:
        async for device, _ in scanner.advertisement_data():
            found.add(device.address)
            if len(found) >= count:
                break
    return found


async def connected(address: str) -> BleakClient:
    async with asyncio.timeout(SOON), BleakScanner() as scanner:
        async for device, _ in scanner.advertisement_data():
            if device.address == address:
                client = BleakClient(device)
                await client.connect()
                return client
    raise AssertionError("a scan has no end")


def listened(device: FakeDevice) -> bool:
    return device.is_listened_to


# -- bluetoothd


async def test_a_scan_finds_boards_by_the_service_that_they_advertise() -> None:
    async with air(*boards(), tindeq(SECOND)):
        assert await seen(count=2) == {FIRST, SECOND}
        assert await seen(CABLELINK.service) == {FIRST}
        assert await seen(TINDEQ.service) == {SECOND}


async def test_a_second_scan_of_the_same_program_is_refused() -> None:
    async with air(*boards()) as there, BleakScanner():
        with pytest.raises(BleakDBusError, match="InProgress"):
            await BleakScanner().start()
        assert there.bluez.adapter.scanning == 1


async def test_the_size_of_a_write_is_the_connections_and_a_longer_one_is_refused() -> None:
    async with air(*boards(mtu=100)):
        client = await connected(FIRST)
        write = client.services.get_characteristic(CABLELINK.write)
        assert write is not None
        assert write.max_write_without_response_size == 97
        await client.write_gatt_char(write, bytes(97), response=False)
        with pytest.raises(BleakDBusError, match="Failed to initiate write"):
            await client.write_gatt_char(write, bytes(98), response=False)
        await client.disconnect()


async def test_what_a_characteristic_cannot_do_is_refused() -> None:
    async with air(*boards()):
        client = await connected(FIRST)
        with pytest.raises(BleakError, match=r"(?i)write.not.permitted"):
            await client.write_gatt_char(gatt.BATTERY_LEVEL, b"\x05", response=True)
        with pytest.raises(BleakError):
            await client.read_gatt_char(CABLELINK.notify)
        with pytest.raises(BleakDBusError, match="NotSupported"):
            await client.start_notify(CABLELINK.write, lambda *_: None)
        await client.disconnect()


async def test_a_program_that_goes_without_a_word_leaves_the_board_connected_and_its_notifications_off() -> None:
    async with air(*boards()) as there:
        client = await connected(FIRST)
        await client.start_notify(CABLELINK.notify, lambda *_: None)
        device = there.bluez.device(FIRST)
        assert listened(device)
        client._backend._bus.disconnect()  # type: ignore[attr-defined]
        async with asyncio.timeout(SOON):
            while listened(device):  # noqa: ASYNC110 - the fake tells nobody
                await asyncio.sleep(0.01)
        assert device.air.connected
        await client.disconnect()


async def test_a_device_is_gone_as_soon_as_nobody_scans_where_bluetoothd_forgets() -> None:
    async with air(*boards(), manners=Manners(forgets=True)):
        async with BleakScanner() as scanner:
            device, _ = await anext(scanner.advertisement_data())
        with pytest.raises(BleakError, match="not found"):
            await BleakClient(device).connect()


async def test_a_callback_comes_during_a_connect_that_vanishes() -> None:
    lost: list[BleakClient] = []
    async with air(*boards(), manners=Manners(vanishing=1, services_after=0.1)):
        async with BleakScanner() as scanner:
            device, _ = await anext(scanner.advertisement_data())
            client = BleakClient(device, lost.append)
            with pytest.raises(BleakError, match="device disconnected"):
                await client.connect()
        assert lost == [client]


async def test_bleak_does_not_notice_a_killed_bluetoothd() -> None:
    lost: list[BleakClient] = []
    async with air(*boards()) as there:
        client = await connected(FIRST)
        await there.bluez.kill()
        with pytest.raises(BleakDBusError, match="ServiceUnknown"):
            await client.read_gatt_char(gatt.BATTERY_LEVEL)
        assert client.is_connected
        assert lost == []
        with contextlib.suppress(BleakError):
            await client.disconnect()


# -- manners that come by themselves


async def test_timed_manners_happen_in_their_order() -> None:
    manners = parse_manners(["die=0.4:0.2", "off=0.05:0.1", "drop=0.3"])
    async with air(*boards(), manners=manners) as there:
        until = asyncio.Event()
        life = asyncio.create_task(there.bluez.run(until=until), name="manners")
        said: list[str] = []
        async with asyncio.timeout(SOON):
            while len(said) < 5:
                now = await state(there)
                if said[-1:] != [now]:
                    said.append(now)
                await asyncio.sleep(0.005)
        until.set()
        await life
    assert said == ["on", "off", "on", "dead", "on"]


async def state(there: Air) -> str:
    if there.bluez.is_dead:
        return "dead"
    return "on" if there.bluez.adapter.powered else "off"


def test_manners_are_read_from_texts() -> None:
    manners = parse_manners(["abort=2", "vanish=1", "hang=1", "services=0.5", "forget", "mute=3:1", "remove=9"])
    assert (manners.aborts, manners.vanishing, manners.hanging) == (2, 1, 1)
    assert (manners.services_after, manners.forgets) == (0.5, True)
    assert manners.timed == (Timed(3.0, "mute", 1.0), Timed(9.0, "remove"))


@pytest.mark.parametrize("text", ["rude", "abort", "abort=x", "die=3", "die=3:x", "forget=1", "drop=1:2"])
def test_an_unknown_manner_names_those_that_there_are(text: str) -> None:
    with pytest.raises(MannerError, match="abort=TIMES, vanish=TIMES"):
        parse_manners([text])


# -- boards


async def test_a_body_longer_than_a_notification_is_never_sent() -> None:
    (board,) = boards(mtu=64, rate=1000)
    async with air(board):
        client = await connected(FIRST)
        got: asyncio.Queue[bytes] = asyncio.Queue()
        await client.start_notify(CABLELINK.notify, lambda _, data: got.put_nowait(bytes(data)))
        start = Start(sequence=1, rate_hz=1000, batch=10).to_body()
        await client.write_gatt_char(CABLELINK.write, start, response=False)
        async with asyncio.timeout(SOON):
            bodies = [await got.get() for _ in range(100)]
        await client.disconnect()
    assert max(len(body) for body in bodies) <= longest(64) == 61
    rows = [len(m.rows) for m in map(cablelink.decode, bodies) if isinstance(m, Samples)]
    assert set(rows) == {2}  # 16 bytes a row


class Flood:
    """A board that says nothing for a while and then everything at once."""

    address, name, mtu = FIRST, "flood", 517
    services = (Service(CABLELINK.service, (Characteristic(CABLELINK.notify, NOTIFY),)),)

    def __init__(self, count: int) -> None:
        self.waiting = [k.to_bytes(4, "little") * 128 for k in range(count)]
        self.is_open = False

    def in_sight(self, now: float) -> bool:
        del now
        return True

    def read(self, uuid: str) -> bytes:
        raise KeyError(uuid)

    def write(self, uuid: str, data: bytes, now: float) -> None: ...

    def notifications(self, now: float) -> list[tuple[str, bytes]]:
        del now
        if not self.is_open:
            return []
        said, self.waiting = self.waiting, []
        return [(CABLELINK.notify, data) for data in said]

    def disconnected(self) -> None: ...


async def test_a_flood_of_the_longest_notifications_arrives_whole_and_in_order() -> None:
    flood = Flood(2000)
    sent = list(flood.waiting)
    async with air(flood) as there:
        client = await connected(FIRST)
        got: list[bytes] = []
        whole = asyncio.Event()

        def take(_: object, data: bytearray) -> None:
            got.append(bytes(data))
            if len(got) >= len(sent):
                whole.set()

        await client.start_notify(CABLELINK.notify, take)
        flood.is_open = True
        async with asyncio.timeout(SOON):
            await whole.wait()
        assert got == sent
        assert not there.bluez.is_dead
        await client.disconnect()


async def test_a_bluetoothd_that_loses_its_bus_says_so() -> None:
    async with PrivateBus() as bus, FakeBluez(bus.address, boards()) as bluez:
        serving = asyncio.create_task(bluez.run(until=asyncio.Event()))
        await bus.close()
        async with asyncio.timeout(SOON):
            with pytest.raises(PortError, match="the bus is gone"):
                await serving


async def test_a_mistake_in_a_boards_life_is_not_hidden(monkeypatch: pytest.MonkeyPatch) -> None:
    def wrong(self: Flood, now: float) -> bool:
        raise ArithmeticError(now)

    monkeypatch.setattr(Flood, "in_sight", wrong)
    async with PrivateBus() as bus:
        bluez = FakeBluez(bus.address, [Flood(0)])
        await bluez.start()
        with pytest.raises(ArithmeticError):
            await bluez.run(until=asyncio.Event())
        with pytest.raises(ArithmeticError):
            await bluez.kill()
        assert bluez.is_dead


async def test_info_is_read_as_the_board_would_say_it_now() -> None:
    async with air(*boards()):
        client = await connected(FIRST)
        info = cablelink.decode(bytes(await client.read_gatt_char(CABLELINK.info or "")))
        await client.disconnect()
    assert isinstance(info, Info)
    assert info.max_body == longest(247) == 244


async def test_a_progressor_answers_one_byte_commands_and_streams_eighty_samples_a_second() -> None:
    async with air(tindeq(SECOND)):
        client = await connected(SECOND)
        got: asyncio.Queue[bytes] = asyncio.Queue()
        await client.start_notify(TINDEQ.notify, lambda _, data: got.put_nowait(bytes(data)))

        async def tell(command: Command) -> None:
            await client.write_gatt_char(TINDEQ.write, bytes((command,)), response=False)

        async with asyncio.timeout(SOON):
            await tell(Command.BATTERY)
            assert unpack("<BBI", await got.get()) == (0, 4, BATTERY_MV)
            await tell(Command.START)
            stamps: list[int] = []
            while len(stamps) < 80:
                data = await got.get()
                assert (data[0], data[1]) == (1, len(data) - 2)
                stamps += [us for _, us in iter_unpack("<fI", data[2:])]
            await tell(Command.STOP)
        await client.disconnect()
    steps = [(b - a) % 2**32 for a, b in pairwise(sorted(set(stamps)))]
    assert all(abs(step - 12_500) <= 1 for step in steps)


# -- the bus


async def test_a_bus_without_a_folder_leaves_none_behind() -> None:
    async with PrivateBus() as bus:
        folder = Path(bus.address.removeprefix("unix:path=")).parent
        assert (folder / "bus").is_socket()
    assert not folder.exists()


async def test_a_bus_in_a_given_folder_has_the_same_address_again(tmp_path: Path) -> None:
    addresses = []
    for _ in range(2):
        async with PrivateBus(tmp_path) as bus:
            addresses.append(bus.address)
            client = await MessageBus(bus_address=bus.address).connect()
            client.disconnect()
            await client.wait_for_disconnect()  # type: ignore[no-untyped-call]
    assert addresses == [f"unix:path={tmp_path}/bus"] * 2


async def test_without_a_daemon_it_is_said_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "/nowhere")
    with pytest.raises(PortError, match="apt install dbus"):
        await PrivateBus().start()


async def test_two_bluetoothds_on_one_bus_are_refused() -> None:
    async with air() as there:
        with pytest.raises(PortError, match=r"somebody else is org\.bluez"):
            await FakeBluez(there.bus.address, []).start()


# -- the command


async def test_the_command_prints_the_variable_to_set_and_the_boards(monkeypatch: pytest.MonkeyPatch) -> None:
    async with simulator("ble", "--two-boards") as (process, words):
        variable, *urls = words
        name, _, address = variable.partition("=")
        assert name == VARIABLE
        assert urls == [f"ble://{FIRST}", f"ble://{SECOND}"]
        monkeypatch.setenv(name, address)
        link = await open_link(urls[1])
        info = cablelink.decode((await link.receive()).data)
        assert isinstance(info, Info)
        assert {channel.side for channel in info.channels} == {2}
        await link.close()
        process.send_signal(signal.SIGTERM)
        assert await ended(process) == 0
        await bleak_has_let_go()
    assert not Path(address.removeprefix("unix:path=")).parent.exists()


async def test_a_kill_of_the_command_takes_its_bus_and_folder_with_it() -> None:
    async with simulator("ble") as (process, words):
        folder = Path(words[0].rpartition("unix:path=")[2]).parent
        process.kill()
        await ended(process)
    async with asyncio.timeout(SOON):
        while folder.exists() or daemons(folder):  # noqa: ASYNC110 - the kernel tells nobody
            await asyncio.sleep(0.02)


def daemons(folder: Path) -> list[str]:
    """The processes that were started with this folder."""
    found = []
    for process in Path("/proc").iterdir():
        if process.name.isdigit():
            with contextlib.suppress(OSError):
                if os.fsencode(folder) in (process / "cmdline").read_bytes():
                    found.append(process.name)
    return found


async def test_progressors_are_served_too() -> None:
    async with simulator("ble", "--two-boards", "--driver", "tindeq") as (_, words):
        assert words[1:] == [f"ble://{FIRST}", f"ble://{SECOND}"]


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--manner", "rude"], "abort=TIMES"),
        (["--folder", "/x", "--bus", "unix:path=/x"], "take one"),
        (["--driver", "ascii-line"], "there are cablelink, tindeq"),
        (["--driver", "tindeq", "--side", "up"], "left or right"),
        (["--scenario", "swim"], "iso_lateral_row"),
    ],
)
def test_wrong_use_ends_with_2_and_says_what_there_is(arguments: list[str], said: str) -> None:
    result = CliRunner().invoke(app, ["ble", *arguments])
    assert result.exit_code == 2
    assert said in " ".join(result.output.split())


@pytest.mark.parametrize("option", [["--folder", "/proc/none"], ["--bus", "unix:path=/nowhere"]])
def test_a_bus_that_cannot_be_fails_with_1(option: list[str]) -> None:
    result = CliRunner().invoke(app, ["ble", *option])
    assert result.exit_code == 1
    assert len(result.output.splitlines()) == 1

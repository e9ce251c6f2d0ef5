"""A board's life over Bluetooth LE: whatever becomes of the connection, it streams again, and the trouble is said."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import Awaitable, Callable
from itertools import pairwise

import pytest
from dbus_fast import DBusError, Message

from firmware_bridge import ble_link, ble_radio
from firmware_bridge.ble_radio import Radio
from firmware_bridge.board import Board
from firmware_bridge.board_session import Timing
from firmware_bridge.drivers import BoardConfig, make_driver
from protocols import gatt
from simulators.fake_bluez_gatt import FakeCharacteristic
from simulators.fake_bluez_manners import Manners
from simulators.fake_bluez_tree import Answer
from tests.firmware_bridge.air import FIRST, SECOND, Air, air, boards, needs_dbus, tindeq
from tests.firmware_bridge.test_board import QUICK, Station, alive

pytestmark = needs_dbus
URL = f"ble://{FIRST}"


@pytest.fixture(autouse=True)
def _quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ble_radio, "SEEK_WITHIN", 1.0)


async def test_a_board_in_the_air_is_identified_started_read_and_stopped_at_the_end() -> None:
    station = Station(URL)
    async with air(*boards()) as there:
        async with alive(URL, station, timing=Timing()):
            await station.until(lambda: len(station.blocks) >= 100)
        assert not there.bluez.device(FIRST).air.connected
    assert station.identities[0].model == "virtual cable board"
    assert station.reader.counters.lost == 0
    assert station.reader.clocks[0].uncertainty < 0.02
    times = [t for block in station.blocks for t in block.times]
    assert times == sorted(set(times))
    assert (station.problems, station.links) == ([], ["up", "closed"])


@pytest.mark.parametrize("mtu", [64, 185, 247])
async def test_a_thousand_samples_a_second_come_whole_whatever_fits_a_notification(mtu: int) -> None:
    station = Station(URL)
    async with air(*boards(mtu=mtu, rate=1000)) as there, alive(URL, station, timing=Timing()):
        await station.until(lambda: sum(len(block.rows) for block in station.blocks) >= 1000)
        assert all(data for _, data in there.bluez.device(FIRST).air.writes)
    steps = {round((b - a) * 1000) for block in station.blocks for a, b in pairwise(block.times)}
    assert steps <= {1}
    assert station.reader.counters.lost == 0


async def drop(there: Air) -> None:
    there.bluez.device(FIRST).drop()


async def remove(there: Air) -> None:
    there.bluez.device(FIRST).remove()


async def mute(there: Air) -> None:
    there.bluez.device(FIRST).muted = True


async def kill_and_start(there: Air) -> None:
    await there.bluez.kill()
    await there.bluez.start()


async def switch_off_and_on(there: Air) -> None:
    there.bluez.adapter.power(on=False)
    there.bluez.adapter.power(on=True)


@pytest.mark.parametrize("trouble", [drop, remove, mute, kill_and_start, switch_off_and_on])
async def test_it_streams_again_within_five_seconds_and_one_problem_came_and_went(
    trouble: Callable[[Air], Awaitable[None]],
) -> None:
    station = Station(URL)
    async with air(*boards()) as there, alive(URL, station, timing=Timing()):
        await station.until(lambda: len(station.blocks) >= 5)
        connections = await there.connections()
        await trouble(there)
        began = time.monotonic()
        await station.until(lambda: "up" in station.links[1:])
        seen = len(station.blocks)
        await station.until(lambda: len(station.blocks) > seen)
        assert time.monotonic() - began < 5.0
        await station.until(lambda: len(station.problems) >= 2 and not station.problems[-1].raised)
        assert await there.connections() == connections
    assert len({problem.name for problem in station.problems}) == 1
    assert not any(identity.restarted for identity in station.identities)


async def test_what_a_board_says_to_its_link_is_told_and_its_battery_again_when_it_has_changed(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(ble_link, "BATTERY_EVERY", 0.1)
    monkeypatch.setattr(ble_link, "LOOK_EVERY", 0.05)
    level = [80]
    (board,) = boards()
    monkeypatch.setattr(
        board, "read", lambda uuid, read=board.read: bytes(level) if uuid == gatt.BATTERY_LEVEL else read(uuid)
    )
    station = Station(URL)
    async with air(board), alive(URL, station):
        await station.until(lambda: bool(station.blocks and station.abouts))
        about = station.abouts[0]
        assert (about.address, about.model, about.battery_pct) == (FIRST, "virtual cable board", 80)
        level[0] = 79
        await station.until(lambda: station.abouts[-1].battery_pct == 79)
        level[0] = 255  # no share of anything
        await station.until(lambda: station.abouts[-1].battery_pct is None)
    assert [each.battery_pct for each in station.abouts] == [80, 79, None]
    assert station.problems == []


async def test_a_battery_that_is_slow_to_be_read_costs_no_stream(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, seconds in (("BATTERY_EVERY", 0.1), ("LOOK_EVERY", 0.05), ("READ_WITHIN", 0.1)):
        monkeypatch.setattr(ble_link, name, seconds)
    read, slow = FakeCharacteristic._read, [0]
    station = Station(URL)

    async def slowly(characteristic: FakeCharacteristic, message: Message) -> Answer:
        if characteristic.uuid == gatt.BATTERY_LEVEL and station.blocks:
            slow[0] += 1
            await asyncio.sleep(0.3)
        return await read(characteristic, message)

    monkeypatch.setattr(FakeCharacteristic, "_read", slowly)
    async with air(*boards()), alive(URL, station):
        await station.until(lambda: slow[0] >= 3)
    assert (station.problems, station.links) == ([], ["up", "closed"])


async def test_an_absent_board_is_said_once_and_tried_ever_more_slowly(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ble_radio, "SEEK_WITHIN", 0.05)
    station = Station(URL)
    async with air() as there:
        async with alive(URL, station, timing=Timing(back_off=0.05, back_off_most=0.4)):
            begun: list[float] = []
            was = False
            while len(begun) < 6:
                scans = there.bluez.adapter.scanning > 0
                if scans and not was:
                    begun.append(time.monotonic())
                was = scans
                await asyncio.sleep(0.002)
        assert there.bluez.adapter.scanning == 0
    pauses = [b - a for a, b in pairwise(begun)]
    assert max(pauses[3:]) > 3.0 * pauses[0]
    assert [problem.name for problem in station.problems] == ["board_absent"]
    assert "is it on, charged, near" in station.problems[0].detail


async def test_two_boards_stream_at_once_and_the_loss_of_one_is_nothing_to_the_other() -> None:
    left, right, radio = Station(URL), Station(URL), Radio()
    async with air(*boards(2)) as there, contextlib.AsyncExitStack() as stack:
        await stack.enter_async_context(alive(URL, left, timing=Timing(), radio=radio))
        await stack.enter_async_context(alive(f"ble://{SECOND}", right, timing=Timing(), radio=radio))
        await left.until(lambda: len(left.blocks) >= 5)
        await right.until(lambda: len(right.blocks) >= 5)
        there.bluez.device(FIRST).drop()
        await left.until(lambda: left.links.count("up") == 2)
        seen = len(left.blocks)
        await left.until(lambda: len(left.blocks) > seen)
    assert right.links == ["up", "closed"]
    assert right.problems == []
    assert right.reader.counters.lost == 0


async def test_a_blink_reaches_the_board_that_was_asked_and_not_its_neighbour() -> None:
    station = Station(URL)
    async with air(*boards(2)) as there, alive(f"ble://{SECOND}", station) as board:
        await station.until(lambda: len(station.blocks) >= 3)
        assert await board.identify(seconds=3) is None
        assert not there.bluez.device(FIRST).air.writes
        assert there.bluez.device(SECOND).air.writes


async def test_aborts_and_drops_while_connecting_end_in_a_stream(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ble_radio, "SEEK_WITHIN", 1.0)
    station = Station(URL)
    manners = Manners(aborts=1, vanishing=2, services_after=0.2, forgets=True)
    async with air(*boards(), manners=manners), alive(URL, station, timing=QUICK):
        await station.until(lambda: len(station.blocks) >= 3)
    assert [(p.name, p.raised) for p in station.problems][-1] == ("board_absent", False)


@pytest.mark.parametrize("error", ["UnknownObject", "NoReply", "LimitsExceeded"])
async def test_whatever_dbus_says_while_it_opens_is_a_trouble_that_passes(
    error: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    refusals = ["ReadValue"] * 3

    async def refused(characteristic: FakeCharacteristic, message: Message) -> Answer:
        if refusals:
            raise DBusError(f"org.freedesktop.DBus.Error.{error}", f'Method "{refusals.pop()}": no')
        return await read(characteristic, message)

    read = FakeCharacteristic._read
    monkeypatch.setattr(FakeCharacteristic, "_read", refused)
    station = Station(URL)
    async with air(*boards()), alive(URL, station):
        await station.until(lambda: len(station.blocks) >= 3)
    assert refusals == []
    assert {problem.name for problem in station.problems} == {"board_absent"}
    assert not station.problems[-1].raised


async def test_a_life_that_ends_while_it_connects_leaves_nothing_behind() -> None:
    station = Station(URL)
    async with air(*boards(), manners=Manners(services_after=30.0)) as there:
        async with alive(URL, station):
            device = there.bluez.device(FIRST)
            while not device.air.connected:  # noqa: ASYNC110 - the fake tells nobody
                await asyncio.sleep(0.005)
        assert there.bluez.adapter.scanning == 0
        assert await there.connections() == 2  # bluetoothd's, and bleak's own
    assert station.links == []


async def test_a_progressor_in_the_air_streams_forces_and_streams_again_after_a_drop() -> None:
    url = f"ble://{SECOND}"
    config = BoardConfig(id="left", url=url, driver="tindeq")
    station = Station(url)
    station.reader = make_driver(config).reader
    async with air(*boards(), tindeq(SECOND)) as there:
        board = Board(config, station, station.problem, timing=Timing(), seed=1)
        life = asyncio.create_task(board.run(), name="life")
        await station.until(lambda: len(station.blocks) >= 5)
        there.bluez.device(SECOND).drop()
        await station.until(lambda: station.links.count("up") == 2)
        seen = len(station.blocks)
        await station.until(lambda: len(station.blocks) > seen)
        assert await board.tare(samples=1) is None
        life.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await life
        assert there.bluez.device(FIRST).connections == 0
    assert {channel.kind for block in station.blocks for channel in block.channels} == {"force"}
    assert {problem.name for problem in station.problems} == {"link_lost"}

"""Boards are read without measuring; one that is absent does not keep the other from being read."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from controller import live_station
from controller.calibration_file import CalibratedStation, calibrated
from controller.config import parse
from controller.live_station import LiveError, LiveStation, opened
from protocols.cablelink import Start
from protocols.framing import encode
from simulators.gym import session_board
from simulators.scenarios import SCENARIOS, Session
from tests.firmware_bridge.air import FIRST, SECOND, air, boards, needs_dbus
from tests.stations.processes import simulator


def two_boards(left: str, right: str) -> CalibratedStation:
    boards = "".join(f'[[station.board]]\nid = "{k}"\nurl = "{url}"\n' for k, url in (("l", left), ("r", right)))
    return calibrated(parse(f'[[station]]\nid = "row"\n{boards}', name="gym.toml").station[0], [])


async def until_it_ends(live: LiveStation) -> None:
    while True:
        await live.block("l")


async def test_each_sides_channels_are_found_on_its_own_board_and_its_counts_come(tmp_path: Path) -> None:
    link = tmp_path / "port"
    with simulator("pty", "--link", str(link), "--two-boards"):
        async with opened(two_boards(f"serial://{link}-left", f"serial://{link}-right")) as live:
            left, others = await live.channel("left", "force")
            assert (left.key.board, left.name) == ("l", "left force")
            assert sorted(each.name for each in others) == ["left position", "right force", "right position"]
            seen: set[str] = set()
            while len(seen) < 2:
                key, block = await live.block("l")
                seen.add(key.board)
                assert len(block.rows) == len(block.times)
            assert left.nominal(left.info.offset) == 0.0


@needs_dbus
async def test_boards_in_the_air_are_found_with_one_scan_and_read() -> None:
    async with air(*boards(2)), opened(two_boards(f"ble://{FIRST}", f"ble://{SECOND}")) as live:
        async with asyncio.timeout(20.0):
            await live.channels()
            seen: set[str] = set()
            while len(seen) < 2:
                seen.add((await live.block("l"))[0].board)


async def test_an_absent_board_is_named_where_it_is_asked_for_and_otherwise_not_in_the_way(tmp_path: Path) -> None:
    link = tmp_path / "port"
    with simulator("pty", "--link", str(link), "--side", "left"):
        async with opened(two_boards(f"serial://{link}", f"serial://{tmp_path}/nothing")) as live:
            assert (await live.channel("left", "force"))[0].key.board == "l"
            with pytest.raises(LiveError, match=r"there is no right force; .*there is no such port"):
                await live.channel("right", "force")
            await live.block("l")


async def test_a_board_that_goes_is_said_and_not_waited_for(tmp_path: Path) -> None:
    link = tmp_path / "port"
    async with opened(two_boards(f"serial://{link}", f"serial://{tmp_path}/nothing")) as live:
        with simulator("pty", "--link", str(link), "--side", "left"):
            await live.channel("left", "force")
        with pytest.raises(LiveError, match="was the plug pulled"):
            await until_it_ends(live)


async def test_a_channel_that_its_board_does_not_have_is_said_beside_those_that_can_be_read(tmp_path: Path) -> None:
    link = tmp_path / "port"
    cable = '[station.left]\nforce = { board = "a", channel = 1 }\nposition = { board = "a", channel = 7 }\n'
    text = f'[[station]]\nid = "row"\n[[station.board]]\nid = "a"\nurl = "serial://{link}"\n{cable}'
    with simulator("pty", "--link", str(link), "--side", "left"):
        async with opened(calibrated(parse(text, name="gym.toml").station[0], [])) as live:
            assert [each.name for each in await live.channels()] == ["left force"]
            assert "no channel 7" in live.trouble
            await live.block("a")


def test_what_nobody_reads_is_not_kept_for_ever(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(live_station, "MOST_WAITING", 10)
    session = Session(SCENARIOS["iso_lateral_row"].but(reps=1))
    board = session_board(session, side="left")
    live = LiveStation(two_boards("tcp://127.0.0.1:1", "tcp://127.0.0.1:2"))
    live.link_up("l", 0.0)
    board.receive(encode(Start(sequence=1, rate_hz=100, batch=1).to_body()))
    for k in range(100):
        for chunk in board.chunks(0.01 * k):
            live.chunk("l", chunk)
    assert live._blocks.qsize() == 10
    newest = [live._blocks.get_nowait()[1].times[-1] for _ in range(10)]
    assert newest[-1] - newest[0] == pytest.approx(0.09, abs=0.01)
    assert newest == sorted(newest)

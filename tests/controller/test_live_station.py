"""Boards are read without measuring; one that is absent does not keep the other from being read."""

from __future__ import annotations

from pathlib import Path

import pytest

from controller.calibration_file import CalibratedStation, calibrated
from controller.config import parse
from controller.live_station import LiveError, LiveStation, opened
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

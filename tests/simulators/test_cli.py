"""The command as a process: its ready line, its end, and what it refuses."""

from __future__ import annotations

import asyncio
import contextlib
import signal
import sys
from asyncio.subprocess import PIPE, Process
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from typer.testing import CliRunner

from firmware_bridge.serial_link import open_serial
from firmware_bridge.tcp_link import open_tcp
from protocols.cablelink import Info, Samples
from simulators.cli import app
from simulators.truth import Truth
from tests.simulators.test_ports import ASK, hear
from tests.simulators.wire import start


@contextlib.asynccontextmanager
async def simulator(*arguments: str | Path) -> AsyncIterator[tuple[Process, list[str]]]:
    """The process, and the words after `ready`."""
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "simulators.cli", *map(str, arguments), stdout=PIPE
    )
    try:
        assert process.stdout is not None
        async with asyncio.timeout(30.0):
            words = (await process.stdout.readline()).decode().split()
        assert words[0] == "ready"
        yield process, words[1:]
    finally:
        with contextlib.suppress(ProcessLookupError):
            process.kill()
        await process.wait()


async def ended(process: Process) -> int:
    async with asyncio.timeout(20.0):
        return await process.wait()


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
async def test_a_pty_is_served_under_its_link_until_a_signal_and_the_link_is_gone(
    tmp_path: Path, number: signal.Signals
) -> None:
    name = tmp_path / "board"
    async with simulator("pty", "--scenario", "iso_lateral_row", "--link", name) as (process, where):
        assert where == [str(name)]
        link = await open_serial(str(name), baud=921_600)
        await link.send(ASK + start(2))
        assert isinstance(await hear(link, Samples), Samples)
        process.send_signal(number)
        assert await ended(process) == 0
        await link.close()
        assert not name.is_symlink()


async def test_the_name_survives_a_kill_and_a_new_start(tmp_path: Path) -> None:
    name = tmp_path / "board"
    async with simulator("pty", "--link", name) as (process, _):
        process.kill()
        await ended(process)
        assert name.is_symlink()
    async with simulator("pty", "--link", name):
        link = await open_serial(str(name), baud=921_600)
        await link.send(ASK)
        await hear(link, Info)
        await link.close()


async def test_a_tcp_port_of_its_own_choice_is_printed_and_the_truth_is_written(tmp_path: Path) -> None:
    truth = tmp_path / "truth.json"
    options = ("--shape", "left_only,right_only", "--sets", "2", "--reps", "3", "--ratio", "0.8", "--truth", truth)
    async with simulator("tcp", "--port", "0", *options) as (_, where):
        host, _, port = where[0].partition(":")
        link = await open_tcp(host, port=int(port))
        await link.send(ASK)
        await hear(link, Info)
        await link.close()
    assert [(each.left_reps, each.right_reps) for each in Truth.read(truth).sets] == [(3, 0), (0, 3)]


async def test_two_boards_have_two_names(tmp_path: Path) -> None:
    async with simulator("pty", "--link", tmp_path / "b", "--two-boards") as (_, where):
        assert where == [str(tmp_path / "b-left"), str(tmp_path / "b-right")]
        for name, side in zip(where, (1, 2), strict=True):
            link = await open_serial(name, baud=921_600)
            await link.send(ASK)
            info = await hear(link, Info)
            assert isinstance(info, Info)
            assert {channel.side for channel in info.channels} == {side}
            await link.close()


async def test_a_recording_is_served_once_and_then_it_ends(tmp_path: Path) -> None:
    csv = tmp_path / "row.csv"
    csv.write_text("time_s,left_position_m\n" + "\n".join(f"{k / 100},{k / 1000}" for k in range(50)) + "\n")
    async with simulator("tcp", "--csv", csv, "--once") as (process, where):
        link = await open_tcp("127.0.0.1", port=int(where[0].rpartition(":")[2]))
        await link.send(start(1))
        assert isinstance(await hear(link, Samples), Samples)
        assert await ended(process) == 0
        await link.close()


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["pty", "--scenario", "swim"], "iso_lateral_row"),
        (["pty", "--shape", "round"], "sequential"),
        (["pty", "--side", "up"], "left or right"),
        (["pty", "--side", "left", "--two-boards"], "take one"),
        (["tcp", "--impair", "fog=1"], "loss=SHARE"),
        (["tcp", "--csv", "/nowhere.csv"], "nowhere"),
    ],
)
def test_wrong_use_ends_with_2_and_says_what_there_is(arguments: list[str], said: str) -> None:
    result = CliRunner().invoke(app, arguments)
    assert result.exit_code == 2
    assert said in result.output


@pytest.mark.parametrize("command", [[], ["pty"], ["tcp"]])
def test_help_shows_an_example_that_can_be_typed(command: list[str]) -> None:
    result = CliRunner().invoke(app, [*command, "--help"])
    assert result.exit_code == 0
    assert "cable-station-sim pty --" in result.output or "cable-station-sim tcp --" in result.output


def test_a_link_over_a_file_fails_with_1(tmp_path: Path) -> None:
    (tmp_path / "board").write_text("mine")
    result = CliRunner().invoke(app, ["pty", "--link", str(tmp_path / "board")])
    assert result.exit_code == 1
    assert "--link" in result.output


async def test_a_port_that_does_not_come_back_ends_with_1_and_one_line(tmp_path: Path) -> None:
    name = tmp_path / "board"
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "simulators.cli", "pty", "--link", name, "--impair", "disconnect=0.2:0.5",
        stdout=PIPE, stderr=PIPE,
    )  # fmt: skip
    assert process.stdout is not None
    async with asyncio.timeout(30.0):
        await process.stdout.readline()
        while name.is_symlink():  # noqa: ASYNC110 - the process tells nobody
            await asyncio.sleep(0.01)
        name.write_text("mine")
        _, said = await process.communicate()
    assert process.returncode == 1
    assert said.decode().splitlines() == [f"{name}: there is a file of that name; give another --link"]

"""A board's life over real wires: the real pyserial on a pseudo-terminal, and TCP."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator, Callable
from dataclasses import replace
from functools import partial
from pathlib import Path
from statistics import median

import pytest

from firmware_bridge.ble_radio import Radio
from firmware_bridge.board import Board, BoardProblem
from firmware_bridge.board_session import Timing
from firmware_bridge.drivers import BoardConfig, make_driver
from firmware_bridge.link import About, Chunk
from firmware_bridge.messages import Identity, Message, SampleBlock
from protocols.cablelink import Start
from tests.firmware_bridge.small_board import SmallBoard, on_pty, on_tcp

SOON = 20.0  # s, within which everything here has long happened
QUICK = Timing(
    ask_every=0.05,
    strange_after=0.2,
    open_in_vain=0.6,
    ack_within=0.1,
    ping_every=0.05,
    missed_after=0.3,
    given_up_after=0.6,
    look_every=0.02,
    back_off=0.02,
    back_off_most=0.1,
    refused_for=0.3,
)


class Station:
    """A sink that decodes, keeps everything, and can be waited on."""

    def __init__(self, url: str = "tcp://127.0.0.1:1") -> None:
        self.reader = make_driver(BoardConfig(id="left", url=url)).reader
        self.messages: list[Message] = []
        self.links: list[str] = []
        self.abouts: list[About] = []
        self.problems: list[BoardProblem] = []
        self._now = 0.0
        self._waiting: list[tuple[Callable[[], bool], asyncio.Event]] = []

    def link_up(self, board: str, received_at: float) -> None:
        self._stamp(board, received_at)
        self.reader.link_up()
        self.links.append("up")
        self._look()

    def chunk(self, board: str, chunk: Chunk) -> list[Message]:
        self._stamp(board, chunk.received_at)
        messages = self.reader.feed(chunk)
        self.messages += messages
        self._look()
        return messages

    def about(self, board: str, received_at: float, about: About) -> None:
        self._stamp(board, received_at)
        self.abouts.append(about)

    def link_down(self, board: str, received_at: float, reason: str) -> None:
        self._stamp(board, received_at)
        self.links.append(reason)
        self._look()

    def _stamp(self, board: str, received_at: float) -> None:
        assert board == "left"
        assert received_at >= self._now
        self._now = received_at

    def problem(self, problem: BoardProblem) -> None:
        self.problems.append(problem)
        self._look()

    def _look(self) -> None:
        for what, event in self._waiting:
            if what():
                event.set()

    async def until(self, what: Callable[[], bool]) -> None:
        event = asyncio.Event()
        self._waiting.append((what, event))
        if what():
            return
        async with asyncio.timeout(SOON):
            await event.wait()

    async def raised(self, name: str) -> str:
        await self.until(lambda: any(p.name == name and p.raised for p in self.problems))
        return next(p.detail for p in self.problems if p.name == name)

    @property
    def blocks(self) -> list[SampleBlock]:
        return [message for message in self.messages if isinstance(message, SampleBlock)]

    @property
    def identities(self) -> list[Identity]:
        return [message for message in self.messages if isinstance(message, Identity)]


@contextlib.asynccontextmanager
async def alive(
    url: str, station: Station, *, timing: Timing = QUICK, radio: Radio | None = None
) -> AsyncIterator[Board]:
    board = Board(BoardConfig(id="left", url=url), station, station.problem, radio=radio, timing=timing, seed=1)
    life = asyncio.create_task(board.run(), name="life")
    try:
        yield board
    finally:
        life.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await life


def serial_url(link: Path) -> str:
    return f"serial://{link}?baud=115200"


@pytest.fixture
def link(tmp_path: Path) -> Path:
    return tmp_path / "board"


async def test_a_board_on_a_serial_port_is_identified_started_and_read_and_stopped_at_the_end(link: Path) -> None:
    station, small = Station(), SmallBoard()
    async with on_pty(small, link):
        async with alive(serial_url(link), station, timing=Timing()):
            await station.until(lambda: len(station.blocks) >= 20)
        await station.until(lambda: station.links[-1] == "closed")
        async with asyncio.timeout(SOON):
            await small.stopped.wait()
    assert station.identities[0].model == "small"
    assert [(start.rate_hz, start.batch) for start in small.starts] == [(1000, 10)]
    times = [t for block in station.blocks for t in block.times]
    assert times == sorted(set(times))
    assert station.reader.clocks[0].uncertainty < 0.02
    assert station.problems == []
    assert station.links == ["up", "closed"]


@pytest.mark.parametrize("wire", ["serial", "tcp"])
async def test_samples_are_placed_within_two_milliseconds_of_when_they_were_taken(link: Path, wire: str) -> None:
    station, small = Station(), SmallBoard()
    async with contextlib.AsyncExitStack() as stack:
        if wire == "serial":
            await stack.enter_async_context(on_pty(small, link))
            url = serial_url(link)
        else:
            url = f"tcp://127.0.0.1:{(await stack.enter_async_context(on_tcp(small))).port}"
        await stack.enter_async_context(alive(url, station, timing=Timing()))
        await station.until(lambda: len(station.blocks) >= 100)
    times = [t for block in station.blocks for t in block.times]
    errors = [abs(t - true) for t, true in zip(times, small.truth, strict=False)]
    assert station.reader.counters.lost == 0
    assert median(errors) <= 0.002


async def test_a_hub_of_two_sources_behind_a_tcp_port_streams_both() -> None:
    station, small = Station(), SmallBoard(sources=2)
    async with on_tcp(small) as served, alive(f"tcp://127.0.0.1:{served.port}", station, timing=Timing()):
        await station.until(lambda: {block.source for block in station.blocks[-10:]} == {0, 1})
    assert all(row[1] == block.source for block in station.blocks for row in block.rows)
    assert station.reader.counters.lost == 0
    assert sorted(start.source for start in small.starts) == [0, 1]


async def test_a_board_that_streamed_before_us_is_asked_who_it_is(link: Path) -> None:
    station, small = Station(), SmallBoard(streaming={0})
    async with on_pty(small, link), alive(serial_url(link), station):
        await station.until(lambda: len(station.blocks) >= 3)
    assert station.identities


async def test_a_pulled_plug_is_one_problem_and_the_board_goes_on_when_it_is_back_under_its_name(link: Path) -> None:
    station = Station()
    async with alive(serial_url(link), station):
        async with on_pty(SmallBoard(), link) as plugged:
            await station.until(lambda: len(station.blocks) >= 3)
            before = len(station.problems)
            await plugged.unplug()
            assert "plug" in await station.raised("link_lost")
        seen = len(station.blocks)
        async with on_pty(SmallBoard(boot_id=8), link):
            await station.until(lambda: len(station.blocks) >= seen + 3)
    names = {problem.name for problem in station.problems[before:]}
    assert names == {"link_lost"}
    assert station.problems[-1].raised is False
    assert station.identities[-1].restarted


async def test_an_absent_port_is_said_once_however_often_it_is_tried(link: Path) -> None:
    station = Station()
    async with alive(serial_url(link), station):
        assert await station.raised("board_absent") == f"{link}: there is no such port; is the board plugged in?"
        async with on_pty(SmallBoard(), link):
            await station.until(lambda: bool(station.blocks))
            await station.until(lambda: len(station.problems) == 2)
    assert [(p.name, p.raised) for p in station.problems] == [("board_absent", True), ("board_absent", False)]


@pytest.mark.parametrize(
    ("small", "name", "words"),
    [
        (partial(SmallBoard, is_deaf=True), "board_silent", "nothing is heard"),
        (partial(SmallBoard, prattle=b"\x80\xfe\x00\x91" * 3), "board_junk", "wrong baud rate, or another protocol"),
        (partial(SmallBoard, prattle=b"12345;-18.7\r\n"), "board_foreign", "lines of text"),
        (
            partial(SmallBoard, major=2),
            "board_version",
            "the board speaks cablelink 2, this program 1; update this program",
        ),
        (partial(SmallBoard, result=2), "board_refuses", "refuses START with 2"),
        (partial(SmallBoard, acks_to_swallow=10**6, samples_dry=True), "board_refuses", "does not answer START"),
        (partial(SmallBoard, samples_dry=True), "board_silent", "sends no samples"),
    ],
)
async def test_a_board_that_cannot_be_used_says_why_in_one_line(
    link: Path, small: Callable[[], SmallBoard], name: str, words: str
) -> None:
    station = Station()
    async with on_pty(small(), link), alive(serial_url(link), station):
        detail = await station.raised(name)
    assert words in detail
    assert "\n" not in detail


async def test_a_board_of_a_later_major_version_is_never_started(link: Path) -> None:
    station, small = Station(), SmallBoard(major=2)
    async with on_pty(small, link), alive(serial_url(link), station):
        await station.until(lambda: station.links.count("up") >= 3)
    assert small.starts == []
    assert station.blocks == []
    assert [p.name for p in station.problems] == ["board_version"]


async def test_a_restarted_board_is_started_again_and_its_times_go_on(link: Path) -> None:
    station, small = Station(), SmallBoard()
    async with on_pty(small, link) as plugged, alive(serial_url(link), station, timing=Timing()):
        await station.until(lambda: len(station.blocks) >= 5)
        plugged.say(small.restart())
        seen = len(station.blocks)
        await station.until(lambda: len(station.blocks) >= seen + 10)
    assert [identity.restarted for identity in station.identities] == [False, True]
    assert len(small.starts) == 2
    times = [t for block in station.blocks for t in block.times]
    assert times == sorted(set(times))


async def test_a_restart_that_nobody_announced_is_found_by_its_silence(link: Path) -> None:
    station, small = Station(), SmallBoard()
    async with on_pty(small, link), alive(serial_url(link), station):
        await station.until(lambda: len(station.blocks) >= 5)
        small.restart()
        seen = len(station.blocks)
        await station.until(lambda: len(station.blocks) >= seen + 10)
    assert len(small.starts) >= 2


async def test_a_start_whose_ack_is_lost_is_repeated_and_takes_effect_once(link: Path) -> None:
    station, small = Station(), SmallBoard(acks_to_swallow=2)
    async with on_pty(small, link), alive(serial_url(link), station, timing=Timing()):
        await station.until(lambda: len([c for c in small.commands if isinstance(c, Start)]) >= 3)
        await station.until(lambda: len(station.blocks) >= 3)
    sent = [command for command in small.commands if isinstance(command, Start)]
    assert len({start.sequence for start in sent}) == 1
    assert len(small.starts) == 1
    assert station.problems == []


async def test_a_board_that_falls_silent_is_left_and_opened_again() -> None:
    station, small = Station(), SmallBoard()
    async with on_tcp(small) as served, alive(f"tcp://127.0.0.1:{served.port}", station):
        await station.until(lambda: len(station.blocks) >= 5)
        small.is_deaf = True
        assert "fallen silent" in await station.raised("board_silent")
        await station.until(lambda: served.connections >= 2)
        small.is_deaf = False
        seen = len(station.blocks)
        await station.until(lambda: len(station.blocks) >= seen + 3)
        await station.until(lambda: not station.problems[-1].raised)


async def test_a_program_that_stood_still_itself_lets_go_of_nobody_and_starts_nobody_again(link: Path) -> None:
    station, small = Station(), SmallBoard()
    async with on_pty(small, link), alive(serial_url(link), station):
        await station.until(lambda: len(station.blocks) >= 20)
        time.sleep(2.5 * QUICK.given_up_after)  # noqa: ASYNC251 - the board is in this loop too, so nothing is there to be read at first
        before = len(station.blocks)
        await station.until(lambda: len(station.blocks) >= before + 20)
        assert station.links == ["up"]
        assert station.problems == []
        assert len(small.starts) == 1


async def test_a_board_that_stops_sampling_but_answers_is_started_again(link: Path) -> None:
    station, small = Station(), SmallBoard()
    async with on_pty(small, link), alive(serial_url(link), station, timing=replace(QUICK, given_up_after=10.0)):
        await station.until(lambda: len(station.blocks) >= 5)
        small.streaming.clear()
        seen = len(station.blocks)
        await station.until(lambda: len(station.blocks) >= seen + 5)
    assert station.links == ["up", "closed"]


async def test_a_board_blinks_on_request_and_says_why_when_it_does_not(link: Path) -> None:
    station, small = Station(), SmallBoard()
    async with on_pty(small, link), alive(serial_url(link), station) as board:
        assert await board.identify() == "board left is not connected"
        await station.until(lambda: len(station.blocks) >= 3)
        assert await board.identify(seconds=3) is None
        small.result = 4
        assert await board.tare(samples=100) == "board left refuses it with 4"
        small.is_deaf = True
        assert "left" in str(await board.identify())
    assert small.blinks == [3]


async def test_nobody_is_waited_for_when_the_life_ends_while_the_port_is_absent(link: Path) -> None:
    station = Station()
    async with alive(serial_url(link), station, timing=Timing(back_off=1000.0, back_off_most=1000.0)):
        await station.raised("board_absent")
    assert station.links == []


@pytest.mark.parametrize("url", ["serial://ttyUSB0", "tcp://host", "ble://AA", "serial:///dev/ttyUSB0?boud=9600"])
def test_a_wrong_url_is_refused_before_anything_is_opened(url: str) -> None:
    station = Station()
    with pytest.raises(ValueError, match=url.partition(":")[0]):
        Board(BoardConfig(id="left", url=url), station, station.problem)

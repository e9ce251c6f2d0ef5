"""What every driver must do, whatever it speaks. Each test says in its cell of docs/drivers.md what it found."""

from __future__ import annotations

import asyncio
import contextlib
import time
from bisect import bisect
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path
from random import Random
from statistics import fmean

import pytest

from firmware_bridge.device_commander import DeviceCommander
from firmware_bridge.drivers import make_driver
from firmware_bridge.link import Chunk
from firmware_bridge.messages import Identity, Message, SampleBlock
from protocols.framing import MAX_FRAME
from simulators.impairments import Duplicate, Impairments, Loss
from simulators.pty_port import PtyPort
from simulators.pump import Pump
from simulators.twin import Twin
from tests.conformance import table
from tests.conformance.cases import CASES, ZERO_N, Case
from tests.conformance.lives import Life, alive, instants, restart
from tests.conformance.virtual_time import BEGIN, run

Says = Callable[[str], None]
EVEN = 0.05  # of a step; what a clock that is steered may do in its first seconds, and a little
BOUND = 1024  # bytes that a driver may hold of what is not whole


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Run every test that asks for a case once a driver."""
    if "case" in metafunc.fixturenames:
        metafunc.parametrize("case", CASES, ids=str)


@pytest.fixture
def cell(record_property: Callable[[str, object], None]) -> Says:
    """Says what stands in this test's cell instead of yes."""
    return lambda text: record_property("cell", text)


def rows(messages: list[Message]) -> list[tuple[int, ...]]:
    return [row for message in messages if isinstance(message, SampleBlock) for row in message.rows]


def times(messages: list[Message]) -> list[float]:
    return [t for message in messages if isinstance(message, SampleBlock) for t in message.times]


def streamed(case: Case, *, seconds: float = 6.0) -> list[Chunk]:
    """What came over a link on which a device of this kind lived undisturbed for some seconds."""

    async def life() -> list[Chunk]:
        async with alive(case) as living:
            await living.until(lambda: bool(living.samples))
            await living.more(seconds)
            return list(living.socket.heard)

    return run(life())


def read(case: Case, chunks: list[Chunk]) -> list[Message]:
    reader = make_driver(case.config()).reader
    reader.link_up()
    return [message for chunk in chunks for message in reader.feed(chunk)]


def is_part(some: list[tuple[int, ...]], whole: list[tuple[int, ...]]) -> bool:
    """Whether some rows stand in the same order among all of them."""
    left = iter(whole)
    return all(any(row == each for each in left) for row in some)


# -- bytes


def test_golden_bytes_in(case: Case) -> None:
    chunks = [Chunk(BEGIN, case.said)]
    assert tuple(rows(read(case, chunks))) == case.rows


def test_golden_bytes_out(case: Case, cell: Says) -> None:
    commander = make_driver(case.config()).commander
    said: dict[str, bytes | None] = {"who": commander.who()}
    identity = next((m for m in read(case, [Chunk(BEGIN, case.said)]) if isinstance(m, Identity)), None)
    assert identity is not None
    if isinstance(commander, DeviceCommander):
        start = commander.start(identity, rate_hz=None, batch=None)
        said["start"] = start.data if start is not None else None
    for name, command in (
        ("stop", commander.stop(0)),
        ("tare", commander.tare(0, samples=50)),
        ("identify", commander.identify(0, seconds=5)),
    ):
        said[name] = command.data if command is not None else None
    assert said == case.told
    cell("yes" if any(case.told.values()) else "cannot be told anything")


def test_any_chunking(case: Case, cell: Says) -> None:
    chunks = streamed(case)
    whole = read(case, chunks)
    random = Random(7)
    cut = []
    for chunk in chunks:
        at = 0
        while at < len(chunk.data):
            size = len(chunk.data) if case.whole else random.randrange(1, 9)
            cut.append(Chunk(chunk.received_at, chunk.data[at : at + size]))
            at += size
    assert read(case, cut) == whole
    if case.whole:
        cell("whole notifications")
        return
    joined = [
        Chunk(chunks[k].received_at, b"".join(each.data for each in chunks[k : k + 5]))
        for k in range(0, len(chunks), 5)
    ]
    assert rows(read(case, joined)) == rows(whole)


def test_junk(case: Case, cell: Says) -> None:
    chunks = streamed(case)
    clean = rows(read(case, chunks))
    driver = make_driver(case.config())
    driver.reader.link_up()
    random = Random(3)
    half = len(chunks) // 2
    found = [m for chunk in chunks[:half] for m in driver.reader.feed(chunk)]
    before = len(rows(found))
    noise = b"".join(random.randbytes(200) + b"\n" for _ in range(500))
    for at in range(0, len(noise), 100):
        found += driver.reader.feed(Chunk(chunks[half].received_at, noise[at : at + 100]))
    after = [m for chunk in chunks[half:] for m in driver.reader.feed(chunk)]
    if case.every_byte_is_a_sample:
        cell("taken for samples: every byte is one")
        return
    assert len(rows(found)) == before
    counters = driver.reader.counters
    assert counters.junk + counters.malformed + counters.unknown + counters.damaged > 0
    missing = len(clean) - before - len(rows(after))
    assert 0 <= missing <= 4, "a whole frame at the seam, and what it takes to be in step again"
    assert is_part(rows(after), clean)


def test_bounded_memory(case: Case) -> None:
    config = case.config()
    reader = make_driver(config).reader
    reader.link_up()
    held = []
    for noise in (bytes(100_000), b"\xff" * 100_000, b"1;2" * 30_000, Random(1).randbytes(100_000).replace(b"\n", b"")):
        for at in range(0, len(noise), 1000):
            reader.feed(Chunk(BEGIN, noise[at : at + 1000]))
            inner = getattr(reader, "_dialect", None) or reader._decoder  # type: ignore[attr-defined]
            held.append(inner.buffered)
    assert max(held) <= min(BOUND, MAX_FRAME)


# -- the wire


def test_loss(case: Case, cell: Says) -> None:
    chunks = streamed(case, seconds=12.0)
    clean = rows(read(case, chunks))
    lossy = Impairments((Loss(0.03, seed=5),))
    driver = make_driver(case.config())
    driver.reader.link_up()
    kept = list(chunks[:3]) + lossy(chunks[3:])
    found = [m for chunk in kept for m in driver.reader.feed(chunk)]
    assert len(rows(found)) < len(clean)
    if not case.every_byte_is_a_sample:  # those are summed up
        assert is_part(rows(found), clean)
    assert all(a < b for a, b in pairwise(times(found)))
    if driver.capabilities.has_clock:
        assert driver.reader.counters.lost > 0
        cell("counted")
    else:
        cell("seen from 80 ms on")


def test_repeats(case: Case, cell: Says) -> None:
    chunks = streamed(case)
    twice = Impairments((Duplicate(0.05, seed=2),))(chunks)
    driver = make_driver(case.config())
    driver.reader.link_up()
    found = [m for chunk in twice for m in driver.reader.feed(chunk)]
    assert all(a < b for a, b in pairwise(times(found)))
    if not driver.capabilities.has_clock:
        cell("taken for samples: nothing tells them apart")
        return
    assert rows(found) == rows(read(case, chunks))
    assert driver.reader.counters.repeated > 0


def test_a_gap_without_a_clock(case: Case, cell: Says) -> None:
    """A device that only counts: half a second is lost on a link that stays open."""
    driver = make_driver(case.config())
    if driver.capabilities.has_clock:
        cell("has a clock")
        return
    chunks = streamed(case, seconds=20.0)
    middle = chunks[0].received_at + 14.0
    driver.reader.link_up()
    kept = [chunk for chunk in chunks if not middle <= chunk.received_at < middle + 0.5]
    found = [m for chunk in kept for m in driver.reader.feed(chunk)]
    usual = dict(zip(times(read(case, chunks)), rows(read(case, chunks)), strict=True))
    assert 0.4 <= driver.reader.counters.lost / (len(usual) / 20.0) <= 0.6
    last = [m for m in found if isinstance(m, SampleBlock)][-1]
    assert last.times[-1] == pytest.approx(max(usual), abs=0.01)
    assert sum(isinstance(m, Identity) and m.restarted for m in found) == 1, "the position is not known any more"


# -- time


def test_wrap(case: Case, cell: Says) -> None:
    """Every clock starts three seconds before it wraps."""
    driver = make_driver(case.config())
    found = times(read(case, streamed(case, seconds=8.0)))
    steps = [b - a for a, b in pairwise(found)]
    usual = sorted(steps)[len(steps) // 2]
    assert found[-1] - found[0] >= 8.0
    assert min(steps) > 0.0
    if driver.capabilities.has_clock:  # a half line or two may be missing, no more, and nothing is fitted anew
        assert all(1 <= round(step / usual) <= 3 for step in steps)
        assert all(abs(step / usual - round(step / usual)) <= EVEN for step in steps)
    cell("yes" if driver.capabilities.has_clock else "has no clock")


def test_times(case: Case, cell: Says) -> None:
    """Samples are placed where they were taken, as well as the driver says."""

    async def life() -> tuple[list[float], list[float], float]:
        async with alive(case) as living:
            await living.until(lambda: bool(living.samples))
            await living.more(20.0)
            found = living.times
            return found, instants(living.socket.device, len(found) + 200), living.reader.clocks[0].uncertainty

    found, true, uncertainty = run(life())
    errors = []
    for t in found[len(found) // 2 :]:
        near = bisect(true, t)
        errors.append(min(abs(t - true[k]) for k in (near - 1, near) if 0 <= k < len(true)))
    assert max(errors) <= 2.0 * uncertainty
    assert max(errors) <= 0.010
    cell(f"to {1000.0 * uncertainty:.1f} ms")


# -- a board's life


def test_restart(case: Case, cell: Says) -> None:
    async def life() -> Life:
        async with alive(case) as living:
            await living.until(lambda: bool(living.samples))
            await living.more(5.0)
            restart(living.socket.device)
            await living.more(5.0)
        return living

    living = run(life())
    assert all(a < b for a, b in pairwise(living.times))
    gaps = sum(b - a > 0.25 for a, b in pairwise(living.times))
    assert 1 <= gaps <= (2 if make_driver(case.config()).capabilities.answers_after else 1), "asked, it pauses again"
    cell("told" if any(identity.restarted for identity in living.identities) else "goes on")


def test_reconnect(case: Case) -> None:
    async def life() -> None:
        async with alive(case) as living:
            await living.until(lambda: bool(living.samples))
            await living.more(2.0)
            await living.socket.pulled(2.0)
            await living.more(2.0)
            assert living.socket.opened >= 2
            assert living.links[0] == "up"
            assert living.links[2:] == ["up"]
            assert all(a < b for a, b in pairwise(living.times))
            gaps = [b - a for a, b in pairwise(living.times) if b - a > 1.5]
            assert len(gaps) == 1, "and what the link did not carry is a gap"
            assert {problem.name for problem in living.problems} == {"link_lost"}
            assert not living.problems[-1].raised

    run(life())


def test_orderly_close(case: Case, cell: Says) -> None:
    async def life() -> Life:
        async with alive(case) as living:
            await living.until(lambda: bool(living.samples))
            await living.more(1.0)
        return living

    living = run(life())
    assert living.links == ["up", "closed"]
    if make_driver(case.config()).capabilities.stops:
        assert case.is_told(living.socket.told[-1], "stop")
        device = living.socket.device
        device.chunks(living.times[-1] + 5.0)
        assert not isinstance(device, Twin) or not device.is_streaming
        cell("is stopped")
    else:
        assert living.socket.told == []
        cell("streams on: cannot be stopped")


def test_unplugged_in_mid_frame(case: Case, cell: Says) -> None:
    if case.every_byte_is_a_sample:
        cell("a byte is a whole sample")
        return

    async def life() -> Life:
        async with alive(case) as living:
            await living.until(lambda: bool(living.samples))
            await living.more(3.0)
            living.socket.opens_in_mid_frame = not case.whole
            for _ in range(8):
                living.socket.cut_next = True
                await living.until(lambda: not living.socket.is_plugged)
                await living.socket.pulled(1.0)
                await living.more(1.0)
        return living

    living = run(life())
    assert living.socket.opened == 9
    assert all(a < b for a, b in pairwise(living.times))
    assert is_part(rows(living.messages), rows(read(case, living.socket.said))), "no row was made up of halves"


def test_tare(case: Case, cell: Says) -> None:
    async def life() -> None:
        async with alive(case) as living:
            await living.until(lambda: bool(living.samples))
            await living.more(1.0)
            before = len(living.socket.told)
            answer = await living.board.tare(samples=20)
            if case.told["tare"] is None:
                assert answer is not None
                assert "no tare of its own" in answer
                assert len(living.socket.told) == before
                cell("has none, says so")
                return
            assert answer is None
            assert sum(case.is_told(told, "tare") for told in living.socket.told[before:]) == 1, "not tared twice"
            assert fmean(living.values[:40]) == pytest.approx(ZERO_N, abs=1.0)
            await living.more(0.5)
            assert fmean(living.values[-10:]) == pytest.approx(0.0, abs=1.0)

    run(life())


def test_identify_the_right_one_of_two(case: Case, cell: Says) -> None:
    async def life() -> None:
        async with alive(case, name="left") as left, alive(case, name="right") as right:
            await left.until(lambda: bool(left.samples and right.samples))
            told = [len(living.socket.told) for living in (left, right)]
            answer = await right.board.identify(seconds=3)
            asked = [living.socket.told[count:] for living, count in zip((left, right), told, strict=True)]
            if case.told["identify"] is None:
                assert asked == [[], []]
                assert answer is not None
                assert "cannot show itself" in answer
                assert "right" in answer
                cell("cannot, says so")
                return
            assert answer is None
            assert [sum(case.is_told(data, "identify") for data in each) for each in asked] == [0, 1]
            assert getattr(right.socket.device, "identifying", False)
            assert not getattr(left.socket.device, "identifying", True)

    run(life())


def test_real_link(case: Case, cell: Says, tmp_path: Path) -> None:
    """The same over the link that its device really has."""
    cell(case.real_link)
    if case.whole:
        assert run(_heard_in_memory(case)) >= 40
        return
    asyncio.run(_over_a_pty(case, tmp_path / "port"))


async def _heard_in_memory(case: Case) -> int:
    async with alive(case) as living:
        await living.until(lambda: living.samples >= 40)
        return living.samples


async def _over_a_pty(case: Case, name: Path) -> None:
    port = PtyPort(Pump(case.device(now=time.monotonic())), link=name)
    until = asyncio.Event()
    serving = asyncio.create_task(port.run(until=until), name="serve")
    living = Life(case.config(url=f"serial://{name}"))
    life = asyncio.create_task(living.board.run(), name="life")
    try:
        await living.until(lambda: living.samples >= 40)
    finally:
        life.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await life
        until.set()
        await serving
    assert living.problems == []
    assert all(a < b for a, b in pairwise(living.times))


def test_the_table_in_the_docs_is_what_the_suite_finds(cells: table.Cells) -> None:
    assert table.committed() == table.render(cells), "run python -m tests.conformance"

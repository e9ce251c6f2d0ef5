"""The reference firmware on its pseudo-terminal, under the host's real serial link."""

from __future__ import annotations

import asyncio
import subprocess
import time
from dataclasses import replace
from itertools import pairwise
from pathlib import Path
from random import Random

import pytest

from firmware_bridge.board_session import Timing
from protocols import cablelink
from protocols.cablelink import Ack, AckResult, Info, Message, Pong, Samples, SampleStatus, Status
from protocols.framing import MAX_BODY, FrameDecoder, encode
from simulators.gym import session_board
from simulators.scenarios import SCENARIOS, Session
from simulators.virtual_board import VirtualBoard
from tests.firmware.wire import running, wired
from tests.firmware_bridge.test_board import Station, alive

WRAP = 1 << 32
COMMANDS: list[Message] = [
    cablelink.GetInfo(),
    cablelink.GetInfo(source=1),
    cablelink.Ping(host_ns=(1 << 64) - 2),
    cablelink.Start(rate_hz=0),
    cablelink.Start(rate_hz=100, batch=0),
    cablelink.Start(rate_hz=100, channel_mask=0xF0),
    cablelink.Start(rate_hz=100, source=4),
    cablelink.Tare(mask=2, samples=0),
    cablelink.Tare(mask=0xF0, samples=1),
    cablelink.Tare(mask=0xFF, samples=5),
    cablelink.Start(rate_hz=200, batch=2),
    cablelink.Stop(),
    cablelink.SetParam(id=3, value=(1 << 32) - 1),
    cablelink.GetParam(id=3),
    cablelink.GetParam(id=15),
    cablelink.GetParam(id=16),
    cablelink.SetParam(id=255, value=1),
    cablelink.Identify(seconds=3),
    cablelink.Unknown(type=0x99, payload=b"later"),
    cablelink.Unknown(type=0x00),
    cablelink.Status(),
    cablelink.Reboot(),
]


@pytest.fixture
def link(tmp_path: Path) -> Path:
    return tmp_path / "board"


def options(**given: object) -> list[str]:
    return [word for name, value in given.items() for word in (f"--{name}", str(value))]


def rows_of(messages: list[Message]) -> list[tuple[int, ...]]:
    return [row for message in messages if isinstance(message, Samples) for row in message.rows]


def virtual_board() -> VirtualBoard:
    board = session_board(Session(SCENARIOS["iso_lateral_row"].but(reps=1)))
    board.advance(0.1)
    return board


def is_samples(said: Message) -> bool:
    return isinstance(said, Samples)


@pytest.mark.parametrize(("rate", "seconds"), [(10, 0.5), (100, 0.5), (1000, 0.5), (8000, 1.0)])
async def test_a_board_is_identified_started_read_and_stopped_and_no_sample_is_missing(
    either_firmware: Path, link: Path, rate: int, seconds: float
) -> None:
    station = Station()
    with running(either_firmware, link, *options(rate=rate, signal="ramp")):
        async with alive(f"serial://{link}", station, timing=Timing()):
            await station.until(lambda: sum(len(block.rows) for block in station.blocks) >= rate * seconds)
        counters = station.reader.counters
        async with wired(link) as wire:  # STOP was its last word
            await wire.ask(cablelink.GetInfo())
            await wire.until(lambda said: isinstance(said, Status))
            assert wire.of(Samples) == []
    rows = [row for block in station.blocks for row in block.rows]
    assert rows == [(k, 2 * k, 3 * k, 4 * k) for k in range(len(rows))]
    times = [t for block in station.blocks for t in block.times]
    assert times == sorted(set(times))
    assert times[-1] - times[0] == pytest.approx((len(rows) - 1) / rate, rel=0.05)
    assert (counters.lost, counters.damaged, counters.malformed, counters.unknown) == (0, 0, 0, 0)
    assert station.problems == []
    assert station.links == ["up", "closed"]


async def test_info_says_what_the_board_is(firmware: Path, link: Path) -> None:
    with running(firmware, link, *options(rate=1000, channels=2)):
        async with wired(link) as wire:
            _, heard = await wire.ask(cablelink.GetInfo())
    info = next(said for said in heard if isinstance(said, Info))
    assert (info.major, info.minor, info.max_body) == (cablelink.MAJOR, cablelink.MINOR, MAX_BODY)
    assert (info.rate_hz, info.batch, info.model) == (1000, 10, "reference cable board")
    assert [(c.kind, c.side, c.unit) for c in info.channels] == [(1, 1, 1), (2, 1, 2)]


async def test_every_command_is_answered_as_the_virtual_board_answers_it(firmware: Path, link: Path) -> None:
    virtual, decoder = virtual_board(), FrameDecoder()
    with running(firmware, link):
        async with wired(link) as wire:
            for sequence, command in enumerate(COMMANDS, start=1):
                ack, heard = await wire.ask(command)
                virtual.receive(encode(replace(command, sequence=sequence).to_body()))
                expected = [cablelink.decode(body) for body in decoder.feed(virtual.advance(0.1))]
                answer = next(said for said in expected if isinstance(said, Ack))
                assert (ack.command, ack.result, ack.value) == (answer.command, answer.result, answer.value), command
                assert [said.host_ns for said in heard if isinstance(said, Pong)] == [
                    said.host_ns for said in expected if isinstance(said, Pong)
                ]


async def test_a_command_that_is_too_short_is_a_bad_argument_and_less_than_a_header_is_nothing(
    firmware: Path, link: Path
) -> None:
    with running(firmware, link):
        async with wired(link) as wire:
            await wire.send(encode(cablelink.GetInfo(sequence=77).to_body()[:7]))
            await wire.send(encode(cablelink.Start(sequence=78, rate_hz=100).to_body()[:9]))
            await wire.ask(cablelink.GetParam(id=0))
            acks = [(said.of_sequence, said.result) for said in wire.of(Ack) if isinstance(said, Ack)]
    assert acks == [(78, AckResult.BAD_ARGUMENT), (1, AckResult.DONE)]


async def test_bytes_beyond_a_commands_end_change_nothing(firmware: Path, link: Path) -> None:
    with running(firmware, link):
        async with wired(link) as wire:
            await wire.send(encode(cablelink.SetParam(sequence=50, id=1, value=7).to_body() + b"later"))
            ack, _ = await wire.ask(cablelink.GetParam(id=1))
    assert ack.value == 7


async def test_a_repeated_command_is_answered_again_and_takes_effect_once(firmware: Path, link: Path) -> None:
    with running(firmware, link) as board:
        async with wired(link) as wire:
            for _ in range(3):
                ack, _ = await wire.ask(cablelink.Identify(seconds=5), repeated=900)
                assert ack.result == AckResult.DONE
            await wire.ask(cablelink.SetParam(id=1, value=5), repeated=901)
            await wire.ask(cablelink.SetParam(id=1, value=6), repeated=902)
            again, _ = await wire.ask(cablelink.SetParam(id=1, value=5), repeated=901)
            assert (again.result, again.value) == (AckResult.DONE, 5)
            now, _ = await wire.ask(cablelink.GetParam(id=1))
            assert now.value == 6
            other, _ = await wire.ask(cablelink.SetParam(id=1, value=8), repeated=902)  # no repeat: other bytes
            assert other.value == 8
    assert board.complaints == "identify 5\n"


async def test_a_sequence_that_comes_round_again_is_a_new_command(firmware: Path, link: Path) -> None:
    with running(firmware, link, "--ppm", "9000000") as board:
        async with wired(link) as wire:
            await wire.ask(cablelink.Identify(seconds=5), repeated=900)
            first = wire.said[-1].t_us
            await wire.until(lambda said: (said.t_us - first) % WRAP > 2_100_000)
            await wire.ask(cablelink.Identify(seconds=5), repeated=900)
    assert board.complaints == "identify 5\n" * 2


async def test_a_reboot_gives_a_new_boot_a_fresh_clock_and_no_stream(firmware: Path, link: Path) -> None:
    with running(firmware, link):
        async with wired(link) as wire:
            _, heard = await wire.ask(cablelink.GetInfo())
            before = next(said for said in heard if isinstance(said, Info))
            await wire.ask(cablelink.SetParam(id=2, value=7))
            await wire.ask(cablelink.Start(rate_hz=1000, batch=10))
            await wire.until(is_samples)
            await wire.ask(cablelink.Reboot())
            later = await wire.until(lambda said: isinstance(said, Status))
            kept, _ = await wire.ask(cablelink.GetParam(id=2))
    after = next(said for said in later if isinstance(said, Info))
    assert after.boot_id != before.boot_id
    assert after.uid == before.uid
    assert after.sequence == 0
    assert (after.t_us - (WRAP - 3_000_000)) % WRAP < 100_000
    assert not any(is_samples(said) for said in later[later.index(after) :])
    assert kept.value == 0


async def test_the_boards_life_goes_on_over_a_reboot_and_the_stream_is_started_again(
    firmware: Path, link: Path
) -> None:
    station = Station()
    with running(firmware, link):
        async with alive(f"serial://{link}", station, timing=Timing()) as board:
            await station.until(lambda: len(station.blocks) >= 5)
            assert board._session is not None
            await board._session._send(encode(cablelink.Reboot(sequence=60_000).to_body()))
            await station.until(lambda: any(identity.restarted for identity in station.identities))
            heard = len(station.blocks)
            await station.until(lambda: len(station.blocks) >= heard + 20)
    assert len({identity.boot_id for identity in station.identities}) == 2
    times = [t for block in station.blocks for t in block.times]
    assert times == sorted(set(times))


async def test_two_starts_of_the_program_are_two_boots(firmware: Path, link: Path) -> None:
    seen = set()
    for _ in range(2):
        with running(firmware, link):
            async with wired(link) as wire:
                _, heard = await wire.ask(cablelink.GetInfo())
                seen.add(next(said.boot_id for said in heard if isinstance(said, Info)))
    assert len(seen) == 2


async def test_the_clock_starts_three_seconds_before_its_wrap_and_samples_run_over_it(
    firmware: Path, link: Path
) -> None:
    with running(firmware, link, "--ppm", "9000000"):
        async with wired(link) as wire:
            await wire.ask(cablelink.Start(rate_hz=1000, batch=10))
            await wire.until(lambda said: is_samples(said) and 1_000_000 < said.t_us < 2_000_000)
            blocks = [said for said in wire.said if isinstance(said, Samples)]
    assert blocks[0].t_us > WRAP - 3_000_000
    assert {(b.t_us - a.t_us) % WRAP for a, b in pairwise(blocks)} <= {9_999, 10_000, 10_001}
    assert {block.dt_us for block in blocks} == {1000}


@pytest.mark.parametrize(("rate", "batch", "dt"), [(1000, 1, {0}), (3000, 30, {333}), (8000, 255, {125})])
async def test_the_step_is_the_clocks_and_a_batch_is_what_fits(
    firmware: Path, link: Path, rate: int, batch: int, dt: set[int]
) -> None:
    with running(firmware, link):
        async with wired(link) as wire:
            await wire.ask(cablelink.Start(rate_hz=rate, batch=batch))
            for _ in range(10):
                await wire.until(is_samples)
            blocks = [said for said in wire.said if isinstance(said, Samples)]
    assert {block.dt_us for block in blocks} == dt
    assert {len(block.rows) for block in blocks} == {min(batch, (MAX_BODY - 16) // 16)}
    assert all(len(block.to_body()) <= MAX_BODY for block in blocks)


async def test_a_mask_chooses_channels_in_their_order(firmware: Path, link: Path) -> None:
    with running(firmware, link, *options(signal="ramp")):
        async with wired(link) as wire:
            await wire.ask(cablelink.Start(rate_hz=1000, batch=10, channel_mask=0b1010))
            await wire.until(is_samples)
    assert rows_of(wire.said) == [(2 * k, 4 * k) for k in range(len(rows_of(wire.said)))]


async def test_a_tare_is_answered_at_once_is_busy_meanwhile_and_done_when_its_bit_clears(
    firmware: Path, link: Path
) -> None:
    with running(firmware, link, *options(signal="rest")):
        async with wired(link) as wire:
            await wire.ask(cablelink.Start(rate_hz=1000, batch=10))
            await wire.until(is_samples)
            assert rows_of(wire.said)[0] == (84_713, 1250, 84_713, 1250)
            done, _ = await wire.ask(cablelink.Tare(mask=0b0011, samples=100))
            busy, _ = await wire.ask(cablelink.Tare(mask=0b0100, samples=1))
            await wire.until(lambda said: isinstance(said, Samples) and bool(said.status & SampleStatus.TARE_ACTIVE))
            after = await wire.until(
                lambda said: isinstance(said, Samples) and not said.status & SampleStatus.TARE_ACTIVE
            )
    assert (done.result, busy.result) == (AckResult.DONE, AckResult.BUSY)
    assert rows_of(after)[-1] == (84_213, 0, 84_713, 1250)


async def test_a_tare_while_nothing_streams_is_done_at_once_and_a_stop_ends_one(firmware: Path, link: Path) -> None:
    with running(firmware, link, *options(signal="rest")):
        async with wired(link) as wire:
            await wire.ask(cablelink.Tare(mask=0xFF, samples=500))
            await wire.ask(cablelink.Start(rate_hz=1000, batch=10))
            await wire.until(is_samples)
            await wire.ask(cablelink.Tare(mask=0xFF, samples=60_000))
            await wire.ask(cablelink.Stop())
            again, _ = await wire.ask(cablelink.Tare(mask=0xFF, samples=1))
    assert rows_of(wire.said)[0] == (84_213, 0, 84_213, 0)
    assert again.result == AckResult.DONE


async def test_status_comes_each_second_of_the_board(firmware: Path, link: Path) -> None:
    with running(firmware, link, "--ppm", "9000000"):
        async with wired(link) as wire:
            for _ in range(4):
                await wire.until(lambda said: isinstance(said, Status))
            times = [said.t_us for said in wire.of(Status)]
    assert all((b - a) % WRAP == pytest.approx(1_000_000, abs=300_000) for a, b in pairwise(times))


async def test_sequences_have_no_gap_whatever_is_said(firmware: Path, link: Path) -> None:
    with running(firmware, link):
        async with wired(link) as wire:
            await wire.ask(cablelink.Start(rate_hz=8000, batch=30))
            for _ in range(20):
                await wire.ask(cablelink.Ping(host_ns=1))
            await wire.until(lambda said: isinstance(said, Status))
    sequences = [said.sequence for said in wire.said]
    assert {(b - a) % 65536 for a, b in pairwise(sequences)} == {1}


async def test_what_a_line_that_stands_still_does_not_take_is_counted_and_said(firmware: Path, link: Path) -> None:
    with running(firmware, link, *options(signal="ramp")):
        async with wired(link) as wire:
            await wire.ask(cablelink.Start(rate_hz=8000, batch=30))
            time.sleep(2.0)  # noqa: ASYNC251 - nobody reads: 270 kB come, and board and terminal hold 140 or so
            await wire.until(lambda said: isinstance(said, Samples) and bool(said.status & SampleStatus.OVERRUN))
            for _ in range(2):  # the second one was said after the line moved again
                await wire.until(lambda said: isinstance(said, Status) and said.samples_lost > 0)
            lost = [said.samples_lost for said in wire.said if isinstance(said, Status)]
            await wire.until(is_samples)
    firsts = [row[0] for row in rows_of(wire.said)]
    assert sum(b - a - 1 for a, b in pairwise(firsts)) == lost[-1]
    assert lost[-1] % 30 == 0
    assert wire.damaged == 0


async def test_junk_from_the_host_never_stops_the_board(firmware: Path, link: Path) -> None:
    random = Random(5)
    with running(firmware, link):
        async with wired(link) as wire:
            for size in (1, 10, 63, 64, 65, 300, 3000):
                await wire.send(random.randbytes(size) + b"\x01" * size + b"\0")
                assert (await wire.ask(cablelink.GetParam(id=0)))[0].result == AckResult.DONE
            await wire.send(encode(b"\x86" + bytes(300)))  # longer than the board's buffer
            assert (await wire.ask(cablelink.GetParam(id=0)))[0].value == 0


async def test_damaged_commands_are_not_answered(firmware: Path, link: Path) -> None:
    command = encode(cablelink.Identify(sequence=700, seconds=9).to_body())
    with running(firmware, link) as board:
        async with wired(link) as wire:
            for bit in range(8 * (len(command) - 1)):
                hit = bytearray(command)
                hit[bit // 8] ^= 1 << bit % 8
                await wire.send(bytes(hit) + b"\0")
            await wire.ask(cablelink.GetInfo())
            acks = [said.of_sequence for said in wire.of(Ack) if isinstance(said, Ack)]
    assert acks == [1]
    assert board.complaints == ""


async def test_commands_that_come_together_or_byte_by_byte_are_all_answered_in_order(
    firmware: Path, link: Path
) -> None:
    stream = b"".join(encode(cablelink.SetParam(sequence=k, id=0, value=k).to_body()) for k in range(1, 21))
    with running(firmware, link):
        async with wired(link) as wire:
            await wire.send(stream)
            for byte in stream:
                await wire.send(bytes((byte,)))
                await asyncio.sleep(0)
            ack, _ = await wire.ask(cablelink.GetParam(id=0), repeated=99)
            acks = [said.of_sequence for said in wire.of(Ack) if isinstance(said, Ack)]
    assert acks == [*range(1, 21), *range(1, 21), 99]
    assert ack.value == 20


def test_the_program_ends_with_its_parent_and_takes_its_link_away(firmware: Path, link: Path) -> None:
    with running(firmware, link) as board:
        assert str(link.readlink()).startswith("/dev/")
    assert board.process.returncode == 0


def test_a_file_is_never_replaced_by_a_link(firmware: Path, link: Path) -> None:
    link.write_text("mine")
    done = subprocess.run(
        [firmware, "--until-eof", "--link", link],
        stdin=subprocess.DEVNULL,
        capture_output=True,
        timeout=20,
        check=False,
    )
    assert done.returncode == 1
    assert b"exists" in done.stderr
    assert link.read_text() == "mine"


@pytest.mark.parametrize("words", [["--rate", "0"], ["--rate", "10001"], ["--channels", "5"], ["--link"], ["--what"]])
def test_wrong_options_are_a_usage_line(firmware: Path, words: list[str]) -> None:
    done = subprocess.run([firmware, *words], stdin=subprocess.DEVNULL, capture_output=True, timeout=20, check=False)
    assert done.returncode == 2
    assert b"usage" in done.stderr

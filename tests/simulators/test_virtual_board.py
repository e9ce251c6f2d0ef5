"""The virtual board: what it says, what it answers, and that time alone decides."""

from __future__ import annotations

from typing import TypeVar

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from protocols import cablelink
from protocols.cablelink import Ack, AckResult, Info, Message, Pong, Samples, SampleStatus, Status
from protocols.framing import encode
from simulators.gym import session_board, two_boards
from simulators.memory_link import chunks_of
from simulators.scenarios import SCENARIOS, Scenario, Session, simulate
from simulators.sensor_faults import Saturate, Stuck
from simulators.sources import SessionSource
from simulators.virtual_board import VirtualBoard
from tests.simulators.wire import frame, messages, start

ROW = SCENARIOS["iso_lateral_row"].but(reps=3)
SHARED = Session(ROW)


def board(**changes: object) -> VirtualBoard:
    return session_board(SHARED, **changes)  # type: ignore[arg-type]  # named as there


T = TypeVar("T", bound=Message)


def of_type(kind: type[T], said: list[Message]) -> list[T]:
    return [message for message in said if isinstance(message, kind)]


def answers(device: VirtualBoard, message: Message) -> list[Message]:
    device.receive(frame(message))
    return messages([device.advance(device.host_time)])


def samples_of(said: list[Message]) -> list[tuple[int, ...]]:
    return [row for message in of_type(Samples, said) for row in message.rows]


def test_the_stream_decoded_gives_the_samples_back() -> None:
    scenario: Scenario = ROW.but(tail_s=0.5)
    played = simulate(scenario)
    session = Session(scenario)
    chunks = chunks_of(session_board(session), [(0.5, start(rate_hz=100, batch=5))], until=0.5 + session.duration)
    said = messages(chunks)
    info = of_type(Info, said)[0]
    rows = samples_of(said)
    assert len(rows) >= len(played.samples) - 5
    for sample, row in zip(played.samples, rows, strict=False):
        values = [(count - c.offset) * c.scale for count, c in zip(row, info.channels, strict=True)]
        assert values == pytest.approx(sample[1:], abs=1e-9)
    times = [m.t_us for m in of_type(Samples, said)]
    unwrapped = np.unwrap(np.array(times, dtype=np.float64), period=2.0**32)
    assert times != sorted(times)  # the clock wrapped on the way
    np.testing.assert_allclose(np.diff(unwrapped), 50_000.0, atol=1.0)
    assert {m.dt_us for m in of_type(Samples, said)} == {10_000}


def test_the_same_seed_gives_the_same_bytes() -> None:
    commands = [(0.2, start())]
    one, two = (chunks_of(board(), commands, until=5.0) for _ in range(2))
    assert one == two
    assert chunks_of(session_board(Session(ROW.but(seed=9))), commands, until=5.0) != one


@settings(max_examples=30, deadline=None)
@given(st.lists(st.floats(0.001, 0.5), min_size=1, max_size=20))
def test_how_often_the_time_is_told_is_no_matter(steps: list[float]) -> None:
    whole, cut = board(ppm=80.0), board(ppm=80.0)
    for device in (whole, cut):
        device.advance(0.1)
        device.receive(start(rate_hz=333, batch=4))
    now, pieces = 0.1, b""
    for step in steps:
        now += step
        pieces += cut.advance(now)
    assert pieces == whole.advance(now)


def test_a_block_leaves_after_its_last_sample() -> None:
    chunks = chunks_of(board(), [(1.0, start(rate_hz=100, batch=10))], until=3.0)
    samples = [c for c in chunks if isinstance(messages([c])[0], Samples)]
    assert samples[0].received_at == pytest.approx(1.09)
    assert samples[1].received_at == pytest.approx(1.19)


def test_a_fast_clock_takes_more_samples_in_the_same_time() -> None:
    slow = samples_of(messages(chunks_of(board(ppm=0.0), [(0.0, start(rate_hz=1000))], until=30.0)))
    fast = samples_of(messages(chunks_of(board(ppm=1000.0), [(0.0, start(rate_hz=1000))], until=30.0)))
    assert len(fast) - len(slow) == pytest.approx(30, abs=1)


def test_the_clock_starts_three_seconds_before_its_wrap() -> None:
    assert of_type(Info, messages([board().advance(0.0)]))[0].t_us == 2**32 - 3_000_000


def test_get_info_tells_what_it_told_at_its_start() -> None:
    device = board()
    first = of_type(Info, messages([device.advance(0.2)]))[0]
    said = answers(device, cablelink.GetInfo(sequence=7))
    again = of_type(Info, said)[0]
    assert (again.boot_id, again.channels, again.uid) == (first.boot_id, first.channels, first.uid)
    assert [(c.kind, c.side, c.unit) for c in again.channels] == [(2, 1, 2), (1, 1, 1), (2, 2, 2), (1, 2, 1)]
    assert (again.rate_hz, again.batch) == (100, 1)
    assert of_type(Ack, said)[0].of_sequence == 7


def test_a_ping_is_answered_with_its_time_and_the_boards() -> None:
    device = board()
    device.advance(10.0)
    pong = of_type(Pong, answers(device, cablelink.Ping(sequence=3, host_ns=123_456_789_012)))[0]
    assert pong.host_ns == 123_456_789_012
    assert pong.t_us == 7_000_000


def test_start_and_stop_begin_and_end_the_stream() -> None:
    device = board()
    device.advance(1.0)
    assert of_type(Samples, messages([device.advance(2.0)])) == []
    assert of_type(Ack, answers(device, cablelink.Start(sequence=1, rate_hz=200, batch=2)))[0].result == AckResult.DONE
    assert len(samples_of(messages([device.advance(3.0)]))) == pytest.approx(200, abs=2)
    assert of_type(Ack, answers(device, cablelink.Stop(sequence=2)))[0].result == AckResult.DONE
    assert of_type(Samples, messages([device.advance(4.0)])) == []


def test_a_second_start_goes_on_with_the_world_where_it_is() -> None:
    device = board()
    device.receive(start(1))
    device.advance(4.0)
    device.receive(start(2, rate_hz=50))
    device.advance(6.0)
    assert device.world_time == pytest.approx(6.0)


@pytest.mark.parametrize(
    ("command", "result"),
    [
        (cablelink.Start(rate_hz=0), AckResult.BAD_ARGUMENT),
        (cablelink.Start(rate_hz=100, batch=0), AckResult.BAD_ARGUMENT),
        (cablelink.Start(rate_hz=100, channel_mask=0xF0), AckResult.BAD_ARGUMENT),
        (cablelink.Start(rate_hz=100, source=4), AckResult.BAD_ARGUMENT),
        (cablelink.Tare(mask=2, samples=0), AckResult.BAD_ARGUMENT),
        (cablelink.GetParam(id=200), AckResult.BAD_ARGUMENT),
        (cablelink.Unknown(type=0x99), AckResult.UNKNOWN_COMMAND),
        (cablelink.Identify(seconds=3), AckResult.DONE),
        (cablelink.SetParam(id=3, value=9), AckResult.DONE),
    ],
)
def test_each_command_is_acknowledged_with_its_result(command: Message, result: AckResult) -> None:
    device = board()
    device.advance(0.1)
    ack = of_type(Ack, answers(device, command))[0]
    assert (ack.result, ack.command) == (result, command.to_body()[0])


def test_a_command_that_is_too_short_is_a_bad_argument() -> None:
    device = board()
    device.advance(0.1)
    body = cablelink.Start(sequence=5, rate_hz=100).to_body()[:9]
    device.receive(encode(body))
    ack = of_type(Ack, messages([device.advance(0.1)]))[0]
    assert (ack.of_sequence, ack.result) == (5, AckResult.BAD_ARGUMENT)


def test_a_damaged_command_is_not_answered() -> None:
    device = board()
    device.advance(0.1)
    device.receive(b"\x05\x82" + start()[3:] + b"junk\0")
    assert messages([device.advance(0.2)]) == []


def test_a_parameter_keeps_its_value() -> None:
    device = board()
    device.advance(0.1)
    answers(device, cablelink.SetParam(sequence=1, id=2, value=77))
    assert of_type(Ack, answers(device, cablelink.GetParam(sequence=2, id=2)))[0].value == 77


def test_a_repeated_command_is_answered_again_and_takes_effect_once() -> None:
    device = board()
    device.advance(0.1)
    first = of_type(Info, answers(device, cablelink.GetInfo()))[0]
    device.receive(frame(cablelink.Reboot(sequence=9)))
    device.advance(0.5)  # it is back
    second = of_type(Info, answers(device, cablelink.GetInfo(sequence=10)))[0]
    assert second.boot_id != first.boot_id
    answers(device, cablelink.SetParam(sequence=20, id=1, value=5))
    answers(device, cablelink.SetParam(sequence=21, id=1, value=6))
    again = answers(device, cablelink.SetParam(sequence=20, id=1, value=5))
    assert of_type(Ack, again)[0].result == AckResult.DONE
    assert of_type(Ack, answers(device, cablelink.GetParam(sequence=22, id=1)))[0].value == 6


def test_a_sequence_that_comes_round_again_is_a_new_command() -> None:
    device = board()
    device.advance(0.1)
    answers(device, cablelink.SetParam(sequence=20, id=1, value=5))
    answers(device, cablelink.SetParam(sequence=21, id=1, value=6))
    device.advance(5.0)
    answers(device, cablelink.SetParam(sequence=20, id=1, value=5))
    assert of_type(Ack, answers(device, cablelink.GetParam(sequence=22, id=1)))[0].value == 5


def test_a_restart_gives_a_new_boot_a_fresh_clock_and_a_new_home_and_no_stream() -> None:
    device = board()
    device.receive(start(1, rate_hz=100))
    top = SHARED.truth.reps[0].t_top + 0.1
    before = messages([device.advance(top)])
    row = samples_of(before)[-1]
    device.receive(frame(cablelink.Reboot(sequence=2)))
    device.receive(frame(cablelink.GetInfo(sequence=3)))  # it is deaf now
    after = messages([device.advance(top + 0.5)])
    assert isinstance(after[0], Ack)
    info = of_type(Info, after)
    assert len(info) == 1
    assert info[0].sequence == 0
    assert info[0].t_us == 2**32 - 3_000_000
    assert of_type(Samples, after) == []
    device.receive(start(1, rate_hz=100))
    later = samples_of(messages([device.advance(top + 0.6)]))
    scale = info[0].channels[0].scale
    assert row[0] * scale > 0.5
    assert abs(later[0][0] * scale) < 0.2  # an incremental encoder counts from where it was switched on
    assert abs(later[0][1] - row[1]) < 5000  # a load cell does not forget


def test_status_comes_each_second_with_the_samples_lost() -> None:
    device = board()
    device.samples_lost = 12
    said = of_type(Status, messages([device.advance(10.05)]))
    assert len(said) == 10
    assert {status.samples_lost for status in said} == {12}


def test_sequences_have_no_gap() -> None:
    said = messages(chunks_of(board(), [(0.1, start())], until=5.0))
    assert [m.sequence for m in said] == list(range(len(said)))


def test_a_body_never_exceeds_what_fits() -> None:
    said = messages(chunks_of(board(), [(0.1, start(rate_hz=1000, batch=255))], until=2.0))
    blocks = of_type(Samples, said)
    assert {len(block.rows) for block in blocks} == {30}
    assert len(blocks[0].to_body()) == 496


def test_a_mask_chooses_channels_in_their_order() -> None:
    whole = samples_of(messages(chunks_of(board(), [(0.1, start())], until=8.0)))
    some = samples_of(messages(chunks_of(board(), [(0.1, start(mask=0b1010))], until=8.0)))
    assert some == [(row[1], row[3]) for row in whole]


def test_a_tare_is_answered_at_once_and_done_when_its_bit_clears() -> None:
    session = Session(ROW.but(force_zero_n=60.0))
    device = session_board(session)
    device.receive(start(1))
    info = of_type(Info, messages([device.advance(1.0)]))[0]
    ack = of_type(Ack, answers(device, cablelink.Tare(sequence=2, mask=0b0010, samples=50)))[0]
    assert ack.result == AckResult.DONE
    busy = of_type(Ack, answers(device, cablelink.Tare(sequence=3, mask=0b0010, samples=50)))[0]
    assert busy.result == AckResult.BUSY
    blocks = of_type(Samples, messages([device.advance(2.5)]))
    active = [bool(block.status & SampleStatus.TARE_ACTIVE) for block in blocks]
    assert active.count(True) == pytest.approx(50, abs=1)
    assert active == sorted(active, reverse=True)
    force = [(block.rows[0][1] - info.channels[1].offset) * info.channels[1].scale for block in blocks]
    assert np.mean(force[:40]) == pytest.approx(60.0, abs=0.5)
    assert np.mean(force[60:]) == pytest.approx(0.0, abs=0.5)
    untouched = [(block.rows[0][3] - info.channels[3].offset) * info.channels[3].scale for block in blocks]
    assert np.mean(untouched) == pytest.approx(60.0, abs=0.5)


def test_a_railed_load_cell_says_so_in_the_status() -> None:
    device = session_board(SHARED, faults=[Saturate("right_force_n", 1.0, 0.5)])
    blocks = of_type(Samples, messages(chunks_of(device, [(0.0, start())], until=3.0)))
    railed = [bool(block.status & SampleStatus.FORCE_RIGHT_SATURATED) for block in blocks]
    assert railed.count(True) == 50
    assert railed.index(True) == 100
    assert not any(block.status & SampleStatus.FORCE_LEFT_SATURATED for block in blocks)


def test_a_stuck_channel_keeps_saying_the_same_and_the_others_go_on() -> None:
    first = SHARED.truth.reps[0].t_start
    device = session_board(SHARED, faults=[Stuck("left_position_m", first + 0.3, 0.4)])
    rows = samples_of(messages(chunks_of(device, [(0.0, start())], until=first + 2.0)))
    window = slice(int((first + 0.3) * 100) + 1, int((first + 0.7) * 100))
    assert len({row[0] for row in rows[window]}) == 1
    assert len({row[2] for row in rows[window]}) > 20


def test_two_boards_see_one_world_with_clocks_of_their_own() -> None:
    left, right = two_boards(SHARED, ppm=(50.0, -50.0))
    left.advance(1.0)
    right.advance(1.2)
    left.receive(start(1))
    left.advance(1.2)
    right.receive(start(1))
    left.advance(6.0)
    right.advance(6.0)
    assert left.world_time == pytest.approx(5.0)
    assert right.world_time == pytest.approx(5.0)
    assert {c.side for c in left.sources[0].channels} == {1}
    assert {c.side for c in right.sources[0].channels} == {2}


def test_a_hub_tells_of_all_its_sources_and_runs_each_for_itself() -> None:
    hub = VirtualBoard([SessionSource(SHARED, [name]) for name in ("left_force_n", "right_force_n")])
    hub.advance(0.1)
    said = answers(hub, cablelink.GetInfo(sequence=1))
    assert [info.source for info in of_type(Info, said)] == [0, 1]
    hub.receive(start(2, rate_hz=100, source=1))
    said = messages([hub.advance(1.0)])
    assert {block.source for block in of_type(Samples, said)} == {1}
    hub.receive(start(3, rate_hz=50, source=0))
    blocks = of_type(Samples, messages([hub.advance(2.0)]))
    counts = [sum(block.source == k for block in blocks) for k in (0, 1)]
    assert counts == pytest.approx([50, 100], abs=1)


def test_a_looped_session_begins_again() -> None:
    session = Session(ROW.but(reps=1, tail_s=1.0))
    device = session_board(session, loop=True)
    rows = samples_of(messages(chunks_of(device, [(0.0, start())], until=2.0 * session.duration)))
    top = session.truth.reps[0].t_top
    first, second = (int((top + k * session.duration) * 100) for k in (0, 1))
    assert rows[first][0] == pytest.approx(rows[second][0], abs=2)


@settings(max_examples=60, deadline=None)
@given(st.binary(max_size=300))
def test_junk_from_the_host_never_stops_the_board(junk: bytes) -> None:
    device = board()
    device.receive(junk + b"\0")
    device.receive(start(1))
    assert of_type(Samples, messages([device.advance(0.5)]))

"""Frames to messages: any cutting, loss, repeats, restarts, hubs, and versions to come."""

from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from firmware_bridge.cablelink_commander import CablelinkCommander
from firmware_bridge.cablelink_reader import LATE_FRAMES, CablelinkReader
from firmware_bridge.link import Chunk
from firmware_bridge.messages import (
    Acknowledged,
    BoardEvent,
    BoardLog,
    BoardStatus,
    Heard,
    Identity,
    Message,
    SampleBlock,
    Unplaced,
)
from protocols import cablelink
from protocols.cablelink import Ack, Channel, Event, Info, Kind, Log, Pong, Samples, Start, Status, Unknown
from protocols.framing import FrameDecoder, encode

WRAP = 1 << 32
CHANNELS = (
    Channel(kind=Kind.FORCE, side=1, unit=1, scale=0.01, offset=5.0),
    Channel(kind=Kind.POSITION, side=2, unit=2, scale=1e-5),
    Channel(kind=Kind.FORCE, side=0, unit=1, scale=0.02),
)
ROWS = ((1, 2, 3), (4, 5, 6))


def info(
    sequence: int = 0, *, boot_id: int = 1, channels: tuple[Channel, ...] = CHANNELS, major: int = 1, source: int = 0
) -> bytes:
    message = Info(
        sequence=sequence,
        boot_id=boot_id,
        channels=channels,
        rate_hz=500,
        batch=2,
        firmware=0x010203,
        model="m",
        major=major,
        source=source,
    )
    return encode(message.to_body())


def samples(
    sequence: int,
    *,
    ticks: int | None = None,
    rows: tuple[tuple[int, ...], ...] = ROWS,
    source: int = 0,
    status: int = 0,
    dt_us: int = 2000,
) -> bytes:
    at = (WRAP - 3_000_000 + sequence * 4000) % WRAP if ticks is None else ticks
    body = Samples(sequence=sequence % 65536, t_us=at, rows=rows, dt_us=dt_us, source=source, status=status).to_body()
    return encode(body)


def read(reader: CablelinkReader, *frames: bytes, start: float = 100.0) -> list[Message]:
    """Every frame 4 ms after the one before."""
    return [message for k, frame in enumerate(frames) for message in reader.feed(Chunk(start + 0.004 * k, frame))]


def blocks(messages: list[Message]) -> list[SampleBlock]:
    return [message for message in messages if isinstance(message, SampleBlock)]


def opened() -> CablelinkReader:
    reader = CablelinkReader()
    reader.link_up()
    read(reader, info())
    return reader


def test_an_identity_says_what_the_board_said() -> None:
    (identity,) = read(CablelinkReader(), info())
    assert isinstance(identity, Identity)
    assert (identity.firmware, identity.model, identity.rate_hz, identity.batch) == ("1.2.3", "m", 500, 2)
    assert [(channel.kind, channel.side) for channel in identity.channels] == [
        ("force", "left"),
        ("position", "right"),
        ("force", None),
    ]
    assert identity.restarted is False


def test_samples_bear_the_times_at_which_they_were_taken_the_last_that_of_its_arrival() -> None:
    (block,) = blocks(read(opened(), samples(1), start=200.0))
    assert block.times == pytest.approx((199.998, 200.0), abs=1e-6)
    assert block.rows == ROWS
    assert block.saturated == (False, False)
    assert block.faults == frozenset()


def test_status_bits_become_words() -> None:
    (block,) = blocks(read(opened(), samples(1, status=0b110_0110)))
    assert block.saturated == (False, True)
    assert block.faults == {"encoder_fault_left", "overrun", "low_battery"}


def test_the_clock_wraps_and_the_times_do_not() -> None:
    found = blocks(read(opened(), *(samples(k) for k in range(1, 1500))))
    times = [t for block in found for t in block.times]
    assert len(times) == 2998
    assert all(b - a == pytest.approx(0.002, rel=1e-3) for a, b in pairwise(times))


def test_a_gap_in_the_sequence_is_counted_and_told_with_the_next_samples_of_that_source() -> None:
    reader = opened()
    status = encode(Status(sequence=4).to_body())
    found = blocks(read(reader, samples(1), status, samples(5), samples(7)))
    assert [block.lost_before for block in found] == [0, 2, 1]
    assert reader.counters.lost == 3


def test_a_sequence_that_wraps_loses_nothing() -> None:
    reader = CablelinkReader()
    read(reader, info(65534), samples(65535), samples(65536), samples(65537))
    assert reader.counters.lost == 0
    assert reader.counters.repeated == 0


def test_frames_that_come_twice_or_are_overtaken_count_once() -> None:
    reader = opened()
    found = blocks(read(reader, samples(1), samples(1), samples(3), samples(2), samples(4)))
    assert len(found) == 3
    assert reader.counters.repeated == 2


def test_a_sequence_that_starts_afresh_is_followed_at_once_and_not_waited_for() -> None:
    reader = opened()
    found = blocks(read(reader, *(samples(k, ticks=4000 * n) for n, k in enumerate((30_000, 30_001, 1, 2, 3)))))
    assert len(found) == 5
    assert reader.counters.repeated == 0


def test_a_reconnect_after_any_number_of_frames_goes_on_at_once() -> None:
    reader = opened()
    read(reader, samples(1))
    reader.link_up()
    late = 65536 + 1 - LATE_FRAMES // 2
    found = read(reader, samples(late - 1), info(late), samples(late + 1), start=100.0 + 0.004 * late)
    assert [type(message) for message in found] == [Unplaced, Identity, SampleBlock]


def test_half_a_frame_from_before_a_lost_link_spoils_nothing() -> None:
    reader = opened()
    reader.feed(Chunk(100.1, samples(1)[:-3]))
    reader.link_up()
    assert blocks(read(reader, info(5), samples(6)))
    assert reader.counters.damaged == 0


def test_a_new_boot_starts_clock_and_sequence_afresh_and_is_told() -> None:
    reader = opened()
    before = blocks(read(reader, *(samples(k) for k in range(1, 50))))
    identity, *after = read(reader, info(0, boot_id=2), samples(1, ticks=5), samples(2, ticks=4005), start=101.0)
    assert isinstance(identity, Identity)
    assert identity.restarted
    times = [t for block in (*before, *blocks(after)) for t in block.times]
    assert times == sorted(set(times))
    assert reader.counters.lost == 0
    assert reader.counters.repeated == 0


def test_the_sources_of_a_hub_have_sequences_clocks_and_losses_of_their_own() -> None:
    reader = CablelinkReader()
    frames = [info(0), info(500, boot_id=9, source=1)]
    for k in range(1, 20):
        frames += [samples(k), samples(500 + k, source=1, ticks=4000 * k)]
    del frames[-3]  # one of source 1
    found = blocks(read(reader, *frames))
    assert {block.source: block.lost_before for block in found[-2:]} == {0: 0, 1: 1}
    assert reader.clocks.keys() == {0, 1}
    assert reader.counters.lost == 1


def test_samples_before_the_board_has_said_what_it_is_are_reported_but_not_read() -> None:
    assert read(CablelinkReader(), samples(1)) == [Unplaced(source=0)]


def test_a_board_of_a_later_major_version_is_named_and_not_read() -> None:
    identity, *rest = read(CablelinkReader(), info(major=2), samples(1))
    assert isinstance(identity, Identity)
    assert identity.major == 2
    assert rest == [Unplaced(source=0)]


def test_a_channel_of_a_kind_to_come_is_left_out_without_moving_the_others() -> None:
    reader = CablelinkReader()
    strange = (CHANNELS[0], Channel(kind=77), CHANNELS[1])
    found = read(reader, info(channels=strange), samples(1))
    (block,) = blocks(found)
    assert block.rows == ((1, 3), (4, 6))
    assert [channel.kind for channel in block.channels] == ["force", "position"]


@pytest.mark.parametrize(
    "frame",
    [
        samples(1, rows=((1, 2),)),
        samples(1, dt_us=0),
        info(1, channels=(Channel(kind=1, scale=float("nan")),)),
        info(1, channels=(Channel(kind=1, scale=0.0),)),
        encode(b"\x02\x00\x01\x00"),
    ],
)
def test_a_message_at_odds_with_itself_is_counted_and_skipped(frame: bytes) -> None:
    reader = opened()
    found = read(reader, frame)
    assert found in ([], [Heard(source=0)])
    assert reader.counters.malformed == 1
    assert blocks(read(reader, samples(2)))


def test_what_is_no_sample_comes_out_as_what_it_is() -> None:
    found = read(
        opened(),
        *(
            encode(message.to_body())
            for message in (
                Ack(sequence=1, of_sequence=9, command=0x82, result=3, value=4),
                Status(sequence=2, battery_mv=3700, rssi=-60, samples_lost=7),
                Log(sequence=3, level=2, text="hot"),
                Event(sequence=4, code=1, side=2, detail=5),
                Event(sequence=5, code=99),
                Pong(sequence=6, host_ns=1),
                Unknown(sequence=7, type=0x44, payload=b"later"),
            )
        ),
    )
    assert found == [
        Acknowledged(of_sequence=9, command=0x82, result=3, value=4),
        BoardStatus(source=0, battery_v=3.7, rssi_dbm=-60, samples_lost=7),
        BoardLog(source=0, level=2, text="hot"),
        BoardEvent(source=0, name="button", side="right", detail=5),
        Heard(source=0),
        Heard(source=0),
    ]


def test_an_answered_ping_narrows_the_clocks_uncertainty() -> None:
    reader = opened()
    before = reader.clocks[0].uncertainty
    read(reader, encode(Pong(sequence=1, t_us=1000, host_ns=round(99.9996e9)).to_body()))
    assert reader.clocks[0].uncertainty < before


def wire() -> bytes:
    frames = [b"boot v1.2\r\n\0", info(), samples(1), samples(2)[:-4] + b"\xff\xff\xff\0", samples(3), samples(3)]
    frames += [info(0, boot_id=5), samples(1, ticks=10), encode(Pong(sequence=2, t_us=5000, host_ns=10**11).to_body())]
    return b"".join([*frames, *(samples(k, ticks=4000 * k) for k in range(3, 12))])


@settings(deadline=None)
@given(cuts=st.sets(st.integers(1, len(wire()) - 1)))
def test_any_cutting_gives_the_same_messages_and_counters_as_long_as_each_byte_keeps_its_stamp(cuts: set[int]) -> None:
    data = wire()
    stamps = [100.0 + 0.004 * (k // 40) for k in range(len(data))]
    whole = CablelinkReader()
    expected = [m for k in range(len(data)) for m in whole.feed(Chunk(stamps[k], data[k : k + 1]))]
    changes = {k for k in range(1, len(data)) if stamps[k] != stamps[k - 1]}
    edges = [0, *sorted(cuts | changes), len(data)]
    reader = CablelinkReader()
    assert [m for a, b in pairwise(edges) for m in reader.feed(Chunk(stamps[a], data[a:b]))] == expected
    assert reader.counters == whole.counters
    assert reader.clocks == whole.clocks
    assert blocks(expected)
    assert reader.counters.damaged == 2


@settings(deadline=None)
@given(junk=st.binary(max_size=2000), cut=st.integers(1, 64))
def test_junk_invents_nothing_and_the_board_is_read_after_it(junk: bytes, cut: int) -> None:
    reader = opened()
    for k in range(0, len(junk), cut):
        assert not blocks(reader.feed(Chunk(100.5, junk[k : k + cut])))
    assert blocks(read(reader, b"\0", samples(1), start=101.0))


def test_commands_count_up_and_say_what_the_configuration_asks_for() -> None:
    (identity,) = read(CablelinkReader(), info())
    assert isinstance(identity, Identity)
    commander = CablelinkCommander()
    decoder = FrameDecoder()
    data = commander.who() + b"".join(
        commander.start(identity, rate_hz=rate, batch=batch)[1]
        for rate, batch in ((None, None), (2000, None), (100, 50), (1, None))
    )
    said = [cablelink.decode(body) for body in decoder.feed(data)]
    assert [message.sequence for message in said] == [1, 2, 3, 4, 5]
    assert [(s.rate_hz, s.batch) for s in said if isinstance(s, Start)] == [(500, 2), (2000, 8), (100, 50), (1, 1)]


@pytest.mark.parametrize("times", [1, 5])
def test_who_ends_a_command_that_stood_half_sent_on_the_line(times: int) -> None:
    commander, decoder = CablelinkCommander(), FrameDecoder()
    decoder.feed(b"\x05half" * times)
    assert len(decoder.feed(commander.who())) == 1

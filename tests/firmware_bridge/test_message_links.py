"""cablelink over a link that carries messages: a body travels as it is, and INFO may be read beside the stream."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from firmware_bridge.cablelink_commander import CablelinkCommander
from firmware_bridge.cablelink_reader import CablelinkReader
from firmware_bridge.link import Chunk
from firmware_bridge.messages import Identity, Message, SampleBlock
from protocols import cablelink, gatt
from protocols.cablelink import Channel, GetInfo, Info, Kind, Ping, Samples, Start, Stop
from protocols.framing import MAX_BODY, BodyDecoder

INFO = Info(sequence=7, boot_id=1, rate_hz=100, batch=1, channels=(Channel(kind=Kind.FORCE, side=1, scale=0.01),))


def info(sequence: int, *, boot_id: int = 1) -> bytes:
    fields = {name: getattr(INFO, name) for name in ("rate_hz", "batch", "channels")}
    return Info(sequence=sequence, boot_id=boot_id, **fields).to_body()


def samples(sequence: int) -> bytes:
    return Samples(sequence=sequence, t_us=10_000 * sequence, rows=((sequence,),)).to_body()


def read(reader: CablelinkReader, *bodies: bytes) -> list[Message]:
    return [message for k, body in enumerate(bodies) for message in reader.feed(Chunk(100.0 + 0.01 * k, body))]


def opened() -> CablelinkReader:
    reader = CablelinkReader("messages")
    reader.link_up()
    return reader


def test_a_body_is_read_as_it_came() -> None:
    identity, block = read(opened(), info(0), samples(1))
    assert isinstance(identity, Identity)
    assert isinstance(block, SampleBlock)
    assert block.rows == ((1,),)


@pytest.mark.parametrize("stale", [0, 400, 65535])
def test_an_info_read_beside_the_stream_makes_no_gap_however_old_its_sequence_is(stale: int) -> None:
    reader = opened()
    found = read(reader, info(stale), samples(500), samples(501), info(stale), samples(502), samples(503))
    assert [block.lost_before for block in found if isinstance(block, SampleBlock)] == [0, 0, 0, 0]
    assert (reader.counters.lost, reader.counters.repeated) == (0, 0)


def test_a_notification_that_is_missing_is_a_lost_frame() -> None:
    reader = opened()
    found = read(reader, info(0), samples(1), samples(4))
    assert [block.lost_before for block in found if isinstance(block, SampleBlock)] == [0, 2]
    assert reader.counters.lost == 2


def test_a_restarted_board_is_told_by_the_info_that_is_read_again() -> None:
    reader = opened()
    read(reader, info(0), samples(1))
    reader.link_up()
    identity, block = read(reader, info(0, boot_id=2), samples(0))
    assert isinstance(identity, Identity)
    assert identity.restarted
    assert isinstance(block, SampleBlock)


@settings(deadline=None)
@given(junk=st.lists(st.binary(max_size=600), max_size=20))
def test_junk_is_counted_or_taken_for_a_message_and_raises_nothing(junk: list[bytes]) -> None:
    reader = opened()
    read(reader, *junk)
    assert isinstance(read(reader, info(0))[-1], Identity)


def test_what_cannot_be_a_body_is_damage() -> None:
    decoder = BodyDecoder()
    assert decoder.feed(b"") == decoder.feed(bytes(MAX_BODY + 1)) == []
    assert decoder.feed(bytes(MAX_BODY)) == [bytes(MAX_BODY)]
    assert (decoder.counters.frames, decoder.counters.damaged, decoder.counters.junk) == (1, 2, MAX_BODY + 1)


def test_every_command_is_one_body_that_fits_the_least_connection() -> None:
    commander = CablelinkCommander("messages")
    (identity,) = read(opened(), info(0))
    assert isinstance(identity, Identity)
    bodies = [
        commander.who(),
        commander.start(identity, rate_hz=None, batch=None)[1],
        commander.stop(0)[1],
        commander.tare(0, samples=100)[1],
        commander.identify(0, seconds=3)[1],
        commander.ping(0, now=1.0),
    ]
    assert max(len(body) for body in bodies) <= gatt.LEAST_MTU - gatt.ATT_HEADER
    kinds = {type(cablelink.decode(body)) for body in bodies}
    assert {GetInfo, Start, Stop, Ping} <= kinds

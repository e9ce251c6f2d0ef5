"""The recording: what was appended is read again, up to the first byte that is not as it was written."""

from __future__ import annotations

import struct
from itertools import accumulate, pairwise
from pathlib import Path
from typing import get_args
from zlib import crc32

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from protocols.recording import (
    LONGEST,
    MAGIC,
    VERSION,
    AboutIn,
    ChunkIn,
    CommandIn,
    Continued,
    Dropped,
    Ended,
    Header,
    LinkDown,
    LinkUp,
    ProblemIn,
    Record,
    RecordDecoder,
    RecordingError,
    Resumed,
    Tick,
    encode,
    ending,
    read_recording,
)

TIME = st.floats(allow_nan=False, allow_infinity=False)
TEXT = st.text(st.characters(exclude_categories=["Cs"]), max_size=12)
BYTES = st.binary(max_size=30)
COUNT = st.integers(0, 1 << 40)
OF_BOARD = {"board": TEXT, "received_at": TIME}
HEADERS = st.builds(
    Header,
    recording=TEXT, station=TEXT, session=TEXT, first_seq=COUNT, first_set=COUNT,
    monotonic_anchor=TIME, unix_anchor=TIME, settings=BYTES, software=TEXT,
    version=st.integers(1, VERSION), boot=TEXT, part=COUNT,
    boards=st.lists(st.tuples(TEXT, st.lists(BYTES, max_size=2).map(tuple)), max_size=2).map(tuple),
    first_session=COUNT,
)  # fmt: skip
KINDS: dict[type[Record], st.SearchStrategy[Record]] = {
    Header: HEADERS,
    ChunkIn: st.builds(ChunkIn, **OF_BOARD, data=BYTES),
    LinkUp: st.builds(LinkUp, **OF_BOARD),
    AboutIn: st.builds(
        AboutIn, **OF_BOARD, model=TEXT | st.none(), firmware=TEXT | st.none(),
        battery_pct=st.integers(0, 100) | st.none(),
    ),
    LinkDown: st.builds(LinkDown, **OF_BOARD, reason=TEXT),
    CommandIn: st.builds(CommandIn, name=TEXT, received_at=TIME, payload=BYTES),
    Tick: st.builds(Tick, received_at=TIME),
    Dropped: st.builds(Dropped, received_at=TIME, bytes=COUNT),
    ProblemIn: st.builds(
        ProblemIn, **OF_BOARD, name=TEXT, raised=st.booleans(), detail=TEXT,
        severity=st.sampled_from(["info", "warning", "error"]),
    ),
    Resumed: st.builds(Resumed, received_at=TIME),
    Continued: st.builds(Continued, received_at=TIME),
    Ended: st.builds(Ended, received_at=TIME, next_seq=COUNT, interrupted=st.booleans()),
}  # fmt: skip
RECORDS = st.lists(st.one_of(*KINDS.values()), max_size=8)

HEADER = Header(
    recording="r-1", station="rack-1", session="s-1", first_seq=3, first_set=1,
    monotonic_anchor=12.5, unix_anchor=1.7e9, settings=b'{"a": 1}', software="0.1.0",
)  # fmt: skip
SOME: list[Record] = [
    HEADER,
    LinkUp(board="b", received_at=0.25),
    ChunkIn(board="b", received_at=0.5, data=bytes(range(8))),
    AboutIn(board="b", received_at=0.6, model="m", battery_pct=80),
    CommandIn(name="start", received_at=0.75, payload=b"{}"),
    Tick(received_at=1.0),
    ProblemIn(board="b", received_at=1.25, name="p", raised=True, severity="warning", detail="d"),
    Dropped(received_at=1.5, bytes=7),
    LinkDown(board="b", received_at=1.75, reason="gone"),
    Resumed(received_at=2.0),
    Continued(received_at=2.25),
    Ended(received_at=2.5, next_seq=9),
]
SOME_FILE = MAGIC + b"".join(encode(record) for record in SOME)
STARTS = list(accumulate((len(encode(record)) for record in SOME), initial=len(MAGIC)))  # and the file's end


def framed(body: bytes) -> bytes:
    return struct.pack("<II", len(body), crc32(body)) + body


def read_all(data: bytes) -> tuple[list[Record], RecordDecoder]:
    decoder = RecordDecoder()
    return decoder.feed(data), decoder


def whole_before(place: int) -> int:
    """How many of SOME end at or before a byte."""
    return sum(end <= place for end in STARTS[1:])


def test_a_record_is_length_and_crc_little_endian_and_then_message_pack() -> None:
    body = b"\x82\xa4type\xa4tick\xabreceived_at\xcb\x3f\xe0\0\0\0\0\0\0"
    assert encode(Tick(received_at=0.5)) == len(body).to_bytes(4, "little") + crc32(body).to_bytes(4, "little") + body
    assert read_all(b"CABLREC1" + framed(body))[0] == [Tick(received_at=0.5)]


def test_there_is_a_strategy_for_every_record_there_is() -> None:
    assert set(KINDS) == set(get_args(Record))
    assert {type(record) for record in SOME} == set(KINDS)


@pytest.mark.parametrize("kind", KINDS)
@settings(max_examples=15)
@given(data=st.data())
def test_every_record_comes_back_equal(kind: type[Record], data: st.DataObject) -> None:
    record = data.draw(KINDS[kind])
    records, decoder = read_all(MAGIC + encode(record))
    assert records == [record]
    assert type(records[0]) is kind
    assert (decoder.damage, decoder.left_over) == (None, 0)


@settings(max_examples=40)
@given(records=RECORDS, at=st.lists(st.integers(0, 10_000), max_size=20))
def test_any_cutting_of_a_recording_gives_the_same_records(records: list[Record], at: list[int]) -> None:
    data = MAGIC + b"".join(encode(record) for record in records)
    places = sorted({place % (len(data) + 1) for place in at} | {0, len(data)})
    decoder = RecordDecoder()
    assert [record for a, b in pairwise(places) for record in decoder.feed(data[a:b])] == records
    assert (decoder.damage, decoder.left_over) == (None, 0)


def test_a_recording_fed_byte_by_byte_gives_the_same_records() -> None:
    decoder = RecordDecoder()
    assert [record for k in range(len(SOME_FILE)) for record in decoder.feed(SOME_FILE[k : k + 1])] == SOME


def test_a_file_cut_at_any_byte_gives_the_records_before_the_cut_and_no_damage() -> None:
    for end in range(len(SOME_FILE) + 1):
        records, decoder = read_all(SOME_FILE[:end])
        assert records == SOME[: whole_before(end)]
        assert decoder.damage is None
        begun = max((start for start in STARTS if start <= end), default=0)
        assert decoder.left_over == end - begun


def test_a_file_cut_anywhere_on_disk_ends_with_one_line_that_says_so(tmp_path: Path) -> None:
    path = tmp_path / "cut.rec"
    for end in (3, len(MAGIC) + 1, STARTS[2] - 1, STARTS[2] + 5):
        path.write_bytes(SOME_FILE[:end])
        *records, said = read_recording(path)
        left_over = end - max((start for start in STARTS if start <= end), default=0)
        assert records == SOME[: whole_before(end)]
        assert said == f"{path}: cut short; the last {left_over} bytes are no whole record"


def test_a_whole_file_on_disk_gives_its_records_and_no_line(tmp_path: Path) -> None:
    path = tmp_path / "whole.rec"
    path.write_bytes(SOME_FILE)
    assert list(read_recording(path)) == SOME


def test_a_file_of_many_reads_gives_its_records(tmp_path: Path) -> None:
    path = tmp_path / "long.rec"
    records = [ChunkIn(board="b", received_at=float(k), data=bytes((k,)) * 40_000) for k in range(10)]
    path.write_bytes(MAGIC + b"".join(encode(record) for record in records))
    assert list(read_recording(path)) == records


def test_any_flipped_byte_of_a_body_or_a_check_stops_there_and_names_the_offset() -> None:
    for k, (start, end) in enumerate(pairwise(STARTS)):
        for place in range(start + 4, end):
            data = bytearray(SOME_FILE)
            data[place] ^= 0xFF
            records, decoder = read_all(bytes(data))
            assert records == SOME[:k]
            assert decoder.damage == f"the record at byte {start} is damaged"


def test_any_flipped_bit_of_a_length_ends_the_records_there_and_invents_none() -> None:
    for k, start in enumerate(STARTS[:-1]):
        for bit in range(32):
            data = bytearray(SOME_FILE)
            data[start + bit // 8] ^= 1 << bit % 8
            records, decoder = read_all(bytes(data))
            assert records == SOME[:k]
            if decoder.damage is None:  # the length reaches beyond the file: that is a file cut short
                assert decoder.left_over == len(SOME_FILE) - start
            else:
                assert f"at byte {start} " in decoder.damage


def test_a_flipped_byte_on_disk_ends_with_one_line_that_names_file_and_offset(tmp_path: Path) -> None:
    path = tmp_path / "bad.rec"
    data = bytearray(SOME_FILE)
    data[STARTS[3] - 1] ^= 1
    path.write_bytes(data)
    *records, said = read_recording(path)
    assert records == SOME[:2]
    assert said == f"{path}: the record at byte {STARTS[2]} is damaged; what stands before it is played"


def test_after_damage_nothing_more_is_read() -> None:
    data = bytearray(SOME_FILE)
    data[STARTS[1] - 1] ^= 1
    decoder = RecordDecoder()
    assert decoder.feed(bytes(data)) == []
    damage = decoder.damage
    assert damage is not None
    assert decoder.feed(encode(HEADER)) == []
    assert decoder.damage == damage


@pytest.mark.parametrize("length", [LONGEST + 1, 0xFFFF_FFFF, 0])
def test_a_length_that_cannot_be_is_damage_before_its_body_is_waited_for(length: int) -> None:
    records, decoder = read_all(MAGIC + encode(HEADER) + struct.pack("<II", length, 0))
    assert records == [HEADER]
    assert decoder.damage == f"a record of {length} bytes at byte {STARTS[1]} cannot be"


def test_a_length_at_the_bound_is_waited_for() -> None:
    records, decoder = read_all(MAGIC + struct.pack("<II", LONGEST, 0))
    assert (records, decoder.damage, decoder.left_over) == ([], None, 8)


def test_a_record_over_the_bound_is_not_written() -> None:
    with pytest.raises(RecordingError, match=str(LONGEST)):
        encode(ChunkIn(board="b", received_at=0.0, data=bytes(LONGEST)))


def test_the_longest_record_that_is_written_is_read_again() -> None:
    around = len(encode(ChunkIn(board="b", received_at=0.0, data=bytes(70_000)))) - 8 - 70_000
    record = ChunkIn(board="b", received_at=0.0, data=bytes(LONGEST - around))
    data = encode(record)
    assert len(data) == LONGEST + 8
    assert read_all(MAGIC + data)[0] == [record]


def test_the_zeros_that_a_power_cut_leaves_are_damage_and_no_records() -> None:
    records, decoder = read_all(SOME_FILE + bytes(4096))
    assert records == SOME
    assert decoder.damage is not None
    assert f"at byte {len(SOME_FILE)} " in decoder.damage


@pytest.mark.parametrize(
    "data", [b"time_s,left_force_n\n", b"CABLREC2", b"X", b"CABLREX", b"\0" * 8, b"CABLREC0" + SOME_FILE[8:]]
)
def test_a_foreign_file_is_a_recording_error(tmp_path: Path, data: bytes) -> None:
    path = tmp_path / "foreign"
    path.write_bytes(data)
    with pytest.raises(RecordingError, match="no recording"):
        list(read_recording(path))


@pytest.mark.parametrize(("begin", "wrong"), [(b"", b"X"), (b"CABLRE", b"X"), (b"CABLREC", b"2")])
def test_a_foreign_file_is_refused_at_its_first_wrong_byte(begin: bytes, wrong: bytes) -> None:
    decoder = RecordDecoder()
    assert decoder.feed(begin) == []
    with pytest.raises(RecordingError, match="no recording"):
        decoder.feed(wrong)


def test_a_missing_file_is_an_os_error(tmp_path: Path) -> None:
    with pytest.raises(OSError, match="none"):
        list(read_recording(tmp_path / "none"))


@pytest.mark.parametrize(
    "body",
    [
        msgspec.msgpack.encode({"type": "of-tomorrow"}),
        msgspec.msgpack.encode({"type": "tick"}),
        msgspec.msgpack.encode({"type": "tick", "received_at": "now"}),
        msgspec.msgpack.encode([1, 2]),
        b"\xc1",
        encode(HEADER)[8:-1],
        b"\x81\xa4type\xa4\xff\xff\xff\xff",  # no UTF-8
        b"\x82\xa4type\xa4tick\xa1x" + b"\x91" * 50_000 + b"\xc0",  # nested deeper than any reader goes
    ],
    ids=lambda body: body[:12].hex(),
)
def test_a_whole_record_of_another_version_stops_the_reading_and_names_the_offset(body: bytes) -> None:
    records, decoder = read_all(MAGIC + encode(HEADER) + framed(body) + encode(HEADER))
    assert records == [HEADER]
    assert decoder.damage is not None
    assert decoder.damage.startswith(f"the record at byte {STARTS[1]} is of another version: ")


def test_a_field_of_a_later_version_is_ignored() -> None:
    body = msgspec.msgpack.encode({"type": "tick", "received_at": 0.5, "later": [1]})
    assert read_all(MAGIC + framed(body))[0] == [Tick(received_at=0.5)]


@settings(max_examples=60)
@given(junk=st.binary(max_size=60))
def test_any_bytes_after_a_recording_invent_no_record(junk: bytes) -> None:
    records, decoder = read_all(SOME_FILE + junk)
    assert records == SOME
    assert decoder.damage is not None or decoder.left_over == len(junk)


@settings(max_examples=200)
@given(body=st.binary(min_size=1, max_size=60))
def test_any_body_with_a_right_check_is_a_record_or_damage(body: bytes) -> None:
    records, decoder = read_all(MAGIC + framed(body))
    assert len(records) + (decoder.damage is not None) == 1


# -- versions, and how a file ends


VERSION_1 = bytes.fromhex(
    "4341424c524543319d000000148f44ba8aa474797065a6686561646572a97265636f7264696e67a3722d31a773746174"
    "696f6ea67261636b2d31a773657373696f6ea3732d31a966697273745f73657103a966697273745f73657401b06d6f6e"
    "6f746f6e69635f616e63686f72cb4029000000000000ab756e69785f616e63686f72cb41d954fc40000000a873657474"
    "696e6773c4087b2261223a20317da8736f667477617265a5302e312e30260000006559501a83a474797065a27570a562"
    "6f617264a162ab72656365697665645f6174cb3fd000000000000038000000ee71721b84a474797065a56368756e6ba5"
    "626f617264a162ab72656365697665645f6174cb3fe0000000000000a464617461c408000102030405060720000000e8"
    "fd014982a474797065a47469636bab72656365697665645f6174cb3ff0000000000000"
)
"""A file of version 1, as it was written before there were parts and ends: a header, a link, a chunk, a tick."""


def test_a_file_of_version_1_is_read_as_it_was() -> None:
    records, decoder = read_all(VERSION_1)
    assert records == [
        Header(
            recording="r-1", station="rack-1", session="s-1", first_seq=3, first_set=1,
            monotonic_anchor=12.5, unix_anchor=1.7e9, settings=b'{"a": 1}', software="0.1.0",
        ),
        LinkUp(board="b", received_at=0.25),
        ChunkIn(board="b", received_at=0.5, data=bytes(range(8))),
        Tick(received_at=1.0),
    ]  # fmt: skip
    assert (decoder.damage, decoder.left_over) == (None, 0)
    header = records[0]
    assert isinstance(header, Header)
    assert (header.version, header.part, header.boot, header.boards) == (1, 1, "", ())


def test_a_file_of_a_later_version_is_refused_with_what_to_do() -> None:
    later = msgspec.structs.replace(HEADER, version=VERSION + 1)
    with pytest.raises(RecordingError, match=rf"version {VERSION + 1}, .* up to {VERSION}; update it"):
        read_all(MAGIC + encode(later))


def test_how_a_file_ends_is_known_from_its_last_bytes(tmp_path: Path) -> None:
    path = tmp_path / "file"
    for mark in (Continued(received_at=2.25), Ended(received_at=1e300, next_seq=1 << 60, interrupted=True)):
        path.write_bytes(SOME_FILE + encode(mark))
        assert ending(path) == mark
        path.write_bytes(SOME_FILE + encode(mark) + encode(Tick(received_at=9.0)))
        assert ending(path) is None
        path.write_bytes(SOME_FILE + encode(mark)[:-1])
        assert ending(path) is None


@settings(max_examples=60)
@given(junk=st.binary(max_size=300))
def test_any_bytes_end_with_no_mark_that_was_not_written(tmp_path_factory: pytest.TempPathFactory, junk: bytes) -> None:
    path = tmp_path_factory.getbasetemp() / "junk"
    path.write_bytes(junk)
    assert ending(path) is None


def test_reading_may_begin_at_any_record() -> None:
    for k, start in enumerate(STARTS[1:-1], 1):
        decoder = RecordDecoder(start)
        assert decoder.feed(SOME_FILE[start:]) == SOME[k:]
        assert decoder.whole == len(SOME_FILE)

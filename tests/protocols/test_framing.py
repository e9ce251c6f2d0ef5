"""Frames on a byte stream, against a COBS of the test's own."""

from __future__ import annotations

from itertools import pairwise
from random import Random
from zlib import crc32

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from protocols.framing import MAX_BODY, MAX_FRAME, FrameDecoder, encode

BODIES = st.lists(st.binary(min_size=1, max_size=40), min_size=1, max_size=6)


def own_cobs(data: bytes) -> bytes:
    """Each run without 00, of at most 254 bytes, after its length plus one."""
    out = bytearray()
    *ended, last = data.split(b"\0")
    for run in ended:
        rest = run
        while len(rest) >= 254:
            out += b"\xff" + rest[:254]
            rest = rest[254:]
        out += bytes((len(rest) + 1,)) + rest
    while len(last) > 254:
        out += b"\xff" + last[:254]
        last = last[254:]
    out += bytes((len(last) + 1,)) + last
    return bytes(out)


def cut(stream: bytes, at: list[int]) -> list[bytes]:
    """The stream in pieces, cut at the given places modulo its length."""
    places = sorted({place % (len(stream) + 1) for place in at} | {0, len(stream)})
    return [stream[a:b] for a, b in pairwise(places)]


def is_subsequence(part: list[bytes], whole: list[bytes]) -> bool:
    remaining = iter(whole)
    return all(body in remaining for body in part)


@pytest.mark.parametrize(
    ("body", "frame"),
    [
        # CRC-32 of "123456789" is the published check value CBF43926.
        (b"123456789", b"\x0e123456789\x26\x39\xf4\xcb\x00"),
        # CRC-32 of one 00 byte is D202EF8D.
        (b"\x00", b"\x01\x05\x8d\xef\x02\xd2\x00"),
        # CRC-32 of "a" is E8B7BE43.
        (b"a", b"\x06a\x43\xbe\xb7\xe8\x00"),
    ],
)
def test_a_frame_is_cobs_of_body_and_little_endian_crc_and_a_final_zero(body: bytes, frame: bytes) -> None:
    assert encode(body) == frame
    assert FrameDecoder().feed(frame) == [body]


@pytest.mark.parametrize("size", [1, 249, 250, 251, 253, 254, 255, 503, MAX_BODY])
@pytest.mark.parametrize("fill", [0x00, 0x01, 0xFF])
def test_a_body_of_any_length_has_the_bytes_of_the_own_cobs(size: int, fill: int) -> None:
    body = bytes((fill,)) * size
    frame = encode(body)
    assert frame == own_cobs(body + crc32(body).to_bytes(4, "little")) + b"\0"
    assert len(frame) - 1 <= MAX_FRAME
    assert b"\0" not in frame[:-1]
    assert FrameDecoder().feed(frame) == [body]


@settings(max_examples=40)
@given(body=st.binary(min_size=1, max_size=MAX_BODY))
def test_every_body_comes_back_from_its_frame(body: bytes) -> None:
    decoder = FrameDecoder()
    frame = encode(body)
    assert frame == own_cobs(body + crc32(body).to_bytes(4, "little")) + b"\0"
    assert decoder.feed(frame) == [body]
    assert (decoder.counters.frames, decoder.counters.damaged, decoder.counters.junk) == (1, 0, 0)
    assert decoder.buffered == 0


@settings(max_examples=60)
@given(bodies=BODIES, at=st.lists(st.integers(0, 10_000), max_size=20), noise=st.binary(max_size=30))
def test_any_cutting_of_a_stream_gives_the_same_bodies_and_counters(
    bodies: list[bytes], at: list[int], noise: bytes
) -> None:
    stream = noise + b"\0" + b"".join(encode(body) for body in bodies)
    whole = FrameDecoder()
    expected = whole.feed(stream)
    assert expected[-len(bodies) :] == bodies
    pieces = FrameDecoder()
    found = [body for piece in cut(stream, at) for body in pieces.feed(piece)]
    assert found == expected
    assert pieces.counters == whole.counters


@settings(max_examples=20)
@given(size=st.integers(1, 3 * MAX_FRAME), at=st.lists(st.integers(0, 10_000), max_size=20))
def test_any_cutting_of_an_overlong_frame_gives_the_same_bodies(size: int, at: list[int]) -> None:
    stream = b"\x07" * size + b"\0" + encode(b"next")
    decoder = FrameDecoder()
    assert [body for piece in cut(stream, at) for body in decoder.feed(piece)] == [b"next"]
    assert decoder.counters.damaged == 1
    assert size <= decoder.counters.junk <= size + 1


def test_a_stream_fed_byte_by_byte_gives_the_same_bodies() -> None:
    bodies = [bytes(range(k, k + 20)) for k in range(10)]
    decoder = FrameDecoder()
    stream = b"".join(encode(body) for body in bodies)
    assert [body for k in range(len(stream)) for body in decoder.feed(stream[k : k + 1])] == bodies


@settings(max_examples=100)
@given(
    bodies=st.lists(st.binary(min_size=1, max_size=30), min_size=3, max_size=6, unique=True),
    place=st.integers(0, 10_000),
    bit=st.integers(0, 7),
)
def test_one_flipped_bit_loses_at_most_its_frame_and_one_neighbour_and_invents_none(
    bodies: list[bytes], place: int, bit: int
) -> None:
    stream = bytearray(b"".join(encode(body) for body in bodies))
    stream[place % len(stream)] ^= 1 << bit
    found = FrameDecoder().feed(bytes(stream) + b"\0")
    assert is_subsequence(found, bodies)
    lost = [k for k, body in enumerate(bodies) if body not in found]
    assert 1 <= len(lost) <= 2
    assert lost == list(range(lost[0], lost[0] + len(lost)))


def test_every_single_flipped_bit_of_a_short_stream_invents_no_body() -> None:
    bodies = [b"one", b"\x00\x00\x00", b"three"]
    stream = b"".join(encode(body) for body in bodies)
    for place in range(8 * len(stream)):
        flipped = bytearray(stream)
        flipped[place // 8] ^= 1 << place % 8
        found = FrameDecoder().feed(bytes(flipped) + b"\0")
        assert is_subsequence(found, bodies)
        assert 1 <= len(found) <= 2


@pytest.mark.parametrize("without_zero", [False, True])
@pytest.mark.parametrize("piece", [1, 64, 511, 512, 513, 4096, 100_000])
def test_a_hundred_kilobytes_of_junk_never_leave_more_than_one_frame_in_the_buffer(
    without_zero: bool,  # noqa: FBT001
    piece: int,
) -> None:
    junk = Random(7).randbytes(100_000)
    if without_zero:
        junk = junk.replace(b"\0", b"\x01")
    decoder = FrameDecoder()
    for at in range(0, len(junk), piece):
        assert decoder.feed(junk[at : at + piece]) == []
        assert decoder.buffered <= MAX_FRAME
    assert decoder.feed(b"\0" + encode(b"alive")) == [b"alive"]
    assert decoder.counters.frames == 1
    assert decoder.counters.damaged >= 1


def test_all_bytes_of_junk_without_a_zero_are_counted_as_junk_of_one_frame() -> None:
    decoder = FrameDecoder()
    for _ in range(100):
        decoder.feed(b"\x55" * 1000)
    decoder.feed(b"\0")
    assert decoder.counters.damaged == 1
    assert 100_000 <= decoder.counters.junk <= 100_001


def test_reset_throws_half_a_frame_away_and_the_next_frame_is_read() -> None:
    decoder = FrameDecoder()
    assert decoder.feed(encode(b"lost")[:4]) == []
    assert decoder.buffered == 4
    decoder.reset()
    assert decoder.buffered == 0
    assert decoder.feed(encode(b"found")) == [b"found"]
    assert decoder.counters.damaged == 0


def test_reset_in_an_overlong_frame_lets_the_next_frame_through() -> None:
    decoder = FrameDecoder()
    decoder.feed(b"\x01" * (MAX_FRAME + 1))
    decoder.reset()
    assert decoder.feed(encode(b"found")) == [b"found"]


def test_without_reset_a_half_frame_takes_the_next_one_with_it_but_not_the_one_after() -> None:
    decoder = FrameDecoder()
    decoder.feed(encode(b"lost")[:4])
    assert decoder.feed(encode(b"with it") + encode(b"after")) == [b"after"]
    assert decoder.counters.damaged == 1


def test_a_body_one_byte_too_long_is_a_value_error() -> None:
    assert FrameDecoder().feed(encode(b"x" * MAX_BODY)) == [b"x" * MAX_BODY]
    with pytest.raises(ValueError, match=r"505.*504"):
        encode(b"x" * (MAX_BODY + 1))


@pytest.mark.parametrize("zeros", [b"\0", b"\0\0", b"\0" * 1000])
def test_leading_trailing_and_double_zeros_are_neither_bodies_nor_damage(zeros: bytes) -> None:
    decoder = FrameDecoder()
    assert decoder.feed(zeros + encode(b"a") + zeros + encode(b"b") + zeros) == [b"a", b"b"]
    assert (decoder.counters.frames, decoder.counters.damaged, decoder.counters.junk) == (2, 0, 0)


def test_nothing_fed_gives_nothing() -> None:
    decoder = FrameDecoder()
    assert decoder.feed(b"") == []
    assert decoder.buffered == 0


@pytest.mark.parametrize("framed", [b"\x01", b"\x05abc", b"\x05abcd", b"\x02a\x01", b"\xff"])
def test_a_frame_that_is_bad_cobs_or_too_short_for_a_check_is_damage(framed: bytes) -> None:
    decoder = FrameDecoder()
    assert decoder.feed(framed + b"\0") == []
    assert (decoder.counters.frames, decoder.counters.damaged, decoder.counters.junk) == (0, 1, len(framed) + 1)


def test_an_empty_body_is_a_value_error_since_no_decoder_would_take_its_frame() -> None:
    with pytest.raises(ValueError, match="0 bytes"):
        encode(b"")
    decoder = FrameDecoder()
    assert decoder.feed(own_cobs(bytes(4)) + b"\0") == []
    assert decoder.counters.damaged == 1

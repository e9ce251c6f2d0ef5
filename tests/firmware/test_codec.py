"""The C codec against Python's: the same bytes, the same verdicts, the same counters."""

from __future__ import annotations

from math import isnan
from random import Random

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from protocols.cablelink import Channel, Info, Message, MessageError, Samples, Status, Tare, Unknown, decode
from protocols.framing import MAX_BODY, MAX_FRAME, FrameDecoder, encode
from tests.firmware.codec import Codec, described, has_replaced_text
from tests.protocols.test_cablelink import GOLDEN, KINDS, KNOWN_TYPES, MESSAGES, messages_of

ONE_PROCESS = HealthCheck.function_scoped_fixture  # the filter keeps nothing from one request to the next

RUNS = st.lists(st.tuples(st.sampled_from([0, 0, 1, 0xFF, 7]), st.integers(1, 260)), max_size=6)
BODIES = st.one_of(
    st.binary(min_size=1, max_size=MAX_BODY),
    RUNS.map(lambda runs: b"".join(bytes((byte,)) * times for byte, times in runs)[:MAX_BODY]).filter(len),
)
PIECES = st.one_of(
    BODIES.map(encode),
    st.binary(max_size=60),
    st.just(b"\0"),
    st.integers(MAX_FRAME - 3, MAX_FRAME + 3).map(lambda size: b"\x01" * size + b"\0"),
    st.integers(1, 3 * MAX_FRAME).map(lambda size: b"\x07" * size),
    st.tuples(BODIES, st.integers(0, 10_000), st.integers(0, 7)).map(lambda hit: flipped(encode(hit[0]), *hit[1:])),
)


def flipped(data: bytes, place: int, bit: int) -> bytes:
    damaged = bytearray(data)
    damaged[place % len(damaged)] ^= 1 << bit
    return bytes(damaged)


def verdict(body: bytes) -> tuple[str, Message | None]:
    try:
        message = decode(body)
    except MessageError:
        return "malformed", None
    return "unknown" if isinstance(message, Unknown) else "known", message


def python_again(message: Message) -> bytes:
    try:
        return message.to_body()
    except MessageError:
        return b""


def has_nan(message: Message) -> bool:
    return isinstance(message, Info) and any(isnan(c.scale) or isnan(c.offset) for c in message.channels)


def check_body(codec: Codec, body: bytes) -> None:
    expected, message = verdict(body)
    found, again = codec.again(body)
    assert found == expected
    if message is None:
        assert again == b""
    elif has_replaced_text(message):
        assert again == (body if len(body) <= MAX_BODY else b"")
    elif has_nan(message):  # Python's floats are wider and may come back with other bits; C's are as they came
        assert codec.again(again) == ("known", again)
    else:
        assert again == python_again(message)
        assert codec.describe(body) == described(message)


@pytest.mark.parametrize(("message", "body"), GOLDEN, ids=lambda value: type(value).__name__)
def test_c_reads_and_writes_every_message_of_the_shared_vectors(codec: Codec, message: Message, body: bytes) -> None:
    assert codec.describe(body) == described(message)
    assert codec.again(body) == ("known", body)
    assert codec.frame(body) == encode(body)
    assert codec.decode(encode(body)).bodies == [body]


@pytest.mark.parametrize("kind", KINDS)
@settings(max_examples=20, suppress_health_check=[ONE_PROCESS], deadline=None)
@given(data=st.data())
def test_c_reads_the_same_fields_and_writes_the_same_bytes(
    codec: Codec, kind: type[Message], data: st.DataObject
) -> None:
    message = data.draw(messages_of(kind))
    body = message.to_body()
    assert codec.describe(body) == described(message)
    assert codec.again(body) == ("known", body)


@settings(max_examples=150, suppress_health_check=[ONE_PROCESS], deadline=None)
@given(message=MESSAGES, cut=st.integers(0, 80), more=st.binary(max_size=20), place=st.integers(0, 10_000))
def test_c_and_python_agree_on_messages_that_are_cut_lengthened_or_hit(
    codec: Codec, message: Message, cut: int, more: bytes, place: int
) -> None:
    body = message.to_body()
    for changed in (body[:-cut] if cut else body, body[:cut], body + more, flipped(body, place, place % 8)):
        check_body(codec, changed)


@settings(max_examples=150, suppress_health_check=[ONE_PROCESS], deadline=None)
@given(kind=st.one_of(st.sampled_from(sorted(KNOWN_TYPES)), st.integers(0, 255)), rest=st.binary(max_size=600))
def test_c_and_python_agree_on_any_body_of_any_type(codec: Codec, kind: int, rest: bytes) -> None:
    check_body(codec, bytes((kind,)) + rest)


@pytest.mark.parametrize("length", range(8))
def test_a_body_without_a_whole_header_is_malformed_to_c_too(codec: Codec, length: int) -> None:
    check_body(codec, bytes(length))


@settings(max_examples=100, suppress_health_check=[ONE_PROCESS], deadline=None)
@given(model=st.binary(max_size=12))
def test_c_and_python_agree_on_what_is_utf8(codec: Codec, model: bytes) -> None:
    check_body(codec, Info(model="").to_body()[:-1] + model.replace(b"\0", b"") + b"\0")


@pytest.mark.parametrize(
    "model",
    [
        b"\xc0\x80", b"\xc1\xbf", b"\xc2\x80", b"\xdf\xbf", b"\xe0\x9f\xbf", b"\xe0\xa0\x80", b"\xed\x9f\xbf",
        b"\xed\xa0\x80", b"\xee\x80\x80", b"\xef\xbf\xbf", b"\xf0\x8f\xbf\xbf", b"\xf0\x90\x80\x80",
        b"\xf4\x8f\xbf\xbf", b"\xf4\x90\x80\x80", b"\xf5\x80\x80\x80", b"\xe2\x82", b"\xf0\x9f\x92", b"\xe2\x82\x41",
        b"\x80", b"\xff", b"\xf0\x9f\x92\xaa",
    ],
    ids=bytes.hex,
)  # fmt: skip
def test_c_and_python_agree_on_the_edges_of_utf8(codec: Codec, model: bytes) -> None:
    check_body(codec, Info(model="").to_body()[:-1] + model + b"\0")


@pytest.mark.parametrize(
    "body",
    [
        Info(channels=(Channel(kind=1),) * 2, model="x").to_body().replace(b"\1\0\1\0", b"\1\0\1\7"),
        Status(samples_lost=1).to_body()[:14] + b"\7\7" + b"\1\0\0\0",
        Tare(mask=1, samples=2).to_body()[:9] + b"\7\2\0",
    ],
    ids=["INFO", "STATUS", "TARE"],
)
def test_c_reads_over_a_reserved_byte_and_writes_it_as_zero(codec: Codec, body: bytes) -> None:
    assert decode(body).to_body() != body
    check_body(codec, body)


@pytest.mark.parametrize("channels", [0, 1, 2, 3, 4, 8, 122, 123, 255])
def test_c_writes_samples_of_every_shape_that_fits_and_no_other(codec: Codec, channels: int) -> None:
    for rows in range(256):
        expected = python_again(Samples(rows=((0,) * channels,) * rows))
        assert codec.samples(rows, channels) == expected


@pytest.mark.parametrize("model", [b"", b"board", b"a\0b", b"\0", b"x" * 467, b"x" * 468, b"x" * 3000], ids=len)
def test_c_writes_a_model_that_fits_and_none_with_a_zero_in_it(codec: Codec, model: bytes) -> None:
    blank = Info(major=0, minor=0, max_body=0, batch=0, model=model.decode())
    assert codec.model(model) == python_again(blank)


@settings(max_examples=200, suppress_health_check=[ONE_PROCESS], deadline=None)
@given(body=BODIES)
def test_c_frames_any_body_with_the_same_bytes_and_each_takes_the_others(codec: Codec, body: bytes) -> None:
    framed = codec.frame(body)
    assert framed == encode(body)
    assert FrameDecoder().feed(framed) == [body]
    decoded = codec.decode(framed)
    assert (decoded.bodies, decoded.counters.damaged, decoded.held) == ([body], 0, 0)


@pytest.mark.parametrize("size", [1, 249, 250, 251, 253, 254, 255, 503, MAX_BODY])
@pytest.mark.parametrize("fill", [0x00, 0x01, 0xFF])
def test_c_frames_bodies_at_the_edges_of_cobs_with_the_same_bytes(codec: Codec, size: int, fill: int) -> None:
    assert codec.frame(bytes((fill,)) * size) == encode(bytes((fill,)) * size)


@pytest.mark.parametrize("size", [0, MAX_BODY + 1, 2000])
def test_c_frames_no_body_that_python_refuses(codec: Codec, size: int) -> None:
    with pytest.raises(ValueError, match="fit a frame"):
        encode(bytes(size))
    assert codec.frame(bytes(size)) == b""


@settings(max_examples=200, suppress_health_check=[ONE_PROCESS], deadline=None)
@given(pieces=st.lists(PIECES, max_size=8))
def test_c_finds_the_same_bodies_in_a_damaged_stream_and_counts_the_same(codec: Codec, pieces: list[bytes]) -> None:
    stream = b"".join(pieces)
    python = FrameDecoder()
    bodies = python.feed(stream)
    decoded = codec.decode(stream)
    assert decoded.bodies == bodies
    assert decoded.counters == python.counters
    assert decoded.held == python.buffered


@pytest.mark.parametrize("without_zero", ["with 00", "without 00"])
def test_a_hundred_kilobytes_of_junk_stay_within_the_buffer_of_c(codec: Codec, without_zero: str) -> None:
    junk = Random(7).randbytes(100_000)
    if without_zero == "without 00":
        junk = junk.replace(b"\0", b"\x01")
    python = FrameDecoder()
    stream = junk + b"\0" + encode(b"alive")
    assert python.feed(stream)[-1:] == [b"alive"]
    decoded = codec.decode(stream)
    assert decoded.bodies == [b"alive"]
    assert decoded.counters == python.counters


def test_a_frame_longer_than_a_small_buffer_is_damage_and_the_next_one_is_taken(codec: Codec) -> None:
    long, short = encode(b"x" * 40), encode(b"short")
    decoded = codec.decode(long + short + long + short, room=32)
    assert decoded.bodies == [b"short", b"short"]
    assert (decoded.counters.frames, decoded.counters.damaged) == (2, 2)
    assert decoded.counters.junk == 2 * (len(long) - 1)
    fits = codec.decode(long, room=len(long) - 1)
    assert fits.bodies == [b"x" * 40]

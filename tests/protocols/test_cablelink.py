"""The messages of cablelink, against bytes packed by hand."""

from __future__ import annotations

import struct
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from protocols.cablelink import (
    FROM_BOARD,
    TO_BOARD,
    Ack,
    AckResult,
    Channel,
    ChannelSide,
    Event,
    EventCode,
    GetInfo,
    GetParam,
    Identify,
    Info,
    Kind,
    Log,
    Message,
    MessageError,
    Ping,
    Pong,
    Reboot,
    Samples,
    SampleStatus,
    SetParam,
    Start,
    Status,
    Stop,
    Tare,
    Unit,
    Unknown,
    decode,
)

U8 = st.integers(0, 0xFF)
U16 = st.integers(0, 0xFFFF)
U32 = st.integers(0, 0xFFFF_FFFF)
U64 = st.integers(0, 0xFFFF_FFFF_FFFF_FFFF)
I8 = st.integers(-0x80, 0x7F)
I16 = st.integers(-0x8000, 0x7FFF)
I32 = st.integers(-0x8000_0000, 0x7FFF_FFFF)
F32 = st.floats(width=32, allow_nan=False)
TEXT = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=20)
HEADER: dict[str, Any] = {"source": U8, "sequence": U16, "t_us": U32}

CHANNELS = st.builds(Channel, kind=U8, side=U8, unit=U8, scale=F32, offset=F32)
ROWS = st.integers(1, 4).flatmap(
    lambda width: st.lists(st.tuples(*[I32] * width), min_size=1, max_size=10).map(tuple),
)
PAYLOADS: dict[type[Message], dict[str, Any]] = {
    Info: {
        "major": U8, "minor": U8, "max_body": U16, "firmware": U32, "uid": st.binary(min_size=12, max_size=12),
        "boot_id": U32, "rate_hz": U16, "batch": U8, "channels": st.lists(CHANNELS, max_size=4).map(tuple),
        "model": TEXT,
    },
    Samples: {"dt_us": U32, "status": U16, "rows": ROWS},
    Event: {"code": U8, "side": U8, "detail": U16},
    Ack: {"of_sequence": U16, "command": U8, "result": U8, "value": U32},
    Pong: {"host_ns": U64},
    Status: {"battery_mv": U16, "rssi": I8, "flags": U8, "temperature_c_x10": I16, "samples_lost": U32},
    Log: {"level": U8, "text": TEXT},
    GetInfo: {},
    Start: {"rate_hz": U16, "batch": U8, "channel_mask": U8},
    Stop: {},
    Tare: {"mask": U8, "samples": U16},
    Ping: {"host_ns": U64},
    SetParam: {"id": U8, "value": U32},
    GetParam: {"id": U8},
    Identify: {"seconds": U8},
    Reboot: {},
}  # fmt: skip
KINDS = (*FROM_BOARD, *TO_BOARD)
KNOWN_TYPES = frozenset(kind.TYPE for kind in KINDS)
WITH_TEXT_TO_THE_END = (Log,)


def messages_of(kind: type[Message]) -> st.SearchStrategy[Message]:
    return st.builds(kind, **HEADER, **PAYLOADS[kind])


MESSAGES = st.one_of(*(messages_of(kind) for kind in KINDS))

HEAD = {"source": 3, "sequence": 0x0201, "t_us": 0x0807_0605}
HEAD_BYTES = bytes((3, 1, 2, 5, 6, 7, 8))
GOLDEN: list[tuple[Message, bytes]] = [
    (
        Info(
            **HEAD, major=1, minor=2, max_body=504, firmware=0x0001_0203, uid=b"ABCDEFGHIJKL", boot_id=0xDEAD_BEEF,
            rate_hz=500, batch=10, model="board é",
            channels=(
                Channel(kind=Kind.FORCE, side=ChannelSide.LEFT, unit=Unit.NEWTON, scale=0.5, offset=-2.0),
                Channel(kind=Kind.POSITION, side=ChannelSide.RIGHT, unit=Unit.METRE, scale=0.25, offset=8.0),
            ),
        ),
        b"\x01" + HEAD_BYTES
        + struct.pack("<BBHI12sIHBB", 1, 2, 504, 0x0001_0203, b"ABCDEFGHIJKL", 0xDEAD_BEEF, 500, 10, 2)
        + struct.pack("<BBBBff", 1, 1, 1, 0, 0.5, -2.0)
        + struct.pack("<BBBBff", 2, 2, 2, 0, 0.25, 8.0)
        + b"board \xc3\xa9\x00",
    ),
    (
        Samples(**HEAD, dt_us=2000, status=SampleStatus.TARE_ACTIVE | SampleStatus.OVERRUN, rows=((1, -2), (3, -4))),
        b"\x02" + HEAD_BYTES + struct.pack("<IHBB4i", 2000, 0b11_0000, 2, 2, 1, -2, 3, -4),
    ),
    (Event(**HEAD, code=EventCode.LIMIT_REACHED, side=2, detail=513), b"\x03" + HEAD_BYTES + b"\x02\x02\x01\x02"),
    (
        Ack(**HEAD, of_sequence=0x1234, command=Start.TYPE, result=AckResult.BUSY, value=7),
        b"\x04" + HEAD_BYTES + b"\x34\x12\x82\x03\x07\x00\x00\x00",
    ),
    (Pong(**HEAD, host_ns=0x0807_0605_0403_0201), b"\x05" + HEAD_BYTES + bytes((1, 2, 3, 4, 5, 6, 7, 8))),
    (
        Status(**HEAD, battery_mv=3700, rssi=-60, flags=5, temperature_c_x10=-15, samples_lost=9),
        b"\x06" + HEAD_BYTES + struct.pack("<HbBhHI", 3700, -60, 5, -15, 0, 9),
    ),
    (Log(**HEAD, level=2, text="hot"), b"\x07" + HEAD_BYTES + b"\x02hot"),
    (GetInfo(**HEAD), b"\x81" + HEAD_BYTES),
    (Start(**HEAD, rate_hz=500, batch=10, channel_mask=3), b"\x82" + HEAD_BYTES + b"\xf4\x01\x0a\x03"),
    (Stop(**HEAD), b"\x83" + HEAD_BYTES),
    (Tare(**HEAD, mask=3, samples=500), b"\x84" + HEAD_BYTES + b"\x03\x00\xf4\x01"),
    (Ping(**HEAD, host_ns=1), b"\x85" + HEAD_BYTES + b"\x01" + bytes(7)),
    (SetParam(**HEAD, id=4, value=258), b"\x86" + HEAD_BYTES + b"\x04\x02\x01\x00\x00"),
    (GetParam(**HEAD, id=4), b"\x87" + HEAD_BYTES + b"\x04"),
    (Identify(**HEAD, seconds=5), b"\x88" + HEAD_BYTES + b"\x05"),
    (Reboot(**HEAD), b"\x8f" + HEAD_BYTES),
]  # fmt: skip


@pytest.mark.parametrize(("message", "body"), GOLDEN, ids=lambda value: type(value).__name__)
def test_a_message_is_exactly_these_bytes_and_comes_back_from_them(message: Message, body: bytes) -> None:
    assert message.to_body() == body
    assert decode(body) == message


def test_golden_bytes_stand_for_every_message_there_is() -> None:
    assert {type(message) for message, _ in GOLDEN} == set(KINDS)
    assert set(PAYLOADS) == set(KINDS)


def test_board_and_host_use_different_types_and_the_high_bit_says_which_way() -> None:
    assert len(KNOWN_TYPES) == len(KINDS)
    assert all(0 < kind.TYPE < 0x80 for kind in FROM_BOARD)
    assert all(0x80 <= kind.TYPE <= 0xFF for kind in TO_BOARD)


@pytest.mark.parametrize("kind", KINDS)
@settings(max_examples=15)
@given(data=st.data())
def test_every_message_comes_back_equal_from_its_body(kind: type[Message], data: st.DataObject) -> None:
    message = data.draw(messages_of(kind))
    body = message.to_body()
    assert body[0] == kind.TYPE
    assert decode(body) == message


@settings(max_examples=80)
@given(message=MESSAGES.filter(lambda message: not isinstance(message, WITH_TEXT_TO_THE_END)), more=st.binary())
def test_bytes_beyond_the_known_end_change_nothing(message: Message, more: bytes) -> None:
    assert decode(message.to_body() + more) == message


@pytest.mark.parametrize(("message", "body"), GOLDEN, ids=lambda value: type(value).__name__)
def test_a_body_that_ends_before_its_message_does_is_a_message_error(message: Message, body: bytes) -> None:
    shortest = 9 if isinstance(message, Log) else len(body)  # a LOG's text may end anywhere
    for end in range(shortest):
        with pytest.raises(MessageError):
            decode(body[:end])


@settings(max_examples=150)
@given(
    kind=st.one_of(st.sampled_from(sorted(KNOWN_TYPES)), U8),
    rest=st.binary(max_size=120),
)
def test_any_body_of_any_type_is_a_message_or_a_message_error(kind: int, rest: bytes) -> None:
    try:
        message = decode(bytes((kind,)) + rest)
    except MessageError:
        return
    assert isinstance(message, Unknown) == (kind not in KNOWN_TYPES)


@settings(max_examples=100)
@given(message=MESSAGES, place=st.integers(0, 10_000), bit=st.integers(0, 7))
def test_a_message_with_one_bit_flipped_is_a_message_or_a_message_error(message: Message, place: int, bit: int) -> None:
    body = bytearray(message.to_body())
    body[place % len(body)] ^= 1 << bit
    try:
        found = decode(bytes(body))
    except MessageError:
        return
    assert isinstance(found, Message)


@settings(max_examples=30)
@given(kind=U8.filter(lambda kind: kind not in KNOWN_TYPES), rest=st.binary(min_size=7, max_size=60))
def test_an_unknown_type_keeps_its_header_and_gives_the_same_bytes_back(kind: int, rest: bytes) -> None:
    body = bytes((kind,)) + rest
    message = decode(body)
    assert isinstance(message, Unknown)
    assert message.type == kind
    assert (message.source, message.sequence, message.t_us) == struct.unpack_from("<BHI", rest)
    assert message.payload == rest[7:]
    assert message.to_body() == body


@pytest.mark.parametrize(("rows", "width"), [(0, 0), (0, 4), (4, 0)])
def test_samples_without_rows_or_channels_are_a_message_error(rows: int, width: int) -> None:
    with pytest.raises(MessageError, match=f"{rows} rows of {width} channels"):
        decode(b"\x02" + HEAD_BYTES + struct.pack("<IHBB", 0, 0, rows, width) + bytes(64))


def test_info_whose_model_has_no_end_is_a_message_error() -> None:
    body = Info(model="board").to_body()
    with pytest.raises(MessageError, match="no end"):
        decode(body[:-1])


def test_info_whose_model_is_no_utf8_is_a_message_error() -> None:
    body = Info(model="x").to_body()
    with pytest.raises(MessageError):
        decode(body[:-2] + b"\xff\0")


def test_a_log_line_that_is_no_utf8_is_still_shown() -> None:
    message = decode(Log(level=1, text="").to_body() + b"a\xffb")
    assert message == Log(level=1, text="a\ufffdb")


def test_rows_of_different_width_are_a_message_error() -> None:
    with pytest.raises(MessageError, match="one width"):
        Samples(rows=((1, 2), (3,))).to_body()


@pytest.mark.parametrize(
    "message",
    [
        Stop(source=256),
        Stop(sequence=0x1_0000),
        Stop(t_us=-1),
        Samples(rows=((0x8000_0000,),)),
        Samples(rows=((1,),) * 256),
        Start(batch=256),
        Ping(host_ns=1 << 64),
        Status(rssi=-129),
        Tare(mask=256),
        Info(channels=(Channel(kind=1),) * 256),
        Log(level=256),
        Log(level=-1),
        GetParam(id=256),
        Identify(seconds=300),
        Info(channels=(Channel(kind=1, scale=1e300),)),
        Unknown(type=256),
        Info(model="a\0b"),
        Info(uid=b"short"),
        Info(uid=bytes(13)),
        Info(model="\ud800"),
        Log(text="\ud800"),
        Samples(),
        Samples(rows=((),)),
        Samples(rows=((1, 2, 3, 4),) * 31),
    ],
    ids=repr,
)
def test_a_value_that_does_not_fit_its_field_is_a_message_error(message: Message) -> None:
    with pytest.raises(MessageError):
        message.to_body()


def test_the_status_bits_are_those_of_the_protocol() -> None:
    assert [(bit.name, bit.value) for bit in SampleStatus] == [
        ("FORCE_LEFT_SATURATED", 1),
        ("FORCE_RIGHT_SATURATED", 2),
        ("ENCODER_LEFT_FAULT", 4),
        ("ENCODER_RIGHT_FAULT", 8),
        ("TARE_ACTIVE", 16),
        ("OVERRUN", 32),
        ("LOW_BATTERY", 64),
    ]

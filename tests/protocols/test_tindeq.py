"""The Progressor's bytes both ways, and that nothing which comes in does more than count."""

from __future__ import annotations

from struct import pack

import pytest
from hypothesis import given
from hypothesis import strategies as st

from protocols.cablelink import MessageError
from protocols.device import Battery, LowBattery, Remark, Samples, Version
from protocols.tindeq import MOST_SAMPLES, Command, Message, Tag, Tindeq, messages, weights

TWO = bytes.fromhex("01100000c03fe8030000000080bebc340000")  # 1.5 kg at 1000 us, -0.25 kg at 13 500 us


def test_samples_of_a_notification_keep_their_own_times() -> None:
    assert Tindeq().feed(TWO) == [Samples(((150_000,), (-25_000,)), (1000, 13_500))]
    assert weights([(1.5, 1000), (-0.25, 13_500)]).to_bytes() == TWO


def test_the_microseconds_are_unsigned() -> None:
    (said,) = Tindeq().feed(weights([(1.0, 0x8000_0000), (1.0, 0xFFFF_FFFF)]).to_bytes())
    assert isinstance(said, Samples)
    assert said.ticks == (2_147_483_648, 4_294_967_295)


@pytest.mark.parametrize(
    ("notification", "said"),
    [
        ("0007312e322e332e34", Version("1.2.3.4")),
        ("000476312e32", Version("v1.2")),
        ("0006312e322e3300", Version("1.2.3")),
        ("0004480f0000", Battery(3.912)),
        ("0000", Remark()),
        ("0002ffff", Remark()),
        ("0400", LowBattery()),
    ],
)
def test_an_answer_is_told_by_what_it_says(notification: str, said: object) -> None:
    assert Tindeq().feed(bytes.fromhex(notification)) == [said]


def test_commands_are_a_byte_each() -> None:
    commands = Tindeq().commands
    assert {name: told.data for name, told in commands.items()} == {
        "who": b"\x6b", "battery": b"\x6f", "start": b"\x65", "stop": b"\x66", "tare": b"\x64",
    }  # fmt: skip
    assert not any(told.is_answered for told in commands.values())
    assert [int(command) for command in Command] == [0x64, 0x65, 0x66, 0x6B, 0x6C, 0x6D, 0x6E, 0x6F]


@pytest.mark.parametrize(
    ("notification", "counter"),
    [
        (TWO[:-1], "junk"),
        (b"\x01", "junk"),
        (b"\x01\x07" + bytes(7), "malformed"),
        (b"\x01\x00", "malformed"),
        (b"\x09\x02ab", "unknown"),
        (b"\x01\x08" + pack("<fI", float("nan"), 5), "malformed"),
        (b"\x01\x08" + pack("<fI", 3e38, 5), "malformed"),
    ],
)
def test_damage_is_counted_and_says_nothing(notification: bytes, counter: str) -> None:
    dialect = Tindeq()
    assert dialect.feed(notification) == []
    assert getattr(dialect.counters, counter) > 0
    assert dialect.feed(TWO) != []


def test_one_bad_value_leaves_the_others_of_its_notification() -> None:
    value = pack("<fI", 1.0, 1000) + pack("<fI", float("inf"), 2000) + pack("<fI", 2.0, 3000)
    (said,) = Tindeq().feed(Message(Tag.WEIGHTS, value).to_bytes())
    assert said == Samples(((100_000,), (200_000,)), (1000, 3000))


@given(st.binary(max_size=300))
def test_any_bytes_are_messages_or_an_error_of_ours(data: bytes) -> None:
    try:
        found = messages(data)
    except MessageError:
        return
    assert b"".join(message.to_bytes() for message in found) == data


@given(st.lists(st.binary(max_size=260), max_size=10))
def test_the_dialect_never_raises_and_keeps_nothing(notifications: list[bytes]) -> None:
    dialect = Tindeq()
    for notification in notifications:
        dialect.feed(notification)
        assert dialect.buffered == 0
    assert Tindeq().feed(TWO) == dialect.feed(TWO)


@pytest.mark.parametrize("count", [0, MOST_SAMPLES + 1])
def test_what_no_notification_holds_is_refused(count: int) -> None:
    with pytest.raises(ValueError, match="fit a notification"):
        weights([(1.0, 1)] * count)

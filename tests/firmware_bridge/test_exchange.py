"""Commands that wait for their answers, one after the other."""

from __future__ import annotations

import asyncio

import pytest

from firmware_bridge.exchange import REPEATS, Exchange
from firmware_bridge.link import LinkError
from firmware_bridge.protocol import Command

KEY = 3  # of devices whose answers name the command only


async def test_a_second_command_is_sent_when_the_first_has_been_answered() -> None:
    sent: list[bytes] = []

    async def send(data: bytes) -> None:
        sent.append(data)
        asyncio.get_running_loop().call_later(0.01, exchange.acknowledged, KEY, len(sent))
        assert data == f"tare {len(sent)}".encode()

    exchange = Exchange(send, ack_within=5.0)
    found = await asyncio.gather(*(exchange.command(Command(KEY, f"tare {k}".encode())) for k in (1, 2)))
    assert sent == [b"tare 1", b"tare 2"]
    assert found == [1, 2]


async def test_a_command_without_an_answer_is_repeated_with_the_same_bytes_and_then_given_up() -> None:
    sent: list[bytes] = []

    async def send(data: bytes) -> None:
        sent.append(data)

    assert await Exchange(send, ack_within=0.01).command(Command(KEY, b"tare")) is None
    assert sent == [b"tare"] * (1 + REPEATS)


async def test_a_lost_link_ends_a_command_and_not_the_next() -> None:
    async def send(data: bytes) -> None:
        if data == b"first":
            raise LinkError("gone")

    exchange = Exchange(send, ack_within=0.01)
    with pytest.raises(LinkError, match="gone"):
        await exchange.command(Command(KEY, b"first"))
    assert await exchange.command(Command(None, b"second")) == 0

"""A short version of `python -m tests.delivery`, with the same claims."""

from __future__ import annotations

import asyncio
import signal
import time
from pathlib import Path

import pytest

from controller.broker import find_mosquitto
from tests.delivery.brokers import Amqtt, Mosquitto
from tests.delivery.rig import Rig
from tests.delivery.scenarios import BROKERS, NOTICED_WITHIN, Deed, all_in_turn, frozen, run

pytestmark = [
    pytest.mark.broker,
    pytest.mark.skipif(find_mosquitto() is None, reason="mosquitto is not installed"),
]
PAGE = Path(__file__).parents[2] / "docs" / "delivery.md"
HELD_UP = 0.5  # s; a tick of the core is 1 s, and this machine does other things too


@pytest.mark.parametrize("deed", [all_in_turn, frozen], ids=["killed, stopped and full", "frozen"])
async def test_every_event_is_delivered_in_order_whatever_fails(deed: Deed) -> None:
    outcome, rig = await run(Mosquitto, deed)
    assert outcome.delivered == outcome.sent
    assert outcome.strangers == 0
    assert outcome.disordered == 0
    assert outcome.slowest < HELD_UP
    if deed is frozen:
        assert rig.noticed is not None
        assert rig.noticed < NOTICED_WITHIN
    else:
        assert outcome.repeated > 0  # the controller's kill was one


async def test_a_frozen_broker_is_noticed_though_nothing_is_sent(tmp_path: Path) -> None:
    brokers = Mosquitto(tmp_path / "broker")
    rig = Rig(brokers, tmp_path, rate=0.0)
    async with rig.running():
        await asyncio.sleep(1.0)  # what is said at a connect is confirmed, and nothing is under way
        brokers.servers[0].send(signal.SIGSTOP)
        begun = time.monotonic()
        await rig.says("lost: ")
        assert time.monotonic() - begun < NOTICED_WITHIN
        brokers.servers[0].send(signal.SIGCONT)
        await rig.says("connected", count=2)


async def test_an_amqtt_that_is_told_to_end_takes_nothing_more_from_a_gateway_when_its_listeners_are_gone(
    tmp_path: Path,
) -> None:
    """It used to confirm events for as long as its orderly end took, and that was for ever."""
    brokers = Amqtt(tmp_path / "broker")
    rig = Rig(brokers, tmp_path)
    async with rig.running():
        await rig.made(100)
        begun = time.monotonic()
        await rig.end_broker(how=signal.SIGTERM)
        assert time.monotonic() - begun < 1.0
        await rig.start_broker()
        await rig.says("connected", count=2)
        outcome = await rig.outcome()
    assert outcome.delivered == outcome.sent


def test_the_page_has_a_row_for_everything_that_is_tried() -> None:
    lines = PAGE.read_text(encoding="utf-8").splitlines()
    for kind, deeds in BROKERS:
        for what in deeds:
            (line,) = (each for each in lines if each.startswith(f"| {kind.name} | {what} |"))
            _, _, _, sent, delivered, *_ = line.split("|")
            assert int(sent) == int(delivered) > 0

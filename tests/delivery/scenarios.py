"""What is done to a gateway that makes 200 events a second, and to its broker."""

from __future__ import annotations

import signal
import tempfile
import time
from collections.abc import Awaitable, Callable
from contextlib import ExitStack
from pathlib import Path
from typing import Final

from tests.delivery.brokers import Amqtt, Brokers, Mosquitto, Nats
from tests.delivery.rig import RATE, Outcome, Rig
from tests.delivery.tiny_disk import fill, tiny_disk

SECOND: Final = int(RATE)  # events
NOTICED_WITHIN: Final = 10.0  # s that a gateway may take to see that its broker does not answer
Deed = Callable[[Rig], Awaitable[None]]


async def _down_and_up(rig: Rig, *, how: int = signal.SIGKILL) -> None:
    connections = sum("connected" in line for line in rig.said)
    await rig.end_broker(how=how)
    await rig.made(SECOND)
    await rig.start_broker()
    await rig.says("connected", count=connections + 1)
    await rig.made(SECOND // 2)


async def two_kills(rig: Rig) -> None:
    await rig.made(SECOND // 2)
    await _down_and_up(rig)
    await _down_and_up(rig)


async def one_stop(rig: Rig) -> None:
    await rig.made(SECOND // 2)
    await _down_and_up(rig, how=signal.SIGTERM)


async def controller_kill(rig: Rig) -> None:
    """While the broker is away, so that there is something to lose."""
    await rig.made(SECOND // 2)
    await rig.end_broker(*range(len(rig.brokers.servers)))
    await rig.made(SECOND)
    await rig.kill_gateway()
    await rig.start_broker(*range(len(rig.brokers.servers)))
    await rig.start_gateway()
    await rig.says("connected", count=2)
    await rig.made(SECOND // 2)


async def full_disk(rig: Rig) -> None:
    """While the broker is killed and comes back."""
    await rig.made(SECOND // 2)
    ballast = fill(rig.outbox.parent)
    await rig.says("the disk is full")
    if len(rig.brokers.servers) == 1:
        await _down_and_up(rig)
    ballast.unlink()
    await rig.says("is written again")
    await rig.made(SECOND // 2)


async def frozen(rig: Rig) -> None:
    """A link that is there, and nobody at its end."""
    await rig.made(SECOND // 2)
    connections = sum("connected" in line for line in rig.said)
    rig.brokers.servers[0].send(signal.SIGSTOP)
    begun = time.monotonic()
    await rig.says("lost: ")
    rig.noticed = time.monotonic() - begun
    rig.brokers.servers[0].send(signal.SIGCONT)
    await rig.says("connected", count=connections + 1)
    await rig.made(SECOND // 2)


async def frozen_then_killed(rig: Rig) -> None:
    await rig.made(SECOND // 2)
    connections = sum("connected" in line for line in rig.said)
    rig.brokers.servers[0].send(signal.SIGSTOP)
    await rig.says("lost: ")
    await rig.end_broker()
    await rig.start_broker()
    await rig.says("connected", count=connections + 1)
    await rig.made(SECOND // 2)


async def all_in_turn(rig: Rig) -> None:
    """A full disk, a stop and two kills of the broker, one of them with the controller."""
    await full_disk(rig)  # first: later the file has room of its own
    await _down_and_up(rig, how=signal.SIGTERM)
    await controller_kill(rig)


async def nodes_one_after_the_other(rig: Rig) -> None:
    """The second is killed when the first is there again: without two of three, a cluster confirms nothing."""
    for node in (0, 1):
        await rig.made(SECOND)
        await rig.end_broker(node)
        await rig.made(2 * SECOND)
        await rig.start_broker(node)
        await rig.until(lambda: len(rig.listener.ids) > rig.count() - SECOND)
    await rig.made(SECOND)


async def nodes_at_once(rig: Rig) -> None:
    """With one of three left nothing is confirmed; with one of the dead back it goes on."""
    await rig.made(SECOND)
    await rig.end_broker(0, 1)
    await rig.made(4 * SECOND)
    await rig.start_broker(0)
    missing = rig.count()
    await rig.until(lambda: len(rig.listener.ids) >= missing)
    await rig.made(SECOND)


OF_ONE: Final[dict[str, Deed]] = {
    "two kills of the broker": two_kills,
    "a stop of the broker": one_stop,
    "a kill of the controller, the broker being away": controller_kill,
    "a full disk, and a kill of the broker": full_disk,
    "the broker frozen, then thawed": frozen,
    "the broker frozen, then killed": frozen_then_killed,
    "all in turn: a full disk and a kill, a stop, a kill of both": all_in_turn,
}
OF_THREE: Final[dict[str, Deed]] = {
    "two nodes killed, one after the other": nodes_one_after_the_other,
    "two nodes killed at once, one back": nodes_at_once,
    "a kill of the controller, all nodes being away": controller_kill,
    "a full disk": full_disk,
}
BROKERS: Final[tuple[tuple[type[Mosquitto | Amqtt | Nats], dict[str, Deed]], ...]] = (
    (Mosquitto, OF_ONE),
    (Amqtt, OF_ONE),
    (Nats, OF_THREE),
)


async def run(kind: Callable[[Path], Brokers], deed: Deed) -> tuple[Outcome, Rig]:
    """One scenario with one broker. Raises SkipTest where this machine does not let it."""
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="cable-station-delivery-")))
        outbox = None
        if deed in (full_disk, all_in_turn):
            outbox = stack.enter_context(tiny_disk(folder / "disk", kilobytes=16384)) / "outbox.db"
        rig = Rig(kind(folder / "broker"), folder, outbox=outbox)
        async with rig.running():
            try:
                await deed(rig)
                return await rig.outcome(), rig
            except TimeoutError:
                raise AssertionError(f"waited in vain; the gateway said {rig.said[-8:]}") from None

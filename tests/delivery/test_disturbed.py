"""No output can hold up the core: looked at before and during, in one run."""

from __future__ import annotations

from pathlib import Path

import pytest

from controller.broker import find_mosquitto
from tests.delivery.disturbances import gym, is_locked

pytestmark = [
    pytest.mark.broker,
    pytest.mark.skipif(find_mosquitto() is None, reason="mosquitto is not installed"),
]
SECONDS = 1.5  # of each; a pipe is full after a fifth of it, and a lock is waited for for one second
HELD_UP = 0.5  # s, half a tick of the core; whoever waited for an output would wait for longer


async def test_no_slow_deaf_or_locked_output_holds_up_the_core(tmp_path: Path) -> None:
    async with gym(tmp_path) as made:
        before = await made.probe.measure(SECONDS)
        for what, disturbance in made.disturbances.items():
            with disturbance():
                during = await made.probe.measure(SECONDS)
                if "locked" in what:
                    assert is_locked(tmp_path / "recordings" / "outbox.db")
            assert during.loop.worst + during.chunk.worst < HELD_UP, what
            assert during.chunks > before.chunks / 2, what

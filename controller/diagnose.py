"""Looks at the channels of a station that does not run, and shows what is wrong with them."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Final

from rich.console import Console
from rich.table import Table

from controller.calibration_file import CalibratedStation
from controller.conversation import Conversation
from controller.core.diagnostic import Diagnosis, diagnose
from controller.live_station import LiveChannel, LiveStation, opened
from firmware_bridge.drivers import expected_rate

DIAGNOSED_FOR: Final = 3.0  # s
FIRST_MOMENT: Final = 0.5  # s of a stream that are left out
MARKS: Final = {"info": "ok", "warning": "!", "error": "!!"}


@dataclass(slots=True)
class _Seen:
    """Some seconds of one channel."""

    times: list[float] = field(default_factory=list)
    counts: list[float] = field(default_factory=list)
    saturated: list[bool] = field(default_factory=list)


async def look_at_all(station: CalibratedStation, *, console: Console) -> bool:
    """The diagnostic of all channels of a station; False when one is not well. Raises LiveError."""
    talk = Conversation(console)
    async with opened(station) as live:
        channels = await live.channels()
        found = await look(live, channels, talk)
        if live.trouble:
            talk.say(live.trouble)
    return not live.trouble and all(each.worst != "error" for each in found)


async def look(live: LiveStation, channels: Sequence[LiveChannel], talk: Conversation) -> list[Diagnosis]:
    """Read channels for some seconds and show what that says of each."""
    samples = [_Seen() for _ in channels]
    live.forget()
    begun = time.monotonic() + FIRST_MOMENT
    with talk.waiting() as tell:
        while (now := time.monotonic()) < begun + DIAGNOSED_FOR:
            tell(f"looking at {', '.join(each.name for each in channels)}", (now - begun) / DIAGNOSED_FOR)
            key, block = await live.block(channels[0].key.board)
            for channel, seen in zip(channels, samples, strict=True):
                if channel.key == key and block.times[0] >= begun:
                    seen.times.extend(block.times)
                    seen.counts.extend(float(row[channel.wire.column]) for row in block.rows)
                    seen.saturated.extend([channel.saturated(block)] * len(block.rows))
    boards = {board.id: board for board in live.config.board}
    found = []
    for channel, seen in zip(channels, samples, strict=True):
        diagnosis = diagnose(
            seen.times,
            seen.counts,
            kind=channel.wire.kind,
            saturated=seen.saturated,
            rate_hz=expected_rate(boards[channel.key.board], channel.wiring.identity),
            span=channel.wire.calibration.span,
        )
        found.append(diagnosis)
        talk.say(f"{channel.name}, {diagnosis.samples} samples:")
        table = Table("", "what", "found")
        for each in diagnosis.findings:
            table.add_row(MARKS[each.severity], each.name.replace("_", " "), each.text)
        talk.console.print(table, markup=False, highlight=False)
    return found

"""Samples of several boards in one order: by aligned time, with patience for the slower one.

A sample is let go when every other board that is up has shown a later time, or when it has waited for the watermark.
What counts as waiting is the time that the inputs carry, so the order does not depend on when this code runs.
"""

from __future__ import annotations

from bisect import insort
from dataclasses import dataclass, field
from typing import Final

from firmware_bridge.messages import SampleBlock

WATERMARK: Final = 0.1  # s

Key = tuple[str, int]  # board, source


@dataclass(order=True, slots=True)
class Waiting:
    """One sample: host time in s, then its board and place, which order samples of one instant."""

    t: float
    key: Key
    number: int
    row: tuple[int, ...] = field(compare=False)
    block: SampleBlock = field(compare=False)


class Merge:
    """The samples of one station's boards."""

    def __init__(self) -> None:
        self._waiting: list[Waiting] = []
        self._heard: dict[Key, float] = {}  # the latest sample time of each board that is up
        self._released = -1e18
        self._number = 0
        self.late = 0  # samples dropped because later ones had gone on

    def add(self, key: Key, block: SampleBlock, *, now: float) -> list[Waiting]:
        """Take one block that arrived at `now` (host, s); returns the samples that may go on."""
        self._heard[key] = block.times[-1]
        for t, row in zip(block.times, block.rows, strict=True):
            if t < self._released:
                self.late += 1
                continue
            self._number += 1
            insort(self._waiting, Waiting(t, key, self._number, row, block))
        return self.release(now)

    def down(self, board: str, *, now: float) -> list[Waiting]:
        """A board's link is down: nobody waits for it."""
        self._heard = {key: t for key, t in self._heard.items() if key[0] != board}
        return self.release(now)

    def release(self, now: float) -> list[Waiting]:
        """The samples that may go on at `now`, in order."""
        if not self._waiting:
            return []
        sure = max(min(self._heard.values(), default=now), now - WATERMARK)
        count = 0
        while count < len(self._waiting) and self._waiting[count].t <= sure:
            count += 1
        out, self._waiting = self._waiting[:count], self._waiting[count:]
        if out:
            self._released = out[-1].t
        return out

    @property
    def oldest(self) -> float | None:
        """Time of the first sample that still waits."""
        return self._waiting[0].t if self._waiting else None

"""Samples of several boards in one order: by aligned time, with patience for the slower one.

A sample is let go when every board that is up has shown a time as late, or has been given its patience: the
watermark, or twice the longest delay of late, and the length of its blocks, since a block cannot come before its last
sample. How long something has waited is told by the stamps of the inputs, so the order does not depend on when this
code runs. Where no board was heard for longer than that, patience does not run: what was said meanwhile comes after it,
one board first.
"""

from __future__ import annotations

from bisect import insort
from collections.abc import Sequence
from dataclasses import dataclass
from math import inf
from typing import Final, Generic, NamedTuple, TypeVar

from controller.listening import Listening

WATERMARK: Final = 0.1  # s at least
PATIENCE: Final = 0.5  # s at most
FORGIVES: Final = 0.005  # s of delay in a second
TOGETHER: Final = 1.0  # s of silence of all boards at once, after which it is not one way that holds them all up
LONGEST_BLOCK: Final = 1.0  # s; nobody waits longer, whatever a board says of its times

Item = TypeVar("Item")


class Sample(NamedTuple, Generic[Item]):
    """What was taken at host time t, s. Samples of one instant go by their place, then as they came."""

    t: float
    place: int
    number: int
    item: Item


@dataclass(slots=True)
class _Heard:
    place: int  # in the order in which the keys came first
    up: bool = False
    last: float = -inf  # s, host time of its latest sample
    length: float = 0.0  # s of its latest block

    def shown(self, now: float, *, patience: float) -> float:
        """The time up to which it need not be waited for."""
        return max(self.last, now - patience - self.length) if self.up else inf


class Merge(Generic[Item]):
    """The samples of one station's boards. A key is one source of a board: (board, source)."""

    def __init__(self) -> None:
        self._waiting: list[Sample[Item]] = []
        self._heard: dict[tuple[str, int], _Heard] = {}
        self._released = -inf
        self._number = 0
        self._delay = 0.0  # s, the longest of late from a sample to its arrival
        self._listening = Listening()
        self.late = 0  # samples dropped because later ones had gone on

    def expect(self, key: tuple[str, int]) -> None:
        """Samples of this source may come from now on; until the first, it is waited for like a silent one."""
        self._heard.setdefault(key, _Heard(len(self._heard))).up = True

    def add(
        self, key: tuple[str, int], times: Sequence[float], items: Sequence[Item], *, now: float
    ) -> list[Sample[Item]]:
        """Take one block, its times rising, that arrived at `now` (host, s); returns the samples that may go on."""
        if self._listening.now > -inf:
            self._delay -= FORGIVES * (now - self._listening.now)
        self._delay = max(self._delay, min(now - times[-1], 0.5 * PATIENCE))
        self._listening.hear(now, pause=WATERMARK + max((each.length for each in self._heard.values()), default=0.0))
        heard = self._heard.setdefault(key, _Heard(len(self._heard)))
        heard.up, heard.last, heard.length = True, times[-1], min(times[-1] - times[0], LONGEST_BLOCK)
        for t, item in zip(times, items, strict=True):
            if t < self._released:
                self.late += 1
                continue
            self._number += 1
            insort(self._waiting, Sample(t, heard.place, self._number, item))
        return self.release(now)

    def down(self, board: str, *, now: float) -> list[Sample[Item]]:
        """A board's link is down: nobody waits for it."""
        for key, heard in self._heard.items():
            if key[0] == board:
                heard.up = False
        return self.release(now)

    def release(self, now: float) -> list[Sample[Item]]:
        """The samples that may go on at `now` (host, s), in order; now = inf: all."""
        if not self._waiting:
            return []
        listened, heard_at = self._listening.until(now), self._listening.now
        if WATERMARK < now - heard_at <= TOGETHER:
            listened = min(listened, heard_at)
        patience = max(WATERMARK, 2.0 * self._delay)
        sure = min((heard.shown(listened, patience=patience) for heard in self._heard.values()), default=inf)
        count = 0
        while count < len(self._waiting) and self._waiting[count].t <= sure:
            count += 1
        out, self._waiting = self._waiting[:count], self._waiting[count:]
        if out:
            self._released = out[-1].t
        return out

    @property
    def oldest(self) -> float | None:
        """Host time of the first sample that still waits, s."""
        return self._waiting[0].t if self._waiting else None

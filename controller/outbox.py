"""Events on their way to the broker: in order, each kept until the broker has confirmed it, and a little longer.

A broker may confirm before it saves: mosquitto, killed within some 5 ms of a confirmation, had lost what it had just
confirmed in 5 of 12 kills. So what was confirmed shortly before a connection went is sent again, with the same id.

In memory, so what waits is lost with the process; the recording still holds what it was made from.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass
from typing import Final

SAVED_AFTER: Final = 1.0  # s from a confirmation, when the broker has surely written the event down
MOST: Final = 100_000  # events waiting; the oldest of those not under way makes room


@dataclass(frozen=True, slots=True)
class Waiting:
    """One event: where it goes, its JSON, and when it was made (host monotonic, s)."""

    topic: str
    payload: bytes
    made_at: float


class Outbox:
    """A queue with a mark in it: what stands before the mark is under way, and comes again after a lost connection.

    All times are host monotonic, s.
    """

    def __init__(self, *, most: int = MOST) -> None:
        """Make an empty one that holds at most so many."""
        self.dropped = 0  # events that had to make room
        self.refused = 0  # events that the broker would not have
        self._most = most
        self._events: deque[Waiting] = deque()
        self._under_way = 0
        self._confirmed: deque[tuple[float, Waiting]] = deque()  # lately, with the time

    @property
    def depth(self) -> int:
        """Events that are not confirmed."""
        return len(self._events)

    @property
    def under_way(self) -> int:
        """Events that were handed to the broker and are not confirmed."""
        return self._under_way

    def put(self, event: Waiting) -> None:
        """Take an event; when it is full, the oldest that is not under way goes and is counted."""
        self._events.append(event)
        if len(self._events) > self._most:
            del self._events[self._under_way]
            self.dropped += 1

    def next(self) -> Waiting | None:
        """The next event to be sent, which is under way from now on; None when all are."""
        if self._under_way == len(self._events):
            return None
        self._under_way += 1
        return self._events[self._under_way - 1]

    def settled(self, *, refused: bool, now: float) -> Waiting:
        """The broker has answered for the oldest under way, and it leaves; returns it."""
        assert self._under_way > 0
        self._under_way -= 1
        self.refused += refused
        event = self._events.popleft()
        if not refused:
            self._confirmed.append((now, event))
        self._forget(now)
        return event

    def connection_lost(self, *, now: float) -> None:
        """All that is under way, or was confirmed only just now, may be lost: it is sent again, in its order."""
        self._forget(now)
        self._events.extendleft(event for _, event in reversed(self._confirmed))
        self._confirmed.clear()
        self._under_way = 0

    def _forget(self, now: float) -> None:
        while self._confirmed and now - self._confirmed[0][0] > SAVED_AFTER:
            self._confirmed.popleft()

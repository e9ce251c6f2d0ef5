"""Events on their way to the broker: in order, each kept until the broker has confirmed it, and a little longer.

A broker may confirm before it saves: mosquitto, killed within some 5 ms of a confirmation, had lost what it had just
confirmed in 5 of 12 kills. So what was confirmed shortly before a connection went is sent again, with the same id.

Order is kept within a station, and stations take turns: a station with nothing waiting does not stand behind the
others' backlog. What is late goes out at a limited rate. The file, where there is one, is written beside all this.
"""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections import deque
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Final, TypeVar

from controller.config import OutboxConfig
from controller.outbox_file import OutboxError
from controller.outbox_store import Contents, Known, Store, Waiting
from controller.voice import Said
from protocols.topics import ROOT

__all__ = ["Outbox", "OutboxError", "Waiting", "opened", "stamped"]

SAVED_AFTER: Final = 1.0  # s from a confirmation, when the broker has surely written the event down
LATE_AFTER: Final = 5.0  # s from an event's making; later it says that it is late
RESEND_PER_S: Final = 500.0  # late events
RESEND_BURST: Final = 0.1  # s worth of them at once
LATE_UNDER_WAY: Final = 25  # late events at most, so that there is room for those that are not
STALLED_AFTER: Final = 5.0  # s that a disk may take for a commit before it counts as hanging
OPEN_WITHIN: Final = 3.0  # s; then events are sent before it is known what waits in the file
CLOSE_WITHIN: Final = 2.0  # s for the last commit
ROOM_AGAIN: Final = 0.5  # of the caps; with no more than that the fault is over
EARLY_MOST: Final = 100_000  # ids; a disk that does not open for so long is as good as none
MEGABYTE: Final = 1_000_000
DAY: Final = 86_400.0

T = TypeVar("T")
Fault = Callable[[str | None, str, str | None], None]
"""Told of trouble: the station (None: all), the fault's name, and what it is (None: it is over)."""


def _tell_nobody(station: str | None, name: str, detail: str | None) -> None:
    del station, name, detail


class Outbox:
    """A queue for each station, and what is under way, which comes again after a lost connection.

    All times are host monotonic, s. Everything is called from one thread.
    """

    def __init__(
        self, caps: OutboxConfig | None = None, *, fault: Fault = _tell_nobody, awaits_file: bool = False
    ) -> None:
        """Make an empty one, in memory. awaits_file: nothing is sent before `load` or `stop_waiting`."""
        self.caps = caps or OutboxConfig()
        self.dropped = 0  # events that had to make room, or grew too old
        self.repeated = 0  # events that it had already, from before a restart
        self.dead_letters = 0  # events that the broker would not have
        self.lost = 0  # events that neither the broker nor the file had at the end
        self.store: Store | None = None
        self._fault = fault
        self._queues: dict[str, deque[Waiting]] = {}
        self._turns: deque[str] = deque()
        self._under_way: deque[tuple[Waiting, bool]] = deque()  # with whether it is late
        self._confirmed: deque[tuple[float, Waiting]] = deque()  # lately, with the time
        self._depth = self._bytes = self._late_under_way = 0
        self._resend_at = 0.0
        self._known: dict[tuple[str, str], Known] = {}
        self._last: dict[str, int] = {}
        self._awaits_file = awaits_file
        self._early: set[str] | None = set() if awaits_file else None  # ids that were taken before the file was read
        self._refusals: dict[tuple[str, str], str] = {}  # topic and reason of what has been told, with the station
        self._is_overfull = self._is_stalled = False

    @property
    def depth(self) -> int:
        """Events that are not confirmed."""
        return self._depth

    @property
    def under_way(self) -> int:
        """Events that were handed to the broker and are not confirmed."""
        return len(self._under_way)

    @property
    def unsaved(self) -> int | None:
        """Events that only the memory holds, None without a file."""
        return self.store.unsaved if self.store is not None else None

    def last_seq(self, station: str) -> int:
        """The highest number of a station's events that ever came here, 0 where none did."""
        return self._last.get(station, 0)

    # -- in

    def put(self, event: Waiting, *, now: float) -> None:
        """Take an event, unless it waits or left already; the oldest makes room when it is full."""
        if self._has(event):
            self.repeated += 1
            return
        self._last[event.station] = max(event.seq, self.last_seq(event.station))
        if self._early is not None and len(self._early) < EARLY_MOST:
            self._early.add(event.id)
        self._queue(event.station).append(event)
        self._count(event, 1)
        if self.store is not None:
            self.store.keep(event)
            self._watch(self.store.stalled(now=now))
        self._make_room(now)

    def load(self, contents: Contents) -> None:
        """Take what stands in the file before all that has come since, and forget what of that is settled already."""
        early, self._early = self._early or set(), None
        waiting = {event.id for event in contents.waiting}
        self._known |= contents.known
        self.dead_letters += contents.dead_letters
        self._awaits_file = False
        for station, seq in contents.last.items():
            self._last[station] = max(seq, self.last_seq(station))
        for queue in self._queues.values():
            for event in [each for each in queue if each.id not in waiting and self._has(each)]:
                queue.remove(event)
                self._leave(event, refused=None, now=event.made_at)
                self.repeated += 1
        for event in reversed(contents.waiting):
            if event.id not in early:
                self._queue(event.station).appendleft(event)
                self._count(event, 1)
        self._make_room(time.monotonic())

    def stop_waiting(self) -> None:
        """Send what there is; what waits in the file comes later."""
        self._awaits_file = False

    def _has(self, event: Waiting) -> bool:
        known = self._known.get((event.station, event.session))
        return known is not None and known.has(event)

    def _queue(self, station: str) -> deque[Waiting]:
        queue = self._queues.get(station)
        if queue is None:
            queue = self._queues[station] = deque()
            self._turns.append(station)
        return queue

    def _count(self, event: Waiting, one: int) -> None:
        self._depth += one
        self._bytes += one * len(event.payload)

    def _leave(self, event: Waiting, *, refused: str | None, now: float) -> None:
        """An event is not waiting any more, nor in the file."""
        self._count(event, -1)
        if self.store is not None:
            self.store.settle(event, refused=refused, now=now)

    def _make_room(self, now: float) -> None:
        """Drop the oldest of what is not under way, until the caps hold."""
        too_old = now - self.caps.most_days * DAY
        heads = [queue for queue in self._queues.values() if queue]
        while heads:
            oldest = min(heads, key=lambda queue: queue[0].made_at)
            is_full = self._depth > self.caps.most_events or self._bytes > self.caps.most_mb * MEGABYTE
            if not is_full and oldest[0].made_at >= too_old:
                break
            self.dropped += 1
            event = oldest.popleft()
            self._leave(event, refused=None, now=now)
            if not self._is_overfull:
                self._is_overfull = True
                why = f"there are more than [outbox] allows ({self.caps.most_events} events, {self.caps.most_mb} MB)"
                if not is_full:
                    why = f"they waited for more than outbox.most_days ({self.caps.most_days:g})"
                detail = f"events are dropped before the broker had them, the oldest first: {why}; is the broker there?"
                self._fault(None, "outbox_dropped", detail)
            heads = [queue for queue in self._queues.values() if queue]
        share = max(self._depth / self.caps.most_events, self._bytes / (self.caps.most_mb * MEGABYTE))
        if self._is_overfull and share < ROOM_AGAIN:
            self._is_overfull = False
            self._fault(None, "outbox_dropped", None)

    def _watch(self, stalled: float) -> None:
        """Say that the disk hangs: its thread cannot."""
        is_stalled = stalled > STALLED_AFTER
        if is_stalled != self._is_stalled:
            self._is_stalled = is_stalled
            assert self.store is not None
            detail = f"{self.store.path}: the disk does not answer; events wait in memory only until it does"
            self._fault(None, "outbox_disk", detail if is_stalled else None)

    # -- out

    def next(self, *, now: float) -> Waiting | None:
        """The next event to be sent, which is under way from now on; None when all are, or have to wait."""
        if self._awaits_file:
            return None
        for _ in range(len(self._turns)):
            queue = self._queues[self._turns[0]]
            self._turns.rotate(-1)
            if not queue:
                continue
            late = is_late(queue[0], now=now)
            if late and (now < self._resend_at or self._late_under_way >= LATE_UNDER_WAY):
                continue
            if late:
                self._late_under_way += 1
                self._resend_at = max(self._resend_at, now - RESEND_BURST) + 1.0 / RESEND_PER_S
            event = queue.popleft()
            self._under_way.append((event, late))
            return event
        return None

    def due(self, *, now: float) -> float | None:
        """When there is something to be done that nobody will call for, None for never; after `next` of this `now`."""
        self._forget(now)
        times = [self._confirmed[0][0] + SAVED_AFTER] if self._confirmed else []
        if now < self._resend_at and self._depth > len(self._under_way):
            times.append(self._resend_at)
        return min(times, default=None)

    def settled(self, *, refused: str | None, now: float) -> Waiting:
        """The broker has answered for the oldest under way, and it leaves; returns it.

        refused: why the broker would not have it, None where it has it.
        """
        event, late = self._under_way.popleft()
        self._late_under_way -= late
        if refused is None:
            self._count(event, -1)
            self._confirmed.append((now, event))
            self._accepted(event)
        else:
            self.dead_letters += 1
            self._leave(event, refused=refused, now=now)
            self._refused(event, refused)
        self._forget(now)
        self._make_room(now)
        return event

    def connection_lost(self, *, now: float) -> None:
        """All that is under way, or was confirmed only just now, may be lost: it is sent again, in its order."""
        self._forget(now)
        for event, _ in reversed(self._under_way):
            self._queue(event.station).appendleft(event)
        for _, event in reversed(self._confirmed):
            self._queue(event.station).appendleft(event)
            self._count(event, 1)
        self._confirmed.clear()
        self._under_way.clear()
        self._late_under_way = 0

    def _forget(self, now: float) -> None:
        while self._confirmed and now >= self._confirmed[0][0] + SAVED_AFTER:
            _, event = self._confirmed.popleft()
            if self.store is not None:
                self.store.settle(event, refused=None, now=now)

    def _refused(self, event: Waiting, why: str) -> None:
        """Raise a fault, once for a topic and reason: it is an event too, and may be refused in its turn."""
        if (event.topic, why) not in self._refusals:
            self._refusals[event.topic, why] = event.station
            detail = (
                f"the broker refuses {event.topic}: {why}; what it refuses is kept as dead letters; check its rules"
            )
            self._fault(event.station, "publish_refused", detail)

    def _accepted(self, event: Waiting) -> None:
        """End the fault with the last topic that is mended. That faults arrive ends none: the end would be one more."""
        mended = [key for key in self._refusals if key[0] == event.topic and not event.topic.endswith("/fault")]
        for key in mended:
            del self._refusals[key]
        if mended and event.station not in self._refusals.values():
            self._fault(event.station, "publish_refused", None)


def is_late(event: Waiting, *, now: float) -> bool:
    """Whether an event that is sent now has waited for longer than is usual."""
    return now - event.made_at > LATE_AFTER


def stamped(event: Waiting, *, now: float) -> bytes:
    """An event as it is published: ours with `late`, which tells that it waited for longer than LATE_AFTER."""
    if not event.topic.startswith(f"{ROOT}/"):
        return event.payload  # an adapter's
    return event.payload[:-1] + (b',"late":true}' if is_late(event, now=now) else b',"late":false}')


@contextlib.asynccontextmanager
async def opened(
    config: OutboxConfig, path: Path | None, *, fault: Fault, say: Callable[[str], None]
) -> AsyncIterator[Outbox]:
    """An outbox with its file, None: in memory, until the end of the context. Raises OutboxError.

    A file that does not open in OPEN_WITHIN delays nothing further: it is read when it opens, and its events sent then.
    """
    outbox = Outbox(config, fault=fault, awaits_file=path is not None)
    if path is None:
        yield outbox
        return
    loop = asyncio.get_running_loop()
    found: asyncio.Future[None] = loop.create_future()

    def load(contents: Contents | OutboxError) -> None:
        if isinstance(contents, Contents):
            outbox.load(contents)
        if found.done() and isinstance(contents, OutboxError):
            say(f"{contents}; events wait in memory only")
        elif not found.done() and isinstance(contents, OutboxError):
            found.set_exception(contents)
        elif not found.done():
            found.set_result(None)

    def trouble(detail: str | None) -> None:
        if detail is not None:
            say(Said(detail, level="error"))
        else:
            say(f"{path}: the outbox is written again")
        fault(None, "outbox_disk", detail)

    def in_loop(what: Callable[[T], None]) -> Callable[[T], None]:
        def call(told: T) -> None:
            with contextlib.suppress(RuntimeError):  # the loop has ended before the disk answered
                loop.call_soon_threadsafe(what, told)

        return call

    outbox.store = store = Store(path, loaded=in_loop(load), trouble=in_loop(trouble), say=in_loop(say))
    try:
        try:
            await asyncio.wait_for(asyncio.shield(found), OPEN_WITHIN)
        except TimeoutError:
            outbox.stop_waiting()
            say(f"{path}: does not open within {OPEN_WITHIN:g} s; events are sent, and what waits in it later")
        yield outbox
    finally:
        found.cancel()
        unsaved = await asyncio.to_thread(store.close, within=CLOSE_WITHIN)
        outbox.lost = min(unsaved, outbox.depth)  # of the others the broker has told that it has them
        if outbox.lost:
            say(f"{path}: {outbox.lost} events could not be written and are lost, unless the recording has them still")

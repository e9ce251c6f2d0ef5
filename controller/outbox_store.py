"""Keeps on disk what the outbox holds, in a thread of its own: a slow, full, locked or absent disk delays nobody.

What is to be written is what the memory holds and the file does not, so nothing piles up while the disk is in trouble,
and an event that comes and goes in between is never written. Several changes go in one commit, which is on the disk
when it is over (synchronous FULL).
"""

from __future__ import annotations

import contextlib
import os
import sqlite3
import threading
import time
import traceback
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field, replace
from itertools import islice
from pathlib import Path
from typing import Final

from controller.outbox_file import DAMAGE, PASSING, PLAIN, OutboxError, code, locked, opened, set_aside

COMMIT_EVERY: Final = 0.01  # s that a first change waits for others
BATCH: Final = 1000  # changes of a kind in one commit
RETRY: Final = 0.5  # s
SETTLED_KEPT: Final = 1000  # of each station; what was settled before these is known by its number
PRUNE_EVERY: Final = 1000  # settled events
PAUSE_MOST: Final = 3600.0  # s; a longer one between two events, or before a start, is a clock that jumped or no wait
DEAD_LETTERS_KEPT: Final = 10_000
SETTLED_MOST: Final = 20_000  # remembered while the disk is in trouble; beyond, the oldest may be sent again
UNWRITABLE: Final = (ValueError, TypeError, OverflowError)  # what a value is called that no database takes


@dataclass(frozen=True, slots=True)
class Waiting:
    """One event: whose it is, where it goes, its JSON, and when it was made (host monotonic, s)."""

    station: str
    session: str
    seq: int
    id: str
    topic: str
    payload: bytes
    made_at: float


@dataclass(slots=True)
class Known:
    """What a file knows of a station's session: events by their ids, and all with a lower number."""

    ids: set[str] = field(default_factory=set)
    lowest: int | None = None

    def add(self, name: str, seq: int) -> None:
        """Take an event that waits or was settled."""
        self.ids.add(name)
        self.lowest = seq if self.lowest is None else min(self.lowest, seq)

    def has(self, event: Waiting) -> bool:
        """Whether an event waits or was settled before."""
        return event.id in self.ids or (self.lowest is not None and event.seq < self.lowest)


@dataclass(frozen=True, slots=True)
class Contents:
    """What stood in a file when it was opened."""

    waiting: list[Waiting] = field(default_factory=list)
    known: dict[tuple[str, str], Known] = field(default_factory=dict)  # by station and session
    last: dict[str, int] = field(default_factory=dict)  # the highest number of each station
    dead_letters: int = 0


@dataclass(frozen=True, slots=True)
class Settled:
    """An event that has left; refused: why the broker would not have it, None where that is not why."""

    event: Waiting
    refused: str | None
    at: float  # host monotonic, s


class Store:
    """One database. `keep` and `settle` never wait."""

    def __init__(
        self,
        path: Path,
        *,
        loaded: Callable[[Contents | OutboxError], None],
        trouble: Callable[[str | None], None],
        say: Callable[[str], None],
    ) -> None:
        """Start the thread, which opens or makes the file.

        loaded: is told once what stands in it, or why it may not be used, which ends the thread; trouble: is told in
        one line why nothing can be written, and None when it can be again. All three are called from the thread.
        """
        self.path = path
        self._loaded, self._trouble, self._say = loaded, trouble, say
        self._changed = threading.Condition()
        self._living: dict[str, Waiting] = {}  # all that is in memory, in order
        self._unsaved: dict[str, Waiting] = {}  # of these, what the file has not got
        self._unwritable: dict[str, Waiting] = {}  # nor will it ever get these
        self._settled: dict[str, Settled] = {}  # what the file must still forget
        self._closing = threading.Event()
        self._troubled = False
        self._is_known = False  # what stood in the file
        self._since: float | None = None  # how long the thread has been at the disk
        self._prune_in = 0
        self._lock: int | None = None
        self._thread = threading.Thread(target=self._run, name="outbox", daemon=True)
        self._thread.start()

    def keep(self, event: Waiting) -> None:
        """Have an event written."""
        with self._changed:
            self._living[event.id] = self._unsaved[event.id] = event
            self._changed.notify()

    def settle(self, event: Waiting, *, refused: str | None, now: float) -> None:
        """Have an event deleted, or put among the dead letters."""
        with self._changed:
            self._living.pop(event.id, None)
            self._unsaved.pop(event.id, None)
            self._unwritable.pop(event.id, None)
            self._settled[event.id] = Settled(event, refused, now)
            if len(self._settled) > SETTLED_MOST:
                del self._settled[next(iter(self._settled))]
            self._changed.notify()

    def stalled(self, *, now: float) -> float:
        """For how long the disk has not answered, s."""
        since = self._since
        return 0.0 if since is None else now - since

    @property
    def unsaved(self) -> int:
        """Events that only the memory holds."""
        return len(self._unsaved) + len(self._unwritable)

    def close(self, *, within: float) -> int:
        """Write what is left and end the thread; returns how many events could not be written."""
        self._closing.set()
        with self._changed:
            self._changed.notify()
        self._thread.join(within)
        return self.unsaved

    # -- in the thread

    def _run(self) -> None:
        connection: sqlite3.Connection | None = None
        try:
            while True:
                try:
                    if connection is None:
                        connection = self._open()
                    events, settled = self._work()
                    if events or settled:
                        self._save(connection, events, settled)
                    elif self._closing.is_set():
                        break
                    if not self._unwritable:
                        self._tell(None)
                except OutboxError as error:
                    self._loaded(error)
                    break
                except Exception as error:  # noqa: BLE001 - whatever it is: without this thread nothing is kept
                    connection = self._failed(connection, error)
                    if self._closing.wait(RETRY):
                        break
        finally:
            if connection is not None:
                with contextlib.suppress(sqlite3.Error):
                    connection.close()
            if self._lock is not None:
                os.close(self._lock)

    def _open(self) -> sqlite3.Connection:
        """Open the file, and read it the first time."""
        self._since = time.monotonic()
        self.path.parent.mkdir(parents=True, exist_ok=True)
        if self._lock is None:
            self._lock = locked(self.path)
        connection = opened(self.path, check=not self._is_known)
        if not self._is_known:
            contents = read(connection)
            with self._changed:
                self._living = {event.id: event for event in contents.waiting} | self._living
            self._is_known = True
            self._loaded(contents)
        self._since = None
        return connection

    def _work(self) -> tuple[list[Waiting], list[Settled]]:
        """What is to be written next; nothing at the end."""
        with self._changed:
            while not (self._unsaved or self._settled or self._closing.is_set()):
                self._changed.wait()
        self._closing.wait(COMMIT_EVERY)
        with self._changed:
            return list(islice(self._unsaved.values(), BATCH)), list(islice(self._settled.values(), BATCH))

    def _save(self, connection: sqlite3.Connection, events: list[Waiting], settled: list[Settled]) -> None:
        """Write it all, but for what cannot be written."""
        try:
            self._write(connection, events, settled)
        except UNWRITABLE as error:
            if len(events) + len(settled) > 1:
                for event in events:
                    self._save(connection, [event], [])
                for each in settled:
                    self._save(connection, [], [each])
            else:
                self._give_up(events, settled, f"cannot be written ({type(error).__name__}: {error})")

    def _give_up(self, events: list[Waiting], settled: list[Settled], why: str) -> None:
        """Do without an event in the file, without the dead letter that it should become, or without its end."""
        with self._changed:
            for event in events:
                if self._unsaved.pop(event.id, None) is not None:
                    self._unwritable[event.id] = event
            for each in settled:
                self._settled.pop(each.event.id, None)
                if each.refused is not None:
                    self._settled[each.event.id] = replace(each, refused=None)
        for event in events:
            self._tell(f"{self.path}: event {event.id} {why}; it waits in memory only")
        for each in settled:
            if each.refused is not None:
                self._say(f"{self.path}: the dead letter of event {each.event.id} {why}; it is not kept")

    def _write(self, connection: sqlite3.Connection, events: list[Waiting], settled: list[Settled]) -> None:
        """Write it all or nothing."""
        self._since = time.monotonic()
        try:
            connection.execute("BEGIN IMMEDIATE")
            _insert(connection, events)
            _remove(connection, settled)
            self._prune_in -= len(settled)
            if self._prune_in <= 0:
                _prune(connection)
                self._prune_in = PRUNE_EVERY
            connection.execute("COMMIT")
        finally:
            if connection.in_transaction:
                with contextlib.suppress(sqlite3.Error):
                    connection.execute("ROLLBACK")
            self._since = None
        with self._changed:
            for event in events:
                self._unsaved.pop(event.id, None)
            for each in settled:
                self._settled.pop(each.event.id, None)

    def _failed(self, connection: sqlite3.Connection | None, error: Exception) -> sqlite3.Connection | None:
        """Say what is wrong, and make what can be made of it; returns the connection if it is still good."""
        self._since = None
        kind = code(error) if isinstance(error, sqlite3.Error) else None
        if kind not in DAMAGE:
            self._tell(f"{self.path}: {_words(error, kind)}; events wait in memory only until this is mended")
        if connection is not None and kind not in PASSING:
            with contextlib.suppress(sqlite3.Error):
                connection.close()
            connection = None
        if kind in DAMAGE:
            self._begin_anew(str(error))
        return connection

    def _begin_anew(self, why: str) -> None:
        """Put a damaged file out of the way; the next one gets all that the memory holds."""
        try:
            aside = set_aside(self.path)
        except OSError as error:
            self._tell(f"{self.path}: is damaged, and cannot be renamed: {error.strerror}")
            return
        with self._changed:
            self._unsaved = dict(self._living)
            self._unwritable.clear()
        self._say(f"{self.path}: is damaged ({why}); kept as {aside.name}, a new one is begun")

    def _tell(self, detail: str | None) -> None:
        """Tell of trouble once, and once that it is over."""
        if self._troubled != (detail is not None):
            self._troubled = detail is not None
            self._trouble(detail)


def _words(error: Exception, kind: int | None) -> str:
    """An error for a person; one that nobody thought of says where it came from."""
    if isinstance(error, OSError):
        return error.strerror or str(error)
    if isinstance(error, sqlite3.Error):
        return PLAIN.get(kind or 0, str(error))
    where = traceback.extract_tb(error.__traceback__)[-1]
    return f"{type(error).__name__}: {error} (in {Path(where.filename).name}, line {where.lineno}; please report it)"


def read(connection: sqlite3.Connection) -> Contents:
    """What stands in a file.

    An event's age is counted from the newest one on, step by step, since the clock may have been set in between.
    """
    contents = Contents()
    made_at, later = time.monotonic(), time.time()
    rows = connection.execute("SELECT station, session, seq, id, topic, payload, made_ms FROM event ORDER BY n DESC")
    for station, session, seq, name, topic, payload, made_ms in rows:
        made = made_ms / 1000.0
        made_at -= min(max(later - made, 0.0), PAUSE_MOST)
        later = made
        contents.waiting.append(Waiting(station, session, seq, name, topic, payload, made_at))
    contents.waiting.reverse()
    both = "SELECT station, session, seq, id FROM event UNION ALL SELECT station, session, seq, id FROM settled"
    for station, session, seq, name in connection.execute(both):
        contents.known.setdefault((station, session), Known()).add(name, seq)
        contents.last[station] = max(seq, contents.last.get(station, seq))
    (dead,) = connection.execute("SELECT count(*) FROM dead_letter").fetchone()
    return replace(contents, dead_letters=dead)


def _insert(connection: sqlite3.Connection, events: Iterable[Waiting]) -> None:
    monotonic, unix = time.monotonic(), time.time()
    connection.executemany(
        "INSERT OR IGNORE INTO event (station, session, seq, id, topic, payload, made_ms) VALUES (?, ?, ?, ?, ?, ?, ?)",
        [
            (e.station, e.session, e.seq, e.id, e.topic, e.payload, round(1000.0 * (unix - monotonic + e.made_at)))
            for e in events
        ],
    )


def _remove(connection: sqlite3.Connection, settled: Iterable[Settled]) -> None:
    offset = time.time() - time.monotonic()
    events = [each.event for each in settled]
    connection.executemany(
        "INSERT OR IGNORE INTO settled (id, station, session, seq) VALUES (?, ?, ?, ?)",
        [(e.id, e.station, e.session, e.seq) for e in events],
    )
    connection.executemany(
        "INSERT OR IGNORE INTO dead_letter (id, station, topic, reason, made_ms, refused_ms, payload)"
        " VALUES (?1, ?2, ?3, ?4, coalesce((SELECT made_ms FROM event WHERE id = ?1), ?5), ?6, ?7)",
        [
            (e.id, e.station, e.topic, refused, round(1000.0 * (offset + e.made_at)), round(1000.0 * (offset + at)),
             e.payload)
            for e, refused, at in ((each.event, each.refused, each.at) for each in settled)
            if refused is not None
        ],
    )  # fmt: skip
    connection.executemany("DELETE FROM event WHERE id = ?", [(e.id,) for e in events])


def _prune(connection: sqlite3.Connection) -> None:
    for (station,) in connection.execute("SELECT DISTINCT station FROM settled").fetchall():
        connection.execute(
            "DELETE FROM settled WHERE station = ?1 AND n <="
            " (SELECT n FROM settled WHERE station = ?1 ORDER BY n DESC LIMIT 1 OFFSET ?2)",
            (station, SETTLED_KEPT),
        )
    connection.execute("DELETE FROM dead_letter WHERE n <= (SELECT max(n) FROM dead_letter) - ?", (DEAD_LETTERS_KEPT,))

"""The outbox's file: who may use it, its tables, the steps from one version of them to the next, and its damage.

A database of SQLite. Its `user_version` says how many of the STEPS it has taken; a new file has taken none.
"""

from __future__ import annotations

import fcntl
import os
import sqlite3
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

LOCKED_FOR: Final = 1.0  # s that another process may have it before that counts as trouble
WAL_PAGES: Final = 256  # of 4 kB, written back to the file from then on; so much room a disk needs besides
DAMAGE: Final = (sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB)
PASSING: Final = (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED, sqlite3.SQLITE_FULL)  # the connection stays good
PLAIN: Final = {
    sqlite3.SQLITE_BUSY: "it is locked by another process",
    sqlite3.SQLITE_FULL: "the disk is full",
    sqlite3.SQLITE_READONLY: "it may not be written",
    sqlite3.SQLITE_CANTOPEN: "it cannot be opened",
}
STEPS: Final = (
    # What waits, in the order of n; and what has left, of each station the latest, so that it is not taken again.
    """
    CREATE TABLE event (
        n INTEGER PRIMARY KEY, id TEXT NOT NULL UNIQUE, station TEXT NOT NULL, session TEXT NOT NULL,
        seq INTEGER NOT NULL, topic TEXT NOT NULL, made_ms INTEGER NOT NULL, payload BLOB NOT NULL
    );
    CREATE TABLE settled (
        n INTEGER PRIMARY KEY, id TEXT NOT NULL UNIQUE, station TEXT NOT NULL, session TEXT NOT NULL,
        seq INTEGER NOT NULL
    );
    CREATE INDEX settled_of_station ON settled (station, n)
    """,
    # What the broker would not have.
    """
    CREATE TABLE dead_letter (
        n INTEGER PRIMARY KEY, id TEXT NOT NULL UNIQUE, station TEXT NOT NULL, topic TEXT NOT NULL,
        reason TEXT NOT NULL, made_ms INTEGER NOT NULL, refused_ms INTEGER NOT NULL, payload BLOB NOT NULL
    )
    """,
)


class OutboxError(Exception):
    """The outbox may not be used; one line that says why and what to do."""


def locked(path: Path) -> int:
    """Keep everybody else from an outbox until the file descriptor is closed. Raises OutboxError, OSError."""
    file = os.open(path.with_name(f"{path.name}.lock"), os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o640)
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        os.close(file)
        raise OutboxError(
            f"{path}: another controller uses this outbox; end that one, or give outbox.path another file"
        ) from None
    except OSError:
        os.close(file)
        raise
    return file


def opened(path: Path, *, check: bool) -> sqlite3.Connection:
    """The database, of the present version; check: look for damage first.

    Raises OutboxError, sqlite3.Error, OSError.
    """
    if not path.exists():  # SQLite would let everybody read who trains what
        os.close(os.open(path, os.O_RDONLY | os.O_CREAT | os.O_CLOEXEC, 0o640))
    connection = sqlite3.connect(path, timeout=LOCKED_FOR, isolation_level=None)
    try:
        if check:
            _look_for_damage(connection)
        version = _version(path, connection)
        connection.execute("PRAGMA journal_mode = WAL")
        connection.execute("PRAGMA synchronous = FULL")
        connection.execute(f"PRAGMA wal_autocheckpoint = {WAL_PAGES}")
        for number, step in enumerate(STEPS[version:], start=version + 1):
            _take(connection, step, number)
    except BaseException:
        connection.close()
        raise
    return connection


def _version(path: Path, connection: sqlite3.Connection) -> int:
    """How many steps a file has taken. Raises OutboxError when there are more than are known here."""
    version: int = connection.execute("PRAGMA user_version").fetchone()[0]
    if version > len(STEPS):
        raise OutboxError(
            f"{path}: made by a later version of cable-station ({version}, this one knows {len(STEPS)}); "
            "install that one, or move the file away"
        )
    return version


def _take(connection: sqlite3.Connection, step: str, number: int) -> None:
    """Take a step, whole or not at all."""
    connection.execute("BEGIN IMMEDIATE")
    for statement in step.split(";"):
        connection.execute(statement)
    connection.execute(f"PRAGMA user_version = {number}")
    connection.execute("COMMIT")


def _look_for_damage(connection: sqlite3.Connection) -> None:
    (verdict,) = connection.execute("PRAGMA quick_check(1)").fetchone()
    if verdict != "ok":
        error = sqlite3.DatabaseError(verdict)
        error.sqlite_errorcode = sqlite3.SQLITE_CORRUPT
        raise error


def code(error: sqlite3.Error) -> int:
    """What kind of error it is, as SQLite numbers them."""
    return getattr(error, "sqlite_errorcode", sqlite3.SQLITE_ERROR) & 0xFF


def set_aside(path: Path) -> Path:
    """Rename a damaged database, with what belongs to it; returns its new name. Raises OSError."""
    aside = path.with_name(f"{path.name}.damaged-{datetime.now(UTC):%Y%m%dT%H%M%S%fZ}")
    for suffix in ("-wal", "-shm", ""):
        part = path.with_name(path.name + suffix)
        if part.exists():
            part.rename(aside.with_name(aside.name + suffix))
    return aside

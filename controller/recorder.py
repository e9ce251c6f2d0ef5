"""Writes every input of a station to disk, in a thread of its own: a slow, full or absent disk delays nobody.

What has been taken is in the file after WRITE_EVERY, if the disk can; so much is lost at most when the program is
killed. (A power cut also loses what the operating system had not yet put on the disk.)
"""

from __future__ import annotations

import contextlib
import os
import queue
import threading
import time
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

from protocols.recording import (
    MAGIC,
    AboutIn,
    ChunkIn,
    CommandIn,
    Dropped,
    Header,
    Input,
    LinkDown,
    LinkUp,
    ProblemIn,
    encode,
)

QUEUE_BYTES: Final = 64 * 1024 * 1024
WRITE_EVERY: Final = 0.05  # s
BATCH_BYTES: Final = 1024 * 1024  # written at once, so that what waits is counted
CLOSE_WITHIN: Final = 5.0  # s that a disk gets for the rest
SUFFIX: Final = ".cablerec"


def _size(record: Input) -> int:
    """Bytes of memory, about."""
    return len(record.data) + 64 if isinstance(record, ChunkIn) else 256


class Recorder:
    """One file, from its header to `close`."""

    def __init__(
        self,
        folder: Path,
        header: Header,
        *,
        trouble: Callable[[str | None], None],
        queue_bytes: int = QUEUE_BYTES,
    ) -> None:
        """Start the thread, which creates folder and file.

        `trouble` is told in one line when something is not recorded, and None when all is again; it is called from
        the recorder's thread or from within `put`.
        """
        when = datetime.fromtimestamp(header.unix_anchor, UTC).strftime("%Y%m%dT%H%M%SZ")
        self.path = folder / f"{when}-{header.station}-{header.recording[:8]}{SUFFIX}"
        self.dropped = 0  # bytes of chunks that found the queue full, or the disk
        self._begin = MAGIC + encode(header)
        self._trouble = trouble
        self._limit = queue_bytes
        self._lock = threading.Lock()  # for what both sides of the queue touch
        self._waiting = 0  # bytes taken and not yet written
        self._missing: Dropped | None = None  # at the queue, not yet marked in the file
        self._troubled = False
        self._closing = False
        self._queue: queue.SimpleQueue[Input | None] = queue.SimpleQueue()
        self._owed: list[Input] = []  # what a disk that failed must still get
        self._file: int | None = None
        self._end = 0  # bytes of whole records in the file
        self._torn = False  # more stands in it
        self._thread = threading.Thread(target=self._run, name=f"recorder {header.station}", daemon=True)
        self._thread.start()

    def put(self, record: Input) -> None:
        """Take one input. Never blocks: a chunk that finds the queue full is dropped, counted and marked."""
        size = _size(record)
        with self._lock:
            is_full = isinstance(record, ChunkIn) and self._waiting + size > self._limit
            if isinstance(record, ChunkIn) and is_full:
                self.dropped += len(record.data)
                before = self._missing.bytes if self._missing is not None else 0
                self._missing = Dropped(received_at=record.received_at, bytes=before + len(record.data))
            else:
                self._waiting += size
                self._mark()
                self._queue.put(record)
        if is_full:
            self._say(f"{self.path}: the disk is too slow; not everything is recorded")

    def close(self) -> None:
        """Write what is left and end the thread; harmless when closed already."""
        with self._lock:
            self._closing = True
            self._mark()
            self._queue.put(None)
        self._thread.join(CLOSE_WITHIN)

    def _mark(self) -> None:
        """Mark what is missing at this place. With the lock held."""
        if self._missing is not None:
            self._queue.put(self._missing)
            self._missing = None

    # -- in the thread

    def _run(self) -> None:
        try:
            goes_on = True
            self._write([])
            while goes_on:
                batch, goes_on = self._batch()
                self._write(batch)
        finally:
            if self._file is not None:
                os.close(self._file)
            if not self._closing:
                self._say(f"{self.path}: the recorder has ended by itself; nothing is recorded")

    def _batch(self) -> tuple[list[Input], bool]:
        """What comes within WRITE_EVERY of the first; False when it was the last."""
        first = self._queue.get()
        if first is None:
            return [], False
        batch, size = [first], _size(first)
        due = time.monotonic() + WRITE_EVERY
        while size < BATCH_BYTES:
            try:
                record = self._queue.get(timeout=max(due - time.monotonic(), 0.0))
            except queue.Empty:
                break
            if record is None:
                return batch, False
            batch.append(record)
            size += _size(record)
        return batch, True

    def _write(self, batch: list[Input]) -> None:
        records = [*self._owed, *batch]
        is_written = False
        try:
            self._append(b"".join(encode(record) for record in records))
        except OSError as error:
            self._owed = self._still_owed(records)
            self._say(f"{self.path}: {error.strerror}; nothing is recorded until this is mended")
        else:
            self._owed, is_written = [], True
        with self._lock:
            self._waiting -= sum(_size(record) for record in batch if not isinstance(record, Dropped))
            is_well = is_written and self._missing is None and self._waiting < self._limit // 2
        if is_well:
            self._say(None)

    def _append(self, data: bytes) -> None:
        """Write at the end, all of it or nothing. Raises OSError."""
        if self._file is None:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            self._file = os.open(self.path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_APPEND, 0o640)
        if self._torn:
            self._mend(self._file)
        if self._end == 0:
            data = self._begin + data
        try:
            written = 0
            while written < len(data):
                written += os.write(self._file, data[written:])
        except OSError:
            self._torn = True
            with contextlib.suppress(OSError):
                self._mend(self._file)  # no half record, as long as this lasts
            raise
        self._end += len(data)

    def _mend(self, file: int) -> None:
        os.ftruncate(file, self._end)
        self._torn = False

    def _still_owed(self, records: list[Input]) -> list[Input]:
        """Of what could not be written: what the samples to come cannot be read without, and how much is missing."""
        kept: list[Input] = [r for r in records if isinstance(r, LinkUp | AboutIn | LinkDown | CommandIn | ProblemIn)]
        lost = sum(len(record.data) for record in records if isinstance(record, ChunkIn))
        marked = sum(record.bytes for record in records if isinstance(record, Dropped))
        with self._lock:
            self.dropped += lost
        if lost or marked:
            kept.append(Dropped(received_at=records[-1].received_at, bytes=lost + marked))
        return kept

    def _say(self, line: str | None) -> None:
        """Tell of trouble once, and once that it is over."""
        with self._lock:
            is_news = self._troubled != (line is not None)
            self._troubled = line is not None
        if is_news:
            self._trouble(line)

"""Writes every input of a station to disk, in a thread of its own: a slow, full or absent disk delays nobody.

What has been taken is in the file after WRITE_EVERY, if the disk can; so much is lost at most when the program is
killed. (A power cut also loses what the operating system had not yet put on the disk.)
"""

from __future__ import annotations

import contextlib
import queue
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from controller import checkpoint
from controller.recording_file import RecordingFile
from controller.recording_folder import ALL, Keep, file_name, prune
from protocols.recording import (
    MAGIC,
    AboutIn,
    ChunkIn,
    CommandIn,
    Continued,
    Dropped,
    Ended,
    Header,
    Input,
    LinkDown,
    LinkUp,
    Mark,
    ProblemIn,
    Resumed,
    encode,
)

QUEUE_BYTES: Final = 64 * 1024 * 1024
WRITE_EVERY: Final = 0.05  # s
BATCH_BYTES: Final = 1024 * 1024  # written at once, so that what waits is counted
CLOSE_WITHIN: Final = 5.0  # s that a disk gets for the rest
KEPT: Final = (LinkUp, AboutIn, LinkDown, CommandIn, ProblemIn, Resumed, Continued, Ended)
"""What the samples to come cannot be read without, and what says how a file ends."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Disk:
    """What a disk must keep free (bytes), and which recordings are kept on it."""

    least_free: int = 0
    keep: Keep = ALL


USUAL: Final = Disk()


@dataclass(frozen=True, slots=True)
class Written:
    """A file that is there, of which so many bytes are kept."""

    path: Path
    whole: int


@dataclass(frozen=True, slots=True)
class _Next:
    """From here on it is the next part, with this header, begun at this wall time."""

    header: Header
    unix: float


@dataclass(frozen=True, slots=True)
class _Save:
    """All that was taken before led to this state."""

    blob: bytes


@dataclass(frozen=True, slots=True)
class _Tell:
    """What was taken before is in the file, if the disk can."""

    call: Callable[[], object]


_Order = _Next | _Save | _Tell | None
Disturbed = Callable[[str | None], None]


def _size(record: Input | Mark) -> int:
    """Bytes of memory, about."""
    return len(record.data) + 64 if isinstance(record, ChunkIn) else 256


class Recorder:
    """The recording of one session, in one file or several, from its header to `close`."""

    def __init__(
        self,
        folder: Path,
        header: Header,
        *,
        trouble: Disturbed,
        queue_bytes: int = QUEUE_BYTES,
        goes_on: Written | None = None,
        disk: Disk = USUAL,
    ) -> None:
        """Start the thread, which creates folder and file; goes_on: the file that it goes on in instead.

        `trouble` is told in one line when something is not recorded, and None when all is again; it is called from
        the recorder's thread or from within `put`.
        """
        self.dropped = 0  # bytes of chunks that found the queue full, or the disk
        self._folder = folder
        self._header = header
        self._disk = disk
        self._file = self._opened(header, header.unix_anchor, goes_on)
        self._trouble = trouble
        self._limit = queue_bytes
        self._lock = threading.Lock()  # for what both sides of the queue touch
        self._waiting = 0  # bytes taken and not yet written
        self._missing: Dropped | None = None  # at the queue, not yet marked in the file
        self._troubled = False
        self._closing = False
        self._queue: queue.SimpleQueue[Input | Mark | _Order] = queue.SimpleQueue()
        self._owed: list[Input | Mark] = []  # what a disk that failed must still get
        self._thread = threading.Thread(target=self._run, name=f"recorder {header.station}", daemon=True)
        self._thread.start()

    @property
    def path(self) -> Path:
        """The file that is written now."""
        return self._file.path

    @property
    def size(self) -> int:
        """Bytes of that file."""
        return self._file.end

    def put(self, record: Input | Mark) -> None:
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

    def go_on_in(self, header: Header, *, received_at: float, unix: float) -> None:
        """What comes from now on belongs into the next part, which begins with this header."""
        self.put(Continued(received_at=received_at))
        self._queue.put(_Next(header, unix))

    def keep_state(self, blob: bytes) -> None:
        """Keep, beside the file, the state to which all that was put has led (see controller.checkpoint)."""
        self._queue.put(_Save(blob))

    def when_written(self, call: Callable[[], object]) -> None:
        """Write at once what was put, and call then, from the recorder's thread, also if the disk would not have it."""
        self._queue.put(_Tell(call))

    def end(self) -> None:
        """Let the thread write what is left, and end; harmless when it has been told already."""
        with self._lock:
            self._closing = True
            self._mark()
            self._queue.put(None)

    def close(self, *, within: float = CLOSE_WITHIN) -> None:
        """End it, and wait for that."""
        self.end()
        self._thread.join(within)

    def _mark(self) -> None:
        """Mark what is missing at this place. With the lock held."""
        if self._missing is not None:
            self._queue.put(self._missing)
            self._missing = None

    # -- in the thread

    def _run(self) -> None:
        order: _Order = _Save(b"")
        try:
            self._write([])
            self._prune()
            while order is not None:
                batch, order = self._batch()
                self._write(batch)
                if isinstance(order, _Tell):
                    order.call()
                elif isinstance(order, _Next):
                    self._next(order)
                elif isinstance(order, _Save) and order.blob:
                    self._save(order.blob)
        finally:
            self._file.close()
            if not self._closing:
                self._say(f"{self.path}: the recorder has ended by itself; nothing is recorded")

    def _batch(self) -> tuple[list[Input | Mark], _Order]:
        """What comes within WRITE_EVERY of the first, and what is to be done then; None: it was the last."""
        first = self._queue.get()
        if first is None or isinstance(first, _Next | _Save | _Tell):
            return [], first
        batch, size = [first], _size(first)
        due = time.monotonic() + WRITE_EVERY
        while size < BATCH_BYTES:
            try:
                record = self._queue.get(timeout=max(due - time.monotonic(), 0.0))
            except queue.Empty:
                break
            if record is None or isinstance(record, _Next | _Save | _Tell):
                return batch, record
            batch.append(record)
            size += _size(record)
        return batch, _Save(b"")

    def _write(self, batch: list[Input | Mark]) -> None:
        records = [*self._owed, *batch]
        is_written = False
        try:
            self._file.append(b"".join(encode(record) for record in records))
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

    def _next(self, order: _Next) -> None:
        """Begin the next part. What the disk has not taken of the last one is owed to this one."""
        self._file.close()
        checkpoint.forget(self.path)
        self._header = order.header
        self._file = self._opened(order.header, order.unix, None)
        self._write([])
        self._prune()

    def _opened(self, header: Header, unix: float, goes_on: Written | None) -> RecordingFile:
        path = self._folder / file_name(header, unix=unix) if goes_on is None else goes_on.path
        return RecordingFile(
            path,
            MAGIC + encode(header),
            whole=goes_on.whole if goes_on is not None else None,
            least_free=self._disk.least_free,
        )

    def _prune(self) -> None:
        with contextlib.suppress(OSError):  # a folder that is not there is said where it is written
            prune(self._folder, self._disk.keep)

    def _save(self, blob: bytes) -> None:
        if self._owed or not self._file.end:
            return  # the file does not hold all that led to this state
        with contextlib.suppress(OSError):  # without it a restart only takes longer
            checkpoint.write(blob, self.path, name=self._header.recording, part=self._header.part, at=self._file.end)

    def _still_owed(self, records: list[Input | Mark]) -> list[Input | Mark]:
        """Of what could not be written: what the samples to come cannot be read without, and how much is missing."""
        kept: list[Input | Mark] = [record for record in records if isinstance(record, KEPT)]
        lost = sum(len(record.data) for record in records if isinstance(record, ChunkIn))
        marked = sum(record.bytes for record in records if isinstance(record, Dropped))
        with self._lock:
            self.dropped += lost
        if lost or marked:
            at = len(kept) - bool(kept and isinstance(kept[-1], Continued | Ended))  # which stays the last
            kept.insert(at, Dropped(received_at=records[-1].received_at, bytes=lost + marked))
        return kept

    def _say(self, line: str | None) -> None:
        """Tell of trouble once, and once that it is over."""
        with self._lock:
            is_news = self._troubled != (line is not None)
            self._troubled = line is not None
        if is_news:
            self._trouble(line)

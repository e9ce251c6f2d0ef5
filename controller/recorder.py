"""Writes every input of a station to disk, in a thread of its own: a slow disk delays nobody."""

from __future__ import annotations

import os
import queue
import threading
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

from protocols.recording import MAGIC, ChunkIn, Dropped, Header, Input, Record, encode

QUEUE_BYTES: Final = 64 * 1024 * 1024
WRITE_EVERY: Final = 0.05  # s; what is not written yet is lost at a kill
SUFFIX: Final = ".cablerec"


class Recorder:
    """One file, from its header to `close`. `trouble` is called from the thread when writing fails or works again."""

    def __init__(
        self,
        folder: Path,
        header: Header,
        *,
        trouble: Callable[[str | None], None],
        queue_bytes: int = QUEUE_BYTES,
    ) -> None:
        """Create the file and start its thread. Raises OSError when the folder cannot be written."""
        folder.mkdir(parents=True, exist_ok=True)
        when = datetime.fromtimestamp(header.unix_anchor, UTC).strftime("%Y%m%dT%H%M%SZ")
        self.path = folder / f"{when}-{header.station}-{header.recording[:8]}{SUFFIX}"
        self.dropped = 0  # bytes of chunks that found the queue full, or the disk
        self._missing = 0  # of them, not yet marked in the file
        self._limit = queue_bytes
        self._waiting = 0
        self._lock = threading.Lock()
        self._queue: queue.SimpleQueue[Record | None] = queue.SimpleQueue()
        self._trouble = trouble
        self._failed = False
        self._file = os.open(self.path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_APPEND, 0o640)
        self._end = os.write(self._file, MAGIC + encode(header))
        self._thread = threading.Thread(target=self._run, name=f"recorder {header.station}", daemon=True)
        self._thread.start()

    def put(self, record: Input) -> None:
        """Take one input. Never blocks: a chunk that finds the queue full is dropped, counted and marked."""
        size = len(record.data) + 64 if isinstance(record, ChunkIn) else 128
        with self._lock:
            if isinstance(record, ChunkIn) and self._waiting + size > self._limit:
                self.dropped += len(record.data)
                self._missing += len(record.data)
                return
            missing, self._missing = self._missing, 0
            self._waiting += size
        if missing:
            self._queue.put(Dropped(received_at=record.received_at, bytes=missing))
        self._queue.put(record)

    def close(self) -> None:
        """Write what is left and end the thread."""
        self._queue.put(None)
        self._thread.join(5.0)

    def _run(self) -> None:
        try:
            open_ = True
            while open_:
                batch, open_ = self._batch()
                if batch:
                    self._write(batch)
        finally:
            os.close(self._file)

    def _batch(self) -> tuple[list[Record], bool]:
        """What has come in within WRITE_EVERY of the first; False when it was the last."""
        batch: list[Record] = []
        first = self._queue.get()
        if first is None:
            return batch, False
        batch.append(first)
        while len(batch) < 4096:
            try:
                record = self._queue.get(timeout=WRITE_EVERY if len(batch) == 1 else 0.0)
            except queue.Empty:
                break
            if record is None:
                return batch, False
            batch.append(record)
        return batch, True

    def _write(self, batch: list[Record]) -> None:
        data = b"".join(encode(record) for record in batch)
        size = sum(len(record.data) + 64 if isinstance(record, ChunkIn) else 128 for record in batch)
        with self._lock:
            self._waiting -= size
        try:
            written = 0
            while written < len(data):
                written += os.write(self._file, data[written:])
            self._end += len(data)
        except OSError as error:
            os.ftruncate(self._file, self._end)  # no half record
            with self._lock:
                lost = sum(len(record.data) for record in batch if isinstance(record, ChunkIn))
                self.dropped += lost
                self._missing += lost
            if not self._failed:
                self._failed = True
                self._trouble(f"{self.path}: {error.strerror}; nothing is recorded until this is mended")
        else:
            if self._failed:
                self._failed = False
                self._trouble(None)

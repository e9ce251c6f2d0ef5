"""The flight recorder: a station's last minute of inputs in memory, written out when something goes badly wrong."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable
from pathlib import Path
from typing import Final

from controller.recording_file import RecordingFile
from controller.recording_folder import file_name, parts_in
from protocols.recording import MAGIC, ChunkIn, Ended, Header, Input, encode

FOLDER: Final = "flight"  # below that of the recordings
OF_A_RECORD: Final = 128  # bytes of memory beside a chunk's data


class FlightRecorder:
    """Keeps and writes; `put` and `write` from one thread, the disk is waited for in another."""

    def __init__(
        self, folder: Path, *, seconds: float, most_bytes: float, most_files: int, least_free: int = 0
    ) -> None:
        """seconds: that are kept, of at most so many bytes; most_files: of a station, the oldest makes room.

        least_free: bytes that the disk keeps.
        """
        self._folder = folder
        self._seconds = seconds
        self._most_bytes = most_bytes
        self._most_files = most_files
        self._least_free = least_free
        self._records: deque[Input] = deque()
        self._bytes = 0
        self._written_at: float | None = None
        self._thread: threading.Thread | None = None

    @property
    def bytes(self) -> int:
        """Bytes of memory that it holds, about."""
        return self._bytes

    def put(self, record: Input) -> None:
        """Keep an input, and forget those that are too old or too many."""
        self._records.append(record)
        self._bytes += _size(record)
        oldest = record.received_at - self._seconds
        while self._records and (self._records[0].received_at < oldest or self._bytes > self._most_bytes):
            self._bytes -= _size(self._records.popleft())

    def write(self, header: Header, *, next_seq: int, say: Callable[[str], None]) -> Path | None:
        """Write what is kept as a recording of its own, with this header; the file, which is there a little later.

        None where nothing is kept, the last one was written while part of this was in it, or the disk has not yet taken
        that one. say: is told from another thread that it could not be written.
        """
        if self._thread is not None and self._thread.is_alive():
            return None
        if not self._records or (self._written_at is not None and self._records[0].received_at <= self._written_at):
            return None
        last = self._written_at = self._records[-1].received_at
        records = [*self._records, Ended(received_at=last, next_seq=next_seq, interrupted=True)]
        unix = header.unix_anchor + self._records[0].received_at - header.monotonic_anchor
        path = self._folder / file_name(header, unix=unix)
        self._thread = threading.Thread(
            target=self._write,
            args=(path, header, records, say),
            name=f"flight recorder {header.station}",
            daemon=True,
        )
        self._thread.start()
        return path

    def close(self, *, within: float) -> None:
        """Wait for the file that is being written."""
        if self._thread is not None:
            self._thread.join(within)

    def _write(self, path: Path, header: Header, records: list[Input | Ended], say: Callable[[str], None]) -> None:
        try:
            self._folder.mkdir(parents=True, exist_ok=True)
            file = RecordingFile(path, MAGIC + encode(header), least_free=self._least_free)
            try:
                file.append(b"".join(encode(record) for record in records))
            except OSError:
                path.unlink(missing_ok=True)
                raise
            finally:
                file.close()
            others = [part.path for part in parts_in(self._folder, header.station) if part.path != path]
            for old in others[: max(len(others) + 1 - self._most_files, 0)]:
                old.unlink(missing_ok=True)
        except OSError as error:
            say(f"{path}: {error.strerror}; the last minute is not kept")


def _size(record: Input) -> int:
    return OF_A_RECORD + (len(record.data) if isinstance(record, ChunkIn) else 0)

"""One file of a recording: whole records are appended, or nothing is."""

from __future__ import annotations

import contextlib
import errno
import os
from pathlib import Path


class RecordingFile:
    """Open only while it is written. All calls from one thread."""

    def __init__(self, path: Path, begin: bytes, *, whole: int | None = None, least_free: int = 0) -> None:
        """begin: what a new file begins with; whole: so many bytes of a file that is there are kept.

        least_free: bytes that the disk keeps, after which it counts as full.
        """
        self.path = path
        self._begin = begin
        self._least_free = least_free
        self._is_new = whole is None
        self.end = whole or 0  # bytes of whole records in the file
        self._torn = whole is not None  # more may stand in it
        self._file: int | None = None

    def append(self, data: bytes) -> None:
        """Write at the end, all of it or nothing. Raises OSError."""
        if self._file is None:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            new = os.O_CREAT | os.O_EXCL if self._is_new else 0
            self._file = os.open(self.path, os.O_WRONLY | os.O_APPEND | new, 0o640)
        if self._torn:
            self._mend(self._file)
        if self.end == 0:
            data = self._begin + data
        if data and self._least_free:
            self._leave_room(self._file, len(data))
        try:
            written = 0
            while written < len(data):
                written += os.write(self._file, data[written:])
        except OSError:
            self._torn = True
            with contextlib.suppress(OSError):
                self._mend(self._file)  # no half record, as long as this lasts
            raise
        self.end += len(data)

    def close(self) -> None:
        """Close it; harmless when it is not open."""
        if self._file is not None:
            os.close(self._file)
            self._file = None
            self._is_new = False

    def _leave_room(self, file: int, size: int) -> None:
        disk = os.fstatvfs(file)
        if disk.f_bavail * disk.f_frsize < self._least_free + size:
            raise OSError(errno.ENOSPC, f"less than {self._least_free / 1e6:.0f} MB are free")

    def _mend(self, file: int) -> None:
        os.ftruncate(file, self.end)
        self._torn = False

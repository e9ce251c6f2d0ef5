"""The folder of recordings: what its files are called, which of them belong together, and which may go."""

from __future__ import annotations

import contextlib
import re
import time
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

from protocols.recording import Header, RecordingError, ending, read_recording

SUFFIX: Final = ".cablerec"
STATE: Final = ".state"  # of a recording that is being written: see controller.checkpoint
NAME: Final = re.compile(r"(\d{8}T\d{6}Z)-([a-z0-9-]+)-([^-.]{8})(?:\.p(\d+))?\.cablerec")
DAY: Final = 86_400.0  # s


@dataclass(frozen=True, slots=True)
class Part:
    """A file by its name: when it begins (UTC), of which station and recording it is, and its number in it."""

    path: Path
    begins: str
    station: str
    recording: str  # the first 8 characters of its id
    number: int

    @property
    def session(self) -> tuple[str, str]:
        """What all parts of one recording have in common."""
        return self.station, self.recording


@dataclass(frozen=True, slots=True, kw_only=True)
class Keep:
    """What of the finished recordings is kept; None: all."""

    seconds: float | None = None  # since they were last written
    bytes: float | None = None  # of all together


ALL: Final = Keep()


def file_name(header: Header, *, unix: float) -> str:
    """What a file that begins with this header at this wall time is called."""
    when = datetime.fromtimestamp(unix, UTC).strftime("%Y%m%dT%H%M%SZ")
    part = f".p{header.part}" if header.part > 1 else ""
    return f"{when}-{header.station}-{header.recording[:8]}{part}{SUFFIX}"


def parts_in(folder: Path, station: str | None = None) -> list[Part]:
    """A folder's recordings, of all stations or one: sessions in the order in which they began, each with its parts."""
    found = []
    for path in folder.glob(f"*{SUFFIX}") if folder.is_dir() else ():
        named = NAME.fullmatch(path.name)
        if named is not None and station in (None, named[2]):
            found.append(Part(path, named[1], named[2], named[3], int(named[4] or 1)))
    first: dict[tuple[str, str], tuple[str, float]] = {}
    for part in sorted(found, key=lambda part: part.number):  # the clock may be set back between two parts
        if part.session not in first:
            first[part.session] = part.begins, _written(part.path)  # two may begin in one second
    return sorted(found, key=lambda part: (*first[part.session], part.session, part.number, part.begins))


def by_number(parts: list[Part]) -> list[Part]:
    """Recordings by the numbers of their sessions' first events, which grow also where the wall clock was set back.

    One that does not say its number stays behind the one before it.
    """
    first: dict[tuple[str, str], int] = {}
    number = 0
    for part in parts:
        if part.session not in first:
            with contextlib.suppress(RecordingError, OSError):
                number = header_of(part.path).first_seq
            first[part.session] = number
    return sorted(parts, key=lambda part: first[part.session])


def _written(path: Path) -> float:
    try:
        return path.stat().st_mtime
    except OSError:
        return 0.0


def header_of(path: Path) -> Header:
    """A recording's header. Raises RecordingError when there is none, OSError when it cannot be read."""
    records: Iterator[object] = read_recording(path)
    first = next(records, None)
    if not isinstance(first, Header):
        raise RecordingError("the recording has no header")
    return first


def earlier_parts(path: Path, header: Header) -> list[Path] | None:
    """The files beside this one that its session began with, in order; None where one of them is not there."""
    found: dict[int, Path] = {}
    for part in parts_in(path.parent, header.station):
        if part.number < header.part and header.recording.startswith(part.recording):
            try:
                is_of_it = header_of(part.path).recording == header.recording
            except (RecordingError, OSError):
                is_of_it = False
            if is_of_it:
                found[part.number] = part.path
    return [found[k] for k in range(1, header.part)] if len(found) == header.part - 1 else None


def is_finished(path: Path) -> bool:
    """Whether nothing will be added to a file any more."""
    try:
        return ending(path) is not None or header_of(path).version == 1
    except (RecordingError, OSError):
        return False


def to_prune(folder: Path, keep: Keep, *, now: float) -> list[Path]:
    """The files that are too old at `now` (Unix, s) or too many, oldest first.

    Never one that is unfinished, and never the last session of a station with all its parts: a restart needs it.
    """
    if keep == ALL:
        return []
    parts = parts_in(folder)
    last = {part.station: part.session for part in by_number(parts)}
    sizes = {part.path: part.path.stat().st_size for part in parts if part.path.exists()}
    total = sum(sizes.values())
    gone = []
    for part in parts:
        too_old = keep.seconds is not None and now - _written(part.path) > keep.seconds
        too_many = keep.bytes is not None and total > keep.bytes
        if (too_old or too_many) and part.session != last[part.station] and is_finished(part.path):
            gone.append(part.path)
            total -= sizes.get(part.path, 0)
    return gone


def prune(folder: Path, keep: Keep) -> list[Path]:
    """Delete what may go, and the states that no recording has any more; returns what went. Raises OSError."""
    gone = to_prune(folder, keep, now=time.time())
    for path in gone:
        path.unlink(missing_ok=True)
        path.with_suffix(STATE).unlink(missing_ok=True)
    return gone

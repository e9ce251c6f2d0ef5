"""The recording: every input of a station, in order, so that a replay runs the whole path.

Layout: the 8 bytes of MAGIC, then records. A record is u32 length, u32 CRC-32 (zlib) of the body, body, both
numbers little-endian; the body is one of the structs below as MessagePack. Records are only ever appended, so a
file that was cut by a kill is whole up to its last complete record.

A session may span several files, its parts; each begins with a header, and only the last one ends the session. What
stood in version 1 is read as it was: it had no parts, no ends, and no program that went on after a kill.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from os import SEEK_END
from pathlib import Path
from struct import Struct as Layout
from typing import Final, Literal
from zlib import crc32

import msgspec
from msgspec import Struct

MAGIC: Final = b"CABLREC1"  # of the layout above; what a record may say is the header's version
VERSION: Final = 2
LONGEST: Final = 4 * 1024 * 1024  # bytes of one record; more is damage
_HEAD: Final = Layout("<II")
_MARK_MOST: Final = 256  # bytes; no Mark is longer


class RecordingError(Exception):
    """The file is no recording, or damaged at a stated place."""


class Header(Struct, frozen=True, kw_only=True, tag="header"):
    """The first record. settings is the station's configuration as JSON (controller.config.StationConfig)."""

    recording: str  # id, random for a live run
    station: str
    session: str
    first_seq: int
    first_set: int
    monotonic_anchor: float  # s, host monotonic time that is stream time 0
    unix_anchor: float  # s, wall time at that instant
    settings: bytes
    software: str
    version: int = 1
    boot: str = ""  # of the host's operating system; its monotonic clock holds within one
    part: int = 1  # of the session's files, from 1
    boards: tuple[tuple[str, tuple[bytes, ...]], ...] = ()  # links up at a later part's begin; what the boards are
    first_session: int = 1  # number, in the recording, of the session that runs at the begin, or else comes next


class ChunkIn(Struct, frozen=True, kw_only=True, tag="chunk"):
    """Bytes from a board, as the link stamped them."""

    board: str
    received_at: float
    data: bytes


class LinkUp(Struct, frozen=True, kw_only=True, tag="up"):
    """A board's link opened."""

    board: str
    received_at: float


class AboutIn(Struct, frozen=True, kw_only=True, tag="about"):
    """What a board says of itself to its link, beside its protocol; None: it does not say."""

    board: str
    received_at: float
    model: str | None = None
    firmware: str | None = None
    battery_pct: int | None = None


class LinkDown(Struct, frozen=True, kw_only=True, tag="down"):
    """A board's link was lost or closed."""

    board: str
    received_at: float
    reason: str


class CommandIn(Struct, frozen=True, kw_only=True, tag="command"):
    """A command that changes what the core does; payload is its JSON."""

    name: str
    received_at: float
    payload: bytes


class Tick(Struct, frozen=True, kw_only=True, tag="tick"):
    """A second has passed: silence is an input too."""

    received_at: float


class Dropped(Struct, frozen=True, kw_only=True, tag="dropped"):
    """The recorder could not keep up: this many bytes are missing here."""

    received_at: float
    bytes: int


class ProblemIn(Struct, frozen=True, kw_only=True, tag="problem"):
    """The link's own trouble, as a fault to be raised or cleared."""

    board: str
    received_at: float
    name: str
    raised: bool
    severity: Literal["info", "warning", "error"]
    detail: str


class Resumed(Struct, frozen=True, kw_only=True, tag="resumed"):
    """The program was killed and goes on from here: every link is down, its own troubles are forgotten."""

    received_at: float


class Continued(Struct, frozen=True, kw_only=True, tag="continued"):
    """The last record of a part that is not the last: the session goes on in the next."""

    received_at: float


class Ended(Struct, frozen=True, kw_only=True, tag="ended"):
    """The last record of a session. interrupted: it was closed at the next start, after a kill."""

    received_at: float
    next_seq: int  # of the station's next event
    interrupted: bool = False


Input = ChunkIn | LinkUp | AboutIn | LinkDown | CommandIn | Tick | Dropped | ProblemIn | Resumed
Mark = Continued | Ended
Record = Header | Input | Mark

_encoder = msgspec.msgpack.Encoder()
_decoder: msgspec.msgpack.Decoder[Record] = msgspec.msgpack.Decoder(Record)


def encode(record: Record) -> bytes:
    """A record's bytes, to be appended. Raises RecordingError for one that no reader would take."""
    body = _encoder.encode(record)
    if len(body) > LONGEST:
        raise RecordingError(f"a record of {len(body)} bytes; at most {LONGEST} can be read again")
    return _HEAD.pack(len(body), crc32(body)) + body


class RecordDecoder:
    """Bytes in, records out, however the bytes are cut. Stops for good at damage and says where."""

    def __init__(self, at: int = 0) -> None:
        """at: offset in the file of the first byte that will be fed, the begin of a record."""
        self._buffer = bytearray()
        self._at = at  # offset of the buffer's first byte in the file
        self._begun = at > 0
        self.damage: str | None = None

    @property
    def whole(self) -> int:
        """Bytes of the file up to the end of its last whole record."""
        return self._at

    @property
    def left_over(self) -> int:
        """Bytes of a record that is not whole."""
        return len(self._buffer)

    def feed(self, data: bytes) -> list[Record]:
        """Take bytes, return the records that they completed.

        Raises RecordingError when it is no recording, or one of a later version.
        """
        if self.damage is not None:
            return []
        self._buffer += data
        if not self._begun:
            if not MAGIC.startswith(bytes(self._buffer[: len(MAGIC)])):
                raise RecordingError("this is no recording of cable-station")
            if len(self._buffer) < len(MAGIC):
                return []
            self._take(len(MAGIC))
            self._begun = True
        records = []
        while len(self._buffer) >= _HEAD.size:
            length, check = _HEAD.unpack_from(self._buffer)
            if not 0 < length <= LONGEST:  # a file system's zeros after a power cut are no records either
                self.damage = f"a record of {length} bytes at byte {self._at} cannot be"
                break
            if len(self._buffer) < _HEAD.size + length:
                break
            record = self._record(bytes(self._buffer[_HEAD.size : _HEAD.size + length]), check)
            if record is None:
                break
            if isinstance(record, Header) and record.version > VERSION:
                raise RecordingError(
                    f"the recording is of version {record.version}, and this program reads up to {VERSION}; update it"
                )
            self._take(_HEAD.size + length)
            records.append(record)
        return records

    def _record(self, body: bytes, check: int) -> Record | None:
        if crc32(body) != check:
            self.damage = f"the record at byte {self._at} is damaged"
            return None
        try:
            return _decoder.decode(body)
        except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
            self.damage = f"the record at byte {self._at} is of another version: {error}"
            return None

    def _take(self, count: int) -> None:
        del self._buffer[:count]
        self._at += count


def read_recording(path: Path, *, read: Callable[[int], object] | None = None) -> Iterator[Record | str]:
    """The records of a file, and last, where it does not end whole, a line that says so; read: told of bytes read.

    Raises RecordingError when it is no recording or of a later version, OSError when it cannot be read.
    """
    decoder = RecordDecoder()
    with path.open("rb") as file:
        while data := file.read(1 << 16):
            if read is not None:
                read(len(data))
            yield from decoder.feed(data)
    if decoder.damage is not None:
        yield f"{path}: {decoder.damage}; what stands before it is played"
    elif decoder.left_over:
        yield f"{path}: cut short; the last {decoder.left_over} bytes are no whole record"


def ending(path: Path) -> Mark | None:
    """How a file ends, by its last bytes alone; None where no such record is its last. Raises OSError."""
    with path.open("rb") as file:
        size = file.seek(0, SEEK_END)
        file.seek(max(size - _MARK_MOST, 0))
        tail = file.read()
    for at in range(len(tail) - _HEAD.size - 1, -1, -1):
        length, check = _HEAD.unpack_from(tail, at)
        body = tail[at + _HEAD.size :]
        if length == len(body) and crc32(body) == check:
            try:
                record = _decoder.decode(body)
            except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
                return None
            return record if isinstance(record, Continued | Ended) else None
    return None

"""The recording: every input of a station, in order, so that a replay runs the whole path.

Layout: the 8 bytes of MAGIC, then records. A record is u32 length, u32 CRC-32 (zlib) of the body, body, both
numbers little-endian; the body is one of the structs below as MessagePack. Records are only ever appended, so a
file that was cut by a kill is whole up to its last complete record.
"""

from __future__ import annotations

from typing import Literal

from msgspec import Struct

MAGIC = b"CABLREC1"


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


class ChunkIn(Struct, frozen=True, kw_only=True, tag="chunk"):
    """Bytes from a board, as the link stamped them."""

    board: str
    received_at: float
    data: bytes


class LinkUp(Struct, frozen=True, kw_only=True, tag="up"):
    """A board's link opened."""

    board: str
    received_at: float


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


Input = ChunkIn | LinkUp | LinkDown | CommandIn | Tick | Dropped
Record = Header | Input
Reason = Literal["truncated", "damaged"]

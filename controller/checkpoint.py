"""A station as it stands, beside its recording, so that a restart need not play hours of it.

It is a cache: without it, or with one of other code, the recording is played from its beginning, and the events are
the same. It is a pickle, read by `run` alone, and only from a file that nobody but its own user may write.

Layout: MAGIC, SHA-256 of the rest, u32 length of the head (little-endian), the head as MessagePack, the pickle.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import pickle
import sys
from collections.abc import Sequence
from functools import cache
from pathlib import Path
from typing import Final

import msgspec
from msgspec import Struct

from controller.pipeline import Pipeline
from controller.recording_folder import STATE
from protocols.events import AnyEvent

MAGIC: Final = b"CABLSTA1"
PACKAGES: Final = ("controller", "firmware_bridge", "protocols")
ROOT: Final = Path(__file__).parents[1]
_DIGEST: Final = 32  # bytes


class Checkpoint(Struct, frozen=True, kw_only=True):
    """A pipeline after so many bytes of a file, which it reached at a time, and the last events before."""

    recording: str
    part: int
    at: int
    at_time: float  # host monotonic, s
    pipeline: Pipeline
    events: tuple[AnyEvent, ...]


class _Head(Struct, frozen=True, kw_only=True):
    code: str
    recording: str
    part: int
    at: int


@cache
def code() -> str:
    """A digest of the code that a pickle belongs to."""
    digest = hashlib.sha256(sys.version.encode())
    for package in PACKAGES:
        for path in sorted((ROOT / package).rglob("*.py")):
            digest.update(path.read_bytes())
    return digest.hexdigest()


def frozen(pipeline: Pipeline, events: Sequence[AnyEvent], *, now: float) -> bytes:
    """A pipeline without undrained events, to be written once all that it was fed before `now` is in the file."""
    return pickle.dumps((now, pipeline, tuple(events)), protocol=5)


def write(blob: bytes, recording: Path, *, name: str, part: int, at: int) -> None:
    """Keep what `frozen` made beside the recording that it belongs to, in one step. Raises OSError."""
    head = msgspec.msgpack.encode(_Head(code=code(), recording=name, part=part, at=at))
    body = len(head).to_bytes(4, "little") + head + blob
    path = recording.with_suffix(STATE)
    new = path.with_name(path.name + ".new")
    with os.fdopen(os.open(new, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "wb") as file:
        file.write(MAGIC + hashlib.sha256(body).digest() + body)
    new.replace(path)


def read(recording: Path) -> Checkpoint | None:
    """What is kept beside a recording, None where nothing is that this code may use."""
    try:
        with recording.with_suffix(STATE).open("rb") as file:
            kept = os.fstat(file.fileno())
            data = file.read()
    except OSError:
        return None
    is_ours = kept.st_uid == os.geteuid() and not kept.st_mode & 0o022
    digest, body = data[len(MAGIC) : len(MAGIC) + _DIGEST], data[len(MAGIC) + _DIGEST :]
    if not is_ours or not data.startswith(MAGIC) or hashlib.sha256(body).digest() != digest:
        return None
    begins = 4 + int.from_bytes(body[:4], "little")
    try:
        head = msgspec.msgpack.decode(body[4:begins], type=_Head)
    except msgspec.MsgspecError:
        return None
    if head.code != code():
        return None
    now, pipeline, events = pickle.loads(body[begins:])  # noqa: S301 - our own file, of this very code
    return Checkpoint(
        recording=head.recording, part=head.part, at=head.at, at_time=now, pipeline=pipeline, events=events
    )


def forget(recording: Path) -> None:
    """Delete what is kept beside a recording, if anything is."""
    with contextlib.suppress(OSError):
        recording.with_suffix(STATE).unlink(missing_ok=True)

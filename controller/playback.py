"""Recordings through the pipeline: part by part, to the same events as live."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Final

from msgspec.structs import replace

from controller.pipeline import Pipeline
from controller.recording_folder import Part, earlier_parts, header_of, parts_in
from controller.wiring import Wiring
from protocols.events import AnyEvent
from protocols.recording import (
    ChunkIn,
    Continued,
    Ended,
    Header,
    Input,
    LinkUp,
    Mark,
    RecordingError,
    read_recording,
)

Warn = Callable[[str], None]
Heard = Callable[[float, Wiring, tuple[int, ...]], None]
Read = Callable[[int], object]
Timed = tuple[float, list[AnyEvent]]  # s of stream time, and what it brought
FIRST: Final = 1  # number of a session's first part


def played(path: Path, warn: Warn, *, heard: Heard | None = None, read: Read | None = None) -> Iterator[Timed]:
    """Stream times of one file, and the events that they brought.

    Where it is a later part of its session, those before it are played first, unheard. heard: told of every instant
    (see Pipeline); read: told of bytes read. Raises RecordingError, OSError.
    """
    header = header_of(path)
    before = _after(path, header, warn)
    pipeline = before or _alone(header)
    pipeline.heard = heard
    yield from _part(path, header, pipeline, warn, is_begun=before is not None, read=read)


def folder_played(folder: Path, warn: Warn) -> Iterator[Timed]:
    """The same of all recordings in a folder, one after the other. Raises RecordingError where there is none."""
    parts = parts_in(folder)
    if not parts:
        raise RecordingError("there is no recording in it")
    running: dict[tuple[str, str], tuple[int, Pipeline]] = {}
    for part in parts:
        try:
            yield from _next_of(part, running, warn)
        except RecordingError as error:
            warn(f"{part.path}: {error}")


def _next_of(part: Part, running: dict[tuple[str, str], tuple[int, Pipeline]], warn: Warn) -> Iterator[Timed]:
    header = header_of(part.path)
    number, pipeline = running.pop(part.session, (0, None))
    is_begun = pipeline is not None and number == header.part - 1
    if pipeline is None or not is_begun:
        before = _after(part.path, header, warn)
        pipeline, is_begun = before or _alone(header), before is not None
    yield from _part(part.path, header, pipeline, warn, is_begun=is_begun)
    running[part.session] = header.part, pipeline


def _after(path: Path, header: Header, warn: Warn) -> Pipeline | None:
    """A pipeline that has been fed what stands before a file's part; None: nothing does, or it is not there."""
    if header.part == FIRST:
        return None
    earlier = earlier_parts(path, header)
    if earlier is None:
        warn(f"{path}: part {header.part} of a session whose earlier parts are not beside it; it is played alone")
        return None
    pipeline = Pipeline(header_of(earlier[0]))
    for each in earlier:
        for record in read_recording(each):
            if isinstance(record, str):
                warn(record)
            elif not isinstance(record, Header | Mark):
                pipeline.feed(record)
                pipeline.events()
    return pipeline


def _alone(header: Header) -> Pipeline:
    """A pipeline that begins with this part; what a later part says alone is not what was said, nor are its ids."""
    if header.part > FIRST:
        header = replace(header, recording=f"{header.recording} from part {header.part}")
    return Pipeline(header)


def _part(
    path: Path, header: Header, pipeline: Pipeline, warn: Warn, *, is_begun: bool, read: Read | None = None
) -> Iterator[Timed]:
    """The inputs of one file; is_begun: the pipeline knows its boards already."""
    t = 0.0
    last: Input | Mark | None = None
    is_whole = True
    for record in read_recording(path, read=read):
        if isinstance(record, str):
            warn(record)
            is_whole = False
            continue
        if isinstance(record, Header):
            continue
        if last is None and not is_begun:
            introduce(pipeline, header, received_at=record.received_at)
        last = record
        t = record.received_at - header.monotonic_anchor
        if not isinstance(record, Mark):
            pipeline.feed(record)
            yield t, pipeline.events()
    if header.version == 1:
        pipeline.finish()
    elif isinstance(last, Ended):
        pipeline.finish(interrupted=last.interrupted)
    elif not isinstance(last, Continued) and not _goes_on(path, header):
        if is_whole:
            warn(f"{path}: nobody ended this session; it is shown as interrupted")
        pipeline.finish(interrupted=True)
    yield t, pipeline.events()


def introduce(pipeline: Pipeline, header: Header, *, received_at: float) -> None:
    """Tell a pipeline which boards there are where a recording begins after they have said so."""
    for board, chunks in header.boards:
        pipeline.feed(LinkUp(board=board, received_at=received_at))
        for data in chunks:
            pipeline.feed(ChunkIn(board=board, received_at=received_at, data=data))


def _goes_on(path: Path, header: Header) -> bool:
    """Whether the next part of its session is beside a file."""
    begins = header.recording[:8]
    return any(
        part.recording == begins and part.number == header.part + 1 for part in parts_in(path.parent, header.station)
    )

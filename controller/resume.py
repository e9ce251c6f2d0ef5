"""With what a station begins: where its numbers stand, and the session that a kill has cut, as it was.

Nothing else is kept than the recording. It is played from the last state that was kept beside it, so events that
nobody got have their ids again. A session that cannot go on is closed as interrupted, in its recording too.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

import msgspec

from controller import checkpoint
from controller.catching_up import CatchingUp
from controller.pipeline import Pipeline
from controller.playback import played
from controller.recorder import Written
from controller.recording_file import RecordingFile
from controller.recording_folder import by_number, earlier_parts, header_of, parts_in
from controller.voice import Said
from protocols.events import AnyEvent
from protocols.recording import (
    Continued,
    Dropped,
    Ended,
    Header,
    Input,
    Mark,
    RecordDecoder,
    RecordingError,
    encode,
    ending,
)

BLOCK: Final = 1 << 16  # bytes
UNREADABLE: Final = (RecordingError, OSError, msgspec.MsgspecError)
BOOT_ID: Final = Path("/proc/sys/kernel/random/boot_id")


@dataclass(frozen=True, slots=True)
class GoingOn:
    """A session that goes on: the header of the file that is written, how much of that is whole, and its state."""

    header: Header
    written: Written
    pipeline: Pipeline


@dataclass(frozen=True, slots=True)
class Start:
    """With what a station begins.

    events: said before this start, to be offered again; who has them knows their ids. fresh: how many of them, at the
    end, were made by closing the session just now.
    """

    next_seq: int = 1
    going_on: GoingOn | None = None
    events: tuple[AnyEvent, ...] = ()
    fresh: int = 0

    @property
    def said_up_to(self) -> int:
        """The number of the last of the events that was said before this start, 0 where none was."""
        said = self.events[: len(self.events) - self.fresh]
        return said[-1].seq if said else 0


@dataclass(slots=True)
class _Cut:
    """What was found of a session without an end."""

    pipeline: Pipeline
    events: list[AnyEvent]
    header: Header
    last_at: float  # host monotonic time of the last input, s
    whole: int = 0  # bytes of the last file up to the end of its last input
    doubts: list[str] = field(default_factory=list)  # why it may not say what was said


def boot() -> str:
    """What tells one start of the operating system from another, "" where it does not say."""
    try:
        return BOOT_ID.read_text(encoding="ascii").strip()
    except OSError:
        return ""


def started(
    folder: Path, *, station: str, settings: bytes, software: str, now: float, within: float,
    say: Callable[[str], None], progress: CatchingUp,
) -> Start:  # fmt: skip
    """With what a station begins at `now` (host monotonic, s).

    Its session goes on when the last input is not longer ago than `within` s, on the same boot of the host, with the
    same settings and software; else it is closed. progress: hears of what is played. Raises StoppedError.
    """
    for part in reversed(by_number(parts_in(folder, station))):
        try:
            with progress:
                mark = ending(part.path)
                header = header_of(part.path)
                if isinstance(mark, Ended):
                    return Start(next_seq=mark.next_seq, events=_last_words(part.path, header, mark, progress))
                if header.version == 1:
                    said = _events_in(part.path, progress)
                    if not said:
                        continue
                    return Start(next_seq=said[-1].seq + 1)
                return _gone_on(
                    part.path, header, settings=settings, software=software, now=now, within=within, say=say,
                    progress=progress,
                )  # fmt: skip
        except UNREADABLE as error:
            text = f"{station}: {part.path.name} does not say what number comes next, an earlier recording may: {error}"
            say(Said(text, level="warning", station=station))
    return Start()


def _last_words(path: Path, header: Header, mark: Ended, progress: CatchingUp) -> tuple[AnyEvent, ...]:
    """What a session said last, where its state is still there: then nobody knows whether the outputs have it."""
    kept = checkpoint.read(path)
    if kept is None or (kept.recording, kept.part) != (header.recording, header.part):
        return ()
    cut = _Cut(kept.pipeline, list(kept.events), header, kept.at_time)
    progress.begins(path.name, path.stat().st_size - kept.at)
    _play(path, kept.at, cut, progress)
    cut.pipeline.finish(interrupted=mark.interrupted)
    checkpoint.forget(path)
    return (*cut.events, *cut.pipeline.events())


def _gone_on(
    path: Path, header: Header, *, settings: bytes, software: str, now: float, within: float,
    say: Callable[[str], None], progress: CatchingUp,
) -> Start:  # fmt: skip
    where = f"{header.station}: the session of {path.name}, which nobody ended,"
    earlier = earlier_parts(path, header)
    if earlier is None:
        say(f"{where} cannot go on: earlier parts of it are gone")
        return Start(next_seq=header.first_seq + len(_events_in(path, progress)))
    cut = _played_to_the_cut([*earlier, path], header, progress)
    ago = now - cut.last_at
    why = next(
        (
            reason
            for is_so, reason in (
                (bool(cut.doubts), "; ".join(cut.doubts)),
                (cut.header.settings != settings, "the configuration has changed"),
                (header.software != software, f"it was recorded by version {header.software}"),
                (header.boot != boot() or ago < 0.0, "the machine was started anew"),
                (ago > within, f"its last input came {ago:.0f} s ago"),
            )
            if is_so
        ),
        None,
    )
    if why is None:
        say(f"{where} goes on after {ago:.1f} s")
        going_on = GoingOn(header, Written(path, cut.whole), cut.pipeline)
        return Start(cut.pipeline.station.next_numbers[0], going_on, tuple(cut.events))
    say(f"{where} is closed: {why}")
    cut.pipeline.finish(interrupted=True)
    fresh = cut.pipeline.events()
    cut.events += fresh
    next_seq = cut.pipeline.station.next_numbers[0]
    if cut.doubts:
        return Start(next_seq=next_seq)  # what it says now may not be what was said
    _close(path, Ended(received_at=cut.last_at, next_seq=next_seq, interrupted=True), whole=cut.whole, say=say)
    return Start(next_seq=next_seq, events=tuple(cut.events), fresh=len(fresh))


def _events_in(path: Path, progress: CatchingUp) -> list[AnyEvent]:
    progress.begins(path.name, path.stat().st_size)
    return [event for _, events in played(path, lambda _: None, read=progress.read) for event in events]


def _played_to_the_cut(files: list[Path], header: Header, progress: CatchingUp) -> _Cut:
    """Play the parts of a session from the last state kept beside them, or from the first."""
    first = header_of(files[0])
    cut: _Cut | None = None
    for number in range(len(files), 0, -1):
        kept = checkpoint.read(files[number - 1])
        is_of_it = kept is not None and (kept.recording, kept.part) == (header.recording, number)
        if kept is not None and is_of_it and kept.at <= files[number - 1].stat().st_size:
            cut = _Cut(kept.pipeline, list(kept.events), first, kept.at_time)
            begin, at = number - 1, kept.at
            break
    if cut is None:
        cut = _Cut(Pipeline(first), [], first, first.monotonic_anchor)
        begin, at = 0, 0
    progress.begins(files[-1].name, sum(path.stat().st_size for path in files[begin:]) - at)
    for path in files[begin:]:
        _play(path, at, cut, progress)
        at = 0
    return cut


def _play(path: Path, at: int, cut: _Cut, progress: CatchingUp) -> None:
    decoder = RecordDecoder(at)
    last: Input | Mark | None = None
    with path.open("rb") as file:
        file.seek(at)
        while data := file.read(BLOCK):
            for record in decoder.feed(data):
                if isinstance(record, Header):
                    continue
                last = record
                cut.last_at = record.received_at
                if not isinstance(record, Mark):
                    if isinstance(record, Dropped):
                        cut.doubts.append(f"{record.bytes} bytes of it could not be recorded")
                    cut.pipeline.feed(record)
                    cut.events += cut.pipeline.events()
            progress.read(len(data))
    if decoder.damage is not None:
        cut.doubts.append(f"{path.name}: {decoder.damage}")
    cut.whole = decoder.whole - (len(encode(last)) if isinstance(last, Continued) else 0)


def _close(path: Path, mark: Ended, *, whole: int, say: Callable[[str], None]) -> None:
    """Write into a recording that its session is over."""
    file = RecordingFile(path, b"", whole=whole)
    try:
        file.append(encode(mark))
        checkpoint.forget(path)
    except OSError as error:
        say(f"{path}: {error.strerror}; it cannot be marked as ended")
    finally:
        file.close()

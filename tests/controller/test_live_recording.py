"""A session that runs is recorded in parts, each between two sets, and the chain of them says all that was said."""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import msgspec
import pytest

from controller.config import RecordingConfig
from controller.live_recording import LiveRecording, settings_of, software
from controller.pipeline import Pipeline
from controller.recording_folder import header_of, parts_in
from controller.replay import events_of
from controller.resume import Start, started
from protocols.events import AnyEvent, Rep, Session, SetSummary
from protocols.recording import CommandIn, Input, Tick, ending
from simulators.gym import session_board
from tests.controller.inputs import ANCHOR, heard, log, played, short_set, station, together
from tests.controller.lives import playing

ONE = station("a")
WITHIN = 10.0  # s
UNTIL = 70.0  # s


@pytest.fixture(scope="module")
def three_sets() -> list[Input]:
    session = short_set(reps=2, sets=3, rest_s=10.0)
    assert session.duration < UNTIL
    return together(heard("a", session_board(session, now=ANCHOR - 5.0), until=UNTIL), until=UNTIL)


class Lived:
    """A session that is recorded as the runner does, in virtual time."""

    def __init__(self, wish: RecordingConfig, start: Start | None = None) -> None:
        self.said: list[AnyEvent] = []
        self.troubles: list[str | None] = []
        self.lines: list[str] = []
        self.recording = LiveRecording(ONE, wish, start or Start(), trouble=self.troubles.append, say=self.lines.append)
        self.pipeline = Pipeline(self.recording.header)

    def written(self) -> None:
        done = threading.Event()
        assert self.recording.when_written(done.set)
        assert done.wait(WITHIN)

    def live(self, inputs: Sequence[Input]) -> None:
        ahead = self.recording.header.monotonic_anchor - ANCHOR
        for each in inputs:
            record = msgspec.structs.replace(each, received_at=each.received_at + ahead)
            self.recording.put(record)
            self.pipeline.feed(record)
            self.take()
            if isinstance(record, Tick):
                if self.recording.recorder is not None:
                    self.written()
                self.recording.tend(self.pipeline)

    def take(self) -> None:
        for event in self.pipeline.events():
            self.recording.said(event)
            self.said.append(event)

    def end(self) -> None:
        self.recording.end(self.pipeline)
        self.recording.close()
        self.take()


def replay(path: Path, **options: Any) -> list[bytes]:
    return [line for _, events in events_of(path, **options) for line in log(events)]


def wish(folder: Path, **changes: Any) -> RecordingConfig:
    return RecordingConfig(folder=str(folder), **{"least_free_mb": 0.0, **changes})


def in_parts(folder: Path, inputs: Sequence[Input], **changes: Any) -> Lived:
    lived = Lived(wish(folder, **{"part_mb": 0.15, **changes}))
    lived.live(inputs)
    lived.end()
    assert lived.troubles == []
    return lived


def test_the_parts_of_a_session_say_together_what_was_said(tmp_path: Path, three_sets: list[Input]) -> None:
    lived = in_parts(tmp_path, three_sets)
    parts = [part.path for part in parts_in(tmp_path)]
    assert len(parts) > 2
    assert replay(tmp_path) == log(lived.said)
    assert [line for part in parts for line in replay(part)] == log(lived.said)
    assert len([event for event in lived.said if isinstance(event, SetSummary)]) == 3


def test_no_part_ends_in_a_set(tmp_path: Path, three_sets: list[Input]) -> None:
    in_parts(tmp_path, three_sets)
    for part in parts_in(tmp_path):
        events = [event for _, some in events_of(part.path) for event in some]
        sets = {event.set for event in events if isinstance(event, Rep)}
        assert sets == {event.set for event in events if isinstance(event, SetSummary)}
        assert ending(part.path) is not None


def test_a_part_goes_on_in_the_next_even_in_a_set_where_it_is_twice_its_size(
    tmp_path: Path, three_sets: list[Input]
) -> None:
    lived = Lived(wish(tmp_path, part_mb=0.02))
    lived.live(three_sets)
    lived.end()
    assert len(parts_in(tmp_path)) > 10
    assert replay(tmp_path) == log(lived.said)


def test_a_part_alone_is_played_with_its_boards_known_and_other_ids(tmp_path: Path, three_sets: list[Input]) -> None:
    lived = in_parts(tmp_path, three_sets)
    first, *_, last = [part.path for part in parts_in(tmp_path)]
    exact = [event for _, some in events_of(last) for event in some]
    first.unlink()
    warnings: list[str] = []
    alone = [event for _, some in events_of(last, warn=warnings.append) for event in some]
    assert "played alone" in warnings[0]
    assert not {event.id for event in alone} & {event.id for event in lived.said}
    for events in (exact, alone):
        assert len([event for event in events if isinstance(event, SetSummary)]) == len(
            [event for event in exact if isinstance(event, SetSummary)]
        )
    counts = [
        [(event.left_reps, event.right_reps) for event in events if isinstance(event, SetSummary)]
        for events in (exact, alone)
    ]
    assert counts[0] == counts[1]


@pytest.mark.parametrize("command", ["session_start", "session_end"])
def test_a_part_alone_calls_sessions_and_sets_what_they_were_called(
    tmp_path: Path, three_sets: list[Input], command: str
) -> None:
    """Both begin a second session in the recording, at once or with the next rep; a third follows in the last part."""
    ends = [event.ts / 1000.0 - 1_700_000_000.0 for event in played(ONE, three_sets) if isinstance(event, SetSummary)]
    commands = [CommandIn(name=command, received_at=ANCHOR + end + 0.5, payload=b"{}") for end in ends[:2]]
    inputs = sorted([*three_sets, *commands], key=lambda record: record.received_at)
    lived = in_parts(tmp_path, inputs)
    parts = [part.path for part in parts_in(tmp_path)]
    exact = {part: [event for _, some in events_of(part) for event in some] for part in parts}
    assert len({event.session for event in lived.said}) == 3
    later = [part for part in parts[1:] if any(isinstance(event, SetSummary) for event in exact[part])]
    assert later
    for part in later:
        alone = tmp_path / "alone" / part.name
        alone.parent.mkdir(exist_ok=True)
        alone.write_bytes(part.read_bytes())
        names = [sets_called(events) for events in (exact[part], [e for _, some in events_of(alone) for e in some])]
        assert names[0] == names[1]


def sets_called(events: Sequence[AnyEvent]) -> list[tuple[str, int]]:
    return [(event.session, event.set) for event in events if isinstance(event, SetSummary)]


def test_a_session_in_parts_goes_on_after_a_kill(tmp_path: Path, three_sets: list[Input]) -> None:
    lived = Lived(wish(tmp_path, part_mb=0.1))
    lived.live([each for each in three_sets if each.received_at < ANCHOR + 45.0])
    lived.written()
    assert lived.recording.recorder is not None
    lived.recording.recorder.close()  # as a kill leaves it
    assert len(parts_in(tmp_path)) > 1
    begun = started(
        tmp_path, station="rack", settings=settings_of(ONE), software=software(), within=600.0, say=print,
        progress=playing(), now=lived.recording.header.monotonic_anchor + 46.0,
    )  # fmt: skip
    assert begun.going_on is not None
    assert begun.going_on.written.path == parts_in(tmp_path)[-1].path
    assert log(begun.events) == log(lived.said)[-len(begun.events) :]
    assert begun.next_seq == len(lived.said) + 1
    assert begun.going_on.pipeline.station.next_numbers == lived.pipeline.station.next_numbers


def test_a_session_goes_on_in_its_last_part_though_the_clock_was_set_back_before_it_began(
    tmp_path: Path, three_sets: list[Input]
) -> None:
    lived = Lived(wish(tmp_path, part_mb=0.1))
    lived.live([each for each in three_sets if each.received_at < ANCHOR + 45.0])
    lived.written()
    assert lived.recording.recorder is not None
    lived.recording.recorder.close()  # as a kill leaves it
    last = parts_in(tmp_path)[-1]
    assert last.number > 1
    last.path.rename(last.path.with_name(last.path.name.replace(last.begins, "20000101T000000Z")))
    begun = started(
        tmp_path, station="rack", settings=settings_of(ONE), software=software(), within=600.0, say=print,
        progress=playing(), now=lived.recording.header.monotonic_anchor + 46.0,
    )  # fmt: skip
    assert begun.going_on is not None
    assert header_of(begun.going_on.written.path).part == last.number
    assert begun.next_seq == len(lived.said) + 1


def test_the_state_is_kept_beside_the_last_part_alone_until_all_is_delivered(
    tmp_path: Path, three_sets: list[Input]
) -> None:
    lived = in_parts(tmp_path, three_sets)
    assert [path.stem for path in tmp_path.glob("*.state")] == [parts_in(tmp_path)[-1].path.stem]
    lived.recording.delivered()
    assert list(tmp_path.glob("*.state")) == []


def test_old_sessions_go_when_a_new_one_begins_and_the_running_one_stays(
    tmp_path: Path, three_sets: list[Input]
) -> None:
    for _ in range(3):
        in_parts(tmp_path, three_sets[:300], part_mb=256.0)
    before = set(tmp_path.glob("*.cablerec"))
    assert len(before) == 3
    in_parts(tmp_path, three_sets, keep_gb=1e-9)
    left = {part.recording for part in parts_in(tmp_path)}
    assert len(left) == 1
    assert not before & set(tmp_path.iterdir())
    assert replay(tmp_path)


def test_a_disk_that_is_nearly_full_is_left_alone_until_there_is_room(three_sets: list[Input]) -> None:
    """On a file system in memory: what else runs here leaves it alone."""
    shm = Path("/dev/shm")
    if not os.access(shm, os.W_OK):
        pytest.skip("there is no file system in memory")
    folder, ballast = shm / f"cablerec-{os.getpid()}", shm / f"ballast-{os.getpid()}"
    disk = os.statvfs(shm)
    free = disk.f_bavail * disk.f_frsize
    if free < 64e6:
        pytest.skip("the file system in memory is small")
    try:
        lived = Lived(wish(folder, least_free_mb=(free - 16e6) / 1e6))
        lived.live(three_sets[:100])
        assert lived.troubles == []
        with ballast.open("wb") as file:
            os.posix_fallocate(file.fileno(), 0, 32_000_000)
        lived.live(three_sets[100:1200])
        [line] = lived.troubles
        assert line is not None
        assert "MB are free" in line
        size = lived.recording.recorder.path.stat().st_size  # type: ignore[union-attr]
        ballast.unlink()
        end = time.monotonic() + WITHIN
        lived.live(three_sets[1200:1300])
        while lived.troubles[-1] is not None:
            assert time.monotonic() < end
            lived.written()
        lived.end()
        [path] = folder.glob("*.cablerec")
        assert path.stat().st_size > size
        assert lived.recording.dropped > 0
        events = [event for _, some in events_of(path) for event in some]
        assert isinstance(events[-1], Session)
        assert [getattr(event, "name", "") for event in events].count("recording_gap") == 1
    finally:
        ballast.unlink(missing_ok=True)
        for path in folder.glob("*"):
            path.unlink()
        folder.rmdir()

"""The last minute is there when something goes badly wrong: it can be played, and is bounded in all directions."""

from __future__ import annotations

import threading
import time
from pathlib import Path

import msgspec
import pytest

from controller.flight import FlightRecorder
from controller.replay import events_of
from protocols.events import AnyEvent, Fault, SetSummary
from protocols.recording import ChunkIn, Input, ProblemIn, Tick, read_recording
from simulators.gym import session_board
from tests.controller.inputs import ANCHOR, heard, short_set, together
from tests.controller.lives import our_header
from tests.controller.test_live_recording import Lived, wish

UNTIL = 100.0  # s
WITHIN = 20.0  # s


@pytest.fixture(scope="module")
def four_sets() -> list[Input]:
    session = short_set(reps=2, sets=4, rest_s=10.0)
    return together(heard("a", session_board(session, now=ANCHOR - 5.0), until=UNTIL), until=UNTIL)


def error(at: float, *, severity: str = "error") -> list[Input]:
    fields = {"board": "a", "received_at": ANCHOR + at, "name": "board_junk", "raised": True, "detail": "junk"}
    raised = msgspec.convert({**fields, "severity": severity}, ProblemIn)
    return [raised, msgspec.structs.replace(raised, raised=False)]


def flights(folder: Path) -> list[Path]:
    return sorted((folder / "flight").glob("*.cablerec"))


def played(file: Path) -> list[AnyEvent]:
    return [event for _, some in events_of(file, warn=pytest.fail) for event in some]


def live(folder: Path, inputs: list[Input], **changes: object) -> Lived:
    lived = Lived(wish(folder, **changes))
    lived.live(sorted(inputs, key=lambda each: each.received_at))
    lived.end()
    return lived


@pytest.mark.parametrize("recorded", [True, False])
def test_an_error_leaves_the_minute_before_it_as_a_recording(
    tmp_path: Path, four_sets: list[Input], *, recorded: bool
) -> None:
    lived = live(tmp_path, [*four_sets, *error(88.5)], enabled=recorded)
    [file] = flights(tmp_path)
    assert str(file) in lived.lines[0]
    assert len(list(tmp_path.glob("*.cablerec"))) == recorded
    chunks = [record for record in read_recording(file) if isinstance(record, ChunkIn)]
    assert 59.0 < chunks[-1].received_at - chunks[0].received_at <= 60.0
    events = played(file)
    begins = chunks[0].received_at - lived.recording.header.monotonic_anchor
    anchor = lived.recording.header.unix_anchor
    whole = [
        event
        for event in lived.said
        if isinstance(event, SetSummary)
        and begins + 2.0 < (event.t_start or 0.0) - anchor
        and event.ts / 1e3 - anchor < 88.5
    ]
    assert len(whole) == 2
    found = [event for event in events if isinstance(event, SetSummary)]
    for event in whole:
        [same] = [each for each in found if each.t_end == pytest.approx(event.t_end, abs=0.01)]
        assert (same.left_reps, same.right_reps) == (event.left_reps, event.right_reps)
    assert "board_junk" in [event.name for event in events if isinstance(event, Fault)]
    assert not {event.id for event in events} & {event.id for event in lived.said}


def test_what_is_no_error_leaves_nothing(tmp_path: Path, four_sets: list[Input]) -> None:
    live(tmp_path, [*four_sets[:2000], *error(12.0, severity="warning")])
    assert flights(tmp_path) == []


def test_nothing_is_written_twice(tmp_path: Path, four_sets: list[Input]) -> None:
    many = [each for at in (10.5, 20.5, 31.5, 60.5) for each in error(at)]
    live(tmp_path, [*four_sets, *many], flight_s=20.0)
    files = flights(tmp_path)
    assert len(files) == 3  # 20.5 s lies within 20 s of the one before it
    seen = [record for file in files for record in read_recording(file) if isinstance(record, ChunkIn)]
    assert len({(record.received_at, record.data) for record in seen}) == len(seen)


def test_the_oldest_files_of_a_station_make_room(tmp_path: Path, four_sets: list[Input]) -> None:
    many = [each for k in range(1, 9) for each in error(10.0 * k + 0.5)]
    live(tmp_path, [*four_sets, *many], flight_s=5.0, flight_files=3)
    assert len(flights(tmp_path)) == 3


def test_memory_is_bounded_by_time_and_by_bytes(tmp_path: Path) -> None:
    kept = FlightRecorder(tmp_path, seconds=10.0, most_bytes=100_000, most_files=1)
    for k in range(5000):
        kept.put(ChunkIn(board="a", received_at=0.1 * k, data=bytes(100)))
        assert kept.bytes <= 102 * (100 + 128)
    for _ in range(5000):
        kept.put(ChunkIn(board="a", received_at=500.0, data=bytes(1000)))
        assert kept.bytes <= 100_000


def test_a_disk_that_will_not_have_it_is_said(tmp_path: Path) -> None:
    (tmp_path / "flight").write_text("a file where the folder should be")
    kept = FlightRecorder(tmp_path / "flight", seconds=10.0, most_bytes=1e6, most_files=1)
    kept.put(Tick(received_at=1.0))
    said: list[str] = []
    assert kept.write(our_header(), next_seq=1, say=said.append) is not None
    kept.close(within=WITHIN)
    assert "not kept" in said[0]


def test_a_disk_that_hangs_over_one_file_holds_nobody_up_at_the_next(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    answers = threading.Event()
    flight = FlightRecorder(tmp_path, seconds=60.0, most_bytes=1e6, most_files=3)
    with monkeypatch.context() as hanging:
        hanging.setattr(Path, "mkdir", lambda *_, **__: answers.wait(WITHIN))
        flight.put(Tick(received_at=ANCHOR))
        assert flight.write(our_header(), next_seq=1, say=pytest.fail) is not None
        flight.put(Tick(received_at=ANCHOR + 61.0))
        began = time.monotonic()
        assert flight.write(our_header(), next_seq=1, say=pytest.fail) is None
        assert time.monotonic() - began < 1.0
        answers.set()
        flight.close(within=WITHIN)
    assert flight.write(our_header(), next_seq=1, say=pytest.fail) is not None
    flight.close(within=WITHIN)
    assert len(list(tmp_path.glob("*.cablerec"))) == 2


def test_it_leaves_the_disk_its_reserve_and_shows_nobody_who_trains(tmp_path: Path) -> None:
    said: list[str] = []
    for name, least_free in (("a", 0), ("b", 1 << 60)):
        flight = FlightRecorder(tmp_path, seconds=10.0, most_bytes=1e6, most_files=1, least_free=least_free)
        flight.put(Tick(received_at=ANCHOR))
        flight.write(our_header(recording=name * 32), next_seq=1, say=said.append)
        flight.close(within=WITHIN)
    assert ["are free" in line for line in said] == [True]
    (kept,) = tmp_path.glob("*.cablerec")  # the one that was there before
    assert "-aaaaaaaa" in kept.name
    assert kept.stat().st_mode & 0o027 == 0

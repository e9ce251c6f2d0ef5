"""Recordings are known by their names and their ends; only what nobody needs any more may go."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from controller.recording_folder import (
    Keep,
    earlier_parts,
    file_name,
    header_of,
    is_finished,
    parts_in,
    prune,
    to_prune,
)
from protocols.recording import MAGIC, ChunkIn, Continued, Ended, Header, Mark, encode
from tests.controller.lives import our_header

NOW = 1_700_000_000.0
DAY = 86_400.0
END = Ended(received_at=1.0, next_seq=2)
ON = Continued(received_at=1.0)


def file(
    folder: Path,
    recording: str,
    *,
    age_days: float,
    mark: Mark | None = END,
    part: int = 1,
    size: int = 1000,
    station: str = "rack",
    first_seq: int = 1,
) -> Path:
    """A recording of so many bytes of samples that was last written so long before NOW."""
    head = our_header(recording=recording * 8, part=part, station=station, first_seq=first_seq)
    path = folder / file_name(head, unix=NOW - age_days * DAY)
    samples = encode(ChunkIn(board="a", received_at=0.5, data=bytes(size)))
    path.write_bytes(MAGIC + encode(head) + samples + (encode(mark) if mark is not None else b""))
    os.utime(path, (NOW - age_days * DAY,) * 2)
    return path


def test_the_files_of_a_folder_come_in_the_order_in_which_they_began(tmp_path: Path) -> None:
    c, b, a = (file(tmp_path, name, age_days=age) for name, age in (("c", 1.0), ("b", 2.0), ("a", 3.0)))
    other = file(tmp_path, "d", age_days=2.5, station="squat-rack")
    (tmp_path / "notes.cablerec").write_text("by hand")
    assert [part.path for part in parts_in(tmp_path)] == [a, other, b, c]
    assert [part.path for part in parts_in(tmp_path, "rack")] == [a, b, c]
    assert parts_in(tmp_path / "absent") == []


def test_the_parts_of_a_session_are_found_and_a_missing_one_is_missed(tmp_path: Path) -> None:
    parts = [file(tmp_path, "a", age_days=3.0 - k, mark=ON, part=k + 1) for k in range(3)]
    assert parts[1].name.endswith("-aaaaaaaa.p2.cablerec")
    assert earlier_parts(parts[2], header_of(parts[2])) == parts[:2]
    parts[0].unlink()
    assert earlier_parts(parts[2], header_of(parts[2])) is None


def test_a_file_is_finished_with_its_end_or_where_ends_were_not_written_yet(tmp_path: Path) -> None:
    assert is_finished(file(tmp_path, "a", age_days=1.0))
    assert is_finished(file(tmp_path, "b", age_days=1.0, mark=ON))
    assert not is_finished(file(tmp_path, "c", age_days=1.0, mark=None))
    old = tmp_path / "old"
    head = Header(
        recording="r", station="rack", session="s", first_seq=1, first_set=1,
        monotonic_anchor=0.0, unix_anchor=0.0, settings=b"{}", software="0",
    )  # fmt: skip
    old.write_bytes(MAGIC + encode(head))
    assert is_finished(old)


def test_nothing_is_deleted_unless_asked(tmp_path: Path) -> None:
    file(tmp_path, "a", age_days=3000.0)
    file(tmp_path, "b", age_days=2000.0)
    assert to_prune(tmp_path, Keep(), now=NOW) == []


def test_what_is_too_old_goes_but_for_the_last_session_of_each_station(tmp_path: Path) -> None:
    gone = [file(tmp_path, name, age_days=age) for name, age in (("a", 50.0), ("b", 40.0))]
    file(tmp_path, "c", age_days=35.0, station="other")
    file(tmp_path, "d", age_days=33.0, mark=ON)
    file(tmp_path, "d", age_days=32.0, part=2)
    assert to_prune(tmp_path, Keep(seconds=30 * DAY), now=NOW) == gone


def test_what_is_unfinished_stays_however_old(tmp_path: Path) -> None:
    file(tmp_path, "a", age_days=500.0, mark=None)
    file(tmp_path, "b", age_days=1.0)
    assert to_prune(tmp_path, Keep(seconds=DAY, bytes=1.0), now=NOW) == []


def test_the_oldest_go_until_the_rest_fits(tmp_path: Path) -> None:
    files = [file(tmp_path, name, age_days=5.0 - k, size=10_000) for k, name in enumerate("abcde")]
    for fits in range(1, 6):
        assert to_prune(tmp_path, Keep(bytes=fits * 11_500.0), now=NOW) == files[: 5 - fits]
    assert to_prune(tmp_path, Keep(bytes=1.0), now=NOW) == files[:4]


@pytest.mark.parametrize("keep", [Keep(seconds=1.0), Keep(bytes=1.0)])
def test_a_state_goes_with_its_recording(tmp_path: Path, keep: Keep) -> None:
    gone, stays = file(tmp_path, "a", age_days=3.0), file(tmp_path, "b", age_days=2.0)
    for path in (gone, stays):
        path.with_suffix(".state").touch()
    assert prune(tmp_path, keep) == [gone]
    assert sorted(tmp_path.iterdir()) == sorted([stays, stays.with_suffix(".state")])


def test_the_last_session_stays_though_the_clock_was_set_back_before_it_began(tmp_path: Path) -> None:
    old = file(tmp_path, "a", age_days=1.0)
    new = file(tmp_path, "b", age_days=2.0, first_seq=100)
    assert to_prune(tmp_path, Keep(bytes=0.0), now=NOW) == [old]
    assert prune(tmp_path, Keep(seconds=0.0)) == [old]
    assert new.exists()

"""A recording and a CSV say the same however they are played; what is no recording is refused in one line."""

from __future__ import annotations

import contextlib
import shutil
from pathlib import Path

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from controller.pipeline import Pipeline
from controller.recorder import Recorder
from controller.replay import ReplayError, csv_settings, events_of
from protocols.events import AnyEvent, Rep, Session, SetSummary
from protocols.neutral_csv import parse_csv
from protocols.recording import MAGIC, Ended, encode
from simulators.gym import two_boards
from tests.controller.inputs import ANCHOR, header, heard, log, short_set, station, together

TWO = station("left", "right")
UNTIL = 33.0  # s


@pytest.fixture(scope="module")
def session(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, list[bytes]]:
    return live_run(tmp_path_factory.mktemp("live"))


@pytest.fixture
def lived(session: tuple[Path, list[bytes]], tmp_path: Path) -> tuple[Path, list[bytes]]:
    """A recording of one's own, and what was said while it was made."""
    return Path(shutil.copy(session[0], tmp_path)), session[1]


def live_run(folder: Path) -> tuple[Path, list[bytes]]:
    """Record a session of two boards as the live runtime does; its file, and the events as they came."""
    head = header(TWO)
    recorder, pipeline = Recorder(folder, head, trouble=lambda line: pytest.fail(str(line))), Pipeline(head)
    inputs = [
        heard(name, device, until=UNTIL)
        for name, device in zip(
            ("left", "right"), two_boards(short_set(), now=ANCHOR - 5.0, ppm=(60.0, -30.0)), strict=True
        )
    ]
    events: list[AnyEvent] = []
    for record in together(*inputs, until=UNTIL):
        recorder.put(record)
        pipeline.feed(record)
        events += pipeline.events()
    pipeline.finish()
    recorder.put(Ended(received_at=ANCHOR + UNTIL, next_seq=pipeline.station.next_numbers[0]))
    recorder.close()
    return recorder.path, log([*events, *pipeline.events()])


def said(file: Path) -> tuple[list[bytes], list[str]]:
    """A file's events and warnings."""
    warnings: list[str] = []
    return [line for _, events in events_of(file, warn=warnings.append) for line in log(events)], warnings


CSV = """# exercise: row
# load_kg: 20
# station: rack-9
time_s,left_position_m,right_position_m
"""


def written(path: Path, head: str = CSV) -> Path:
    rows = [f"{k / 50:.2f},{x:.4f},{x:.4f}" for k, x in enumerate(strokes())]
    path.write_text(head + "\n".join(rows) + "\n", encoding="utf-8")
    return path


def strokes() -> list[float]:
    """Three strokes of 0.5 m at 50 Hz, and a set gap."""
    out = [0.0] * 50
    for _ in range(3):
        for k in range(100):
            u = k / 50 if k < 50 else 2 - k / 50
            out.append(0.5 * u**3 * (10 - 15 * u + 6 * u * u))
        out += [0.0] * 25
    return out + [0.0] * 500


# -- recordings


def test_the_replay_of_a_live_run_says_the_same_bytes(lived: tuple[Path, list[bytes]]) -> None:
    file, live = lived
    replayed, warnings = said(file)
    assert replayed == live
    assert warnings == []
    assert sum(b'"status":"final"' in line for line in live) == 8


def test_stream_time_never_runs_back(lived: tuple[Path, list[bytes]]) -> None:
    file, _ = lived
    times = [t for t, _ in events_of(file)]
    assert times == sorted(times)


def test_a_recording_that_was_cut_by_a_kill_is_played_with_a_warning(lived: tuple[Path, list[bytes]]) -> None:
    file, live = lived
    file.write_bytes(file.read_bytes()[:-5000])
    warnings: list[str] = []
    *played, _ = events_of(file, warn=warnings.append)  # the last are those of the end
    before = [line for _, events in played for line in log(events)]
    assert "cut short" in warnings[0]
    assert len(before) > 20
    assert before == live[: len(before)]


def test_a_damaged_recording_is_played_up_to_the_damage(lived: tuple[Path, list[bytes]]) -> None:
    file, live = lived
    data = bytearray(file.read_bytes())
    data[len(data) // 2] ^= 1
    file.write_bytes(data)
    replayed, [warning] = said(file)
    assert "damaged" in warning
    assert replayed[:4] == live[:4]


@pytest.mark.parametrize(
    ("content", "said_of_it"),
    [
        (MAGIC, "no header"),
        (MAGIC + encode(header(TWO))[:-1], "no header"),
        (MAGIC + encode(msgspec.structs.replace(header(TWO), settings=b"{}")), "another version"),
        (MAGIC[:5], "time_s"),
        (b"", "no header line"),
        (b"\0\1\2\3" * 100, "no UTF-8 text"),
        (b"time_s;left_position_m\n0;1\n", "separator"),
        (b"a,b\n1,2\n", "time_s"),
        (b"time_s,heart_rate\n1,2\n", "no data column"),
    ],
)
def test_what_is_no_recording_is_refused_in_one_line(tmp_path: Path, content: bytes, said_of_it: str) -> None:
    file = tmp_path / "file"
    file.write_bytes(content)
    with pytest.raises(ReplayError, match=said_of_it) as raised:
        said(file)
    assert str(raised.value).startswith(str(file))
    assert "\n" not in str(raised.value)


def test_an_absent_file_or_a_folder_is_refused(tmp_path: Path) -> None:
    for path in (tmp_path / "absent", tmp_path):
        with pytest.raises(ReplayError, match=str(path)):
            said(path)


@settings(max_examples=60, deadline=None)
@given(st.sampled_from([b"", MAGIC, MAGIC + encode(header(TWO))]), st.binary(max_size=200))
def test_any_bytes_are_played_or_refused(tmp_path_factory: pytest.TempPathFactory, begin: bytes, data: bytes) -> None:
    file = tmp_path_factory.getbasetemp() / "any"
    file.write_bytes(begin + data)
    with contextlib.suppress(ReplayError):
        said(file)


# -- CSV


def test_a_csv_goes_through_the_core_as_it_is(tmp_path: Path) -> None:
    file = written(tmp_path / "row.csv")
    events = [event for _, some in events_of(file) for event in some]
    reps = [event for event in events if isinstance(event, Rep) and event.status == "final"]
    assert [(rep.side, rep.rep) for rep in reps] == [(s, n) for n in (1, 2, 3) for s in ("left", "right")]
    assert all(rep.rom_m == pytest.approx(0.5, rel=0.003) for rep in reps)
    assert all(rep.calibration is None and rep.mean_force_n is None for rep in reps)
    [summary] = [event for event in events if isinstance(event, SetSummary)]
    assert (summary.exercise, summary.load_kg, summary.station) == ("row", 20.0, "rack-9")
    assert isinstance(events[-1], Session)
    assert [event.seq for event in events] == list(range(1, len(events) + 1))


def test_the_ids_of_a_csv_follow_from_its_bytes_alone(tmp_path: Path) -> None:
    one, other = written(tmp_path / "one.csv"), written(tmp_path / "other.csv")
    assert said(one) == said(other)
    other.write_bytes(other.read_bytes() + b"\n")
    assert [msgspec.json.decode(line)["id"] for line in said(one)[0]] != [
        msgspec.json.decode(line)["id"] for line in said(other)[0]
    ]


def test_a_csv_that_restarts_is_told_to_the_core(tmp_path: Path) -> None:
    file = tmp_path / "restart.csv"
    first = [f"{k / 50:.2f},{x:.4f}" for k, x in enumerate(strokes()[:140])]
    again = [f"{k / 50:.2f},{x + 0.3:.4f}" for k, x in enumerate(strokes())]
    file.write_text("time_s,left_position_m\n" + "\n".join([*first, *again]) + "\n")
    events = [event for _, some in events_of(file) for event in some]
    [summary] = [event for event in events if isinstance(event, SetSummary)]
    assert "board_restarted" in summary.flags.split(",")


def test_a_wrong_line_at_the_head_is_said_and_left_out() -> None:
    text = (
        "# load_kg: heavy\n# person: p1\n# station: Rack 1\n# starts_with: middle\n# min_rom_m: 0.2\n# set_gap_s: inf\n"
        "# name: a file's own\n# source: somewhere\n# target_reps: 8\ntime_s,left_force_n\n0,1\n"
    )
    warnings: list[str] = []
    found = csv_settings(parse_csv(text, name="x"), warnings.append)
    assert (found.load_kg, found.person, found.station) == (None, "p1", "station")
    assert (found.exercise.min_rom_m, found.exercise.target_reps, found.exercise.name) == (0.2, 8, None)
    assert (found.exercise.starts_with, found.exercise.set_gap_s) == ("concentric", 8.0)
    assert [line.split(":")[0] for line in warnings] == ["# load_kg", "# station", "# starts_with", "# set_gap_s"]

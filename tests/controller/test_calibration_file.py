"""Calibrations are kept in a file that survives, and reach the channel that they were made with, and no other."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from math import hypot
from multiprocessing import get_context
from pathlib import Path

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from controller.calibration_file import (
    VERSION,
    CalibratedStation,
    Calibrations,
    Entry,
    add,
    calibrated,
    file_of,
    load_calibrated,
    read,
    render,
)
from controller.config import ConfigError, decoded, load
from protocols.events import Fault, SetSummary, Side
from simulators.gym import session_board
from tests.controller.inputs import ANCHOR, finals, heard, log, played, short_set, station, together
from tests.controller.test_wiring import LEFT, Talker, force, position, problems, side, told

CONFIG = '[[station]]\nid = "rack"\n[[station.board]]\nid = "a"\nurl = "tcp://127.0.0.1:5000"\n'
ENTRY = Entry(
    id="left-force-20261124-1",
    date="2026-11-24T10:00:00Z",
    station="rack",
    side="left",
    channel="force",
    board="a",
    number=0,
    uid="00" * 12,
    zero=100.0,
    span=0.25,
    uncertainty_pct=0.5,
    zero_uncertainty=2.0,
    residual=0.3,
    method="masses",
    points=[(0.0, 100.0), (98.0665, 492.3)],
)


def but(**changes: object) -> Entry:
    return msgspec.structs.replace(ENTRY, **changes)


ids = st.text("abcdefghijklmnopqrstuvwxyz0123456789-", min_size=1, max_size=12)
finite = st.floats(allow_nan=False, allow_infinity=False)
positive = st.floats(0.0, 1e300)
entries = st.builds(
    Entry,
    id=ids,
    date=st.datetimes().map(lambda when: when.strftime("%Y-%m-%dT%H:%M:%SZ").rjust(20, "0")),
    station=ids,
    side=st.sampled_from(["left", "right"]),
    channel=st.sampled_from(["force", "position"]),
    board=ids,
    source=st.integers(0, 255),
    number=st.integers(0, 15),
    uid=st.binary(max_size=12).map(bytes.hex),
    ratio=st.floats(1e-3, 1e3),
    zero=finite,
    span=finite.filter(lambda span: span != 0.0),
    uncertainty_pct=positive,
    zero_uncertainty=positive,
    residual=st.none() | finite,
    method=st.sampled_from(["masses", "pull", "drum"]),
    points=st.lists(st.tuples(finite, finite), max_size=4),
)


@given(st.lists(entries, max_size=4))
def test_what_is_written_is_read_again_to_the_last_digit(some: list[Entry]) -> None:
    assert decoded(render(some), Calibrations, name="file").calibration == some


def test_entries_are_added_with_ids_of_their_own_and_the_old_ones_stay(tmp_path: Path) -> None:
    file = tmp_path / "gym.calibration.toml"
    assert read(file) == []
    first, second = add(file, but(id="new")), add(file, but(id="new", span=0.26))
    assert [first.id, second.id] == ["left-force-20261124-1", "left-force-20261124-2"]
    assert read(file) == [first, second]
    assert [each.name for each in tmp_path.iterdir()] == [file.name]


def test_a_symlink_stays_one_and_permissions_stay(tmp_path: Path) -> None:
    real, link = tmp_path / "real.toml", tmp_path / "gym.calibration.toml"
    link.symlink_to(real)
    add(link, ENTRY)
    real.chmod(0o600)
    add(link, ENTRY)
    assert link.is_symlink()
    assert len(read(real)) == 2
    assert real.stat().st_mode & 0o777 == 0o600


WRITER = """
import sys
from pathlib import Path
import msgspec
from controller import calibration_file
from tests.controller.test_calibration_file import ENTRY
print("ready", flush=True)
while True:
    calibration_file.add(Path(sys.argv[1]), ENTRY)
"""


def test_a_kill_at_any_moment_leaves_a_whole_file(tmp_path: Path) -> None:
    file = tmp_path / "gym.calibration.toml"
    add(file, ENTRY)
    kept = 1
    for k in range(5):
        with subprocess.Popen([sys.executable, "-c", WRITER, str(file)], stdout=subprocess.PIPE) as writer:
            assert writer.stdout is not None
            writer.stdout.readline()
            time.sleep(0.02 + 0.013 * k)
            writer.send_signal(signal.SIGKILL)
        found = read(file)
        assert len(found) >= kept
        assert found[0] == ENTRY
        kept = len(found)
    assert kept > 1


def test_a_kill_in_the_middle_of_writing_leaves_the_old_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = tmp_path / "gym.calibration.toml"
    add(file, ENTRY)
    before = file.read_bytes()
    half = tmp_path / f".{file.name}.{os.getpid() + 1}"  # what such a kill leaves behind
    half.write_bytes(before[:100])

    def full_disk(handle: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full_disk)
    with pytest.raises(OSError, match="No space"):
        add(file, ENTRY)
    monkeypatch.undo()
    assert file.read_bytes() == before
    assert sorted(each.name for each in tmp_path.iterdir()) == sorted([half.name, file.name])
    assert len(read(file)) == 1


def _add_ten(file: Path, board: str) -> None:
    for _ in range(10):
        add(file, but(board=board))


def test_two_programs_that_add_at_once_lose_nothing(tmp_path: Path) -> None:
    file = tmp_path / "gym.calibration.toml"
    programs = [get_context("spawn").Process(target=_add_ten, args=(file, board)) for board in ("a", "b")]
    for each in programs:
        each.start()
    for each in programs:
        each.join(60.0)
    found = read(file)
    assert sorted(entry.board for entry in found) == ["a"] * 10 + ["b"] * 10
    assert len({entry.id for entry in found}) == 20


def test_a_file_of_a_later_version_is_refused_without_the_advice_to_move_it_away(tmp_path: Path) -> None:
    file = tmp_path / "gym.calibration.toml"
    text = f"version = {VERSION + 1}\nanything = 1\n"
    file.write_text(text, encoding="utf-8")
    for use in (lambda: read(file), lambda: add(file, ENTRY)):
        with pytest.raises(ConfigError) as raised:
            use()
        assert str(raised.value) == (
            f"{file}: made by a later version of cable-station ({VERSION + 1}, this one knows {VERSION}); "
            "install that one, or put back the copy from before it"
        )
    assert file.read_text(encoding="utf-8") == text


@pytest.mark.parametrize(
    ("text", "says"),
    [
        (b"", "the key `version` is missing"),
        (b"\xff\xfe", "not UTF-8 at byte 0"),
        (b"# broken\nversion = 1\n[[calibration]\n", "at line 3"),
        (b'version = "one"\n', "version: "),
        (b'site = "gym"\n', "site: unknown key 'site'"),
        (b'version = 1\n[[calibration]]\nid = "a"\n', "calibration[0]: the key `date` is missing"),
        (render([ENTRY, ENTRY]).encode(), "calibration[1].id: there are two calibrations 'left-force-20261124-1'"),
        (render([ENTRY]).replace("0.25", "nan").encode(), "calibration[0].span: nan is no number"),
        (render([ENTRY]).replace("0.25", "0.0").encode(), "calibration[0].span: with a span of 0"),
        (render([ENTRY]).replace("-11-24T", "-13-24T").encode(), "calibration[0].date: there is no day"),
        (render([ENTRY])[:200].encode(), "calibration[0]: the key"),
    ],
)
def test_a_file_that_is_not_right_is_one_line_with_the_place_and_what_to_do(
    tmp_path: Path, text: bytes, says: str
) -> None:
    (tmp_path / "gym.toml").write_text(CONFIG, encoding="utf-8")
    file = tmp_path / "gym.calibration.toml"
    file.write_bytes(text)
    with pytest.raises(ConfigError) as raised:
        load_calibrated(tmp_path / "gym.toml")
    line = str(raised.value)
    assert line.startswith(f"{file}: ")
    assert says in line
    assert "put back a copy" in line
    assert "\n" not in line
    with pytest.raises(ConfigError):
        add(file, ENTRY)  # what is not ours is not written over
    assert file.read_bytes() == text


def test_a_path_through_a_file_is_one_line(tmp_path: Path) -> None:
    (tmp_path / "gym.toml").write_text(f'calibration = "gym.toml/scales.toml"\n{CONFIG}', encoding="utf-8")
    with pytest.raises(ConfigError, match=r"gym\.toml/scales\.toml: Not a directory"):
        load_calibrated(tmp_path / "gym.toml")


def test_a_folder_in_its_place_is_one_line(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="Is a directory"):
        read(tmp_path)


def test_the_file_lies_beside_the_configuration_unless_it_says_where(tmp_path: Path) -> None:
    config = tmp_path / "gym.toml"
    config.write_text(CONFIG, encoding="utf-8")
    assert file_of(config, load(config)) == tmp_path / "gym.calibration.toml"
    config.write_text('calibration = "kept/scales.toml"\n' + CONFIG, encoding="utf-8")
    assert file_of(config, load(config)) == tmp_path / "kept" / "scales.toml"
    add(file_of(config, load(config)), ENTRY)
    (loaded,) = load_calibrated(config).station
    assert isinstance(loaded, CalibratedStation)
    assert [entry.id for entry in loaded.calibrated] == [ENTRY.id]


def kept(*some: Entry, **settings: object) -> list[float]:
    return [entry.span for entry in calibrated(station("a", **settings), some).calibrated]


def test_the_last_entry_of_a_channel_counts_and_other_stations_are_none_of_its() -> None:
    older = but(span=0.5, date="2027-01-01T00:00:00Z")  # by a clock that was wrong
    right = but(side="right", span=0.7)
    assert kept(older, ENTRY, right, but(station="other", span=0.9)) == [0.25, 0.7]


@pytest.mark.parametrize(
    ("own", "expected"),
    [
        ({"date": "2026-11-25"}, []),
        ({"date": "2026-11-24"}, [0.25]),
        ({"date": "last spring"}, [0.25]),
        ({}, [0.25]),
    ],
)
def test_the_configurations_own_calibration_counts_where_its_date_is_later(
    own: dict[str, str], expected: list[float]
) -> None:
    left = {"force": {"board": "a", "channel": 0, "calibration": {"span": 0.1, **own}}}
    assert kept(ENTRY, left=left) == expected


def test_a_recording_carries_the_calibration_it_was_measured_with() -> None:
    config = calibrated(station("a", track_zero=False), [ENTRY])
    board = Talker("a", force(LEFT), position(LEFT))
    pipeline = told(config, board.up(), board.info(), *board.rows(*[(300, 250)] * 50))
    assert pipeline.telemetry().force_left_n == pytest.approx((300 - 100) * 0.25)
    assert pipeline.telemetry().position_left_m == pytest.approx(0.25)
    assert pipeline.info().left_calibration == ENTRY.id
    assert problems(pipeline.events()) == {}


def test_a_kept_span_is_for_the_sensor_and_the_ratio_is_the_configurations() -> None:
    left = {"force": {"board": "a", "channel": 0, "ratio": 2.0, "calibration": {"span": 9.0}}}
    config = calibrated(station("a", left=left, track_zero=False), [but(ratio=2.0)])
    board = Talker("a", force(LEFT))
    pipeline = told(config, board.up(), board.info(), *board.rows(*[(300,)] * 50))
    assert pipeline.telemetry().force_left_n == pytest.approx((300 - 100) * 0.25 * 2.0)


@pytest.mark.parametrize("other", [{"uid": "01" * 12}, {"board": "b"}, {"source": 1}, {"number": 1}, {"ratio": 2.0}])
@pytest.mark.parametrize("cable", [None, side(force=0)])
def test_a_calibration_of_another_board_channel_or_ratio_is_a_fault_and_not_used(
    other: dict[str, object], cable: dict[str, object] | None
) -> None:
    config = calibrated(station("a", left=cable, track_zero=False), [but(**other)])
    board = Talker("a", force(LEFT))
    pipeline = told(config, board.up(), board.info(), *board.rows(*[(300,)] * 50))
    assert pipeline.telemetry().force_left_n == pytest.approx((300 - 100) * 0.5)  # as the board states it
    assert pipeline.info().left_calibration is None
    events = pipeline.events()
    assert ENTRY.id in problems(events)["calibration_foreign"]
    assert [event.severity for event in events if isinstance(event, Fault)] == ["error"]


def test_each_side_has_its_own() -> None:
    names: tuple[Side, Side] = ("left", "right")
    config = calibrated(station("a", track_zero=False), [but(side=name, number=k) for k, name in enumerate(names)])
    assert [(entry.side, entry.number) for entry in config.calibrated] == [("left", 0), ("right", 1)]


def test_a_set_on_two_calibrated_cells_is_judged_with_both_and_replays_the_same() -> None:
    session = short_set(ratio=0.8)
    device = session_board(session, now=ANCHOR)
    found = [
        but(id=f"{name}-force", side=name, number=number, uid=device._uid.hex(), zero=84_213.0, span=0.02 * factor,
            uncertainty_pct=1.0, zero_uncertainty=0.0)
        for name, number, factor in (("left", 1, 1.0), ("right", 3, 1.1))
    ]  # fmt: skip
    records = together(heard("a", device, until=session.duration), until=session.duration)
    config = calibrated(station("a"), found)
    events = played(config, records)
    plain = played(station("a"), records)
    (judged,) = [event for event in events if isinstance(event, SetSummary)]
    (nominal,) = [event for event in plain if isinstance(event, SetSummary)]
    assert (judged.flags, nominal.flags) == ("", "uncalibrated")
    assert (nominal.verdict, nominal.verdict_reason) == ("watch", "uncalibrated")
    assert judged.right_mean_force_n == pytest.approx(1.1 * (nominal.right_mean_force_n or 0.0), rel=1e-3)
    half, alone = (
        ((each.asymmetry_high_pct or 0.0) - (each.asymmetry_low_pct or 0.0)) / 2 for each in (judged, nominal)
    )
    q = (judged.right_mean_force_n or 0.0) / (judged.left_mean_force_n or 1.0)
    assert half == pytest.approx(hypot(1.1 * alone, 1.96 * q * 2.0**0.5), rel=0.02)
    assert {rep.calibration for rep in finals(events, "right")} == {"right-force"}
    assert log(played(config, records)) == log(events)

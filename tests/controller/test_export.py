"""What is exported is what was measured: read again with the real libraries, and played again where that can be."""

from __future__ import annotations

import csv
import os
import re
import subprocess
import sys
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import msgspec
import pyarrow.parquet as pq
import pytest
from mcap.reader import make_reader

from controller.calibration_file import CalibratedStation
from controller.export import ExportError, Form, export
from controller.export_sinks import rep_columns
from controller.matching import Standing
from controller.pipeline import Pipeline
from controller.recording_folder import header_of
from controller.replay import events_of
from protocols.events import Rep
from protocols.neutral_csv import CHANNELS, read_csv
from protocols.recording import Tick
from tests.controller.inputs import ANCHOR, station
from tests.controller.lives import lived, our_header, recorder, two_lives

LOADED = station(
    "a",
    load_kg=30.0,
    exercise={"name": "iso_lateral_row", "min_rom_m": 0.2, "target_reps": 4},
    left={
        "force": {
            "board": "a", "channel": 1,
            "calibration": {"span": 0.01, "zero": 500.0, "id": "left-1", "date": "2026-03-02", "uncertainty_pct": 0.3},
        },
        "position": {"board": "a", "channel": 0, "ratio": 1.0},
    },
    right={"force": {"board": "a", "channel": 3}, "position": {"board": "a", "channel": 2}},
)  # fmt: skip


@pytest.fixture(scope="module")
def recording(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two cables for half a minute, with a set in it, whose board was asked again in its middle."""
    head = our_header(msgspec.convert(msgspec.to_builtins(LOADED), CalibratedStation))  # as `run` writes it
    before, after = two_lives()
    with recorder(tmp_path_factory.mktemp("recorded"), head) as made:
        lived(made, Pipeline(head), [*before, *after], ends=True)
    return made.path


def reps_of(file: Path) -> list[Rep]:
    return Standing.of(event for _, some in events_of(file) for event in some).reps


def exported(file: Path, out: Path, *, reps: bool = False, raw: bool = False) -> tuple[int, int]:
    return export(file, out, form=None, reps=reps, raw=raw, warn=pytest.fail)


def same(read: Iterable[dict[str, Any]], reps: list[Rep]) -> None:
    wanted = [msgspec.to_builtins(rep) for rep in reps]
    for each in wanted:
        del each["event_type"]
    assert [{name: value for name, value in each.items() if name != "event_type"} for each in read] == wanted


def test_the_samples_as_csv_are_a_neutral_csv_that_plays_to_the_same_reps(recording: Path, tmp_path: Path) -> None:
    out = tmp_path / "raw.csv"
    _, instants = exported(recording, out, raw=True)
    read = read_csv(out)
    assert len(read.rows) == instants
    assert read.columns == CHANNELS
    assert read.defects.warnings() == []
    ours, theirs = (sorted(reps_of(file), key=lambda rep: (rep.side, rep.rep)) for file in (recording, out))
    assert len(ours) >= 6
    assert [(rep.side, rep.rep, rep.partial) for rep in ours] == [(rep.side, rep.rep, rep.partial) for rep in theirs]
    anchor = header_of(recording).unix_anchor
    for a, b in zip(ours, theirs, strict=True):
        assert (b.t_start or 0.0) == pytest.approx((a.t_start or 0.0) - anchor, abs=1e-3)
        for name in ("rom_m", "mean_velocity_m_per_s", "mean_force_n", "peak_force_n", "work_concentric_j"):
            assert getattr(b, name) == pytest.approx(getattr(a, name), rel=1e-3)


def test_a_neutral_csv_says_its_settings_units_and_calibrations(recording: Path, tmp_path: Path) -> None:
    out = tmp_path / "raw.csv"
    exported(recording, out, raw=True)
    said = read_csv(out).metadata
    assert (said["exercise"], said["load_kg"], said["min_rom_m"], said["target_reps"]) == (
        "iso_lateral_row", "30.0", "0.2", "4",
    )  # fmt: skip
    assert (said["unit_left_force_n"], said["unit_left_position_m"], said["unit_time_s"]) == ("N", "m", "s")
    line = msgspec.json.decode(said["calibration_left_force_n"])
    assert (line["span"], line["zero"], line["id"], line["date"]) == (0.01, 500.0, "left-1", "2026-03-02")
    assert msgspec.json.decode(said["calibration_right_force_n"])["nominal"]
    assert said["source"] == recording.name


def test_the_reps_as_csv_are_the_reps(recording: Path, tmp_path: Path) -> None:
    out = tmp_path / "reps.csv"
    count, _ = exported(recording, out)
    lines = out.read_text(encoding="utf-8").splitlines()
    assert "# unit_rom_m: m" in lines
    assert any(line.startswith("# calibration_left_force_n: {") for line in lines)
    rows = list(csv.DictReader(line for line in lines if not line.startswith("#")))
    ours = reps_of(recording)
    assert len(rows) == count == len(ours)
    for row, rep in zip(rows, ours, strict=True):
        for name in Rep.__struct_fields__:
            value = getattr(rep, name)
            assert row[name] == ("" if value is None else str(value))


def test_the_reps_as_parquet_have_types_units_and_nulls(recording: Path, tmp_path: Path) -> None:
    out = tmp_path / "reps.parquet"
    exported(recording, out)
    table = pq.read_table(out)
    same(table.to_pylist(), reps_of(recording))
    assert table.schema.field("rom_m").metadata[b"unit"] == b"m"
    assert b"range of motion" in table.schema.field("rom_m").metadata[b"description"]
    kinds = {name: str(table.schema.field(name).type) for name in ("rep", "partial", "rom_m", "side")}
    assert kinds == {"rep": "int64", "partial": "bool", "rom_m": "double", "side": "string"}
    metadata = pq.read_metadata(out).metadata
    assert msgspec.json.decode(metadata[b"calibration_left_force_n"])["id"] == "left-1"


def test_the_samples_as_parquet_are_those_of_the_csv(recording: Path, tmp_path: Path) -> None:
    _, instants = exported(recording, tmp_path / "raw.parquet", raw=True)
    exported(recording, tmp_path / "raw.csv", raw=True)
    table = pq.read_table(tmp_path / "raw.parquet")
    assert table.num_rows == instants
    assert [table.schema.field(name).metadata[b"unit"] for name in table.schema.names] == [b"s", b"m", b"N", b"m", b"N"]
    columns = table.to_pydict()
    rows = read_csv(tmp_path / "raw.csv").rows
    for name in CHANNELS:
        ours = [getattr(row, name.rpartition("_")[0]) for row in rows]
        assert columns[name] == pytest.approx(ours, rel=1e-8, abs=1e-8)
    assert columns["time_s"] == pytest.approx([row.t for row in rows], abs=1e-6)


def test_an_mcap_holds_samples_and_reps_with_their_schemas_and_times(recording: Path, tmp_path: Path) -> None:
    out = tmp_path / "set.mcap"
    count, instants = exported(recording, out, reps=True, raw=True)
    header = header_of(recording)
    with out.open("rb") as file:
        reader = make_reader(file)
        found: dict[str, list[tuple[int, Any]]] = {"/samples": [], "/rep": []}
        for schema, channel, message in reader.iter_messages():
            assert schema is not None
            assert schema.encoding == "jsonschema"
            assert "properties" in msgspec.json.decode(schema.data)
            found[channel.topic].append((message.log_time, msgspec.json.decode(message.data)))
        [said] = [each for each in reader.iter_metadata() if each.name == "cable_station"]
    assert (len(found["/rep"]), len(found["/samples"])) == (count, instants)
    for at, sample in found["/samples"]:
        assert at == pytest.approx((header.unix_anchor + sample["time_s"]) * 1e9, abs=1e3)
    same((rep for _, rep in found["/rep"]), reps_of(recording))
    assert msgspec.json.decode(said.metadata["calibration_left_force_n"])["id"] == "left-1"


def test_a_neutral_csv_is_exported_as_well(recording: Path, tmp_path: Path) -> None:
    exported(recording, tmp_path / "raw.csv", raw=True)
    exported(tmp_path / "raw.csv", tmp_path / "again.csv", raw=True)
    exported(tmp_path / "raw.csv", tmp_path / "reps.parquet")
    first, again = read_csv(tmp_path / "raw.csv"), read_csv(tmp_path / "again.csv")
    assert first.rows == again.rows
    assert again.metadata["exercise"] == "iso_lateral_row"
    same(pq.read_table(tmp_path / "reps.parquet").to_pylist(), reps_of(tmp_path / "raw.csv"))


def test_a_rep_has_a_column_for_each_of_its_fields() -> None:
    assert [name for name, *_ in rep_columns()] == list(Rep.__struct_fields__)


@pytest.mark.parametrize(
    ("out", "options", "why"),
    [
        ("reps.xlsx", {}, "give --to csv, parquet or mcap"),
        ("both.csv", {"reps": True, "raw": True}, "holds one table"),
        ("there.csv", {}, "there already"),
    ],
)
def test_what_cannot_be_is_refused_with_what_to_do(
    recording: Path, tmp_path: Path, out: str, options: dict[str, bool], why: str
) -> None:
    (tmp_path / "there.csv").write_text("mine")
    with pytest.raises(ExportError, match=why):
        exported(recording, tmp_path / out, **options)
    assert [path.name for path in tmp_path.iterdir()] == ["there.csv"]
    assert (tmp_path / "there.csv").read_text() == "mine"


@pytest.mark.parametrize("form", Form)
def test_what_is_no_recording_leaves_nothing_behind(tmp_path: Path, form: Form) -> None:
    (tmp_path / "letter").write_text("Dear all,\n")
    for name in ("letter", "absent", "."):
        with pytest.raises(ExportError, match=re.escape(str(tmp_path))):
            export(tmp_path / name, tmp_path / "out", form=form, reps=False, raw=True, warn=pytest.fail)
    assert [path.name for path in tmp_path.iterdir()] == ["letter"]


@pytest.mark.parametrize(("form", "package"), [("parquet", "pyarrow"), ("mcap", "mcap")])
def test_without_its_library_a_form_says_what_to_install(
    recording: Path, tmp_path: Path, form: str, package: str
) -> None:
    absent = tmp_path / "absent"
    absent.mkdir()
    (absent / f"{package}.py").write_text("raise ImportError\n")
    done = subprocess.run(
        [sys.executable, "-m", "controller.cli", "export", str(recording), "-o", str(tmp_path / f"out.{form}")],
        capture_output=True, text=True, check=False, timeout=30, env={**os.environ, "PYTHONPATH": str(absent)},
    )  # fmt: skip
    assert done.returncode == 1
    [line] = done.stderr.splitlines()
    assert f"pip install 'cable-station[{form}]'" in line
    assert [path.name for path in tmp_path.iterdir()] == ["absent"]


def test_a_recording_whose_settings_are_of_another_version_is_one_line(tmp_path: Path) -> None:
    head = our_header(LOADED, settings=b'{"id":"rack","board":[],"colour":"red"}')
    with recorder(tmp_path, head) as made:
        made.put(Tick(received_at=ANCHOR + 1.0))
    with pytest.raises(ExportError, match="settings are of another version"):
        exported(made.path, tmp_path / "reps.csv")

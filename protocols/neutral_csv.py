"""The neutral CSV: any log of cables as text, read as it is, with its defects mended and counted.

Form: optional first lines `# key: value`, one header line, rows. `time_s` is required; an empty cell is no sample of
that channel at this instant.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field
from itertools import pairwise
from math import isfinite
from pathlib import Path
from statistics import median
from typing import Final

CHANNELS: Final = ("left_position_m", "left_force_n", "right_position_m", "right_force_n")
RESTART: Final = 1.0  # s; a step back by less is a late row, by more a clock that began afresh


class CsvError(Exception):
    """The file cannot be read as a recording; one line that says where and why."""


@dataclass(frozen=True, slots=True)
class Row:
    """One instant in stream time, s; positions in m, forces in N, None where there is no sample."""

    t: float
    left_position: float | None
    left_force: float | None
    right_position: float | None
    right_force: float | None
    restarted: bool = False


@dataclass(slots=True)
class Defects:
    """What had to be mended."""

    junk_rows: int = 0  # rows without a readable time or with too few cells
    bad_cells: int = 0  # cells that are no finite number
    repeated: int = 0  # rows dropped: the same time and the same values again
    spread: int = 0  # rows whose repeated time was spread to the next
    backward: int = 0  # rows dropped: their time steps back
    restarts: int = 0
    unknown_columns: list[str] = field(default_factory=list)

    def warnings(self) -> list[str]:
        """One line for each kind of defect."""
        said = []
        if self.unknown_columns:
            said.append(f"unknown columns are ignored: {', '.join(self.unknown_columns)}")
        for count, text in (
            (self.junk_rows, "rows are no samples and were left out"),
            (self.bad_cells, "cells are no finite number and were taken as empty"),
            (self.repeated, "rows repeat the time and values before them and were left out"),
            (self.spread, "rows repeat a time with other values and were spread to the next time"),
            (self.backward, "rows step back in time and were left out"),
            (self.restarts, "times the clock began afresh; the time goes on at its last"),
        ):
            if count:
                said.append(f"{count} {text}")
        return said


@dataclass(slots=True)
class NeutralCsv:
    """A recording as it was read."""

    metadata: dict[str, str]
    columns: tuple[str, ...]  # of CHANNELS, those present
    rows: list[Row]
    defects: Defects


def digest(path: Path) -> str:
    """SHA-256 of the file, hexadecimal. Raises OSError."""
    return hashlib.sha256(path.read_bytes()).hexdigest()


def read_csv(path: Path) -> NeutralCsv:
    """Read a recording. Raises CsvError when it is none."""
    try:
        data = path.read_bytes()
    except OSError as error:
        raise CsvError(f"{path}: {error.strerror}") from None
    if b"\0" in data:
        raise CsvError(f"{path}: this is no text file")
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise CsvError(f"{path}: not UTF-8 at byte {error.start}") from None
    return parse_csv(text, name=str(path))


def parse_csv(text: str, *, name: str) -> NeutralCsv:
    """The recording in a text; name stands in its errors. Raises CsvError."""
    lines = text.splitlines()
    metadata, at = _metadata(lines)
    if at == len(lines):
        raise CsvError(f"{name}: no header line")
    header = [cell.strip() for cell in lines[at].split(",")]
    if "time_s" not in header:
        hint = "; the separator must be a comma" if ";" in lines[at] else ""
        raise CsvError(f"{name}:{at + 1}: no column time_s in the header{hint}")
    if len(set(header)) != len(header):
        raise CsvError(f"{name}:{at + 1}: a column stands twice in the header")
    columns = tuple(column for column in CHANNELS if column in header)
    if not columns:
        raise CsvError(f"{name}:{at + 1}: no data column; expected any of {', '.join(CHANNELS)}")
    defects = Defects(unknown_columns=[column for column in header if column not in (*CHANNELS, "time_s")])
    rows = _mend(_cells(lines[at + 1 :], header, defects), defects)
    return NeutralCsv(metadata, columns, rows, defects)


def _metadata(lines: list[str]) -> tuple[dict[str, str], int]:
    """The key: value lines at the head, and the number of the header line; several of one key are joined."""
    metadata: dict[str, str] = {}
    at = 0
    while at < len(lines) and (lines[at].startswith("#") or not lines[at].strip()):
        key, colon, value = lines[at].lstrip("#").partition(":")
        if colon:
            key, value = key.strip(), value.strip()
            metadata[key] = f"{metadata[key]}; {value}" if key in metadata else value
        at += 1
    return metadata, at


Values = tuple[float | None, float | None, float | None, float | None]
Cells = tuple[float, Values]
Kept = tuple[float, Values, bool]


def _cells(lines: list[str], header: list[str], defects: Defects) -> list[Cells]:
    """Time and channel values of each row that has a time."""
    time_at = header.index("time_s")
    at = [header.index(column) if column in header else None for column in CHANNELS]
    last = max(time_at, *(k for k in at if k is not None))
    found = []
    for line in lines:
        cells = line.split(",")
        if len(cells) <= last:
            defects.junk_rows += bool(line.strip())
            continue
        time = _number(cells[time_at])
        if time is None:
            defects.junk_rows += 1
            continue
        a, b, c, d = (None if k is None else _value(cells[k], defects) for k in at)
        values = (a, b, c, d)
        if values.count(None) < len(values):
            found.append((time, values))
    return found


def _number(cell: str) -> float | None:
    try:
        value = float(cell)
    except ValueError:
        return None
    return value if isfinite(value) else None


def _value(cell: str, defects: Defects) -> float | None:
    if not cell or cell.isspace():
        return None
    value = _number(cell)
    defects.bad_cells += value is None
    return value


def _mend(cells: list[Cells], defects: Defects) -> list[Row]:
    """Rows in rising stream time: late rows dropped, restarts carried on, repeated times spread."""
    step = _median_step(cells)
    kept: list[Kept] = []
    shift = 0.0
    for time, values in cells:
        restarted = False
        t = time + shift
        if kept and t < kept[-1][0]:
            if kept[-1][0] - t < RESTART:
                defects.backward += 1
                continue
            shift += kept[-1][0] + step - t
            t, restarted = kept[-1][0] + step, True
            defects.restarts += 1
        kept.append((t, values, restarted))
    rows: list[Row] = []
    first = 0
    while first < len(kept):
        end = first + 1
        while end < len(kept) and kept[end][0] == kept[first][0]:
            end += 1
        group = _distinct(kept[first:end], defects)
        t = kept[first][0]
        width = kept[end][0] - t if end < len(kept) else step
        for k, (_, values, restarted) in enumerate(group):
            rows.append(Row(t + width * k / len(group), *values, restarted=restarted))
        defects.spread += len(group) - 1
        first = end
    return rows


def _distinct(group: list[Kept], defects: Defects) -> list[Kept]:
    """Rows of one time without those that only repeat the values before them."""
    kept = group[:1]
    for row in group[1:]:
        if row[1] == kept[-1][1]:
            defects.repeated += 1
        else:
            kept.append(row)
    return kept


def _median_step(cells: list[Cells]) -> float:
    steps = [b[0] - a[0] for a, b in pairwise(cells) if b[0] > a[0]]
    return median(steps) if steps else 0.01

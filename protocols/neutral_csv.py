"""The neutral CSV: any log of cables as text, read as it is, with its defects mended and counted.

Form: optional first lines `# key: value`, one header line, rows. `time_s` is required; an empty cell is no sample of
that channel at this instant. A defect of a row costs that row; only a file without a usable header is refused.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field
from itertools import pairwise
from math import inf, isfinite, nextafter
from pathlib import Path
from statistics import median
from typing import Final

CHANNELS: Final = ("left_position_m", "left_force_n", "right_position_m", "right_force_n")
RESTART: Final = 1.0  # s; a step back by less is a late row, by more a clock that began afresh
LATEST: Final = 1e10  # s either way; past any date in Unix time, and still exact to some microseconds
SHORTEST_STEP: Final = 1e-5  # s; no log is faster, and a clock that begins afresh has to move on
NO_STEP: Final = 0.01  # s; where a log's own step is not known
COARSE: Final = 0.05  # of a log's rows that repeat their time with another value: its clock is coarser than its samples
WIDEST_SPREAD: Final = 1.0  # s; a longer way to the next time is a gap, unless the clock is that coarse


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

    junk_rows: int = 0  # rows without a readable time, or with more or fewer cells than the header
    bad_cells: int = 0  # cells that are no finite number
    repeated: int = 0  # rows dropped: the same time and the same values again
    spread: int = 0  # rows whose repeated time was spread to the next
    backward: int = 0  # rows dropped: their time steps back
    stray: int = 0  # rows dropped: their time alone is far from both neighbours
    restarts: int = 0
    unknown_columns: list[str] = field(default_factory=list)
    empty: bool = False  # no row holds a sample

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
            (self.stray, "rows have a time far from that of both neighbours and were left out"),
            (self.restarts, "times the clock began afresh; the time goes on at its last"),
        ):
            if count:
                said.append(f"{count} {text}")
        if self.empty:
            said.append("no row holds a sample")
        return said


@dataclass(slots=True)
class NeutralCsv:
    """A recording as it was read."""

    metadata: dict[str, str]
    columns: tuple[str, ...]  # of CHANNELS, those with a sample
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
    text = data.decode("utf-8-sig", errors="replace")  # a byte that is no text spoils its row, not the file
    return parse_csv(text, name=str(path))


def parse_csv(text: str, *, name: str) -> NeutralCsv:
    """The recording in a text; name stands in its errors. Raises CsvError."""
    lines = text.replace("\r\n", "\n").replace("\r", "\n").split("\n")
    metadata, at = _metadata(lines)
    if at == len(lines):
        raise CsvError(f"{name}:{at}: no header line")
    header = [cell.strip() for cell in lines[at].split(",")]
    if "time_s" not in header:
        if "\0" in lines[at] or "\N{REPLACEMENT CHARACTER}" in lines[at]:
            raise CsvError(f"{name}:{at + 1}: this is no UTF-8 text")
        hint = "; the separator must be a comma" if ";" in lines[at] or "\t" in lines[at] else ""
        raise CsvError(f"{name}:{at + 1}: no column time_s in the header{hint}")
    if len(set(header)) != len(header):
        raise CsvError(f"{name}:{at + 1}: a column stands twice in the header")
    columns = tuple(column for column in CHANNELS if column in header)
    if not columns:
        raise CsvError(f"{name}:{at + 1}: no data column; expected any of {', '.join(CHANNELS)}")
    defects = Defects(unknown_columns=[column for column in header if column not in (*CHANNELS, "time_s")])
    rows = _mend(_in_line(_cells(lines[at + 1 :], header, defects), defects), defects)
    defects.empty = not rows
    filled = tuple(name for name in columns if any(getattr(row, name.rpartition("_")[0]) is not None for row in rows))
    return NeutralCsv(metadata, filled, rows, defects)


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
    width = len(header)
    found = []
    for line in lines:
        cells = line.split(",")
        if len(cells) != width and (len(cells) < width or any(cell.strip() for cell in cells[width:])):
            defects.junk_rows += bool(line.strip())  # cut short, or two rows run together: no cell can be believed
            continue
        time = _number(cells[time_at])
        if time is None or abs(time) > LATEST:
            defects.junk_rows += bool(line.strip())
            continue
        a, b, c, d = (None if k is None else _value(cells[k], defects) for k in at)
        if not (a is b is c is d is None):
            found.append((time, (a, b, c, d)))
    return found


def _number(cell: str) -> float | None:
    try:
        value = float(cell)
    except ValueError:
        return None
    return value if isfinite(value) and "_" not in cell else None  # 1_000 is a number to Python only


def _value(cell: str, defects: Defects) -> float | None:
    if not cell or cell.isspace():
        return None
    value = _number(cell)
    defects.bad_cells += value is None
    return value


def _in_line(cells: list[Cells], defects: Defects) -> list[Cells]:
    """The rows without those whose time alone is spoilt: the next one goes on where the one before it was.

    Taken as it stands, one such time would be a gap and a restart.
    """
    kept = cells[:1]
    for (time, values), (following, _) in zip(cells[1:], [*cells[2:], (inf, None)], strict=False):
        before = kept[-1][0]
        if before <= following < before + RESTART and not before - RESTART < time < following + RESTART:
            defects.stray += 1
        else:
            kept.append((time, values))
    return kept


def _mend(cells: list[Cells], defects: Defects) -> list[Row]:
    """Rows in rising stream time: late rows dropped, restarts carried on, repeated times spread."""
    step = _median_step(cells)
    kept = _carried_on(cells, step, defects)
    coarse = _coarse(kept)
    rows: list[Row] = []
    first = 0
    while first < len(kept):
        t = kept[first][0]
        end = first + 1
        while end < len(kept) and kept[end][0] == t:
            end += 1
        group = kept[first:end] if end == first + 1 else _instants(kept[first:end], defects, coarse=coarse)
        gap = kept[end][0] - t if end < len(kept) else step
        width = gap if gap <= max(WIDEST_SPREAD, step) else step
        for k, (_, values, restarted) in enumerate(group):
            at = t + width * k / len(group)
            if k == 0 or rows[-1].t < at < t + gap:
                rows.append(Row(at, *values, restarted=restarted))
            else:
                defects.repeated += 1  # nearer than two times can be told apart
        first = end
    return rows


def _carried_on(cells: list[Cells], step: float, defects: Defects) -> list[Kept]:
    """Rows whose time never steps back; where the clock began afresh it goes on a step after its last."""
    kept: list[Kept] = []
    shift, last = 0.0, -inf
    for time, values in cells:
        t = time + shift
        restarted = t <= last - RESTART
        if restarted:
            going_on = max(last + step, nextafter(last, inf))
            shift += going_on - t
            t = going_on
            defects.restarts += 1
        elif t < last:
            defects.backward += 1
            continue
        kept.append((t, values, restarted))
        last = t
    return kept


def _coarse(kept: list[Kept]) -> bool:
    """Whether the log's clock is coarser than its samples.

    Then equal values at one time are samples as well: a cable that rests does not halve the rate.
    """
    others = sum(
        a[0] == b[0] and any(x is not None and y is not None and x != y for x, y in zip(a[1], b[1], strict=True))
        for a, b in pairwise(kept)
    )
    return others > COARSE * len(kept)


def _instants(group: list[Kept], defects: Defects, *, coarse: bool) -> list[Kept]:
    """The instants behind rows of one time: one where they only repeat or complete each other, else all of them.

    Different values of a channel are a coarse clock's, and then an equal value among them is a sample as well.
    """
    instants = group[:1]
    for t, values, _ in group[1:]:
        _, before, restarted = instants[-1]
        if all(a is None or b is None for a, b in zip(before, values, strict=True)):
            instants[-1] = (t, _united(before, values), restarted)
        else:
            instants.append((t, values, False))
    differ = any(len({row[1][k] for row in instants} - {None}) > 1 for k in range(len(CHANNELS)))
    if differ or coarse:
        defects.spread += len(instants) - 1
        return instants
    defects.repeated += len(instants) - 1
    t, values, restarted = instants[0]
    for row in instants[1:]:
        values = _united(values, row[1])
    return [(t, values, restarted)]


def _united(first: Values, then: Values) -> Values:
    a, b, c, d = (y if x is None else x for x, y in zip(first, then, strict=True))
    return a, b, c, d


def _median_step(cells: list[Cells]) -> float:
    """The log's usual step, s."""
    steps = [b[0] - a[0] for a, b in pairwise(cells) if b[0] > a[0]]
    return max(median(steps), SHORTEST_STEP) if steps else NO_STEP

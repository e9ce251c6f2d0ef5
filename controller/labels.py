"""What really happened in a recording, as a person or a simulator wrote it down.

Three forms: the JSON that `cable-station-sim --truth` writes; a CSV with one line a rep; a CSV with counts alone.
"""

from __future__ import annotations

import csv
from dataclasses import dataclass
from math import isfinite
from pathlib import Path
from typing import Final

import msgspec
from msgspec import Struct

from protocols.events import SIDES, Side

MEASURES: Final = ("rom_m", "mean_velocity_m_per_s", "mean_force_n", "work_concentric_j")
TIMES: Final = ("t_start", "t_top", "t_end")
COLUMNS: Final = (*TIMES, *MEASURES, "partial")
YES_NO: Final = {"1": True, "true": True, "yes": True, "0": False, "false": False, "no": False}


class LabelError(Exception):
    """The labels cannot be read; one line that says what, where and what to do."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Label:
    """One rep as labelled; times in s, values in SI units, None where nothing is said."""

    side: Side
    t_start: float | None = None
    t_top: float | None = None
    t_end: float | None = None
    rom_m: float | None = None
    mean_velocity_m_per_s: float | None = None
    mean_force_n: float | None = None
    work_concentric_j: float | None = None
    partial: bool | None = None


@dataclass(frozen=True, slots=True)
class Labels:
    """A recording's labels. counts: reps of each side that is spoken of; reps is empty where they are only counted."""

    counts: dict[Side, int]
    reps: tuple[Label, ...] = ()

    @property
    def timed(self) -> str | None:
        """The time that every rep has, by which reps are matched; None where there is none."""
        for name in ("t_top", "t_start", "t_end"):
            if self.reps and all(getattr(rep, name) is not None for rep in self.reps):
                return name
        return None


class _TruthRep(Struct, frozen=True):
    side: Side
    t_start: float
    t_top: float
    t_end: float
    mean_force_n: float | None = None
    rom_m: float | None = None
    mean_velocity: float | None = None
    work_concentric_j: float | None = None
    partial: bool = False


class _TruthSet(Struct, frozen=True):
    reps: tuple[_TruthRep, ...]


class _Truth(Struct, frozen=True):
    sets: tuple[_TruthSet, ...]


def read_labels(file: Path) -> Labels:
    """Read labels of any of the three forms. Raises LabelError."""
    try:
        text = file.read_text(encoding="utf-8-sig")
    except OSError as error:
        raise LabelError(f"{file}: {error.strerror}") from None
    except UnicodeDecodeError:
        raise LabelError(f"{file}: no UTF-8 text; save it as CSV or JSON in UTF-8") from None
    if text.lstrip().startswith("{"):
        return _from_truth(file, text)
    return _from_csv(file, text)


def _from_truth(file: Path, text: str) -> Labels:
    try:
        truth = msgspec.json.decode(text, type=_Truth)
    except msgspec.MsgspecError as error:
        raise LabelError(f"{file}: not what cable-station-sim --truth writes: {error}") from None
    reps = tuple(
        Label(
            side=rep.side,
            t_start=rep.t_start,
            t_top=rep.t_top if rep.rom_m is not None else None,  # the height of a hold is anywhere in it
            t_end=rep.t_end,
            rom_m=rep.rom_m,
            mean_velocity_m_per_s=rep.mean_velocity,
            mean_force_n=rep.mean_force_n,
            work_concentric_j=rep.work_concentric_j,
            partial=rep.partial,
        )
        for each in truth.sets
        for rep in each.reps
    )
    return Labels(_counted(reps), reps)


def _from_csv(file: Path, text: str) -> Labels:
    lines = [(k, line) for k, line in enumerate(text.splitlines(), 1) if line.strip() and not line.startswith("#")]
    if not lines:
        raise LabelError(f"{file}: empty; it needs a header line with side, and one line a rep")
    (head, first), *rest = lines
    header = [name.strip() for name in next(csv.reader([first]))]
    known = {"side", "reps", *COLUMNS}
    unknown = [name for name in header if name not in known]
    if "side" not in header or unknown or len(set(header)) < len(header):
        wrong = f"column {unknown[0]!r} is not known" if unknown else "the header needs side, and every name once"
        raise LabelError(f"{file}, line {head}: {wrong}; there are side and either reps or any of {', '.join(COLUMNS)}")
    rows = [(k, header, [cell.strip() for cell in next(csv.reader([line]))]) for k, line in rest]
    if "reps" in header:
        return _counts(file, header, rows)
    reps = tuple(_label(f"{file}, line {k}", names, cells) for k, names, cells in rows)
    return Labels(_counted(reps), reps)


def _counts(file: Path, header: list[str], rows: list[tuple[int, list[str], list[str]]]) -> Labels:
    if set(header) != {"side", "reps"}:
        raise LabelError(f"{file}: with a column reps there is only side beside it; give one line a rep instead")
    counts: dict[Side, int] = {}
    for k, names, cells in rows:
        where = f"{file}, line {k}"
        side = _side(where, names, cells)
        count = cells[names.index("reps")]
        if not (count.isascii() and count.isdigit()):
            raise LabelError(f"{where}: reps is {count!r}; it must be a whole number")
        if side in counts:
            raise LabelError(f"{where}: {side} is counted twice; give one line a side")
        counts[side] = int(count)
    if not counts:
        raise LabelError(f"{file}: no side is counted; give a line for each side")
    return Labels(counts)


def _label(where: str, names: list[str], cells: list[str]) -> Label:
    side = _side(where, names, cells)
    said = {name: cell for name, cell in zip(names, cells, strict=True) if name != "side" and cell}
    values: dict[str, float] = {}
    partial: bool | None = None
    for name, cell in said.items():
        if name == "partial":
            partial = YES_NO.get(cell.lower())
            if partial is None:
                raise LabelError(f"{where}: partial is {cell!r}; write 1 or 0")
            continue
        try:
            values[name] = float(cell)
        except ValueError:
            values[name] = float("nan")
        if not isfinite(values[name]):
            raise LabelError(f"{where}: {name} is {cell!r}; it must be a number, or empty")
    return Label(side=side, partial=partial, **values)


def _side(where: str, names: list[str], cells: list[str]) -> Side:
    if len(cells) != len(names):
        raise LabelError(f"{where}: {len(cells)} cells under {len(names)} names; separate them by commas")
    said = cells[names.index("side")]
    for side in SIDES:
        if said == side:
            return side
    raise LabelError(f"{where}: side is {said!r}; it must be left or right")


def _counted(reps: tuple[Label, ...]) -> dict[Side, int]:
    return {side: sum(rep.side == side for rep in reps) for side in SIDES}

"""Samples printed as lines of numbers: a format says what stands in a line, and what is no such line is counted.

A column is a time (`time_us`, `time_ms`, `time_s`), `skip`, or something measured: `force` or `position` and its
unit, with the side before it where it is known, as in `left_force_n` or `force_kg`. `counts` are a sensor's own
numbers, which mean nothing without a calibration.
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from math import isfinite
from typing import Final, Literal

from protocols.device import LARGEST, DeviceChannel, DeviceCounters, Said, Samples
from protocols.text_lines import LineDecoder

WRAP: Final = 1 << 32  # us
TIMES: Final[dict[str, float]] = {"time_us": 1.0, "time_ms": 1e3, "time_s": 1e6}  # us in one
SKIP: Final = "skip"
FINE: Final = 1e-6  # of a column's unit is one count of ours, so that a decimal number stays as it was printed
G: Final = 9.80665  # N a kg
UNITS: Final[dict[str, float]] = {
    "force_n": 1.0,
    "force_kg": G,
    "force_g": G / 1000.0,
    "force_lb": G * 0.45359237,
    "position_m": 1.0,
    "position_cm": 0.01,
    "position_mm": 0.001,
}  # N or m in one
COUNTED: Final = ("force_counts", "position_counts")
NUMBER: Final = re.compile(rb"[ \t]*[+-]?(\d+(\.\d*)?|\.\d+)([eE][+-]?\d{1,2})?[ \t]*")
BLANK: Final = "blank"  # the separator that is any number of blanks and tabs
COLUMNS: Final = (*TIMES, *UNITS, *COUNTED, SKIP)
KNOWN: Final = (*COLUMNS, *(f"{side}_{column}" for side in ("left", "right") for column in (*UNITS, *COUNTED)))


@dataclass(frozen=True, slots=True)
class LineFormat:
    """What stands in a line."""

    columns: tuple[str, ...]
    separator: str = ";"

    def problem(self) -> str | None:
        """What is wrong with it, None when nothing is."""
        for column in self.columns:
            if column not in KNOWN:
                near = difflib.get_close_matches(column, KNOWN, n=1, cutoff=0.5)
                hint = f"did you mean {near[0]!r}?" if near else f"known: {', '.join(COLUMNS)}"
                return f"there is no column {column!r}; {hint}"
        if sum(column in TIMES for column in self.columns) > 1:
            return "there are two columns of time; call one of them skip"
        measured = [column for column in self.columns if column not in (*TIMES, SKIP)]
        if not measured:
            return "no column is a force or a position, as in left_force_n"
        if len(set(measured)) < len(measured):
            return "two columns are the same"
        if self.separator != BLANK and (len(self.separator) != 1 or self.separator in "0123456789+-.eE\r\n"):
            return f"the separator {self.separator!r} is not one character that stands in no number; or call it blank"
        return None

    @property
    def has_time(self) -> bool:
        """Whether the device stamps its samples."""
        return any(column in TIMES for column in self.columns)

    def channels(self) -> tuple[DeviceChannel, ...]:
        """The columns that are measured, in their order."""
        return tuple(_channel(column) for column in self.columns if column not in (*TIMES, SKIP))


def _bare(column: str) -> str:
    """A column without the side."""
    side, _, rest = column.partition("_")
    return rest if side in ("left", "right") and rest not in TIMES else column


def _channel(column: str) -> DeviceChannel:
    bare = _bare(column)
    sides: dict[str, Literal["left", "right"]] = {"left": "left", "right": "right"}
    return DeviceChannel(
        kind="force" if bare.startswith("force") else "position",
        scale=1.0 if bare in COUNTED else UNITS[bare] * FINE,
        side=sides.get(column.partition("_")[0]),
    )


def numbers(line: bytes, separator: str) -> list[float] | None:
    """The numbers of a line, None when it is not made of numbers alone."""
    parts = line.split() if separator == BLANK else line.split(separator.encode())
    if not all(NUMBER.fullmatch(part) for part in parts):
        return None
    found = [float(part) for part in parts]
    return found if all(isfinite(number) for number in found) else None


def sample(found: Sequence[float], columns: Sequence[str]) -> tuple[int | None, tuple[int, ...]]:
    """A line's numbers as ticks and counts."""
    ticks: int | None = None
    row = []
    for number, column in zip(found, columns, strict=True):
        if column in TIMES:
            ticks = round(number * TIMES[column]) % WRAP
        elif column != SKIP:
            row.append(round(number if _bare(column) in COUNTED else number / FINE))
    return ticks, tuple(row)


class SampleLines:
    """Bytes of a stream in, the samples of its lines out; the part of a dialect that is the same for all such devices.

    words: what a line says that holds no numbers, None: nothing that is known.
    """

    def __init__(self, line: LineFormat, *, words: Callable[[bytes], Said | None] | None = None) -> None:
        self.channels = line.channels()
        self._line, self._words = line, words
        self._lines = LineDecoder()
        self._counters = DeviceCounters()

    @property
    def counters(self) -> DeviceCounters:
        """What has come in."""
        self._counters.junk += self._lines.junk
        self._lines.junk = 0
        return self._counters

    @property
    def buffered(self) -> int:
        """Bytes of a line that is not whole."""
        return self._lines.buffered

    def reset(self) -> None:
        """The link opened."""
        self._lines.reset()

    def feed(self, data: bytes) -> list[Said]:
        """Take bytes, return what the lines that they completed say."""
        return [said for line in self._lines.feed(data) if (said := self._said(line)) is not None]

    def _said(self, line: bytes) -> Said | None:
        said = self._words(line) if self._words is not None else None
        if said is not None:
            self._counters.frames += 1
            return said
        found = numbers(line, self._line.separator)
        if found is None or len(found) != len(self._line.columns):
            self._counters.junk += len(line) + 1
            return None
        ticks, row = sample(found, self._line.columns)
        if any(abs(count) > LARGEST / FINE for count in row):
            self._counters.malformed += 1
            return None
        self._counters.frames += 1
        return Samples((row,), None if ticks is None else (ticks,))

"""What the program says of itself: one line each on standard error, for a person or, as JSON, for a log.

A text is told as it is. Where more is known of it, it is a `Said`: a text with its level and its station.
"""

from __future__ import annotations

import re
import sys
import time
from collections.abc import Collection
from typing import Final, Literal, Self, TextIO

import msgspec
from msgspec import Struct

Level = Literal["info", "warning", "error"]
LogFormat = Literal["text", "json"]

IN_URL: Final = re.compile(r"(\w+://)[^/\s@]+@")  # user and password
AS_OPTION: Final = re.compile(r"(\s(?:-P|--password|--pw)[ =])('[^']*'|\S+)")
IN_QUERY: Final = re.compile(r"([?&]token=)[^\s&]+")
HIDDEN: Final = r"\1***"


class Said(str):
    """A text that knows how bad it is, and which station it is about."""

    __slots__ = ("level", "station")

    level: Level
    station: str | None

    def __new__(cls, text: str, *, level: Level = "info", station: str | None = None) -> Self:
        """Take the text as it is told to a person."""
        said = super().__new__(cls, text)
        said.level, said.station = level, station
        return said


class Line(Struct, frozen=True, kw_only=True):
    """A line of the log. ts: Unix, ms; what: on one line, without secrets."""

    ts: int
    level: Level
    station: str | None
    what: str


class Voice:
    """Says lines in one of the two forms."""

    def __init__(
        self, form: LogFormat = "text", *, stations: Collection[str] = (), stream: TextIO | None = None
    ) -> None:
        """stations: whose names at the beginning of a text are taken for what it is about; stream: standard error."""
        self.form: LogFormat = form
        self.stations = frozenset(stations)
        self._stream = stream

    def __call__(self, line: str) -> None:
        """Say one line."""
        stream = self._stream or sys.stderr
        text = self._logged(line) if self.form == "json" else f"cable-station: {line}"
        print(text, file=stream, flush=True)

    def _logged(self, line: str) -> str:
        level: Level = line.level if isinstance(line, Said) else "info"
        station = line.station if isinstance(line, Said) else None
        if station is None:
            begin = line.split(":", 1)[0]
            station = begin if begin in self.stations else None
        what = " ".join(without_secrets(line).splitlines())
        return msgspec.json.encode(
            Line(ts=time.time_ns() // 1_000_000, level=level, station=station, what=what)
        ).decode()


def without_secrets(text: str) -> str:
    """A text with the passwords of its URLs and commands taken out."""
    for pattern in (IN_URL, AS_OPTION, IN_QUERY):
        text = pattern.sub(HIDDEN, text)
    return text

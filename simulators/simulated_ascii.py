"""A sketch on a hobby board that prints a line a sample, and whatever else it likes."""

from __future__ import annotations

from typing import Final

from protocols.sample_lines import BLANK, COUNTED, SKIP, TIMES, UNITS, LineFormat
from simulators.twin import Signals, Twin, Values
from simulators.virtual_board import BEFORE_WRAP, WRAP, World

BANNER: Final = b"\x00\xe0HX711 scale ready\r\ntime;force\r\n"
COUNT_N: Final = 0.02  # N or m in a count, of a column of counts
JUNK: Final = 0.004  # of the lines have something odd before them
REPEATED: Final = 0.004  # of the lines are printed twice
HALF: Final = 0.002  # of the lines are broken off
ODD: Final = (b"\r\n", b"HX711 not found\r\n", b"1;2;3;4;5;6;7;8;9\r\n", b"nan;nan\r\n", b"\xff\xfe;\r\n", b"inf\r\n")


class SimulatedAsciiLine(Twin):
    """A device that prints the columns of a format; it listens to nobody."""

    def __init__(
        self,
        signals: Signals,
        line: LineFormat,
        *,
        rate_hz: float = 80.0,
        now: float = 0.0,
        ppm: float = 0.0,
        seed: int = 1,
        world: World | None = None,
        baud: int = 115_200,
    ) -> None:
        """`signals` has the format's measured columns, in their order."""
        self.line = line
        super().__init__(signals, rate_hz=rate_hz, now=now, ppm=ppm, seed=seed, world=world, baud=baud)

    def booted(self) -> None:
        """A banner, and off it goes."""
        self.say(BANNER)
        began = self.world.began
        self.start()
        self.world.began = began  # it starts no world that others wait for

    def sampled(self, values: Values) -> None:
        """A line, and sometimes more."""
        line = self._printed(values)
        if self.happens(JUNK):
            self.say(self.random.choice(ODD))
        if self.line.has_time and self.happens(HALF):
            self.say(line[: self.random.randrange(1, 4)] + b"\r\n")
            self.sent.pop()
            return
        self.say(line * 2 if self.line.has_time and self.happens(REPEATED) else line)

    def _time(self, column: str) -> str:
        """micros() and millis() wrap at 2^32 each, three seconds after the boot; seconds do not."""
        if column == "time_s":
            return f"{self.micros / 1e6:.4f}"
        in_one = round(TIMES[column])
        return str((WRAP - BEFORE_WRAP // in_one + self.micros // in_one) % WRAP)

    def _printed(self, values: Values) -> bytes:
        left = list(values)
        parts = []
        for column in self.line.columns:
            bare = column.removeprefix("left_").removeprefix("right_")
            if column == SKIP:
                parts.append("0")
            elif column in TIMES:
                parts.append(self._time(column))
            else:
                value = left.pop(0)
                parts.append(f"{value / COUNT_N:.0f}" if bare in COUNTED else f"{value / UNITS[bare]:.4f}")
        separator = " " if self.line.separator == BLANK else self.line.separator
        return separator.join(parts).encode() + b"\r\n"

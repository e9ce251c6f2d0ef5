"""What a side remembers: its last samples, the ends of its load cell's range, and what the reps of a set share."""

from __future__ import annotations

from bisect import bisect_left
from dataclasses import dataclass, field
from statistics import median, median_high
from typing import Final

import numpy as np

from controller.core.rep_metrics import Measures
from controller.core.trace import Floats

PARTIAL: Final = 0.6  # of the reference ROM; a rep under it is partial
RAIL_RUN: Final = 5  # equal samples
RAIL_TIME: Final = 0.04  # s
RAIL_SHARE: Final = 6  # times the longest run that this cell shows under load; at a smooth maximum's top count it is
# up to 2 / (sqrt(2) - 1) = 4.8 times that at the count below, which the force enters sooner by that root
RAIL_CHANGES: Final = 10  # of value; before, nothing is known of the range
RAIL_RANGE: Final = 15.0  # N; no converter ends before
RAIL_COARSE: Final = 0.02  # of the extreme; a cell with larger counts shows plateaus anyway
RAIL_EASED: Final = 0.15  # of the steps before: a plateau is eased into
RAIL_KINK: Final = 0.6  # of the steps before: a rail is run into


class Series:
    """The last samples of one channel: rising times in s and their values."""

    __slots__ = ("t", "value")

    def __init__(self) -> None:
        self.t: list[float] = []
        self.value: list[float] = []

    def add(self, t: float, value: float) -> None:
        """Append one sample."""
        self.t.append(t)
        self.value.append(value)

    def forget_before(self, t: float) -> None:
        """Drop what is older than t; done in halves, so that a sample costs little."""
        if len(self.t) > 64 and self.t[len(self.t) // 2] < t:
            cut = bisect_left(self.t, t)
            del self.t[:cut], self.value[:cut]

    def since(self, t: float) -> tuple[Floats, Floats]:
        """Times and values from t on, one sample before it included."""
        first = max(bisect_left(self.t, t) - 1, 0)
        return np.array(self.t[first:]), np.array(self.value[first:])


class Rail:
    """Notices a force that stands at the end of its converter's range.

    There the samples are exactly equal at the extreme of all that was seen, for several times longer than this cell
    repeats itself under load anyway, and they were run into: a plateau that is eased into is a hold. Where the cell is
    coarse, or the last step into it is a single count, that is not known; then the same end has to be reached twice.
    """

    __slots__ = (
        "_before", "_changes", "_ease", "_eased", "_fine", "_high", "_kinked", "_last", "_low", "_plateau", "_quantum",
        "_run", "_since", "_usual", "earlier",
    )  # fmt: skip

    def __init__(self) -> None:
        self._last: float | None = None
        self._before = 0.0
        self._ease = 0.0
        self._kinked = self._eased = self._fine = False
        self._run = 0
        self._since = 0.0
        self._changes = 0
        self._quantum = 0.0  # N, the smallest change
        self._usual = 1  # samples; the longest run under load that was not at the extreme
        self._high = self._low = 0.0
        self._plateau: tuple[float, float, float] | None = None  # value, start and end of a long run at an extreme
        self.earlier: tuple[float, float] | None = None  # s, such a run that was at a rail, as is known now

    def step(self, t: float, value: float) -> float | None:
        """Take a sample in N; returns since when (s) the rail has been touched, None when it is not."""
        if self._last is None:
            self._last, self._high, self._low, self._since = value, value, value, t
            return None
        change = abs(value - self._last)
        if change == 0.0:
            self._run += 1
        else:
            self._ended(t, value)
            self._run, self._since, self._before, self._last = 1, t, change, value
            self._high, self._low = max(self._high, value), min(self._low, value)
        if not self._long(t):
            return None
        before, again = self._plateau, self._plateau is not None and self._plateau[0] == value
        if self._fine and (self._eased or not (self._kinked or again)):
            return None
        if not self._fine and not again:
            return None
        if before is not None and again:
            self.earlier, self._plateau = before[1:], None
        self._fine = self._kinked = True
        self._eased = False
        return self._since

    def _long(self, t: float) -> bool:
        """Whether the run of now is long, and at an extreme."""
        if self._run < RAIL_RUN:
            return False
        reach = max(self._high, -self._low)
        extreme = self._last in (self._high, self._low) and abs(self._last or 0.0) > 0.5 * reach
        enough = self._run >= max(RAIL_RUN, RAIL_SHARE * self._usual) and t - self._since >= RAIL_TIME
        return enough and extreme and self._changes >= RAIL_CHANGES and self._high - self._low > RAIL_RANGE

    def _ended(self, t: float, value: float) -> None:
        """A run is over, followed by another value."""
        assert self._last is not None
        change = abs(value - self._last)
        reach = max(self._high, -self._low)
        inside = min(self._low, value) < self._last < max(self._high, value)
        if self._long(t):
            self._plateau = self._last, self._since, t
        elif 0.5 * reach < abs(self._last) and inside:
            self._usual = max(self._usual, self._run)
        self._changes += 1
        self._quantum = change if self._quantum == 0.0 else min(self._quantum, change)
        entry = max(change, self._before)
        self._kinked, self._eased = entry > RAIL_KINK * self._ease, entry < RAIL_EASED * self._ease
        coarse = self._quantum > RAIL_COARSE * reach
        self._fine = not coarse and (change > 1.5 * self._quantum or self._before > 4.0 * self._quantum)
        self._ease += 0.4 * (change - self._ease)


def usual_rom(roms: list[float]) -> float | None:
    """Median of the full ones among a set's ROMs, m: first against the median of all, which one odd rep cannot move."""
    if not roms:
        return None
    middle = median_high(roms)
    return median(rom for rom in roms if rom >= PARTIAL * middle)


@dataclass(slots=True)
class Reference:
    """What the reps of a set have in common so far. The ROMs are of all of them, the rest of the full ones."""

    roms: list[float] = field(default_factory=list)
    bottoms: list[float] = field(default_factory=list)
    forces: list[float] = field(default_factory=list)
    lowerings: list[float] = field(default_factory=list)  # s, the ways back
    falls: list[float] = field(default_factory=list)  # m/s, the peak speeds of the ways back

    def add(self, measures: Measures, *, force: float | None, partial: bool) -> None:
        """Take a rep in; force is its mean concentric force in N."""
        if measures.rom is not None:
            self.roms.append(measures.rom)
        if partial:
            return
        if measures.rom is not None:
            self.bottoms.append(measures.start_x)
        if measures.t_lowered is not None and measures.t_lower is not None:
            self.lowerings.append(measures.t_lowered - measures.t_lower)
        if measures.eccentric_peak_velocity is not None:
            self.falls.append(-measures.eccentric_peak_velocity)
        if force is not None:
            self.forces.append(force)

    def drop_first(self, count: int, *, full: int) -> None:
        """Take the first reps out again, of which so many were full."""
        del self.roms[:count]
        del self.bottoms[:full], self.forces[:full], self.lowerings[:full], self.falls[:full]

    @property
    def rom(self) -> float | None:
        """Usual ROM in m, None before the first rep."""
        return usual_rom(self.roms)

    @property
    def fall(self) -> float | None:
        """Median peak speed of the ways back in m/s."""
        return median(self.falls) if self.falls else None

    @property
    def bottom(self) -> float | None:
        """Median level in m from which the reps start."""
        return median(self.bottoms) if self.bottoms else None  # none since a restart

    @property
    def force(self) -> float | None:
        """Median of the mean concentric forces in N."""
        return median(self.forces) if self.forces else None

    @property
    def lowering(self) -> float | None:
        """Median time of the ways back in s."""
        return median(self.lowerings) if self.lowerings else None

"""Checks of a load cell: against its own zero, and against what its cable does.

A cable can pull and not push, and what makes whole strokes carries its stack. Each check is fed what its side knows and
answers with what cannot be. Forces in N, positions in m, times in s of stream time.
"""

from __future__ import annotations

from statistics import median
from typing import Final

ZERO_MOVED: Final = 8.0  # N from one rest to the next
ZERO_MOVED_SHARE: Final = 0.04  # of the usual force; the larger of both
LET_GO: Final = 0.3  # of the usual force; a fall by more is a hand that lets go
PUSHED: Final = 15.0  # N below the unloaded level; a cable cannot push
PUSHED_FOR: Final = 0.3  # s of it where there is no position
RESTED: Final = 1.0  # s of one force at rest that are an unloaded level
SMOOTHED: Final = 0.1  # s; noise is averaged before it is compared with the band
REST_BAND: Final = 2.5  # N
ALIKE: Final = 0.25  # of the usual ROM
EVEN: Final = 0.15  # of their mean; strokes that differ by less are made on purpose
UNLOADED_IN_SET: Final = 2  # strokes like the set's loaded ones
UNLOADED_IN_SESSION: Final = 3  # strokes like those of the session's sets
UNLOADED_AT_FIRST: Final = 5  # even strokes before anything was loaded
NEXT_STROKE: Final = 8.0  # s from one to the next


class Sign:
    """Whether a force rises when its cable is pulled. Forces as they come, before any tracked zero."""

    __slots__ = (
        "_fell",
        "_from_zero",
        "_level",
        "_lowest",
        "_most",
        "_pulled_at",
        "_pushed_at",
        "_resting",
        "_smooth",
        "_t",
    )

    def __init__(self) -> None:
        self._level: float | None = None  # N, unloaded, as first seen or last shown to be so
        self._from_zero = False  # a force near zero has been seen
        self._lowest = 0.0  # N, at rest since then
        self._t = self._smooth = 0.0
        self._resting: tuple[float, float, float, int] | None = None  # level, since, sum, count
        self._fell: list[float] = []  # starts of strokes under which the force fell
        self._most = 0.0  # N, the most that was pulled
        self._pushed_at: float | None = None
        self._pulled_at: float | None = None

    def rests(self, t: float, force: float, *, noise: float) -> None:
        """Take a force of a cable that stands where its stack is down."""
        dt, self._t = t - self._t, t
        if self._resting is None:
            self._smooth = force
        self._smooth += dt / (dt + SMOOTHED) * (force - self._smooth)
        if self._resting is None or abs(self._smooth - self._resting[0]) > max(
            REST_BAND, 0.03 * abs(force), 2.0 * noise
        ):
            self._resting = (self._smooth, t, 0.0, 0)
        level, since, total, count = self._resting
        self._resting = (level, since, total + force, count + 1)
        if t - since < RESTED:
            return
        mean = (total + force) / (count + 1)
        if self._level is None:
            self._level = self._lowest = mean
        self._lowest = min(self._lowest, mean)
        if abs(mean - self._level) < PUSHED:
            self._level = mean

    def moves(self) -> None:
        """The cable moves or is loaded."""
        self._resting = None

    def tared(self, force: float) -> None:
        """This force is zero."""
        self._level = self._lowest = force
        self._fell.clear()

    def stroke(self, t_start: float, mean: float) -> float | None:
        """Take the mean force of a stroke out; returns since when it falls under load, None where it does not."""
        if self._level is None:
            fell, sure = mean < -PUSHED, False
        else:
            fell = mean < self._level - PUSHED and mean < self._lowest + PUSHED
            sure = self._lowest >= self._level - PUSHED  # nothing lower was ever rest
        if not fell:
            if mean > self._lowest + PUSHED and self._level is not None:
                self._level = self._lowest
                self._fell.clear()
            return None
        self._fell = [*self._fell[-7:], t_start]
        return self._fell[0] if sure or len(self._fell) >= 2 else None

    def rises(self, mean: float) -> bool:
        """Whether the mean force of a stroke is that of a cable that is pulled."""
        return mean > (self._level or 0.0) + PUSHED

    def alone(self, t: float, force: float) -> tuple[float | None, bool]:
        """Take a force without a position; returns since when it is pushed, and whether it is clearly pulled.

        Only where the cell is tared: from a level far off, a fall may be a hand that lets go.
        """
        self._from_zero = self._from_zero or abs(force) < PUSHED
        if self._level is None and not self._from_zero:
            return None, False  # it began far from zero, which may be an untared cell with nothing on it
        level = self._level or 0.0
        depth = level - force
        pulled = -depth > PUSHED
        self._most = max(self._most, -depth) if self._pulled_at is not None and pulled else self._most
        pushed = depth > max(PUSHED, self._most) and force < -PUSHED and abs(level) < 0.3 * depth
        self._pushed_at = (t if self._pushed_at is None else self._pushed_at) if pushed else None
        self._pulled_at = (t if self._pulled_at is None else self._pulled_at) if pulled else None
        since = self._pushed_at if self._pushed_at is not None and t - self._pushed_at >= PUSHED_FOR else None
        return since, self._pulled_at is not None and t - self._pulled_at >= PUSHED_FOR


class Unloaded:
    """Counts whole strokes that carry no load though they are like those that do."""

    __slots__ = ("_strokes", "in_set", "usual")

    def __init__(self) -> None:
        self._strokes: list[tuple[float, float, float]] = []  # start, end, ROM
        self.usual: list[float] = []  # m, ROMs of the session's last loaded reps
        self.in_set = False  # the set has loaded reps

    def loaded(self, rom: float | None) -> None:
        """A loaded rep was made."""
        self._strokes.clear()
        self.in_set = True
        if rom is not None:
            self.usual = [*self.usual[-8:], rom]

    def stroke(self, start: float, end: float, rom: float) -> float | None:
        """Take a stroke without load; returns since when there are too many of them."""
        if self._strokes and start - self._strokes[-1][1] > NEXT_STROKE:
            self._strokes.clear()
        if self.usual and abs(rom - median(self.usual)) > ALIKE * median(self.usual):
            return None
        self._strokes = [*self._strokes[-7:], (start, end, rom)]
        if self.usual:
            enough = len(self._strokes) >= (UNLOADED_IN_SET if self.in_set else UNLOADED_IN_SESSION)
        else:
            tail = self._strokes[-UNLOADED_AT_FIRST:]
            enough = len(tail) == UNLOADED_AT_FIRST and all(
                max(values) - min(values) < 2.0 * EVEN * median(values)
                for values in ([each[2] for each in tail], [each[1] - each[0] for each in tail])
            )
        return self._strokes[0][0] if enough else None


class ZeroShift:
    """Notices that the unloaded level moved from one rest to the next."""

    __slots__ = ("_base", "_confirmed", "_moved", "_sure", "usual")

    def __init__(self) -> None:
        self._base: float | None = None  # N, the level as it was last confirmed
        self._confirmed = 0.0
        self._moved = False
        self._sure = False  # the level was the same before and after motion
        self.usual: float | None = None  # N, of the session's loaded reps

    def moves(self) -> None:
        """The cable moves or is loaded."""
        self._moved = True

    def tared(self, t: float, force: float) -> None:
        """This force is zero."""
        self._base, self._confirmed, self._moved = force, t, False

    def rep(self, force: float) -> None:
        """A rep with this mean force was made."""
        self.usual = force if self.usual is None else self.usual + 0.3 * (force - self.usual)

    def rests(
        self, t: float, level: float, *, quantum: float, corrected: bool, at_home: bool
    ) -> tuple[float, float] | bool | None:
        """Take an unloaded level; returns (since, by how much) it has moved, True where it has stayed, else None.

        corrected: the level is taken for zero from now on, so the next is compared with it; at_home: the cable is known
        to stand at its stop.
        """
        if self._base is None:
            self._base, self._confirmed = level, t
            return None
        moved = level - self._base
        if abs(moved) > max(ZERO_MOVED, ZERO_MOVED_SHARE * (self.usual or 0.0), 1.5 * quantum):
            if self.usual is None or (moved < 0.0 and self._let_go(level, -moved, at_home=at_home)):
                self._base, self._confirmed, self._moved = level, t, False
                return True
            since = self._confirmed
            if corrected:
                self._base, self._confirmed = level, t
            self._moved = False
            return since, moved
        again, self._moved, self._confirmed = self._moved, False, t
        self._sure = self._sure or again
        self._base += 0.02 * moved
        return True if again else None

    def _let_go(self, level: float, fell: float, *, at_home: bool) -> bool:
        """Whether a lower level only shows that somebody had held on before."""
        assert self.usual is not None
        if fell > LET_GO * self.usual or abs(level) < ZERO_MOVED:
            return True
        tared = at_home and level + fell < ZERO_MOVED  # it falls below zero, where no hand can bring it
        return not self._sure and not tared

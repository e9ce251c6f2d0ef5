"""Counts to newtons and metres at the handle, and the zero of an untared force channel."""

from __future__ import annotations

from math import inf

from controller.core.settings import ChannelCalibration

ZERO_AFTER = 0.4  # s of a steady force on a standing, unloaded cable that are a zero
ZERO_OVER = 2.0  # s over which it is averaged at most
ZERO_BAND = 2.5  # N to each side that are steady
ZERO_SHARE = 0.03  # of the force; the same for a cell that was never tared
ZERO_NOISE = 5.0  # standard deviations of the cell's noise; the same for a noisy one
ZERO_STAYS = 3.0  # s of it between two sets that are a zero which has moved
ZERO_STAYS_UNSURE = 5.5  # s; the same after a rep, or without a position: somebody may only rest
ZERO_MOST = 100.0  # N at the stack's stop that an untared cell may say; more is a load that somebody holds
HELD_MOST = 60.0  # s that nobody holds one so still
DRIFT = 4.0  # N that a zero may creep up before a set, over the lowest it has been
DRIFT_IN_SET = 1.0  # N; the same between reps: a hand holds on there
DRIFT_RATE = 1.0 / 60.0  # N/s that a cell warms up by, and the lowest level with it


class Channel:
    """One channel's straight line, (counts - zero) * span."""

    __slots__ = ("_span", "_zero", "calibration")

    def __init__(self, calibration: ChannelCalibration) -> None:
        self.calibration = calibration
        self._zero = calibration.zero
        self._span = calibration.span

    def physical(self, counts: float) -> float:
        """The calibrated value in N or m, before the tare."""
        return (counts - self._zero) * self._span


class ZeroTracker:
    """Follows the force that an unloaded, standing cable shows.

    A cable may be judged unloaded only where its stack rests: still, and at home; the caller says so. A steady force
    there is zero when it is the first one and no more than an untared cell says, when it is lower than the zero so far
    (a cable cannot push), or when it has crept up over the lowest by no more than a cell drifts. A force that stays for
    seconds, and is small beside the usual one, is a zero that has moved. Anything else is somebody holding on.
    """

    __slots__ = ("_count", "_floor", "_floor_t", "_level", "_since", "_t", "known", "zero")

    def __init__(self) -> None:
        self.zero = 0.0  # N
        self.known = False
        self._floor: float | None = None  # N, the lowest unloaded level, followed or not
        self._floor_t = 0.0
        self._level: float | None = None
        self._since = self._t = 0.0
        self._count = 0

    def rest(
        self,
        t: float,
        force: float,
        *,
        noise: float = 0.0,
        follow: bool = True,
        apart: float = 0.0,
        stays: float = ZERO_STAYS,
        in_set: bool = False,
        most: float = inf,
    ) -> float | None:
        """Take one sample of a standing, unloaded cable, and the standard deviation of its noise in N.

        Returns the unloaded level once it is known. follow: take it for zero; apart: N that it may be higher than
        before where it stays for so many s; in_set: a rep has been counted, and the next may follow; most: N that the
        first level may be at once.
        """
        band = max(ZERO_BAND, ZERO_NOISE * noise)
        if self._level is None or abs(force - self._level) > max(band, ZERO_SHARE * abs(self._level)):
            self._level, self._since, self._t, self._count = force, t, t, 0
        self._count += 1
        dt, self._t = t - self._t, t
        level = self._level = self._level + max(1.0 / self._count, dt / (dt + ZERO_OVER)) * (force - self._level)
        if t - self._since < (ZERO_AFTER if self._floor is not None or level <= most else HELD_MOST):
            return None
        if not self._accepts(t, level, apart=apart if t - self._since >= stays else 0.0, in_set=in_set):
            return None
        if follow:
            self.zero, self.known = level, True
        return level

    def _accepts(self, t: float, level: float, *, apart: float, in_set: bool) -> bool:
        """Whether a level may be the unloaded one; keeps the lowest, which creeps up with the cell's warmth."""
        if self._floor is not None:
            floor = self._floor + DRIFT_RATE * (t - self._floor_t)
            if level >= floor + (DRIFT_IN_SET if in_set else DRIFT):
                if level >= floor + apart:
                    return False
            elif level > floor:
                return True
        self._floor, self._floor_t = level, t
        return True

    def set(self, force: float) -> None:
        """A tare: this force is zero from now on."""
        self.zero = self._floor = force
        self.known = True
        self._level = None

    def move(self) -> None:
        """The cable moves or is loaded: what was averaged so far is not a rest."""
        self._level = None

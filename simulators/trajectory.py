"""The exact path of one handle: strokes, stands and free falls, one after the other.

Every segment is a closed form, so position, velocity and acceleration are known at any instant, at any rate.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from simulators.profiles import CURVES, PROFILES, Profile, share_done, time_to

Floats = NDArray[np.float64]
LEVEL: Final = 0.0005  # m; a phase starts and ends this far from a level that is kept
SHORTEST: Final = 1e-9  # s; a shorter wait is none, so that a turn stays a turn
BOUNCES: Final = 3  # of a stack that was dropped; the next ones are too small to see


def leaving(amplitude: float, duration: float, profile: Profile = "minimum_jerk") -> float:
    """How long a stroke takes over its first half millimetre, in s."""
    share = LEVEL / abs(amplitude) if amplitude else 1.0
    return duration * (0.5 if share >= 0.5 else time_to(profile, share))


def arriving(amplitude: float, duration: float, profile: Profile = "minimum_jerk") -> float:
    """How long a stroke takes over its last half millimetre, in s."""
    share = LEVEL / abs(amplitude) if amplitude else 1.0
    return duration * (0.5 if share >= 0.5 else 1.0 - time_to(profile, 1.0 - share))


@dataclass(frozen=True, slots=True)
class Segment:
    """One piece of a path. Position in m, load as a share of the machine's, pull in N beside the machine's load.

    A fall starts with `speed` and has the constant `acceleration`; every other segment is a stroke of its profile from
    x0 to `target`, and a stand where the two are the same. It takes `whole` s, and is broken off after `duration` where
    that is less. Load and pull go from their first to their last value along a minimum-jerk curve too.
    """

    start: float
    duration: float
    x0: float
    x1: float
    load0: float
    load1: float
    pull0: float = 0.0
    pull1: float = 0.0
    speed: float = 0.0
    acceleration: float = 0.0
    target: float = 0.0
    whole: float = 1.0
    profile: Profile = "minimum_jerk"

    @property
    def end(self) -> float:
        """When it is over, s."""
        return self.start + self.duration

    @property
    def still(self) -> bool:
        """Whether the handle keeps its place."""
        return self.x0 == self.x1 and self.acceleration == 0.0


@dataclass(frozen=True, slots=True)
class Motion:
    """A path at a number of instants: m, m/s, m/s^2, share of the machine's load, N."""

    x: Floats
    v: Floats
    a: Floats
    load: Floats
    pull: Floats


class Path:
    """One handle's path. It begins unloaded, at home; the methods add to its end."""

    def __init__(self) -> None:
        self.segments: list[Segment] = []
        self.t = 0.0
        self.x = 0.0
        self.load = 0.0
        self.pull = 0.0
        self._speed = 0.0  # in which the last segment was broken off
        self._table: Floats | None = None

    def stand(self, duration: float, *, load: float | None = None, pull: float | None = None) -> None:
        """Keep the place for `duration` s, while load and pull go to the given values."""
        if duration > SHORTEST:
            self._add(duration, self.x, load, pull)

    def stand_until(self, t: float) -> None:
        """Keep the place until `t`; nothing where `t` has passed."""
        self.stand(t - self.t)

    def move(self, x: float, duration: float, *, load: float | None = None, profile: Profile = "minimum_jerk") -> None:
        """Go to `x` in one stroke."""
        self._add(duration, x, load, None, profile)

    def begin_to_move(self, x: float, duration: float, *, share: float, profile: Profile = "minimum_jerk") -> None:
        """Go towards `x`, and break off in full motion after this share of the stroke's time; a fall must follow."""
        stop = self.x + share_done(profile, share) * (x - self.x)
        speed = (x - self.x) / duration * float(CURVES[profile](np.array([share]))[1][0])
        self._append(
            Segment(
                self.t, share * duration, self.x, stop, self.load, self.load, target=x, whole=duration,
                profile=profile,
            )
        )  # fmt: skip
        self._speed = speed

    def let_load(self, load: float) -> None:
        """Change the load at this very instant, as a hand does that opens."""
        self.load = load

    def fall(self, acceleration: float, *, floor: float = 0.0, restitution: float = 0.25) -> None:
        """Fall to `floor` with `acceleration` (m/s^2, positive), from rest or from a motion broken off, and bounce."""
        self.let_load(0.0)
        speed = self._speed
        landing = (speed**2 + 2.0 * acceleration * (self.x - floor)) ** 0.5
        self._ballistic((speed + landing) / acceleration, floor, speed, -acceleration)
        speed = landing
        for _ in range(BOUNCES):
            speed *= restitution
            self._ballistic(2.0 * speed / acceleration, floor, speed, -acceleration)

    def at(self, times: Floats) -> Motion:
        """The path at `times` (s, any order); before its first and after its last segment it stands."""
        if self._table is None:
            self._table = np.array(
                [
                    (
                        s.start,
                        s.duration,
                        s.x0,
                        s.load0,
                        s.load1,
                        s.pull0,
                        s.pull1,
                        s.speed,
                        s.acceleration,
                        s.target,
                        s.whole,
                        PROFILES.index(s.profile),
                    )
                    for s in self.segments
                ]
            )
        which = np.clip(np.searchsorted(self._table[:, 0], times, side="right") - 1, 0, None)
        start, duration, x0, load0, load1, pull0, pull1, speed, acceleration, target, whole, profile = self._table[
            which
        ].T
        elapsed = np.clip(times - start, 0.0, duration)
        tau = elapsed / whole
        inside = (tau > 0.0) & (tau < 1.0)
        falls = acceleration != 0.0
        share, speeds, accelerations = CURVES["minimum_jerk"](tau)
        easing = share
        for number in set(profile.tolist()) - {0.0}:
            of_it = profile == number
            curve = CURVES[PROFILES[int(number)]](tau)
            share, speeds, accelerations = (
                np.where(of_it, new, old) for new, old in zip(curve, (share, speeds, accelerations), strict=True)
            )
        stroke = target - x0
        x = np.where(falls, x0 + speed * elapsed + 0.5 * acceleration * elapsed**2, x0 + stroke * share)
        v = np.where(falls, speed + acceleration * elapsed, stroke / whole * speeds)
        a = np.where(falls, acceleration, stroke / whole**2 * accelerations)
        return Motion(
            x=x,
            v=np.where(inside, v, 0.0),
            a=np.where(inside, a, 0.0),
            load=load0 + (load1 - load0) * easing,
            pull=pull0 + (pull1 - pull0) * easing,
        )

    def begins(self, first: int) -> float:
        """When the stroke that begins with this segment starts, by the half millimetre or by the turn before it."""
        segment = self.segments[first]
        if first == 0 or self.segments[first - 1].still:
            return segment.start + leaving(segment.x1 - segment.x0, segment.duration, segment.profile)
        return segment.start

    def ends(self, last: int) -> float:
        """When the stroke that ends with this segment is over, by the half millimetre or by the turn after it."""
        segment = self.segments[last]
        if last + 1 == len(self.segments) or self.segments[last + 1].still:
            return segment.end - arriving(segment.x1 - segment.x0, segment.duration, segment.profile)
        return segment.end

    def _add(
        self, duration: float, x: float, load: float | None, pull: float | None, profile: Profile = "minimum_jerk"
    ) -> None:
        load1 = self.load if load is None else load
        pull1 = self.pull if pull is None else pull
        self._append(
            Segment(
                self.t, duration, self.x, x, self.load, load1, self.pull, pull1, target=x, whole=duration,
                profile=profile,
            )
        )  # fmt: skip

    def _ballistic(self, duration: float, x: float, speed: float, acceleration: float) -> None:
        self._append(
            Segment(self.t, duration, self.x, x, self.load, self.load, 0.0, 0.0, speed, acceleration, x, duration)
        )

    def _append(self, segment: Segment) -> None:
        self.segments.append(segment)
        self.t, self.x, self.load, self.pull = segment.end, segment.x1, segment.load1, segment.pull1
        self._speed = 0.0
        self._table = None

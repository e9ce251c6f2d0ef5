"""The person at the cables: one set of strokes on two paths, with its tempo, its tiredness and its bad manners.

Everything drawn is drawn from one seed, in one order, so that the same plan is always the same motion.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from random import Random
from typing import Final, Literal

from protocols.events import SIDES, Shape, Side
from simulators.profiles import Profile
from simulators.trajectory import Path

Handling = Literal["take_up", "walk_out", "unrack", "reposition", "bump"]
Deed = Literal["partial", "dropped", "let_go", "snatch", "pause_out", "pause_back"]

TAKE_UP: Final = 0.12  # m of slack that comes out before the stack does
WALK_OUT: Final = 0.30  # m that a lifter steps back with the stack
UNRACK: Final = 0.04  # m up, out of the hooks
REPOSITION: Final = 0.35  # m out and back without the stack
BUMP: Final = 0.12  # m; somebody brushes a hanging cable
SNATCH: Final = 0.06  # m of a jerk before the pull
PARTIAL_SHARE: Final = 0.4  # of the ROM
DROP_SHARE: Final = 0.55  # of the time of the stroke out after which a handle slips out of the hand
LET_GO_SHARE: Final = 0.4  # of the time of the way back after which a hand opens
PAUSE: Final = 0.7  # s of standing in mid-stroke
ENGAGE: Final = 0.35  # s in which the hands take the weight


@dataclass(frozen=True, slots=True)
class Oddity:
    """Something done in one rep (from 1, as planned), on one side or on both."""

    deed: Deed
    rep: int
    side: Side | None = None


@dataclass(frozen=True, kw_only=True, slots=True)
class Lifter:
    """A person's way of doing one exercise. Times in s, lengths in m."""

    rom_m: float = 0.55
    concentric_s: float = 1.1
    top_s: float = 0.3
    eccentric_s: float = 1.7
    bottom_s: float = 0.7
    variation: float = 0.03  # coefficient of variation of the durations; the ROM varies by a third of it
    force_variation: float = 0.01  # coefficient of variation of the load from rep to rep
    fatigue: float = 0.2  # share of the concentric velocity lost by a set's last rep
    ratio: float = 1.0  # strength, right over left: loads go with it, speed with its fourth root
    lag_s: float = 0.0  # how much later the right side starts, in `together`
    profile: Profile = "minimum_jerk"  # of the strokes of its reps
    starts_with: Literal["concentric", "eccentric"] = "concentric"
    hold_force_n: float | None = None  # a pull on a fixed cable: no stroke, only this force
    hold_s: float = 3.0

    def share(self, side: Side) -> float:
        """Of the load that this side takes; 1 on average over both."""
        return 2.0 * (self.ratio if side == "right" else 1.0) / (1.0 + self.ratio)


@dataclass(frozen=True, kw_only=True, slots=True)
class SetPlan:
    """What is to be done in one set."""

    shape: Shape = "together"
    reps: int = 8
    handling: tuple[Handling, ...] = ("take_up",)
    oddities: tuple[Oddity, ...] = ()


@dataclass(frozen=True, slots=True)
class Stroke:
    """One stroke as it was meant: where it lies in its side's path, and whether it is a rep."""

    side: Side
    effort: int  # which of the set's efforts; two sides with the same number belong together
    out: tuple[int, int]  # first and last segment
    back: tuple[int, int] | None  # None: no controlled way back
    let_go: bool = False


@dataclass(frozen=True, slots=True)
class Tempo:
    """One rep of one side as drawn: m, s, and the share of the load."""

    rom: float
    concentric: float
    top: float
    eccentric: float
    bottom: float
    load: float
    deeds: frozenset[Deed] = frozenset()

    @property
    def total(self) -> float:
        """From the start of the stroke out to the end of the way back, s."""
        return self.concentric + self.top + self.eccentric


@dataclass(slots=True)
class SetBuilder:
    """Lays one set onto the two paths, each of which stands unloaded at home before and after it."""

    lifter: Lifter
    plan: SetPlan
    random: Random
    paths: dict[Side, Path]
    fall: dict[Side, float]  # m/s^2 of a handle that is let go
    strokes: list[Stroke] = field(default_factory=list)

    def build(self) -> list[Stroke]:
        """Add the set; returns its strokes in the order of their sides and efforts."""
        shape = self.plan.shape
        sides: tuple[Side, ...] = ("left",) if shape == "left_only" else ("right",) if shape == "right_only" else SIDES
        tempos = {side: [self._tempo(side, rep) for rep in range(1, self.plan.reps + 1)] for side in sides}
        if shape == "sequential":
            for side in sides:
                self._wait_for_each_other()
                self._sides_in_turn({side: tempos[side]})
            return self.strokes
        self._sides_in_turn(tempos)
        return self.strokes

    def _wait_for_each_other(self) -> None:
        now = max(path.t for path in self.paths.values())
        for path in self.paths.values():
            path.stand_until(now)

    def _side_by_side(self) -> None:
        lag = self.lifter.lag_s
        left, right = self.paths["left"], self.paths["right"]
        now = max(left.t, right.t - lag)
        left.stand_until(now)
        right.stand_until(now + lag)

    def _sides_in_turn(self, tempos: dict[Side, list[Tempo]]) -> None:
        shape = self.plan.shape
        for side in tempos:
            self._before(side)
        self._wait_for_each_other()
        base = {side: self.paths[side].x for side in tempos}
        for rep in range(self.plan.reps):
            for side in tempos:
                self._take_up_again(side, base[side], tempos[side][rep])
            if shape == "together":
                self._side_by_side()
            for side in tempos:
                tempo = tempos[side][rep]
                if shape == "together" and side == "right":
                    tempo = _as_long_as(tempos["left"][rep], tempo)
                if shape == "alternating":
                    self._wait_for_each_other()
                self._rep(side, rep + 1, tempo, base[side])
                self.paths[side].stand(tempo.bottom)
        for side in tempos:
            self._after(self.paths[side])

    def _tempo(self, side: Side, rep: int) -> Tempo:
        lifter, gauss = self.lifter, self.random.gauss
        deeds = frozenset(o.deed for o in self.plan.oddities if o.rep == rep and o.side in (None, side))
        tired = 1.0 - lifter.fatigue * (rep - 1) / max(self.plan.reps - 1, 1)
        speed = tired * lifter.share(side) ** 0.25
        slower = [max(1.0 + lifter.variation * gauss(0.0, 1.0), 0.5) for _ in range(4)]
        rom = lifter.rom_m * (1.0 + lifter.variation / 3.0 * gauss(0.0, 1.0))
        load = lifter.share(side) * (1.0 + lifter.force_variation * gauss(0.0, 1.0))
        part = PARTIAL_SHARE if "partial" in deeds else 1.0
        return Tempo(
            rom=rom * part,
            concentric=lifter.concentric_s * slower[0] / speed * part**0.5,
            top=lifter.top_s * slower[1],
            eccentric=lifter.eccentric_s * slower[2] * part**0.5,
            bottom=lifter.bottom_s * slower[3],
            load=load,
            deeds=deeds,
        )

    def _before(self, side: Side) -> None:
        path, load = self.paths[side], self.lifter.share(side)
        for handling in self.plan.handling:
            if handling == "take_up":
                path.move(TAKE_UP, 0.8)
            elif handling == "walk_out":
                path.stand(ENGAGE, load=load)
                path.move(WALK_OUT, 1.6)
                path.move(WALK_OUT - 0.02, 0.5)
                path.move(WALK_OUT, 0.6)
            elif handling == "unrack":
                path.stand(ENGAGE, load=load)
                path.move(UNRACK, 0.5)
                path.stand(1.0)
            elif handling == "reposition":
                path.move(REPOSITION, 0.9)
                path.stand(0.8)
                path.move(0.0, 1.1)
                path.stand(0.6)
            elif handling == "bump":
                path.move(BUMP, 0.25)
                path.move(0.0, 0.3)
                path.stand(1.0)
        if self.lifter.hold_force_n is None:
            path.stand(ENGAGE, load=load)
        path.stand(0.8)

    def _after(self, path: Path) -> None:
        path.stand(0.5)
        if "walk_out" in self.plan.handling or "unrack" in self.plan.handling:
            path.move(0.0, 1.5)
            path.stand(ENGAGE, load=0.0)
        else:
            path.stand(ENGAGE, load=0.0)
            if path.x != 0.0:
                path.move(0.0, 0.9)
        path.stand(0.5)

    def _take_up_again(self, side: Side, base: float, tempo: Tempo) -> None:
        path = self.paths[side]
        if path.x != base:  # it was dropped
            path.stand(1.2)
            path.move(base, 0.9)
            path.stand(ENGAGE, load=tempo.load)
            path.stand(0.6)

    def _rep(self, side: Side, effort: int, tempo: Tempo, base: float) -> None:
        path, deeds = self.paths[side], tempo.deeds
        if self.lifter.hold_force_n is not None:
            self._hold(side, effort, tempo)
            return
        if self.lifter.bottom_s:
            path.stand(0.1, load=tempo.load)
        if self.lifter.starts_with == "eccentric":
            back = self._stroke(path, base - tempo.rom, tempo.eccentric, tempo, pause="pause_back" in deeds)
            path.stand(tempo.top)
            out = self._stroke(path, base, tempo.concentric, tempo, pause="pause_out" in deeds)
            self.strokes.append(Stroke(side, effort, out, back))
            return
        if "snatch" in deeds:
            path.move(base + SNATCH, 0.12)
            path.move(base, 0.18)
            path.stand(0.15)
        if "dropped" in deeds:
            path.begin_to_move(base + tempo.rom, tempo.concentric, share=DROP_SHARE, profile=self.lifter.profile)
            path.fall(self.fall[side])
            return
        out = self._stroke(path, base + tempo.rom, tempo.concentric, tempo, pause="pause_out" in deeds)
        path.stand(tempo.top)
        if "let_go" in deeds:
            path.begin_to_move(base, tempo.eccentric, share=LET_GO_SHARE, profile=self.lifter.profile)
            path.fall(self.fall[side])
            self.strokes.append(Stroke(side, effort, out, None, let_go=True))
            return
        back = self._stroke(path, base, tempo.eccentric, tempo, pause="pause_back" in deeds)
        self.strokes.append(Stroke(side, effort, out, back))

    def _stroke(self, path: Path, x: float, duration: float, tempo: Tempo, *, pause: bool) -> tuple[int, int]:
        """A stroke to x, in two parts where it pauses; returns its first and last segment."""
        first, profile = len(path.segments), self.lifter.profile
        if pause:
            path.move(path.x + 0.45 * (x - path.x), 0.5 * duration, profile=profile)
            path.stand(PAUSE)
            path.move(x, 0.55 * duration, profile=profile)
        else:
            path.move(x, duration, load=tempo.load, profile=profile)
        return first, len(path.segments) - 1

    def _hold(self, side: Side, effort: int, tempo: Tempo) -> None:
        assert self.lifter.hold_force_n is not None
        path = self.paths[side]
        first = len(path.segments)
        path.stand(0.4 * tempo.concentric / self.lifter.concentric_s, pull=tempo.load * self.lifter.hold_force_n)
        path.stand(self.lifter.hold_s)
        path.stand(0.4 * tempo.eccentric / self.lifter.eccentric_s, pull=0.0)
        self.strokes.append(Stroke(side, effort, (first, first), (first + 2, first + 2)))


def _as_long_as(left: Tempo, right: Tempo) -> Tempo:
    """The right tempo, with its way back timed so that both hands come home together and stay together."""
    return Tempo(
        rom=right.rom,
        concentric=right.concentric,
        top=right.top,
        eccentric=max(left.total - right.concentric - right.top, 0.5 * right.eccentric),
        bottom=left.bottom,
        load=right.load,
        deeds=right.deeds,
    )

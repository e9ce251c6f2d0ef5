"""What really happened, from the closed forms of the motion and integration at 10 kHz; no detector has a part in it."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from pathlib import Path as File
from statistics import fmean, median
from typing import Final

import msgspec
import numpy as np

from protocols.events import SIDES, Shape, Side
from simulators.cable import Cable
from simulators.holds import HoldTruth
from simulators.lifter import Stroke
from simulators.trajectory import Floats, Path

FINE: Final = 1e-4  # s; step of the integrals
PARTIAL: Final = 0.6  # of the median ROM of the side's full reps
EFFORT_LEVEL: Final = 15.0  # N; a pull on a fixed cable starts and ends where it crosses this force


@dataclass(frozen=True, kw_only=True, slots=True)
class RepTruth:
    """One rep of one side. Times in s of stream time; None where the way back was no lowering, or nothing moved."""

    side: Side
    number: int  # in its set, on its side
    effort: int  # two sides with the same number belong together
    t_start: float
    t_top: float
    t_end: float
    rom_m: float | None
    concentric_s: float
    eccentric_s: float | None
    mean_velocity: float | None  # m/s, over the concentric phase
    peak_velocity: float | None
    mean_force_n: float
    peak_force_n: float
    work_concentric_j: float | None
    work_eccentric_j: float | None
    hold_s: float
    partial: bool = False
    let_go: bool = False


@dataclass(frozen=True, kw_only=True, slots=True)
class SetTruth:
    """One set; the asymmetry is the mean over its pairs of 100 (R - L) / max(R, L) of the mean forces, None without."""

    number: int
    shape: Shape
    t_start: float
    t_end: float
    reps: tuple[RepTruth, ...]
    left_reps: int
    right_reps: int
    left_partial_reps: int
    right_partial_reps: int
    pairs: int
    asymmetry_mean_force_pct: float | None
    lag_ms: float | None  # mean difference of t_start, right minus left, of a set done together


@dataclass(frozen=True, kw_only=True, slots=True)
class Truth:
    """A whole session, which begins at stream time 0."""

    scenario: str
    seed: int
    duration_s: float
    sets: tuple[SetTruth, ...] = field(default=())
    holds: tuple[HoldTruth, ...] = field(default=())

    @property
    def reps(self) -> tuple[RepTruth, ...]:
        """Of all sets, set by set."""
        return tuple(rep for each in self.sets for rep in each.reps)

    def write(self, file: File) -> None:
        """As JSON, for a test that reads another process's truth."""
        file.write_bytes(msgspec.json.format(msgspec.json.encode(self), indent=1) + b"\n")

    @classmethod
    def read(cls, file: File) -> Truth:
        """From JSON. Raises OSError or msgspec.ValidationError."""
        return msgspec.json.decode(file.read_bytes(), type=cls)


@dataclass(frozen=True, slots=True)
class Span:
    """One side between two instants, sampled finely."""

    t: Floats
    x: Floats
    v: Floats
    force: Floats

    @classmethod
    def of(cls, path: Path, cable: Cable, first: float, last: float) -> Span:
        """The side between `first` and `last`, both included."""
        t = np.linspace(first, last, max(int(np.ceil((last - first) / FINE)), 2) + 1)
        motion = path.at(t)
        return cls(t, motion.x, motion.v, cable.force(motion))

    @property
    def mean_force(self) -> float:
        """Time mean, N."""
        return float(np.trapezoid(self.force, self.t) / (self.t[-1] - self.t[0]))

    @property
    def work(self) -> float:
        """The integral of F dx, J."""
        return float(np.trapezoid(self.force * self.v, self.t))


def rep_truth(stroke: Stroke, path: Path, cable: Cable, *, number: int, lowered_first: bool) -> RepTruth:
    """Measure one stroke; `lowered_first` where the exercise starts with the eccentric."""
    if path.segments[stroke.out[0]].still:
        return _effort_truth(stroke, path, cable, number=number)
    start, top = path.begins(stroke.out[0]), path.ends(stroke.out[1])
    up = Span.of(path, cable, start, top)
    rom = abs(path.segments[stroke.out[1]].x1 - path.segments[stroke.out[0]].x0)
    hold, end = 0.0, top
    eccentric = work = None
    if stroke.back is not None:
        lower, home = path.begins(stroke.back[0]), path.ends(stroke.back[1])
        eccentric, work = home - lower, Span.of(path, cable, lower, home).work
        if not lowered_first:
            hold, end = lower - top, home
    elif stroke.let_go:
        end = _landing(path, stroke.out[1])
    return RepTruth(
        side=stroke.side,
        number=number,
        effort=stroke.effort,
        t_start=start,
        t_top=top,
        t_end=end,
        rom_m=rom,
        concentric_s=top - start,
        eccentric_s=eccentric,
        mean_velocity=float(up.x[-1] - up.x[0]) / (top - start),
        peak_velocity=float(up.v.max()),
        mean_force_n=up.mean_force,
        peak_force_n=float(up.force.max()),
        work_concentric_j=up.work,
        work_eccentric_j=work,
        hold_s=hold,
        let_go=stroke.let_go,
    )


def _effort_truth(stroke: Stroke, path: Path, cable: Cable, *, number: int) -> RepTruth:
    assert stroke.back is not None
    rise, release = path.segments[stroke.out[0]], path.segments[stroke.back[1]]
    whole = Span.of(path, cable, rise.start, release.end)
    over = whole.t[whole.force >= EFFORT_LEVEL]
    start, end = float(over[0]), float(over[-1])
    held = Span.of(path, cable, start, end)
    return RepTruth(
        side=stroke.side,
        number=number,
        effort=stroke.effort,
        t_start=start,
        t_top=rise.end,
        t_end=end,
        rom_m=None,
        concentric_s=rise.end - start,
        eccentric_s=end - release.start,
        mean_velocity=None,
        peak_velocity=None,
        mean_force_n=held.mean_force,
        peak_force_n=float(held.force.max()),
        work_concentric_j=None,
        work_eccentric_j=None,
        hold_s=end - start,
    )


def _landing(path: Path, last_out: int) -> float:
    """When a handle that was let go first comes home, s."""
    return next(s.end for s in path.segments[last_out + 1 :] if s.acceleration != 0.0)


def set_truth(number: int, shape: Shape, reps: list[RepTruth], *, paired: bool) -> SetTruth:
    """Judge the reps of a set; `paired`: its two cables are two limbs to be compared."""
    judged: list[RepTruth] = []
    for side in SIDES:
        of_side = [rep for rep in reps if rep.side == side]
        usual = _reference([rep.rom_m for rep in of_side if rep.rom_m is not None])
        for rep in of_side:
            partial = rep.rom_m is not None and usual is not None and rep.rom_m < PARTIAL * usual
            judged.append(replace(rep, partial=partial))
    counts = {
        (side, partial): sum(rep.side == side and rep.partial <= partial for rep in judged)
        for side in SIDES
        for partial in (True, False)
    }
    left = {rep.effort: rep for rep in judged if rep.side == "left" and not rep.partial}
    right = {rep.effort: rep for rep in judged if rep.side == "right" and not rep.partial}
    both = [(left[k], right[k]) for k in sorted(left.keys() & right.keys())] if paired else []
    indices = [percent_difference(a.mean_force_n, b.mean_force_n) for a, b in both]
    lags = [1000.0 * (b.t_start - a.t_start) for a, b in both] if shape == "together" else []
    return SetTruth(
        number=number,
        shape=shape,
        t_start=min(rep.t_start for rep in judged),
        t_end=max(rep.t_end for rep in judged),
        reps=tuple(judged),
        left_reps=counts["left", True],
        right_reps=counts["right", True],
        left_partial_reps=counts["left", True] - counts["left", False],
        right_partial_reps=counts["right", True] - counts["right", False],
        pairs=len(both),
        asymmetry_mean_force_pct=fmean(indices) if indices else None,
        lag_ms=fmean(lags) if lags else None,
    )


def percent_difference(left: float, right: float) -> float:
    """100 (R - L) / max(R, L) (Bishop 2018)."""
    return 100.0 * (right - left) / max(left, right)


def _reference(roms: list[float]) -> float | None:
    """Median ROM of the full reps: those that reach PARTIAL of the largest."""
    if not roms:
        return None
    return median(rom for rom in roms if rom >= PARTIAL * max(roms))

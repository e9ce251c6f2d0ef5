"""What is reported of one rep: its dated phases, and the mechanics over each of them."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Final

import numpy as np

from controller.core.smoothness import log_dimensionless_jerk, spectral_arc_length
from controller.core.trace import NEAR, End, Floats, Trace
from controller.core.turns import APART, STAND, Corner

DERIVED_HZ: Final = 75.0  # below the 80 Hz that rate of force development and smoothness need, less the clock's error
GONE_SHARE: Final = 0.25  # of the stroke's mean force; under it the handle is no longer held
LANDING: Final = 0.05  # of the way back that is left where the speed of the landing is read
RFD_WINDOW: Final = 0.2  # s
ONSET: Final = 0.05  # of the peak force over the start's; the pull has begun
CREEP: Final = 0.08  # of the peak velocity; slower is a pause in which a stroke may have begun
CREEP_LEAST: Final = 0.10  # s
STAND_LEAST: Final = 0.2  # s; a longer pause is a stand
START_SHARE: Final = 0.4  # of the whole way out that a rep begun at a shorter one must still have


@dataclass(slots=True)
class Measures:
    """One rep in SI units; None where it is unknown, with a word of why in `reasons`."""

    t_start: float
    t_top: float
    t_lower: float | None = None  # start of the eccentric
    t_end: float | None = None
    t_lowered: float | None = None  # end of the eccentric; before t_start where the rep starts with it
    rom: float | None = None
    way: float | None = None  # m, the ROM as it was read, also where it may not be shown
    start_x: float = 0.0
    mean_velocity: float | None = None
    peak_velocity: float | None = None
    eccentric_mean_velocity: float | None = None
    eccentric_peak_velocity: float | None = None
    mean_force: float | None = None
    peak_force: float | None = None
    eccentric_mean_force: float | None = None
    eccentric_peak_force: float | None = None
    work_concentric: float | None = None
    work_eccentric: float | None = None
    mean_power: float | None = None
    peak_power: float | None = None
    impulse: float | None = None
    rfd: float | None = None
    time_under_tension: float | None = None
    sparc: float | None = None
    ldlj: float | None = None
    sticking_point_pct: float | None = None
    top_force: float | None = None  # at the top, N: whether the handle was still held
    gone_way: float | None = None  # m of the way back that were left when the force had gone for good
    gone_for: float | None = None  # s from there to its end
    gone_speed: float | None = None  # m/s, of the handle at that moment
    landing: float | None = None  # speed just before the end of the way back, as a share of its peak
    reasons: dict[str, str] = field(default_factory=dict)


def date_concentric(
    trace: Trace, *, low_t: float, top_t: float, home: float, returned: bool, min_rom: float
) -> tuple[Measures, int]:
    """Date the stroke out between the recognised low and top; returns the measures and the top's grid point.

    home (m) is the level to which the cable returns, as far as it is known, and `returned` whether it has: of several
    pauses on the way out, the rep begins at the one nearest to it (taking the handle up first is not part of the rep).
    """
    low, top = trace.index(low_t), trace.index(top_t)
    start = _departure(trace, low, top, home=home, returned=returned, min_rom=min_rom)
    level = float(trace.x[start])
    rom = float(trace.x[top]) - level
    slow = trace.slow(start, top)
    inner = trace.first(start, top, above=level + NEAR * rom)
    begin = _bottom(trace, inner, slow=slow, rom=rom)
    outer = trace.first(start, top, above=float(trace.x[top]) - NEAR * rom)
    last = len(trace.t) - 1
    arrive = trace.settle(outer, 1, last, out=True, slow=slow, rom=rom)
    back = trace.first(top, last, below=float(trace.x[top]) - NEAR * rom)
    leave = trace.settle(back, -1, outer, out=True, slow=slow, rom=rom) if back < last else None
    end = _end(trace, arrive, leave, out=True, rom=rom)
    t_lower = end.left if leave is not None else None
    measures = Measures(t_start=begin.left, t_top=max(end.reached, begin.left + trace.dt), t_lower=t_lower)
    measures.start_x = begin.level
    measures.rom = measures.way = end.level - begin.level
    return measures, top


def _departure(trace: Trace, low: int, top: int, *, home: float, returned: bool, min_rom: float) -> int:
    """The grid point at which the rep's stroke leaves its starting level."""
    if top - low < 3:
        return low
    v = trace.v[low : top + 1]
    calm = v <= CREEP * float(np.max(v))
    edges = np.flatnonzero(np.diff(np.concatenate(([0], calm.astype(np.int8), [0]))))
    whole = float(trace.x[top] - trace.x[low])
    best, miss = low, abs(float(trace.x[low]) - home)
    for first, end in zip(edges[::2], edges[1::2], strict=True):
        at = low + int(end) - 1
        left = float(trace.x[top] - trace.x[at])
        lasts = (end - first) * trace.dt
        stood = returned and lasts >= STAND_LEAST
        if (lasts < CREEP_LEAST and first != 0) or left < (min_rom if stood else max(min_rom, START_SHARE * whole)):
            continue
        away = abs(float(trace.x[at]) - home)
        again = stood and away <= miss + NEAR * min(left, whole)  # it left this level once before, and came back to it
        if first == 0 or again or away < miss - NEAR * whole:
            best, miss = at, away
    return best


def _bottom(trace: Trace, inner: int, *, slow: float, rom: float) -> Corner:
    """Where a stroke out begins: at the turn, or where it leaves the level it stood at."""
    leave = trace.settle(inner, -1, 0, out=False, slow=slow, rom=rom)
    before = trace.index(leave.t_level)
    far = trace.first(before, 0, above=leave.level + NEAR * rom)
    arrive = None
    if far > 0 or trace.x[0] > leave.level + NEAR * rom:
        arrive = trace.settle(far, 1, before, out=False, slow=slow, rom=rom)
        if abs(leave.level - arrive.level) > 0.25 * NEAR * rom or leave.t_level - arrive.t_level > APART:
            arrive = None
    return _end(trace, arrive, leave, out=False, rom=rom)


def _end(trace: Trace, arrive: End | None, leave: End | None, *, out: bool, rom: float) -> Corner:
    """An end of a stroke, by the whole of its flanks where they are as flanks are, else by what is nearest to it."""
    if arrive is not None and leave is not None and leave.t_level - arrive.t_level > APART:
        reached, left = (_end(trace, *each, out=out, rom=rom) for each in ((arrive, None), (None, leave)))
        return Corner(reached.level, reached.reached, left.left)
    fitted = trace.corner(arrive, leave, out=out, rom=rom)
    if fitted is not None:
        return fitted
    one = arrive or leave
    assert one is not None
    if arrive is None or leave is None:
        return Corner(one.level, one.t_level, one.t_level)
    if leave.t_meet - arrive.t_meet > STAND:
        return Corner(one.level, arrive.t_level, max(leave.t_level, arrive.t_level))
    turn = _turn(trace, arrive, leave)
    return Corner(one.level, turn, turn)


def _turn(trace: Trace, arrive: End, leave: End) -> float:
    """When a cable turned between two flanks: where its velocity crosses zero, the middle where noise makes many."""
    middle = 0.5 * (arrive.t_meet + leave.t_meet)
    first = max(trace.index(min(arrive.t_level, middle)) - 1, 0)
    v = trace.v[first : trace.index(max(leave.t_level, middle)) + 2]
    crossings = np.flatnonzero(v[:-1] * v[1:] <= 0.0)
    if not len(crossings):
        return middle
    ends = [
        first + int(k) + float(abs(v[k]) / max(abs(v[k]) + abs(v[k + 1]), 1e-12)) for k in (crossings[0], crossings[-1])
    ]
    return float(trace.t[0]) + trace.dt * 0.5 * (ends[0] + ends[1])


def date_eccentric(trace: Trace, measures: Measures, top: int, *, bottom_t: float) -> None:
    """Date the stroke back and fill in its end."""
    bottom = trace.index(bottom_t)
    way = float(trace.x[top] - trace.x[bottom])
    if bottom - top < 3 or way <= 0.0:
        measures.t_end = max(bottom_t, (measures.t_lower or measures.t_top) + trace.dt)
        measures.t_lowered = measures.t_end
        return
    slow = trace.slow(top, bottom)
    last = len(trace.t) - 1
    outer = trace.first(bottom, top, above=float(trace.x[bottom]) + NEAR * way)
    arrive = trace.settle(outer, 1, last, out=False, slow=slow, rom=way)
    rise = trace.first(bottom, last, above=arrive.level + 0.5 * NEAR * way)
    rises = trace.x[rise] > arrive.level + 0.5 * NEAR * way or rise < last
    leave = trace.settle(rise, -1, outer, out=False, slow=slow, rom=way) if rises else None
    end = _end(trace, arrive, leave, out=False, rom=way)
    measures.t_end = max(end.reached, (measures.t_lower or measures.t_top) + trace.dt)
    measures.t_lowered = measures.t_end


def date_eccentric_before(trace: Trace, measures: Measures) -> None:
    """Date the stroke back that came before the stroke out, for exercises that start with it."""
    measures.t_end = measures.t_top
    measures.reasons["hold_s"] = "ends_at_top"  # the stand that follows is not over when the rep is
    rom = measures.rom or 0.0
    start = trace.index(measures.t_start)
    inner = trace.first(start, 0, above=measures.start_x + NEAR * rom)
    if inner == 0:
        return
    high = inner - int(np.argmax(trace.x[inner::-1]))
    way = float(trace.x[high]) - measures.start_x
    if way < rom / 3.0:
        return
    outer = trace.first(inner, high, above=float(trace.x[high]) - NEAR * way)
    slow = trace.slow(high, start)
    leave = trace.settle(outer, -1, 0, out=True, slow=slow, rom=way)
    arrive = trace.settle(inner, 1, start, out=False, slow=slow, rom=way)
    measures.t_lower = _end(trace, None, leave, out=True, rom=way).left
    measures.t_lowered = min(_end(trace, arrive, None, out=False, rom=way).reached, measures.t_start)


def mechanics(trace: Trace, measures: Measures, *, hz: float | None, eccentric: bool = True) -> None:
    """Fill in velocities, forces, work and the rest over the dated phases."""
    t, x, v, f = trace.between(measures.t_start, measures.t_top)
    duration = measures.t_top - measures.t_start
    assert measures.rom is not None
    measures.mean_velocity = measures.rom / duration
    quiet_v, quiet_f = trace.for_peaks(measures.t_start, measures.t_top)
    measures.peak_velocity = float(np.max(quiet_v))
    _smoothness(measures, t, v, trace.dt, hz)
    measures.sticking_point_pct = _sticking_point(x, v)
    if measures.sticking_point_pct is None:
        measures.reasons["sticking_point_pct"] = "none"
    if f is not None and quiet_f is not None and trace.f is not None:
        measures.impulse = float(np.trapezoid(f, t))
        measures.mean_force = measures.impulse / duration
        measures.peak_force = float(np.max(quiet_f))
        measures.work_concentric = float(np.sum(0.5 * (f[1:] + f[:-1]) * np.diff(x)))
        measures.mean_power = measures.work_concentric / duration
        measures.peak_power = float(np.max(quiet_f * quiet_v))
        measures.top_force = float(np.interp(measures.t_top, trace.t, trace.f))
        if hz is not None and hz >= DERIVED_HZ:
            measures.rfd = _rate_of_force(trace, trace.f, measures)
        else:
            measures.reasons["rfd_n_per_s"] = "rate"
    if not eccentric or measures.t_end is None or measures.t_lower is None or measures.t_lowered is None:
        return
    t, x, v, f = trace.between(measures.t_lower, measures.t_lowered)
    duration = max(measures.t_lowered - measures.t_lower, trace.dt)
    measures.eccentric_mean_velocity = float(x[-1] - x[0]) / duration
    quiet_v, quiet_f = trace.for_peaks(measures.t_lower, measures.t_lowered)
    measures.eccentric_peak_velocity = float(np.min(quiet_v))
    measures.time_under_tension = measures.t_end - min(measures.t_start, measures.t_lower)
    measures.landing = _landing(x, v)
    if f is not None and measures.mean_force is not None:
        above = x - x[-1] > 2.0 * LANDING * (x[0] - x[-1])  # the landing itself jerks at the cell
        held = np.flatnonzero((f >= GONE_SHARE * measures.mean_force) & above)
        gone = int(held[-1]) if len(held) else 0
        measures.gone_way, measures.gone_for = float(x[gone] - x[-1]), float(t[-1] - t[gone])
        measures.gone_speed = float(-v[gone])
    if f is not None and quiet_f is not None:
        measures.eccentric_mean_force = float(np.trapezoid(f, t)) / duration
        measures.eccentric_peak_force = float(np.max(quiet_f))
        measures.work_eccentric = float(np.sum(0.5 * (f[1:] + f[:-1]) * np.diff(x)))


def _landing(x: Floats, v: Floats) -> float | None:
    """The speed where LANDING of the way back is left, as a share of the peak speed."""
    left = x - x[-1]
    near = np.flatnonzero(left <= LANDING * (x[0] - x[-1]))
    fastest = float(np.max(-v))
    return float(-v[near[0]]) / fastest if len(near) and fastest > 0.0 else None


def _smoothness(measures: Measures, t: Floats, v: Floats, dt: float, hz: float | None) -> None:
    if hz is None or hz < DERIVED_HZ:
        measures.reasons["sparc"] = measures.reasons["ldlj"] = "rate"
        return
    even = np.interp(np.arange(t[0], t[-1], dt), t, v)
    measures.sparc = spectral_arc_length(even, 1.0 / dt)
    measures.ldlj = log_dimensionless_jerk(even, 1.0 / dt)
    for name in ("sparc", "ldlj"):
        if getattr(measures, name) is None:
            measures.reasons[name] = "short"


def _sticking_point(x: Floats, v: Floats) -> float | None:
    """Where the velocity is least between its first and its last peak, in % of the ROM; None when there is one peak.

    A dip under a tenth of the peak velocity is no sticking point (van den Tillaar and Ettema 2010 for the term).
    """
    rises = np.flatnonzero((v[1:-1] >= v[:-2]) & (v[1:-1] > v[2:])) + 1
    tall = rises[v[rises] > 0.3 * float(np.max(v))]
    if len(tall) < 2:
        return None
    dip = int(tall[0]) + int(np.argmin(v[tall[0] : tall[-1] + 1]))
    if v[dip] > min(v[tall[0]], v[tall[-1]]) - 0.1 * float(np.max(v)):
        return None
    return 100.0 * float((x[dip] - x[0]) / (x[-1] - x[0]))


def _rate_of_force(trace: Trace, force: Floats, measures: Measures) -> float | None:
    """Mean slope of the force over the first 200 ms from its onset, in N/s."""
    first, last = trace.index(measures.t_start - 0.5), trace.index(measures.t_top)
    f = force[first : last + 1]
    if len(f) < 3:
        measures.reasons["rfd_n_per_s"] = "short"
        return None
    base, peak = float(np.min(f[: int(np.argmax(f)) + 1])), float(np.max(f))
    under = np.flatnonzero(f[: int(np.argmax(f)) + 1] <= base + ONSET * (peak - base))
    onset = float(trace.t[first + int(under[-1])])
    if onset + RFD_WINDOW > float(trace.t[-1]):
        measures.reasons["rfd_n_per_s"] = "short"
        return None
    at = np.interp([onset, onset + RFD_WINDOW], trace.t, force)
    return float(at[1] - at[0]) / RFD_WINDOW

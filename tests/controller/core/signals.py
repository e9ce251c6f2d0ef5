"""Closed-form signals for the core's tests: minimum-jerk strokes whose every phase is known."""

from __future__ import annotations

import random
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from controller.core.settings import ChannelCalibration, CoreSettings, Exercise, Identity
from controller.core.station import Station
from protocols.events import AnyEvent, Rep, SetSummary, Side

Floats = NDArray[np.float64]
LEVEL = 0.0005  # m; phases start and end this far from a level that is kept


@dataclass
class Stroke:
    """One rep: out in `out` s, held, back in `back` s, then rest."""

    rom: float = 0.6
    out: float = 1.0
    hold: float = 0.3
    back: float = 1.5
    rest: float = 0.6


@dataclass
class Truth:
    """When the phases of one rep begin and end, s, and how far it goes, m."""

    t_start: float
    t_top: float
    t_lower: float
    t_end: float
    rom: float


@dataclass
class Signal:
    """One side: a time grid, positions, forces, and the truth of each rep."""

    t: Floats
    x: Floats
    f: Floats
    truth: list[Truth] = field(default_factory=list)


def minimum_jerk(tau: Floats) -> Floats:
    """Flash and Hogan 1985: 10 tau^3 - 15 tau^4 + 6 tau^5."""
    tau = np.clip(tau, 0.0, 1.0)
    return tau**3 * (10.0 - 15.0 * tau + 6.0 * tau**2)


def leaving(rom: float, duration: float) -> float:
    """How long a minimum-jerk stroke takes for its first half millimetre, s."""
    tau = np.linspace(0.0, 0.5, 200_001)
    return float(np.interp(LEVEL / rom, minimum_jerk(tau), tau)) * duration


def side(
    strokes: list[Stroke],
    *,
    hz: float = 100.0,
    start: float = 2.0,
    tail: float = 10.0,
    load: float = 300.0,
    mass: float = 30.0,
    position_noise: float = 0.0,
    force_noise: float = 0.0,
    quantum: float = 0.0,
    jitter: float = 0.0,
    seed: int = 1,
) -> Signal:
    """A side that makes these strokes one after the other; the tension is load + mass * acceleration while it moves."""
    rng = random.Random(seed)
    total = start + sum(s.out + s.hold + s.back + s.rest for s in strokes) + tail
    count = int(total * hz)
    t = np.arange(count) / hz
    if jitter:
        t = np.sort(t + np.array([rng.uniform(-jitter, jitter) for _ in range(count)]) / hz)
    x, f = np.zeros(count), np.zeros(count)
    truth = []
    begin = start
    for s in strokes:
        top, lower = begin + s.out, begin + s.out + s.hold
        end = lower + s.back
        out, back = (t - begin) / s.out, (t - lower) / s.back
        x += s.rom * (minimum_jerk(out) - minimum_jerk(back))
        acceleration = np.where((out > 0) & (out < 1), s.rom / s.out**2 * (60 * out - 180 * out**2 + 120 * out**3), 0.0)
        acceleration -= np.where(
            (back > 0) & (back < 1), s.rom / s.back**2 * (60 * back - 180 * back**2 + 120 * back**3), 0.0
        )
        f += np.where((t >= begin) & (t <= end), load + mass * acceleration, 0.0)
        still = s.hold > 0.0
        truth.append(
            Truth(
                t_start=begin + leaving(s.rom, s.out) if s.rest > 0.0 else begin,
                t_top=top - leaving(s.rom, s.out) if still else top,
                t_lower=lower + leaving(s.rom, s.back) if still else lower,
                t_end=end - leaving(s.rom, s.back) if s.rest > 0.0 else end,
                rom=s.rom,
            )
        )
        begin = end + s.rest
    x += np.array([rng.gauss(0.0, position_noise) for _ in range(count)]) if position_noise else 0.0
    f += np.array([rng.gauss(0.0, force_noise) for _ in range(count)]) if force_noise else 0.0
    if quantum:
        x = np.floor(x / quantum + 0.5) * quantum
    return Signal(t, x, f, truth)


def play(
    left: Signal | None = None,
    right: Signal | None = None,
    *,
    exercise: Exercise | None = None,
    position: bool = True,
    force: bool = True,
    load_kg: float | None = None,
) -> list[AnyEvent]:
    """The core's events for one or two sides, on one clock when their grids agree."""
    station = Station(
        CoreSettings(exercise=exercise or Exercise(), load_kg=load_kg), Identity(recording="test", session="test")
    )
    sides: list[tuple[Side, Signal]] = []
    for name, signal in (("left", left), ("right", right)):
        if signal is not None:
            sides.append((name, signal))  # type: ignore[arg-type]  # the two names are the sides
    for name, _ in sides:
        station.calibrate(
            name, force=ChannelCalibration() if force else None, position=ChannelCalibration() if position else None
        )
    samples = sorted(
        ((float(t), name, float(x), float(f)) for name, s in sides for t, x, f in zip(s.t, s.x, s.f, strict=True)),
        key=lambda sample: sample[0],
    )
    for t, name, x, f in samples:
        if name == "left":
            station.feed(t, left_position=x if position else None, left_force=f if force else None)
        else:
            station.feed(t, right_position=x if position else None, right_force=f if force else None)
    station.finish()
    return station.drain()


def standing(events: list[AnyEvent]) -> list[Rep]:
    """The final reps that hold at the end of the log."""
    held: dict[str, Rep] = {}
    for event in events:
        if isinstance(event, Rep):
            for old in (event.replaces, event.retracts):
                if old is not None:
                    held.pop(old, None)
            if event.status == "final":
                held[event.id] = event
    return list(held.values())


def sets(events: list[AnyEvent]) -> list[SetSummary]:
    """The set events of a log."""
    return [event for event in events if isinstance(event, SetSummary)]

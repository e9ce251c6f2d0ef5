"""A cable's watch for tests, without a cable: fed by hand, and what it has marked and told."""

from __future__ import annotations

from math import inf
from typing import Literal

from controller.core.cable_watch import CableWatch
from controller.core.rep_metrics import Measures
from controller.core.sensor_truth import Finding, Mark, Marks
from controller.core.settings import Exercise


def watched(starts_with: Literal["concentric", "eccentric"] = "concentric") -> CableWatch:
    return CableWatch(Exercise(starts_with=starts_with), Marks())


def marks(watch: CableWatch) -> list[Mark]:
    return watch.marks.touching(-inf, inf)


def told(watch: CableWatch) -> list[Finding]:
    return watch.marks.drain()


def forces(watch: CableWatch, t0: float, values: list[float], *, noise: float = 0.0, noise_m: float = 0.0) -> float:
    """Forces at 100 Hz over a zero of nothing; the time after them."""
    for k, force in enumerate(values):
        watch.force(t0 + k / 100.0, force, zero=0.0, at_rail=False, noise=noise, noise_m=noise_m)
    return t0 + len(values) / 100.0


def at(watch: CableWatch, t: float, x: float, velocity: float = 0.0) -> None:
    watch.position(t, x, velocity, noise=0.0, quantum=0.0)


def rep(t_start: float = 10.0, *, force: float | None = 300.0, top_force: float | None = 300.0, rom: float | None = 0.5,
        start_x: float = 0.0, t_end: float | None = 13.0) -> Measures:  # fmt: skip
    return Measures(
        t_start=t_start, t_top=t_start + 1.0, t_end=t_end, rom=rom, mean_force=force, top_force=top_force,
        start_x=start_x,
    )  # fmt: skip

"""Hours of training in one stream, at full speed: every set as it was done, and no memory that grows."""

from __future__ import annotations

import gc
from collections.abc import Iterator
from dataclasses import dataclass, field
from random import Random
from typing import Final, get_args

from controller.core.settings import ChannelCalibration, CoreSettings, Identity
from controller.core.station import Station
from protocols.events import SIDES, Rep, SetSummary, Shape
from simulators.lifter import Deed, Handling, Oddity
from simulators.profiles import PROFILES
from simulators.scenarios import SCENARIOS, Scenario, simulate
from simulators.truth import SetTruth
from tests.soak.growth import elements, resident_mb, slope

SETTLED_S: Final = 600.0  # s; what is measured before does not count as growth
MOST_MB_PER_HOUR: Final = 4.0
MOST_ELEMENTS_PER_HOUR: Final = 2000.0  # values that the core holds between sets; one rep has some 50
HANDLING: Final[tuple[tuple[Handling, ...], ...]] = (
    (),
    ("take_up",),
    ("walk_out",),
    ("unrack",),
    ("reposition", "take_up"),
    ("bump",),
)
TEMPO: Final = ((0.7, 1.0), (1.1, 1.7), (2.0, 3.0))  # s out and back
TURNS: Final = ((0.3, 0.7), (0.0, 0.0), (0.8, 0.3))  # s at the top and at the bottom

SetCounts = tuple[str | None, int | None, int | None, int | None, int | None]


@dataclass(slots=True)
class Soak:
    """What a soak found; it has failed where `failures` holds a line."""

    name: str
    lines: list[str] = field(default_factory=list)
    failures: list[str] = field(default_factory=list)


def sets_of(seconds: float, *, seed: int) -> Iterator[Scenario]:
    """Sets of every shape, one after the other, until they fill so much time; each begins and ends at rest."""
    random = Random(seed)
    shapes: list[Shape] = []
    left = seconds
    number = 0
    while left > 0.0:
        shapes = shapes or random.sample(get_args(Shape), 5)
        out, back = random.choice(TEMPO)
        top, bottom = random.choice(TURNS)
        reps = random.randint(5, 12)
        deed: Deed | None = random.choice((None, None, *get_args(Deed)))
        number += 1
        shape, handling = shapes.pop(), random.choice(HANDLING)
        at_rep = random.randint(3, reps)
        if shape == "sequential":  # the other side must begin within the set gap
            handling, at_rep = handling[-1:], min(at_rep, reps - 1)
        scenario = SCENARIOS[random.choice(("iso_lateral_row", "iso_lateral_pulldown"))].but(
            shape=shape, reps=reps, seed=seed * 10_000 + number, tail_s=random.uniform(9.0, 25.0),
            handling=handling, profile=random.choice(PROFILES), ratio=random.uniform(0.7, 1.3),
            oddities=(Oddity(deed, at_rep),) if deed is not None else (),
            concentric_s=out, eccentric_s=back, top_s=top, bottom_s=bottom, position_noise_m=0.0005, force_noise_n=2.0,
        )  # fmt: skip
        yield scenario
        left -= 12.0 + scenario.tail_s + reps * (out + back + top + bottom)


def soak(minutes: float = 60.0, *, seed: int = 1) -> Soak:
    """Feed the sets at 100 Hz, two cables, and compare."""
    report = Soak("training")
    station = Station(CoreSettings(), Identity(recording="soak", session="soak"))
    for side in SIDES:
        station.calibrate(side, force=ChannelCalibration(), position=ChannelCalibration())
    begin = 0.0
    done: list[tuple[SetTruth, Scenario]] = []
    found: list[SetCounts] = []
    finals: dict[int, int] = {}
    times: list[float] = []
    memory: list[float] = []
    held: list[float] = []
    for scenario in sets_of(60.0 * minutes, seed=seed):
        simulation = simulate(scenario)
        done += [(each, scenario) for each in simulation.truth.sets]
        for t, a, b, c, d in simulation.samples:
            station.feed(begin + t, left_position=a, left_force=b, right_position=c, right_force=d)
        begin += simulation.truth.duration_s
        del simulation
        _count(station, found, finals)
        gc.collect()
        times.append(begin)
        memory.append(resident_mb())
        held.append(float(elements(station)))
    station.finish()
    _count(station, found, finals)
    _compare(report, done, found, finals)
    _memory(report, times, memory, held)
    return report


def _count(station: Station, found: list[SetCounts], finals: dict[int, int]) -> None:
    known: dict[str, int] = {}
    for event in station.drain():
        if isinstance(event, SetSummary):
            found.append(
                (event.shape, event.left_reps, event.right_reps, event.left_partial_reps, event.right_partial_reps)
            )  # fmt: skip
        elif isinstance(event, Rep):
            if event.status == "final":
                known[event.id] = event.set
                finals[event.set] = finals.get(event.set, 0) + 1
            if known.pop(event.retracts or event.replaces or "", None) is not None:
                finals[event.set] -= 1


def _compare(
    report: Soak, done: list[tuple[SetTruth, Scenario]], found: list[SetCounts], finals: dict[int, int]
) -> None:
    true: list[SetCounts] = [
        (each.shape, each.left_reps, each.right_reps, each.left_partial_reps, each.right_partial_reps)
        for each, _ in done
    ]
    reps = sum(each.left_reps + each.right_reps for each, _ in done)
    exact = sum(a == b for a, b in zip(found, true, strict=False))
    report.lines.append(f"{len(found)} sets found of {len(true)}, {exact} exact; {sum(finals.values())} of {reps} reps")
    if len(found) != len(true):
        report.failures.append(f"{len(found)} sets were found, {len(true)} done")
    for number, (got, expected) in enumerate(zip(found, true, strict=False), start=1):
        if got != expected:
            scenario = done[number - 1][1]
            report.failures.append(
                f"set {number}: shape, reps and partial reps left, right are {got}, not {expected}: {scenario.name} "
                f"{scenario.lifter.profile} {scenario.handling} {scenario.oddities} seed {scenario.seed}"
            )
    standing = {number: (a or 0) + (b or 0) for number, (_, a, b, _, _) in enumerate(found, start=1)}
    if finals != {number: count for number, count in standing.items() if count}:
        report.failures.append("the reps that stand at the end are not those that the sets count")


def _memory(report: Soak, times: list[float], memory: list[float], held: list[float]) -> None:
    after = [k for k, t in enumerate(times) if t >= min(SETTLED_S, 0.2 * times[-1])]
    if len(after) < 3:
        report.failures.append("too short to tell whether memory grows")
        return
    late = [times[k] for k in after]
    mb, values = slope(late, [memory[k] for k in after]), slope(late, [held[k] for k in after])
    resident = f"resident {memory[after[0]]:.1f} to {memory[-1]:.1f} MB, {mb:+.2f} MB an hour"
    report.lines.append(f"{times[-1] / 60.0:.0f} minutes of stream; {resident}")
    report.lines.append(f"the core holds {min(held):.0f} to {max(held):.0f} values between sets, {values:+.0f} an hour")
    hours = (late[-1] - late[0]) / 3600.0
    if mb * hours > MOST_MB_PER_HOUR:
        report.failures.append(f"memory grows by {mb:.2f} MB an hour (at most {MOST_MB_PER_HOUR:g})")
    if values > MOST_ELEMENTS_PER_HOUR:
        report.failures.append(f"the core's memory grows by {values:.0f} values an hour")

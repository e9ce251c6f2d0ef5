"""Named sessions on a dual-cable station, and what really happened in them.

`simulate` makes the samples in process; a virtual board streams the same session over a wire.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from random import Random
from typing import Any, Final, Literal

import numpy as np

from protocols.events import SIDES, Shape, Side
from protocols.neutral_csv import CHANNELS
from simulators.cable import Cable
from simulators.holds import Hold, lay
from simulators.lifter import Handling, Lifter, Oddity, SetBuilder, SetPlan, Stroke
from simulators.sensors import Sensor, Sensors
from simulators.trajectory import Floats, Path
from simulators.truth import RepTruth, SetTruth, Truth, rep_truth, set_truth

Sample = tuple[float, float | None, float | None, float | None, float | None]


@dataclass(frozen=True, kw_only=True, slots=True)
class Scenario:
    """One session: who does what, how often, on which machine, and what is measured. Times in s."""

    name: str
    shapes: tuple[Shape, ...] = ("together",)  # of the sets, over and over
    reps: int = 10
    sets: int = 1
    lead_s: float = 3.0  # before the first set
    rest_s: float = 12.0  # between sets
    tail_s: float = 12.0  # after the last one; longer than a set gap
    handling: tuple[Handling, ...] = ("take_up",)
    oddities: tuple[Oddity, ...] = ()
    lifter: Lifter = field(default_factory=Lifter)
    cable: Cable = field(default_factory=Cable)
    sensors: Sensors = field(default_factory=Sensors)
    channels: tuple[str, ...] = CHANNELS
    cables_are: Literal["two_limbs", "one_limb_pair"] = "two_limbs"
    arm_side: Side = "right"  # whose effort it is when both cables are one limb pair
    rate_hz: float = 100.0
    clock_jitter: float = 0.0  # of a sample's instant, as a share of the step, under 0.5
    seed: int = 1
    holds: tuple[Hold, ...] = ()  # what the handles stand under instead of sets
    hold_s: float = 6.0
    hold_on: tuple[Side, ...] = SIDES

    def but(self, **changes: Any) -> Scenario:
        """This scenario with other values; `shape`, and names of Lifter, Cable or Sensors fields, are taken too."""
        own: dict[str, Any] = {}
        parts: dict[str, dict[str, Any]] = {"lifter": {}, "cable": {}, "sensors": {}}
        for name, value in changes.items():
            if name == "shape":
                own["shapes"] = (value,)
            elif name in Scenario.__slots__:
                own[name] = value
            elif name in Lifter.__slots__:
                parts["lifter"][name] = value
            elif name in Cable.__slots__:
                parts["cable"][name] = value
            elif name in Sensors.__slots__:
                parts["sensors"][name] = value
            else:
                raise TypeError(f"a scenario has no {name!r}")
        for name, values in parts.items():
            if values:
                own[name] = replace(own.get(name, getattr(self, name)), **values)
        return replace(self, **own)


SCENARIOS: Final[dict[str, Scenario]] = {
    each.name: each
    for each in (
        Scenario(name="iso_lateral_row", cable=Cable(mass_kg=22.0)),
        Scenario(
            name="iso_lateral_pulldown",
            shapes=("alternating",),
            lifter=Lifter(rom_m=0.62, concentric_s=1.2, eccentric_s=2.0),
            cable=Cable(mass_kg=50.0, ratio=2.0, coulomb_n=14.0),
        ),
        Scenario(
            name="prone_diagonal_raise",
            lifter=Lifter(
                rom_m=0.28, concentric_s=0.9, top_s=2.0, eccentric_s=1.4, variation=0.02, fatigue=0.1, lag_s=0.06
            ),
            cable=Cable(mass_kg=4.0, coulomb_n=3.0, viscous_n_s_per_m=3.0, pulleys_kg=0.4, return_force_n=2.0),
            cables_are="one_limb_pair",
        ),
        Scenario(
            name="back_squat",
            handling=("unrack",),
            lifter=Lifter(
                rom_m=0.5, concentric_s=1.0, top_s=0.2, eccentric_s=1.6, bottom_s=0.9, starts_with="eccentric"
            ),
            cable=Cable(mass_kg=40.0),
        ),
        Scenario(
            name="isometric_hold",
            reps=4,
            handling=(),
            lifter=Lifter(hold_force_n=180.0, bottom_s=2.0, fatigue=0.0),
            channels=("left_force_n", "right_force_n"),
        ),
    )
}


class Session:
    """A scenario played out: both paths, their tension, and the truth. Stream time 0 is its beginning."""

    def __init__(self, scenario: Scenario) -> None:
        self.scenario = scenario
        self.paths: dict[Side, Path] = {side: Path() for side in SIDES}
        self._random = Random(scenario.seed)
        self._wait(scenario.lead_s)
        sets = []
        holds = lay(scenario.holds, self.paths, sides=scenario.hold_on, hold_s=scenario.hold_s)
        for k in range(0 if holds else scenario.sets):
            if k:
                self._wait(scenario.rest_s)
            sets.append(self._play(k))
        self._wait(scenario.tail_s)
        self.duration = self.paths["left"].t
        self.truth = Truth(
            scenario=scenario.name, seed=scenario.seed, duration_s=self.duration, sets=tuple(sets), holds=holds
        )

    def values(self, channel: str, times: Floats) -> Floats:
        """What is really at the handle at these times: m or N."""
        side: Side = "left" if channel.startswith("left") else "right"
        motion = self.paths[side].at(times)
        return motion.x if channel.endswith("position_m") else self.scenario.cable.force(motion)

    def _wait(self, duration: float) -> None:
        now = max(path.t for path in self.paths.values()) + duration
        for path in self.paths.values():
            path.stand_until(now)

    def _play(self, k: int) -> SetTruth:
        scenario = self.scenario
        plan = SetPlan(
            shape=scenario.shapes[k % len(scenario.shapes)],
            reps=scenario.reps,
            handling=scenario.handling,
            oddities=scenario.oddities,
        )
        fall = dict.fromkeys(SIDES, scenario.cable.fall_acceleration)
        strokes = SetBuilder(scenario.lifter, plan, self._random, self.paths, fall).build()
        self._wait(0.0)
        pair = scenario.cables_are == "one_limb_pair"
        shape = plan.shape
        if pair:
            strokes = [stroke for stroke in strokes if stroke.side == scenario.arm_side]
            shape = "right_only" if scenario.arm_side == "right" else "left_only"
        reps = [rep for side in SIDES for rep in self._measured(side, strokes)]
        return set_truth(k + 1, shape, reps, paired=not pair)

    def _measured(self, side: Side, strokes: list[Stroke]) -> list[RepTruth]:
        lowered_first = self.scenario.lifter.starts_with == "eccentric"
        return [
            rep_truth(stroke, self.paths[side], self.scenario.cable, number=number, lowered_first=lowered_first)
            for number, stroke in enumerate((s for s in strokes if s.side == side), start=1)
        ]


@dataclass(frozen=True, slots=True)
class Simulation:
    """Samples (t, left_position_m, left_force_n, right_position_m, right_force_n; None: not measured) and the truth."""

    samples: list[Sample]
    truth: Truth


def simulate(scenario: Scenario) -> Simulation:
    """Play a scenario at its rate."""
    session = Session(scenario)
    times = _instants(scenario, session.duration)
    columns: list[list[float] | list[None]] = []
    for channel in CHANNELS:
        if channel in scenario.channels:
            sensor = Sensor(channel, scenario.sensors, scenario.seed)
            columns.append(sensor.nominal(sensor.counts(session.values(channel, times))).tolist())
        else:
            columns.append([None] * len(times))
    a, b, c, d = columns
    return Simulation(list(zip(times.tolist(), a, b, c, d, strict=True)), session.truth)


def samples(scenario: Scenario, rate_hz: float | None = None, **changes: Any) -> Iterator[Sample]:
    """The samples alone, at another rate and with other values where they are given."""
    if rate_hz is not None:
        changes["rate_hz"] = rate_hz
    yield from simulate(scenario.but(**changes)).samples


def _instants(scenario: Scenario, duration: float) -> Floats:
    count = int(duration * scenario.rate_hz)
    steps = np.arange(count, dtype=np.float64)
    if scenario.clock_jitter:
        random = np.random.Generator(np.random.PCG64([scenario.seed, 0]))
        steps += random.uniform(-scenario.clock_jitter, scenario.clock_jitter, count)
        steps[0] = max(steps[0], 0.0)
    return np.asarray(steps / scenario.rate_hz)

"""Sessions with one defect in them, played through the core, and what may not be wrong in what it says."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from controller.core.sensor_truth import KINDS
from controller.core.settings import ChannelCalibration, CoreSettings, Exercise, Identity
from controller.core.station import Station
from protocols.events import SIDES, AnyEvent, Fault, Pair, Rep, SetSummary, Side
from simulators.scenarios import SCENARIOS, Scenario, simulate
from simulators.scenarios import Fault as Defect
from simulators.sensor_faults import OverRows
from simulators.truth import RepTruth, SetTruth, Truth

ROM = 0.01  # of the ROM
VELOCITY = 0.02  # m/s; two standard errors of estimate
FORCE = 0.02  # of the force, and of the work
INDEX = 2.5  # points; the bias and two standard deviations
WITHIN = 0.5  # of the shorter; two spans with so much in common are one rep


@dataclass(frozen=True, slots=True)
class Played:
    """A session's events, and what really happened."""

    events: list[AnyEvent]
    truth: Truth

    @property
    def reps(self) -> list[Rep]:
        """The final reps that stand."""
        held: dict[str, Rep] = {}
        for event in self.events:
            if isinstance(event, Rep):
                for old in (event.replaces, event.retracts):
                    held.pop(old or "", None)
                if event.status == "final":
                    held[event.id] = event
        return list(held.values())

    @property
    def pairs(self) -> list[Pair]:
        """The pairs that stand."""
        held: dict[str, Pair] = {}
        for event in self.events:
            if isinstance(event, Pair):
                held.pop(event.retracts or "", None)
                if event.retracts is None or event.asymmetry_mean_force_pct is not None or event.reasons:
                    held[event.id] = event
        return list(held.values())

    @property
    def sets(self) -> list[SetSummary]:
        """The sets."""
        return [event for event in self.events if isinstance(event, SetSummary)]

    @property
    def faults(self) -> list[Fault]:
        """Every fault event."""
        return [event for event in self.events if isinstance(event, Fault)]

    def raised(self, name: str) -> list[Fault]:
        """The events with which a fault begins."""
        return [fault for fault in self.faults if fault.name == name and fault.raised]

    def cleared(self, name: str) -> list[Fault]:
        """The events with which it ends."""
        return [fault for fault in self.faults if fault.name == name and not fault.raised]


def play(
    scenario: Scenario,
    defects: Sequence[Defect | OverRows] = (),
    *,
    starts_with: str = "concentric",
    track_zero: bool = True,
    clock_s: float | None = None,
) -> Played:
    """A session with its defects through the core."""
    simulation = simulate(scenario, defects)
    exercise = Exercise(starts_with="eccentric" if starts_with == "eccentric" else "concentric")
    station = Station(
        CoreSettings(exercise=exercise, track_zero=track_zero), Identity(recording="test", session="test")
    )
    for side in SIDES:
        force = ChannelCalibration() if f"{side}_force_n" in scenario.channels else None
        position = ChannelCalibration() if f"{side}_position_m" in scenario.channels else None
        if force is not None or position is not None:
            station.calibrate(side, force=force, position=position)
    if clock_s is not None:
        station.clock(uncertainty_s=clock_s)
    for t, a, b, c, d in simulation.samples:
        station.feed(t, left_position=a, left_force=b, right_position=c, right_force=d)
    station.finish()
    return Played(station.drain(), simulation.truth)


def row(shape: str, **changes: object) -> Scenario:
    """A short session of rows in one shape, the right side a tenth stronger and a little later."""
    values = {"shape": shape, "reps": 4, "rate_hz": 100.0, "ratio": 1.1, "lag_s": 0.05, "tail_s": 10.0} | changes
    return SCENARIOS["iso_lateral_row"].but(**values)


def of_truth(rep: Rep, truth: Truth) -> RepTruth | None:
    """What really happened when a rep was said to be made."""
    begin, end = rep.t_start or 0.0, rep.t_end or rep.t_top or 0.0
    for each in truth.reps:
        common = min(end, each.t_end) - max(begin, each.t_start)
        if each.side == rep.side and common > WITHIN * min(end - begin, each.t_end - each.t_start):
            return each
    return None


def wrong_numbers(rep: Rep, truth: RepTruth) -> list[str]:
    """The fields of a rep that are neither null nor right."""
    checks = (
        ("rom_m", rep.rom_m, truth.rom_m, ROM, 0.0),
        ("mean_velocity", rep.mean_velocity_m_per_s, truth.mean_velocity, 0.0, VELOCITY),
        ("peak_velocity", rep.peak_velocity_m_per_s, truth.peak_velocity, 0.0, 2.0 * VELOCITY),
        ("mean_force", rep.mean_force_n, truth.mean_force_n, FORCE, 0.0),
        ("peak_force", rep.peak_force_n, truth.peak_force_n, 2.0 * FORCE, 0.0),
        ("work", rep.work_concentric_j, truth.work_concentric_j, FORCE, 0.0),
        ("work_eccentric", rep.work_eccentric_j, truth.work_eccentric_j, FORCE, 0.0),
        ("concentric_s", rep.concentric_s, truth.concentric_s, 0.04, 0.02),
    )
    return [
        f"{name} {said:.4g} instead of {real:.4g}"
        for name, said, real, share, least in checks
        if said is not None and real is not None and abs(said - real) > max(share * abs(real), least)
    ]


def flags_of(event: Rep | SetSummary) -> set[str]:
    """The faults that an event names."""
    return {flag for flag in event.flags.split(",") if flag in KINDS}


def lies(played: Played) -> list[str]:
    """Everything that is wrong without a flag, and every number that is neither right nor null nor flagged."""
    found = []
    for rep in played.reps:
        real = of_truth(rep, played.truth)
        if flags_of(rep):
            continue
        if real is None:
            found.append(f"{rep.side} {rep.rep} is no rep, and says nothing")
        else:
            found += [f"{rep.side} {rep.rep}: {wrong}" for wrong in wrong_numbers(rep, real)]
    named = {fault.name for fault in played.faults}
    if len(played.sets) != len(played.truth.sets) and not named:
        found.append(f"{len(played.sets)} sets instead of {len(played.truth.sets)}")
    for said, real_set in zip(played.sets, played.truth.sets, strict=False):
        found += _set_lies(said, real_set)
    return found


def _set_lies(said: SetSummary, real: SetTruth) -> list[str]:
    if flags_of(said):
        return []
    found = []
    for side in SIDES:
        count, true = getattr(said, f"{side}_reps"), getattr(real, f"{side}_reps")
        if count is not None and count != true:
            found.append(f"set {said.set}: {count} {side} reps instead of {true}")
    if said.asymmetry_pct is not None:
        true_index = real.asymmetry_mean_force_pct
        if true_index is None or abs(said.asymmetry_pct - true_index) > INDEX:
            found.append(f"set {said.set}: index {said.asymmetry_pct} instead of {true_index}")
    return found


def other(side: Side) -> Side:
    """The other one."""
    return "right" if side == "left" else "left"

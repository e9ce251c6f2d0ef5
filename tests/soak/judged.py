"""What a gym's events must be: each delivered, numbered without holes, and the sets as they were done."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

from simulators.truth import RepTruth, SetTruth, Truth
from tests.soak.boards import Served
from tests.soak.heard import Dashboard
from tests.soak.training import SetCounts, Soak

Events = list[dict[str, Any]]

SAID: Final = {"unplug": "link_lost", "stuck": "stuck", "rate_change": "rate_differs"}  # the fault that each must raise
AROUND: Final = 1.0  # s before the plug is out in which a rep may have been under way to its confirmation
NOTICED_S: Final = 10.0  # s that a wrong rate must last to be told
BACK: Final = 5.0  # s after it is in again until the board streams


@dataclass(slots=True)
class Tally:
    """Sets and reps of some stations."""

    stations: int = 0
    sets: int = 0
    exact: int = 0
    reps: int = 0
    true_reps: int = 0
    faults: int = 0


def delivery(report: Soak, made: Events, dashboard: Dashboard) -> None:
    """Every event heard at least once, with one id, its station's numbers without holes and in order.

    The gateway starts its broker itself, so the beginning of a session may come before anybody could listen.
    """
    begins = [event for event in made if event["seq"] == 1 and event["event_type"] == "session"]
    unheard = {event["id"] for event in begins} - dashboard.ids
    made = [event for event in made if event["id"] not in unheard]
    begun = {event["station"] for event in begins if event["id"] in unheard}
    missing = [event for event in made if event["id"] not in dashboard.ids]
    again = sum(dashboard.arrivals.values()) - len(dashboard.arrivals)
    report.lines.append(
        f"{len(made)} events made, {len(made) - len(missing)} of them heard, {again} arrivals were repeats"
    )
    if missing:
        report.failures.append(f"{len(missing)} events were not heard: {[_name(event) for event in missing[:5]]}")
    strangers = dashboard.ids - {event["id"] for event in made}
    if strangers:
        report.failures.append(f"{len(strangers)} events were heard that nobody made")
    several = [place for place, ids in dashboard.ids_of.items() if len(ids) > 1]
    if several:
        report.failures.append(f"one number, several ids: {several[:5]}")
    for events, what in ((made, "made"), (dashboard.first, "heard")):
        for station in sorted({event["station"] for event in events}):
            numbers = [event["seq"] for event in events if event["station"] == station]
            first = 2 if station in begun else 1
            if sorted(numbers) != list(range(first, first + len(numbers))):
                report.failures.append(f"{station}: holes or repeats in seq, as {what}: {_holes(numbers, first)}")
            elif numbers != sorted(numbers):
                report.failures.append(f"{station}: events were {what} out of order")


def sets(report: Soak, events: Events, served: Sequence[Served], truths: dict[str, Truth]) -> dict[str | None, Tally]:
    """Compare each station's sets with what was done, by the kind of fault that it had."""
    tallies: dict[str | None, Tally] = {}
    for each in served:
        mine = [event for event in events if event["station"] == each.name]
        tally = tallies.setdefault(each.fault, Tally())
        _station(report, tally, each, mine, truths[each.name].sets)
    return tallies


def _station(report: Soak, tally: Tally, served: Served, events: Events, true: Sequence[SetTruth]) -> None:
    found, standing = _summaries(events), _standing(events)
    tally.stations += 1
    tally.sets += len(true)
    tally.true_reps += sum(each.left_reps + each.right_reps for each in true)
    tally.reps += sum(standing.values())
    if len(found) != len(true):
        report.failures.append(f"{served.name} ({served.fault}): {len(found)} sets, {len(true)} were done")
    for summary, each in zip(found, true, strict=False):
        got, expected = _counts(summary), _true(each)
        tally.exact += got == expected
        if got != expected and not _excused(served, summary, each):
            report.failures.append(f"{served.name} ({served.fault}), set {each.number}: {got}, not {expected}")
        if standing.get(summary["set"], 0) != (summary["left_reps"] or 0) + (summary["right_reps"] or 0):
            report.failures.append(f"{served.name}, set {summary['set']}: other reps stand than it counts")
    faults = [event for event in events if event["event_type"] == "fault"]
    _faults(report, tally, served, faults, due=_due(served, true))


def _due(served: Served, true: Sequence[SetTruth]) -> str | None:
    """The fault that a station must have raised, None where there need be none."""
    if served.fault == "stuck" and served.script is not None:  # a cell that nobody pulls at may well say one value
        left = [rep for each in true for rep in each.reps if rep.side == "left"]
        if not any(
            step.at <= rep.t_start and rep.t_end <= step.at + (step.lasts or 0.0)
            for step in served.script.fault
            for rep in left
        ):
            return None
    if (
        served.fault == "rate_change"
        and served.script is not None
        and (served.script.fault[0].lasts or 0.0) < NOTICED_S
    ):
        return None
    return SAID.get(served.fault or "")


def _faults(report: Soak, tally: Tally, served: Served, faults: Events, *, due: str | None) -> None:
    raised = [fault for fault in faults if fault["raised"]]
    tally.faults += len(raised)
    stands = {(fault["name"], fault["side"]): fault["raised"] for fault in faults}
    if any(stands.values()):
        report.failures.append(
            f"{served.name} ({served.fault}): {[k for k, v in stands.items() if v]} stand at the end"
        )
    if served.fault is None and raised:
        names = Counter(fault["name"] for fault in raised)
        said = ", ".join(f"{count} times {name}" for name, count in names.items())
        report.failures.append(f"{served.name}: {said}, though nothing was wrong, first {raised[0]['detail']!r}")
    if due is not None and not any(fault["name"] == due for fault in raised):
        report.failures.append(f"{served.name} ({served.fault}): {due} was never raised")


def _excused(served: Served, summary: dict[str, Any], true: SetTruth) -> bool:
    """Whether a plug that was out explains it: on each side only reps are missing that it can have touched."""
    if served.fault != "unplug" or served.script is None:
        return False
    touched = [
        rep for rep in true.reps if any(_touches(step.at, step.lasts or 0.0, rep) for step in served.script.fault)
    ]
    for side, done in (("left", true.left_reps), ("right", true.right_reps)):
        got = summary[f"{side}_reps"] or 0
        if not done - sum(rep.side == side for rep in touched) <= got <= done:
            return False
    return True


def _touches(at: float, lasts: float, rep: RepTruth) -> bool:
    return rep.t_start < at + lasts + BACK and rep.t_end > at - AROUND


def _summaries(events: Events) -> Events:
    gone = {event.get("retracts") for event in events}
    return [event for event in events if event["event_type"] == "set" and event["id"] not in gone]


def _standing(events: Events) -> dict[int, int]:
    """Final reps by set that nothing has replaced or retracted."""
    gone = {event[key] for event in events for key in ("replaces", "retracts") if event.get(key)}
    found: dict[int, int] = {}
    for event in events:
        if event["event_type"] == "rep" and event["status"] == "final" and event["id"] not in gone:
            found[event["set"]] = found.get(event["set"], 0) + 1
    return found


def _counts(summary: dict[str, Any]) -> SetCounts:
    names = ("left_reps", "right_reps", "left_partial_reps", "right_partial_reps")
    left, right, left_partial, right_partial = (summary[name] for name in names)
    return summary["shape"], left, right, left_partial, right_partial


def _true(each: SetTruth) -> SetCounts:
    return each.shape, each.left_reps, each.right_reps, each.left_partial_reps, each.right_partial_reps


def _name(event: dict[str, Any]) -> str:
    return f"{event['station']} {event['event_type']} {event['seq']}"


def _holes(numbers: list[int], first: int) -> list[int]:
    """Numbers that are missing, or else those that are there twice; a few."""
    known = set(numbers)
    missing = sorted(set(range(first, max(numbers) + 1)) - known)
    return missing[:5] or [number for number in sorted(known) if numbers.count(number) > 1][:5]

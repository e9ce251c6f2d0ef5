"""What is held of a gym at the end: delivery, counts, losses, times, what is left behind, and memory."""

from __future__ import annotations

from typing import Final

import numpy as np

from simulators.truth import Truth
from tests.soak import judged
from tests.soak.boards import Served
from tests.soak.growth import slope
from tests.soak.outcome import Outcome, Run

WARM: Final = 1.0 / 3.0  # of the run; what memory does before does not count as growth
MOST_MB_PER_HOUR: Final = 10.0  # half a megabyte a station
LEAST_S: Final = 600.0  # that a run lasts whose growth says something


def judge(report: Outcome, run: Run, served: list[Served], truths: dict[str, Truth]) -> None:
    """Fill the report."""
    made = run.gateway.events
    known = {event["id"] for event in made}
    judged.delivery(report, made, run.dashboard)
    report.made, report.heard = len(made), len(known & run.dashboard.ids)
    report.repeats = sum(run.dashboard.arrivals.values()) - len(run.dashboard.arrivals)
    report.tallies = judged.sets(report, [e for e in run.dashboard.first if e["id"] in known], served, truths)
    for kind, tally in report.tallies.items():
        report.lines.append(
            f"{tally.stations} stations with {kind or 'no'} fault: {tally.exact} of {tally.sets} sets exact, "
            f"{tally.reps} of {tally.true_reps} reps"
        )
    _losses(report, run, served)
    _latency(report, run)
    _left_behind(report, run)
    _memory(report, run)


def _losses(report: Outcome, run: Run, served: list[Served]) -> None:
    numbers = run.gateway.numbers()
    lost = numbers.get("cable_station_frames_lost_total", {})
    for each in served:
        frames = lost.get((each.name,), 0.0)
        if (each.fault == "loss") != (frames > 0.0) and each.fault in (None, "loss"):
            report.failures.append(f"{each.name} ({each.fault}): health says {frames:.0f} frames lost")
    late = {name: count for (name, *_), count in numbers.get("cable_station_samples_late_total", {}).items() if count}
    report.samples_late = round(sum(late.values()))
    for each in served:
        if each.fault != "unplug" and each.name in late:
            report.failures.append(
                f"{each.name} ({each.fault}): {late[each.name]:.0f} samples came too late to be used"
            )
    for name in ("events_dropped", "dead_letters", "recorder_dropped_bytes"):
        if count := sum(numbers.get(f"cable_station_{name}_total", {}).values()):
            report.failures.append(f"health says {name} {count:.0f}")


def _latency(report: Outcome, run: Run) -> None:
    announced = [
        event["latency_ms"]
        for event in run.dashboard.first
        if event["event_type"] == "rep" and event["status"] == "final" and event["latency_ms"] is not None
    ]
    if not announced or not run.dashboard.delays_s:
        report.failures.append("no rep was heard")
        return
    report.announced_ms = (float(np.percentile(announced, 50)), float(np.percentile(announced, 99)))
    there = [delay for at, delay in run.dashboard.delays_s if not any(a <= at <= b for a, b in run.away)]
    ms = 1000.0 * np.asarray(there)
    report.arrived_ms = (float(np.percentile(ms, 50)), float(np.percentile(ms, 99)), float(ms.max()))
    report.lines.append(
        f"from the sample to the dashboard {report.arrived_ms[0]:.1f} ms, 99 % {report.arrived_ms[1]:.1f} ms, worst "
        f"{report.arrived_ms[2]:.0f} ms; from the turn to the final rep {report.announced_ms[0]:.0f} and "
        f"{report.announced_ms[1]:.0f} ms"
    )


def _left_behind(report: Outcome, run: Run) -> None:
    before, after = run.before, run.after
    assert before is not None
    assert after is not None
    for name in ("files", "threads", "tasks", "processes"):
        then, now = getattr(before, name), getattr(after, name)
        report.lines.append(f"{name}: {then} before the faults, {now} after them")
        if now > then:
            report.failures.append(f"{now - then} {name} were left behind")


def _memory(report: Outcome, run: Run) -> None:
    late = [look for look in run.looks if look.at >= run.began + WARM * run.seconds]
    if len(late) < 3:
        report.failures.append("too short to tell whether memory grows")
        return
    report.mb_per_hour = slope([look.at for look in late], [look.resident_mb for look in late])
    first, last = run.looks[0], run.looks[-1]
    report.processor = (last.cpu_s - first.cpu_s) / (last.at - first.at)
    report.lines.append(
        f"resident {first.resident_mb:.1f} MB at first, {late[0].resident_mb:.1f} warm, {last.resident_mb:.1f} at the "
        f"end, {report.mb_per_hour:+.1f} MB an hour; {100.0 * report.processor:.0f} % of a processor"
    )
    if run.seconds >= LEAST_S and report.mb_per_hour > MOST_MB_PER_HOUR:
        report.failures.append(f"memory grows by {report.mb_per_hour:.1f} MB an hour (at most {MOST_MB_PER_HOUR:g})")

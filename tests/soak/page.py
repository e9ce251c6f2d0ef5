"""docs/soak.md: what a gym's run showed, as it was."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import Final

from tests.soak.figures import MOST_MB_PER_HOUR, WARM
from tests.soak.gym import COUNTED_AT
from tests.soak.judged import Tally
from tests.soak.outcome import Outcome, Run
from tests.soak.programme import AWAY, HELD_UP_S, LOST, PACE, RATE_HZ

PAGE: Final = Path(__file__).parents[2] / "docs" / "soak.md"
WHAT: Final[dict[str | None, str]] = {
    None: "none of its own",
    "unplug": f"the plug out for {AWAY['unplug']:g} s, and in again",
    "loss": f"{100 * LOST:g} % of the frames lost for {AWAY['loss']:g} s",
    "stuck": f"the left cell sticks for {AWAY['stuck']:g} s",
    "rate_change": f"{PACE:g} of the rate for {AWAY['rate_change']:g} s",
}


def write(outcome: Outcome) -> None:
    """Write the page; nothing where nothing ran."""
    if outcome.run is not None and outcome.run.after is not None:
        PAGE.write_text(text(outcome), encoding="utf-8")


def text(outcome: Outcome) -> str:
    """The page."""
    run = outcome.run
    assert run is not None
    made_by = (
        f"Made by `python -m tests.soak gym`, the third part of `make soak`; {datetime.now(UTC):%Y-%m-%d}, "
        f"{outcome.seconds / 60:g} minutes, two cores"
    )
    broker = (
        f"Meanwhile mosquitto was killed {run.done.get('kill the broker', 0)} times (SIGKILL) and stopped "
        f"{run.done.get('stop the broker', 0)} times (SIGTERM),"
    )
    rows = "".join(_row(kind, tally) for kind, tally in outcome.tallies.items())
    failures = "".join(f"- {failure}\n" for failure in outcome.failures) or "Nothing that should hold did not.\n"
    return f"""# A gym for half an hour

{made_by}
that had other work too. One `cable-station run` with outbox, recording, page and a mosquitto of its own carries
{outcome.stations} stations with {outcome.boards} simulated boards over TCP at {RATE_HZ} Hz. The sets are of all five
shapes, their truth is the simulators'.

{broker}
the gateway itself held up {run.done.get("hold up the gateway", 0)} times for {HELD_UP_S:g} s,
{run.done.get("slow subscriber", 0)} subscribers to everything and {run.done.get("stalled browsers", 0)} browsers came,
read nothing and went. Two stations in five had a fault of their own, every three minutes.

## Counts

| stations | fault | sets exact | reps found | reps done | faults raised |
|---|---|---|---|---|---|
{rows}
Exact is a set whose shape, reps and partial reps on both sides are the truth's. A plug that is out costs the reps that
were under way in its absence, and never the set; the other faults cost no rep, only numbers in it
([which](operations.md#sensors-that-cannot-be-right)).

## Delivery

{_delivery(outcome)}

## Time

{_time(outcome)}

## What the gateway takes

{_taken(run)}
{_memory(outcome)}

## What did not hold

{failures}"""


def _taken(run: Run) -> str:
    assert run.before is not None
    assert run.after is not None
    text = f"| | before the faults ({100 * COUNTED_AT:.0f} % of the run) | after them |\n|---|---|---|\n"
    for what, then, now in (
        ("file descriptors", run.before.files, run.after.files),
        ("threads", run.before.threads, run.after.threads),
        ("asyncio tasks", run.before.tasks, run.after.tasks),
        ("child processes", run.before.processes, run.after.processes),
    ):
        text += f"| {what} | {then} | {now} |\n"
    return text


def _time(outcome: Outcome) -> str:
    assert outcome.run is not None
    median, most, worst = outcome.arrived_ms
    turn, turn_most = outcome.announced_ms
    away = sum(last - first for first, last in outcome.run.away)
    return (
        f"A rep is with the dashboard {median:.0f} ms (median; 99 %: {most:.0f} ms, worst: {worst:.0f} ms) after the "
        "instant of the\nsample that caused it: batches of two samples, link, core, outbox, broker. "
        f"Not counted are the {away:.0f} s in which the broker was away or the gateway held up.\n"
        f"From the dated turn to the final announcement it is {turn:.0f} ms of stream time "
        f"(99 %: {turn_most:.0f} ms).\nSamples that came too late to be used: "
        f"{outcome.samples_late}."
    )


def _memory(outcome: Outcome) -> str:
    run = outcome.run
    assert run is not None
    warm = next((look for look in run.looks if look.at >= run.began + WARM * run.seconds), run.looks[-1])
    first, last = run.looks[0], run.looks[-1]
    return (
        f"Resident memory was {first.resident_mb:.0f} MB at the start, {warm.resident_mb:.0f} MB after a third of the "
        f"run, {last.resident_mb:.0f} MB at the end;\nover the last two thirds the slope is "
        f"{outcome.mb_per_hour or 0.0:+.1f} MB an hour, and {MOST_MB_PER_HOUR:g} are allowed. The gateway took "
        f"{100 * outcome.processor:.0f} % of one\nprocessor."
    )


def _row(kind: str | None, tally: Tally) -> str:
    return (
        f"| {tally.stations} | {WHAT[kind]} | {tally.exact} of {tally.sets} | {tally.reps} | {tally.true_reps} "
        f"| {tally.faults} |\n"
    )


def _delivery(outcome: Outcome) -> str:
    return (
        f"Of {outcome.made} events made, {outcome.heard} were heard by a dashboard with a persistent session, "
        f"{outcome.repeats} arrivals were repeats.\nHeld to: a repeat has the id of the first, `seq` has no hole, "
        "and no event comes first after a later one of its station."
    )

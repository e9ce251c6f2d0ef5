"""What is done to a gym in a run, and when: the faults of its stations and of its gateway, over the run's length."""

from __future__ import annotations

from typing import Final, Literal

from simulators.fault_scripts import Script, Step
from tests.soak.boards import Served

KINDS: Final = ("unplug", "loss", "stuck", "rate_change")
RATE_HZ: Final = 80
DISTURBED: Final = (0.25, 0.85)  # of the run: all faults lie in it, and what is counted before is counted after
SHORT_S: Final = 90.0  # s; in less there is one quick set a station
APART_S: Final = 180.0  # s between two faults of a station
Act = Literal["kill the broker", "stop the broker", "hold up the gateway", "slow subscriber", "stalled browsers"]
ACTS: Final[tuple[tuple[Act, float, float], ...]] = (  # of the run: from, to
    ("slow subscriber", 0.26, 0.62),
    ("stalled browsers", 0.28, 0.80),
    ("kill the broker", 0.33, 0.33),
    ("hold up the gateway", 0.42, 0.42),
    ("stop the broker", 0.52, 0.52),
    ("kill the broker", 0.71, 0.71),
)
HELD_UP_S: Final = 1.4  # s; longer than the gateway's tick
AWAY: Final = {"unplug": 4.0, "loss": 15.0, "stuck": 12.0, "rate_change": 20.0}  # s that a fault lasts
LOST: Final = 0.05  # of the frames
PACE: Final = 0.67


def served(stations: int, seconds: float) -> list[Served]:
    """The stations of a run: most without faults, one in five with two boards, and some of each kind of fault."""
    found = []
    is_short = seconds < SHORT_S
    for number in range(1, stations + 1):
        kind = _kind(number, stations)
        station = Served(
            name=f"station-{number:02}",
            seed=number,
            seconds=seconds,
            rate_hz=RATE_HZ,
            two_boards=number % 5 == 3,
            quick=is_short,
            reps=3 if is_short else 6 + number % 4,
            fault=kind,
            script=script(kind, seconds=seconds, shift=number) if kind is not None else None,
        )
        found.append(station)
    return found


def _kind(number: int, stations: int) -> str | None:
    """Of the last two fifths of the stations each has a fault; of few, the kinds that come first."""
    first = stations - max(2 * stations // 5, min(stations - 1, 2))
    return KINDS[(number - first - 1) % len(KINDS)] if number > first else None


def script(kind: str, *, seconds: float, shift: int) -> Script:
    """A fault over and over, as long as it may strike; `shift` moves it a little."""
    lasts = min(AWAY[kind], 0.1 * seconds)
    begins, last = (share * seconds for share in DISTURBED)
    steps: list[Step] = []
    at = begins + shift % 7
    while at + lasts <= last or not steps:
        steps.append(_step(kind, at, lasts))
        at += APART_S + shift % 5
    return Script(about=f"{kind}, over and over", fault=steps)


def _step(kind: str, at: float, lasts: float) -> Step:
    if kind == "loss":
        return Step(at=at, lasts=lasts, kind=kind, share=LOST)
    if kind == "stuck":
        return Step(at=at, lasts=lasts, kind=kind, channel="left_force_n")
    if kind == "rate_change":
        return Step(at=at, lasts=lasts, kind=kind, factor=PACE)
    return Step(at=at, lasts=lasts, kind=kind)

"""Made-up but plausible payloads: two arms row, raised-cosine reps, one side a little ahead of the other."""

from __future__ import annotations

import asyncio
import math
import time
from typing import TYPE_CHECKING

from controller.display import Status
from protocols.events import (
    Fault,
    Health,
    Info,
    Phase,
    Rep,
    RepStatus,
    SetSummary,
    Shape,
    Side,
    State,
    Telemetry,
    Verdict,
)

if TYPE_CHECKING:
    from controller.display import Display

PERIOD = 4.0  # s; 1.2 out, 0.4 at the top, 1.8 back, 0.6 home
OUT, TOP, BACK = 1.2, 1.6, 3.4  # s; ends of the phases within the period
ROM = {"left": 0.62, "right": 0.60}  # m
FORCE = {"left": 331.0, "right": 309.0}  # N
LAG = {"left": 0.0, "right": 0.06}  # s


def now_ms() -> int:
    return time.time_ns() // 1_000_000


def moment(side: Side, t: float) -> tuple[float, float, float, Phase]:
    """Position m, velocity m/s, force N and phase at t seconds of the set."""
    p = (t - LAG[side]) % PERIOD
    rom = ROM[side]
    if p < OUT:
        a = math.pi * p / OUT
        x, v, phase = rom * (1 - math.cos(a)) / 2, rom * math.pi / OUT * math.sin(a) / 2, "concentric"
    elif p < TOP:
        x, v, phase = rom, 0.0, "top"
    elif p < BACK:
        a = math.pi * (p - TOP) / (BACK - TOP)
        x, v, phase = rom * (1 + math.cos(a)) / 2, -rom * math.pi / (BACK - TOP) * math.sin(a) / 2, "eccentric"
    else:
        x, v, phase = 0.0, 0.0, "rest"
    effort = 1.0 + 0.16 * v + 0.02 * math.sin(13 * t + (side == "right"))
    force = FORCE[side] * effort if phase != "rest" else 0.12 * FORCE[side]
    return x, v, force, phase  # type: ignore[return-value]


def telemetry(t: float) -> Telemetry:
    """The cables at t seconds of the set."""
    left, right = moment("left", t), moment("right", t)
    return Telemetry(
        ts=now_ms(),
        force_left_n=left[2],
        force_right_n=right[2],
        position_left_m=left[0],
        position_right_m=right[0],
        velocity_left_m_per_s=left[1],
        velocity_right_m_per_s=right[1],
        phase_left=left[3],
        phase_right=right[3],
    )


def state(
    *,
    left: int | None = None,
    right: int | None = None,
    set_number: int = 3,
    shape: Shape | None = "together",
    phase: Phase | None = "rest",
    resting_s: float | None = None,
    quality: str = "ok",
) -> State:
    """Where the station stands."""
    return State(
        ts=now_ms(),
        phase_left=phase,
        phase_right=phase,
        session="s1",
        set=set_number,
        exercise="iso_lateral_row",
        load_kg=32.0,
        left_reps=left,
        right_reps=right,
        target=12,
        shape=shape,
        index="percent_difference",
        resting_s=resting_s,
        quality=quality,
    )


def rep(side: Side, number: int, *, set_number: int = 3, status: RepStatus = "final", partial: bool = False) -> Rep:
    """One rep; each is a little slower than the one before."""
    velocity = ROM[side] / OUT * (1.02 - 0.021 * number - 0.012 * (number % 3))
    return Rep(
        id=f"{side}-{set_number}-{number}",
        ts=now_ms(),
        station="rack-1",
        session="s1",
        set=set_number,
        seq=number,
        side=side,
        rep=number,
        status=status,
        partial=partial,
        rom_m=ROM[side] * (0.5 if partial else 1.0),
        concentric_s=1.2 + 0.03 * number,
        top_s=0.4 if status == "final" else None,
        eccentric_s=1.8 if status == "final" else None,
        bottom_s=0.6 if number > 1 else None,
        mean_velocity_m_per_s=velocity,
        mean_force_n=FORCE[side],
        peak_force_n=FORCE[side] * 1.15,
    )


def summary(
    *,
    set_number: int = 2,
    shape: Shape = "together",
    index: float | None = -6.8,
    low: float | None = -9.4,
    high: float | None = -4.2,
    verdict: Verdict | None = "none",
    verdict_reason: str | None = "under_threshold_10_pct",
    reasons: str = "",
) -> SetSummary:
    """A finished set."""
    return SetSummary(
        id=f"set-{set_number}",
        ts=now_ms(),
        station="rack-1",
        session="s1",
        set=set_number,
        seq=1000 + set_number,
        exercise="iso_lateral_row",
        load_kg=32.0,
        shape=shape,
        left_reps=0 if shape == "right_only" else 10,
        right_reps=0 if shape == "left_only" else 10,
        facet="mean_force",
        asymmetry_pct=index,
        asymmetry_low_pct=low,
        asymmetry_high_pct=high,
        pairs=0 if index is None else 10,
        verdict=verdict,
        verdict_reason=verdict_reason,
        reasons=reasons,
    )


def single_side(side: Side = "left", *, set_number: int = 2) -> SetSummary:
    """A set of one arm alone: it has no index."""
    return summary(
        set_number=set_number,
        shape="left_only" if side == "left" else "right_only",
        index=None,
        low=None,
        high=None,
        verdict=None,
        verdict_reason="unilateral",
        reasons="asymmetry_pct=unilateral",
    )


def fault(name: str, *, side: Side | None = None, raised: bool = True, detail: str = "") -> Fault:
    """Something wrong, or right again."""
    return Fault(
        id=f"fault-{name}",
        ts=now_ms(),
        station="rack-1",
        session="s1",
        set=3,
        seq=5000,
        name=name,
        side=side,
        severity="warning",
        raised=raised,
        detail=detail,
    )


def info() -> Info:
    """What the station is made of."""
    return Info(
        ts=now_ms(), station="rack-1", name="Rack 1", sides=["left", "right"], boards="", software="0", algorithm="1"
    )


def health(link: str = "left=up,right=up") -> Health:
    """How well the station hears its boards."""
    return Health(ts=now_ms(), left_sample_hz=1000.0, right_sample_hz=1000.0, link=link)


def set_the_scene(display: Display, station: str) -> None:
    """Everything before the running set: the station is there, and set 2 is done."""
    display.offer(station, "status", Status(ts=now_ms(), status="online"))
    display.offer(station, "info", info())
    display.offer(station, "health", health())
    display.offer(station, "set", summary())


async def lift(display: Display, station: str, *, start: float = 0.0, hz: float = 30.0) -> None:
    """Row for ever, as a station would tell of it, from `start` seconds of the set on."""
    began = time.monotonic() - start
    told: dict[Side, int] = {"left": 0, "right": 0}
    said_at = -1.0
    while True:
        t = time.monotonic() - began
        display.offer(station, "telemetry", telemetry(t))
        done = int((t + PERIOD - TOP) / PERIOD)  # reps that have reached their top
        home = t % PERIOD > BACK
        for side, before in list(told.items()):
            for number in range(before + 1, done + 1):
                status: RepStatus = "final" if number < done or home else "provisional"
                display.offer(station, "rep", rep(side, number, status=status))
            told[side] = done
            if done and home:
                display.offer(station, "rep", rep(side, done))
        if t - said_at >= 1.0:
            said_at = t
            phase = moment("left", t)[3]
            display.offer(station, "state", state(left=told["left"], right=told["right"], phase=phase))
        await asyncio.sleep(1 / hz)

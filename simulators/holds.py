"""Known masses on the handles and known lengths of cable out, one after the other: what a calibration is made with."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Final

from protocols.events import SIDES, Side
from simulators.cable import G
from simulators.trajectory import Path

CHANGE: Final = 0.5  # s in which a mass is hung, or a handle pulled
HOLD: Final = re.compile(r"(\d+(?:\.\d+)?)(kg|m)")


@dataclass(frozen=True, slots=True)
class Hold:
    """What one or both handles stand under: a mass that hangs on it at home, or the handle held so far out."""

    kg: float = 0.0
    m: float = 0.0


@dataclass(frozen=True, kw_only=True, slots=True)
class HoldTruth:
    """One hold of one side, from when it stands still to its end; s, N, m."""

    side: Side
    t_start: float
    t_end: float
    force_n: float
    position_m: float


def parse_holds(text: str) -> tuple[Hold, ...]:
    """Holds as they are written: 0kg,10kg,20kg,0.5m. Raises ValueError."""
    holds = []
    for word in text.split(","):
        match = HOLD.fullmatch(word.strip())
        if match is None:
            raise ValueError(f"{word!r} is no hold; a mass or a length, as in 0kg,10kg,20kg,0.5m")
        value = float(match[1])
        holds.append(Hold(kg=value) if match[2] == "kg" else Hold(m=value))
    return tuple(holds)


def lay(
    holds: Iterable[Hold], paths: dict[Side, Path], *, sides: Sequence[Side] = SIDES, hold_s: float
) -> tuple[HoldTruth, ...]:
    """Add holds to the paths of these sides; the other one waits at home, empty."""
    truth = []
    for hold in holds:
        for side in sides:
            path = paths[side]
            if path.x != hold.m:
                path.move(hold.m, CHANGE)
            path.stand(CHANGE, pull=hold.kg * G)
            path.stand(hold_s)
            truth.append(
                HoldTruth(side=side, t_start=path.t - hold_s, t_end=path.t, force_n=hold.kg * G, position_m=hold.m)
            )
    return tuple(truth)

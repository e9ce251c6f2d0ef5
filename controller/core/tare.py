"""Takes the force as it stands for zero, where that is sensible."""

from __future__ import annotations

from typing import Final

from controller.core.sets import RunningSet
from controller.core.side import Side
from protocols.events import SIDES
from protocols.events import Side as SideName

MOVING: Final = 0.02  # m/s
LOADED: Final = 15.0  # N


def tare(sides: dict[SideName, Side], running: RunningSet, side: object) -> str | None:
    """Tare one side, None: all there are. Returns None when done, else why it is refused."""
    names = [name for name in SIDES if name in sides and (side is None or name == side)]
    if not names:
        return f"there is no side {side!r}"
    for name in names:
        each = sides[name]
        if each.cable.over_zero is None:
            return f"the {name} side has no force to tare"
        if each.busy or abs(each.velocity or 0.0) > MOVING:
            return f"the {name} cable is moving; let it rest"
        if running.reps[name] and each.cable.over_zero > LOADED:
            return f"the {name} cable is loaded; put the handle down"
    for name in names:
        sides[name].tare()
    return None

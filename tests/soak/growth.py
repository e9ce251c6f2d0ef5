"""Whether something keeps growing: the slope of a figure over time, and how much a thing holds in memory."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

ATOMS = (int, float, str, bytes, bool, type(None))


def resident_mb() -> float:
    """Memory of this process as the kernel counts it, MB."""
    for line in Path("/proc/self/status").read_text(encoding="ascii").splitlines():
        if line.startswith("VmRSS:"):
            return int(line.split()[1]) / 1024.0
    raise OSError("this kernel says no VmRSS")


def slope(times_s: Sequence[float], values: Sequence[float]) -> float:
    """Least-squares growth in an hour."""
    return float(np.polyfit(np.asarray(times_s) / 3600.0, np.asarray(values), 1)[0])


def elements(root: object) -> int:
    """How many values an object holds, in all the lists, dicts, sets, arrays and objects that it reaches."""
    seen: set[int] = set()
    todo: list[Any] = [root]
    count = 0
    while todo:
        thing = todo.pop()
        if isinstance(thing, ATOMS):
            count += 1
            continue
        if id(thing) in seen or isinstance(thing, type) or callable(thing):
            continue
        seen.add(id(thing))
        if isinstance(thing, np.ndarray):
            count += thing.size
        elif isinstance(thing, dict):
            todo += thing.keys()
            todo += thing.values()
        elif hasattr(thing, "__len__") and hasattr(thing, "__iter__"):
            todo += thing
        else:
            todo += _fields(thing)
    return count


def _fields(thing: object) -> list[Any]:
    names = [name for kind in type(thing).__mro__ for name in getattr(kind, "__slots__", ())]
    return [*getattr(thing, "__dict__", {}).values(), *(getattr(thing, name) for name in names if hasattr(thing, name))]

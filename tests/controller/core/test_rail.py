"""A force at the end of its converter's range, and smooth forces of cells without noise that only look like it."""

from __future__ import annotations

import numpy as np
import pytest

from controller.core.series import Rail
from controller.core.trace import Floats


def touched(forces: Floats, hz: float) -> bool:
    rail = Rail()
    return any(rail.step(k / hz, force) is not None for k, force in enumerate(forces.tolist()))


def pulls(hz: float, *, quantum: float, seconds: float, shift: float) -> Floats:
    """Six pulls of up to 400 N, each the half of a sine, read in steps of `quantum` N."""
    t = np.arange(round(6.0 * (seconds + 1.0) * hz)) / hz + shift
    within = t % (seconds + 1.0)
    force = 400.0 * np.sin(np.pi * np.clip(within / seconds, 0.0, 1.0))
    return np.asarray(np.round(force / quantum) * quantum, dtype=np.float64)


@pytest.mark.parametrize("hz", [20.0, 50.0, 100.0])
@pytest.mark.parametrize("quantum", [0.05, 0.2, 0.5])
@pytest.mark.parametrize("seconds", [1.0, 2.2, 3.2])
def test_the_top_of_a_smooth_pull_is_no_rail(hz: float, quantum: float, seconds: float) -> None:
    for shift in np.arange(8) * 0.003:
        assert not touched(pulls(hz, quantum=quantum, seconds=seconds, shift=float(shift)), hz)


@pytest.mark.parametrize("hz", [50.0, 100.0])
def test_a_pull_that_is_cut_off_is_at_a_rail(hz: float) -> None:
    for shift in np.arange(8) * 0.003:
        assert touched(np.minimum(pulls(hz, quantum=0.05, seconds=2.2, shift=float(shift)), 320.0), hz)

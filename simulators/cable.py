"""The machine: one weight stack over pulleys, and the tension that its cable has at the handle.

    F = (m g + friction) / ratio + (m / ratio^2 + pulleys) a        never below 0: a cable cannot push

With a pulley ratio of 2 the handle goes twice as far as the stack, at half its weight.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np

from simulators.trajectory import Floats, Motion

G: Final = 9.80665  # m/s^2
CREEP: Final = 0.01  # m/s; below this speed Coulomb friction fades out instead of jumping
SLACK: Final = 0.01  # m out at which the return spring pulls with its full force


@dataclass(frozen=True, kw_only=True, slots=True)
class Cable:
    """One cable of a machine. Masses in kg, friction in N at the stack."""

    mass_kg: float = 20.0
    ratio: float = 1.0
    coulomb_n: float = 8.0
    viscous_n_s_per_m: float = 6.0
    return_friction: float = 0.8  # friction of the stack going down, as a share of that going up
    pulleys_kg: float = 0.8  # rotating parts, as they are felt at the handle
    return_force_n: float = 3.0  # of a cable that is out with no stack on it

    @property
    def inertia_kg(self) -> float:
        """What an acceleration of the handle has to move, kg."""
        return self.mass_kg / self.ratio**2 + self.pulleys_kg

    @property
    def fall_acceleration(self) -> float:
        """Of a handle that is let go, m/s^2."""
        weight = self.mass_kg * G - self.coulomb_n * self.return_friction
        return max(weight / self.ratio / self.inertia_kg, 0.2 * G)

    def force(self, motion: Motion) -> Floats:
        """Tension at the handle in N."""
        friction = self.coulomb_n * np.tanh(motion.v / CREEP) + self.viscous_n_s_per_m * motion.v / self.ratio
        friction = np.where(motion.v < 0.0, self.return_friction * friction, friction)
        lifted = (self.mass_kg * G + friction) / self.ratio + self.inertia_kg * motion.a
        unloaded = self.return_force_n * np.clip(motion.x / SLACK, 0.0, 1.0)
        tension = motion.load * lifted + np.clip(1.0 - motion.load, 0.0, 1.0) * unloaded + motion.pull
        return np.asarray(np.maximum(tension, 0.0))

"""How smooth a stroke is: two published measures of its velocity profile."""

from __future__ import annotations

import numpy as np

from controller.core.trace import Floats

CUTOFF = 10.0  # Hz; a lifted load has nothing above
AMPLITUDE = 0.05  # of the spectrum's peak
LEAST = 12  # samples


def spectral_arc_length(v: Floats, hz: float) -> float | None:
    """SPARC of a velocity profile sampled at hz; None for too short a one.

    The negative arc length of the normalised amplitude spectrum up to the last frequency that still has
    AMPLITUDE of the peak, at most CUTOFF (Balasubramanian et al. 2015, J. NeuroEng. Rehabil. 12:112).
    """
    if len(v) < LEAST:
        return None
    points = 1 << (int(np.ceil(np.log2(len(v)))) + 4)
    spectrum = np.abs(np.fft.rfft(v, points))
    frequency = np.fft.rfftfreq(points, 1.0 / hz)
    peak = float(spectrum.max())
    if peak <= 0.0:
        return None
    spectrum = spectrum[frequency <= CUTOFF] / peak
    frequency = frequency[frequency <= CUTOFF]
    strong = np.flatnonzero(spectrum >= AMPLITUDE)
    spectrum, frequency = spectrum[: strong[-1] + 1], frequency[: strong[-1] + 1]
    if len(frequency) < 2:
        return None
    span = float(frequency[-1] - frequency[0])
    return -float(np.sum(np.hypot(np.diff(frequency) / span, np.diff(spectrum))))


def log_dimensionless_jerk(v: Floats, hz: float) -> float | None:
    """LDLJ of a velocity profile sampled at hz; None for too short a one.

    -ln(T^3 / v_peak^2 * integral of (d2v/dt2)^2 dt), same source as SPARC.
    """
    if len(v) < LEAST:
        return None
    dt = 1.0 / hz
    jerk = np.diff(v, 2) / (dt * dt)
    peak = float(np.max(np.abs(v)))
    duration = len(v) * dt
    total = duration**3 / peak**2 * float(np.sum(jerk * jerk)) * dt if peak > 0.0 else 0.0
    return -float(np.log(total)) if total > 0.0 else None

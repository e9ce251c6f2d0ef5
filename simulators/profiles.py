"""How a stroke spreads over its time: closed forms s(tau) that go from 0 to 1 while tau does.

Every profile begins and ends without speed. Velocity and acceleration are those of a stroke of 1 m in 1 s.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache
from typing import Final, Literal, get_args

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Profile = Literal["minimum_jerk", "half_sine", "trapezoid", "isokinetic", "early_peak", "late_peak", "sticking"]
PROFILES: Final[tuple[Profile, ...]] = get_args(Profile)
Curve = Callable[
    [Floats], tuple[Floats, Floats, Floats]
]  # share of the time -> share of the way, velocity, acceleration

RAMP: Final = 0.25  # of a trapezoid's time, at each end
STIFF_RAMP: Final = 0.10  # of an isokinetic machine's
STICKING: Final = (-0.2, -0.8)  # cosine terms of the velocity; in mid-stroke it falls to 0.4 of its mean


def _minimum_jerk(tau: Floats) -> tuple[Floats, Floats, Floats]:
    """Flash and Hogan 1985."""
    return (
        tau**3 * (10.0 - 15.0 * tau + 6.0 * tau**2),
        30.0 * tau**2 * (1.0 - tau) ** 2,
        60.0 * tau - 180.0 * tau**2 + 120.0 * tau**3,
    )


def _half_sine(tau: Floats) -> tuple[Floats, Floats, Floats]:
    """The velocity is half a sine: the hand pulls at once, and stops at once."""
    w = np.pi
    return 0.5 - 0.5 * np.cos(w * tau), 0.5 * w * np.sin(w * tau), 0.5 * w**2 * np.cos(w * tau)


def _trapezoid(ramp: float) -> Curve:
    """A constant speed between two ramps, each half a period of a raised cosine long."""
    top = 1.0 / (1.0 - ramp)
    w = np.pi / ramp

    def rising(tau: Floats) -> tuple[Floats, Floats, Floats]:
        return (
            0.5 * top * (tau - np.sin(w * tau) / w),
            0.5 * top * (1.0 - np.cos(w * tau)),
            0.5 * top * w * np.sin(w * tau),
        )

    def curve(tau: Floats) -> tuple[Floats, Floats, Floats]:
        s0, v0, a0 = rising(np.minimum(tau, ramp))
        s1, v1, a1 = rising(np.minimum(1.0 - tau, ramp))
        first, last = tau < ramp, tau > 1.0 - ramp
        s = np.where(first, s0, np.where(last, 1.0 - s1, top * (tau - 0.5 * ramp)))
        v = np.where(first, v0, np.where(last, v1, top))
        return s, v, np.where(first, a0, np.where(last, -a1, 0.0))

    return curve


def _early_peak(tau: Floats) -> tuple[Floats, Floats, Floats]:
    """The velocity is tau^2 (1 - tau)^3, highest after 0.4 of the time: a stroke that runs out."""
    left = 1.0 - tau
    return (
        tau**3 * (20.0 - 45.0 * tau + 36.0 * tau**2 - 10.0 * tau**3),
        60.0 * tau**2 * left**3,
        60.0 * tau * left**2 * (2.0 - 5.0 * tau),
    )


def _late_peak(tau: Floats) -> tuple[Floats, Floats, Floats]:
    """The early peak, played backwards: a stroke that is thrown at its end."""
    s, v, a = _early_peak(1.0 - tau)
    return 1.0 - s, v, -a


def _sticking(tau: Floats) -> tuple[Floats, Floats, Floats]:
    """Two peaks of velocity with a point between them where the lift almost stops."""
    w = 2.0 * np.pi
    (a, b) = STICKING
    return (
        tau + a * np.sin(w * tau) / w + b * np.sin(2.0 * w * tau) / (2.0 * w),
        1.0 + a * np.cos(w * tau) + b * np.cos(2.0 * w * tau),
        -w * a * np.sin(w * tau) - 2.0 * w * b * np.sin(2.0 * w * tau),
    )


CURVES: Final[dict[Profile, Curve]] = {
    "minimum_jerk": _minimum_jerk,
    "half_sine": _half_sine,
    "trapezoid": _trapezoid(RAMP),
    "isokinetic": _trapezoid(STIFF_RAMP),
    "early_peak": _early_peak,
    "late_peak": _late_peak,
    "sticking": _sticking,
}


def share_done(profile: Profile, tau: float) -> float:
    """The share of the way that is done at a share of the time."""
    return float(CURVES[profile](np.array([tau]))[0][0])


@lru_cache(maxsize=4096)
def time_to(profile: Profile, share: float) -> float:
    """The share of the time after which a share of the way is done."""
    low, high = 0.0, 1.0
    for _ in range(60):
        middle = 0.5 * (low + high)
        if share_done(profile, middle) < share:
            low = middle
        else:
            high = middle
    return low

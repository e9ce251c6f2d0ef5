"""What a side's health says of its sensors, from signals whose truth is known."""

from __future__ import annotations

import pytest

from controller.core.settings import CoreSettings, Identity
from controller.core.station import Station

HZ = 100


def station() -> Station:
    identity = Identity(recording="r", session="s", first_seq=1, first_set=1, unix_anchor=0.0)
    return Station(CoreSettings(station="one"), identity)


def at_rest(played: Station, *, seconds: float, position: float, force: float, begin: float = 0.0) -> float:
    """A cable that hangs still; returns when it ends."""
    for k in range(round(seconds * HZ)):
        played.feed(begin + k / HZ, left_position=position, left_force=force + 0.1 * (k % 2))
    return begin + seconds


def test_before_a_rest_the_drift_of_the_zero_is_unknown_and_then_it_is_what_the_cell_shows() -> None:
    played = station()
    played.feed(0.0, left_position=0.0, left_force=7.0)
    view = played.view("left")
    assert view is not None
    assert view.zero_drift is None
    at_rest(played, seconds=8.0, position=0.0, force=7.0, begin=0.01)
    view = played.view("left")
    assert view is not None
    assert view.zero_drift == pytest.approx(7.05, abs=0.1)


def test_a_step_that_no_motion_makes_is_counted_as_a_slip() -> None:
    played = station()
    end = at_rest(played, seconds=4.0, position=0.0, force=1.0)
    view = played.view("left")
    assert view is not None
    assert view.slips == 0
    end = at_rest(played, seconds=4.0, position=0.03, force=1.0, begin=end)
    at_rest(played, seconds=4.0, position=0.03, force=1.0, begin=end)
    view = played.view("left")
    assert view is not None
    assert view.slips == 1


def test_a_side_without_an_encoder_has_no_slips_and_one_without_a_cell_no_zero() -> None:
    played = station()
    played.feed(0.0, left_force=1.0, right_position=0.0)
    left, right = played.view("left"), played.view("right")
    assert left is not None
    assert right is not None
    assert (left.slips, right.zero_drift) == (None, None)

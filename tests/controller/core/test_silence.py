"""Which side is silent since when, and for how long the set's gap stands still."""

from __future__ import annotations

from controller.core.silence import Silence


def test_a_side_from_which_nothing_ever_came_is_not_silent() -> None:
    silence = Silence()
    silence.goes_on(0.0, 100.0)
    assert silence.since("left", 100.0) is None
    assert (silence.lasts, silence.frozen) == (0.0, 0.0)


def test_a_silence_is_said_to_begin_and_to_end_once() -> None:
    silence = Silence()
    assert not silence.ends("left", 1.0)
    assert silence.begins("left")
    assert not silence.begins("left")
    assert silence.begins("right")
    assert silence.ends("left", 5.0)
    assert not silence.ends("left", 5.1)
    assert silence.begins("left")


def test_a_side_is_silent_since_its_own_last_sample() -> None:
    silence = Silence()
    silence.ends("left", 1.0)
    silence.ends("right", 4.0)
    assert silence.since("left", 4.5) == 3.5
    assert silence.since("right", 4.5) == 0.5


def test_the_gap_stands_still_while_any_side_is_silent_for_more_than_a_second() -> None:
    silence = Silence()
    silence.ends("left", 1.0)
    silence.ends("right", 1.0)
    silence.goes_on(1.0, 2.0)
    assert (silence.lasts, silence.frozen) == (0.0, 0.0)
    silence.ends("right", 2.0)
    silence.goes_on(2.0, 2.5)
    assert (silence.lasts, silence.frozen) == (1.5, 0.5)
    silence.goes_on(2.5, 4.5)
    assert (silence.lasts, silence.frozen) == (3.5, 2.5)
    silence.ends("left", 4.5)
    silence.ends("right", 4.5)
    silence.goes_on(4.5, 5.0)
    assert (silence.lasts, silence.frozen) == (0.0, 2.5)

"""Shapes, pairs, sets, comparisons: what belongs together, and what has no index."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from controller.core.settings import CoreSettings, Exercise, Identity
from controller.core.station import Station
from protocols.events import AnyEvent, Comparison, Fault, Pair
from tests.controller.core.signals import Signal, Stroke, minimum_jerk, play, sets, side, standing

SLOW = Stroke(out=1.0, hold=0.2, back=1.4, rest=0.4)
CYCLE = 3.0  # s of one SLOW stroke


def merged(first: Signal, second: Signal) -> Signal:
    """One side doing one signal and then, on the same grid, the other."""
    return Signal(first.t, first.x + second.x, first.f + second.f, first.truth + second.truth)


def together(*, ratio: float = 1.0, lag: float = 0.0, count: int = 6, missing: int | None = None) -> list[AnyEvent]:
    left = side([SLOW] * count, load=300.0, tail=12.0)
    strokes = [SLOW] * count
    if missing is not None:
        strokes[missing] = Stroke(rom=0.02, out=1.0, hold=0.2, back=1.4, rest=0.4)
    right = side(strokes, load=300.0 * ratio, mass=30.0 * ratio, start=2.0 + lag, tail=12.0 - lag)
    return play(left=left, right=right)


def test_both_cables_at_once_are_together_and_paired_by_time() -> None:
    events = together(ratio=0.85, lag=0.12)
    summary = sets(events)[0]
    assert (summary.shape, summary.left_reps, summary.right_reps) == ("together", 6, 6)
    pairs = [event for event in events if isinstance(event, Pair)]
    assert len(pairs) == 6
    for pair in pairs:
        assert pair.asymmetry_mean_force_pct == pytest.approx(-15.0, abs=0.5)
        assert pair.lag_ms == pytest.approx(120.0, abs=10.0)
    assert summary.asymmetry_pct == pytest.approx(-15.0, abs=0.5)
    assert summary.verdict == "supported"
    assert summary.verdict_reason is not None
    assert "left" in summary.verdict_reason


def test_a_missed_rep_on_one_side_does_not_shift_the_pairs_that_follow() -> None:
    events = together(missing=2)
    summary = sets(events)[0]
    assert (summary.shape, summary.left_reps, summary.right_reps) == ("together", 6, 5)
    for pair in (event for event in events if isinstance(event, Pair)):
        assert pair.lag_ms == pytest.approx(0.0, abs=5.0)
    assert summary.pairs == 5


def test_side_by_side_is_alternating_and_paired_by_neighbour() -> None:
    apart = Stroke(out=1.0, hold=0.2, back=1.4, rest=3.4)
    events = play(left=side([apart] * 5, tail=12.0), right=side([apart] * 5, start=5.0, tail=9.0, load=270.0))
    summary = sets(events)[0]
    assert (summary.shape, summary.left_reps, summary.right_reps, summary.pairs) == ("alternating", 5, 5, 5)
    assert summary.asymmetry_pct is not None
    assert summary.asymmetry_pct < -5.0
    assert all(pair.lag_ms is None for pair in events if isinstance(pair, Pair))


def test_one_side_after_the_other_without_a_rest_is_sequential() -> None:
    events = play(left=side([SLOW] * 4, tail=25.0), right=side([SLOW] * 4, start=2.0 + 4 * CYCLE + 3.0, tail=10.0))
    assert [(s.shape, s.left_reps, s.right_reps, s.pairs) for s in sets(events)] == [("sequential", 4, 4, 4)]


@pytest.mark.parametrize("only", ["left", "right"])
def test_a_single_side_set_has_no_index_even_if_the_idle_side_moves_a_little(only: str) -> None:
    busy = side([SLOW] * 6, tail=12.0)
    idle = side([Stroke(rom=0.05, out=1.0, hold=0.2, back=1.4, rest=0.4)] * 6, load=80.0, tail=12.0)
    events = play(left=busy, right=idle) if only == "left" else play(left=idle, right=busy)
    summary = sets(events)[0]
    assert summary.shape == f"{only}_only"
    assert summary.asymmetry_pct is None
    assert summary.verdict is None
    assert summary.reasons == "asymmetry_pct=unilateral"
    assert not [event for event in events if isinstance(event, Pair)]


def test_two_single_side_sets_with_a_rest_between_are_compared() -> None:
    rest = 25.0
    left = side([SLOW] * 5, tail=60.0)
    right = side([SLOW] * 5, start=2.0 + 5 * CYCLE + rest, tail=60.0 - rest - 5 * CYCLE, load=240.0, mass=24.0)
    events = play(left=left, right=right, load_kg=30.0)
    assert [s.shape for s in sets(events)] == ["left_only", "right_only"]
    comparison = next(event for event in events if isinstance(event, Comparison))
    assert (comparison.left_set, comparison.right_set, comparison.pairs) == (1, 2, 5)
    assert comparison.asymmetry_pct == pytest.approx(-20.0, abs=1.0)


def test_sets_apart_by_more_than_the_side_gap_are_not_compared() -> None:
    left = side([SLOW] * 3, tail=60.0)
    right = side([SLOW] * 3, start=40.0, tail=20.0)
    events = play(left=left, right=right, exercise=Exercise(side_gap_s=10.0))
    assert not [event for event in events if isinstance(event, Comparison)]


def test_a_rest_under_the_set_gap_keeps_one_set_and_a_longer_one_makes_two() -> None:
    near = side([SLOW, Stroke(out=1.0, hold=0.2, back=1.4, rest=7.0), SLOW], tail=12.0)
    far = side([SLOW, Stroke(out=1.0, hold=0.2, back=1.4, rest=9.0), SLOW], tail=12.0)
    assert [s.left_reps for s in sets(play(left=near))] == [3]
    assert [s.left_reps for s in sets(play(left=far))] == [2, 1]


def test_fewer_than_three_pairs_have_a_mean_but_no_interval_and_no_verdict() -> None:
    summary = sets(together(ratio=0.8, count=2))[0]
    assert summary.asymmetry_pct == pytest.approx(-20.0, abs=1.0)
    assert (summary.asymmetry_low_pct, summary.asymmetry_high_pct, summary.verdict) == (None, None, None)
    assert summary.verdict_reason == "fewer_than_3_pairs"


def handled(at: float, seconds: float, *, rest: float) -> Signal:
    """Two sets of three reps with a rest between, in which the handle is put down and taken up once."""
    signal = side([SLOW] * 2 + [Stroke(out=1.0, hold=0.2, back=1.4, rest=rest)] + [SLOW] * 3, tail=12.0)
    begin = signal.truth[2].t_end + at
    signal.x += 0.08 * (minimum_jerk((signal.t - begin) / 0.6) - minimum_jerk((signal.t - begin - seconds) / 0.6))
    return signal


@pytest.mark.parametrize(("at", "seconds"), [(0.8, 1.0), (6.5, 2.5), (3.0, 5.5)])
def test_handling_in_the_rest_does_not_join_two_sets(at: float, seconds: float) -> None:
    events = play(left=handled(at, seconds, rest=10.0))
    assert [summary.left_reps for summary in sets(events)] == [3, 3]
    assert [rep.set for rep in standing(events)] == [1, 1, 1, 2, 2, 2]


@pytest.mark.parametrize("share", [0.2, 0.3])
@pytest.mark.parametrize("channels", ["both", "position"])
def test_a_trunk_that_turns_with_every_rep_is_no_second_side(share: float, channels: str) -> None:
    busy = side([SLOW] * 5, tail=12.0)
    idle = side([Stroke(rom=0.6 * share, out=1.0, hold=0.2, back=1.4, rest=0.4)] * 5, load=80.0, tail=12.0)
    events = play(left=busy, right=idle, force=channels == "both")
    summary = sets(events)[0]
    assert (summary.shape, summary.left_reps, summary.asymmetry_pct) == ("left_only", 5, None)
    assert {rep.side for rep in standing(events)} == {"left"}


def fed(signal: Signal, *, silent: tuple[float, float], ticks: bool) -> list[AnyEvent]:
    station = Station(CoreSettings(), Identity(recording="test", session="test"))
    tick = 0.0
    for t, x, f in zip(signal.t.tolist(), signal.x.tolist(), signal.f.tolist(), strict=True):
        while ticks and tick <= t:
            station.advance(tick)
            tick += 1.0
        if not silent[0] <= t <= silent[1]:
            station.feed(t, left_position=x, left_force=f)
    station.finish()
    return station.drain()


@pytest.mark.parametrize("ticks", [True, False])
def test_silence_freezes_the_set_gap_and_the_set_goes_on(ticks: bool) -> None:  # noqa: FBT001 - a parameter
    signal = side([SLOW] * 4 + [Stroke(out=1.0, hold=0.2, back=1.4, rest=30.0)] + [SLOW] * 3, tail=12.0)
    quiet = (signal.truth[4].t_end + 1.0, signal.truth[4].t_end + 27.0)
    events = fed(signal, silent=quiet, ticks=ticks)
    assert [s.left_reps for s in sets(events)] == [8]
    faults = [(event.name, event.raised) for event in events if isinstance(event, Fault)]
    assert faults == ([("no_samples", True), ("no_samples", False)] if ticks else [])


def test_a_minute_of_silence_closes_the_set_as_interrupted() -> None:
    signal = side([SLOW] * 4, tail=80.0)
    quiet = (signal.truth[-1].t_end + 1.0, signal.t[-1] - 2.0)
    summary = sets(fed(signal, silent=quiet, ticks=True))[0]
    assert "interrupted" in summary.flags
    assert summary.left_reps == 4


def test_a_gap_in_a_rep_is_flagged_and_nothing_is_derived_across_it() -> None:
    signal = side([SLOW] * 3, tail=12.0)
    middle = signal.truth[1].t_start + 0.4
    reps = standing(fed(signal, silent=(middle, middle + 0.2), ticks=False))
    assert len(reps) == 3
    assert "gap" in reps[1].flags
    assert reps[1].mean_force_n is None
    assert "mean_force_n=gap" in reps[1].reasons
    assert reps[2].mean_force_n is not None


def test_a_saturated_cell_gives_no_force_and_no_index() -> None:
    left, right = (side([SLOW] * 4, tail=12.0, force_noise=1.0) for _ in range(2))
    left.f = left.f.clip(max=385.0)
    events = play(left=left, right=right)
    for rep in standing(events):
        assert ("saturated" in rep.flags) == (rep.side == "left")
        assert (rep.peak_force_n is None) == (rep.side == "left")
    summary = sets(events)[0]
    assert summary.asymmetry_pct is None
    assert summary.reasons == "asymmetry_pct=saturated"


@settings(max_examples=10, deadline=None)
@given(data=st.data())
def test_feeding_channels_of_an_instant_one_by_one_changes_no_event(data: st.DataObject) -> None:
    signal = side([SLOW] * 2, hz=50.0, tail=9.0)
    cuts = data.draw(st.lists(st.booleans(), min_size=len(signal.t), max_size=len(signal.t)))
    whole = Station(CoreSettings(), Identity(recording="test", session="test"))
    parts = Station(CoreSettings(), Identity(recording="test", session="test"))
    for cut, t, x, f in zip(cuts, signal.t.tolist(), signal.x.tolist(), signal.f.tolist(), strict=True):
        whole.feed(t, left_position=x, left_force=f, right_position=x, right_force=f)
        if cut:
            parts.feed(t, left_position=x, left_force=f)
            parts.feed(t, right_position=x, right_force=f)
        else:
            parts.feed(t, left_position=x, left_force=f, right_position=x, right_force=f)
    whole.finish()
    parts.finish()
    assert whole.drain() == parts.drain()


def test_every_event_has_its_number_and_time_never_runs_back() -> None:
    events = together()
    assert [event.seq for event in events] == list(range(1, len(events) + 1))
    stamps = [event.ts for event in events]
    assert stamps == sorted(stamps)
    assert len({event.id for event in events}) == len(events)
    assert isinstance(sets(events)[0].t_end, float)

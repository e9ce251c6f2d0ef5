"""What is a rep and what is none."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from controller.core.settings import Exercise
from protocols.events import Rep
from tests.controller.core.signals import Floats, Signal, Stroke, minimum_jerk, play, sets, side, standing

RATES = [20.0, 50.0, 80.0, 200.0, 1000.0]


def level(signal: Signal, *, start: float, seconds: float, to: float, back: float | None = None) -> None:
    """Let the cable go by `to` m from `start` on within `seconds`, and, if asked, home again within `back` s."""
    x = to * minimum_jerk((signal.t - start) / seconds)
    if back is not None:
        x = x - to * minimum_jerk((signal.t - start - seconds) / back)
    signal.x += x


def pulled(signal: Signal, start: float, end: float, newton: float) -> None:
    """Put a constant tension on the cable for a while."""
    signal.f += np.where((signal.t >= start) & (signal.t <= end), newton, 0.0)


@pytest.mark.parametrize("hz", RATES)
@pytest.mark.parametrize("channels", ["both", "position"])
def test_every_rep_is_counted_and_no_other(hz: float, channels: str) -> None:
    signal = side([Stroke() for _ in range(10)], hz=hz, position_noise=0.0003, force_noise=2.0)
    assert len(standing(play(left=signal, force=channels == "both"))) == 10


@pytest.mark.parametrize("hz", RATES)
def test_force_alone_gives_efforts_with_their_hold_time(hz: float) -> None:
    signal = side([Stroke(out=0.5, hold=2.0, back=0.5, rest=1.5) for _ in range(6)], hz=hz, force_noise=2.0, mass=0.0)
    reps = standing(play(left=signal, position=False))
    assert len(reps) == 6
    for rep in reps:
        assert rep.rom_m is None
        assert rep.hold_s == pytest.approx(3.0, abs=0.15)
        assert "rom_m=no_position" in rep.reasons


@settings(max_examples=15, deadline=None)
@given(
    seed=st.integers(0, 1000),
    count=st.integers(1, 6),
    rom=st.floats(0.25, 1.0),
    out=st.floats(0.5, 3.0),
    back=st.floats(0.6, 4.0),
    hold=st.sampled_from([0.0, 0.3, 2.0]),
    rest=st.sampled_from([0.0, 0.4, 3.0]),
)
def test_any_tempo_is_counted_exactly(
    seed: int, count: int, rom: float, out: float, back: float, hold: float, rest: float
) -> None:
    strokes = [Stroke(rom=rom, out=out, back=back, hold=hold, rest=rest) for _ in range(count)]
    signal = side(strokes, hz=80.0, position_noise=0.0003, force_noise=2.0, seed=seed)
    assert len(standing(play(right=signal))) == count


def test_the_last_rep_is_final_without_a_next_one() -> None:
    signal = side([Stroke(), Stroke(rest=0.0)], tail=1.0)
    events = play(left=signal)
    last = [event for event in events if isinstance(event, Rep) and event.status == "final"][-1]
    assert last.rep == 2
    assert last.ts / 1000.0 < signal.truth[-1].t_end + 0.4


def test_a_pause_in_mid_stroke_makes_no_second_rep() -> None:
    signal = side([], tail=20.0)
    level(signal, start=2.0, seconds=0.8, to=0.3)
    level(signal, start=3.8, seconds=0.8, to=0.3)
    level(signal, start=5.0, seconds=1.5, to=-0.6)
    pulled(signal, 2.0, 6.5, 200.0)
    reps = standing(play(left=signal))
    assert len(reps) == 1
    assert reps[0].rom_m == pytest.approx(0.6, rel=0.01)


@pytest.mark.parametrize("channels", ["both", "position"])
@pytest.mark.parametrize("out", [0.3, 0.55, 0.8])
def test_reps_far_out_after_a_walk_count_by_their_own_range(out: float, channels: str) -> None:
    signal = side([Stroke(rom=0.3) for _ in range(5)], start=8.0)
    level(signal, start=2.0, seconds=1.5, to=out)
    pulled(signal, 1.5, 30.0, 300.0)
    events = play(left=signal, force=channels == "both")
    assert [rep.rom_m for rep in standing(events)] == [pytest.approx(0.3, rel=0.01)] * 5
    assert sets(events)[0].left_partial_reps == 0


def test_a_wiggle_before_the_set_is_no_part_of_the_first_rep() -> None:
    signal = side([Stroke(rom=0.5, out=0.7) for _ in range(3)], start=8.0)
    level(signal, start=2.0, seconds=1.5, to=0.3)
    level(signal, start=3.6, seconds=0.5, to=-0.02)
    level(signal, start=4.3, seconds=0.6, to=0.02)
    pulled(signal, 1.5, 30.0, 300.0)
    reps = standing(play(left=signal))
    assert [rep.t_start for rep in reps] == [pytest.approx(truth.t_start, abs=0.01) for truth in signal.truth]


@pytest.mark.parametrize("short", [0.25, 0.33])
def test_a_return_that_stops_short_of_the_start_is_final_soon(short: float) -> None:
    signal = side([Stroke(rest=2.0)], tail=4.0)
    rises = signal.t > signal.truth[0].t_lower
    signal.x = np.where(rises, np.maximum(signal.x, 0.6 * short), signal.x)
    final = next(e for e in play(left=signal) if isinstance(e, Rep) and e.status == "final")
    assert final.latency_ms is not None
    assert final.latency_ms <= 400.0


@pytest.mark.parametrize("hz", [20.0, 100.0, 1000.0])
def test_a_walk_out_under_load_is_no_part_of_the_first_rep_at_any_rate(hz: float) -> None:
    signal = side([Stroke(rom=0.5, out=1.6) for _ in range(4)], hz=hz, start=8.0)
    level(signal, start=2.0, seconds=1.6, to=0.3)
    pulled(signal, 1.5, 8.0, 300.0)
    events = play(left=signal)
    reps = standing(events)
    assert [rep.rom_m for rep in reps] == [pytest.approx(0.5, rel=0.01)] * 4
    announced = [event.rep for event in events if isinstance(event, Rep) and event.status == "provisional"]
    assert set(announced) == {1, 2, 3, 4}


def test_taking_the_handle_up_is_not_part_of_the_first_rep() -> None:
    signal = side([Stroke(rom=0.5) for _ in range(5)], start=6.0)
    level(signal, start=2.0, seconds=1.0, to=0.3)
    pulled(signal, 2.0, 6.0, 100.0)
    reps = standing(play(left=signal))
    assert len(reps) == 5
    assert [rep.rom_m for rep in reps] == [pytest.approx(0.5, rel=0.02)] * 5


def test_a_walk_out_that_never_comes_back_is_retracted() -> None:
    signal = side([], tail=20.0)
    level(signal, start=2.0, seconds=1.0, to=0.5)
    pulled(signal, 2.0, 20.0, 200.0)
    events = play(left=signal)
    assert standing(events) == []
    states = [event.status for event in events if isinstance(event, Rep)]
    assert states == ["provisional", "retracted"]


def test_an_unloaded_stroke_is_no_rep_where_there_is_a_load_cell() -> None:
    signal = side([], tail=20.0)
    level(signal, start=2.0, seconds=1.0, to=0.5, back=1.0)
    pulled(signal, 2.0, 4.0, 6.0)
    assert not [event for event in play(left=signal) if isinstance(event, Rep)]


def test_a_stroke_under_far_less_load_than_the_sets_is_no_rep() -> None:
    signal = side([Stroke() for _ in range(4)], load=400.0)
    level(signal, start=18.0, seconds=1.0, to=0.5, back=1.0)
    pulled(signal, 18.0, 20.0, 40.0)
    assert len(standing(play(left=signal))) == 4


def fall(signal: Signal, *, start: float, height: float) -> Floats:
    """A handle that is gone at `start`: the stack falls home with two thirds of g, and bounces once."""
    since = signal.t - start
    down = np.maximum(height - 0.5 * 6.5 * since**2, 0.0)
    landed = np.sqrt(2.0 * height / 6.5)
    bounce = np.maximum(1.2 * (since - landed) - 0.5 * 6.5 * (since - landed) ** 2, 0.0)
    return np.where(since < 0.0, 0.0, np.where(since < landed, down, bounce))


@pytest.mark.parametrize("channels", ["both", "position"])
@pytest.mark.parametrize("share", [0.3, 0.6])
def test_a_handle_let_go_after_a_slow_beginning_of_the_way_back_is_seen(share: float, channels: str) -> None:
    signal = side([Stroke(back=2.0) for _ in range(3)], tail=10.0)
    begin = signal.truth[-1].t_end + 1.5
    going = (signal.t >= begin) & (signal.t < begin + 1.5 + 2.0 * share)
    high = 0.6 * (1.0 - float(minimum_jerk(np.array([share]))[0]))
    out, back = (signal.t - begin) / 1.0, (signal.t - begin - 1.5) / 2.0
    signal.x += np.where(going, 0.6 * (minimum_jerk(out) - minimum_jerk(back)), 0.0)
    signal.x += fall(signal, start=begin + 1.5 + 2.0 * share, height=high)
    pulled(signal, begin, begin + 1.5 + 2.0 * share, 300.0)
    reps = standing(play(left=signal, force=channels == "both"))
    assert len(reps) == 4
    if high > 0.15 and (channels == "both" or high > 0.3):  # from lower down a fall is no faster than a lowering
        assert "let_go" in reps[-1].flags
    assert [rep for rep in reps[:-1] if "let_go" in rep.flags] == []


@pytest.mark.parametrize(("channels", "after"), [("both", 0.5), ("position", 0.5), ("both", 0.77)])
def test_a_handle_dropped_before_its_top_is_no_rep(channels: str, after: float) -> None:
    signal = side([Stroke() for _ in range(3)], tail=10.0)
    begin = signal.truth[-1].t_end + 1.5
    going = (signal.t >= begin) & (signal.t < begin + after)
    signal.x += np.where(going, 0.6 * minimum_jerk((signal.t - begin) / 1.0), 0.0)
    signal.x += fall(signal, start=begin + after, height=0.6 * float(minimum_jerk(np.array([after]))[0]))
    pulled(signal, begin, begin + after, 300.0)
    assert len(standing(play(left=signal, force=channels == "both"))) == 3


def test_a_handle_let_go_on_the_way_back_counts_without_eccentric_values_and_without_its_bounce() -> None:
    signal = side([Stroke() for _ in range(3)], tail=10.0)
    begin = signal.truth[-1].t_end + 1.5
    signal.x += np.where((signal.t >= begin) & (signal.t < begin + 1.2), 0.6 * minimum_jerk(signal.t - begin), 0.0)
    signal.x += fall(signal, start=begin + 1.2, height=0.6)
    pulled(signal, begin, begin + 1.2, 300.0)
    reps = standing(play(left=signal))
    assert len(reps) == 4
    assert "let_go" in reps[-1].flags
    assert reps[-1].eccentric_mean_velocity_m_per_s is None


def test_a_partial_rep_is_counted_and_marked() -> None:
    signal = side([Stroke(), Stroke(), Stroke(), Stroke(rom=0.3), Stroke()])
    events = play(left=signal)
    assert [rep.partial for rep in standing(events)] == [False, False, False, True, False]
    assert sets(events)[0].left_partial_reps == 1
    assert sets(events)[0].left_reps == 5


def test_short_strokes_before_the_first_rep_are_retracted_as_handling() -> None:
    signal = side([Stroke(rom=0.15, out=0.6, back=0.6), *[Stroke() for _ in range(4)]])
    events = play(left=signal, force=False)
    reps = standing(events)
    assert [rep.rep for rep in reps] == [1, 2, 3, 4]
    assert all(rep.rom_m is not None and rep.rom_m > 0.5 for rep in reps)


@pytest.mark.parametrize("channels", ["both", "position"])
@pytest.mark.parametrize("share", [0.4, 0.55])
def test_a_partial_first_rep_in_the_rhythm_of_the_set_counts(channels: str, share: float) -> None:
    signal = side([Stroke(rom=0.6 * share, out=0.7, back=1.0), *[Stroke() for _ in range(5)]])
    events = play(left=signal, force=channels == "both")
    assert len(standing(events)) == 6
    assert (sets(events)[0].left_reps, sets(events)[0].left_partial_reps) == (6, 1)


@pytest.mark.parametrize("count", [2, 6])
def test_a_repositioning_well_before_the_set_is_no_rep_though_it_goes_far(count: int) -> None:
    signal = side([Stroke(rom=0.42, rest=2.5), *[Stroke() for _ in range(count)]])
    assert len(standing(play(left=signal, force=False))) == count


@pytest.mark.parametrize(
    ("rom", "out", "rest"),
    [
        (0.38, 1.5, 0.8),  # in their rhythm, but slower
        (0.42, 0.4, 0.8),  # in their rhythm, but faster
        (0.78, 1.2, 2.5),  # farther, and out of it
    ],
)
def test_a_stroke_from_home_to_elsewhere_is_no_first_rep(rom: float, out: float, rest: float) -> None:
    signal = side([Stroke(rom=rom, out=out, rest=rest), *[Stroke(rest=0.8) for _ in range(5)]])
    assert len(standing(play(left=signal, force=False))) == 5


@pytest.mark.parametrize("first", [Stroke(out=2.5, rest=0.8), Stroke(rom=0.45, out=0.8, rest=0.8)])
def test_a_first_rep_that_is_slower_or_shorter_than_the_others_counts(first: Stroke) -> None:
    signal = side([first, *[Stroke(rest=0.8) for _ in range(5)]])
    assert len(standing(play(left=signal, force=False))) == 6


def test_both_handles_moved_at_once_before_an_alternating_set_make_no_rep_of_either() -> None:
    slow = [Stroke(out=2.0, back=2.0, rest=4.9) for _ in range(5)]
    left, right = (side([Stroke(rom=0.4, out=0.9, back=0.9, rest=rest), *slow]) for rest in (2.0, 5.5))
    events = play(left=left, right=right, force=False)  # the right one happens to be in the rhythm of the set
    assert [each.shape for each in sets(events)] == ["alternating"]
    assert (sets(events)[0].left_reps, sets(events)[0].right_reps) == (5, 5)


@pytest.mark.parametrize(("rom", "rest"), [(0.35, 4.0), (0.2, 0.6)])
def test_a_stroke_at_home_before_a_walk_out_is_no_rep_though_it_goes_as_far_as_they_do(rom: float, rest: float) -> None:
    signal = side([Stroke(rom=rom, rest=rest), *[Stroke(rom=0.3) for _ in range(5)]])
    level(signal, start=signal.truth[0].t_end + 0.1, seconds=0.5 * rest, to=0.4)
    events = play(left=signal, force=False)
    assert [rep.rom_m for rep in standing(events)] == [pytest.approx(0.3, rel=0.01)] * 5


def test_a_first_rep_before_a_longer_rest_counts_where_it_is_as_the_others_are() -> None:
    signal = side([Stroke(rest=4.0), *[Stroke() for _ in range(4)]])
    assert len(standing(play(left=signal, force=False))) == 5


def test_a_stroke_before_the_set_under_a_fraction_of_its_load_is_no_rep_however_far_it_goes() -> None:
    signal = side([Stroke(), *[Stroke() for _ in range(4)]])
    signal.f = np.where(signal.t < signal.truth[0].t_end + 0.1, 0.15 * signal.f, signal.f)
    assert len(standing(play(left=signal))) == 4


def test_a_handle_dropped_in_the_first_stroke_is_taken_back_once_the_reps_show_what_is_usual() -> None:
    signal = side([Stroke() for _ in range(4)], start=5.0)
    going = (signal.t >= 2.0) & (signal.t < 2.5)
    signal.x += np.where(going, 0.6 * minimum_jerk(signal.t - 2.0), 0.0) + fall(signal, start=2.5, height=0.3)
    assert len(standing(play(left=signal, force=False))) == 4


def test_a_bump_does_not_make_fast_reps_without_a_cell_look_dropped() -> None:
    """Its way back is slower at its fastest than theirs, which go at an even speed; they take the slack up first."""
    knots = [(0.0, 0.0), (2.0, 0.0), (2.3, 0.12), (2.6, 0.0), (4.5, 0.0), (5.1, 0.12)]
    for k in range(5):
        begin = 6.0 + 3.5 * k
        knots += [(begin, 0.12), (begin + 0.8, 0.72), (begin + 1.3, 0.72), (begin + 1.85, 0.12)]
    t = np.arange(3500) / 100.0
    x = np.interp(t, [at for at, _ in knots], [level for _, level in knots])
    x[4:-3] = np.convolve(x, np.ones(8) / 8.0, mode="valid")
    reps = standing(play(left=Signal(t, x, np.zeros_like(t)), force=False))
    assert [rep.rom_m for rep in reps] == [pytest.approx(0.6, rel=0.01)] * 5
    assert [rep.flags for rep in reps if "let_go" in rep.flags] == []


def test_strokes_taken_for_falls_without_a_cell_are_reps_once_three_in_a_row_are_alike() -> None:
    signal = side([Stroke(rom=0.8, back=1.6), *[Stroke(hold=0.0, back=0.65) for _ in range(5)]])
    assert len(standing(play(left=signal, force=False))) == 6
    signal = side([Stroke(rom=0.8, back=1.6), Stroke(rom=0.8, back=1.6), *[Stroke(back=0.65) for _ in range(2)]])
    assert len(standing(play(left=signal, force=False))) == 2


def test_a_first_rep_on_an_elastic_band_that_is_half_as_long_and_half_as_hard_counts() -> None:
    signal = side([Stroke(rom=0.33, out=0.8, back=1.0), *[Stroke() for _ in range(5)]])
    signal.f = 20.0 + 400.0 * signal.x
    assert len(standing(play(left=signal))) == 6


def test_strokes_that_grow_without_a_rest_between_them_all_count() -> None:
    signal = side([Stroke(rom=rom, rest=0.0, hold=0.0) for rom in (0.40, 0.60, 0.62, 0.61)])
    assert len(standing(play(left=signal, force=False))) == 4


def test_a_snatch_at_the_handle_on_its_way_up_is_no_first_rep() -> None:
    signal = side([Stroke() for _ in range(5)], start=6.0)
    level(signal, start=2.0, seconds=0.9, to=0.19)
    level(signal, start=3.2, seconds=0.3, to=-0.07)
    pulled(signal, 3.0, 6.0, 250.0)
    assert len(standing(play(left=signal))) == 5


def test_a_squat_counts_its_way_up_and_reports_the_way_down_before_it() -> None:
    signal = side([Stroke(out=1.0, back=2.0, hold=1.0, rest=0.0) for _ in range(5)], start=2.0)
    signal.x = 0.6 - signal.x[::-1]
    signal.f = signal.f[::-1].copy()
    reps = standing(play(left=signal, force=False, exercise=Exercise(starts_with="eccentric")))
    assert len(reps) == 5
    for rep in reps:
        assert rep.t_end == rep.t_top
        assert rep.eccentric_s is not None
        assert rep.concentric_s is not None
        assert rep.concentric_s == pytest.approx(1.0, abs=0.15)


def test_noise_at_rest_and_a_standing_load_give_nothing() -> None:
    signal = side([], tail=30.0, position_noise=0.002, force_noise=5.0)
    signal.f += 400.0
    assert not [event for event in play(left=signal) if isinstance(event, Rep)]
    assert not [event for event in play(left=signal, position=False) if isinstance(event, Rep)]


def test_a_single_spike_on_either_channel_changes_no_count() -> None:
    signal = side([Stroke() for _ in range(4)])
    signal.x[450] += 2.0
    signal.f[520] -= 900.0
    signal.x[60] -= 1.0
    assert len(standing(play(left=signal))) == 4


def squat(*, pause: float | None = None, noise: float = 0.0) -> Signal:
    """Five squats from 0.6 m down to 0 and up again; the third way up stands at 0.27 m for `pause` s."""
    signal = side([], tail=40.0, position_noise=noise)
    signal.x += 0.6
    at = 2.0
    for number in range(5):
        level(signal, start=at, seconds=1.5, to=-0.6)
        if number == 2 and pause is not None:
            level(signal, start=at + 1.8, seconds=0.6, to=0.27)
            at += 0.6 + pause
            level(signal, start=at + 1.8, seconds=0.7, to=0.33)
        else:
            level(signal, start=at + 1.8, seconds=1.0, to=0.6)
        at += 4.0
    return signal


@pytest.mark.parametrize("noise", [0.0, 0.0005])
def test_a_squat_is_final_as_soon_as_its_top_is_known(noise: float) -> None:
    signal = squat(noise=noise)
    events = play(left=signal, force=False, exercise=Exercise(starts_with="eccentric"))
    finals = [event for event in events if isinstance(event, Rep) and event.status == "final"]
    assert len(finals) == 5
    for rep in finals:
        assert rep.latency_ms is not None
        assert rep.latency_ms <= 250.0  # 150 ms from the level's half millimetre on, which a noisy stand hides


@pytest.mark.parametrize("noise", [0.0, 0.0005])
@pytest.mark.parametrize("pause", [0.7, 1.5, 4.0])
def test_a_squat_that_stands_on_its_way_up_is_one_rep(pause: float, noise: float) -> None:
    signal = squat(pause=pause, noise=noise)
    assert len(standing(play(left=signal, force=False, exercise=Exercise(starts_with="eccentric")))) == 5


def test_a_one_limb_pair_counts_the_arms_efforts_only() -> None:
    signal = side([Stroke(rom=0.3, hold=2.0) for _ in range(4)])
    leg = side([Stroke(rom=0.25, hold=2.0) for _ in range(4)])
    exercise = Exercise(cables_are="one_limb_pair", arm_side="right")
    events = play(left=leg, right=signal, exercise=exercise)
    assert {rep.side for rep in standing(events)} == {"right"}
    assert len(standing(events)) == 4
    assert sets(events)[0].asymmetry_pct is None

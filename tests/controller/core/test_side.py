"""One cable: where it stands, what it says of its reps, and what a restart or an end of the stream leaves of them."""

from __future__ import annotations

import pytest

from controller.core.announcement import Announcement
from controller.core.settings import ChannelCalibration, Exercise
from controller.core.side import Side
from tests.controller.core.signals import Signal, Stroke
from tests.controller.core.signals import side as signal_of

ROWS = [Stroke()] * 2


def fed(side: Side, signal: Signal, until: float = 1e9, *, since: float = -1.0, force: bool = True) -> None:
    for t, x, f in zip(signal.t, signal.x, signal.f, strict=True):
        if since < t <= until:
            if force:
                side.feed_force(float(t), float(f), saturated=False)
            side.feed_position(float(t), float(x))


def statuses(said: list[Announcement]) -> list[str]:
    return [each.status for each in said]


def test_before_a_sample_nothing_is_known() -> None:
    side = Side(Exercise())
    assert (side.position, side.force, side.firmware, side.x, side.velocity, side.hz, side.phase) == (None,) * 7
    assert (side.busy, side.dropped_at, side.drain(), side.take_strokes()) == (False, None, [], [])
    assert side.motion_end < -1e8


def test_a_calibration_is_that_of_its_channel() -> None:
    side = Side(Exercise())
    cell, encoder = ChannelCalibration(id="cell"), ChannelCalibration(id="encoder")
    side.calibrate(force=cell, position=encoder, track_zero=True)
    assert side.position is not None
    assert side.force is not None
    assert (side.force.calibration, side.position.calibration) == (cell, encoder)


def test_the_rate_is_that_of_the_position_and_of_the_force_where_there_is_none() -> None:
    side = Side(Exercise())
    for k in range(100):
        side.feed_force(k / 50.0, 0.0, saturated=False)
    assert side.hz == pytest.approx(50.0)
    for k in range(100):
        side.feed_position(2.0 + k / 100.0, 0.0)
    assert side.hz == pytest.approx(100.0)


def test_in_a_stroke_the_side_is_busy_and_its_phase_and_velocity_are_those_of_the_stroke() -> None:
    side, signal = Side(Exercise()), signal_of(ROWS)
    seen = []
    for until, since in ((1.9, -1.0), (2.5, 1.9), (3.9, 2.5), (5.3, 3.9)):
        fed(side, signal, until, since=since)
        velocity = side.velocity
        assert velocity is not None
        seen.append((side.phase, side.busy, round(velocity, 1)))
    assert [phase for phase, _, _ in seen] == ["rest", "concentric", "eccentric", "rest"]
    assert [busy for _, busy, _ in seen] == [False, True, True, False]
    assert [velocity > 0.0 for _, _, velocity in seen] == [False, True, False, False]
    assert seen[2][2] < 0.0
    assert side.x == pytest.approx(0.0, abs=1e-6)
    assert side.motion_end == pytest.approx(signal.truth[0].t_end, abs=0.3)


def test_strokes_out_are_taken_once() -> None:
    side, signal = Side(Exercise()), signal_of(ROWS)
    fed(side, signal)
    strokes = side.take_strokes()
    assert [start for start, _ in strokes] == pytest.approx([each.t_start for each in signal.truth], abs=0.05)
    assert [top for _, top in strokes] == pytest.approx([each.t_top for each in signal.truth], abs=0.05)
    assert side.take_strokes() == []


def test_each_rep_is_provisional_at_its_top_and_final_at_its_end_and_said_once() -> None:
    side, signal = Side(Exercise()), signal_of(ROWS)
    fed(side, signal)
    assert statuses(side.drain()) == ["provisional", "final"] * 2
    assert side.drain() == []


def test_a_stream_that_ends_on_the_way_back_still_gives_its_rep() -> None:
    side, signal = Side(Exercise()), signal_of(ROWS)
    fed(side, signal, 4.4)
    assert statuses(side.drain()) == ["provisional"]
    side.flush()
    assert statuses(side.drain()) == ["final"]
    assert not side.busy


def test_the_end_of_the_stream_lets_go_of_the_samples_that_are_held() -> None:
    side = Side(Exercise())
    for k in range(50):
        side.feed_position(k / 100.0, 0.001 * k)
        side.feed_force(k / 100.0, float(k), saturated=False)
    held = (side.x, side.cable.forces.f)
    side.flush()
    assert held == pytest.approx((0.048, 48.0))
    assert (side.x, side.cable.forces.f) == pytest.approx((0.049, 49.0))


def test_a_restart_forgets_the_stroke_and_the_place() -> None:
    side, signal = Side(Exercise()), signal_of(ROWS)
    fed(side, signal, 2.6)
    side.restart()
    assert (side.x, side.velocity, side.busy) == (None, None, False)
    assert side.cable.unreferenced
    side.drain()
    fed(side, signal, since=5.2)
    assert statuses(side.drain()) == ["provisional", "final"]


def test_a_set_that_has_ended_leaves_no_provisional_behind() -> None:
    side, signal = Side(Exercise()), signal_of(ROWS)
    fed(side, signal, 3.9)
    side.drain()
    side.cable.watch.between_sets = False
    assert side._announcer.provisional
    side.new_set()
    assert side.cable.watch.between_sets
    assert side._announcer.drain() == []


def test_a_pull_on_a_cell_alone_is_an_effort_and_with_a_position_none() -> None:
    signal = signal_of([])
    for position, said in ((False, ["provisional", "final"]), (True, [])):
        side = Side(Exercise())
        for t in signal.t:
            if position:
                side.feed_position(float(t), 0.0)
            side.feed_force(float(t), 200.0 if 3.0 < t < 6.0 else 0.0, saturated=False)
        assert statuses(side.drain()) == said


def test_old_samples_are_forgotten_at_rest() -> None:
    side = Side(Exercise())
    for k in range(3000):
        side.feed_force(k / 100.0, 0.0, saturated=False)
        side.feed_position(k / 100.0, 0.0)
    for series in (side.cable.positions.series, side.cable.forces.series):
        assert 20.0 < series.t[0] < 29.0

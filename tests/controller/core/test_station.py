"""The core's door: what it takes and refuses, and what it says of itself at any time."""

from __future__ import annotations

from typing import Any

import pytest

from controller.core.settings import ChannelCalibration, CoreSettings, Exercise, Identity
from controller.core.station import Station
from protocols.events import AnyEvent, Fault, Rep, Session, SetSummary
from protocols.events import Side as SideName
from tests.controller.core.signals import Signal, Stroke, side, standing

ROWS = [Stroke()] * 3


def station(*, settings: CoreSettings | None = None, **identity: Any) -> Station:
    return Station(settings or CoreSettings(), Identity(recording="r", session="monday", **identity))


def fed(made: Station, until: float = 1e9, *, left: Signal | None = None, right: Signal | None = None,
        since: float = -1.0) -> list[AnyEvent]:  # fmt: skip
    """What a station says of the samples up to a time; two sides share one grid."""
    signals = [each for each in (left, right) if each is not None]
    for k, t in enumerate(signals[0].t):
        if since < t <= until:
            values: dict[str, float] = {}
            for name, signal in (("left", left), ("right", right)):
                if signal is not None and k < len(signal.t):
                    values |= {f"{name}_position": float(signal.x[k]), f"{name}_force": float(signal.f[k])}
            made.feed(float(t), **values)  # type: ignore[arg-type]
    return made.drain()


def faults(events: list[AnyEvent]) -> list[tuple[str, str | None, bool, int]]:
    return [(each.name, each.side, each.raised, each.ts) for each in events if isinstance(each, Fault)]


def summaries(events: list[AnyEvent]) -> list[SetSummary]:
    return [each for each in events if isinstance(each, SetSummary)]


# -- time


def test_the_session_starts_with_the_first_time_and_ends_once() -> None:
    made = station(settings=CoreSettings(person="ann"), first_seq=7, first_set=4)
    assert made.drain() == []
    made.finish()
    assert made.drain() == []
    made.advance(2.0)
    made.finish()
    made.finish()
    said = [(e.state, e.person, e.seq, e.set, e.ts) for e in made.drain() if isinstance(e, Session)]
    assert said == [("started", "ann", 7, 4, 2000), ("ended", "ann", 8, 4, 2000)]


def test_a_sample_before_the_last_is_refused_and_time_alone_is_not_taken_back() -> None:
    made = station()
    made.feed(1.0, left_position=0.0)
    made.feed(1.0, right_position=0.0)
    with pytest.raises(ValueError, match=r"time runs back from 1\.0 to 0\.9"):
        made.feed(0.9, left_position=0.0)
    made.advance(0.5)
    assert made.ts == 1000


# -- sides


def test_a_side_exists_once_it_is_fed_or_described() -> None:
    made = station()
    assert made.view("left") is None
    made.describe("left", firmware="1.2")
    made.feed(0.0, right_force=0.0)
    assert made.view("left") is not None
    assert made.view("right") is not None
    assert (made.state().left_reps, made.state().right_reps) == (0, 0)


def test_what_is_known_of_a_side_is_its_rate_and_its_calibration() -> None:
    made = station()
    made.calibrate(
        "left",
        force=ChannelCalibration(id="cell", date="2026-02-01"),
        position=ChannelCalibration(id="encoder", date="2026-01-01"),
    )
    made.calibrate("right", force=ChannelCalibration())
    view, bare = made.view("left"), made.view("right")
    assert view is not None
    assert bare is not None
    assert (view.hz, view.calibration, view.calibrated) == (None, "cell,encoder", "2026-01-01")
    assert (bare.hz, bare.calibration, bare.calibrated) == (None, None, None)
    for k in range(200):
        made.feed(k / 79.96, left_position=0.0)
    view = made.view("left")
    assert view is not None
    assert view.hz == 80.0


def test_a_rep_names_the_firmware_of_its_side() -> None:
    made = station()
    made.describe("left", firmware="1.2")
    made.describe("right", firmware=None)
    signal = side(ROWS)
    reps = standing(fed(made, left=signal, right=signal))
    assert {rep.side: rep.firmware for rep in reps} == {"left": "1.2", "right": None}


def test_a_saturated_sample_is_that_of_its_side() -> None:
    for name in ("left", "right"):
        made = station()
        made.feed(1.0, left_force=0.0, right_force=0.0, **{f"{name}_saturated": True})
        assert faults(made.drain()) == [("saturated", name, True, 1000)]


def test_clocks_that_are_known_badly_are_a_fault_of_the_station() -> None:
    made = station()
    made.clock(uncertainty_s=0.2)
    made.feed(1.0, left_force=0.0)
    assert faults(made.drain()) == [("clocks_apart", None, True, 1000)]
    made.clock(uncertainty_s=0.001)
    made.feed(2.0, left_force=0.0)
    assert faults(made.drain()) == [("clocks_apart", None, False, 2000)]


# -- silence


def test_a_side_is_silent_after_more_than_a_second_and_until_its_next_sample() -> None:
    made = station()
    made.feed(1.0, left_position=0.0, right_position=0.0)
    made.feed(2.0, right_position=0.0)
    assert faults(made.drain()) == []
    made.feed(2.1, right_position=0.0)
    made.feed(3.0, right_position=0.0)
    made.feed(3.5, left_position=0.0, right_position=0.0)
    said = [event for event in made.drain() if isinstance(event, Fault)]
    assert faults(list(said)) == [("no_samples", "left", True, 2100), ("no_samples", "left", False, 3500)]
    assert [(each.severity, each.detail) for each in said] == [
        ("warning", "nothing from the left side since 1.1 s"), ("info", "samples come again")
    ]  # fmt: skip


def test_telemetry_is_of_the_sides_that_were_heard_within_a_second() -> None:
    made = station()
    assert made.telemetry().force_left_n is None
    for k in range(50):
        made.feed(k / 50.0, left_position=0.123456, left_force=10.126, right_force=20.0)
    now = made.telemetry()
    assert (now.ts, now.position_left_m, now.position_right_m) == (980, 0.1235, None)
    assert (now.velocity_left_m_per_s, now.velocity_right_m_per_s) == (0.0, None)
    assert (now.phase_left, now.phase_right) == ("rest", "rest")
    assert now.force_right_n == 0.0  # over the zero that it rests at
    made.feed(1.98, right_force=20.0)
    assert made.telemetry().phase_left is None
    assert made.telemetry().phase_right == "rest"


def test_telemetry_is_rounded_to_what_a_display_shows() -> None:
    made, signal = station(), side(ROWS)
    fed(made, 2.44, left=signal)
    now = made.telemetry()
    places = ((now.force_left_n, 2), (now.position_left_m, 4), (now.velocity_left_m_per_s, 3))
    for value, digits in places:
        assert value is not None
        assert value == round(value, digits) != round(value, digits - 1)
    assert now.phase_left == "concentric"


def test_a_minute_of_silence_closes_the_set_and_less_does_not() -> None:
    signal = side(ROWS, tail=1.0)
    end = float(signal.t[-1])
    for seconds, closed in ((59.9, False), (60.1, True)):
        made = station()
        fed(made, left=signal)
        made.advance(end + seconds)
        found = summaries(made.drain())
        assert (found != []) == closed
        assert all("interrupted" in each.flags.split(",") for each in found)


# -- where it stands


def test_the_state_counts_the_reps_of_the_running_set_and_of_the_last_one_while_resting() -> None:
    exercise = Exercise(name="row", target_reps=8, index="bilateral")
    made = station(settings=CoreSettings(exercise=exercise, load_kg=30.0, person="ann"), first_set=3)
    assert made.state().resting_s is None
    left, right = side(ROWS, tail=20.0), side(ROWS, tail=20.0, load=330.0, mass=33.0)
    fed(made, 3.9, left=left, right=right)
    state = made.state()
    assert (state.session, state.set, state.exercise, state.person, state.load_kg) == ("monday", 3, "row", "ann", 30.0)
    assert (state.target, state.index, state.quality) == (8, "bilateral", "ok")
    assert (state.left_reps, state.right_reps, state.shape) == (0, 0, None)
    assert state.phase_left == state.phase_right == "eccentric"
    fed(made, 9.0, left=left, right=right, since=3.9)
    state = made.state()
    assert (state.left_reps, state.right_reps, state.shape, state.verdict) == (2, 2, "together", None)
    fed(made, left=left, right=right, since=9.0)
    state = made.state()
    assert (state.set, state.left_reps, state.right_reps, state.shape) == (4, 3, 3, "together")
    assert state.phase_left == state.phase_right == "rest"
    assert state.asymmetry_pct == pytest.approx(9.09 / 2.0 * 1.05, abs=0.5)
    assert state.asymmetry_low_pct is not None
    assert state.asymmetry_high_pct is not None
    assert state.verdict is not None
    assert state.verdict_reason
    ended = left.truth[-1].t_end
    assert state.resting_s == pytest.approx(float(left.t[-1]) - ended, abs=0.5)


def test_of_one_side_the_other_has_no_reps() -> None:
    for name in ("left", "right"):
        made = station()
        signal = side(ROWS, tail=20.0)
        fed(made, left=signal if name == "left" else None, right=signal if name == "right" else None)
        state = made.state()
        assert (state.left_reps, state.right_reps) == ((3, None) if name == "left" else (None, 3))
        assert state.shape == f"{name}_only"
        assert (state.phase_left is None) == (name == "right")


def test_the_quality_names_what_is_wrong() -> None:
    made = station()
    made.fault(1.0, "low_battery", raised=True, side="left", detail="3 %")
    made.fault(1.0, "encoder_fault", raised=True, severity="error", side="right")
    assert made.state().quality == "encoder_fault,low_battery"
    said = [event for event in made.drain() if isinstance(event, Fault)]
    assert [(each.severity, each.detail) for each in said] == [("warning", "3 %"), ("error", "")]
    made.fault(2.0, "encoder_fault", raised=False, side="right")
    made.fault(2.0, "low_battery", raised=False, side="left")
    assert made.state().quality == "ok"


def test_a_station_is_active_under_load_or_in_motion_and_for_a_second_after() -> None:
    made = station()
    assert not made.active
    active = []
    for k, f in enumerate((0.0, 14.0, 16.0, 0.0, 0.0)):
        for part in range(2):  # the channel holds a sample back
            made.feed(2.0 * k + 0.5 * part, left_force=f)
        active.append(made.active)
    assert active == [False, False, True, True, False]
    moving = station()
    for k in range(100):
        moving.feed(k / 100.0, left_position=0.0003 * k)
    assert moving.active
    slow = station()
    for k in range(100):
        slow.feed(k / 100.0, left_position=0.00015 * k)
    assert not slow.active
    assert moving.ts == 990
    moving.advance(1.98)
    assert moving.active
    moving.advance(2.0)
    assert not moving.active


# -- commands


def test_an_unknown_command_and_an_end_of_no_set_are_refused() -> None:
    made = station()
    assert made.command(1.0, "fly", {}) == "unknown command 'fly'"
    assert made.command(1.0, "set_end", {}) == "no set is running"
    assert made.ts == 1000


def test_a_set_ends_at_a_command() -> None:
    made, signal = station(), side(ROWS, tail=1.0)
    fed(made, left=signal)
    assert made.command(float(signal.t[-1]), "set_end", {}) is None
    (summary,) = summaries(made.drain())
    assert (summary.set, summary.left_reps) == (1, 3)
    assert made.state().set == 2
    assert made.command(float(signal.t[-1]), "set_end", {}) == "no set is running"


def test_a_selection_closes_the_set_and_holds_from_then_on() -> None:
    made, signal = station(settings=CoreSettings(person="ann", load_kg=20.0)), side(ROWS, tail=1.0)
    fed(made, left=signal)
    t = float(signal.t[-1])
    assert made.command(t, "select", {"exercise": "row", "load_kg": 30.0}) is None
    (summary,) = summaries(made.drain())
    assert (summary.exercise, summary.load_kg) == (None, 20.0)
    state = made.state()
    assert (state.exercise, state.load_kg, state.person, made.exercise.name) == ("row", 30.0, "ann", "row")
    made.command(t, "select", {"person": "ben"})
    state = made.state()
    assert (state.exercise, state.load_kg, state.person) == ("row", 30.0, "ben")


def rested(*sides: SideName, force: float = 40.0, position: bool = True) -> Station:
    made = station()
    for k in range(20):
        values: dict[str, float] = {}
        for name in sides:
            values |= {f"{name}_force": force} | ({f"{name}_position": 0.0} if position else {})
        made.feed(k / 100.0, **values)  # type: ignore[arg-type]
    return made


def test_a_tare_is_of_one_side_or_of_all() -> None:
    both = rested("left", "right")
    assert both.command(0.2, "tare", {"side": "left"}) is None
    assert (both.telemetry().force_left_n, both.telemetry().force_right_n) == (0.0, 40.0)
    assert both.command(0.2, "tare", {}) is None
    assert both.telemetry().force_right_n == 0.0


def test_a_tare_of_what_is_not_there_is_refused() -> None:
    assert station().command(0.2, "tare", {}) == "there is no side None"
    assert rested("left").command(0.2, "tare", {"side": "right"}) == "there is no side 'right'"
    made = station()
    for k in range(20):
        made.feed(k / 100.0, left_position=0.0)
    assert made.command(0.2, "tare", {"side": "left"}) == "the left side has no force to tare"


def test_a_cable_that_moves_or_is_loaded_in_a_set_is_not_tared() -> None:
    signal = side(ROWS, tail=1.0)
    for until, why in ((2.6, "moving; let it rest"), (13.0, None)):
        made = station()
        fed(made, until, left=signal)
        answer = made.command(until, "tare", {})
        assert answer == (f"the left cable is {why}" if why else None)
    held = station()
    fed(held, left=signal)
    t = float(signal.t[-1])
    for k in range(1, 20):
        held.feed(t + k / 100.0, left_position=0.0, left_force=100.0)
    assert held.command(t + 0.2, "tare", {}) == "the left cable is loaded; put the handle down"


# -- restarts, limb pairs


def test_a_pull_on_a_load_cell_alone_that_lasts_over_a_restart_is_taken_back() -> None:
    made = station()
    made.calibrate("left", force=ChannelCalibration())
    for k in range(600):
        made.feed(k / 100.0, left_force=200.0 if k >= 200 else 0.0)
    made.restarted("left", t=6.2)
    assert [each.status for each in made.drain() if isinstance(each, Rep)] == ["provisional", "retracted"]


def test_a_board_that_restarts_flags_the_set_and_its_reps_until_the_cable_rests() -> None:
    made, signal = station(), side(ROWS, tail=20.0)
    fed(made, 5.2, left=signal)
    made.restarted("left", t=5.2)
    made.restarted("right", t=5.2)  # of which nothing is known
    events = fed(made, left=signal, since=5.2)
    (summary,) = summaries(events)
    assert "board_restarted" in summary.flags.split(",")
    assert made.view("right") is None


@pytest.mark.parametrize(("arm", "sides"), [("left", {"left"}), ("right", {"right"}), (None, {"left", "right"})])
def test_of_a_limb_pair_the_arms_cable_makes_the_reps(arm: SideName | None, sides: set[str]) -> None:
    exercise = Exercise(cables_are="one_limb_pair", arm_side=arm)
    made, signal = station(settings=CoreSettings(exercise=exercise)), side(ROWS)
    events = fed(made, left=signal, right=signal)
    assert {event.side for event in events if isinstance(event, Rep)} == sides


def test_a_rest_of_eight_seconds_closes_a_set_and_the_session_adds_it_up() -> None:
    made, signal = station(), side(ROWS, tail=12.0)
    end = signal.truth[-1].t_end
    assert summaries(fed(made, end + 7.9, left=signal)) == []
    assert len(summaries(fed(made, end + 8.2, left=signal, since=end + 7.9))) == 1
    made.finish()
    (ended,) = (event for event in made.drain() if isinstance(event, Session))
    assert (ended.state, ended.sets, ended.left_reps) == ("ended", 1, 3)

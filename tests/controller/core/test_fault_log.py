"""The faults in the event log: each is raised once and cleared once, and touches the set and the reps in it."""

from __future__ import annotations

import pytest

from controller.core.announcement import Announcement
from controller.core.event_maker import EventMaker
from controller.core.fault_log import FaultLog
from controller.core.rep_book import RepBook
from controller.core.rep_metrics import Measures
from controller.core.sensor_truth import KINDS
from controller.core.settings import ChannelCalibration, CoreSettings, Exercise, Identity
from controller.core.side import Side
from controller.core.station import Station
from protocols.events import Fault, Rep
from protocols.events import Side as SideName


class Log:
    """A fault log with all that it writes to, and two sides with both channels."""

    def __init__(self) -> None:
        self.make = EventMaker(CoreSettings(), Identity(recording="r", session="s"), algorithm="1")
        self.book = RepBook(self.make, Exercise(), number=3)
        self.sides: dict[SideName, Side] = {"left": Side(Exercise()), "right": Side(Exercise())}
        for side in self.sides.values():
            side.calibrate(force=ChannelCalibration(), position=ChannelCalibration(), track_zero=True)
        self.log = FaultLog(self.make, self.book, self.sides)

    def rep(self, name: SideName, t_start: float) -> None:
        """A rep of a second out and a second back."""
        measures = Measures(
            t_start=t_start, t_top=t_start + 1.0, t_lower=t_start + 1.0, t_end=t_start + 2.0, t_lowered=t_start + 2.0,
            rom=0.5, mean_force=300.0,
        )  # fmt: skip
        self.book.enter(name, self.sides[name], Announcement("final", t_start + 2.0, measures, hold=0.0, force=300.0))

    def faults(self) -> list[tuple[str, str | None, bool]]:
        return [(each.name, each.side, each.raised) for each in self.make.drain() if isinstance(each, Fault)]


def test_a_fault_of_a_side_that_has_no_sample_yet_stays_until_it_is_cleared() -> None:
    station = Station(CoreSettings(), Identity(recording="r", session="s"))
    station.fault(1.0, "encoder_fault", raised=True, severity="error", side="left")
    station.advance(9.0)
    station.fault(9.0, "encoder_fault", raised=False, side="left")
    faults = [event for event in station.drain() if isinstance(event, Fault)]
    assert [(each.side, each.raised, each.ts) for each in faults] == [("left", True, 1000), ("left", False, 9000)]


def test_a_fault_is_raised_once_and_cleared_once() -> None:
    each = Log()
    for _ in range(2):
        each.log.begin("no_samples", "left", "error", "gone")
    each.log.begin("no_samples", "right", "warning", "gone too")
    assert each.log.names == ["no_samples"]
    each.log.end("no_samples", "left", "back")
    each.log.end("no_samples", "left", "back")
    assert each.log.names == ["no_samples"]
    said = [(e.name, e.side, e.severity, e.raised, e.detail, e.set) for e in each.make.drain() if isinstance(e, Fault)]
    assert said == [
        ("no_samples", "left", "error", True, "gone", 3),
        ("no_samples", "right", "warning", True, "gone too", 3),
        ("no_samples", "left", "info", False, "back", 3),
    ]


def test_the_names_of_what_is_raised_are_in_order() -> None:
    each = Log()
    for name in ("no_samples", "battery_low", "gap"):
        each.log.begin(name, None, "warning", "")
    assert each.log.names == ["battery_low", "gap", "no_samples"]


def test_a_fault_from_outside_flags_the_set_that_runs_and_a_sensors_does_not() -> None:
    each = Log()
    each.log.begin("link_lost", "left", "warning", "")
    each.rep("left", 1.0)
    each.log.begin("no_samples", "left", "warning", "")
    each.log.begin("gap", "left", "warning", "")
    assert each.book.running.flags == ["no_samples"]


def test_what_a_watch_finds_is_raised_with_its_severity_and_its_side() -> None:
    each = Log()
    each.sides["right"].cable.marks.begin("stuck", 1.0, spoils="force", detail="the {side} cell")
    each.log.collect("left")
    assert each.faults() == []
    each.log.collect("right")
    (fault,) = (event for event in each.make.drain() if isinstance(event, Fault))
    assert (fault.name, fault.side, fault.severity, fault.detail) == ("stuck", "right", "error", "the right cell")


def test_what_a_watch_finds_takes_its_measures_out_of_the_reps_since_then() -> None:
    each = Log()
    each.rep("left", 1.0)
    each.rep("left", 5.0)
    each.make.drain()
    marks = each.sides["left"].cable.marks
    marks.begin("stuck", 4.0, spoils="force", detail="")
    each.log.collect("left")
    (again,) = (event for event in each.make.drain() if isinstance(event, Rep))
    assert (again.rep, again.flags, again.mean_force_n) == (2, "uncalibrated,stuck", None)
    assert "mean_force_n=stuck" in again.reasons


def test_an_end_changes_no_rep() -> None:
    each = Log()
    marks = each.sides["left"].cable.marks
    marks.begin("stuck", 4.0, spoils="force", detail="")
    each.log.collect("left")
    each.rep("left", 5.0)
    each.make.drain()
    marks.end("stuck", 9.0, "over")
    each.log.collect("left")
    assert each.make.drain() == []


@pytest.mark.parametrize("name", sorted(KINDS))
def test_a_sensors_fault_is_cleared_when_it_has_not_come_for_as_long_as_its_kind_asks(name: str) -> None:
    each = Log()
    where: SideName | None = None if name in ("sides_swapped", "clocks_apart") else "left"
    marks = each.log._marks if name == "clocks_apart" else each.sides["left"].cable.marks
    marks.begin(name, 1.0, spoils="nothing", detail="there")
    each.log.collect("left")
    if name == "clocks_apart":
        each.log.compare_clocks(1.0, None)
    each.log.expire(99.0)
    assert each.faults() == [(name, where, True)]  # it lasts
    marks.end(name, 100.0, "the {side} one is over")
    each.log.collect("left")
    if name == "clocks_apart":
        each.log.compare_clocks(100.0, None)
    after = {"spike": 3.0, "encoder_slip": 5.0, "encoder_chatter": 2.0}.get(name, 1.0)
    at_once = ("zero_drift", "wrong_sign", "sides_swapped", "motion_without_force", "clocks_apart")
    after = 0.0 if name in at_once else after
    if after:
        each.log.expire(100.0 + after - 0.01)
        assert each.faults() == []
    each.log.expire(100.0 + after)
    (fault,) = (event for event in each.make.drain() if isinstance(event, Fault))
    assert (fault.name, fault.side, fault.raised, fault.severity) == (name, where, False, "info")
    assert fault.detail == f"the {None if name == 'clocks_apart' else 'left'} one is over"


def test_what_was_seen_once_has_not_come_again() -> None:
    each = Log()
    each.sides["left"].cable.marks.see("gap", 1.0, 2.0, spoils="both", detail="")
    each.log.collect("left")
    each.log.expire(3.0)
    faults = [event for event in each.make.drain() if isinstance(event, Fault)]
    assert [fault.detail for fault in faults] == ["", "it has not come again"]


def test_a_fault_that_somebody_else_found_does_not_expire() -> None:
    each = Log()
    each.log.begin("no_samples", "left", "warning", "")
    each.log.begin("gap", "left", "warning", "")  # of which no mark tells
    each.log.expire(1e6)
    assert each.log.names == ["gap", "no_samples"]


def test_clocks_are_apart_over_fifty_milliseconds_and_aligned_under_forty() -> None:
    each = Log()
    said = []
    for t, uncertainty in enumerate((None, 0.049, 0.051, 0.045, None, 0.041, 0.039, 0.051)):
        each.log.compare_clocks(float(t), uncertainty)
        each.log.expire(float(t))
        said.append(each.faults())
    raised, cleared = [("clocks_apart", None, True)], [("clocks_apart", None, False)]
    assert said == [[], [], raised, [], [], [], cleared, raised]


def test_clocks_that_are_apart_say_how_well_they_are_known() -> None:
    each = Log()
    each.log.compare_clocks(1.0, 0.2)
    each.log.compare_clocks(2.0, 0.01)
    each.log.expire(2.0)
    said = [(e.severity, e.detail) for e in each.make.drain() if isinstance(e, Fault)]
    assert said == [
        ("warning", "the two boards' clocks are known to 200 ms only; no lag is given"),
        ("info", "the two boards' clocks are aligned"),
    ]


# -- the set


def test_a_set_has_the_names_of_the_faults_that_lay_in_it() -> None:
    each = Log()
    each.rep("left", 10.0)
    each.rep("right", 14.0)
    each.make.now = 30.0
    left, right = each.sides["left"].cable.marks, each.sides["right"].cable.marks
    left.see("gap", 1.0, 10.0, spoils="both", detail="")  # before it
    left.see("spike", 9.0, 10.1, spoils="nothing", detail="")
    right.see("saturated", 15.9, 20.0, spoils="force", detail="")
    right.see("encoder_slip", 16.0, 20.0, spoils="motion", detail="")  # after it
    right.see("stuck", 17.0, 20.0, spoils="force", detail="")  # what hides reps counts until now
    left.see("wrong_sign", 31.0, 32.0, spoils="force", detail="")
    each.log.flag_set()
    assert sorted(each.book.running.flags) == ["saturated", "spike", "stuck"]


def test_clocks_that_were_apart_flag_the_set() -> None:
    each = Log()
    each.rep("left", 10.0)
    each.log.compare_clocks(11.0, 0.2)
    each.log.flag_set()
    assert each.book.running.flags == ["clocks_apart"]


@pytest.mark.parametrize("name", sorted(KINDS))
def test_a_side_that_seems_to_have_done_nothing_may_be_hidden_by_five_faults(name: str) -> None:
    each = Log()
    each.rep("left", 10.0)
    each.sides["right"].cable.marks.see(name, 10.5, 10.6, spoils="both", detail="")
    hides = ("force_without_motion", "motion_without_force", "stuck", "wrong_sign", "sides_swapped")
    assert each.log.spoilt_by("left_only") == (name if name in hides else None)
    assert each.log.spoilt_by("together") is None


def test_only_a_fault_of_the_side_that_is_missing_during_the_other_ones_reps_hides_it() -> None:
    each = Log()
    each.rep("right", 10.0)
    each.rep("right", 20.0)
    marks = each.sides["left"].cable.marks
    each.sides["right"].cable.marks.see("stuck", 10.5, 10.6, spoils="force", detail="")
    marks.see("stuck", 5.0, 10.0, spoils="force", detail="")
    marks.see("stuck", 21.0, 22.0, spoils="force", detail="")
    assert each.log.spoilt_by("right_only") is None
    marks.see("stuck", 20.5, 21.0, spoils="force", detail="")
    assert each.log.spoilt_by("right_only") == "stuck"
    del each.sides["left"]
    assert each.log.spoilt_by("right_only") is None

"""What pairs, sets and comparisons say, on reps made by hand."""

from __future__ import annotations

from math import hypot, sqrt
from typing import Any

import pytest

from controller.core.event_maker import EventMaker
from controller.core.set_summary import SetSummariser, pair_fields
from controller.core.sets import Counted, RunningSet
from controller.core.settings import ChannelCalibration, CoreSettings, Exercise, Identity
from controller.core.side import Side
from protocols.events import SIDES, AnyEvent, Comparison, SetSummary
from protocols.events import Side as SideName
from tests.controller.core.reps import counted, row

ANCHOR = 1000.0  # s


class Gym:
    """A summariser with the station around it: sets are closed one after the other."""

    def __init__(
        self,
        *,
        names: tuple[SideName, ...] = SIDES,
        force: ChannelCalibration | None = ChannelCalibration(id="cell", uncertainty_pct=0.0),  # noqa: B008 - frozen
        position: ChannelCalibration | None = ChannelCalibration(id="encoder", uncertainty_pct=0.0),  # noqa: B008
        right_force: ChannelCalibration | None = None,
        right_position: ChannelCalibration | None = None,
    ) -> None:
        self.make = EventMaker(CoreSettings(), Identity(recording="r", session="s", unix_anchor=ANCHOR), algorithm="1")
        self.summariser = SetSummariser(self.make)
        self.sides: dict[SideName, Side] = {}
        for name in names:
            side = Side(Exercise())
            right = name == "right"
            side.calibrate(
                force=(right_force if right and right_force else force),
                position=(right_position if right and right_position else position),
                track_zero=True,
            )
            self.sides[name] = side
        self.number = 0

    def close(
        self, left: list[Counted], right: list[Counted], *, exercise: Exercise | None = None,
        load_kg: float | None = None, flags: tuple[str, ...] = (), person: str | None = None,
    ) -> SetSummary:  # fmt: skip
        self.number += 1
        running = RunningSet(number=self.number, flags=list(flags))
        running.reps["left"] += left
        running.reps["right"] += right
        shape = running.shape()
        assert shape is not None
        settings = CoreSettings(exercise=exercise or Exercise(), load_kg=load_kg, person=person)
        return self.summariser.close(running, running.pairs(shape), shape, self.sides, settings)

    def comparisons(self) -> list[Comparison]:
        return [event for event in self.make.drain() if isinstance(event, Comparison)]


def right(starts: list[float], **values: Any) -> list[Counted]:
    return row(starts, side="right", **values)


STARTS = [0.0, 3.0, 6.0]


# -- a pair


def lag(left: Counted, other: Counted, *, shape: str = "together", clock: float | None = None) -> dict[str, Any]:
    return pair_fields(left, other, shape=shape, exercise=Exercise(), clock_uncertainty=clock)


def test_a_pair_names_its_reps_its_index_and_every_facet() -> None:
    left, other = counted(number=4, force=100.0), counted(side="right", number=3, force=80.0)
    fields = pair_fields(left, other, shape="sequential", exercise=Exercise(index="bilateral"), clock_uncertainty=None)
    assert (fields["left_rep"], fields["right_rep"]) == ("left-4", "right-3")
    assert (fields["shape"], fields["index"]) == ("sequential", "bilateral")
    assert fields["asymmetry_mean_force_pct"] == -11.111
    assert "asymmetry_peak_force_pct=unknown" in fields["reasons"].split(",")


def test_the_lag_is_the_rights_start_after_the_lefts() -> None:
    fields = lag(counted(1.0), counted(1.0234567, side="right"))
    assert fields["lag_ms"] == 23.457
    assert lag(counted(1.1), counted(1.0, side="right"))["lag_ms"] == -100.0


def test_the_lags_uncertainty_is_the_reading_of_two_samples_and_the_clock() -> None:
    reading = 10.0 * sqrt(2.0 / 12.0)  # two readings of 100 Hz, each uniform within its 10 ms
    assert lag(counted(), counted(side="right"))["lag_uncertainty_ms"] == round(reading, 3)
    clocked = lag(counted(), counted(side="right"), clock=0.004)
    assert clocked["lag_uncertainty_ms"] == round(hypot(reading, 4.0), 3)
    slower = lag(counted(hz=50.0), counted(side="right", hz=100.0))
    assert slower["lag_uncertainty_ms"] == round(2.0 * reading, 3)
    one = lag(counted(hz=None), counted(side="right", hz=100.0))
    assert one["lag_uncertainty_ms"] == round(reading, 3)
    assert lag(counted(hz=None), counted(side="right", hz=None))["lag_uncertainty_ms"] == 0.0


def test_clocks_that_are_not_aligned_give_no_lag() -> None:
    assert lag(counted(), counted(0.1, side="right"), clock=0.05)["lag_ms"] == 100.0
    fields = lag(counted(), counted(0.1, side="right"), clock=0.051)
    assert (fields["lag_ms"], fields["lag_uncertainty_ms"]) == (None, None)
    assert "lag_ms=clocks_apart" in fields["reasons"].split(",")


def test_reps_made_one_after_the_other_have_no_lag() -> None:
    fields = lag(counted(), counted(3.0, side="right"), shape="alternating")
    assert (fields["lag_ms"], fields["lag_uncertainty_ms"]) == (None, None)
    assert "lag_ms=alternating" in fields["reasons"].split(",")


# -- a set


def test_a_set_counts_its_reps_and_its_partial_ones_by_side() -> None:
    left = [*row(STARTS), counted(9.0, number=4, rom=0.29)]
    summary = Gym().close(left, right([0.1, 3.1]))
    assert (summary.left_reps, summary.left_partial_reps) == (4, 1)
    assert (summary.right_reps, summary.right_partial_reps) == (2, 0)
    assert summary.shape == "together"


def test_a_side_that_is_not_there_has_no_count_and_an_idle_one_has_none_made() -> None:
    alone = Gym(names=("left",)).close(row(STARTS), [])
    assert (alone.right_reps, alone.right_partial_reps) == (None, None)
    idle = Gym().close(row(STARTS), [])
    assert (idle.right_reps, idle.right_partial_reps) == (0, 0)


def test_a_sets_means_are_of_its_full_reps_and_its_work_of_all() -> None:
    partial = counted(9.0, number=4, rom=0.2, force=900.0, mean_velocity=0.1, work_concentric=30.0)
    left = [*row(STARTS, rom=0.5, force=300.1234, mean_velocity=0.5, work_concentric=150.0), partial]
    summary = Gym().close(left, right([0.1], rom=0.7, mean_velocity=0.4, work_concentric=200.0))
    assert summary.left_mean_force_n == 300.123
    assert (summary.left_rom_m, summary.left_mean_velocity_m_per_s) == (0.5, 0.5)
    assert summary.left_work_j == 480.0
    assert (summary.right_mean_force_n, summary.right_rom_m) == (300.0, 0.7)
    assert (summary.right_mean_velocity_m_per_s, summary.right_work_j) == (0.4, 200.0)
    assert summary.work_j == 680.0


def test_velocity_loss_leaves_partial_reps_out() -> None:
    left = [counted(3.0 * k, number=k + 1, mean_velocity=v) for k, v in enumerate((1.0, 0.875))]
    left.append(counted(6.0, number=3, rom=0.2, mean_velocity=0.3))
    other = [counted(3.0 * k + 0.1, number=k + 1, side="right", mean_velocity=v) for k, v in enumerate((0.8, 0.55))]
    summary = Gym().close(left, other)
    assert (summary.velocity_loss_left_pct, summary.velocity_loss_right_pct) == (12.5, 31.25)


def test_energy_is_the_work_at_a_quarter_and_at_a_fifth() -> None:
    summary = Gym().close(row([0.0, 3.0], work_concentric=4184.0), [])
    assert (summary.kcal_low, summary.kcal_high) == (8.0, 10.0)  # 2 kcal of work
    unknown = Gym().close([*row([0.0], work_concentric=100.0), counted(3.0, number=2)], [])
    assert (unknown.work_j, unknown.kcal_low, unknown.kcal_high) == (None, None, None)


def test_volume_is_the_load_of_every_full_rep() -> None:
    left = [*row(STARTS), counted(9.0, number=4, rom=0.2)]
    assert Gym().close(left, right([0.1, 3.1]), load_kg=12.5).volume_kg == 62.5
    assert Gym().close(left, []).volume_kg is None


def test_time_under_tension_is_all_reps() -> None:
    left = row(STARTS, time_under_tension=2.5)
    assert Gym().close(left, right([0.1], time_under_tension=1.0)).time_under_tension_s == 8.5


def test_a_set_lasts_from_its_first_start_to_its_last_end_and_names_what_it_was() -> None:
    summary = Gym().close(
        row([2.0, 5.0]), right([1.5, 5.5]), exercise=Exercise(name="row"), load_kg=20.0, person="ann",
        flags=("interrupted", "board_restarted"),
    )  # fmt: skip
    assert (summary.t_start, summary.t_end) == (ANCHOR + 1.5, ANCHOR + 8.0)
    assert (summary.exercise, summary.load_kg, summary.person) == ("row", 20.0, "ann")
    assert summary.flags == "interrupted,board_restarted"
    endless = Gym().close([counted(t_end=None)], [])
    assert endless.t_end is None


def test_a_sets_index_is_of_the_mean_force_and_without_a_cell_of_the_rom() -> None:
    left, other = row(STARTS, force=300.0, rom=0.5), right([0.1, 3.1, 6.1], force=240.0, rom=0.4)
    summary = Gym().close(left, other, exercise=Exercise(index="robinson"))
    assert (summary.facet, summary.index, summary.pairs) == ("mean_force", "robinson", 3)
    assert summary.asymmetry_pct == -22.222
    bare = Gym(force=None).close(row(STARTS, rom=0.5, force=None), right([0.1, 3.1, 6.1], rom=0.45, force=None))
    assert (bare.facet, bare.asymmetry_pct) == ("rom", -10.0)


def test_both_calibrations_are_in_the_interval() -> None:
    left, other = row(STARTS, force=300.0), right([0.1, 3.1, 6.1], force=240.0)
    gym = Gym(
        force=ChannelCalibration(uncertainty_pct=3.0), right_force=ChannelCalibration(uncertainty_pct=4.0),
        position=ChannelCalibration(uncertainty_pct=50.0),
    )  # fmt: skip
    summary = gym.close(left, other)
    assert summary.asymmetry_low_pct == pytest.approx(-20.0 - 1.96 * 0.8 * 5.0)
    assert summary.asymmetry_high_pct == pytest.approx(-20.0 + 1.96 * 0.8 * 5.0)
    assert summary.verdict == "supported"
    assert summary.verdict_reason == "left_larger_over_14_pct"


def test_an_index_of_the_rom_has_the_uncertainty_of_the_encoders() -> None:
    gym = Gym(
        force=None, position=ChannelCalibration(uncertainty_pct=3.0),
        right_position=ChannelCalibration(uncertainty_pct=4.0),
    )  # fmt: skip
    summary = gym.close(row(STARTS, rom=0.5, force=None), right([0.1, 3.1, 6.1], rom=0.4, force=None))
    assert summary.asymmetry_low_pct == pytest.approx(-20.0 - 1.96 * 0.8 * 5.0)


@pytest.mark.parametrize("side", SIDES)
def test_a_single_side_set_is_unilateral(side: SideName) -> None:
    reps = row(STARTS, side=side)
    summary = Gym().close(reps, []) if side == "left" else Gym().close([], reps)
    assert (summary.asymmetry_pct, summary.pairs, summary.verdict) == (None, 0, None)
    assert (summary.verdict_reason, summary.reasons) == ("unilateral", "asymmetry_pct=unilateral")


def test_cables_of_one_limb_pair_have_no_index_between_them() -> None:
    summary = Gym().close(row(STARTS), right([0.1, 3.1, 6.1]), exercise=Exercise(cables_are="one_limb_pair"))
    assert summary.asymmetry_pct is None
    assert summary.reasons == "asymmetry_pct=one_limb_pair"


def test_a_set_with_an_index_gives_no_reason_for_a_null() -> None:
    summary = Gym().close(row([0.0, 3.0]), right([0.1, 3.1], force=240.0))
    assert summary.asymmetry_pct == -20.0
    assert (summary.reasons, summary.verdict_reason) == ("", "fewer_than_3_pairs")


# -- the session


def test_the_session_adds_up_its_sets() -> None:
    gym = Gym()
    assert gym.summariser.totals(SIDES) == {"sets": 0, "left_reps": 0, "right_reps": 0, "work_j": None}
    gym.close(row(STARTS, work_concentric=100.0), right([0.1], work_concentric=50.0))
    gym.close(row([20.0]), [])  # its work is not known
    gym.close([], right([40.0, 43.0], work_concentric=10.0))
    assert gym.summariser.totals(SIDES) == {"sets": 3, "left_reps": 4, "right_reps": 3, "work_j": 370.0}


# -- comparisons


def compared(
    *, loads: tuple[float | None, float | None] = (20.0, 20.0), names: tuple[str | None, str | None] = ("row", "row"),
    gap: float = 60.0, first: SideName = "left",
) -> list[Comparison]:  # fmt: skip
    gym = Gym()
    start = 8.5 + gap  # the first set ends at 8.5 s
    early: dict[SideName, list[Counted]] = {"left": [], "right": []}
    late: dict[SideName, list[Counted]] = {"left": [], "right": []}
    early[first] = row(STARTS, side=first, force=300.0 if first == "left" else 240.0)
    other: SideName = "right" if first == "left" else "left"
    late[other] = row([start, start + 3.0, start + 6.0], side=other, force=240.0 if other == "right" else 300.0)
    for reps, load, name in ((early, loads[0], names[0]), (late, loads[1], names[1])):
        gym.close(reps["left"], reps["right"], load_kg=load, exercise=Exercise(name=name))
    return gym.comparisons()


@pytest.mark.parametrize("first", SIDES)
def test_two_single_side_sets_are_compared_whichever_comes_first(first: SideName) -> None:
    (comparison,) = compared(first=first)
    assert (comparison.asymmetry_pct, comparison.pairs, comparison.facet) == (-20.0, 3, "mean_force")
    assert (comparison.left_set, comparison.right_set) == ((1, 2) if first == "left" else (2, 1))
    assert (comparison.set, comparison.exercise, comparison.load_kg) == (2, "row", 20.0)
    assert (comparison.reasons, comparison.verdict) == ("", "supported")


@pytest.mark.parametrize(("gap", "made"), [(300.0, 1), (300.1, 0)])
def test_sets_are_compared_within_five_minutes(gap: float, made: int) -> None:
    assert len(compared(gap=gap)) == made


@pytest.mark.parametrize(
    ("loads", "made"),
    [
        ((30.0, 30.0), 1),
        ((30.0, 33.0), 1),
        ((33.0, 30.0), 1),
        ((30.0, 33.5), 0),
        ((33.5, 30.0), 0),
        ((None, None), 1),
        ((None, 30.0), 0),
        ((30.0, None), 0),
    ],
)
def test_loads_within_a_tenth_are_compared(loads: tuple[float | None, float | None], made: int) -> None:
    assert len(compared(loads=loads)) == made


def test_another_exercise_is_not_compared() -> None:
    assert compared(names=("row", "press")) == []


def singles(*sides: SideName, exercise: Exercise | None = None) -> list[Comparison]:
    gym = Gym()
    for k, side in enumerate(sides):
        reps = row([30.0 * k + start for start in STARTS], side=side)
        gym.close(reps if side == "left" else [], reps if side == "right" else [], exercise=exercise)
    return gym.comparisons()


def test_each_set_is_compared_once_and_with_the_nearest_before() -> None:
    assert [(each.left_set, each.right_set) for each in singles("left", "left", "right")] == [(2, 3)]
    assert [(each.left_set, each.right_set) for each in singles("left", "right", "left", "right")] == [(1, 2), (3, 4)]
    assert singles("left", "left") == []


def test_one_limb_pairs_are_not_compared() -> None:
    assert singles("left", "right", exercise=Exercise(cables_are="one_limb_pair")) == []


def test_a_set_of_both_sides_between_ends_the_waiting() -> None:
    gym = Gym()
    gym.close(row(STARTS), [])
    gym.close(row([30.0]), right([30.1]))
    gym.close([], right([60.0, 63.0]))
    assert gym.comparisons() == []


def test_a_comparison_leaves_partial_reps_out_and_says_why_it_has_none() -> None:
    gym = Gym()
    gym.close([*row(STARTS), counted(9.0, number=4, rom=0.2)], [])
    gym.close([], right([30.0, 33.0, 36.0, 39.0]))
    assert [each.pairs for each in gym.comparisons()] == [3]
    dark = row([60.0])
    dark[0].measures.mean_force = None
    dark[0].measures.reasons["mean_force"] = "gap"
    gym.close(dark, [])
    gym.close([], right([90.0]))
    assert [each.reasons for each in gym.comparisons()] == ["asymmetry_pct=gap"]


def test_a_set_without_an_end_is_compared_with_none() -> None:
    gym = Gym()
    gym.close([counted(t_end=None)], [])
    gym.close([], right([30.0]))
    assert gym.comparisons() == []


def events_of(gym: Gym) -> list[AnyEvent]:
    return gym.make.drain()


def test_the_sets_event_comes_before_its_comparison() -> None:
    gym = Gym()
    gym.close(row(STARTS), [])
    gym.close([], right([30.0]))
    assert [type(event) for event in events_of(gym)] == [SetSummary, SetSummary, Comparison]

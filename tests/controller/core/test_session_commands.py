"""Sets and sessions by command: begun, taken back, paused, ended; every word of it in the event log."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from controller.core.settings import ChannelCalibration, CoreSettings, Exercise, Identity
from controller.core.station import INTERRUPTED_AFTER, PAUSED_AT_MOST, Station
from controller.matching import Standing
from protocols.events import AnyEvent, Comparison, Rep, Session
from tests.controller.core.signals import Stroke, sets, side

STROKE = Stroke(out=1.0, hold=0.2, back=1.4, rest=0.4)
CYCLE = 3.0  # s
GAP = Exercise().set_gap_s
HZ = 100.0


class Bench:
    """A station that is lifted at, on the left unless told otherwise, and its event log."""

    def __init__(self) -> None:
        self.station = Station(CoreSettings(person="p1"), Identity(recording="test", session="s"))
        self.log: list[AnyEvent] = []
        self.t = 0.0
        for name in ("left", "right"):
            self.station.calibrate(name, force=ChannelCalibration(), position=ChannelCalibration())

    def lift(self, count: int, *, name: str = "left", tail: float = 1.0, start: float = 0.5) -> None:
        """Reps, then a short rest."""
        signal = side([STROKE] * count, load=300.0, start=start, tail=tail)
        began = self.t
        for t, x, f in zip(signal.t, signal.x, signal.f, strict=True):
            self.feed(began + float(t) + 1.0 / HZ, name, float(x), float(f))

    def rest(self, seconds: float, *, load: float = 0.0) -> None:
        """Samples of cables that hang."""
        for _ in range(round(seconds * HZ)):
            self.feed(self.t + 1.0 / HZ, "left", 0.0, load)

    def silence(self, seconds: float) -> None:
        """No sample at all, only time."""
        for _ in range(round(seconds)):
            self.t += 1.0
            self.station.advance(self.t)
            self.log += self.station.drain()

    def feed(self, t: float, name: str, x: float, f: float) -> None:
        self.t = t
        still = {"left_position": 0.0, "left_force": 0.0, "right_position": 0.0, "right_force": 0.0}
        still |= {f"{name}_position": x, f"{name}_force": f}
        self.station.feed(t, **still)  # type: ignore[arg-type]  # none of them is a bool
        self.log += self.station.drain()

    def command(self, name: str, **fields: object) -> str | None:
        answer = self.station.command(self.t, name, fields)
        self.log += self.station.drain()
        return answer

    def finish(self) -> list[AnyEvent]:
        self.station.finish()
        self.log += self.station.drain()
        return self.log

    def sessions(self) -> Iterator[tuple[str, str, str | None]]:
        return ((each.session, each.state, each.person) for each in self.log if isinstance(each, Session))

    def counts(self) -> list[tuple[str, int, int | None]]:
        """Session, number and left reps of each set that stands."""
        return [(each.session, each.set, each.left_reps) for each in Standing.of(self.log).sets]


@pytest.fixture
def bench() -> Bench:
    return Bench()


def test_a_set_that_is_started_by_command_ends_the_one_before(bench: Bench) -> None:
    bench.lift(3)
    assert bench.command("set_start") is None
    bench.lift(2)
    bench.finish()
    assert bench.counts() == [("s", 1, 3), ("s", 2, 2)]
    assert bench.command("set_start") is None


def test_an_undone_set_is_gone_from_the_log_the_totals_and_the_state(bench: Bench) -> None:
    bench.lift(3)
    bench.command("set_end")
    bench.lift(2)
    bench.command("set_end")
    assert bench.command("set_undo") is None
    assert bench.station.state().left_reps == 3
    last = sets(bench.log)[-1]
    assert (last.retracts, last.set, last.left_reps) == (sets(bench.log)[1].id, 2, None)
    assert bench.counts() == [("s", 1, 3)]
    assert bench.command("set_undo") is None
    assert bench.counts() == []
    assert bench.command("set_undo") == "there is no set to take back"
    ended = next(each for each in reversed(bench.finish()) if isinstance(each, Session))
    assert (ended.state, ended.sets, ended.left_reps, ended.right_reps, ended.work_j) == ("ended", 0, 0, 0, None)


def test_a_running_set_goes_on_when_the_one_before_is_undone(bench: Bench) -> None:
    bench.lift(3)
    bench.command("set_end")
    bench.lift(2)
    assert bench.command("set_undo") is None
    bench.lift(1)
    bench.finish()
    assert bench.counts() == [("s", 2, 3)]


def test_an_undone_set_takes_its_comparison_with_it_and_the_next_one_is_compared_instead(bench: Bench) -> None:
    for name, count in (("left", 4), ("right", 3), ("right", 4)):
        bench.lift(count, name=name)
        bench.command("set_end")
        if count == 3:
            assert bench.command("set_undo") is None
    compared = [each for each in bench.log if isinstance(each, Comparison)]
    assert [(each.left_set, each.right_set, each.retracts) for each in compared] == [
        (1, 2, None), (1, 2, compared[0].id), (1, 3, None),
    ]  # fmt: skip


def test_a_set_that_is_restarted_has_taken_back_every_rep_and_keeps_its_number(bench: Bench) -> None:
    bench.lift(3)
    assert bench.command("set_restart") is None
    assert Standing.of(bench.log).reps == []
    assert bench.station.state().left_reps == 0
    bench.lift(2)
    bench.finish()
    assert bench.counts() == [("s", 1, 2)]
    assert [(each.set, each.rep) for each in Standing.of(bench.log).reps] == [(1, 1), (1, 2)]


def test_a_paused_set_is_open_over_any_rest_and_says_that_it_was_paused(bench: Bench) -> None:
    bench.lift(2)
    assert bench.command("pause") is None
    assert bench.command("pause") == "the set is paused already"
    bench.rest(3.0 * GAP)
    assert sets(bench.log) == []
    assert bench.command("resume") is None
    bench.lift(2)
    bench.rest(GAP + 1.0)
    (only,) = sets(bench.log)
    assert (only.left_reps, "paused" in only.flags.split(",")) == (4, True)


def test_after_a_pause_a_set_ends_by_its_usual_rest_which_the_pause_is_no_part_of(bench: Bench) -> None:
    bench.lift(2, tail=1.0)
    bench.command("pause")
    bench.rest(2.0 * GAP)
    bench.command("resume")
    began = bench.t
    while not sets(bench.log):
        bench.rest(0.1)
    assert GAP - 2.5 < bench.t - began < GAP


def test_a_rep_ends_a_pause_that_somebody_forgot(bench: Bench) -> None:
    bench.lift(2)
    bench.command("pause")
    bench.rest(2.0 * GAP)
    bench.lift(1)
    assert bench.command("resume") == "the set is not paused"
    bench.rest(GAP + 1.0)
    assert [each.left_reps for each in sets(bench.log)] == [3]


def test_a_pause_ends_by_itself_before_the_next_person_comes(bench: Bench) -> None:
    bench.lift(1)
    bench.command("pause")
    bench.rest(PAUSED_AT_MOST + GAP)
    assert [each.left_reps for each in sets(bench.log)] == [1]


def test_silence_in_a_pause_still_interrupts_the_set(bench: Bench) -> None:
    bench.lift(2)
    bench.command("pause")
    bench.silence(INTERRUPTED_AFTER + 2.0)
    (only,) = sets(bench.log)
    assert {"paused", "interrupted"} <= set(only.flags.split(","))


def test_silence_between_two_sets_does_not_hold_the_second_one_open(bench: Bench) -> None:
    bench.lift(1)
    bench.command("set_end")
    bench.silence(50.0)
    bench.lift(1)
    bench.rest(GAP + 1.0)
    assert len(sets(bench.log)) == 2


def test_silence_before_a_set_s_last_rep_does_not_hold_it_open(bench: Bench) -> None:
    bench.lift(1)
    bench.silence(30.0)
    bench.lift(2)
    bench.rest(GAP + 1.0)
    assert [each.left_reps for each in sets(bench.log)] == [3]


def test_a_session_is_of_one_person_and_the_next_begins_with_set_1(bench: Bench) -> None:
    bench.lift(3)
    assert bench.command("session_end") is None
    assert bench.command("session_end") == "no session is running"
    assert bench.command("session_start", person="p2") is None
    assert bench.station.state().session == "s-2"
    assert bench.station.state().left_reps == 0
    assert bench.command("set_undo") == "there is no set to take back"
    bench.lift(2)
    bench.finish()
    assert bench.counts() == [("s", 1, 3), ("s-2", 1, 2)]
    assert list(bench.sessions()) == [
        ("s", "started", "p1"), ("s", "ended", "p1"), ("s-2", "started", "p2"), ("s-2", "ended", "p2"),
    ]  # fmt: skip
    assert [each.seq for each in bench.log] == list(range(1, len(bench.log) + 1))
    assert len({each.id for each in bench.log}) == len(bench.log)


def test_a_session_that_is_started_ends_the_one_that_runs(bench: Bench) -> None:
    bench.lift(3)
    assert bench.command("session_start") is None
    assert list(bench.sessions())[1:] == [("s", "ended", "p1"), ("s-2", "started", None)]
    assert bench.counts() == [("s", 1, 3)]


def test_a_rep_after_a_session_s_end_begins_another_one(bench: Bench) -> None:
    bench.lift(1)
    bench.command("session_end")
    bench.rest(1.0)
    bench.lift(2)
    bench.finish()
    assert bench.counts() == [("s", 1, 1), ("s-2", 1, 2)]
    first = next(index for index, each in enumerate(bench.log) if each.session == "s-2")
    assert isinstance(bench.log[first], Session)
    assert not any(isinstance(each, Rep) and each.session == "s" for each in bench.log[first:])


def test_a_stream_that_ends_without_a_session_ends_none(bench: Bench) -> None:
    bench.lift(1)
    bench.command("session_end")
    said = len(bench.log)
    assert len(bench.finish()) == said


@pytest.mark.parametrize("name", ["session_start", "session_end", "set_restart"])
def test_nothing_is_cut_in_the_middle_of_a_rep(bench: Bench, name: str) -> None:
    bench.lift(2)
    signal = side([STROKE], load=300.0, start=0.5, tail=0.0)
    for x, f in zip(signal.x, signal.f, strict=True):
        if x > 0.3:
            break
        bench.feed(bench.t + 1.0 / HZ, "left", float(x), float(f))
    assert bench.command(name) == "a rep is under way; let the cables rest"


@pytest.mark.parametrize("name", ["set_end", "set_restart", "pause", "resume"])
def test_what_needs_a_running_set_is_refused_without_one(bench: Bench, name: str) -> None:
    bench.rest(1.0)
    assert bench.command(name) == "no set is running"


def test_an_unknown_command_is_refused_by_its_name(bench: Bench) -> None:
    assert bench.command("reboot") == "unknown command 'reboot'"


def test_a_session_says_nothing_of_the_reps_of_a_side_that_is_not_there() -> None:
    station = Station(CoreSettings(), Identity(recording="test", session="s"))
    station.calibrate("left", force=ChannelCalibration())
    station.feed(0.0, left_force=0.0)
    station.finish()
    (ended,) = (event for event in station.drain() if isinstance(event, Session) and event.state == "ended")
    assert (ended.sets, ended.left_reps, ended.right_reps) == (0, 0, None)

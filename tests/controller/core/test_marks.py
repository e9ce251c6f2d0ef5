"""The stretches in which a fault was there: how they join, end, and are told once."""

from __future__ import annotations

from math import inf
from typing import get_args

import pytest

from controller.core.sensor_truth import KINDS, Finding, Mark, Marks, Spoils


def seen(*spans: tuple[float, float], name: str = "gap", spoils: Spoils = "both") -> Marks:
    marks = Marks()
    for t0, t1 in spans:
        marks.see(name, t0, t1, spoils=spoils, detail="d")
    return marks


def spans(marks: Marks) -> list[tuple[float, float]]:
    return [(mark.t0, mark.t1) for mark in marks.touching(-inf, inf)]


def test_what_was_seen_is_told_once_with_when_it_began() -> None:
    marks = seen((1.0, 2.0))
    assert marks.drain() == [Finding("gap", 1.0, "d")]
    assert marks.drain() == []
    assert marks.last_seen == {"gap": 2.0}
    assert not marks.lasts("gap")


def test_a_stretch_touches_what_it_reaches_into_and_not_what_it_only_borders_on() -> None:
    mark = Mark("gap", 1.0, 2.0, "both")
    assert mark.touches(0.0, 1.1)
    assert mark.touches(1.9, 3.0)
    assert mark.touches(1.4, 1.5)
    assert mark.touches(0.0, 3.0)
    assert not mark.touches(0.0, 1.0)
    assert not mark.touches(2.0, 3.0)
    assert seen((1.0, 2.0)).touching(1.5, 3.0) == [mark]
    assert seen((1.0, 2.0)).touching(2.0, 3.0) == []


def test_two_of_a_kind_a_tenth_of_a_second_apart_are_one() -> None:
    assert spans(seen((1.0, 2.0), (2.05, 3.0))) == [(1.0, 3.0)]
    assert spans(seen((1.0, 2.0), (2.15, 3.0))) == [(1.0, 2.0), (2.15, 3.0)]
    assert spans(seen((5.0, 6.0), (1.0, 2.0))) == [(5.0, 6.0), (1.0, 2.0)]
    assert spans(seen((5.0, 6.0), (4.0, 5.5))) == [(4.0, 6.0)]


def test_two_that_spoil_something_else_are_two() -> None:
    marks = seen((1.0, 2.0))
    marks.see("gap", 1.5, 2.5, spoils="force", detail="d")
    marks.see("stuck", 1.5, 2.5, spoils="force", detail="d")
    assert spans(marks) == [(1.0, 2.0), (1.5, 2.5), (1.5, 2.5)]


def test_only_what_is_new_is_told() -> None:
    marks = seen((1.0, 2.0))
    marks.drain()
    marks.see("gap", 1.2, 1.8, spoils="both", detail="d")
    marks.see("gap", 0.95, 2.0, spoils="both", detail="d")
    assert marks.drain() == []
    marks.see("gap", 1.2, 2.2, spoils="both", detail="d")
    assert marks.drain() == [Finding("gap", 1.2, "d")]
    marks.see("gap", 0.5, 1.0, spoils="both", detail="d")
    assert marks.drain() == [Finding("gap", 0.5, "d")]
    assert marks.last_seen == {"gap": 2.2}
    assert spans(marks) == [(0.5, 2.2)]


def test_what_begins_lasts_until_it_ends_and_is_told_twice() -> None:
    marks = Marks()
    marks.begin("stuck", 1.0, spoils="force", detail="begun")
    marks.begin("stuck", 3.0, spoils="force", detail="again")
    assert marks.lasts("stuck")
    assert marks.touching(99.0, 100.0) == [Mark("stuck", 1.0, inf, "force")]
    marks.end("stuck", 5.0, "ended")
    assert not marks.lasts("stuck")
    assert spans(marks) == [(1.0, 5.0)]
    assert marks.last_seen == {"stuck": 5.0}
    assert marks.drain() == [Finding("stuck", 1.0, "begun"), Finding("stuck", 5.0, "ended", over=True)]


def test_an_end_of_what_does_not_last_is_nothing() -> None:
    marks = seen((1.0, 2.0))
    marks.end("gap", 5.0)
    marks.end("stuck", 5.0)
    assert [finding.over for finding in marks.drain()] == [False]
    assert spans(marks) == [(1.0, 2.0)]
    assert marks.last_seen == {"gap": 2.0}


def test_an_end_is_that_of_one_name() -> None:
    marks = Marks()
    for name in ("stuck", "wrong_sign"):
        marks.begin(name, 1.0, spoils="force", detail="")
    marks.end("stuck", 2.0)
    assert marks.lasts("wrong_sign")
    assert [mark.name for mark in marks.touching(3.0, 4.0)] == ["wrong_sign"]


@pytest.mark.parametrize("spoils", get_args(Spoils))
@pytest.mark.parametrize("name", sorted(KINDS))
def test_a_force_is_not_even_a_sign_of_load_under_four_faults_that_spoil_it(name: str, spoils: Spoils) -> None:
    marks = seen((1.0, 2.0), name=name, spoils=spoils)
    distrusted = name in ("stuck", "wrong_sign", "sides_swapped", "motion_without_force") and spoils in (
        "force",
        "both",
    )
    assert marks.distrusts_force(0.0, 1.5) == distrusted
    assert not marks.distrusts_force(2.0, 3.0)


def test_the_latest_sixty_four_stretches_are_remembered() -> None:
    marks = seen(*((float(k), k + 0.5) for k in range(100)))
    assert spans(marks) == [(float(k), k + 0.5) for k in range(36, 100)]


ERRORS = {"stuck", "wrong_sign", "sides_swapped", "force_without_motion"}
AT_ONCE = {"zero_drift", "wrong_sign", "sides_swapped", "motion_without_force", "clocks_apart"}
LONGER = {"spike": 3.0, "encoder_slip": 5.0, "encoder_chatter": 2.0}  # s; others a second
HARMLESS, SLIGHT, GRAVE = (
    {"spike", "clocks_apart"},
    {"saturated", "zero_drift"},
    {"wrong_sign", "force_without_motion", "motion_without_force"},
)


@pytest.mark.parametrize("name", sorted(KINDS))
def test_a_fault_that_makes_a_sensor_useless_is_an_error_and_one_that_costs_nothing_is_told_only(name: str) -> None:
    kind = KINDS[name]
    assert kind.severity == ("error" if name in ERRORS else "info" if name == "spike" else "warning")
    assert kind.clears_after == (0.0 if name in AT_ONCE else LONGER.get(name, 1.0))
    cost = 0.0 if name in HARMLESS else 0.05 if name in SLIGHT else 0.3 if name in GRAVE else 0.2
    assert kind.cost == cost

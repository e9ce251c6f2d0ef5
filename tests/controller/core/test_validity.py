"""Which measures a gap, a saturated sample or a missing cell takes away, and which they leave."""

from __future__ import annotations

from dataclasses import fields

import pytest

from controller.core.rep_metrics import Measures
from controller.core.sensor_truth import Marks, Spoils
from controller.core.validity import blank, hide

FORCE = ("mean_force", "peak_force", "impulse", "work_concentric", "mean_power", "peak_power", "rfd")
MOTION = ("mean_velocity", "peak_velocity", "sparc", "ldlj", "sticking_point_pct")
BACK_FORCE = ("eccentric_mean_force", "eccentric_peak_force", "work_eccentric")
BACK_MOTION = ("eccentric_mean_velocity", "eccentric_peak_velocity")
EVERY = (*FORCE, *MOTION, *BACK_FORCE, *BACK_MOTION, "rom", "time_under_tension")


def whole() -> Measures:
    """Out from 1 to 2 s, held to 3 s, back until 5 s, with a number everywhere."""
    measures = Measures(t_start=1.0, t_top=2.0, t_lower=3.0, t_end=5.0, t_lowered=5.0)
    for name in EVERY:
        setattr(measures, name, 1.0)
    return measures


def marked(gaps: tuple[float, float] | None = None, saturated: tuple[float, float] | None = None) -> Marks:
    found = Marks()
    kinds: tuple[tuple[str, tuple[float, float] | None, Spoils], ...] = (
        ("gap", gaps, "both"), ("saturated", saturated, "force"),
    )  # fmt: skip
    for name, span, spoils in kinds:
        if span is not None:
            found.see(name, *span, spoils=spoils, detail="")
    return found


def gone(measures: Measures) -> set[str]:
    return {name for name in EVERY if getattr(measures, name) is None}


@pytest.mark.parametrize(
    ("span", "lost"),
    [
        ((0.2, 0.9), ()),
        ((0.9, 1.1), (*FORCE, *MOTION, "rom")),
        ((1.4, 1.5), (*FORCE, *MOTION)),
        ((1.9, 2.1), (*FORCE, *MOTION, "rom")),
        ((2.2, 2.8), ()),  # in the hold nothing is integrated
        ((2.9, 3.1), (*BACK_FORCE, *BACK_MOTION, "time_under_tension")),
        ((4.9, 5.1), (*BACK_FORCE, *BACK_MOTION, "time_under_tension")),
        ((3.5, 4.0), (*BACK_FORCE, *BACK_MOTION)),
        ((1.5, 4.0), (*FORCE, *MOTION, *BACK_FORCE, *BACK_MOTION, "rom", "time_under_tension")),
        ((5.1, 6.0), ()),
    ],
)
def test_a_gap_takes_what_is_derived_across_it_and_the_rom_only_at_its_ends(
    span: tuple[float, float], lost: tuple[str, ...]
) -> None:
    measures = whole()
    flags = hide(measures, marked(gaps=span), has_force=True)
    assert gone(measures) == set(lost)
    assert set(measures.reasons.values()) == ({"gap"} if lost else set())
    assert flags == (["gap"] if span[0] < 5.0 and span[1] > 1.0 else [])


@pytest.mark.parametrize(
    ("span", "lost"),
    [((1.4, 1.5), FORCE), ((4.0, 4.1), BACK_FORCE), ((1.5, 4.0), (*FORCE, *BACK_FORCE)), ((2.2, 2.8), ())],
)
def test_a_saturated_sample_takes_the_forces_of_its_phase_only(
    span: tuple[float, float], lost: tuple[str, ...]
) -> None:
    measures = whole()
    flags = hide(measures, marked(saturated=span), has_force=True)
    assert gone(measures) == set(lost)
    assert measures.reasons == dict.fromkeys(lost, "saturated")
    assert flags == ["saturated"]


def test_without_a_cell_there_is_no_force_and_no_flag() -> None:
    measures = whole()
    assert hide(measures, Marks(), has_force=False) == []
    assert gone(measures) == {*FORCE, *BACK_FORCE}
    assert set(measures.reasons.values()) == {"no_force"}


def test_a_rep_that_goes_on_is_judged_up_to_its_top() -> None:
    measures = whole()
    measures.t_lower = measures.t_end = measures.t_lowered = None
    hide(measures, marked(gaps=(2.5, 2.6)), has_force=True)
    assert gone(measures) == set()


def test_where_the_way_back_came_first_it_is_judged_where_it_was() -> None:
    measures = whole()
    measures.t_lower, measures.t_lowered = -2.0, 0.5
    hide(measures, marked(gaps=(-1.0, -0.9)), has_force=True)
    assert gone(measures) == {*BACK_FORCE, *BACK_MOTION}


def test_every_flag_is_named_once() -> None:
    flags = hide(whole(), marked(gaps=(1.5, 4.0), saturated=(1.5, 4.0)), has_force=True)
    assert flags == ["gap", "saturated"]


def test_what_is_blanked_has_its_word() -> None:
    measures = whole()
    blank(measures, ("rom", "rfd"), "let_go")
    assert (measures.rom, measures.rfd) == (None, None)
    assert measures.reasons == {"rom": "let_go", "rfd": "let_go"}


INTERNAL = (
    "way",
    "top_force",
    "gone_way",
    "gone_for",
    "gone_speed",
    "landing",
)  # what the rules ask for, and no event shows


def test_no_measure_is_left_out_of_these_tests() -> None:
    numbers = {each.name for each in fields(Measures) if each.type == "float | None"}
    assert numbers - {"t_lower", "t_end", "t_lowered", *INTERNAL} == set(EVERY)

"""The accuracy page: its figures are the tool's, and its rows hold."""

from __future__ import annotations

import re
from dataclasses import replace
from functools import cache
from pathlib import Path

import numpy as np
import pytest

from simulators.scenarios import SCENARIOS, Session
from tests.accuracy import corpus, plots, report
from tests.accuracy.__main__ import DOCS, IMAGES
from tests.accuracy.corpus import Counted
from tests.accuracy.known import KNOWN, counted
from tests.accuracy.matrix import cases
from tests.accuracy.measure import Outcome, deadline, run
from tests.accuracy.results import Results, band
from tests.accuracy.rows import Reached, counts_row, moved, quiet

SMALL = {80.0: 8, 100.0: 24}


@cache
def outcomes() -> dict[float, list[Outcome]]:
    return {rate: [run(case) for case in cases(rate, count, seed=2)] for rate, count in SMALL.items()}


def results(**changes: object) -> Results:
    made = Results(outcomes(), [], [], [], [], "made", "took")
    return replace(made, **changes)  # type: ignore[arg-type]  # names of its fields


def cells(page: str, what: str) -> list[str]:
    [line] = [line for line in page.splitlines() if line.startswith(f"| {what} |")]
    return [cell.strip() for cell in line.strip("|").split("|")]


@pytest.mark.parametrize("row", report.ROWS, ids=lambda row: row.what)
def test_a_row_of_the_table_holds_at_80_hz_and_more(row: report.Row) -> None:
    reached = row.of(band(results(), "80 Hz and more"))
    assert reached.good is not False, reached.text


def test_the_same_seed_gives_the_same_page() -> None:
    few = {100.0: [run(case) for case in cases(100.0, 2, seed=2)]}
    again = {100.0: [run(case) for case in cases(100.0, 2, seed=2)]}
    assert report.render(results(outcomes=few)) == report.render(results(outcomes=again))


def test_the_figures_of_the_page_are_those_of_the_sets() -> None:
    page = report.render(results())
    reps = sum(len(outcome.reps) + len(outcome.missed) for some in outcomes().values() for outcome in some)
    assert f"({reps} reps:" in cells(page, "reps, all shapes")[2]
    for row in report.ROWS:
        assert cells(page, row.what)[2] == row.of(band(results(), "80 Hz and more")).text


def test_a_missed_rep_a_ghost_and_a_wrong_measure_are_not_hidden() -> None:
    [good, *_] = [outcome for outcome in outcomes()[100.0] if outcome.reps and outcome.case.exercise != "hold"]
    lost = replace(good, reps=good.reps[1:], missed=[1.0], ghosts_of_handling=[2.0])
    page = report.render(results(outcomes={100.0: [lost]}))
    assert "1 missed, 1 ghosts" in cells(page, "reps, all shapes")[2]
    assert cells(page, "reps, all shapes")[3] == cells(page, "ghosts from handling")[3] == "**no**"
    assert lost.case.told in page
    off = [replace(rep, found={**rep.found, "rom_m": 1.02 * rep.true["rom_m"]}) for rep in good.reps]
    far = replace(good, reps=off * 5, case=replace(good.case, noise="clean"))
    page = report.render(results(outcomes={100.0: [far]}))
    assert cells(page, "ROM")[3] == "**no**"
    assert "bias +2.00" in cells(page, "ROM")[2]
    assert "ROM" in page.split("## Not reached")[1]


def test_recall_counts_what_was_missed_and_precision_what_was_invented() -> None:
    [one, *_] = [outcome for outcome in outcomes()[100.0] if len(outcome.reps) >= 4]
    four = replace(one, reps=one.reps[:4], missed=[1.0], ghosts_in_set=[])
    assert counts_row([four]) == Reached("precision 1.0000, recall 0.8000 (5 reps: 1 missed, 0 ghosts)", good=False)


def test_a_recording_that_is_missed_is_in_the_table_and_an_absent_folder_is_said() -> None:
    page = report.render(results(corpus=[Counted("a.csv", "high", (5, None), (4, 2))]))
    assert "0 of 1 exact" in cells(page, "labelled recordings")[2]
    assert cells(page, "a.csv")[-1].startswith("1 missed, 0 ghosts: not explained")
    assert "folder was absent" in report.render(results())
    assert corpus.count(Path("/nowhere")) == []


def test_a_turn_is_due_after_a_stand_or_five_millimetres_back() -> None:
    stands = Session(SCENARIOS["iso_lateral_row"].but(top_s=0.5, reps=2))
    turns = Session(SCENARIOS["iso_lateral_row"].but(top_s=0.0, reps=2))
    for session in (stands, turns):
        rep = session.truth.reps[0]
        path = session.paths["left"]
        due = deadline(path, rep.t_top, out=True)
        x = path.at(np.array([due, due - 0.06])).x
        if session is stands:
            assert x[0] == path.at(np.array([rep.t_top + 0.1])).x[0]
            assert 0.15 < due - rep.t_top < 0.25  # the last half millimetre lies before the stand
        else:
            top = path.at(np.array([rep.t_top])).x[0]
            assert top - x[1] == pytest.approx(0.005, abs=3e-4)


def test_known_failures_still_fail() -> None:
    for known in KNOWN:
        found, done = counted(known)
        assert found != done, f"{known.what} is counted right now: take it out of the list"


def test_the_images_are_small(tmp_path: Path) -> None:
    some = {rate: moved(quiet(of)) for rate, of in outcomes().items()}
    plots.bland_altman([outcome for of in some.values() for outcome in of], tmp_path / "a.png")
    plots.by_rate_and_profile(some, tmp_path / "b.png")
    plots.latency(some, tmp_path / "c.png")
    for file in (*tmp_path.iterdir(), *(DOCS / "images" / name for name in IMAGES)):
        assert 2_000 < file.stat().st_size < 150_000, file


def test_the_page_has_the_rows_that_the_tool_writes() -> None:
    page = (DOCS / "accuracy.md").read_text(encoding="utf-8")
    for row in report.ROWS:
        assert cells(page, row.what)[1] == row.target
    assert re.search(r"seed \d+: `python -m tests.accuracy", page)

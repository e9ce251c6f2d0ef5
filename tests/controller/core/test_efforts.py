"""Efforts from the force alone, on forces that are straight lines."""

from __future__ import annotations

import numpy as np
import pytest

from controller.core.efforts import Change, Efforts

DT = 0.01  # s


def run(*points: tuple[float, float], least: float = 15.0) -> tuple[Efforts, list[tuple[Change, float]]]:
    """The force goes in straight lines through the points (s, N); what is decided, and when."""
    efforts, found = Efforts(min_force=least), []
    times, forces = zip(*points, strict=True)
    for t in np.arange(times[0], times[-1], DT).tolist():
        change = efforts.step(t, float(np.interp(t, times, forces)))
        if change is not None:
            found.append((change, t))
    return efforts, found


@pytest.mark.parametrize("hz", [20.0, 100.0])
def test_noise_that_its_cell_is_known_for_is_no_effort_and_a_pull_out_of_it_is_one(hz: float) -> None:
    rng = np.random.default_rng(1)
    efforts = Efforts(min_force=15.0)
    found: list[Change] = []
    for k in range(round(600.0 * hz)):
        force = float(rng.normal(0.0, 5.0)) + (60.0 if 500.0 <= k / hz < 502.0 else 0.0)
        change = efforts.step(k / hz, force, noise=5.0)
        found += [change] if change is not None else []
    assert found == [Change.BEGAN, Change.ENDED]
    assert 499.9 < efforts.start_t < 500.2


def names(found: list[tuple[Change, float]]) -> list[Change]:
    return [change for change, _ in found]


def pull(start: float, seconds: float, newton: float, *, base: float = 0.0) -> list[tuple[float, float]]:
    """A sudden pull: up at start, held, and down again."""
    return [
        (start, base),
        (start + 0.001, base + newton),
        (start + seconds, base + newton),
        (start + seconds + 0.001, base),
    ]


def test_a_pull_is_announced_after_three_tenths_and_ends_when_it_is_let_go() -> None:
    efforts, found = run((0.0, 0.0), *pull(1.0, 2.0, 200.0), (5.0, 0.0))
    assert names(found) == [Change.BEGAN, Change.ENDED]
    assert found[0][1] == pytest.approx(1.3, abs=0.03)
    assert efforts.start_t == pytest.approx(1.0, abs=0.02)
    assert efforts.end_t == pytest.approx(3.0, abs=0.01)
    # The smoothed force (40 ms) is down to 35 % after 42 ms, and has to stay there for 0.1 s.
    assert found[1][1] == pytest.approx(3.0 + 0.142, abs=0.03)
    assert efforts.peak == pytest.approx(200.0, rel=0.001)
    assert not efforts.active


@pytest.mark.parametrize(("newton", "counted"), [(14.5, False), (17.0, True)])  # the base follows by a tenth
def test_a_pull_under_the_least_force_is_none(newton: float, counted: bool) -> None:  # noqa: FBT001
    _, found = run((0.0, 0.0), *pull(1.0, 0.5, newton), (5.0, 0.0))
    assert (Change.ENDED in names(found)) == counted


@pytest.mark.parametrize(("newton", "counted"), [(55.0, False), (70.0, True)])
@pytest.mark.parametrize("base", [100.0, -100.0])
def test_on_a_standing_load_a_pull_must_be_three_fifths_of_it(newton: float, counted: bool, base: float) -> None:  # noqa: FBT001
    _, found = run((0.0, base), *pull(1.0, 0.4, newton, base=base), (5.0, base))
    assert (Change.ENDED in names(found)) == counted


def test_the_threshold_stands_over_the_base() -> None:
    efforts, _ = run((0.0, 10.0), (1.0, 10.0))
    assert efforts.threshold == pytest.approx(25.0)
    efforts, _ = run((0.0, 100.0), (1.0, 100.0))
    assert efforts.threshold == pytest.approx(160.0)


def test_a_start_is_dated_where_the_threshold_is_crossed() -> None:
    # 100 N/s from 1 s on; the base follows a little.
    efforts, _ = run((0.0, 0.0), (1.0, 0.0), (3.0, 200.0), (3.5, 200.0))
    assert efforts.active
    assert efforts.start_t == pytest.approx(1.15, abs=0.01)
    coarse = Efforts(min_force=15.0)
    for k, force in enumerate([0.0, 0.0, 0.0, 100.0, 100.0]):
        coarse.step(0.2 * k, force)
    level = 100.0 * 0.2 / 0.24  # after one step of the smoothing, and the base after one of its own
    base = level * 0.2 / 2.2
    assert coarse.start_t == pytest.approx(0.4 + 0.2 * (base + 15.0) / 100.0, abs=1e-6)


def test_a_slow_drift_lifts_the_base_and_is_no_effort() -> None:
    efforts, found = run((0.0, 0.0), (60.0, 240.0), (61.0, 240.0))  # 4 N/s, which the base follows 8 N behind
    assert found == []
    assert efforts.base == pytest.approx(240.0 - 8.0 * np.exp(-0.5), abs=0.3)  # half a time constant later


def test_the_base_rises_with_two_seconds_and_falls_at_once() -> None:
    efforts, _ = run((0.0, 0.0), (1.0, 0.0), (1.001, 10.0), (3.0, 10.0))
    assert efforts.base == pytest.approx(10.0 * (1.0 - np.exp(-1.96 / 2.0)), abs=0.15)
    efforts, _ = run((0.0, 100.0), (1.0, 100.0), (1.001, 20.0), (1.3, 20.0))
    assert efforts.base == pytest.approx(20.0, abs=0.2)


@pytest.mark.parametrize(("seconds", "changes"), [(0.14, [Change.KNOCK]), (0.18, [Change.BEGAN, Change.ENDED])])
def test_less_than_two_tenths_is_a_knock(seconds: float, changes: list[Change]) -> None:
    # The smoothed force falls under 35 % another 42 ms later.
    assert names(run((0.0, 0.0), *pull(1.0, seconds, 200.0), (5.0, 0.0))[1]) == changes


@pytest.mark.parametrize(("dip", "changes"), [(0.1, 2), (0.25, 4)])
def test_a_dip_shorter_than_a_tenth_ends_nothing(dip: float, changes: int) -> None:
    # Down to 20 % of its height; the smoothing keeps it over 35 % for another 65 ms.
    _, found = run((0.0, 0.0), *pull(1.0, 1.0, 200.0), *pull(2.0 + dip, 1.0, 200.0), (6.0, 0.0))
    assert len(found) == changes


@pytest.mark.parametrize(("back", "ended"), [(0.38, False), (0.32, True)])
def test_an_effort_ends_under_35_percent_of_its_height(back: float, ended: bool) -> None:  # noqa: FBT001
    low = 200.0 * back
    _, found = run((0.0, 0.0), (1.0, 0.0), (1.01, 200.0), (2.0, 200.0), (2.01, low), (3.0, low))
    assert (Change.ENDED in names(found)) == ended


@pytest.mark.parametrize("slope", [100.0, 400.0, 2000.0])  # N/s
@pytest.mark.parametrize("base", [0.0, 25.0, -10.0])
def test_an_effort_lasts_from_one_crossing_of_its_threshold_to_the_other(slope: float, base: float) -> None:
    up = 200.0 / slope
    efforts, found = run(
        (0.0, base), (1.0, base), (1.0 + up, base + 200.0), (4.0, base + 200.0), (4.0 + up, base), (8.0, base)
    )
    assert names(found) == [Change.BEGAN, Change.ENDED]
    over = 15.0 / slope
    assert efforts.start_t == pytest.approx(1.0 + over, abs=0.01)
    assert efforts.end_t == pytest.approx(4.0 + up - over, abs=0.015)  # the base has followed the rise by 1 N
    assert found[1][1] <= max(efforts.end_t + 0.03, 4.0 + 0.65 * up + 0.04 + 0.13)  # and is not held back


def test_an_effort_that_never_falls_under_its_threshold_ends_where_it_falls_no_further() -> None:
    efforts, found = run((0.0, 0.0), (1.0, 0.0), (1.1, 200.0), (3.0, 200.0), (3.5, 50.0), (6.0, 50.0))
    assert names(found) == [Change.BEGAN, Change.ENDED]
    assert efforts.end_t == pytest.approx(3.5, abs=0.1)
    assert found[1][1] <= 3.5 + 0.3


def test_an_effort_that_is_over_when_the_stream_ends_counts() -> None:
    efforts, found = run((0.0, 0.0), (1.0, 0.0), (1.1, 200.0), (3.0, 200.0), (3.8, 40.0))
    assert names(found) == [Change.BEGAN]
    assert efforts.falling
    assert efforts.end() is Change.ENDED
    assert efforts.end() is None


@pytest.mark.parametrize(("newton", "last"), [(45.0, Change.KNOCK), (55.0, Change.ENDED)])
def test_less_than_a_quarter_of_the_usual_height_is_a_bump(newton: float, last: Change) -> None:
    pulls = [point for k, height in enumerate((150.0, 200.0, 400.0)) for point in pull(1.0 + 3.0 * k, 1.0, height)]
    _, found = run((0.0, 0.0), *pulls, *pull(12.0, 0.5, newton), (15.0, 0.0))
    assert names(found)[-1] is last


def test_after_two_efforts_nothing_is_usual_yet() -> None:
    pulls = [point for k in range(2) for point in pull(1.0 + 3.0 * k, 1.0, 400.0)]
    _, found = run((0.0, 0.0), *pulls, *pull(9.0, 0.5, 30.0), (12.0, 0.0))
    assert names(found)[-1] is Change.ENDED


def test_between_pulls_in_quick_succession_the_base_stays_where_it_was() -> None:
    # Back to 60 N only, for 0.5 s: a rest that brief is no base of its own, so the next pull is measured from 0.
    efforts, found = run(
        (0.0, 0.0), *pull(1.0, 1.0, 200.0), (2.01, 60.0), (2.5, 60.0), *pull(2.51, 1.0, 200.0), (6.0, 0.0)
    )
    assert names(found) == [Change.BEGAN, Change.ENDED, Change.BEGAN, Change.ENDED]
    assert efforts.base == pytest.approx(0.0, abs=1.0)


def test_an_effort_that_never_comes_back_is_none() -> None:
    efforts, found = run((0.0, 0.0), (1.0, 0.0), (1.01, 200.0), (5.0, 200.0))
    assert names(found) == [Change.BEGAN]
    assert efforts.end() is Change.KNOCK
    assert efforts.end() is None
    soon, _ = run((0.0, 0.0), (1.0, 0.0), (1.01, 200.0), (1.2, 200.0))
    assert soon.active
    assert soon.end() is None
    assert not soon.active


def test_the_peak_is_dated_where_the_smoothed_force_is_highest() -> None:
    efforts, _ = run((0.0, 0.0), (1.0, 0.0), (2.0, 300.0), (3.0, 0.0), (5.0, 0.0))
    assert efforts.peak_t == pytest.approx(2.0, abs=0.05)
    assert efforts.peak == pytest.approx(300.0, rel=0.05)

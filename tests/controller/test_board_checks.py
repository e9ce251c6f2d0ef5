"""What is said of a board: nothing made up, and each fault with what to do."""

from __future__ import annotations

from dataclasses import replace

import pytest

from controller.board_checks import Check, Heard, board_checks
from controller.core.diagnostic import Severity
from firmware_bridge.drivers import DRIVERS
from firmware_bridge.link import About
from firmware_bridge.messages import BoardStatus, ClockState, Identity, ReaderCounters

BOARD = Identity(
    source=0, major=1, firmware="1.2.0", model="board", uid="", boot_id=1, restarted=False, rate_hz=100, batch=1,
    channels=(),
)  # fmt: skip
SOUND = Heard(
    identity=BOARD,
    can=DRIVERS["cablelink"].can,
    samples=None,
    frames=ReaderCounters(frames=1000),
    clock=ClockState(skew_ppm=20.0, uncertainty=0.0002, jitter=0.001),
    clock_s=20.0,
    status=BoardStatus(source=0, battery_v=3.7, rssi_dbm=-50, samples_lost=0),
    about=About(),
    faults=frozenset(),
)


def check(heard: Heard, what: str) -> Check:
    return next(each for each in board_checks(heard) if each.what == what)


def test_of_a_sound_board_nothing_is_amiss() -> None:
    assert {each.severity for each in board_checks(SOUND)} == {"info"}


@pytest.mark.parametrize(
    ("lost", "severity"), [(0, "info"), (1, "warning"), (10, "warning"), (11, "error"), (500, "error")]
)
def test_more_than_a_frame_in_a_hundred_lost_is_an_error(lost: int, severity: Severity) -> None:
    heard = replace(SOUND, frames=ReaderCounters(frames=1000, lost=lost))
    assert check(heard, "frames").severity == severity


@pytest.mark.parametrize("status", [None, BoardStatus(source=0)])
def test_a_battery_of_which_nothing_is_said_is_not_one_of_0_volts(status: BoardStatus | None) -> None:
    assert check(replace(SOUND, status=status), "battery").text == "not said"


def test_a_battery_is_said_in_volts_and_in_percent_as_far_as_the_board_says_so() -> None:
    about = About(battery_pct=80)
    assert check(replace(SOUND, about=about), "battery").text == "3.70 V, 80 %"
    assert check(replace(SOUND, about=about, status=None), "battery").text == "80 %"


def test_what_a_protocol_does_not_say_of_its_board_its_link_does() -> None:
    about = About(address="AA", name="cable-1", manufacturer="maker", model="row", serial="7", firmware="2.0")
    untold = replace(SOUND, about=about, identity=replace(BOARD, model="", firmware="?"))
    assert [check(untold, what).text for what in ("model", "firmware")] == ["row", "2.0"]
    assert check(untold, "label").text == "cable-1, maker, row, 7"
    told = replace(SOUND, about=about)
    assert [check(told, what).text for what in ("model", "firmware")] == ["board", "1.2.0"]


def test_a_low_battery_is_an_error() -> None:
    low = check(replace(SOUND, faults=frozenset({"low_battery"})), "battery")
    assert (low.severity, low.text) == ("error", "3.70 V, low: charge it")


def test_a_skew_is_not_known_before_the_fit_has_seen_it() -> None:
    assert "not known after 3 s" in check(replace(SOUND, clock_s=3.0), "skew").text
    assert check(SOUND, "skew").text == "+20 ppm"


@pytest.mark.parametrize(("ppm", "severity"), [(-500.0, "info"), (-501.0, "warning"), (3000.0, "warning")])
def test_a_clock_that_no_quartz_has_is_a_warning(ppm: float, severity: Severity) -> None:
    heard = replace(SOUND, clock=ClockState(skew_ppm=ppm, uncertainty=0.0002, jitter=0.0))
    assert check(heard, "skew").severity == severity


def test_a_device_without_a_clock_has_no_skew() -> None:
    whats = [each.what for each in board_checks(replace(SOUND, can=DRIVERS["chronojump-encoder"].can))]
    assert ("clock" in whats, "skew" in whats) == (True, False)


def test_what_the_board_itself_reports_is_said_with_what_to_do() -> None:
    said = check(replace(SOUND, faults=frozenset({"encoder_fault_left"})), "says")
    assert (said.severity, said.text) == ("warning", "encoder fault left: the left encoder's wiring")

"""Handles that stand under known masses and lengths are what a calibration can be held against."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from typer.testing import CliRunner

from protocols.events import SIDES, Side
from simulators.cable import G
from simulators.cli import app
from simulators.holds import Hold, parse_holds
from simulators.scenarios import SCENARIOS, Session
from simulators.sensors import Sensor, Sensors
from simulators.truth import Truth


def session(text: str, *, on: tuple[Side, ...] = SIDES) -> Session:
    return Session(SCENARIOS["iso_lateral_row"].but(holds=parse_holds(text), hold_s=4.0, hold_on=on))


@pytest.mark.parametrize("on", [SIDES, ("left",), ("right",)])
def test_force_and_position_are_the_truths_over_the_whole_of_each_hold(on: tuple[Side, ...]) -> None:
    played = session("0kg,10kg,0.5m,30kg", on=on)
    assert len(played.truth.holds) == 4 * len(on)
    assert played.truth.sets == ()
    assert played.duration > max(hold.t_end for hold in played.truth.holds)
    for hold in played.truth.holds:
        times = np.linspace(hold.t_start, hold.t_end - 1e-6, 50)
        assert played.values(f"{hold.side}_position_m", times) == pytest.approx(np.full(50, hold.position_m))
        if hold.position_m == 0.0:
            assert played.values(f"{hold.side}_force_n", times) == pytest.approx(np.full(50, hold.force_n))
    assert {round(hold.force_n / G) for hold in played.truth.holds} == {0, 10, 30}


def test_the_other_cable_stays_empty() -> None:
    played = session("20kg,0.5m", on=("left",))
    times = np.linspace(0.0, played.duration, 500)
    assert not played.values("right_force_n", times).any()
    assert not played.values("right_position_m", times).any()


@pytest.mark.parametrize("gain", [1.0, 1.03, -0.98])
def test_a_gain_is_what_a_sensor_says_over_what_is_so(gain: float) -> None:
    sensors = Sensors(force_noise_n=0.0, force_gain=gain, position_gain=gain)
    for channel, value in (("left_force_n", 300.0), ("left_position_m", 0.5)):
        sensor = Sensor(channel, sensors, 1)
        said = sensor.nominal(sensor.counts(np.array([0.0, value])))
        assert said == pytest.approx([0.0, gain * value], abs=sensor.scale)


@pytest.mark.parametrize("text", ["", "10", "10lb", "-5kg", "10kg,,20kg", "kg"])
def test_a_hold_that_is_none_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="is no hold; a mass or a length"):
        parse_holds(text)
    assert CliRunner().invoke(app, ["pty", "--hold", text]).exit_code == 2


def test_masses_and_lengths_are_read_as_written() -> None:
    assert parse_holds("0kg, 12.5kg,0.25m") == (Hold(), Hold(kg=12.5), Hold(m=0.25))


def test_the_truth_of_holds_is_written_and_read(tmp_path: Path) -> None:
    truth = session("0kg,10kg").truth
    truth.write(tmp_path / "truth.json")
    assert Truth.read(tmp_path / "truth.json") == truth

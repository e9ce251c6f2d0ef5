"""Two boards of different kinds and rates, one a side: the lag between the sides is right within what it claims."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import pytest

from controller.pipeline import Pipeline
from firmware_bridge.link import Chunk
from protocols.events import Side, to_json
from protocols.sample_lines import LineFormat
from simulators.gym import session_board, twin
from simulators.scenarios import SCENARIOS, Session
from simulators.virtual_board import Device, World
from tests.conformance.virtual_time import BEGIN
from tests.stations.two_kinds import Station, lived

TABLE = 10.0  # ms; what the alignment of two boards has to keep
WARM = 15.0  # s before the first rep


@dataclass
class Slow:
    """A device whose link takes so long at best, s: nothing that the host sees shows it."""

    device: Device
    by: float

    def chunks(self, host_time: float) -> list[Chunk]:
        return [replace(chunk, received_at=chunk.received_at + self.by) for chunk in self.device.chunks(host_time)]

    def receive(self, data: bytes) -> None:
        self.device.receive(data)


Make = Callable[[Session, Side, World, float], Device]  # session, side, world, ppm


@dataclass(frozen=True)
class Kind:
    board: dict[str, Any]
    make: Make
    channels: tuple[str, ...]  # what its channels are, in their order
    late: float = 0.002  # s at most


def _line(*columns: str, rate_hz: float, separator: str = ";") -> Make:
    def make(session: Session, side: Side, world: World, ppm: float) -> Device:
        line = LineFormat(columns, separator)
        return twin("ascii-line", session, side=side, line=line, rate_hz=rate_hz, now=BEGIN, ppm=ppm, world=world)

    return make


def _twin(driver: str, *, slow: float = 0.0) -> Make:
    def make(session: Session, side: Side, world: World, ppm: float) -> Device:
        return Slow(twin(driver, session, side=side, now=BEGIN, ppm=ppm, world=world), slow)

    return make


def _ours(session: Session, side: Side, world: World, ppm: float) -> Device:
    return session_board(session, side=side, now=BEGIN, ppm=ppm, world=world)


TINDEQ = Kind({"driver": "tindeq", "url": "ble://x"}, _twin("tindeq"), ("force",), late=0.005)
SLOW_TINDEQ = replace(TINDEQ, make=_twin("tindeq", slow=0.006))
CHRONOJUMP = Kind({"driver": "chronojump-force", "url": "tcp://x:1"}, _twin("chronojump-force"), ("force",))
STAMPED = Kind(
    {"driver": "ascii-line", "url": "tcp://x:1", "line": {"columns": ["time_us", "force_n"]}},
    _line("time_us", "force_n", rate_hz=92.4),
    ("force",),
)
COUNTED = Kind(
    {"driver": "ascii-line", "url": "tcp://x:1", "rate_hz": 80, "line": {"columns": ["force_kg"], "separator": ","}},
    _line("force_kg", rate_hz=88.0, separator=","),
    ("force",),
)
OURS = Kind({"url": "tcp://x:1"}, _ours, ("position", "force"))
MOVING = Kind(
    {"driver": "ascii-line", "url": "tcp://x:1", "line": {"columns": ["time_ms", "force_n", "position_mm"]}},
    _line("time_ms", "force_n", "position_mm", rate_hz=80.0),
    ("force", "position"),
)


def station(left: Kind, right: Kind, session: Session) -> Station:
    world = World()
    sides: tuple[tuple[Side, Kind, float], ...] = (("left", left, 60.0), ("right", right, -40.0))
    has = {"force", "position"} if any("position" in name for name in session.scenario.channels) else {"force"}
    config: dict[str, Any] = {"board": []}
    devices: dict[str, Device] = {}
    late: dict[str, float] = {}
    for side, kind, ppm in sides:
        config["board"].append({"id": side, **kind.board})
        channels = [name for name in kind.channels if name in has]
        config[side] = {name: {"board": side, "channel": k} for k, name in enumerate(channels)}
        devices[side], late[side] = kind.make(session, side, world, ppm), kind.late
    return lived(config, devices, seconds=session.duration + 6.0, late=late)


@pytest.mark.parametrize(
    ("left", "right", "scenario"),
    [
        (TINDEQ, STAMPED, "isometric_hold"),
        (COUNTED, replace(OURS, channels=("force",)), "isometric_hold"),
        (CHRONOJUMP, SLOW_TINDEQ, "isometric_hold"),
        (OURS, MOVING, "iso_lateral_row"),
    ],
    ids=["tindeq, line", "line without time, cablelink", "chronojump, a slow tindeq", "cablelink, moving line"],
)
@pytest.mark.parametrize("lag", [0.0, 0.08])
def test_the_lag_of_two_kinds_is_right_within_its_uncertainty(
    left: Kind, right: Kind, scenario: str, lag: float
) -> None:
    session = Session(SCENARIOS[scenario].but(reps=5, lag_s=lag, lead_s=WARM))
    [truth] = session.truth.sets
    began = {(rep.side, rep.effort): rep.t_start for rep in truth.reps}
    true = [1000.0 * (began["right", k] - began["left", k]) for k in range(1, 6)]
    pairs = station(left, right, session).pairs
    assert len(pairs) == 5
    for pair, expected in zip(pairs, true, strict=True):
        assert pair.lag_ms is not None
        assert pair.lag_uncertainty_ms is not None
        assert abs(pair.lag_ms - expected) <= min(2.0 * pair.lag_uncertainty_ms, TABLE)
        assert pair.lag_uncertainty_ms <= TABLE


def test_what_two_kinds_said_replays_to_the_same_events_byte_by_byte() -> None:
    session = Session(SCENARIOS["isometric_hold"].but(reps=3))
    lived_through = station(TINDEQ, STAMPED, session)
    again = Pipeline(lived_through.header)
    events = []
    for record in lived_through.records:
        again.feed(record)
        events += again.events()
    again.finish()
    events += again.events()
    assert [to_json(event) for event in events] == [to_json(event) for event in lived_through.events]


def test_info_says_which_drivers_have_not_been_tried_on_hardware() -> None:
    said = station(TINDEQ, OURS, Session(SCENARIOS["iso_lateral_row"].but(reps=1, lead_s=1.0))).pipeline.info().boards
    assert "left:Tindeq Progressor:1.2.3.4:experimental" in said
    assert said.count("experimental") == 1

"""What each channel measures: by the configuration, else by the board; what cannot be used is said."""

from __future__ import annotations

from collections.abc import Sequence

import pytest

from controller.config import StationConfig
from controller.pipeline import Pipeline
from protocols import cablelink
from protocols.cablelink import Channel, ChannelSide, Kind, SampleStatus, Unit
from protocols.events import AnyEvent, Fault
from protocols.recording import ChunkIn, Input, LinkUp, Tick
from tests.controller.inputs import ANCHOR, header, station
from tests.simulators.wire import frame

UNSET, LEFT, RIGHT = ChannelSide.UNSET, ChannelSide.LEFT, ChannelSide.RIGHT


def force(side: ChannelSide = UNSET) -> Channel:
    return Channel(kind=Kind.FORCE, side=side, unit=Unit.NEWTON, scale=0.5, offset=100.0)


def position(side: ChannelSide = UNSET) -> Channel:
    return Channel(kind=Kind.POSITION, side=side, unit=Unit.METRE, scale=0.001, offset=0.0)


class Talker:
    """A board written by hand: says what it is, then rows of counts every 10 ms."""

    def __init__(self, name: str, *channels: Channel, source: int = 0, boot: int = 1, t: float = 0.1) -> None:
        self.name, self.channels, self.source, self.boot = name, channels, source, boot
        self.t = t  # s of stream time
        self._sequence = 0

    def up(self) -> Input:
        return LinkUp(board=self.name, received_at=ANCHOR + self.t)

    def info(self) -> Input:
        self._sequence = 0
        return self._said(
            cablelink.Info(source=self.source, boot_id=self.boot, rate_hz=100, batch=1, channels=self.channels)
        )

    def rows(self, *rows: Sequence[int], status: int = 0) -> list[Input]:
        out = []
        for row in rows:
            self.t += 0.01
            self._sequence += 1
            out.append(
                self._said(
                    cablelink.Samples(
                        source=self.source, sequence=self._sequence, t_us=round(self.t * 1e6) + 5_000_000 * self.boot,
                        status=status, rows=(tuple(row),),
                    )
                )
            )  # fmt: skip
        return out

    def _said(self, message: cablelink.Message) -> Input:
        return ChunkIn(board=self.name, received_at=ANCHOR + self.t, data=frame(message))


def told(config: StationConfig, *inputs: Input) -> Pipeline:
    pipeline = Pipeline(header(config))
    for record in sorted(inputs, key=lambda record: record.received_at):
        pipeline.feed(record)
    return pipeline


def problems(events: Sequence[AnyEvent]) -> dict[str, str]:
    return {event.name: event.detail for event in events if isinstance(event, Fault) and event.raised}


def side(**channels: int) -> dict[str, object]:
    return {kind: {"board": "a", "channel": number} for kind, number in channels.items()}


def test_a_board_that_knows_its_side_needs_no_configuration() -> None:
    board = Talker("a", force(RIGHT), position(RIGHT))
    pipeline = told(station("a"), board.up(), board.info(), *board.rows(*[(300, 250)] * 50))
    shown = pipeline.telemetry()
    assert shown.position_right_m == pytest.approx(0.25)
    assert shown.force_left_n is None
    assert pipeline.info().sides == ["right"]
    assert problems(pipeline.events()) == {}


def test_a_board_without_a_side_is_not_used_and_says_what_to_do() -> None:
    board = Talker("a", force(), position())
    pipeline = told(station("a"), board.up(), board.info(), *board.rows((300, 250)))
    found = problems(pipeline.events())
    assert list(found) == ["side_unknown"]
    assert "[station.left]" in found["side_unknown"]
    assert pipeline.info().sides == []


def test_the_configuration_is_stronger_than_what_the_board_says() -> None:
    board = Talker("a", force(LEFT), position(LEFT))
    config = station("a", right=side(force=0, position=1))
    pipeline = told(config, board.up(), board.info(), *board.rows(*[(300, 250)] * 50))
    assert pipeline.telemetry().position_right_m == pytest.approx(0.25)
    assert pipeline.info().sides == ["right"]
    faults = [event for event in pipeline.events() if isinstance(event, Fault)]
    assert [(fault.name, fault.severity) for fault in faults] == [("side_differs", "info")]
    assert "on the left" in faults[0].detail


def test_ratio_and_calibration_make_counts_physical() -> None:
    board = Talker("a", force(LEFT), position(LEFT))
    left = {
        "force": {"board": "a", "channel": 0, "ratio": 2.0, "calibration": {"zero": 100.0, "span": 0.25, "id": "k1"}},
        "position": {"board": "a", "channel": 1, "ratio": 0.5},
    }
    config = station("a", left=left, track_zero=False)
    pipeline = told(config, board.up(), board.info(), *board.rows(*[(300, 250)] * 50))
    shown = pipeline.telemetry()
    assert shown.force_left_n == pytest.approx((300 - 100) * 0.25 * 2.0)
    assert shown.position_left_m == pytest.approx(250 * 0.001 * 0.5)
    assert pipeline.info().left_calibration == "k1"


def test_a_channel_that_the_board_does_not_have_is_a_fault() -> None:
    board = Talker("a", force(LEFT))
    pipeline = told(station("a", left=side(force=0, position=3)), board.up(), board.info(), *board.rows((1,)))
    assert "no channel 3" in problems(pipeline.events())["channel_absent"]


def test_a_channel_of_another_kind_is_a_fault_and_not_used() -> None:
    board = Talker("a", force(LEFT), position(LEFT))
    config = station("a", left=side(force=1, position=0))
    pipeline = told(config, board.up(), board.info(), *board.rows(*[(300, 250)] * 50))
    assert "channel_kind" in problems(pipeline.events())
    assert pipeline.telemetry().position_left_m is None


def test_two_boards_of_one_side_are_not_mixed() -> None:
    a, b = Talker("a", position(LEFT)), Talker("b", position(LEFT), t=0.105)
    pipeline = told(
        station("a", "b"), a.up(), b.up(), a.info(), b.info(), *a.rows(*[(250,)] * 50), *b.rows(*[(900,)] * 50)
    )
    assert pipeline.telemetry().position_left_m == pytest.approx(0.25)
    assert "board b" in problems(pipeline.events())["side_twice"]


def test_a_hub_reads_both_sides_by_its_sources() -> None:
    left, right = Talker("a", position(LEFT)), Talker("a", position(RIGHT), source=1)
    pipeline = told(
        station("a"), left.up(), left.info(), right.info(), *left.rows(*[(250,)] * 50), *right.rows(*[(500,)] * 50)
    )
    shown = pipeline.telemetry()
    assert shown.position_left_m == pytest.approx(0.25)
    assert shown.position_right_m == pytest.approx(0.5)


@pytest.mark.parametrize(
    ("channels", "config", "status", "saturated"),
    [
        ((force(LEFT), force(RIGHT)), {}, SampleStatus.FORCE_LEFT_SATURATED, "left"),
        ((force(LEFT), force(RIGHT)), {}, SampleStatus.FORCE_RIGHT_SATURATED, "right"),
        # crossed cables
        ((force(LEFT), force(RIGHT)), {"left": side(force=1), "right": side(force=0)}, 1, "right"),
        ((force(LEFT), force(RIGHT)), {"left": side(force=1), "right": side(force=0)}, 2, "left"),
        # a board that does not know its sides
        ((force(), force()), {"left": side(force=0), "right": side(force=1)}, 2, "right"),
        ((force(), position(), force()), {"left": side(force=2), "right": side(force=0)}, 2, "left"),
        # a single channel is meant by either bit
        ((force(),), {"right": side(force=0)}, 1, "right"),
        ((force(),), {"right": side(force=0)}, 2, "right"),
        ((force(LEFT),), {"right": side(force=0)}, 1, "right"),
    ],
)
def test_a_saturated_channel_is_that_of_the_side_it_is_wired_to(
    channels: tuple[Channel, ...], config: dict[str, object], status: int, saturated: str
) -> None:
    board = Talker("a", *channels)
    row = (1000,) * len(channels)
    pipeline = told(station("a", **config), board.up(), board.info(), *board.rows(*[row] * 20, status=status))
    faults = [event for event in pipeline.events() if isinstance(event, Fault)]
    assert [(fault.name, fault.side) for fault in faults if fault.side is not None] == [("saturated", saturated)]


def test_a_restart_reaches_the_core_between_the_samples_of_the_two_boots() -> None:
    a, b = Talker("a", position(LEFT)), Talker("b", position(RIGHT), t=0.105)
    before = [a.up(), b.up(), a.info(), b.info(), *a.rows(*[(0,)] * 30), *b.rows(*[(0,)] * 25)]
    again = Talker("a", position(LEFT), boot=2, t=a.t + 0.001)  # while samples of its first boot wait for b
    after = [again.info(), *again.rows(*[(800,)] * 40), *b.rows(*[(0,)] * 60)]
    pipeline = Pipeline(header(station("a", "b")))
    fastest, seen = 0.0, set()
    for record in sorted([*before, *after], key=lambda record: record.received_at):
        pipeline.feed(record)
        shown = pipeline.telemetry()
        fastest = max(fastest, abs(shown.velocity_left_m_per_s or 0.0))
        seen.add(shown.position_left_m)
    assert fastest < 0.1  # a jump of 0.8 m in one sample would be a stroke
    assert seen >= {0.0, 0.8}
    assert pipeline.late == 0


def test_a_board_that_comes_back_with_other_channels_is_read_by_them() -> None:
    a, b = Talker("a", force(LEFT), position(LEFT)), Talker("b", position(RIGHT), t=0.105)
    before = [a.up(), b.up(), a.info(), b.info(), *a.rows(*[(100, 250)] * 30), *b.rows(*[(0,)] * 20)]
    again = Talker("a", position(LEFT), boot=2, t=a.t + 0.001)
    pipeline = told(station("a", "b"), *before, again.info(), *again.rows(*[(700,)] * 40), *b.rows(*[(0,)] * 60))
    assert pipeline.telemetry().position_left_m == pytest.approx(0.7)


def test_an_encoder_that_reports_a_fault_is_one_of_its_side_until_it_is_well() -> None:
    board = Talker("a", position(LEFT), position(RIGHT))
    config = station("a", left=side(position=1), right=side(position=0))  # crossed
    bad = board.up(), board.info(), *board.rows(*[(0, 0)] * 5, status=SampleStatus.ENCODER_LEFT_FAULT)
    pipeline = told(config, *bad, *board.rows(*[(0, 0)] * 5))
    faults = [event for event in pipeline.events() if isinstance(event, Fault)]
    assert [(f.name, f.side, f.raised) for f in faults if f.side is not None] == [
        ("encoder_fault", "right", True), ("encoder_fault", "right", False),
    ]  # fmt: skip


def test_health_and_online_follow_the_boards() -> None:
    board = Talker("a", position(LEFT))
    pipeline = told(station("a", "b"), board.up(), board.info(), *board.rows((1,)), Tick(received_at=ANCHOR + 1.0))
    assert not pipeline.online
    health = pipeline.health()
    assert health.link == "a=up,b=down"
    assert (health.left_frames_lost, health.right_frames_lost) == (0, None)
    assert (health.left_slips, health.right_slips) == (0, None)
    assert health.left_zero_drift_n is None
    assert told(station("a"), board.up(), board.info()).online

"""A dialect's values become messages: bad stamps, gaps, restarts, batteries."""

from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from firmware_bridge.device_commander import BATTERY_EVERY, DeviceCommander
from firmware_bridge.device_reader import DeviceReader, Stamps
from firmware_bridge.drivers import BoardConfig, LineConfig, link_problem, make_driver
from firmware_bridge.link import Chunk
from firmware_bridge.messages import Acknowledged, BoardStatus, Identity, Message, SampleBlock
from protocols.ascii_line import AsciiLine
from protocols.sample_lines import LineFormat
from protocols.tindeq import Message as Said
from protocols.tindeq import Tag, Tindeq, weights

WRAP = 1 << 32
STEP = 12_500  # us


def judged(*ticks: int) -> list[str]:
    stamps = Stamps()
    return [stamps.judge(each % WRAP) for each in ticks]


def test_one_bad_stamp_is_dropped_and_those_after_it_are_not() -> None:
    assert judged(0, STEP, 900_000_000, 2 * STEP, 3 * STEP) == ["next", "next", "strange", "next", "next"]


def test_a_second_stamp_that_goes_on_from_a_strange_one_is_a_clock_that_began_anew() -> None:
    assert judged(50_000_000, 50_000_000 + STEP, 100, 100 + STEP, 100 + 2 * STEP) == [
        "next", "next", "strange", "anew", "next",
    ]  # fmt: skip


def test_a_packet_that_comes_twice_never_looks_like_a_restart() -> None:
    packet = [k * STEP for k in range(15)]
    assert judged(*packet, *packet, 15 * STEP) == ["next"] * 15 + ["repeated"] * 15 + ["next"]


def test_stamps_go_on_over_the_wrap() -> None:
    assert judged(*(WRAP - 3 * STEP + k * STEP for k in range(8))) == ["next"] * 8


@pytest.mark.parametrize("missing", [1, 2, 15, 400])
def test_a_gap_is_so_many_samples(missing: int) -> None:
    stamps = Stamps()
    for k in range(20):
        stamps.judge(k * STEP + (k % 2) * 300)
    stamps.judge((20 + missing) * STEP)
    assert stamps.lost == pytest.approx(missing, rel=0.01)


def test_no_gap_is_counted_over_a_link_that_was_away() -> None:
    stamps = Stamps()
    for k in range(20):
        stamps.judge(k * STEP)
    stamps.link_up()
    stamps.judge(100 * STEP)
    assert stamps.lost == 0


def read(reader: DeviceReader, *notifications: bytes) -> list[Message]:
    reader.link_up()
    return [m for k, data in enumerate(notifications) for m in reader.feed(Chunk(100.0 + 0.1 * k, data))]


def test_a_low_battery_is_a_fault_of_the_samples_that_follow() -> None:
    one, two = (weights([(1.0, k * 100_000)]).to_bytes() for k in (1, 2))
    found = read(DeviceReader(Tindeq(), has_clock=True), one, Said(Tag.LOW_BATTERY).to_bytes(), two)
    assert [m.faults for m in found if isinstance(m, SampleBlock)] == [frozenset(), {"low_battery"}]


def test_a_low_battery_is_forgotten_when_the_link_opens_anew() -> None:
    reader = DeviceReader(Tindeq(), has_clock=True)
    sample = weights([(1.0, 100_000)]).to_bytes()
    read(reader, sample, Said(Tag.LOW_BATTERY).to_bytes())
    found = read(reader, sample)  # it was off meanwhile: to be charged, or for a new battery
    assert [m.faults for m in found if isinstance(m, SampleBlock)] == [frozenset()]


def test_a_voltage_is_a_status_and_a_version_an_identity() -> None:
    battery = Said(Tag.ANSWER, (3912).to_bytes(4, "little")).to_bytes()
    status, identity = read(DeviceReader(Tindeq(), has_clock=True), battery, Said(Tag.ANSWER, b"1.2").to_bytes())
    assert isinstance(status, BoardStatus)
    assert status.battery_v == pytest.approx(3.912)
    assert isinstance(identity, Identity)
    assert (identity.firmware, identity.model, identity.is_experimental) == ("1.2", "Tindeq Progressor", True)


def test_a_device_that_cannot_be_asked_is_known_by_its_first_sample_on_each_link() -> None:
    reader = DeviceReader(AsciiLine(LineFormat(("time_us", "force_n")), rate_hz=80.0), has_clock=True)
    kinds = [type(m) for m in read(reader, b"\n1000;5\n", b"13500;6\n")]
    assert kinds == [Identity, SampleBlock, SampleBlock]
    assert [type(m) for m in read(reader, b"\n90000;5\n")] == [Identity, SampleBlock]


def test_a_restart_of_what_counts_a_position_is_told_and_of_a_force_alone_it_is_not() -> None:
    lines = [
        b"\n",
        *(b"%d;5\n" % (50_000_000 + k * STEP) for k in range(9)),
        *(b"%d;5\n" % (k * STEP) for k in range(3)),
    ]
    for column, restarts in (("position_mm", 1), ("force_n", 0)):
        reader = DeviceReader(AsciiLine(LineFormat(("time_us", column)), rate_hz=80.0), has_clock=True)
        found = read(reader, *lines)
        assert sum(isinstance(m, Identity) and m.restarted for m in found) == restarts
        times = [t for m in found if isinstance(m, SampleBlock) for t in m.times]
        assert len(times) == 11
        assert times == sorted(set(times))


def test_an_answer_names_the_command_that_waits_for_it() -> None:
    driver = make_driver(BoardConfig(id="b", url="tcp://127.0.0.1:1", driver="chronojump-force"))
    driver.reader.link_up()
    tare = driver.commander.tare(0, samples=20)
    assert tare is not None
    (answer,) = driver.reader.feed(Chunk(1.0, b"\nTaring OK:12\r\n"))
    assert isinstance(answer, Acknowledged)
    assert answer.of_sequence == tare.key


def test_the_battery_is_asked_for_once_a_minute() -> None:
    commander = DeviceCommander(Tindeq())
    asked = [now for now in range(300) if commander.ping(0, now=float(now)) is not None]
    assert asked == [k * round(BATTERY_EVERY) for k in range(5)]


LINE = LineConfig(columns=["time_us", "force_n"])


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"driver": "ascii-line"}, "line: it has to be said what stands in a line"),
        ({"driver": "ascii-line", "line": LineConfig(columns=["force_n"])}, "rate_hz: the lines bear no time"),
        ({"driver": "ascii-line", "line": LineConfig(columns=["time_us", "farce_n"])}, "did you mean 'force_n'"),
        ({"driver": "ascii-line", "line": LINE, "batch": 3}, "batch: "),
        ({"driver": "chronojump-force", "line": LINE}, "line: a Chronojump force sensor has its own format"),
        ({"driver": "chronojump-force", "rate_hz": 80}, "rate_hz: a Chronojump force sensor cannot be told it"),
        ({"driver": "tindeq", "batch": 3}, "batch: a Tindeq Progressor cannot be told it"),
        ({"line": LINE}, "line: a cablelink board has its own format"),
    ],
)
def test_options_that_do_not_go_with_a_driver_are_refused(options: dict[str, object], words: str) -> None:
    with pytest.raises(ValueError, match=words):
        make_driver(BoardConfig(id="b", url="tcp://127.0.0.1:1", **options))  # type: ignore[arg-type]


def test_a_driver_says_by_what_it_is_reached() -> None:
    tindeq = BoardConfig(id="b", url="serial:///dev/ttyUSB0", driver="tindeq")
    assert link_problem(tindeq) == "serial:///dev/ttyUSB0: a Tindeq Progressor is reached by ble://"
    assert link_problem(BoardConfig(id="b", url="serial:///dev/ttyUSB0", driver="chronojump-force")) is None


@given(
    st.lists(st.tuples(st.integers(0, WRAP - 1), st.floats(0.0, 20.0), st.integers(1, 4)), max_size=40),
    st.booleans(),
)
def test_whatever_the_stamps_are_the_times_given_out_rise(
    packets: list[tuple[int, float, int]],
    has_clock: bool,  # noqa: FBT001
) -> None:
    reader = DeviceReader(Tindeq(), has_clock=has_clock)
    reader.link_up()
    now = 100.0
    times: list[float] = []
    for ticks, later, count in packets:
        now += later
        data = weights([(1.0, (ticks + k * STEP) % WRAP) for k in range(count)]).to_bytes()
        for message in reader.feed(Chunk(now, data)):
            if isinstance(message, SampleBlock):
                assert len(message.times) == len(message.rows)
                times += message.times
    assert all(a < b for a, b in pairwise(times))

"""A recording as a board: nothing invented, nothing left out."""

from __future__ import annotations

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from protocols import cablelink
from protocols.cablelink import Info, Samples
from protocols.neutral_csv import CHANNELS, NeutralCsv, parse_csv
from simulators.memory_link import chunks_of
from simulators.replay_board import duration, replay_board, replay_sources
from tests.simulators.wire import messages, start

Value = tuple[str, float, float]  # channel, time, value


def streamed(csv: NeutralCsv, *, until: float) -> tuple[list[Value], list[Info]]:
    """Every value that a replay streams, with its time from the first row on, and what the board said it was."""
    sources = len(replay_sources(csv))
    commands = [(0.1, start(k + 1, source=k)) for k in range(sources)]
    values: list[Value] = []
    infos: list[Info] = []
    told: dict[int, Info] = {}
    offset, last = 0.0, 0.0
    for message in messages(chunks_of(replay_board(csv), commands, until=until)):
        if isinstance(message, Info):
            if message.source in told and told[message.source].boot_id != message.boot_id and message.source == 0:
                offset = last
            told[message.source] = message
            infos.append(message)
        elif isinstance(message, Samples):
            assert (len(message.rows), message.dt_us) == (1, 0)
            t = ((message.t_us + 3_000_000) % 2**32) / 1e6 + offset
            last = max(last, t)
            for channel, count in zip(told[message.source].channels, message.rows[0], strict=True):
                side = "left" if channel.side == cablelink.ChannelSide.LEFT else "right"
                name = f"{side}_force_n" if channel.kind == cablelink.Kind.FORCE else f"{side}_position_m"
                values.append((name, t - 0.6, count * channel.scale))
    return values, infos


def expected(csv: NeutralCsv) -> list[Value]:
    begin = csv.rows[0].t
    return [
        (name, row.t - begin, value)
        for row in csv.rows
        for name in CHANNELS
        if (value := getattr(row, name.rsplit("_", 1)[0])) is not None
    ]


def assert_same(got: list[Value], wanted: list[Value]) -> None:
    assert len(got) == len(wanted)
    for a, b in zip(sorted(got), sorted(wanted), strict=True):
        assert a[0] == b[0]
        assert a[1] == pytest.approx(b[1], abs=2e-6)
        assert a[2] == pytest.approx(b[2], abs=6e-4 if "force" in a[0] else 6e-7, rel=1e-6)


def test_irregular_rows_keep_their_own_times() -> None:
    csv = parse_csv("time_s,left_position_m\n5.0,0.1\n5.013,0.2\n5.02,0.25\n6.5,-0.3\n", name="x")
    values, _ = streamed(csv, until=4.0)
    assert_same(values, expected(csv))
    assert duration(csv) == pytest.approx(1.5)


def test_channels_that_are_sampled_apart_are_sources_of_their_own() -> None:
    text = "time_s,left_position_m,left_force_n,right_force_n\n0,0.1,,\n0.01,0.2,5,6\n0.02,0.3,,\n0.03,0.4,7,8\n"
    csv = parse_csv(text, name="x")
    sources = replay_sources(csv)
    assert [source.names for source in sources] == [("left_position_m",), ("left_force_n", "right_force_n")]
    values, infos = streamed(csv, until=2.0)
    assert_same(values, expected(csv))
    assert [info.source for info in infos] == [0, 1]


def test_what_is_no_number_is_no_sample() -> None:
    csv = parse_csv("time_s,left_force_n,right_force_n\n0,1,2\n0.1,nan,3\n0.2,4,inf\n0.3,5,6\n", name="x")
    values, _ = streamed(csv, until=2.0)
    assert_same(values, expected(csv))
    assert len(values) == 6


def test_a_clock_that_began_afresh_is_a_new_boot_and_loses_no_row() -> None:
    rows = [f"{k / 100},{k / 1000}" for k in range(300)] + [f"{k / 100},{k / 2000}" for k in range(100)]
    csv = parse_csv("time_s,right_position_m\n" + "\n".join(rows), name="x")
    values, infos = streamed(csv, until=6.0)
    assert len({info.boot_id for info in infos}) == 2
    assert [round(value, 6) for _, _, value in values] == [row.right_position for row in csv.rows]


def test_a_recording_without_values_is_refused() -> None:
    with pytest.raises(ValueError, match="no values"):
        replay_board(parse_csv("time_s,left_force_n\n1,\n", name="x"))


Cells = tuple[int, float | None, float | None, float | None, float | None]
CELL = st.one_of(st.none(), st.floats(-2.0, 2.0).map(lambda value: round(value, 6)))


@example([(1, None, None, None, 0.0), (1, None, None, None, 0.0)])
@settings(max_examples=40, deadline=None)
@given(st.lists(st.tuples(st.integers(1, 60_000), CELL, CELL, CELL, CELL), min_size=1, max_size=40))
def test_whatever_the_gaps_every_value_comes_once_at_its_time(rows: list[Cells]) -> None:
    lines, t = [], 0
    for step, *cells in rows:
        t += step
        lines.append(",".join([str(t / 1e6), *("" if cell is None else str(cell) for cell in cells)]))
    csv = parse_csv("time_s," + ",".join(CHANNELS) + "\n" + "\n".join(lines), name="x")
    if not csv.rows:
        return
    values, _ = streamed(csv, until=0.7 + duration(csv) + 0.1)
    assert_same(values, expected(csv))

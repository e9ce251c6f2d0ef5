"""From the bytes of boards to events: the same however they were cut, and honest about what cannot be used."""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence
from itertools import groupby
from random import Random

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from controller.config import StationConfig
from controller.pipeline import Pipeline
from controller.rate_watch import WINDOW
from protocols.events import AnyEvent, Fault, Health, Pair, SetSummary
from protocols.recording import AboutIn, ChunkIn, CommandIn, Input, LinkDown, ProblemIn, RecordingError, Tick
from simulators.gym import session_board, two_boards
from simulators.impairments import Corrupt, Duplicate, Impairments, Jitter, Loss, Reorder
from tests.controller.inputs import ANCHOR, finals, header, heard, log, played, short_set, station, together

ONE, TWO = station("dual"), station("left", "right")
UNTIL = 33.0  # s; longer than the set and its gap


@functools.cache
def one_board() -> tuple[Input, ...]:
    """One board for both cables, read every 20 ms, so that a chunk holds several frames and parts of them."""
    frames = heard("dual", session_board(short_set(), now=ANCHOR - 5.0), until=UNTIL, batch=3)
    reads: list[Input] = []
    for stamp, group in groupby(frames, key=lambda record: round((record.received_at + 0.01) / 0.02) * 0.02):
        chunks = [record for record in group if isinstance(record, ChunkIn)]
        reads += [ChunkIn(board="dual", received_at=stamp, data=b"".join(c.data for c in chunks))] if chunks else []
    return tuple(together(frames[:1], reads, until=UNTIL))


@functools.cache
def boards_of_two(most_late: float = 0.03) -> tuple[Input, ...]:
    """A board for each cable, their clocks 90 ppm apart, on bad lines."""
    inputs = []
    for name, device in zip(TWO_NAMES, two_boards(short_set(), now=ANCHOR - 5.0, ppm=(50.0, -40.0)), strict=True):
        worse = Impairments((Loss(0.01), Corrupt(0.01), Duplicate(0.01), Reorder(0.01), Jitter(most_late)))
        inputs.append(heard(name, device, until=UNTIL, impairments=worse))
    return tuple(together(*inputs, until=UNTIL))


TWO_NAMES = ("left", "right")


def faults(events: Sequence[AnyEvent], name: str) -> list[Fault]:
    return [event for event in events if isinstance(event, Fault) and event.name == name]


# -- the same events, however the bytes were cut


def cut_up(records: Sequence[Input], random: Random, sizes: Sequence[int]) -> list[Input]:
    """The same bytes with the same stamps in smaller chunks."""
    cut: list[Input] = []
    for record in records:
        if not isinstance(record, ChunkIn):
            cut.append(record)
            continue
        at = 0
        while at < len(record.data):
            end = at + random.choice(sizes)
            cut.append(msgspec.structs.replace(record, data=record.data[at:end]))
            at = end
    return cut


@settings(max_examples=6, deadline=None)
@given(st.integers(0, 2**32), st.lists(st.integers(1, 600), min_size=1, max_size=5))
def test_any_cutting_of_the_bytes_gives_the_same_events(seed: int, sizes: list[int]) -> None:
    for config, records in ((ONE, one_board()), (TWO, boards_of_two())):
        assert log(played(config, cut_up(records, Random(seed), sizes))) == log(played(config, records))


def test_byte_by_byte_gives_the_same_events() -> None:
    assert log(played(TWO, cut_up(boards_of_two(), Random(1), [1]))) == log(played(TWO, boards_of_two()))


def test_it_does_not_matter_when_the_events_are_taken() -> None:
    pipeline = Pipeline(header(TWO))
    taken: list[AnyEvent] = []
    for record in boards_of_two():
        pipeline.feed(record)
        taken += pipeline.events()
        pipeline.state(), pipeline.telemetry(), pipeline.info()
        pipeline.health()
    pipeline.finish()
    assert log([*taken, *pipeline.events()]) == log(played(TWO, boards_of_two()))


# -- two boards, one station


@pytest.mark.parametrize(("config", "inputs"), [(ONE, one_board), (TWO, boards_of_two)], ids=["one", "two"])
def test_one_board_or_two_find_every_rep_and_pair(config: StationConfig, inputs: object) -> None:
    events = played(config, inputs())  # type: ignore[operator]
    assert [len(finals(events, side)) for side in TWO_NAMES] == [4, 4]
    assert sum(isinstance(event, Pair) for event in events) == 4
    [summary] = [event for event in events if isinstance(event, SetSummary)]
    assert summary.shape == "together"


def test_the_lag_between_two_boards_is_right_and_says_how_sure_it_is() -> None:
    truth = {(rep.side, rep.number): rep.t_start for s in short_set().truth.sets for rep in s.reps}
    pairs = [event for event in played(TWO, boards_of_two()) if isinstance(event, Pair)]
    for number, pair in enumerate(pairs, start=1):
        assert pair.lag_uncertainty_ms is not None
        assert pair.lag_ms is not None
        lag = 1000.0 * (truth["right", number] - truth["left", number])
        assert abs(pair.lag_ms - lag) <= 10.0 + 1.0  # the table's 10 ms; the turn itself is dated to 1 ms


def test_a_side_whose_board_goes_away_does_not_stop_the_other() -> None:
    gone_at = ANCHOR + 9.0
    records = [
        record for record in boards_of_two()
        if not (isinstance(record, ChunkIn) and record.board == "right" and record.received_at > gone_at)
    ]  # fmt: skip
    down: Input = LinkDown(board="right", received_at=gone_at, reason="unplugged")
    events = played(TWO, sorted([*records, down], key=lambda record: record.received_at))
    assert len(finals(events, "left")) == 4
    assert len(finals(events, "right")) == 1


def test_a_line_held_up_for_almost_a_second_loses_no_sample() -> None:
    held_up: list[Input] = []
    for record in one_board():
        stalls = 9.3 <= record.received_at - ANCHOR < 10.2
        is_chunk = isinstance(record, ChunkIn)
        stamp = ANCHOR + 10.2 if stalls and is_chunk else record.received_at
        held_up.append(msgspec.structs.replace(record, received_at=stamp))
    pipeline = Pipeline(header(ONE))
    for record in sorted(held_up, key=lambda record: record.received_at):
        pipeline.feed(record)
    assert pipeline.late == 0


@pytest.mark.parametrize(("held_up", "apart"), [(0.3, 0.01), (1.4, 0.01), (1.4, 0.8), (3.0, 0.01)])
@pytest.mark.parametrize(("config", "inputs"), [(ONE, one_board), (TWO, boards_of_two)], ids=["one", "two"])
def test_a_gateway_that_was_held_up_measures_what_it_would_have(
    config: StationConfig, inputs: Callable[[], tuple[Input, ...]], held_up: float, apart: float
) -> None:
    """Nothing is read for a while in the set, then the tick comes before what the boards have said meanwhile.

    The other stations are read first, so it takes a while until both boards are.
    """
    begins = ANCHOR + 12.0
    again, records = begins + held_up, inputs()
    said = dict.fromkeys((board.id for board in config.board), b"")
    for record in records:
        if isinstance(record, ChunkIn) and begins <= record.received_at < again:
            said[record.board] += record.data
    at = [again + apart * k for k in range(len(said))]
    held = [ChunkIn(board=name, received_at=t, data=data) for t, (name, data) in zip(at, said.items(), strict=True)]
    before = [record for record in records if record.received_at < begins]
    caught_up = again + apart + 0.05
    after = [
        msgspec.structs.replace(record, received_at=max(record.received_at, caught_up))
        for record in records
        if record.received_at >= again
    ]
    pipeline = Pipeline(header(config))
    for record in (*before, Tick(received_at=again), *held, *after):
        pipeline.feed(record)
    pipeline.finish()
    events = pipeline.events()
    assert not faults(events, "gap") or config is TWO  # their lines lose frames
    assert health(pipeline).samples_late == 0
    assert [len(finals(events, side)) for side in TWO_NAMES] == [4, 4]


@pytest.mark.parametrize("held_up", [0.3, 0.9])
def test_two_boards_held_up_on_the_same_way_lose_no_sample_though_one_is_heard_first(held_up: float) -> None:
    """A hub, a radio or a switch keeps what both boards say to itself, while the gateway's time goes on."""
    begins = ANCHOR + 12.0
    records = []
    for record in boards_of_two():
        stamp = record.received_at
        if isinstance(record, ChunkIn) and begins <= stamp < begins + held_up:
            stamp = begins + held_up + (0.03 if record.board == "right" else 0.0)
        records.append(msgspec.structs.replace(record, received_at=stamp))
    pipeline = Pipeline(header(TWO))
    for record in sorted(records, key=lambda record: record.received_at):
        pipeline.feed(record)
    pipeline.finish()
    assert health(pipeline).samples_late == 0
    events = pipeline.events()
    assert [len(finals(events, side)) for side in TWO_NAMES] == [4, 4]


def test_ticks_alone_close_a_set_when_the_boards_fall_silent_without_a_word() -> None:
    until = ANCHOR + 20.0
    silence: list[Input] = [Tick(received_at=until + k) for k in range(1, 90)]
    pipeline = Pipeline(header(ONE))
    for record in [*(r for r in one_board() if r.received_at < until), *silence]:
        pipeline.feed(record)
    events = pipeline.events()
    assert [event.flags for event in events if isinstance(event, SetSummary)]
    assert "no_samples" in {event.name for event in events if isinstance(event, Fault)}


# -- faults of boards


def test_one_board_that_is_back_does_not_end_the_trouble_of_another() -> None:
    def said(board: str, t: float, *, raised: bool) -> Input:
        return ProblemIn(
            board=board, received_at=ANCHOR + t, name="link_lost", raised=raised, severity="warning",
            detail=f"{board} is away" if raised else "",
        )  # fmt: skip

    told = [
        said("left", 1.0, raised=True), said("right", 2.0, raised=True),
        said("left", 3.0, raised=False), said("right", 4.0, raised=False),
    ]  # fmt: skip
    found = [(fault.raised, fault.detail) for fault in faults(played(TWO, told), "link_lost")]
    assert found == [
        (True, "left is away"),
        (False, ""), (True, "left is away; right is away"),
        (False, ""), (True, "right is away"),
        (False, ""),
    ]  # fmt: skip


def test_a_select_command_changes_the_exercise_of_the_next_set() -> None:
    select = CommandIn(name="select", received_at=ANCHOR + 1.0, payload=b'{"exercise":"row","load_kg":20.0}')
    records: list[Input] = sorted([*one_board(), select], key=lambda record: record.received_at)
    [summary] = [event for event in played(ONE, records) if isinstance(event, SetSummary)]
    assert (summary.exercise, summary.load_kg) == ("row", 20.0)


def test_what_boards_say_to_their_links_stands_in_health_and_where_their_protocol_is_silent_in_info() -> None:
    pipeline = Pipeline(header(TWO))
    for record in boards_of_two()[:200]:
        pipeline.feed(record)
    assert health(pipeline).battery_pct is None
    left, right = (board.id for board in TWO.board)
    said = AboutIn(board=left, received_at=ANCHOR + 2.0, model="another", firmware="9", battery_pct=80)
    pipeline.feed(said)
    pipeline.feed(AboutIn(board=right, received_at=ANCHOR + 2.0, battery_pct=35))
    now = health(pipeline)
    assert (now.battery_v, now.battery_pct) == (3.7, 35)
    assert pipeline.info().boards.split(",")[0] == f"{left}:virtual cable board left:1.2.0"
    pipeline.feed(msgspec.structs.replace(said, battery_pct=None))
    assert health(pipeline).battery_pct == 35


@pytest.mark.parametrize("factor", [0.67, 1.5])
def test_a_board_that_keeps_another_rate_than_it_was_asked_for_is_said_until_it_keeps_it(factor: float) -> None:
    board = session_board(short_set(reps=8), now=ANCHOR - 5.0, paces=[(5.0, factor), (20.0, 1.0)])
    events = played(ONE, heard("dual", board, until=34.0))
    raised, cleared = faults(events, "rate_differs")
    assert (raised.raised, raised.severity, cleared.raised) == (True, "warning", False)
    assert f"takes {100.0 * factor:.4g} samples a second, 100 were asked for" in raised.detail
    began, unit = header(ONE).unix_anchor + 0.2, 1000.0  # when it was told to start, s; ms of its stamps
    assert WINDOW <= raised.ts / unit - (began + 5.0) <= 3.0 * WINDOW + 0.5
    assert WINDOW <= cleared.ts / unit - (began + 20.0) <= 2.0 * WINDOW + 0.5


def test_a_rate_that_nobody_told_is_nobodys_fault_and_a_configured_one_is_held_against_the_board() -> None:
    inputs = heard("dual", session_board(short_set(), now=ANCHOR - 5.0), until=20.0)
    assert not faults(played(ONE, inputs), "rate_differs")
    config = msgspec.structs.replace(ONE, board=[msgspec.structs.replace(ONE.board[0], rate_hz=200)])
    (fault,) = faults(played(config, inputs), "rate_differs")
    assert "200 were asked for" in fault.detail


def test_a_board_that_goes_away_takes_its_wrong_rate_with_it() -> None:
    board = session_board(short_set(), now=ANCHOR - 5.0, paces=[(3.0, 0.5)])
    inputs = [*heard("dual", board, until=16.0), LinkDown(board="dual", received_at=ANCHOR + 16.5, reason="gone")]
    raised, cleared = faults(played(ONE, inputs), "rate_differs")
    assert raised.raised
    assert not cleared.raised


def health(pipeline: Pipeline) -> Health:
    return pipeline.health()


def test_input_from_a_board_that_the_header_does_not_name_is_an_error_of_the_recording() -> None:
    with pytest.raises(RecordingError, match="'stranger'"):
        Pipeline(header(ONE)).feed(ChunkIn(board="stranger", received_at=ANCHOR, data=b"\0"))


def test_settings_of_another_version_are_an_error_of_the_recording() -> None:
    with pytest.raises(RecordingError, match="another version"):
        Pipeline(msgspec.structs.replace(header(ONE), settings=b'{"id":"rack","colour":"red"}'))

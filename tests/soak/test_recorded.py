"""That the soak of the links would see what is lost."""

from __future__ import annotations

import pytest

from protocols import cablelink, framing
from protocols.recording import ChunkIn, Dropped, LinkUp, Record
from simulators.gym import session_board
from simulators.memory_link import chunks_of
from simulators.scenarios import SCENARIOS, Session
from tests.soak.recorded import lives

UP = LinkUp(board="b", received_at=0.0)


def stream(seconds: float, *, batch: int = 10) -> list[Record]:
    """What a board at 100 Hz sends, a frame each record."""
    board = session_board(Session(SCENARIOS["iso_lateral_row"]))
    start = framing.encode(cablelink.Start(sequence=1, rate_hz=100, batch=batch).to_body())
    chunks = chunks_of(board, [(0.0, start)], until=seconds)
    return [UP, *(ChunkIn(board="b", received_at=each.received_at, data=each.data) for each in chunks)]


@pytest.mark.parametrize("batch", [1, 10])
def test_a_whole_stream_over_the_wrap_of_the_boards_clock_has_lost_nothing(batch: int) -> None:
    (life,) = lives(stream(8.0, batch=batch), wire="stream", rate_hz=100)
    assert life.losses == []
    assert abs(life.seconds * 100 - life.samples) < 1e-6
    assert 780 <= life.samples <= 801  # both ends count


def test_a_frame_that_is_missing_is_named_by_its_sequence_and_its_time() -> None:
    records = stream(4.0)
    del records[20]
    (life,) = lives(records, wire="stream", rate_hz=100)
    assert [loss.split()[0] for loss in life.losses] == ["sequence", "the"]
    assert "100000 us away" in life.losses[1]


def test_a_damaged_frame_and_what_the_recorder_dropped_are_losses() -> None:
    records = stream(4.0)
    chunk = records[20]
    assert isinstance(chunk, ChunkIn)
    records[20] = ChunkIn(board="b", received_at=chunk.received_at, data=chunk.data[:5] + chunk.data[6:])
    records.append(Dropped(received_at=4.0, bytes=7))
    (life,) = lives(records, wire="stream", rate_hz=100)
    assert "a frame was damaged" in life.losses
    assert "the recorder dropped 7 bytes" in life.losses


def test_each_opening_of_the_link_begins_a_life_of_its_own() -> None:
    assert [life.losses for life in lives([*stream(1.0), *stream(2.0)], wire="stream", rate_hz=100)] == [[], []]


def test_a_message_in_the_air_is_a_body_and_info_beside_it_is_no_place_in_the_stream() -> None:
    def said(message: cablelink.Message) -> ChunkIn:
        return ChunkIn(board="b", received_at=0.0, data=message.to_body())

    rows = ((1,),)
    records: list[Record] = [UP, said(cablelink.Info(sequence=900)), said(cablelink.Samples(sequence=5, rows=rows))]
    assert lives([*records, said(cablelink.Pong(sequence=6))], wire="messages", rate_hz=100)[0].losses == []
    assert lives([*records, said(cablelink.Pong(sequence=7))], wire="messages", rate_hz=100)[0].losses != []

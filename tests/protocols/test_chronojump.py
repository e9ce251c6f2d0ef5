"""Chronojump's text, frames and bytes, whole, cut, damaged, and with cells that look like a frame's head."""

from __future__ import annotations

from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from protocols.chronojump import ENCODER_DROPPED, ChronojumpEncoder, ChronojumpForce, ChronojumpFour, four_cells
from protocols.device import Done, Remark, Said, Samples, Version

Cells = tuple[int, int, int, int]


def frames(cells: list[Cells], *, begin: int = 0xFFFF_F000, step: int = 6250) -> bytes:
    """A stream that wraps at once."""
    return b"".join(four_cells((begin + step * k) % 2**32, each) for k, each in enumerate(cells))


def rows(said: list[Said]) -> list[tuple[int, ...]]:
    return [row for each in said if isinstance(each, Samples) for row in each.rows]


@pytest.mark.parametrize(
    ("line", "said"),
    [
        (b"Force_Sensor-0.7", Version("Force_Sensor-0.7")),
        (b"Starting capture...", Done("start")),
        (b"Taring OK", Done("tare")),
        (b"Taring OK:8388607", Done("tare")),
        (b"Capture ended:8388607", Done("stop")),
        (b"Not a valid command", Remark()),
        (b"12345;-18.70", Samples(((-18_700_000,),), (12_345,))),
    ],
)
def test_what_the_force_sensor_says(line: bytes, said: Said) -> None:
    assert ChronojumpForce().feed(b"\n" + line + b"\r\n") == [said]


def test_the_force_sensor_is_told_words_and_answers_start_and_tare() -> None:
    commands = ChronojumpForce().commands
    assert {name: told.data for name, told in commands.items()} == {
        "who": b"get_version:", "start": b"start_capture:", "stop": b"end_capture:", "tare": b"tare:",
    }  # fmt: skip
    assert {name for name, told in commands.items() if told.is_answered} == {"start", "tare"}


def test_four_cells_golden_bytes() -> None:
    data = bytes.fromhex("ffffffff010000000a00ecff2c01ffff")
    assert four_cells(1, (10, -20, 300, -1)) == data
    stream = data + b"".join(four_cells(1 + 6250 * k, (10 + k, -20, 300, -1)) for k in range(1, 6))
    assert rows(ChronojumpFour().feed(stream)) == [(10 + k, -20, 300, -1) for k in range(6)]


@pytest.mark.parametrize("lead", range(32))
@pytest.mark.parametrize(
    "open_cells", [(0, 0, -1, -1), (0, -1, -1, 0), (-1, -1, 0, 0), (-1, -1, -1, -1), (-1, 0, 0, -1)]
)
def test_open_cells_that_look_like_a_head_do_not_shift_the_frames(lead: int, open_cells: Cells) -> None:
    random = Random(lead)
    cells: list[Cells] = []
    for _ in range(60):
        a, b, c, d = (cell or random.randrange(-2000, 2000) for cell in open_cells)
        cells.append((a, b, c, d))
    found = rows(ChronojumpFour().feed(frames(cells)[lead:]))
    assert found == cells[-len(found) :]
    assert len(found) >= len(cells) - 2


def test_a_damaged_head_costs_its_frame_and_is_counted() -> None:
    cells: list[Cells] = [(k, -k, 2 * k, 7) for k in range(50)]
    data = bytearray(frames(cells))
    data[16 * 20] ^= 0x10
    dialect = ChronojumpFour()
    assert rows(dialect.feed(bytes(data))) == cells[:20] + cells[21:]
    assert dialect.counters.junk == 16


@given(st.integers(1, 200), st.data())
def test_frames_are_the_same_in_any_pieces(size: int, data: st.DataObject) -> None:
    stream = b"\x00\xff" + frames([(k, -k, k * 3, -1) for k in range(40)]) + b"junk" + frames([(1, 2, 3, 4)] * 12)
    start = data.draw(st.integers(0, 40))
    stream = stream[start:]
    cut, whole = ChronojumpFour(), ChronojumpFour()
    said = []
    for at in range(0, len(stream), size):
        said += cut.feed(stream[at : at + size])
        assert cut.buffered < 96
    assert said == whole.feed(stream)


@given(st.binary(max_size=3000))
def test_no_bytes_raise_and_little_is_kept(data: bytes) -> None:
    for dialect in (ChronojumpForce(), ChronojumpFour(), ChronojumpEncoder()):
        dialect.feed(data)
        assert dialect.buffered <= 200


def test_the_encoder_sums_signed_bytes_after_the_first_twenty() -> None:
    dialect = ChronojumpEncoder()
    assert dialect.feed(b"\x7f" * ENCODER_DROPPED) == []
    assert rows(dialect.feed(b"\x02\x00\xff\x80\x7f")) == [(2,), (2,), (1,), (-127,), (0,)]
    dialect.reset()
    assert rows(dialect.feed(bytes(ENCODER_DROPPED) + b"\x05")) == [(5,)]

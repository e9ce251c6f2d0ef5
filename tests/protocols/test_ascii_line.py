"""Lines of any device: what is a sample, what is junk, and what a format may say."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from protocols.ascii_line import AsciiLine
from protocols.device import Said, Samples
from protocols.sample_lines import BLANK, G, LineFormat
from protocols.text_lines import LONGEST, LineDecoder

STAMPED = LineFormat(("time_us", "left_force_n"))


def read(data: bytes, line: LineFormat = STAMPED) -> list[Said]:
    return AsciiLine(line, rate_hz=80.0).feed(b"half a line\n" + data)


@pytest.mark.parametrize(
    ("line", "format_", "ticks", "row"),
    [
        (b"1000;12.5", STAMPED, 1000, (12_500_000,)),
        (b" 1000 ; -0.25 ", STAMPED, 1000, (-250_000,)),
        (b"-1;+.5", STAMPED, 4_294_967_295, (500_000,)),  # a sketch that prints its unsigned clock as a long
        (b"12;7;1.5e1", LineFormat(("time_ms", "skip", "force_kg")), 12_000, (15_000_000,)),
        (b"4294967295\t3", LineFormat(("time_ms", "force_counts"), BLANK), (4_294_967_295 * 1000) % 2**32, (3,)),
        (b"1.0005,-8388608,0.31", LineFormat(("time_s", "force_counts", "position_m"), ","), 1_000_500,
         (-8_388_608, 310_000)),
    ],
)  # fmt: skip
def test_a_line_is_a_sample(line: bytes, format_: LineFormat, ticks: int, row: tuple[int, ...]) -> None:
    assert read(line + b"\r\n", format_) == [Samples((row,), (ticks,))]


def test_a_line_without_a_time_has_no_ticks() -> None:
    assert read(b"1.25\n", LineFormat(("force_kg",))) == [Samples(((1_250_000,),))]


@pytest.mark.parametrize(
    "line",
    [b"HX711 ready", b"1;2;3", b"1", b"1;", b";2", b"1;nan", b"1;inf", b"1;0x10", b"1;1_000", b"\xff\xfe;1", b"1;2 3",
     b"1,2", b"1;1e999", b"1;--2"],
)  # fmt: skip
def test_what_is_no_sample_is_junk_and_counted(line: bytes) -> None:
    dialect = AsciiLine(STAMPED, rate_hz=80.0)
    dialect.feed(b"\n")
    before = dialect.counters.junk
    assert dialect.feed(line + b"\n") == []
    assert dialect.counters.junk == before + len(line) + 1
    assert len(dialect.feed(b"5;6\n")) == 1


def test_a_number_that_no_sensor_gives_is_malformed() -> None:
    dialect = AsciiLine(STAMPED, rate_hz=80.0)
    assert dialect.feed(b"\n1;1e12\n") == []
    assert dialect.counters.malformed == 1


def test_the_first_line_after_the_link_opens_may_be_half_of_one_and_is_not_taken() -> None:
    dialect = AsciiLine(STAMPED, rate_hz=80.0)
    assert dialect.feed(b"0;12\n") == []  # the end of 5000;12
    assert len(dialect.feed(b"6000;12\n7000;1")) == 1
    dialect.reset()
    assert dialect.feed(b"2\n8000;13\n") == [Samples(((13_000_000,),), (8000,))]


def test_units_become_newtons_and_metres() -> None:
    line = LineFormat(("force_n", "left_force_kg", "right_force_g", "force_lb", "position_mm", "right_position_cm"))
    channels = line.channels()
    assert [channel.scale / 1e-6 for channel in channels] == pytest.approx([1.0, G, G / 1000.0, 4.4482216, 0.001, 0.01])
    assert [channel.side for channel in channels] == [None, "left", "right", None, None, "right"]
    assert [channel.kind for channel in channels] == ["force"] * 4 + ["position"] * 2


@pytest.mark.parametrize(
    ("columns", "separator", "words"),
    [
        (("time_us", "left_force"), ";", "there is no column 'left_force'; did you mean 'left_force_"),
        (("when", "zzz"), ";", "there is no column 'when'"),
        (("time_us", "skip"), ";", "no column is a force or a position"),
        (("time_us", "time_ms", "force_n"), ";", "two columns of time"),
        (("force_n", "force_n"), ";", "two columns are the same"),
        (("left_skip", "force_n"), ";", "there is no column 'left_skip'"),
        (("left_time_us", "force_n"), ";", "there is no column 'left_time_us'"),
        (("force_n",), "", "separator"),
        (("force_n",), ".", "separator"),
        (("force_n",), "ab", "separator"),
    ],
)
def test_a_wrong_format_says_what_is_wrong(columns: tuple[str, ...], separator: str, words: str) -> None:
    problem = LineFormat(columns, separator).problem()
    assert problem is not None
    assert words in problem


@given(st.lists(st.binary(max_size=400), max_size=20), st.sampled_from([";", ",", BLANK]))
def test_any_bytes_in_any_pieces_are_the_same_samples_and_never_an_error(pieces: list[bytes], separator: str) -> None:
    line = LineFormat(("time_us", "force_n"), separator)
    whole, cut = AsciiLine(line, rate_hz=80.0), AsciiLine(line, rate_hz=80.0)
    said = []
    for piece in pieces:
        said += cut.feed(piece)
        assert cut.buffered <= LONGEST
    assert said == whole.feed(b"".join(pieces))
    assert cut.counters == whole.counters


@given(st.binary(max_size=2000))
def test_every_byte_is_in_a_line_or_junk_or_held(data: bytes) -> None:
    decoder = LineDecoder()
    lines = decoder.feed(data)
    assert sum(map(len, lines)) + decoder.junk + decoder.buffered <= len(data)
    assert decoder.buffered <= LONGEST

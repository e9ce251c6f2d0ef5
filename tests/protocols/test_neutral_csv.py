"""The neutral CSV: every defect, with the exact rows that are left. Times are binary fractions, so == is exact."""

from __future__ import annotations

import hashlib
from itertools import pairwise
from math import isfinite
from pathlib import Path

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from protocols.neutral_csv import CHANNELS, CsvError, Defects, NeutralCsv, Row, digest, parse_csv, read_csv

FULL = "time_s,left_position_m,left_force_n,right_position_m,right_force_n\n"
LEFT = "time_s,left_force_n\n"


def left(*rows: tuple[float, float]) -> list[Row]:
    """Rows of a log that has the left force only."""
    return [Row(t, None, force, None, None) for t, force in rows]


def parse(text: str) -> NeutralCsv:
    return parse_csv(text, name="log.csv")


def at_times(*times: float) -> str:
    """A log of the left force, which counts up from 1."""
    return LEFT + "".join(f"{time},{k}\n" for k, time in enumerate(times, start=1))


def stamps(log: NeutralCsv) -> list[float]:
    return [row.t for row in log.rows]


def forces(log: NeutralCsv) -> list[float | None]:
    return [row.left_force for row in log.rows]


def on_disk(folder: Path, data: bytes) -> Path:
    path = folder / "log.csv"
    path.write_bytes(data)
    return path


def test_a_clean_log_is_read_as_it_stands_and_nothing_is_counted() -> None:
    log = parse(FULL + "0.0,0.1,10,0.2,20\n0.25,0.15,11,0.25,21\n")
    assert log.rows == [Row(0.0, 0.1, 10.0, 0.2, 20.0), Row(0.25, 0.15, 11.0, 0.25, 21.0)]
    assert log.columns == CHANNELS
    assert log.metadata == {}
    assert log.defects == Defects()
    assert log.defects.warnings() == []


def test_columns_may_stand_in_any_order_and_with_spaces() -> None:
    log = parse(" right_force_n , time_s,left_position_m\n5, 0.5 ,0.125\n")
    assert log.columns == ("left_position_m", "right_force_n")
    assert log.rows == [Row(0.5, 0.125, None, None, 5.0)]


def test_a_byte_order_mark_is_no_part_of_the_header(tmp_path: Path) -> None:
    log = read_csv(on_disk(tmp_path, b"\xef\xbb\xbf" + b"time_s,left_force_n\n0,1\n"))
    assert log.rows == left((0.0, 1.0))
    assert log.defects == Defects()


@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
def test_any_line_ending_gives_the_same_log(tmp_path: Path, end: str) -> None:
    text = "# machine: pulley\n" + FULL + "0,0.1,1,0.2,2\n0.5,0.1,1,0.2,\n"
    log = read_csv(on_disk(tmp_path, text.replace("\n", end).encode()))
    assert log.metadata == {"machine": "pulley"}
    assert log.rows == [Row(0.0, 0.1, 1.0, 0.2, 2.0), Row(0.5, 0.1, 1.0, 0.2, None)]
    assert log.defects == Defects()


def test_a_last_line_without_an_end_is_a_row() -> None:
    assert parse(LEFT + "0,1\n0.5,2").rows == left((0.0, 1.0), (0.5, 2.0))


def test_metadata_lines_are_keys_and_values_and_several_of_one_key_are_joined() -> None:
    log = parse("# machine: pulley: red\n#note:one\n# no colon\n\n# note : two\n" + LEFT + "0,1\n")
    assert log.metadata == {"machine": "pulley: red", "note": "one; two"}
    assert log.rows == left((0.0, 1.0))
    assert log.defects == Defects()


def test_an_empty_cell_is_no_sample_of_its_channel_and_no_defect() -> None:
    log = parse(FULL + "0,,1, ,2\n0.5,0.1,,0.2,\n")
    assert log.rows == [Row(0.0, None, 1.0, None, 2.0), Row(0.5, 0.1, None, 0.2, None)]
    assert log.defects == Defects()


def test_a_row_whose_cells_are_all_empty_is_no_instant() -> None:
    log = parse(FULL + "0,,,,\n0.5,,1,,\n")
    assert log.rows == left((0.5, 1.0))
    assert log.defects == Defects()


@pytest.mark.parametrize("cell", ["nan", "NaN", "inf", "-inf", "1e999", "abc", "1_000", "0x10", "--"])
def test_a_cell_that_is_no_finite_number_is_taken_as_empty_and_counted(cell: str) -> None:
    log = parse(FULL + f"0,0.1,{cell},0.2,2\n")
    assert log.rows == [Row(0.0, 0.1, None, 0.2, 2.0)]
    assert log.defects == Defects(bad_cells=1)
    assert log.defects.warnings() == ["1 cells are no finite number and were taken as empty"]


@pytest.mark.parametrize("row", ["nan,5", "inf,5", "x,5", ",5", "0.25", "0.25,5,0.5,6", "???", "1e300,5", "0_1,5"])
def test_a_row_without_a_readable_time_or_of_another_width_is_left_out_and_counted(row: str) -> None:
    log = parse(LEFT + f"0,1\n{row}\n0.5,2\n")
    assert log.rows == left((0.0, 1.0), (0.5, 2.0))
    assert log.defects == Defects(junk_rows=1)


def test_blank_lines_and_lines_of_empty_cells_are_left_out_and_not_counted_as_samples() -> None:
    log = parse(LEFT + "0,1\n\n   \n0.5,2\n\n")
    assert log.rows == left((0.0, 1.0), (0.5, 2.0))
    assert log.defects == Defects()


def test_empty_cells_beyond_the_header_do_not_spoil_a_row() -> None:
    log = parse(LEFT + "0,1,\n0.5,2, ,\n")
    assert log.rows == left((0.0, 1.0), (0.5, 2.0))
    assert log.defects == Defects()


def test_an_unknown_column_is_ignored_and_named() -> None:
    log = parse("time_s,heart_rate,left_force_n,note\n0,60,1,x\n")
    assert log.rows == left((0.0, 1.0))
    assert log.columns == ("left_force_n",)
    assert log.defects == Defects(unknown_columns=["heart_rate", "note"])
    assert log.defects.warnings() == ["unknown columns are ignored: heart_rate, note"]


def test_a_repeated_time_with_other_values_is_spread_evenly_to_the_next_time() -> None:
    log = parse(at_times(0, 0, 0, 0, 1, 1))
    assert stamps(log) == [0.0, 0.25, 0.5, 0.75, 1.0, 1.5]
    assert forces(log) == [1.0, 2.0, 3.0, 4.0, 5.0, 6.0]
    assert log.defects == Defects(spread=4)


def test_a_repeated_time_at_the_end_is_spread_over_the_median_step() -> None:
    log = parse(at_times(0, 0.25, 0.5, 0.5))
    assert stamps(log) == [0.0, 0.25, 0.5, 0.625]
    assert log.defects == Defects(spread=1)


def test_a_repeated_time_before_a_gap_is_spread_over_the_median_step_not_over_the_gap() -> None:
    log = parse(at_times(0, 0.25, 0.5, 0.5, 60, 60.25))
    assert stamps(log) == [0.0, 0.25, 0.5, 0.625, 60.0, 60.25]
    assert log.defects == Defects(spread=1)


def test_a_repeated_time_with_the_same_values_is_dropped() -> None:
    log = parse(LEFT + "0,1\n0,1\n0.5,2\n0.5,2\n0.5,2\n1,3\n")
    assert log.rows == left((0.0, 1.0), (0.5, 2.0), (1.0, 3.0))
    assert log.defects == Defects(repeated=3)


def test_a_rest_in_a_log_with_a_coarse_clock_keeps_its_rate() -> None:
    moving = "".join(f"{k // 2 * 0.5:g},{k}\n" for k in range(8))
    resting = "".join(f"{k // 2 * 0.5:g},7\n" for k in range(8, 20))
    log = parse(LEFT + moving + resting)
    assert stamps(log) == [0.25 * k for k in range(20)]
    assert log.defects == Defects(spread=10)


def test_the_same_value_at_another_time_is_a_sample() -> None:
    log = parse(LEFT + "0,1\n0.5,1\n1,1\n")
    assert log.rows == left((0.0, 1.0), (0.5, 1.0), (1.0, 1.0))
    assert log.defects == Defects()


def test_an_equal_value_among_different_ones_of_a_coarse_clock_is_a_sample_as_well() -> None:
    log = parse(LEFT + "0,1\n0,2\n0,2\n0,3\n1,4\n")
    assert log.rows == left((0.0, 1.0), (0.25, 2.0), (0.5, 2.0), (0.75, 3.0), (1.0, 4.0))
    assert log.defects == Defects(spread=3)


def test_rows_of_one_time_that_complete_each_other_are_one_instant() -> None:
    log = parse(FULL + "0,0.1,1,,\n0,,,0.2,2\n0.5,0.1,1,,\n")
    assert log.rows == [Row(0.0, 0.1, 1.0, 0.2, 2.0), Row(0.5, 0.1, 1.0, None, None)]
    assert log.defects == Defects()


@pytest.mark.parametrize("late", [10.25, 9.75, 9.515625])
def test_a_row_that_steps_back_by_less_than_a_second_is_dropped(late: float) -> None:
    log = parse(at_times(10, 10.5, late, 11))
    assert stamps(log) == [10.0, 10.5, 11.0]
    assert forces(log) == [1.0, 2.0, 4.0]
    assert log.defects == Defects(backward=1)


def test_a_clock_that_begins_afresh_goes_on_a_median_step_after_its_last_time() -> None:
    log = parse(at_times(10, 10.25, 10.5, 0, 0.25, 0.75))
    assert stamps(log) == [10.0, 10.25, 10.5, 10.75, 11.0, 11.5]
    assert [row.restarted for row in log.rows] == [False, False, False, True, False, False]
    assert forces(log) == [1.0, 2.0, 3.0, 4.0, 5.0, 6.0]
    assert log.defects == Defects(restarts=1)


def test_a_step_back_by_exactly_a_second_is_a_restart() -> None:
    log = parse(at_times(1, 1.25, 1.5, 0.5, 0.75))
    assert stamps(log) == [1.0, 1.25, 1.5, 1.75, 2.0]
    assert log.defects == Defects(restarts=1)


def test_two_restarts_both_go_on_and_a_late_row_between_them_is_still_dropped() -> None:
    log = parse(at_times(5, 5.25, 5.5, 0, 0.25, 0.125, 2, 2.25, 0, 0.25))
    assert stamps(log) == [5.0, 5.25, 5.5, 5.75, 6.0, 7.75, 8.0, 8.25, 8.5]
    assert [k for k, row in enumerate(log.rows) if row.restarted] == [3, 7]
    assert log.defects == Defects(restarts=2, backward=1)


@pytest.mark.parametrize("stray", [1000.0, -1000.0, 0.0])
def test_a_single_time_far_from_both_neighbours_is_dropped_and_is_no_restart(stray: float) -> None:
    log = parse(at_times(10, 10.25, stray, 10.5, 10.75))
    assert stamps(log) == [10.0, 10.25, 10.5, 10.75]
    assert forces(log) == [1.0, 2.0, 4.0, 5.0]
    assert log.defects == Defects(stray=1)


def test_a_gap_is_kept_as_a_gap() -> None:
    log = parse(at_times(0, 0.25, 60, 60.25))
    assert stamps(log) == [0.0, 0.25, 60.0, 60.25]
    assert log.defects == Defects()


def test_times_from_the_unix_epoch_are_read_as_they_stand() -> None:
    log = parse(at_times(1_700_000_000, 1_700_000_000.5))
    assert stamps(log) == [1_700_000_000.0, 1_700_000_000.5]


def test_every_kind_of_defect_has_one_line_of_its_own() -> None:
    defects = Defects(
        junk_rows=1, bad_cells=2, repeated=3, spread=4, backward=5, stray=6, restarts=7, unknown_columns=["x"],
        empty=True,
    )  # fmt: skip
    lines = defects.warnings()
    assert len(lines) == 9
    assert [line.split()[0] for line in lines[1:8]] == ["1", "2", "3", "4", "5", "6", "7"]


def test_a_log_without_a_row_that_holds_a_sample_says_so() -> None:
    log = parse(LEFT)
    assert log.rows == []
    assert log.defects == Defects(empty=True)
    assert log.defects.warnings() == ["no row holds a sample"]


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "no header line"),
        ("\n\n", "no header line"),
        ("# key: value\n", "no header line"),
        ("left_force_n\n1\n", "log.csv:1: no column time_s in the header"),
        ("# a: b\nleft_force_n,t\n1,2\n", "log.csv:2: no column time_s in the header"),
        ("time_s;left_force_n\n0;1\n", "log.csv:1: no column time_s in the header; the separator must be a comma"),
        ("time_s\tleft_force_n\n0\t1\n", "log.csv:1: no column time_s in the header; the separator must be a comma"),
        ("0,1\n0.5,2\n", "log.csv:1: no column time_s"),
        ("time_s\n0\n", "log.csv:1: no data column"),
        ("time_s,force\n0,1\n", "log.csv:1: no data column"),
        ("time_s,left_force_n,left_force_n\n0,1,2\n", "log.csv:1: a column stands twice"),
        ("time_s,left_force_n,time_s\n0,1,2\n", "log.csv:1: a column stands twice"),
    ],
)
def test_a_file_without_a_usable_header_is_refused_with_the_place_and_the_reason(text: str, said: str) -> None:
    with pytest.raises(CsvError) as caught:
        parse(text)
    assert said in str(caught.value)
    assert str(caught.value).startswith("log.csv")
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("data", [b"\x7fELF\0\0\0\0", bytes(range(256)), b"\xff\xfe\x00\x01" * 100, bytes(1000)])
def test_a_binary_file_is_refused_as_no_text(tmp_path: Path, data: bytes) -> None:
    with pytest.raises(CsvError, match="no UTF-8 text"):
        read_csv(on_disk(tmp_path, data))


def test_a_byte_that_is_no_text_costs_its_row_only(tmp_path: Path) -> None:
    log = read_csv(on_disk(tmp_path, b"time_s,left_force_n\n0,1\n0\xff,2\n0.5,3\n"))
    assert log.rows == left((0.0, 1.0), (0.5, 3.0))
    assert log.defects == Defects(junk_rows=1)


def test_a_missing_file_and_a_folder_are_csv_errors_that_name_the_path(tmp_path: Path) -> None:
    for path in (tmp_path / "none.csv", tmp_path):
        with pytest.raises(CsvError) as caught:
            read_csv(path)
        assert str(caught.value).startswith(f"{path}: ")


def test_an_empty_file_is_a_csv_error(tmp_path: Path) -> None:
    with pytest.raises(CsvError, match="no header line"):
        read_csv(on_disk(tmp_path, b""))


def test_the_digest_is_that_of_the_bytes(tmp_path: Path) -> None:
    assert digest(on_disk(tmp_path, b"a\r\n")) == hashlib.sha256(b"a\r\n").hexdigest()


def assert_sound(log: NeutralCsv) -> None:
    assert all(a.t < b.t for a, b in pairwise(log.rows))
    for row in log.rows:
        values = (row.left_position, row.left_force, row.right_position, row.right_force)
        assert isfinite(row.t)
        assert all(value is None or isfinite(value) for value in values)
        assert values != (None, None, None, None)
    assert log.defects.empty == (not log.rows)


NUMBERS = st.one_of(
    st.sampled_from([0.0, 0.25, 0.5, 1.0, 1.5, 2.0, 10.0, 1e10, -1e10, 5e-324, 1e-300]),
    st.floats(-3, 3),
    st.floats(),
    st.integers(0, 4).map(float),
)
CELLS = st.one_of(
    NUMBERS.map(repr), NUMBERS.map(repr), st.sampled_from(["", " ", "nan", "inf", "x", ";", "1_0", "\ufeff"])
)
LOGS = st.lists(st.lists(CELLS, min_size=2, max_size=4).map(",".join), max_size=25).map("\n".join)


@settings(max_examples=100)
@given(text=st.text(max_size=200))
def test_any_text_is_a_sound_log_or_a_csv_error(text: str) -> None:
    try:
        log = parse(text)
    except CsvError:
        return
    assert_sound(log)


@settings(max_examples=200)
@given(rows=LOGS, header=st.sampled_from([LEFT, "time_s,left_force_n,right_position_m\n", "right_force_n,time_s\n"]))
@example(rows="1.7e308,1\n-1.7e308,2\n1.7e308,3", header=LEFT)
@example(rows="0,1\n0,2\n0,3\n5e-324,4", header=LEFT)
def test_any_rows_below_a_good_header_give_strictly_rising_times_and_finite_values(rows: str, header: str) -> None:
    log = parse(header + rows)
    assert_sound(log)
    defects = log.defects
    kept_or_counted = len(log.rows) + defects.junk_rows + defects.repeated + defects.backward + defects.stray
    assert kept_or_counted <= len(rows.splitlines())


@settings(max_examples=200)
@given(times=st.lists(NUMBERS.filter(lambda number: abs(number) <= 1e10), max_size=25))
def test_rows_with_a_value_each_of_its_own_are_all_kept_or_counted(times: list[float]) -> None:
    log = parse(at_times(*times))
    assert_sound(log)
    defects = log.defects
    assert len(log.rows) + defects.repeated + defects.backward + defects.stray == len(times)
    assert sum(row.restarted for row in log.rows) == defects.restarts


@settings(max_examples=30)
@given(data=st.binary(max_size=200))
def test_any_bytes_in_a_file_are_a_sound_log_or_a_csv_error(
    tmp_path_factory: pytest.TempPathFactory, data: bytes
) -> None:
    path = on_disk(tmp_path_factory.mktemp("log"), data)
    try:
        log = read_csv(path)
    except CsvError:
        return
    assert_sound(log)


def test_a_column_without_a_sample_is_no_channel() -> None:
    log = parse_csv("time_s,left_position_m,left_force_n\n0.0,,1.0\n0.1,,2.0\n", name="log")
    assert log.columns == ("left_force_n",)

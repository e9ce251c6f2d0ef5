"""Samples of several boards come out in one order, and nobody waits longer than the watermark."""

from __future__ import annotations

from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from controller.merge import LONGEST_BLOCK, PATIENCE, TOGETHER, WATERMARK, Merge

A, B = ("a", 0), ("b", 0)


def test_a_board_alone_waits_for_nobody() -> None:
    merge: Merge[str] = Merge()
    assert [s.item for s in merge.add(A, [1.0, 1.01], ["x", "y"], now=1.02)] == ["x", "y"]


def test_a_sample_waits_until_the_other_board_has_shown_a_time_as_late() -> None:
    merge: Merge[str] = Merge()
    merge.add(A, [1.0], ["a0"], now=1.0)
    assert [s.item for s in merge.add(B, [1.001], ["b0"], now=1.002)] == []
    assert [s.item for s in merge.add(A, [1.003], ["a1"], now=1.004)] == ["b0"]
    assert [s.item for s in merge.add(B, [1.002], ["b1"], now=1.005)] == ["b1"]
    assert merge.oldest == 1.003
    assert merge.late == 0


def test_a_silent_board_holds_the_other_one_back_by_the_watermark_only() -> None:
    merge: Merge[str] = Merge()
    merge.add(A, [1.0], ["a0"], now=1.0)
    merge.add(B, [1.0], ["b0"], now=1.0)
    assert merge.add(A, [1.05], ["a1"], now=1.05) == []
    assert merge.add(A, [1.12], ["a2"], now=1.12) == []
    assert merge.release(1.05 + WATERMARK - 0.001) == []
    assert [s.item for s in merge.release(1.05 + WATERMARK + 0.001)] == ["a1"]


def test_boards_that_fall_silent_together_are_waited_for_together() -> None:
    merge: Merge[str] = Merge()
    merge.add(A, [1.0], ["a0"], now=1.0)
    merge.add(B, [1.0], ["b0"], now=1.0)
    merge.add(A, [1.05], ["a1"], now=1.05)
    assert merge.release(1.05 + TOGETHER) == []
    assert [s.item for s in merge.release(1.051 + TOGETHER)] == ["a1"]


def test_a_board_that_is_down_is_not_waited_for() -> None:
    merge: Merge[str] = Merge()
    merge.add(A, [1.0], ["a0"], now=1.0)
    merge.add(B, [1.0], ["b0"], now=1.0)
    merge.add(A, [1.05], ["a1"], now=1.05)
    assert [s.item for s in merge.down("b", now=1.06)] == ["a1"]
    assert [s.item for s in merge.add(A, [1.07], ["a2"], now=1.07)] == ["a2"]


def test_a_sample_older_than_what_has_gone_on_is_dropped_and_counted() -> None:
    merge: Merge[str] = Merge()
    merge.add(A, [1.0], ["a0"], now=1.0)
    merge.add(B, [1.0], ["b0"], now=1.0)
    merge.add(A, [1.05, 1.06], ["a1", "a2"], now=1.06)
    for now in (1.12, 1.18, 1.24, 1.3):
        merge.add(A, [now], ["a"], now=now)
    assert [s.item for s in merge.add(B, [1.055, 1.18], ["late", "just in time"], now=1.3)] == ["just in time"]
    assert merge.late == 1


def test_a_board_that_sends_long_blocks_loses_none_of_their_samples() -> None:
    merge: Merge[int] = Merge()
    out = []
    for k in range(1, 101):
        now = k * 0.01
        out += merge.add(A, [now], [0], now=now)
        if k % 20 == 0:  # five blocks a second
            out += merge.add(B, [now - 0.2 + 0.0125 * n for n in range(1, 17)], [1] * 16, now=now)
    out += merge.release(float("inf"))
    first_block = 16  # before it, nobody knew how long its blocks are
    assert merge.late <= first_block
    assert sum(sample.item for sample in out) + merge.late == 5 * 16
    assert [s.t for s in out] == sorted(s.t for s in out)


def test_a_board_that_is_expected_loses_not_even_its_first_sample() -> None:
    merge: Merge[str] = Merge()
    merge.expect(B)
    assert merge.add(A, [1.0, 1.05], ["a0", "a1"], now=1.06) == []
    assert [s.item for s in merge.add(B, [1.01], ["b0"], now=1.08)] == ["a0", "b0"]
    assert merge.late == 0


def test_what_two_boards_said_while_nobody_listened_is_merged_whole() -> None:
    """A busy machine reads nothing for 0.3 s, then what one board said, its own clock's tick, and the other board."""
    merge: Merge[str] = Merge()
    out = []
    for k in range(20):
        out += merge.add(A, [1.0 + 0.02 * k], ["a"], now=1.0 + 0.02 * k)
        out += merge.add(B, [1.0 + 0.02 * k], ["b"], now=1.0 + 0.02 * k)
    held = [1.4 + 0.02 * k for k in range(15)]
    out += merge.add(A, held, ["a"] * 15, now=1.7)
    out += merge.release(1.701)
    out += merge.add(B, held, ["b"] * 15, now=1.71)
    out += merge.add(A, [1.72], ["a"], now=1.72)
    assert merge.late == 0
    assert [sample.item for sample in out] == ["a", "b"] * 35


def test_a_board_that_died_while_nobody_listened_holds_the_other_one_back_as_long_again_and_no_longer() -> None:
    merge: Merge[str] = Merge()
    merge.add(A, [1.0], ["a"], now=1.0)
    merge.add(B, [1.0], ["b"], now=1.0)
    merge.add(A, [1.1, 1.2, 1.3], ["a"] * 3, now=1.31)
    for now in (1.4, 1.5, 1.6):
        assert merge.add(A, [now], ["a"], now=now) == []
    assert len(merge.release(1.31 + 0.31 + 0.001)) == 5  # all but those of the last 100 ms


def test_boards_whose_samples_come_ever_later_are_given_twice_the_time() -> None:
    """A busy way delays both boards, one a little more than the other."""
    merge: Merge[str] = Merge()
    arrivals = []
    for k in range(60):
        delay = 0.02 + 0.012 * min(k, 20)
        arrivals += [(1.0 + 0.025 * k + delay, A, k), (1.0 + 0.025 * k + 1.5 * delay, B, k)]
    for now, key, k in sorted(arrivals):
        merge.add(key, [1.0 + 0.025 * k], ["sample"], now=now)
    assert merge.late == 0


def test_one_time_that_cannot_be_makes_nobody_wait_for_long() -> None:
    merge: Merge[str] = Merge()
    merge.add(B, [-9000.0], ["b"], now=1.0)
    released = []
    for k in range(1, 4000):
        now = 1.0 + 0.025 * k
        out = merge.add(A, [now], ["a"], now=now)
        released += [(now, sample.t) for sample in out if sample.t > 0.0]
    waited = {round(t, 3): now - t for now, t in released}
    assert max(waited.values()) <= PATIENCE + 0.026
    assert max(waited[t] for t in waited if t > 90.0) <= WATERMARK + 0.026


def test_a_board_that_sends_seldom_is_not_kept_waiting_by_one_that_died() -> None:
    merge: Merge[str] = Merge()
    merge.add(B, [1.0], ["b"], now=1.0)
    for k in range(1, 40):
        now = 1.0 + 0.15 * k
        out = merge.add(A, [now - 0.1, now - 0.05, now], ["a"] * 3, now=now)
        if k > 3:
            assert len(out) == 3
            assert merge.oldest is not None
            assert now - merge.oldest < 0.31


def test_a_block_of_absurd_length_does_not_stop_the_other_board() -> None:
    merge: Merge[str] = Merge()
    merge.add(B, [-9000.0, 1.0], ["b0", "b1"], now=1.0)
    assert merge.add(A, [1.5], ["a0"], now=1.5) == []
    released = {s.item: k for k in range(1, 16) for s in merge.release(1.5 + k * 0.08)}
    assert released == {"a0": int((WATERMARK + LONGEST_BLOCK) / 0.08) + 1}


def test_everything_goes_on_at_the_end() -> None:
    merge: Merge[str] = Merge()
    merge.add(A, [1.0], ["a0"], now=1.0)
    merge.add(B, [2.0], ["b0"], now=1.0)
    assert [s.item for s in merge.release(float("inf"))] == ["b0"]
    assert merge.oldest is None


@given(
    st.lists(
        st.tuples(
            st.sampled_from(["a", "b", "c"]),
            st.integers(0, 40),  # ms since the input before
            st.integers(0, 300),  # ms of delay
            st.integers(1, 5),  # samples
            st.booleans(),  # the link goes down after it
        ),
        max_size=60,
    )
)
def test_time_never_runs_back_and_no_sample_is_lost_uncounted(inputs: list[tuple[str, int, int, int, bool]]) -> None:
    merge: Merge[int] = Merge()
    now, count, out = 0.0, 0, []
    for board, passed, delay, samples, goes_down in inputs:
        now += passed / 1000.0
        times = [now - delay / 1000.0 - 0.01 * (samples - 1 - k) for k in range(samples)]
        out += merge.add((board, 0), times, [count + k for k in range(samples)], now=now)
        count += samples
        if goes_down:
            out += merge.down(board, now=now)
    out += merge.release(float("inf"))
    assert all(a.t <= b.t for a, b in pairwise(out))
    assert len(out) + merge.late == count
    assert len({sample.item for sample in out}) == len(out)

"""The clock against worlds whose truth is known: drift, late frames, wraps, restarts."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from random import Random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from firmware_bridge.board_clock import BROKEN, FAST_SLEW, ONE_WAY, SLEW, STALE, WRAP, BoardClock

BEFORE_WRAP = 3_000_000  # ticks
STEP = 1000  # ticks
BATCH = 10


@dataclass
class World:
    """A board whose clock is wrong by so many ppm, behind a wire that is late in every way."""

    ppm: float = 0.0
    transmission: float = 0.0  # s that a frame of samples takes at least
    short_transmission: float = 0.0  # the same, a ping or its answer
    jitter: float = 0.0  # s, mean of an exponential
    bursts: float = 0.0  # s by which everything is late for a moment
    boot: float = 1000.0  # host time
    seed: int = 1

    def __post_init__(self) -> None:
        self._random = Random(self.seed)
        self._arrived = 0.0
        self._burst_until = self._next_burst = self.boot

    def ticks(self, host: float) -> int:
        return (WRAP - BEFORE_WRAP + round((host - self.boot) * (1.0 + self.ppm * 1e-6) / 1e-6)) % WRAP

    def host(self, board: float) -> float:
        return self.boot + board / (1.0 + self.ppm * 1e-6)

    def arrival(self, sent: float, transmission: float) -> float:
        """In order, as on a stream."""
        late = self._random.expovariate(1.0 / self.jitter) if self.jitter else 0.0
        if self.bursts and sent > self._next_burst:
            self._burst_until = sent + self._random.uniform(0.02, 0.3)
            self._next_burst = sent + self._random.expovariate(1.0 / 3.0)
        if sent < self._burst_until:
            late += self.bursts
        self._arrived = max(self._arrived, sent + transmission + late)
        return self._arrived

    def play(
        self, clock: BoardClock, seconds: float, *, pings: bool = True
    ) -> Iterator[tuple[list[float], list[float]]]:
        """True and given times of each block."""
        asked = 0
        if pings:
            for _ in range(3):
                self._ping(clock, self.boot + 0.01)
        for block in range(int(seconds * 1e6 / STEP / BATCH)):
            first = block * BATCH * STEP * 1e-6 + 0.05
            truth = [self.host(first + k * STEP * 1e-6) for k in range(BATCH)]
            if pings and truth[-1] - self.boot > asked + 1:
                asked += 1
                self._ping(clock, truth[-1])
            arrived = self.arrival(truth[-1], self.transmission)
            yield truth, list(clock.block(self.ticks(truth[0]), STEP, BATCH, arrived))

    def _ping(self, clock: BoardClock, asked_at: float) -> None:
        way = self.short_transmission + (self._random.expovariate(1.0 / self.jitter) if self.jitter else 0.0)
        answered = asked_at + way
        clock.answer(self.ticks(answered), asked_at, self.arrival(answered, self.short_transmission))


@pytest.mark.parametrize(("ppm", "pings"), [(100.0, True), (100.0, False), (-200.0, True)])
def test_ten_minutes_of_drift_jitter_bursts_and_a_wrap_stay_within_two_milliseconds(ppm: float, pings: bool) -> None:  # noqa: FBT001
    clock, world = BoardClock(), World(ppm=ppm, jitter=0.001, bursts=0.05)
    worst = skew_off = 0.0
    last = before = None
    for truth, times in world.play(clock, 600.0, pings=pings):
        for true, t in zip(truth, times, strict=True):
            assert last is None or t > last
            if last is not None and before is not None and true - world.boot > 2.1:
                assert t - last == pytest.approx(true - before, rel=2 * SLEW)
            last, before = t, true
        if truth[-1] - world.boot > 2.0:
            worst = max(worst, *(abs(t - true) for true, t in zip(truth, times, strict=True)))
        if truth[-1] - world.boot > 60.0:
            skew_off = max(skew_off, abs(clock.state.skew_ppm - ppm))
    assert worst <= 0.002
    assert skew_off <= 10.0


def test_pings_take_the_transmission_time_out_of_the_offset_and_the_uncertainty_covers_what_is_left() -> None:
    asked, listened = BoardClock(), BoardClock()
    errors = []
    for clock, pings in ((asked, True), (listened, False)):
        slow = World(ppm=50.0, jitter=0.0005, transmission=0.016, short_transmission=0.002)  # 115200 baud
        for truth, times in slow.play(clock, 20.0, pings=pings):
            error = times[-1] - truth[-1]
        errors.append(error)
    assert abs(errors[0]) < 0.001
    assert abs(errors[0]) < 2.0 * asked.state.uncertainty < 0.005
    assert errors[1] == pytest.approx(0.016, abs=0.001)  # nothing in the arrivals alone can tell
    assert listened.state.uncertainty == ONE_WAY


def test_the_first_samples_are_right_at_once_after_pings_although_their_frames_come_in_a_burst() -> None:
    clock, world = BoardClock(), World(ppm=20.0)
    world._ping(clock, world.boot + 0.01)
    true = world.host(0.5)
    times = clock.block(world.ticks(true - 0.009), STEP, BATCH, true + 0.05)
    assert times[-1] == pytest.approx(true, abs=0.0005)


def test_a_first_frame_that_was_late_is_made_up_without_a_jump() -> None:
    clock, world = BoardClock(), World()
    last = None
    for number in range(300):
        true = world.boot + 0.1 + number * 0.01
        late = 0.05 if number < 5 else 0.0
        for t in clock.block(world.ticks(true - 0.009), STEP, BATCH, true + late):
            assert last is None or t - last == pytest.approx(0.001, rel=FAST_SLEW * 1.01)
            last = t
        if number > 200:
            assert last == pytest.approx(true, abs=0.0005)


def test_ticks_after_forty_minutes_of_silence_and_a_wrap_are_placed_after_the_silence() -> None:
    clock, world = BoardClock(), World()
    true = world.boot + 1.0
    clock.block(world.ticks(true), STEP, 1, true)
    later = true + 5 * 3600.0 + 7.0
    assert clock.block(world.ticks(later), STEP, 1, later)[0] == pytest.approx(later, abs=1e-5)


@pytest.mark.parametrize("jump", [-1200.0, -5.0, 2 * BROKEN, 1200.0])
def test_ticks_that_jump_without_a_word_are_placed_at_their_arrival_and_still_rise(jump: float) -> None:
    clock, world = BoardClock(), World()
    for truth, times in world.play(clock, 5.0):
        last, host = times[-1], truth[-1]
    for number in range(1, 100):
        true = host + number * 0.01
        times = list(clock.block(world.ticks(true + jump - 0.009), STEP, BATCH, true))
        assert [*times] == sorted({last, *times} - {last})
        assert times[-1] == pytest.approx(true, abs=0.001)
        last = times[-1]


def test_a_board_that_dates_its_answers_wrong_is_listened_to_without_them() -> None:
    clock, world = BoardClock(), World(jitter=0.001)
    for k, (truth, times) in enumerate(world.play(clock, 30.0, pings=False)):
        if k % 100 == 0:
            clock.answer(0, truth[-1], truth[-1] + 0.001)
        if truth[-1] - world.boot > 2.0:
            assert times[-1] == pytest.approx(truth[-1], abs=0.002)
    assert clock.state.uncertainty == ONE_WAY


def test_an_answer_to_a_question_of_another_time_is_not_taken() -> None:
    clock = BoardClock()
    clock.answer(0, 5.0, 4.0)
    clock.answer(0, 5.0, 5.0 + 2 * STALE)
    assert clock.state.uncertainty == ONE_WAY


def test_the_jitter_is_the_mean_delay_over_the_least() -> None:
    clock = BoardClock()
    for _ in World(jitter=0.001).play(clock, 30.0):
        pass
    assert clock.state.jitter == pytest.approx(0.001, rel=0.3)


@settings(max_examples=200, deadline=None)
@given(
    blocks=st.lists(
        st.tuples(st.integers(0, WRAP - 1), st.integers(0, 100_000), st.integers(1, 30), st.floats(0.0, 4000.0)),
        max_size=30,
    )
)
def test_whatever_the_ticks_are_the_times_given_out_rise(blocks: list[tuple[int, int, int, float]]) -> None:
    clock, now, last = BoardClock(), 0.0, -1e9
    for ticks, step, count, wait in blocks:
        now += wait
        for t in clock.block(ticks, step if count > 1 else 0, count, now):
            if step or count == 1:
                assert t > last
            last = t

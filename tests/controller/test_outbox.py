from __future__ import annotations

import json

from hypothesis import given
from hypothesis import strategies as st

from controller.config import OutboxConfig
from controller.outbox import LATE_AFTER, LATE_UNDER_WAY, RESEND_PER_S, SAVED_AFTER, Outbox, stamped
from controller.outbox_store import Contents, Known, Waiting

STEPS = st.lists(
    st.tuples(st.sampled_from(["one", "two", "next", "settled", "lost"]), st.sampled_from([0.0, 0.1, 2.0])),
    max_size=200,
)


def event(number: int, *, station: str = "one", made_at: float = 0.0, size: int = 1) -> Waiting:
    return Waiting(
        station=station, session="s", seq=number, id=f"{station}-{number}", topic=f"{station}/event/rep",
        payload=b"x" * size, made_at=made_at,
    )  # fmt: skip


def number(found: Waiting | None) -> int | None:
    return found.seq if found is not None else None


class Told:
    """The faults that an outbox raised and ended."""

    def __init__(self) -> None:
        self.faults: list[tuple[str | None, str, bool]] = []

    def __call__(self, station: str | None, name: str, detail: str | None) -> None:
        self.faults.append((station, name, detail is not None))


@given(STEPS, st.integers(1, 20))
def test_every_event_is_confirmed_waits_or_was_counted_as_dropped_and_none_overtakes_in_its_station(
    steps: list[tuple[str, float]], most: int
) -> None:
    outbox, now = Outbox(OutboxConfig(most_events=most)), 0.0
    made: list[Waiting] = []
    sent: list[Waiting] = []
    confirmed: list[Waiting] = []
    for step, pause in steps:
        now += pause
        if step in ("one", "two") and outbox.under_way < most:  # the publisher's window is far below what it holds
            made.append(event(len(made) + 1, station=step, made_at=now))
            outbox.put(made[-1], now=now)
        elif step == "next":
            taken = outbox.next(now=now)
            if taken is not None:
                sent.append(taken)
        elif step == "settled" and outbox.under_way:
            assert outbox.settled(refused=None, now=now) == sent[0]
            confirmed.append(sent.pop(0))
        elif step == "lost":
            outbox.connection_lost(now=now)
            sent.clear()
        for station in ("one", "two"):
            mine = [each.seq for each in sent if each.station == station]
            assert mine == sorted(mine)
    outbox.connection_lost(now=now + 2.0 * SAVED_AFTER)
    waiting: list[Waiting] = []
    while outbox.depth > len(waiting):
        now += 1.0
        while (each := outbox.next(now=now)) is not None:
            waiting.append(each)
            assert outbox.settled(refused=None, now=now) == each
            waiting.pop()
            confirmed.append(each)
    arrived = list(dict.fromkeys(confirmed))
    for station in ("one", "two"):
        mine = [each.seq for each in arrived if each.station == station]
        assert mine == sorted(mine)
    assert len(made) - len(arrived) <= outbox.dropped
    assert outbox.depth == 0


def test_what_was_under_way_when_the_connection_went_is_sent_again_first() -> None:
    outbox = Outbox()
    for each in (1, 2, 3):
        outbox.put(event(each), now=0.0)
    assert [number(outbox.next(now=0.0)), number(outbox.next(now=0.0))] == [1, 2]
    outbox.settled(refused=None, now=0.0)
    outbox.connection_lost(now=0.1 + SAVED_AFTER)
    now = 0.1 + SAVED_AFTER
    assert [number(outbox.next(now=now)) for _ in range(3)] == [2, 3, None]


def test_what_was_confirmed_just_before_the_connection_went_is_sent_again_in_its_order() -> None:
    outbox = Outbox()
    for each, at in ((1, 5.0), (2, 5.9), (3, 6.0)):
        outbox.put(event(each, made_at=5.0), now=5.0)
        outbox.next(now=5.0)
        outbox.settled(refused=None, now=at)
    outbox.put(event(4, made_at=6.0), now=6.0)
    assert outbox.depth == 1
    outbox.connection_lost(now=5.5 + SAVED_AFTER)
    assert [number(outbox.next(now=6.5)) for _ in range(4)] == [2, 3, 4, None]
    outbox.connection_lost(now=5.5 + SAVED_AFTER)
    assert number(outbox.next(now=6.5)) == 2


def test_a_refused_event_is_a_dead_letter_and_not_sent_again() -> None:
    outbox = Outbox()
    outbox.put(event(1), now=0.0)
    outbox.next(now=0.0)
    outbox.settled(refused="Not authorized", now=0.0)
    outbox.connection_lost(now=0.0)
    assert outbox.next(now=0.0) is None
    assert (outbox.dead_letters, outbox.depth) == (1, 0)


def test_a_topic_that_is_refused_for_one_reason_is_one_fault_until_it_is_taken_again() -> None:
    told = Told()
    outbox = Outbox(fault=told)
    for each, refused in enumerate(["no", "no", "quota", None, "no"]):
        outbox.put(event(each), now=0.0)
        outbox.next(now=0.0)
        outbox.settled(refused=refused, now=0.0)
    fault = "publish_refused"
    assert told.faults == [("one", fault, True), ("one", fault, True), ("one", fault, False), ("one", fault, True)]


def test_the_fault_of_refused_faults_is_told_once_whatever_becomes_of_it() -> None:
    told = Told()
    outbox = Outbox(fault=told)
    for each, refused in enumerate(["no", None] * 10):
        outbox.put(Waiting("one", "s", each, str(each), "one/event/fault", b"{}", 0.0), now=0.0)
        outbox.next(now=0.0)
        outbox.settled(refused=refused, now=0.0)
    assert told.faults == [("one", "publish_refused", True)]


def test_a_full_outbox_gives_up_the_oldest_that_is_not_under_way_and_says_so_once() -> None:
    told = Told()
    outbox = Outbox(OutboxConfig(most_events=3), fault=told)
    for each in (1, 2, 3):
        outbox.put(event(each, made_at=each / 10), now=0.3)
    assert number(outbox.next(now=0.3)) == 1
    outbox.put(event(4, station="two", made_at=0.4), now=0.4)
    outbox.put(event(5, station="two", made_at=0.5), now=0.5)
    assert outbox.dropped == 2
    assert [number(outbox.next(now=0.5)) for _ in range(3)] == [4, 5, None]
    for _ in range(3):
        outbox.settled(refused=None, now=0.5)
    assert told.faults == [(None, "outbox_dropped", True), (None, "outbox_dropped", False)]


def test_an_outbox_is_full_by_size_too() -> None:
    outbox = Outbox(OutboxConfig(most_mb=0.001))
    for each in range(5):
        outbox.put(event(each, size=300), now=0.0)
    assert (outbox.dropped, outbox.depth) == (2, 3)
    assert number(outbox.next(now=0.0)) == 2


def test_what_waited_for_too_long_is_dropped_and_counted() -> None:
    told = Told()
    outbox = Outbox(OutboxConfig(most_days=2.0), fault=told)
    outbox.put(event(1), now=0.0)
    outbox.put(event(2, made_at=2.0 * 86_400.0), now=2.0 * 86_400.0)
    assert outbox.dropped == 0
    outbox.put(event(3, made_at=3.0 * 86_400.0), now=3.0 * 86_400.0)
    assert (outbox.dropped, outbox.depth) == (1, 2)
    assert told.faults[0] == (None, "outbox_dropped", True)


def test_a_station_with_nothing_waiting_is_not_kept_behind_the_backlog_of_another() -> None:
    outbox, now = Outbox(), 100.0
    for each in range(5000):
        outbox.put(event(each, station="back", made_at=0.0), now=now)
    sent = 0
    while outbox.next(now=now) is not None:
        sent += 1
    assert sent <= LATE_UNDER_WAY
    outbox.put(event(1, station="live", made_at=now), now=now)
    assert outbox.next(now=now) == event(1, station="live", made_at=now)


def test_late_events_go_out_at_a_limited_rate_and_it_is_known_when_the_next_may_go() -> None:
    outbox, now, sent = Outbox(), 100.0, 0
    for each in range(5000):
        outbox.put(event(each, made_at=0.0), now=now)
    while now < 102.0:
        while (taken := outbox.next(now=now)) is not None:
            assert taken.seq == sent
            sent += 1
            outbox.settled(refused=None, now=now)
        due = outbox.due(now=now)
        assert due is not None
        assert due > now
        now = due
    assert 1.8 * RESEND_PER_S < sent < 2.2 * RESEND_PER_S


def test_nothing_is_sent_before_it_is_known_what_waits_in_the_file_and_that_goes_first() -> None:
    outbox = Outbox(awaits_file=True)
    outbox.put(event(3), now=0.0)
    assert outbox.next(now=0.0) is None
    outbox.load(Contents(waiting=[event(1), event(2)]))
    assert [number(outbox.next(now=0.0)) for _ in range(4)] == [1, 2, 3, None]


def test_what_was_delivered_or_waits_already_is_not_taken_again_and_what_is_new_is() -> None:
    outbox = Outbox()
    known = Known({"one-40", "one-41", "one-42"}, lowest=40)
    outbox.load(Contents(waiting=[event(42)], known={("one", "s"): known}, last={"one": 42}))
    for each in (*range(1, 43), 43):
        outbox.put(event(each), now=0.0)
    assert (outbox.depth, outbox.repeated) == (2, 42)
    assert [number(outbox.next(now=0.0)) for _ in range(3)] == [42, 43, None]
    assert outbox.last_seq("one") == 43


def test_another_event_with_the_number_of_one_that_a_killed_controller_had_sent_is_new() -> None:
    """What was recorded last may be lost with the controller, and with it how the event came about."""
    outbox = Outbox()
    outbox.load(Contents(known={("one", "s"): Known({"another-1", "another-2"}, lowest=1)}, last={"one": 2}))
    outbox.put(event(2), now=0.0)
    assert outbox.depth == 1


def test_the_first_events_of_another_session_are_new_whatever_their_numbers() -> None:
    outbox = Outbox()
    outbox.load(Contents(known={("one", "before"): Known({"x"}, lowest=500)}, last={"one": 500}))
    outbox.put(event(1), now=0.0)
    assert outbox.depth == 1


def test_a_file_that_opens_late_brings_nothing_a_second_time() -> None:
    outbox = Outbox(awaits_file=True)
    for each in range(1, 6):
        outbox.put(event(each), now=0.0)
    known = Known({f"one-{each}" for each in range(1, 5)}, lowest=1)
    outbox.load(Contents(waiting=[event(0), event(3), event(4)], known={("one", "s"): known}))
    assert [number(outbox.next(now=0.0)) for _ in range(5)] == [0, 3, 4, 5, None]


def test_an_event_says_late_when_it_waited() -> None:
    made = Waiting("one", "s", 1, "1", "cable/v1/test/one/event/rep", b'{"v":1}', 100.0)
    assert json.loads(stamped(made, now=100.0 + LATE_AFTER)) == {"v": 1, "late": False}
    assert json.loads(stamped(made, now=100.1 + LATE_AFTER)) == {"v": 1, "late": True}

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from controller.outbox import SAVED_AFTER, Outbox, Waiting

STEPS = st.lists(
    st.tuples(st.sampled_from(["put", "next", "settled", "lost"]), st.sampled_from([0.0, 0.1, 2.0])), max_size=200
)


def event(number: int) -> Waiting:
    return Waiting("t", str(number).encode(), 0.0)


@given(STEPS, st.integers(1, 20))
def test_every_event_is_confirmed_waits_or_was_counted_as_dropped_and_none_overtakes(
    steps: list[tuple[str, float]], most: int
) -> None:
    outbox, now, made = Outbox(most=most), 0.0, 0
    sent: list[int] = []
    confirmed: list[int] = []
    for step, pause in steps:
        now += pause
        if step == "put" and outbox.under_way < most:  # the publisher's window is far below what the queue holds
            made += 1
            outbox.put(event(made))
        elif step == "next":
            taken = outbox.next()
            if taken is not None:
                sent.append(int(taken.payload))
        elif step == "settled" and outbox.under_way:
            assert int(outbox.settled(refused=False, now=now).payload) == sent[0]
            confirmed.append(sent.pop(0))
        elif step == "lost":
            outbox.connection_lost(now=now)
            sent.clear()
        assert sent == sorted(sent)
    outbox.connection_lost(now=now + 2.0 * SAVED_AFTER)
    waiting: list[int] = []
    while (each := outbox.next()) is not None:
        waiting.append(int(each.payload))
    arrived = list(dict.fromkeys(confirmed + waiting))
    assert arrived == sorted(arrived)
    assert made - len(arrived) <= outbox.dropped


def test_what_was_under_way_when_the_connection_went_is_sent_again_first() -> None:
    outbox = Outbox()
    for number in (1, 2, 3):
        outbox.put(event(number))
    assert outbox.next() == event(1)
    assert outbox.next() == event(2)
    outbox.settled(refused=False, now=5.0)
    outbox.connection_lost(now=5.1 + SAVED_AFTER)
    assert [outbox.next(), outbox.next(), outbox.next()] == [event(2), event(3), None]


def test_what_was_confirmed_just_before_the_connection_went_is_sent_again_in_its_order() -> None:
    outbox = Outbox()
    for number, at in ((1, 5.0), (2, 5.9), (3, 6.0)):
        outbox.put(event(number))
        outbox.next()
        outbox.settled(refused=False, now=at)
    outbox.put(event(4))
    assert outbox.depth == 1
    outbox.connection_lost(now=5.5 + SAVED_AFTER)
    assert [outbox.next(), outbox.next(), outbox.next(), outbox.next()] == [event(2), event(3), event(4), None]
    outbox.connection_lost(now=5.5 + SAVED_AFTER)
    assert outbox.next() == event(2)


def test_a_refused_event_is_not_sent_again() -> None:
    outbox = Outbox()
    outbox.put(event(1))
    outbox.next()
    outbox.settled(refused=True, now=5.0)
    outbox.connection_lost(now=5.0)
    assert outbox.next() is None


def test_a_full_queue_gives_up_the_oldest_that_is_not_under_way() -> None:
    outbox = Outbox(most=3)
    for number in (1, 2, 3):
        outbox.put(event(number))
    assert outbox.next() == event(1)
    outbox.put(event(4))
    assert outbox.dropped == 1
    assert [outbox.next(), outbox.next(), outbox.next()] == [event(3), event(4), None]
    assert outbox.settled(refused=True, now=1.0) == event(1)
    assert outbox.refused == 1

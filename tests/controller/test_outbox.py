from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from controller.outbox import Outbox, Waiting

STEPS = st.lists(st.sampled_from(["put", "next", "settled", "lost"]), max_size=200)


def event(number: int) -> Waiting:
    return Waiting("t", str(number).encode(), 0.0)


@given(STEPS, st.integers(1, 20))
def test_every_event_is_confirmed_in_order_or_counted_as_dropped(steps: list[str], most: int) -> None:
    outbox, made, sent, confirmed = Outbox(most=most), 0, [0] * 0, [0] * 0
    for step in steps:
        if step == "put":
            made += 1
            # A full queue whose every event is under way cannot make room: the publisher's window is far smaller.
            if outbox.under_way == most:
                outbox.settled(refused=False)
                confirmed.append(sent.pop(0))
            outbox.put(event(made))
        elif step == "next":
            taken = outbox.next()
            if taken is not None:
                sent.append(int(taken.payload))
        elif step == "settled" and outbox.under_way:
            assert int(outbox.settled(refused=False).payload) == sent[0]
            confirmed.append(sent.pop(0))
        elif step == "lost":
            outbox.connection_lost()
            sent.clear()
        assert outbox.depth <= most
        assert len(confirmed) + outbox.depth + outbox.dropped == made
        assert sent == sorted(sent)
    assert confirmed == sorted(set(confirmed))


def test_what_was_under_way_when_the_connection_went_is_sent_again_first() -> None:
    outbox = Outbox()
    for number in (1, 2, 3):
        outbox.put(event(number))
    assert outbox.next() == event(1)
    assert outbox.next() == event(2)
    outbox.settled(refused=False)
    outbox.connection_lost()
    assert [outbox.next(), outbox.next(), outbox.next()] == [event(2), event(3), None]


def test_a_full_queue_gives_up_the_oldest_that_is_not_under_way() -> None:
    outbox = Outbox(most=3)
    for number in (1, 2, 3):
        outbox.put(event(number))
    assert outbox.next() == event(1)
    outbox.put(event(4))
    assert outbox.dropped == 1
    assert [outbox.next(), outbox.next(), outbox.next()] == [event(3), event(4), None]
    assert outbox.settled(refused=True) == event(1)
    assert outbox.refused == 1

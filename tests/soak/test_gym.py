"""The gym's soak: that a small one holds, and that what must not be would be seen."""

from __future__ import annotations

from typing import Any

import pytest

from controller.broker import Account, Broker, find_mosquitto
from simulators.truth import Truth
from tests.soak import boards, gym, judged, page, programme
from tests.soak.heard import Dashboard
from tests.soak.training import Soak

SECONDS = 20.0


@pytest.mark.broker
@pytest.mark.skipif(find_mosquitto() is None, reason="mosquitto is not installed")
def test_three_stations_are_counted_and_delivered_whole_while_broker_boards_and_readers_fail() -> None:
    report = gym.soak(SECONDS / 60.0, stations=3)
    assert report.failures == []
    assert report.tallies.keys() == {None, "unplug", "loss"}
    assert report.made - 3 <= report.heard <= report.made  # a session's beginning may come before anybody can listen
    assert report.heard > 30
    assert report.run is not None
    assert report.run.done["kill the broker"] == 2
    assert report.run.done["stop the broker"] == 1
    assert report.run.done["hold up the gateway"] == 1
    assert "Nothing that should hold did not." in page.text(report)


def dashboard() -> Dashboard:
    return Dashboard(Broker("127.0.0.1", 1, "mosquitto", dashboard=Account("u", "p"), gateway=Account("u", "p")))


def event(seq: int, kind: str = "rep", **fields: Any) -> dict[str, Any]:
    return {"event_type": kind, "station": "one", "seq": seq, "id": f"id-{seq}", **fields}


def delivered(made: list[dict[str, Any]], heard: list[dict[str, Any]]) -> list[str]:
    report, listener = Soak("gym"), dashboard()
    for each in heard:
        listener.take(each, at=0.0)
    judged.delivery(report, made, listener)
    return report.failures


def test_an_event_that_is_not_heard_or_out_of_order_or_has_two_ids_is_named() -> None:
    events = [event(seq, ts=0) for seq in range(1, 6)]
    assert delivered(events, [*events, events[2]]) == []
    assert "1 events were not heard: ['one rep 3']" in delivered(events, [e for e in events if e["seq"] != 3])
    assert delivered(events, [events[1], events[0], *events[2:]]) == ["one: events were heard out of order"]
    assert any("several ids" in line for line in delivered(events, [*events, {**events[4], "id": "another"}]))


def test_the_beginning_of_a_session_may_come_before_anybody_can_listen() -> None:
    events = [event(1, "session"), event(2, ts=0), event(3, ts=0)]
    assert delivered(events, events[1:]) == []


def lifted(served: boards.Served, truth: Truth, *, missing: int = 0) -> list[str]:
    """The failures where the last set lacks reps on the left."""
    events: list[dict[str, Any]] = []
    for number, true in enumerate(truth.sets, start=1):
        less = missing if true is truth.sets[-1] else 0
        left, right = true.left_reps - less, true.right_reps
        for _ in range(left + right):
            events.append(event(len(events) + 1, set=number, status="final", replaces=None, retracts=None))
        partial = {"left_partial_reps": true.left_partial_reps, "right_partial_reps": true.right_partial_reps}
        counts = {"left_reps": left, "right_reps": right, **partial}
        events.append(event(len(events) + 1, "set", set=number, shape=true.shape, **counts))
    for each in events:
        each["station"] = served.name
    report = Soak("gym")
    judged.sets(report, events, [served], {served.name: truth})
    return report.failures


def test_a_missing_rep_is_a_failure_unless_the_plug_was_out() -> None:
    sound = programme.served(3, SECONDS)[0]
    truth = boards.session(sound).truth
    assert sound.fault is None
    assert lifted(sound, truth) == []
    assert len(lifted(sound, truth, missing=1)) == 1
    pulled = programme.served(3, SECONDS)[1]
    assert pulled.fault == "unplug"
    assert [
        line for line in lifted(pulled, boards.session(pulled).truth, missing=1) if "never raised" not in line
    ] == []
    assert any("not (" in line for line in lifted(pulled, boards.session(pulled).truth, missing=4))


def test_a_gym_of_twenty_has_every_fault_and_rests_before_and_after_them() -> None:
    stations = programme.served(20, 1800.0)
    assert {each.fault for each in stations} == {None, *programme.KINDS}
    assert sum(each.fault is None for each in stations) == 12
    first, last = (share * 1800.0 for share in programme.DISTURBED)
    steps = [step for each in stations if each.script is not None for step in each.script.fault]
    assert all(first <= step.at and step.at + (step.lasts or 0.0) <= last for step in steps)
    assert len(steps) > 40

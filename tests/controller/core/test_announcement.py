"""What a side announces, in order, and when a provisional rep stands."""

from __future__ import annotations

from typing import Literal

from controller.core.announcement import Announcement, Announcer


def said(announcer: Announcer) -> list[tuple[str, int]]:
    return [(each.status, each.take_back) for each in announcer.drain()]


def test_a_provisional_stands_until_its_final() -> None:
    announcer = Announcer()
    stood = [announcer.provisional]
    statuses: tuple[Literal["provisional", "final"], ...] = ("provisional", "final")
    for status in statuses:
        announcer.say(Announcement(status))
        stood.append(announcer.provisional)
    assert stood == [False, True, False]
    assert said(announcer) == [("provisional", 0), ("final", 0)]
    assert said(announcer) == []


def test_only_a_provisional_that_stands_is_taken_back() -> None:
    announcer = Announcer()
    announcer.take_back()
    assert said(announcer) == []
    announcer.say(Announcement("provisional"))
    announcer.take_back()
    announcer.take_back()
    assert not announcer.provisional
    assert said(announcer) == [("provisional", 0), ("retracted", 0)]


def test_finals_are_taken_back_while_a_provisional_stands_on() -> None:
    announcer = Announcer()
    announcer.say(Announcement("provisional"))
    announcer.take_back_finals(2)
    announcer.take_back_finals(-1)
    assert announcer.provisional
    assert said(announcer) == [("provisional", 0), ("retracted", 2), ("retracted", -1)]


def test_an_announcement_says_no_more_than_it_is_told() -> None:
    plain = Announcement("retracted")
    assert (plain.turn, plain.measures, plain.partial, plain.flags) == (0.0, None, False, [])
    assert (plain.hold, plain.force, plain.take_back) == (None, None, 0)

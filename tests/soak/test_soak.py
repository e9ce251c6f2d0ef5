"""The soak itself: that it counts exactly, and would see what grows."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from controller.core.station import Station
from protocols.events import AnyEvent
from tests.soak import training
from tests.soak.growth import elements, slope


def test_some_minutes_of_every_shape_are_counted_exactly() -> None:
    report = training.soak(5.0)
    assert [line for line in report.failures if "grow" not in line] == []


def test_a_core_that_keeps_every_sample_is_caught(monkeypatch: pytest.MonkeyPatch) -> None:
    kept: list[float] = []
    feed = Station.feed

    def hoard(self: Station, t: float, **values: Any) -> None:
        self.__dict__["kept"] = kept
        kept.append(t)
        feed(self, t, **values)

    monkeypatch.setattr(Station, "feed", hoard)
    assert any("the core's memory grows" in line for line in training.soak(4.0).failures)


def test_a_rep_that_is_lost_is_named_with_its_set(monkeypatch: pytest.MonkeyPatch) -> None:
    drain = Station.drain

    def forgetful(self: Station) -> list[AnyEvent]:
        return [event for event in drain(self) if getattr(event, "rep", 0) != 3]

    monkeypatch.setattr(Station, "drain", forgetful)
    assert any("the reps that stand" in line for line in training.soak(2.0).failures)


def test_all_that_an_object_reaches_is_counted_once() -> None:
    shared = [1.0, 2.0]
    assert elements({"a": shared, "b": shared, "c": np.zeros(5)}) == 3 + 2 + 5
    assert elements(_Slotted(shared)) == 2
    assert slope([0.0, 1800.0, 3600.0], [1.0, 2.0, 3.0]) == pytest.approx(2.0)


class _Slotted:
    __slots__ = ("kept",)

    def __init__(self, kept: list[float]) -> None:
        self.kept = kept

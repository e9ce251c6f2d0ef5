"""The faults in the event log that nobody in the core has found."""

from __future__ import annotations

from controller.core.settings import CoreSettings, Identity
from controller.core.station import Station
from protocols.events import Fault


def test_a_fault_of_a_side_that_has_no_sample_yet_stays_until_it_is_cleared() -> None:
    station = Station(CoreSettings(), Identity(recording="r", session="s"))
    station.fault(1.0, "encoder_fault", raised=True, severity="error", side="left")
    station.advance(9.0)
    station.fault(9.0, "encoder_fault", raised=False, side="left")
    faults = [event for event in station.drain() if isinstance(event, Fault)]
    assert [(each.side, each.raised, each.ts) for each in faults] == [("left", True, 1000), ("left", False, 9000)]

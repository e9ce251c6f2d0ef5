"""What a station is made of and how well it is heard, gathered from its parts."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any, Protocol

from controller.config import StationConfig
from controller.core.station import ALGORITHM, Station
from controller.wiring import Key, Wiring
from firmware_bridge.device_reader import UNKNOWN
from firmware_bridge.messages import BoardStatus, Identity
from firmware_bridge.protocol import Reader
from protocols.events import SIDES, UNITS, Health, Info
from protocols.recording import AboutIn


def station_info(
    config: StationConfig,
    station: Station,
    wirings: Mapping[Key, Wiring],
    abouts: Mapping[str, AboutIn],
    *,
    software: str,
) -> Info:
    """What the station is made of; abouts: what boards say of themselves to their links, by the board."""
    left, right = station.view("left"), station.view("right")
    boards = {key: known.identity for key, known in wirings.items()}
    return Info(
        ts=station.ts,
        station=config.id,
        name=config.name,
        sides=[side for side in SIDES if station.view(side) is not None],
        left_sample_hz=left.hz if left is not None else None,
        right_sample_hz=right.hz if right is not None else None,
        left_calibration=left.calibration if left is not None else None,
        right_calibration=right.calibration if right is not None else None,
        left_calibration_date=left.calibrated if left is not None else None,
        right_calibration_date=right.calibrated if right is not None else None,
        boards=",".join(f"{key.board}:{_board(board, abouts.get(key.board))}" for key, board in boards.items()),
        software=software,
        algorithm=ALGORITHM,
        units=UNITS,
    )


def _board(identity: Identity, about: AboutIn | None) -> str:
    """A board's model and firmware, and whether its driver has yet to be tried on hardware."""
    model, firmware = model_of(identity, about), firmware_of(identity, about)
    return f"{_plain(model)}:{_plain(firmware)}" + (":experimental" if identity.is_experimental else "")


def _plain(text: str | None) -> str:
    """Without what separates one board, or one word of a board, from the next."""
    return " ".join((text or "?").replace(",", " ").replace(":", " ").split())


class Labelled(Protocol):
    """Whatever says of itself what it is."""

    @property
    def model(self) -> str | None:
        """Its model."""

    @property
    def firmware(self) -> str | None:
        """Its firmware's version."""


def model_of(identity: Identity, about: Labelled | None) -> str | None:
    """What a board calls itself in its protocol, else to its link, None: nowhere."""
    return identity.model or (about.model if about is not None else None)


def firmware_of(identity: Identity, about: Labelled | None) -> str | None:
    """The same of its firmware's version."""
    said = identity.firmware if identity.firmware != UNKNOWN else ""
    return said or (about.firmware if about is not None else None)


def side_health(station: Station, readers: Mapping[str, Reader], wirings: Mapping[Key, Wiring]) -> dict[str, Any]:
    """What of a station's health is of one side, by the names of its fields."""
    found: dict[str, Any] = {}
    for side in SIDES:
        view = station.view(side)
        keys = {key for key, known in wirings.items() if side in known.sides}
        clocks = [clock for key in keys if (clock := readers[key.board].clocks.get(key.source)) is not None]
        boards = {key.board for key in keys}
        found[f"{side}_frames_lost"] = sum(readers[board].counters.lost for board in boards) if boards else None
        found[f"{side}_jitter_ms"] = round(max(each.jitter for each in clocks) * 1000.0, 3) if clocks else None
        found[f"{side}_zero_drift_n"] = view.zero_drift if view is not None else None
        found[f"{side}_slips"] = view.slips if view is not None else None
    return found


def station_health(
    station: Station,
    readers: Collection[Reader],
    statuses: Collection[BoardStatus],
    abouts: Collection[AboutIn],
    *,
    links: Mapping[str, bool],
    samples_late: int,
) -> Health:
    """How well the boards are heard.

    links: which boards' are up; samples_late: dropped by the merge.
    """
    counters = [reader.counters for reader in readers]
    clocks = [clock for reader in readers for clock in reader.clocks.values()]
    batteries = [status.battery_v for status in statuses if status.battery_v is not None]
    shares = [about.battery_pct for about in abouts if about.battery_pct is not None]
    signals = [status.rssi_dbm for status in statuses if status.rssi_dbm is not None]
    left, right = station.view("left"), station.view("right")
    return Health(
        ts=station.ts,
        left_sample_hz=left.hz if left is not None else None,
        right_sample_hz=right.hz if right is not None else None,
        link=",".join(f"{board}={'up' if up else 'down'}" for board, up in links.items()),
        frames_lost=sum(each.lost for each in counters),
        frames_damaged=sum(each.damaged for each in counters),
        samples_late=samples_late,
        jitter_ms=round(max(clock.jitter for clock in clocks) * 1000.0, 3) if clocks else None,
        clock_uncertainty_ms=round(max(clock.uncertainty for clock in clocks) * 1000.0, 3) if clocks else None,
        clock_skew_ppm=round(max(clocks, key=lambda clock: abs(clock.skew_ppm)).skew_ppm, 2) if clocks else None,
        battery_v=min(batteries, default=None),
        battery_pct=min(shares, default=None),
        rssi_dbm=min(signals, default=None),
    )

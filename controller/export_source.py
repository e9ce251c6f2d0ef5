"""A recording or a neutral CSV read for an export: its samples in newtons and metres, and what holds of its reps."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any, Final, NamedTuple

import msgspec

from controller.config import StationConfig
from controller.core.settings import ChannelCalibration, Exercise
from controller.pipeline import settings_in
from controller.playback import Warn, played
from controller.recording_folder import header_of
from controller.replay import csv_played, is_recording
from controller.wiring import Wiring
from protocols.events import UNITS, AnyEvent
from protocols.neutral_csv import CHANNELS, read_csv

COLUMNS: Final = ("time_s", *CHANNELS)
UNIT: Final = {"time_s": "s"} | {name: UNITS["_m"] if name.endswith("_m") else UNITS["_n"] for name in CHANNELS}


class Row(NamedTuple):
    """One instant: stream time in s, and the values of CHANNELS, None where a channel has no sample."""

    t: float
    values: tuple[float | None, ...]


class Source:
    """One file, read once, from its beginning to its end."""

    def __init__(self, path: Path, *, warn: Warn, read: Callable[[int], object]) -> None:
        """read: told of bytes read. Raises RecordingError and OSError for what is no recording."""
        self._path, self._warn, self._read = path, warn, read
        self.is_recording = is_recording(path)
        self.anchor = 0.0  # s, Unix time of stream time 0; 0 where nobody knows it
        self.metadata: dict[str, str] = {"source": path.name}
        self._calibrations: dict[str, ChannelCalibration] = {}
        if self.is_recording:
            header = header_of(path)
            self.anchor = header.unix_anchor
            self.metadata |= {
                "recording": header.recording,
                "session": header.session,
                "software": header.software,
                "unix_anchor_s": repr(header.unix_anchor),
            }
            self.metadata |= _of_settings(settings_in(header))

    def play(self, row: Callable[[Row], None]) -> list[AnyEvent]:
        """Give out every instant in its order; returns the events. Raises RecordingError, CsvError, OSError."""
        events: list[AnyEvent] = []
        if self.is_recording:

            def heard(t: float, wiring: Wiring, counts: tuple[int, ...]) -> None:
                row(self._instant(t, wiring, counts))

            for _, some in played(self._path, self._warn, heard=heard, read=self._read):
                events += some
            self.metadata |= {f"calibration_{name}": _said(each) for name, each in self._calibrations.items()}
            return events
        recording = read_csv(self._path)
        self.metadata = {**recording.metadata, **self.metadata}
        for each in recording.rows:
            row(Row(each.t, (each.left_position, each.left_force, each.right_position, each.right_force)))
        for _, some in csv_played(self._path, self._warn):
            events += some
        self._read(self._path.stat().st_size)
        return events

    def _instant(self, t: float, wiring: Wiring, counts: tuple[int, ...]) -> Row:
        values: dict[str, float] = {}
        for wire in wiring.wires:
            line = wire.calibration
            name = f"{wire.side}_{wire.kind}_{'n' if wire.kind == 'force' else 'm'}"
            values[name] = (counts[wire.column] - line.zero) * line.span
            self._calibrations[name] = line
        return Row(t, tuple(values.get(name) for name in CHANNELS))


def _of_settings(config: StationConfig) -> dict[str, str]:
    """What the first lines of a neutral CSV may say of a station, where it is not the default."""
    said: dict[str, Any] = {"station": config.id, "load_kg": config.load_kg, "person": config.person}
    usual = Exercise()
    for name in Exercise.__struct_fields__:
        value = getattr(config.exercise, name)
        if value != getattr(usual, name):
            said["exercise" if name == "name" else name] = value
    return {name: str(value) for name, value in said.items() if value is not None}


def _said(line: ChannelCalibration) -> str:
    """A calibration in one line of JSON."""
    return msgspec.json.encode(line).decode()

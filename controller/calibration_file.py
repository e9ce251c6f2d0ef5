"""The file of calibrations beside the configuration: only added to, replaced in one step, read at the start.

An entry belongs to one channel of one board. A channel's last entry counts, whatever the clock said when it was made;
those before are its history. It also wins over a calibration in the configuration, unless that one's date is later.
"""

from __future__ import annotations

import fcntl
import json
import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Annotated, Any, Final, Literal

import msgspec
from msgspec import Meta, Struct

from controller.config import ChannelConfig, ConfigError, GymConfig, Id, StationConfig, decoded, load, read_text, wrong
from controller.core.settings import ChannelCalibration
from protocols.events import Side

Kind = Literal["force", "position"]
VERSION: Final = 1
HEAD: Final = "# Calibrations, written by `cable-station calibrate`. A channel's last one counts. Keep a copy.\n"


class LaterError(ConfigError):
    """A file of a version that is not known yet: nothing is wrong with it."""


class Entry(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One calibration: of which channel, what came out, and from what."""

    id: Id
    date: Annotated[str, Meta(pattern=r"^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(Z|[+-]\d\d:\d\d)\Z")]
    station: Id
    side: Side
    channel: Kind
    board: Id
    source: Annotated[int, Meta(ge=0, le=255)] = 0
    number: Annotated[int, Meta(ge=0, le=15)]  # of the channel on its board
    uid: Annotated[str, Meta(pattern=r"^[0-9a-f]*\Z")]  # of the board
    ratio: Annotated[float, Meta(gt=0)] = 1.0  # as it was configured; the span is for a ratio of 1
    zero: float  # counts
    span: float  # N or m at the sensor for one count
    uncertainty_pct: Annotated[float, Meta(ge=0)]  # standard, of the span
    zero_uncertainty: Annotated[float, Meta(ge=0)]  # standard, counts
    residual: float | None = None  # largest, N
    method: Literal["masses", "pull", "drum"]
    points: list[tuple[float, float]] = []  # N or m at the handle, and mean counts, as they were taken

    @property
    def calibration(self) -> ChannelCalibration:
        """What the core must know of it."""
        return ChannelCalibration(
            zero=self.zero,
            span=self.span,
            uncertainty_pct=self.uncertainty_pct,
            zero_uncertainty=self.zero_uncertainty,
            residual=self.residual,
            id=self.id,
            date=self.date,
        )


class Calibrations(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The whole file."""

    version: Literal[1]
    calibration: list[Entry] = []


class CalibratedStation(StationConfig, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A station's configuration with what its calibration file holds for it; a recording begins with it."""

    calibrated: tuple[Entry, ...] = ()


def file_of(config: Path, gym: GymConfig) -> Path:
    """Where a gym's calibrations are kept: as configured, seen from the configuration's folder, or beside it."""
    return config.parent / (gym.calibration or f"{config.stem}.calibration.toml")


def load_calibrated(config: Path) -> GymConfig:
    """Read a configuration and the calibrations that go with it. Raises ConfigError."""
    gym = load(config)
    entries = read(file_of(config, gym))
    stations: list[StationConfig] = [calibrated(station, entries) for station in gym.station]
    return msgspec.structs.replace(gym, station=stations)


def calibrations_of(config: Path, gym: GymConfig) -> list[str]:
    """A line for each calibration that a gym takes from its file."""
    return [
        f"{file_of(config, gym)}: {station.id}: {entry.id}, {entry.uncertainty_pct:.2g} %, {entry.date}"
        for station in gym.station
        if isinstance(station, CalibratedStation)
        for entry in station.calibrated
    ]


def calibrated(station: StationConfig, entries: Sequence[Entry]) -> CalibratedStation:
    """A station with the last entry of each of its channels."""
    last = {(entry.side, entry.channel): entry for entry in entries if entry.station == station.id}
    kept = tuple(entry for entry in last.values() if not _overruled(station, entry))
    fields = {name: getattr(station, name) for name in StationConfig.__struct_fields__}
    return CalibratedStation(**fields, calibrated=kept)


def _overruled(station: StationConfig, entry: Entry) -> bool:
    """Whether the configuration itself holds a newer calibration of this channel."""
    channel = configured(station, entry.side, entry.channel)
    rival = channel.calibration if channel is not None else None
    if rival is None or rival.date is None:
        return False
    try:
        return _when(rival.date) > _when(entry.date)
    except ValueError:
        return False


def configured(station: StationConfig, side: Side, kind: Kind) -> ChannelConfig | None:
    """What the configuration says of a channel, None where it leaves it to the board."""
    cable = station.left if side == "left" else station.right
    return None if cable is None else cable.force if kind == "force" else cable.position


def _when(date: str) -> datetime:
    when = datetime.fromisoformat(date)
    return when if when.tzinfo is not None else when.replace(tzinfo=UTC)


def read(path: Path) -> list[Entry]:
    """All entries of a file, none where there is no file. Raises ConfigError, which says what to do."""
    name = str(path)
    try:
        path.stat()
    except FileNotFoundError:
        return []
    except OSError as error:
        raise ConfigError(f"{name}: {error.strerror}") from None
    try:
        entries = decoded(read_text(path), Calibrations, name=name, prepare=partial(_not_later, name)).calibration
        for number, entry in enumerate(entries):
            problem = _problem(entry, [each.id for each in entries[:number]])
            if problem is not None:
                raise wrong(name, f"calibration[{number}].{problem}")
    except LaterError:
        raise
    except ConfigError as error:
        raise ConfigError(f"{error}; put back a copy of it, or move it away and calibrate again") from None
    return entries


def _not_later(name: str, data: dict[str, Any]) -> None:
    version = data.get("version")
    if isinstance(version, int) and version > VERSION:
        raise LaterError(
            f"{name}: made by a later version of cable-station ({version}, this one knows {VERSION}); "
            "install that one, or put back the copy from before it"
        )


def _problem(entry: Entry, before: list[str]) -> str | None:
    if entry.id in before:
        return f"id: there are two calibrations {entry.id!r}"
    if entry.span == 0.0:
        return "span: with a span of 0 nothing is measured"
    try:
        _when(entry.date)
    except ValueError:
        return f"date: there is no day {entry.date!r}"
    return None


def new_id(entries: Sequence[Entry], *, side: Side, kind: Kind, date: str) -> str:
    """The next free id of a day, like left-force-20261124-1."""
    taken = {entry.id for entry in entries}
    begin = f"{side}-{kind}-{date[:10].replace('-', '')}"
    return next(name for n in range(1, len(taken) + 2) if (name := f"{begin}-{n}") not in taken)


def add(path: Path, entry: Entry) -> Entry:
    """Add an entry, its id made free, and return it as it stands in the file.

    Whoever reads meanwhile, or after a kill or a power cut, finds the old file or the new one. Raises ConfigError for a
    file that is not ours, OSError where it cannot be written.
    """
    path = path.resolve()  # a symlink stays one
    path.parent.mkdir(parents=True, exist_ok=True)
    with _alone(path.parent):
        entries = read(path)
        fresh = new_id(entries, side=entry.side, kind=entry.channel, date=entry.date)
        entry = msgspec.structs.replace(entry, id=fresh)
        _replace(path, render([*entries, entry]).encode())
    return entry


def render(entries: Sequence[Entry]) -> str:
    """Entries as TOML."""
    lines = [HEAD, f"version = {VERSION}\n"]
    for entry in entries:
        lines.append("\n[[calibration]]\n")
        for name in Entry.__struct_fields__:
            value = getattr(entry, name)
            if value is not None and value != []:
                lines.append(f"{name} = {_toml(value)}\n")
    return "".join(lines)


def _toml(value: float | str | Sequence[Sequence[float]]) -> str:
    """A value of an entry; its texts have no character that JSON and TOML write differently."""
    return repr(value) if isinstance(value, float | int) else json.dumps(value)


@contextmanager
def _alone(folder: Path) -> Iterator[None]:
    """Nobody else adds to a file in this folder meanwhile."""
    handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX)
        yield
        os.fsync(handle)  # the new name itself
    finally:
        os.close(handle)


def _replace(path: Path, data: bytes) -> None:
    fresh = path.with_name(f".{path.name}.{os.getpid()}")
    mode = path.stat().st_mode & 0o777 if path.exists() else 0o644
    try:
        handle = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, mode)
        with os.fdopen(handle, "wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        fresh.replace(path)
    except BaseException:
        with suppress(OSError):
            fresh.unlink(missing_ok=True)
        raise

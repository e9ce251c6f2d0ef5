"""Play a recording or a neutral CSV through the core: the same events as live, at any speed."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator
from enum import StrEnum
from math import isfinite
from pathlib import Path
from typing import Annotated, Any, Final

import msgspec
from msgspec import Meta, Struct
from rich.console import Console
from rich.table import Table

from controller.config import Id
from controller.core.settings import ChannelCalibration, CoreSettings, Exercise, Identity
from controller.core.station import Station
from controller.playback import Timed, Warn, folder_played, played
from controller.voice import Voice
from protocols.events import SIDES, AnyEvent, Fault, Rep, SetSummary, Side, to_json
from protocols.neutral_csv import CsvError, NeutralCsv, digest, read_csv
from protocols.recording import MAGIC, RecordingError

MOST_KG: Final = 10_000.0  # a load beyond is a slip of the pen


class ReplayError(Exception):
    """The file cannot be played; one line that says why."""


class Speed(StrEnum):
    """How fast a recording is played."""

    REAL = "1"
    MAX = "max"


class _OfStation(Struct, frozen=True, kw_only=True):
    """What of a station's settings a CSV may say."""

    station: Id = "station"
    load_kg: Annotated[float, Meta(gt=0, le=MOST_KG)] | None = None
    person: str | None = None


OF_EXERCISE: Final = frozenset(Exercise.__struct_fields__) - {"name"}  # a line "name" says what the file is called
UNKNOWN: Final = "-"


def replay(file: Path, *, json: bool, speed: Speed) -> None:
    """Print a file's events. Raises ReplayError when it is no recording."""
    played = events_of(file, warn=Voice())
    summary = _Summary()
    out = sys.stdout.buffer  # the same bytes whatever the locale
    begun: tuple[float, float] | None = None
    for t, events in played:
        if speed is Speed.REAL:
            if begun is None:
                begun = (t, time.monotonic())
            wait = begun[1] + (t - begun[0]) - time.monotonic()
            if wait > 0.0:
                sys.stdout.flush()
                time.sleep(wait)
        for event in events:
            if json:
                out.write(to_json(event) + b"\n")
            else:
                summary.show(event)
    sys.stdout.flush()


def events_of(file: Path, *, warn: Warn = lambda _: None) -> Iterator[Timed]:
    """Stream times and the events that they brought, in order. Raises ReplayError when it is no recording.

    A folder is all recordings in it, one after the other.
    """
    try:
        if file.is_dir():
            yield from folder_played(file, warn)
        elif is_recording(file):
            yield from played(file, warn)
        else:
            yield from csv_played(file, warn)
    except CsvError as error:
        raise ReplayError(str(error)) from None
    except RecordingError as error:
        raise ReplayError(f"{file}: {error}") from None
    except OSError as error:
        raise ReplayError(f"{error.filename or file}: {error.strerror}") from None


def is_recording(file: Path) -> bool:
    """Whether a file begins as our recordings do. Raises OSError."""
    with file.open("rb") as opened:
        return opened.read(len(MAGIC)) == MAGIC


def csv_played(file: Path, warn: Warn) -> Iterator[Timed]:
    """The same of a neutral CSV. Raises CsvError."""
    recording = read_csv(file)
    for line in recording.defects.warnings():
        warn(f"{file}: {line}")
    name = digest(file)
    station = Station(csv_settings(recording, warn), Identity(recording=name, session=f"replay-{name[:12]}"))
    for column in recording.columns:
        side: Side = "left" if column.startswith("left") else "right"
        force = ChannelCalibration() if "force" in column else None
        station.calibrate(side, force=force, position=ChannelCalibration() if force is None else None)
    t = 0.0
    for row in recording.rows:
        t = row.t
        if row.restarted:
            for each in SIDES:
                station.restarted(each, t=t)
        station.feed(
            t,
            left_position=row.left_position,
            left_force=row.left_force,
            right_position=row.right_position,
            right_force=row.right_force,
        )
        events = station.drain()
        if events:
            yield t, events
    station.finish()
    yield t, station.drain()


def csv_settings(recording: NeutralCsv, warn: Warn) -> CoreSettings:
    """The settings that a CSV's own first lines give; one that is wrong is said and left out."""
    exercise: dict[str, Any] = {}
    fields: dict[str, Any] = {}
    for key, text in recording.metadata.items():
        if key == "exercise":
            exercise["name"] = text
            continue
        kind, place = (Exercise, exercise) if key in OF_EXERCISE else (_OfStation, fields)
        if key in kind.__struct_fields__:
            try:
                value = getattr(msgspec.convert({key: text}, kind, strict=False), key)
            except msgspec.ValidationError as error:
                warn(f"# {key}: {text}: {str(error).partition(' - at ')[0]}; left out")
            else:
                if isinstance(value, float) and not isfinite(value):
                    warn(f"# {key}: {text}: no number to work with; left out")
                else:
                    place[key] = value
    return CoreSettings(**fields, exercise=Exercise(**exercise))


class _Summary:
    """Events as a person reads them."""

    def __init__(self) -> None:
        self._console = Console(highlight=False)

    def show(self, event: AnyEvent) -> None:
        """Print what is worth a line."""
        if isinstance(event, Rep) and event.status != "provisional":
            self._rep(event)
        elif isinstance(event, SetSummary):
            self._set(event)
        elif isinstance(event, Fault):
            self._console.print(f"{'!' if event.raised else ' '} {event.name}: {event.detail}")

    def _rep(self, rep: Rep) -> None:
        if rep.status == "retracted":
            self._console.print(f"{rep.side:>5} {rep.rep:2d}  taken back")
            return
        parts = [
            f"{value:.{digits}f} {unit}"
            for value, digits, unit in (
                (rep.rom_m, 3, "m"),
                (rep.concentric_s, 2, "s"),
                (rep.mean_velocity_m_per_s, 2, "m/s"),
                (rep.mean_force_n, 0, "N"),
                (rep.hold_s if rep.rom_m is None else None, 1, "s held"),
            )
            if value is not None
        ]
        marks = " partial" if rep.partial else ""
        self._console.print(f"{rep.side:>5} {rep.rep:2d}  {'  '.join(parts)}{marks}  {rep.flags}")

    def _set(self, summary: SetSummary) -> None:
        if summary.retracts is not None:
            self._console.print(f"set {summary.set} taken back")
            return
        table = Table(
            "side", "reps", "partial", "ROM m", "velocity m/s", "force N", title=f"set {summary.set}, {summary.shape}"
        )
        for side in SIDES:
            values = [getattr(summary, f"{side}_{name}") for name in ("rom_m", "mean_velocity_m_per_s", "mean_force_n")]
            table.add_row(
                side,
                *(
                    UNKNOWN if value is None else f"{value:.3g}" if isinstance(value, float) else str(value)
                    for value in (getattr(summary, f"{side}_reps"), getattr(summary, f"{side}_partial_reps"), *values)
                ),
            )
        self._console.print(table)
        if summary.asymmetry_pct is None:
            self._console.print(f"no index: {summary.reasons.partition('=')[2] or summary.verdict_reason}")
        else:
            low, high = summary.asymmetry_low_pct, summary.asymmetry_high_pct
            band = f" ({low:.1f} to {high:.1f})" if low is not None and high is not None else ""
            verdict = f"{summary.verdict or UNKNOWN}, {summary.verdict_reason}"
            self._console.print(f"{summary.facet} {summary.asymmetry_pct:+.1f} %{band}: {verdict}")

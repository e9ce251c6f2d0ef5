"""Recordings for other programs: the reps as a table, or the raw samples, as CSV, Parquet or MCAP."""

from __future__ import annotations

from collections.abc import Callable
from enum import StrEnum
from pathlib import Path

from rich.console import Console
from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TimeRemainingColumn

from controller.export_sinks import CsvSink, McapSink, ParquetSink, Sink
from controller.export_source import Row, Source
from controller.matching import Standing
from protocols.neutral_csv import CsvError
from protocols.recording import RecordingError


class ExportError(Exception):
    """What was asked for cannot be; one line that says why and what to do."""


class Form(StrEnum):
    """What is written."""

    CSV = "csv"
    PARQUET = "parquet"
    MCAP = "mcap"


def form_of(out: Path, wished: Form | None) -> Form:
    """The form that was asked for, else the one that the name says. Raises ExportError."""
    if wished is not None:
        return wished
    try:
        return Form(out.suffix.removeprefix("."))
    except ValueError:
        raise ExportError(f"{out}: the name does not say the form; give --to csv, parquet or mcap") from None


def export(
    file: Path, out: Path, *, form: Form | None, reps: bool, raw: bool, warn: Callable[[str], None]
) -> tuple[int, int]:
    """Write what a file holds; returns how many reps and instants. With neither asked for, it is the reps.

    Raises ExportError, MissingError, OSError.
    """
    form = form_of(out, form)
    reps = reps or not raw
    if reps and raw and form is not Form.MCAP:
        raise ExportError(f"{form} holds one table: give --reps or --raw, or --to mcap")
    if out.exists():
        raise ExportError(f"{out} is there already; delete it, or give another name")
    try:
        with _progress() as progress:
            task = progress.add_task(file.name, total=None)
            try:
                source = Source(file, warn=warn, read=lambda count: progress.advance(task, count))
                progress.update(task, total=file.stat().st_size)
            except OSError as error:
                raise ExportError(f"{file}: {error.strerror}") from None
            return _written(source, out, form, reps=reps, raw=raw)
    except CsvError as error:
        raise ExportError(str(error)) from None
    except RecordingError as error:
        raise ExportError(f"{file}: {error}") from None


def _written(source: Source, out: Path, form: Form, *, reps: bool, raw: bool) -> tuple[int, int]:
    """Write beside the place where it belongs, and put it there once it is whole."""
    part = out.with_name(out.name + ".part")
    sink = _sink(form, part, reps=reps, raw=raw, anchor=source.anchor)
    instants = 0

    def take(row: Row) -> None:
        nonlocal instants
        instants += 1
        sink.row(row)

    try:
        standing = Standing.of(source.play(take)).reps
        sink.close(standing, source.metadata)
    except BaseException:
        sink.abort()
        part.unlink(missing_ok=True)
        raise
    part.replace(out)
    return len(standing), instants


def _sink(form: Form, path: Path, *, reps: bool, raw: bool, anchor: float) -> Sink:
    if form is Form.MCAP:
        return McapSink(path, raw=raw, reps=reps, anchor=anchor)
    return ParquetSink(path, raw=raw) if form is Form.PARQUET else CsvSink(path, raw=raw)


def _progress() -> Progress:
    """A bar of the bytes read, on standard error, gone when done; nothing where that is no terminal."""
    console = Console(stderr=True)
    columns = (TextColumn("{task.description}"), BarColumn(), DownloadColumn(), TimeRemainingColumn())
    return Progress(*columns, console=console, transient=True, disable=not console.is_terminal)

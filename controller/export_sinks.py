"""Where an export goes: CSV here, Parquet and MCAP with the libraries of their extras, imported where they are used."""

from __future__ import annotations

import csv
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from types import ModuleType
from typing import Any, Final, Protocol, get_type_hints

import msgspec

from controller.export_source import COLUMNS, UNIT, Row
from protocols.events import Rep, to_json
from protocols.neutral_csv import CHANNELS

ROWS: Final = 50_000  # of a Parquet file's row groups
NS: Final = 1e9
SAMPLE: Final = {
    "type": "object",
    "description": "one instant; null: no sample of this channel",
    "properties": {
        name: {"type": ["number", "null"], "unit": UNIT[name], "description": f"{name} ({UNIT[name]})"}
        for name in COLUMNS
    },
}


class MissingError(Exception):
    """A library is not installed; the line says how to install it."""


class Sink(Protocol):
    """One file that is written. `close` has the last word, `abort` leaves whatever there is."""

    def row(self, row: Row) -> None:
        """Take one instant."""

    def close(self, reps: Sequence[Rep], metadata: Mapping[str, str]) -> None:
        """Take the reps and the metadata, and finish the file."""

    def abort(self) -> None:
        """Let go of the file."""


def rep_columns() -> list[tuple[str, type, str | None, str]]:
    """Name, type, unit and description of each field of a rep, as its payload declares them."""
    schema = msgspec.json.schema(Rep)["$defs"]["Rep"]["properties"]
    hints = get_type_hints(Rep)
    columns = []
    for name in Rep.__struct_fields__:
        said = schema[name]
        kinds = [each for each in getattr(hints[name], "__args__", (hints[name],)) if each is not type(None)]
        kind = kinds[0] if kinds[0] in (bool, int, float) else str
        columns.append((name, kind, said.get("unit"), said.get("description", "")))
    return columns


class CsvSink:
    """Lines `# key: value`, a header line, rows. The rows are those of a neutral CSV, or the reps."""

    def __init__(self, path: Path, *, raw: bool) -> None:
        self._path, self._raw = path, raw
        self._body = path.with_name(path.name + ".rows")  # what stands before them is known at the end
        self._file = self._body.open("w", encoding="utf-8", newline="")

    def row(self, row: Row) -> None:
        """Take one instant."""
        if self._raw:
            cells = ("" if value is None else f"{value:.9g}" for value in row.values)
            self._file.write(f"{row.t:.6f},{','.join(cells)}\n")

    def close(self, reps: Sequence[Rep], metadata: Mapping[str, str]) -> None:
        """Write the head, and the rows after it."""
        if not self._raw:
            lines = csv.writer(self._file, lineterminator="\n")
            columns = rep_columns()
            lines.writerow([name for name, *_ in columns])
            for rep in reps:
                said = msgspec.to_builtins(rep)
                lines.writerow(["" if said[name] is None else said[name] for name, *_ in columns])
            metadata = {**metadata, **{f"unit_{name}": unit for name, _, unit, _ in columns if unit is not None}}
        else:
            metadata = {**metadata, **{f"unit_{name}": unit for name, unit in UNIT.items()}}
        self._file.close()
        with self._path.open("w", encoding="utf-8", newline="") as file:
            for key, value in metadata.items():
                file.write(f"# {key}: {' '.join(value.split())}\n")
            if self._raw:
                file.write(",".join(COLUMNS) + "\n")
            with self._body.open(encoding="utf-8", newline="") as body:
                while block := body.read(1 << 20):
                    file.write(block)
        self._body.unlink()

    def abort(self) -> None:
        """Delete what was written."""
        self._file.close()
        self._body.unlink(missing_ok=True)


class ParquetSink:
    """One table; units and descriptions in the fields' metadata, the rest in the file's."""

    def __init__(self, path: Path, *, raw: bool) -> None:
        """Raises MissingError without pyarrow."""
        try:
            import pyarrow as pa  # noqa: PLC0415 - an extra
            import pyarrow.parquet as pq  # noqa: PLC0415
        except ImportError:
            raise _missing("Parquet", "pyarrow", "parquet") from None
        self._pa: ModuleType = pa
        self._raw = raw
        types = {float: pa.float64(), int: pa.int64(), bool: pa.bool_(), str: pa.string()}
        columns = [(name, float, UNIT[name], "") for name in COLUMNS] if raw else rep_columns()
        self._schema = pa.schema(
            [
                pa.field(name, types[kind], metadata={"unit": unit or "", "description": text})
                for name, kind, unit, text in columns
            ]
        )
        self._writer = pq.ParquetWriter(path, self._schema)
        self._rows: list[tuple[float | None, ...]] = []

    def row(self, row: Row) -> None:
        """Take one instant."""
        if self._raw:
            self._rows.append((row.t, *row.values))
            if len(self._rows) == ROWS:
                self._flush()

    def _flush(self) -> None:
        columns = [list(column) for column in zip(*self._rows, strict=True)] or [[] for _ in self._schema]
        self._writer.write_table(
            self._pa.Table.from_arrays([*map(self._pa.array, columns, self._types)], schema=self._schema)
        )
        self._rows = []

    @property
    def _types(self) -> list[Any]:
        return [field.type for field in self._schema]

    def close(self, reps: Sequence[Rep], metadata: Mapping[str, str]) -> None:
        """Write what is left, and the metadata."""
        if self._raw:
            self._flush()
        else:
            said = [msgspec.to_builtins(rep) for rep in reps]
            rows = [{name: each[name] for name in self._schema.names} for each in said]
            self._writer.write_table(self._pa.Table.from_pylist(rows, schema=self._schema))
        self._writer.add_key_value_metadata(dict(metadata))
        self._writer.close()

    def abort(self) -> None:
        """Let go of the file."""
        self._writer.close()


class McapSink:
    """Channels /samples and /rep, JSON with a JSON Schema each; log time is Unix time."""

    def __init__(self, path: Path, *, raw: bool, reps: bool, anchor: float) -> None:
        """anchor: Unix time of stream time 0, s. Raises MissingError without mcap."""
        try:
            from mcap.writer import Writer  # noqa: PLC0415 - an extra
        except ImportError:
            raise _missing("MCAP", "mcap", "mcap") from None
        self._file = path.open("wb")
        self._writer = Writer(self._file)
        self._writer.start(profile="", library="cable-station")
        self._anchor = anchor
        self._samples = self._channel("/samples", "cable_station.Sample", SAMPLE) if raw else None
        self._reps = self._channel("/rep", "cable_station.Rep", _flat_schema()) if reps else None

    def _channel(self, topic: str, name: str, schema: Mapping[str, Any]) -> int:
        known = self._writer.register_schema(name, "jsonschema", msgspec.json.encode(schema))
        return self._writer.register_channel(topic, "json", known)

    def _add(self, channel: int, t: float, data: bytes) -> None:
        at = max(round(t * NS), 0)
        self._writer.add_message(channel, log_time=at, data=data, publish_time=at)

    def row(self, row: Row) -> None:
        """Take one instant."""
        if self._samples is not None:
            said = {"time_s": row.t, **dict(zip(CHANNELS, row.values, strict=True))}
            self._add(self._samples, self._anchor + row.t, msgspec.json.encode(said))

    def close(self, reps: Sequence[Rep], metadata: Mapping[str, str]) -> None:
        """Write the reps and the metadata."""
        if self._reps is not None:
            for rep in reps:
                self._add(self._reps, rep.ts / 1000.0, to_json(rep))
        self._writer.add_metadata("cable_station", dict(metadata))
        self._writer.finish()  # type: ignore[no-untyped-call]
        self._file.close()

    def abort(self) -> None:
        """Let go of the file."""
        with suppress(OSError, ValueError):
            self._writer.finish()  # type: ignore[no-untyped-call]
        self._file.close()


def _flat_schema() -> dict[str, Any]:
    """A rep's JSON Schema without references."""
    schema: dict[str, Any] = msgspec.json.schema(Rep)["$defs"]["Rep"]
    return schema


def _missing(what: str, package: str, extra: str) -> MissingError:
    return MissingError(f"{what} needs {package}, which is not installed: pip install 'cable-station[{extra}]'")

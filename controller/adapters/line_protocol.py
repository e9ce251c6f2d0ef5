"""InfluxDB's line protocol: one point as one line. Unknown values are left out; a point without a field is none."""

from __future__ import annotations

import re
from collections.abc import Mapping
from math import isfinite
from typing import Any, Final

NS_PER_MS: Final = 1_000_000
_MEASUREMENT: Final = re.compile(r"([, ])")
_KEY: Final = re.compile(r"([,= ])")
_BREAKS: Final = re.compile(r"[\r\n]+")


def line(measurement: str, *, tags: Mapping[str, Any], fields: Mapping[str, Any], ts: int) -> str | None:
    """A point at Unix time ts, ms, with the nanoseconds that the protocol has; None without any known field."""
    values = [(key, text) for key, value in fields.items() if (text := _value(value)) is not None]
    if not values:
        return None
    named = sorted((key, str(value)) for key, value in tags.items() if value is not None and str(value) != "")
    head = [_MEASUREMENT.sub(r"\\\1", _one_line(measurement)), *(f"{_key(key)}={_tag(text)}" for key, text in named)]
    return f"{','.join(head)} {','.join(f'{_key(key)}={text}' for key, text in values)} {ts * NS_PER_MS}"


def _value(value: Any) -> str | None:
    """A field's value with its type; None for what is unknown or no single value."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int):
        return f"{value}i"
    if isinstance(value, float):
        return repr(value) if isfinite(value) else None
    if isinstance(value, str):
        return '"' + _one_line(value).replace("\\", "\\\\").replace('"', '\\"') + '"'
    return None


def _key(text: str) -> str:
    return _KEY.sub(r"\\\1", _one_line(text))


def _tag(text: str) -> str:
    """A tag's value; a backslash at its end would swallow what follows."""
    return _key(text).rstrip("\\") or "_"


def _one_line(text: str) -> str:
    return _BREAKS.sub(" ", text)

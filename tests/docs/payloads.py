"""The field tables of docs/payloads.md, made from the payload types: `python -m tests.docs.payloads` writes them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import msgspec

from protocols import events

PAGE = Path(__file__).parents[2] / "docs" / "payloads.md"
KINDS = (
    events.Rep, events.Pair, events.SetSummary, events.Comparison, events.Session, events.Cue, events.Fault,
    events.State, events.Telemetry, events.Info, events.Health, events.Owner, events.CommandResult,
)  # fmt: skip


def render() -> str:
    """The page as Markdown."""
    parts = ["# Payloads", "", "Made from `protocols/events.py` by `python -m tests.docs.payloads`.", ""]
    for kind in KINDS:
        schema = msgspec.json.schema(kind)
        own = schema["$defs"][kind.__name__]
        parts += [f"## {kind.__name__}", "", str(own.get("description", "")).splitlines()[0], ""]
        parts += ["| field | type | unit | what |", "|---|---|---|---|"]
        for name, field in own["properties"].items():
            parts.append(f"| `{name}` | {type_of(field)} | {find(field, 'unit')} | {find(field, 'description')} |")
        parts.append("")
    return "\n".join(parts)


def type_of(field: dict[str, Any]) -> str:
    """A schema's type in a few words."""
    if "anyOf" in field:
        return " or ".join(dict.fromkeys(type_of(each) for each in field["anyOf"]))
    if "enum" in field:
        return ", ".join("null" if each is None else f"`{each}`" for each in field["enum"])
    if "const" in field:
        return f"`{field['const']}`"
    return str(field.get("type", "any"))


def find(field: dict[str, Any], key: str) -> str:
    """A note of the schema, wherever in its alternatives it stands."""
    if key in field:
        return str(field[key])
    return next((found for each in field.get("anyOf", []) if (found := find(each, key))), "")


if __name__ == "__main__":
    PAGE.write_text(render(), encoding="utf-8")

"""The table of docs/drivers.md, driver by test, as the suite's own run makes it."""

from __future__ import annotations

from pathlib import Path

from tests.conformance.cases import CASES

PAGE = Path(__file__).parents[2] / "docs" / "drivers.md"
BEGIN, END = "<!-- the suite's table -->\n", "<!-- end of the table -->\n"
Cells = dict[tuple[str, str], str]  # (test, driver): what it found


def render(cells: Cells) -> str:
    """The table as Markdown, a row a test."""
    names = [case.name for case in CASES]
    tests = list(dict.fromkeys(test for test, _ in cells))
    lines = [f"| | {' | '.join(names)} |", "|---" * (len(names) + 1) + "|"]
    for test in tests:
        title = test.removeprefix("test_").replace("_", " ")
        lines.append(f"| {title} | {' | '.join(cells.get((test, name), '-') for name in names)} |")
    return "\n".join(lines) + "\n"


def committed() -> str:
    """The table that stands in the page."""
    return PAGE.read_text(encoding="utf-8").split(BEGIN)[1].split(END)[0]


def write(cells: Cells) -> None:
    """Put a table into the page."""
    text = PAGE.read_text(encoding="utf-8")
    before, rest = text.split(BEGIN)
    PAGE.write_text(before + BEGIN + render(cells) + END + rest.split(END)[1], encoding="utf-8")

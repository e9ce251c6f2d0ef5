"""The table in the docs is what the suite has just found."""

from __future__ import annotations

from tests.conformance import table


def test_the_table_in_the_docs_is_what_the_suite_finds(cells: table.Cells) -> None:
    assert table.committed() == table.render(cells), "run python -m tests.conformance"

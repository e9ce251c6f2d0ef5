"""`python -m tests.conformance` runs the suite and writes its table into docs/drivers.md."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from tests.conformance import table
from tests.conformance.conftest import FOUND


class _Writer:
    """Writes the table at the end of a run in which all tests passed."""

    def pytest_sessionfinish(self, session: pytest.Session, exitstatus: int) -> None:
        if exitstatus == 0:
            table.write(session.config.stash[FOUND])


if __name__ == "__main__":
    suite = str(Path(__file__).with_name("test_conformance.py"))
    sys.exit(pytest.main([suite, "-q", "-p", "no:cacheprovider", "-k", "not test_the_table"], plugins=[_Writer()]))

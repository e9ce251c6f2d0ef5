"""Gathers what each test of the suite found for each driver."""

from __future__ import annotations

from collections.abc import Generator

import pytest

from tests.conformance.cases import CASES, Case

FOUND = pytest.StashKey[dict[tuple[str, str], str]]()


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item, call: pytest.CallInfo[None]
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    report = yield
    case = item.callspec.params.get("case") if isinstance(item, pytest.Function) and hasattr(item, "callspec") else None
    if call.when == "call" and isinstance(case, Case):
        cells = item.config.stash.setdefault(FOUND, {})
        said = dict(item.user_properties).get("cell", "yes")
        assert isinstance(item, pytest.Function)
        cells[item.originalname, case.name] = str(said) if report.passed else "FAILS"
    return report


@pytest.fixture
def cells(request: pytest.FixtureRequest) -> dict[tuple[str, str], str]:
    """What has been found so far; skips where not all of the suite has run."""
    found = request.config.stash.get(FOUND, {})
    tests = {test for test, _ in found}
    if not found or len(found) < len(tests) * len(CASES) or "test_real_link" not in tests:
        pytest.skip("the whole suite has to run for its table")
    return found

"""pytest plugins for runs against mutants: one notes which lines each test reaches, one runs chosen tests in order.

Hypothesis draws the same examples each time and does not shrink: whether a test fails is all that is asked.
"""

from __future__ import annotations

import json
import signal
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from hypothesis import HealthCheck, Phase, settings

from tests.mutation.suites import Suites

PATIENCE, LEAST_PATIENCE = 10.0, 5.0  # times what a test takes without a mutant, and s at least; of processor time

settings.register_profile(
    "mutants",
    derandomize=True,
    database=None,
    deadline=None,
    phases=(Phase.explicit, Phase.generate),
    suppress_health_check=list(HealthCheck),
)


@dataclass(frozen=True, slots=True)
class Reached:
    """One test: how long it takes, in s of processor time, and which lines of the core it runs through."""

    seconds: float
    lines: dict[str, frozenset[int]]


def read(path: Path) -> dict[str, Reached]:
    """What a run with Reach has written."""
    return {
        name: Reached(each["seconds"], {module: frozenset(lines) for module, lines in each["lines"].items()})
        for name, each in json.loads(path.read_text()).items()
    }


class Reach:
    """Writes the seconds and lines of each test, or of one in `of` tests where others run the rest."""

    def __init__(self, path: Path, suites: Suites, *, number: int, of: int) -> None:
        self._path = path
        self._suites = suites
        self._number, self._of = number, of
        self._found: dict[str, dict[str, object]] = {}

    def pytest_configure(self) -> None:
        settings.load_profile("mutants")

    def pytest_collection_modifyitems(self, config: pytest.Config, items: list[pytest.Item]) -> None:
        mine = items[self._number :: self._of]
        config.hook.pytest_deselected(items=[item for item in items if item not in mine])
        items[:] = mine

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_protocol(self, item: pytest.Item) -> Iterator[None]:
        self._suites.reached.clear()
        begin = time.process_time()
        yield
        self._found[item.nodeid] = {"seconds": time.process_time() - begin, "lines": self._suites.lines()}

    def pytest_sessionfinish(self) -> None:
        self._path.write_text(json.dumps(self._found))


class Chosen:
    """Runs chosen tests, in the order of their names; SIGPROF ends the process where one of them does not end."""

    def __init__(self, names: list[str], reached: dict[str, Reached]) -> None:
        self._place = {name: number for number, name in enumerate(names)}
        self._reached = reached

    def pytest_configure(self) -> None:
        settings.load_profile("mutants")

    def pytest_collection_modifyitems(self, config: pytest.Config, items: list[pytest.Item]) -> None:
        config.hook.pytest_deselected(items=[item for item in items if item.nodeid not in self._place])
        items[:] = sorted(
            (item for item in items if item.nodeid in self._place), key=lambda item: self._place[item.nodeid]
        )

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_protocol(self, item: pytest.Item) -> Iterator[None]:
        patience = max(LEAST_PATIENCE, PATIENCE * self._reached[item.nodeid].seconds)
        signal.setitimer(signal.ITIMER_PROF, patience)
        yield
        signal.setitimer(signal.ITIMER_PROF, 0.0)

"""A pytest plugin for runs against mutants: notes which lines each test reaches, or runs tests in a given order.

REACH names the file to write, ORDER the file to read: node ids, one a line. Hypothesis draws the same examples each
time and does not shrink: whether a test fails is all that is asked.
"""

from __future__ import annotations

import json
import os
import resource
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from coverage import Coverage
from hypothesis import HealthCheck, Phase, settings

MOST_MEMORY = 4 << 30  # bytes; a mutant that asks for more is stopped here and not by the machine

settings.register_profile(
    "mutants",
    derandomize=True,
    database=None,
    deadline=None,
    phases=(Phase.explicit, Phase.generate),
    suppress_health_check=list(HealthCheck),
)


def pytest_configure(config: pytest.Config) -> None:
    settings.load_profile("mutants")
    if "REACH" in os.environ:
        config.pluginmanager.register(Reach(Path(os.environ["REACH"])))
    else:
        resource.setrlimit(resource.RLIMIT_AS, (MOST_MEMORY, MOST_MEMORY))


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    if "ORDER" not in os.environ:
        return
    place = {name: number for number, name in enumerate(Path(os.environ["ORDER"]).read_text().splitlines())}
    config.hook.pytest_deselected(items=[item for item in items if item.nodeid not in place])
    items[:] = sorted((item for item in items if item.nodeid in place), key=lambda item: place[item.nodeid])


class Reach:
    """Writes, for each test, its seconds and the lines of the core it runs through."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._seconds: dict[str, float] = {}
        self._coverage = Coverage(data_file=None, source=["controller/core"])
        self._coverage.start()

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_protocol(self, item: pytest.Item) -> Iterator[None]:
        self._coverage.switch_context(item.nodeid)
        begin = time.perf_counter()
        yield
        self._seconds[item.nodeid] = time.perf_counter() - begin
        self._coverage.switch_context("")

    def pytest_sessionfinish(self) -> None:
        self._coverage.stop()
        data = self._coverage.get_data()
        here = Path.cwd()
        lines: dict[str, dict[str, list[int]]] = {name: {} for name in self._seconds}
        for file in data.measured_files():
            for line, names in data.contexts_by_lineno(file).items():
                for name in names:
                    if name in lines:
                        lines[name].setdefault(str(Path(file).relative_to(here)), []).append(line)
        found = {name: {"seconds": self._seconds[name], "lines": lines[name]} for name in lines}
        self._path.write_text(json.dumps(found))

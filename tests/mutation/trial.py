"""Runs of the tests in forks of one process: pytest, numpy and hypothesis are loaded once, the checkout's own anew.

A fork takes a module's changed text instead of its file's; no file is written.
"""

from __future__ import annotations

import json
import os
import resource
import signal
import sys
from importlib.abc import Loader, MetaPathFinder
from importlib.machinery import ModuleSpec
from importlib.util import spec_from_loader
from pathlib import Path
from types import ModuleType
from typing import Any

import hypothesis.strategies
import numpy as np
import pytest
import pytest_asyncio

from tests.mutation.mutants import Mutant
from tests.mutation.reach import Chosen, Reach, Reached
from tests.mutation.suites import SAYS, Suites

CORE = "controller/core"
TESTS = ("tests/controller/core", "tests/faults")
OWN = ("controller", "firmware_bridge", "protocols", "simulators", "tests")
LOADED = (hypothesis.strategies, np, pytest_asyncio)  # so that no fork has to
MOST_MEMORY = 4 << 30  # bytes; a mutant that asks for more is stopped here and not by the machine
PLAIN = ("-q", "--no-header", "--tb=no", "--assert=plain", "-p", "no:cacheprovider", "-o", "timeout=0")


def reach(copy: Path, to: Path, *, workers: int) -> bool:
    """Run every test in a copy of the checkout without a mutant, and write what each reaches; whether all pass."""
    parts = [to.with_suffix(f".{number}") for number in range(workers)]
    started = []
    for number, part in enumerate(parts):
        pid = os.fork()
        if pid == 0:
            _enter(copy)
            suites = Suites()
            sys.meta_path.insert(0, _Watched(suites))
            _leave(pytest.main([*PLAIN, *TESTS], [Reach(part, suites, number=number, of=workers)]))
        started.append(pid)
    passed = [os.waitpid(pid, 0)[1] == 0 for pid in started]
    if not all(passed):
        return False
    to.write_text(json.dumps({name: each for part in parts for name, each in json.loads(part.read_text()).items()}))
    return True


def begin(mutant: Mutant, names: list[str], reached: dict[str, Reached], copy: Path) -> int:
    """Begin to run the named tests against a mutant until one fails; returns the id of the process that does."""
    pid = os.fork()
    if pid == 0:
        silence = os.open(os.devnull, os.O_WRONLY)
        os.dup2(silence, 1)
        os.dup2(silence, 2)
        _enter(copy)
        resource.setrlimit(resource.RLIMIT_AS, (MOST_MEMORY, MOST_MEMORY))
        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
        signal.signal(signal.SIGPROF, signal.SIG_DFL)
        sys.meta_path.insert(0, _Changed(mutant))
        files = sorted({name.partition("::")[0] for name in names})
        _leave(pytest.main([*PLAIN, "-x", *files], [Chosen(names, reached)]))
    return pid


def word(status: int) -> str:
    """What a wait status says of a mutant."""
    if os.WIFSIGNALED(status) and os.WTERMSIG(status) == signal.SIGPROF:
        return "timed_out"
    return "survived" if status == 0 else "killed"


def _enter(copy: Path) -> None:
    """Forget what is loaded of the checkout, and take it from the copy from now on."""
    for name in [name for name in sys.modules if name.partition(".")[0] in OWN]:
        del sys.modules[name]
    os.chdir(copy)
    sys.path.insert(0, str(copy))


def _leave(code: int) -> None:
    """End a fork at once: what its parent would do at its end is not its own."""
    sys.stdout.flush()
    os._exit(int(code))


class _Changed(MetaPathFinder, Loader):
    """Finds the mutant's module, with its changed text."""

    def __init__(self, mutant: Mutant) -> None:
        self._path = mutant.path
        self._text = mutant.text

    def find_spec(self, name: str, _path: Any, _target: Any = None) -> ModuleSpec | None:
        return spec_from_loader(name, self) if name == self._path.removesuffix(".py").replace("/", ".") else None

    def exec_module(self, module: ModuleType) -> None:
        exec(compile(self._text, self._path, "exec"), module.__dict__)


class _Watched(MetaPathFinder, Loader):
    """Finds the modules of the core, each with calls that say where it goes."""

    def __init__(self, suites: Suites) -> None:
        self._suites = suites

    def find_spec(self, name: str, _path: Any, _target: Any = None) -> ModuleSpec | None:
        inside = name.startswith(CORE.replace("/", ".") + ".")
        return spec_from_loader(name, self) if inside else None

    def exec_module(self, module: ModuleType) -> None:
        path = Path(module.__name__.replace(".", "/") + ".py")
        module.__dict__[SAYS] = self._suites.reached.add
        exec(compile(self._suites.instrument(path, path.read_text()), path, "exec"), module.__dict__)

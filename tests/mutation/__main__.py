"""A seeded sample of mutants of the core against the core's own tests: how many does no test notice?

Each mutant meets only the tests that reach its lines, the quickest first, until one fails. A mutant that no test
notices is either a hole in the tests, code that does nothing, or another way to write the same; the report lists each
as a diff for somebody to decide. It is written to .mutants/, which git ignores.
"""

from __future__ import annotations

import argparse
import compileall
import json
import os
import py_compile
import shutil
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from queue import SimpleQueue

from tests.mutation.mutants import Mutant, Site, sample, sites

ROOT = Path(__file__).parents[2]
CORE = "controller/core"
TESTS = "tests/controller/core"
COPIED = ("controller", "firmware_bridge", "protocols", "simulators", "tests", "pyproject.toml")
PATIENCE, LEAST_PATIENCE = 4.0, 60.0  # times what the tests take without a mutant, and s at least

NOTICED = ("killed", "timed_out")


@dataclass(frozen=True, slots=True)
class Reached:
    """One test: how long it takes and which lines of the core it runs through."""

    seconds: float
    lines: dict[str, frozenset[int]]


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of a mutant: killed, timed_out, survived, or not_reached where no test runs its lines."""

    mutant: Mutant
    word: str
    seconds: float


def main() -> int:
    """Run the sample and write the report; 1 when the tests fail without any mutant."""
    parser = argparse.ArgumentParser(description=__doc__, prog="python -m tests.mutation")
    parser.add_argument("--count", type=int, default=400, help="mutants in the sample")
    parser.add_argument("--seed", type=int, default=1, help="of the sample")
    parser.add_argument("--minutes", type=float, default=45.0, help="no mutant is begun after this time")
    parser.add_argument("--again", action="store_true", help="only those of the sample that went unnoticed last time")
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--out", type=Path, default=ROOT / ".mutants")
    parser.add_argument("modules", nargs="*", help="names of the core's modules; all without any")
    options = parser.parse_args()
    begin = time.monotonic()
    options.out = options.out.resolve()
    copies = [copy_checkout(options.out / f"copy-{number}") for number in range(options.workers)]
    reached = reach(copies[0], options.out / "reach.json")
    if reached is None:
        say("the tests fail without any mutant; see above")
        return 1
    names = options.modules or sorted(path.stem for path in (ROOT / CORE).glob("*.py"))
    everywhere = [site for name in names for site in sites(copies[0], f"{CORE}/{name}.py")]
    mutants = sample(everywhere, count=options.count, seed=options.seed)
    unnoticed = options.out / "unnoticed.json"
    if options.again:
        before = set(json.loads(unnoticed.read_text()))
        mutants = [mutant for mutant in mutants if mutant.diff in before]
    say(f"{len(mutants)} of {len(everywhere)} mutants, seed {options.seed}; {len(reached)} tests")
    outcomes: list[Outcome] = []
    for outcome in run(mutants, reached, copies, until=begin + 60.0 * options.minutes):
        outcomes.append(outcome)
        say(f"{len(outcomes):4}  {outcome.word:11} {outcome.seconds:5.1f} s  {outcome.mutant.path}")
        text = report(outcomes, of=len(mutants), everywhere=everywhere, seed=options.seed, since=begin)
        (options.out / "report.md").write_text(text)
        unnoticed.write_text(json.dumps([each.mutant.diff for each in outcomes if each.word not in NOTICED]))
    if not outcomes:
        say("no time was left for a mutant; give it more with --minutes")
        return 1
    say(f"the shares and every survivor: {options.out / 'report.md'}")
    return 0


def say(line: str) -> None:
    """One line to whoever waits."""
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


def copy_checkout(to: Path) -> Path:
    """A copy of the sources in which a worker may change a file."""
    shutil.rmtree(to, ignore_errors=True)
    to.mkdir(parents=True)
    for name in COPIED:
        if (ROOT / name).is_dir():
            shutil.copytree(ROOT / name, to / name, ignore=shutil.ignore_patterns("__pycache__"))
        else:
            shutil.copy(ROOT / name, to / name)
    # Compiled once, and looked up by the source's hash: two mutants of one second and one size are not mixed up.
    compileall.compile_dir(to, quiet=2, invalidation_mode=py_compile.PycInvalidationMode.CHECKED_HASH)
    return to


def command(*more: str) -> list[str]:
    """A run of the core's tests as the checkout's own, in the current folder."""
    plain = ("-q", "--no-header", "--tb=no", "--assert=plain", "-p", "no:cacheprovider", "-p", "tests.mutation.reach")
    return [sys.executable, "-B", "-m", "pytest", *plain, *more, TESTS]


def environment(copy: Path, **more: str) -> dict[str, str]:
    """Variables for a run in a copy: its sources come before those that are installed."""
    return {**os.environ, "PYTHONPATH": str(copy), **more}


def reach(copy: Path, to: Path) -> dict[str, Reached] | None:
    """Run every test once without a mutant; None when one fails."""
    done = subprocess.run(command(), cwd=copy, env=environment(copy, REACH=str(to)), check=False)
    if done.returncode != 0:
        return None
    return {
        name: Reached(each["seconds"], {path: frozenset(lines) for path, lines in each["lines"].items()})
        for name, each in json.loads(to.read_text()).items()
    }


def tests_for(mutant: Mutant, reached: dict[str, Reached]) -> list[str]:
    """The tests that run through a mutant's lines, quickest first; a constant concerns all that reach its module."""
    lines = set(range(mutant.first, mutant.last + 1))
    names = [
        name
        for name, test in reached.items()
        if (mutant.module_level or not lines.isdisjoint(test.lines.get(mutant.path, frozenset())))
    ]
    return sorted(names, key=lambda name: reached[name].seconds)


def run(mutants: list[Mutant], reached: dict[str, Reached], copies: list[Path], *, until: float) -> Iterator[Outcome]:
    """The outcomes of the mutants that are begun in time, each in a copy that no other uses meanwhile."""
    free: SimpleQueue[Path] = SimpleQueue()
    for copy in copies:
        free.put(copy)

    def one(mutant: Mutant) -> Outcome | None:
        if time.monotonic() > until:
            return None
        copy = free.get()
        try:
            return try_out(mutant, reached, copy)
        finally:
            free.put(copy)

    with ThreadPoolExecutor(len(copies), "mutants") as pool:
        yield from (outcome for outcome in pool.map(one, mutants) if outcome is not None)


def try_out(mutant: Mutant, reached: dict[str, Reached], copy: Path) -> Outcome:
    """Put a mutant into a copy, run its tests there, and put the original back."""
    names = tests_for(mutant, reached)
    if not names:
        return Outcome(mutant, "not_reached", 0.0)
    order, module = copy / "order.txt", copy / mutant.path
    order.write_text("\n".join(names))
    original = module.read_text()
    patience = max(PATIENCE * sum(reached[name].seconds for name in names), LEAST_PATIENCE)
    begin = time.monotonic()
    module.write_text(mutant.text)
    try:
        done = subprocess.run(
            command("-x"), cwd=copy, env=environment(copy, ORDER=str(order)), check=False, timeout=patience,
            stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
        )  # fmt: skip
        word = "survived" if done.returncode == 0 else "killed"
    except subprocess.TimeoutExpired:
        word = "timed_out"
    finally:
        module.write_text(original)
    return Outcome(mutant, word, time.monotonic() - begin)


def report(outcomes: list[Outcome], *, of: int, everywhere: list[Site], seed: int, since: float) -> str:
    """The shares by module, and every mutant that no test noticed or that ran out of time, as a diff."""
    minutes = (time.monotonic() - since) / 60.0
    lines = ["# Mutants of the core", ""]
    lines += [f"{len(outcomes)} of a sample of {of} from {len(everywhere)}, seed {seed}, {minutes:.0f} min.", ""]
    lines += ["| module | mutants | tried | killed | timed out | survived | not reached | noticed |"]
    lines += ["|---|---|---|---|---|---|---|---|"]
    possible = Counter(site.path for site in everywhere)
    for path in [*sorted(possible), "all"]:
        words = Counter(outcome.word for outcome in outcomes if path in (outcome.mutant.path, "all"))
        noticed = words["killed"] + words["timed_out"]
        share = f"{100.0 * noticed / words.total():.0f} %" if words.total() else ""
        lines.append(
            f"| {Path(path).name} | {possible[path] if path != 'all' else len(everywhere)} | {words.total()} "
            f"| {words['killed']} | {words['timed_out']} | {words['survived']} | {words['not_reached']} | {share} |"
        )
    for word in ("survived", "not_reached", "timed_out"):
        lines += ["", f"## {word.replace('_', ' ')}"]
        chosen = sorted(
            (outcome.mutant for outcome in outcomes if outcome.word == word), key=lambda each: (each.path, each.first)
        )
        for mutant in chosen:
            lines += ["", "```diff", mutant.diff, "```"]
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    sys.exit(main())

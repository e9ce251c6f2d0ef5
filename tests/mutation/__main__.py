"""A seeded sample of mutants of the core against its own tests and those of the faults: how many does none notice?

Each mutant meets only the tests that reach its lines, the quickest first, until one fails or enough have passed. A
mutant that none notices is either a hole in the tests, code that does nothing, or another way to write the same; the
report lists each as a diff for somebody to decide. It is written to .mutants/, which git ignores.
"""

from __future__ import annotations

import argparse
import compileall
import json
import os
import shutil
import sys
import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import accumulate
from pathlib import Path

from tests.mutation import trial
from tests.mutation.mutants import Mutant, Site, sample, sites
from tests.mutation.reach import Reached, read

ROOT = Path(__file__).parents[2]
NOTICED = ("killed", "timed_out")


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
    parser.add_argument("--most", type=float, default=20.0, help="s of tests that a mutant meets, the quickest first")
    parser.add_argument("--again", action="store_true", help="only those of the sample that went unnoticed last time")
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--out", type=Path, default=ROOT / ".mutants")
    parser.add_argument("modules", nargs="*", help="names of the core's modules; all without any")
    options = parser.parse_args()
    start = time.monotonic()
    options.out = options.out.resolve()
    copy, reached_file = copy_checkout(options.out / "copy"), options.out / "reach.json"
    if not trial.reach(copy, reached_file, workers=options.workers):
        say("the tests fail without any mutant; see above")
        return 1
    reached = read(reached_file)
    names = options.modules or sorted(path.stem for path in (ROOT / trial.CORE).glob("*.py"))
    everywhere = [site for name in names for site in sites(copy, f"{trial.CORE}/{name}.py")]
    mutants = sample(everywhere, count=options.count, seed=options.seed)
    unnoticed = options.out / "unnoticed.json"
    if options.again:
        before = set(json.loads(unnoticed.read_text()))
        mutants = [mutant for mutant in mutants if mutant.diff in before]
    say(f"{len(mutants)} of {len(everywhere)} mutants, seed {options.seed}; {len(reached)} tests")
    outcomes: list[Outcome] = []
    until = start + 60.0 * options.minutes
    for outcome in run(mutants, reached, copy, most=options.most, workers=options.workers, until=until):
        outcomes.append(outcome)
        say(f"{len(outcomes):4}  {outcome.word:11} {outcome.seconds:5.1f} s  {outcome.mutant.path}")
        text = report(outcomes, of=len(mutants), everywhere=everywhere, seed=options.seed, since=start)
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
    """A copy of the sources: whoever goes on with the checkout meanwhile changes nothing here."""
    shutil.rmtree(to, ignore_errors=True)
    to.mkdir(parents=True)
    for name in trial.OWN:
        shutil.copytree(ROOT / name, to / name, ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copy(ROOT / "pyproject.toml", to / "pyproject.toml")
    compileall.compile_dir(to, quiet=2)
    return to


def tests_for(mutant: Mutant, reached: dict[str, Reached], *, most: float) -> list[str]:
    """The tests that run through a mutant's lines, quickest first, up to `most` s; a constant concerns all."""
    lines = set(range(mutant.first, mutant.last + 1))
    names = [
        name
        for name, test in reached.items()
        if (mutant.module_level or not lines.isdisjoint(test.lines.get(mutant.path, frozenset())))
    ]
    names.sort(key=lambda name: reached[name].seconds)
    until = accumulate(reached[name].seconds for name in names)
    return [name for number, (name, lasts) in enumerate(zip(names, until, strict=True)) if number == 0 or lasts <= most]


def run(
    mutants: list[Mutant], reached: dict[str, Reached], copy: Path, *, most: float, workers: int, until: float
) -> Iterator[Outcome]:
    """The outcomes of the mutants that are begun in time, `workers` of them at once."""
    waiting = list(reversed(mutants))
    running: dict[int, tuple[Mutant, float]] = {}
    while waiting or running:
        while waiting and len(running) < workers and time.monotonic() < until:
            mutant = waiting.pop()
            names = tests_for(mutant, reached, most=most)
            if names:
                running[trial.begin(mutant, names, reached, copy)] = mutant, time.monotonic()
            else:
                yield Outcome(mutant, "not_reached", 0.0)
        if not running:
            return
        pid, status = os.wait()
        mutant, since = running.pop(pid)
        yield Outcome(mutant, trial.word(status), time.monotonic() - since)


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

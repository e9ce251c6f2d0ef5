"""`make accuracy`: simulate, measure, compare, and write docs/accuracy.md with its images."""

from __future__ import annotations

import argparse
import os
import sys
import time
from concurrent.futures import ProcessPoolExecutor
from dataclasses import replace
from datetime import UTC, datetime
from functools import partial
from importlib.metadata import version
from pathlib import Path
from typing import Final

from controller.core.station import ALGORITHM
from tests.accuracy import corpus, plots, report
from tests.accuracy.alignment import lags, loses
from tests.accuracy.known import KNOWN, counted
from tests.accuracy.matrix import cases
from tests.accuracy.measure import Outcome, run
from tests.accuracy.results import Results, band
from tests.accuracy.rows import moved, quiet

DOCS: Final = Path(__file__).parents[2] / "docs"
SEED: Final = 1
PLAN: Final = {1000.0: 16, 250.0: 64, 100.0: 360, 80.0: 240, 50.0: 160, 20.0: 160}  # sets at each rate
QUICK: Final = {250.0: 8, 100.0: 56, 80.0: 32, 50.0: 24, 20.0: 24}
SESSIONS, SETS = 6, 6  # of two boards
IMAGES: Final = ("accuracy-bland-altman.png", "accuracy-errors.png", "accuracy-latency.png")


def measure(plan: dict[float, int], *, seed: int, workers: int, sessions: int, sets: int) -> Results:
    """Run the whole matrix."""
    with ProcessPoolExecutor(workers) as pool:
        outcomes: dict[float, list[Outcome]] = {}
        for rate, count in plan.items():  # the dear ones first
            outcomes[rate] = list(pool.map(run, cases(rate, count, seed=seed), chunksize=2))
            print(f"{rate:g} Hz: {count} sets", file=sys.stderr, flush=True)  # noqa: T201
        found = list(pool.map(partial(lags, seed=seed, sets=sets), range(sessions)))
        known = list(pool.map(counted, KNOWN))
    return Results(
        outcomes=outcomes,
        lags=[lag for number, some in enumerate(found) if not loses(number) for lag in some],
        lossy_lags=[lag for number, some in enumerate(found) if loses(number) for lag in some],
        corpus=corpus.count(),
        known=[(each, *of) for each, of in zip(KNOWN, known, strict=True)],
        made="",
        took="",
    )


def main() -> int:
    """Write the page; 1 where a row is not reached."""
    parser = argparse.ArgumentParser(prog="python -m tests.accuracy")
    parser.add_argument("--quick", action="store_true", help="a tenth of it, in about a minute; prints, writes nothing")
    parser.add_argument("--seed", type=int, default=SEED)
    parser.add_argument("--docs", type=Path, default=DOCS, help="where accuracy.md and images/ go")
    parser.add_argument("--workers", type=int, default=2, help="processes")
    asked = parser.parse_args()
    os.nice(10)
    begun = time.monotonic()
    plan = QUICK if asked.quick else PLAN
    sessions = 2 if asked.quick else SESSIONS
    results = measure(plan, seed=asked.seed, workers=asked.workers, sessions=sessions, sets=2 if asked.quick else SETS)
    command = f"python -m tests.accuracy{' --quick' if asked.quick else ''} --seed {asked.seed}"
    made = f"cable-station {version('cable-station')}, measuring core {ALGORITHM}, seed {asked.seed}: `{command}`"
    took = f"{datetime.now(UTC):%Y-%m-%d}, {(time.monotonic() - begun) / 60.0:.0f} minutes"
    results = replace(results, made=made, took=took, images=() if asked.quick else IMAGES)
    page = report.render(results)
    if asked.quick:
        print(page)  # noqa: T201
    else:
        images = [asked.docs / "images" / name for name in IMAGES]
        main_band = band(results, "80 Hz and more")
        plots.bland_altman(moved(quiet(main_band)), images[0])
        plots.by_rate_and_profile({r: moved(quiet(o)) for r, o in results.outcomes.items()}, images[1])
        plots.latency(results.outcomes, images[2])
        (asked.docs / "accuracy.md").write_text(page, encoding="utf-8")
    missing = report.unreached(results)
    for name in missing:
        print(f"not reached: {name}", file=sys.stderr)  # noqa: T201
    return 1 if missing else 0


if __name__ == "__main__":
    sys.exit(main())

"""`make soak`: what must hold for long. Each soak stands in a module of its own and is named here."""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Callable
from typing import Final

from tests.soak import gym, links, page, training
from tests.soak.outcome import Outcome

SOAKS: Final[dict[str, Callable[[float], training.Soak]]] = {
    "training": training.soak,
    "links": links.soak,
    "gym": gym.soak,
}


def main() -> int:
    """Run the named soaks, or all; 1 where one fails."""
    parser = argparse.ArgumentParser(prog="python -m tests.soak")
    parser.add_argument("names", nargs="*", choices=[*SOAKS, []], help="which; without any all")
    parser.add_argument(
        "--minutes", type=float, default=60.0, help="of stream time; the links take one at most, the gym 30"
    )
    asked = parser.parse_args()
    failed = False
    for name in asked.names or SOAKS:
        begun = time.monotonic()
        report = SOAKS[name](asked.minutes)
        print(f"{name}: {'failed' if report.failures else 'held'} ({time.monotonic() - begun:.0f} s)")  # noqa: T201
        for line in (*report.lines, *(f"! {failure}" for failure in report.failures)):
            print(f"  {line}")  # noqa: T201
        if isinstance(report, Outcome):
            page.write(report)
        failed = failed or bool(report.failures)
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())

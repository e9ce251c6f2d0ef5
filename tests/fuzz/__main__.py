"""`make fuzz`: any bytes into every decoder, ten minutes in all; 1 where one does anything but take or refuse them."""

from __future__ import annotations

import argparse
import re
import subprocess
import sys
from pathlib import Path
from typing import Final

from tests.fuzz.targets import TARGETS

FOLDER: Final = Path(".fuzz")  # what breaks a decoder is kept here
GRACE_S: Final = 60.0  # s beyond its time for a process to start and end


def fuzz(name: str, seconds: float) -> tuple[str, bool]:
    """One decoder for so long: a line of report, and whether it failed."""
    FOLDER.mkdir(exist_ok=True)
    try:
        done = subprocess.run(
            [sys.executable, "-m", "tests.fuzz.one", name, f"{seconds:g}", str(FOLDER)],
            capture_output=True,
            text=True,
            errors="replace",
            timeout=seconds + GRACE_S,
            check=False,
        )
    except subprocess.TimeoutExpired:
        return f"{name}: hangs", True
    tried = re.search(r"number_of_executed_units: *(\d+)", done.stderr)
    how = "changed at random; atheris is not installed" if "without atheris" in done.stderr else "led by coverage"
    if done.returncode == 0 and tried is not None:
        return f"{name}: {int(tried[1]):,} inputs, {how}", False
    said = "\n    ".join((done.stdout + done.stderr).splitlines()[-25:])
    return f"{name}: FAILED ({done.returncode}); the input is in {FOLDER}\n    {said}", True


def main() -> int:
    """Fuzz the named decoders, or all, one after the other."""
    parser = argparse.ArgumentParser(prog="python -m tests.fuzz")
    parser.add_argument("names", nargs="*", choices=[*TARGETS, []], help="which; without any all")
    parser.add_argument("--minutes", type=float, default=10.0, help="in all")
    asked = parser.parse_args()
    names = asked.names or list(TARGETS)
    failed = False
    for name in names:
        line, broken = fuzz(name, 60.0 * asked.minutes / len(names))
        print(line, flush=True)  # noqa: T201
        failed = failed or broken
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())

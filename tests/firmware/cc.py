"""The C side of cablelink, built with the system's own compiler."""

from __future__ import annotations

import os
import shutil
import subprocess
from functools import cache
from pathlib import Path
from typing import Final

ROOT: Final = Path(__file__).parents[2]
HEADERS: Final = ROOT / "protocols" / "cablelink" / "c"
FIRMWARE: Final = ROOT / "firmware_bridge" / "firmware"
PORTABLE: Final = FIRMWARE / "cable_board.c"
HOST: Final = FIRMWARE / "board_host.c"
CODEC: Final = Path(__file__).parent / "codec.c"
INTERRUPTS: Final = Path(__file__).parent / "interrupts.c"

STRICT: Final = ("-std=c99", "-pedantic", "-Wall", "-Wextra", "-Wconversion", "-Werror")
SANITISED: Final = ("-g", "-O1", "-fsanitize=address,undefined", "-fno-sanitize-recover=all")
FAST: Final = ("-O2",)
ON_A_PC: Final = ("-DCABLE_BOARD_BLOCKS=255",)  # a busy PC lets a reader wait for longer than any real line does


class NoCompilerError(Exception):
    """What is missing here; the message says what to install."""


@cache
def compiler() -> str:
    """The C compiler: $CC, or cc. Raises NoCompilerError."""
    found = shutil.which(os.environ.get("CC", "cc"))
    if found is None:
        raise NoCompilerError("no C compiler; on Debian: apt-get install gcc libc6-dev")
    return found


@cache
def sanitisers_work(folder: Path) -> bool:
    """Whether a program with the sanitisers can be built and run here."""
    source = folder / "nothing.c"
    source.write_text("int main(void) { return 0; }\n", encoding="utf-8")
    program = folder / "nothing"
    built = subprocess.run(
        [compiler(), *SANITISED, str(source), "-o", str(program)], capture_output=True, timeout=60, check=False
    )
    return built.returncode == 0 and subprocess.run([program], timeout=60, check=False).returncode == 0


def compile_c(*sources: Path, flags: tuple[str, ...], out: Path) -> Path:
    """A program, or with -c in the flags an object. Raises CalledProcessError with what the compiler says."""
    done = subprocess.run(
        [compiler(), *STRICT, *flags, f"-I{HEADERS}", f"-I{FIRMWARE}", *map(str, sources), "-lm", "-o", str(out)],
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert not done.stderr, done.stderr
    return out

"""Runs a command as its child and ends it when standard input ends, or at a SIGTERM.

The kernel closes the pipe when the parent dies, however it dies, so no child is left behind by a kill -9, and no
folder of the child's either: it goes when standard input ends, and stays at a SIGTERM.
Used as `python -m controller.child [--remove FOLDER] -- COMMAND ARGUMENTS…`.
"""

from __future__ import annotations

import ctypes
import os
import shutil
import signal
import subprocess
import sys
import threading
from typing import Final

GRACE: Final = 1.5  # s between asking and killing
PR_SET_PDEATHSIG: Final = 1  # linux/prctl.h


def die_with_parent() -> None:
    """Ask the kernel to end this process when the one that made it is gone; known to Linux only."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGTERM)


def command_line(*command: str, remove: str | None = None) -> list[str]:
    """The command that runs another one under this module; remove: a folder that goes with it."""
    return [sys.executable, "-m", "controller.child", *(("--remove", remove) if remove else ()), "--", *command]


def main() -> int:
    """Run until the command ends or standard input does; returns the command's exit code."""
    options = sys.argv[1 : sys.argv.index("--")]
    command = sys.argv[sys.argv.index("--") + 1 :]
    folder = options[1] if options[:1] == ["--remove"] else None
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the parent decides; a Ctrl-C reaches the whole group
    # A session of its own: a Ctrl-C must not take the broker away before the last words went through it.
    # There is one thread yet, so running Python between fork and exec is safe.
    process = subprocess.Popen(  # noqa: S603
        command,
        stdin=subprocess.DEVNULL,
        preexec_fn=die_with_parent,  # noqa: PLW1509
        start_new_session=True,
    )
    orphaned = threading.Event()

    def end() -> None:
        process.terminate()
        try:
            process.wait(GRACE)
        except subprocess.TimeoutExpired:
            process.kill()

    def end_with_parent() -> None:
        while os.read(0, 1024):
            pass
        orphaned.set()
        end()

    threading.Thread(target=end_with_parent, name="parent", daemon=True).start()
    signal.signal(signal.SIGTERM, lambda *_: threading.Thread(target=end, name="end", daemon=True).start())
    code = process.wait()
    if folder is not None and orphaned.is_set():
        shutil.rmtree(folder, ignore_errors=True)
    return code


if __name__ == "__main__":
    sys.exit(main())

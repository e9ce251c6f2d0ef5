"""Runs a command as its child and ends it when standard input ends.

The kernel closes the pipe when the parent dies, however it dies, so no child is left behind by a kill -9.
Used as `python -m controller.child COMMAND ARGUMENTS…`.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
from typing import Final

GRACE: Final = 1.5  # s between asking and killing


def main() -> int:
    """Run until the command ends or standard input does; returns the command's exit code."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the parent decides; a Ctrl-C reaches the whole group
    process = subprocess.Popen(sys.argv[1:], stdin=subprocess.DEVNULL)  # noqa: S603 - our parent's own command

    def end_with_parent() -> None:
        while os.read(0, 1024):
            pass
        process.terminate()
        try:
            process.wait(GRACE)
        except subprocess.TimeoutExpired:
            process.kill()

    threading.Thread(target=end_with_parent, name="parent", daemon=True).start()
    signal.signal(signal.SIGTERM, lambda *_: process.terminate())
    return process.wait()


if __name__ == "__main__":
    sys.exit(main())

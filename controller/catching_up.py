"""How a recording is played at the start of a station while others start or run: in turns, and not in silence."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from typing import Final

from controller.voice import Said

SAY_AFTER: Final = 2.0  # s of playing; what is over before needs no word
SAY_EVERY: Final = 10.0  # s
OTHERS: Final = 0.001  # s in which another thread can begin, after each block that was read
MB: Final = 1e6


class StoppedError(Exception):
    """The gateway ends before the recording is played."""


class CatchingUp:
    """One station's. Called from one thread, which has the turn from `__enter__` to `__exit__`, `read` aside."""

    def __init__(
        self, station: str, *, say: Callable[[str], None], turn: threading.Lock, stop: threading.Event
    ) -> None:
        """turn: one for all stations, so that a single one computes at a time; stop: when to give up."""
        self._station = station
        self._say = say
        self._turn = turn
        self._stop = stop
        self._what = ""
        self._read = self._total = 0
        self._began = self._say_at = 0.0

    def __enter__(self) -> None:
        self._turn.acquire()

    def __exit__(self, *error: object) -> None:
        self._turn.release()

    def begins(self, what: str, total: int) -> None:
        """So many bytes are going to be read, of a recording of this name."""
        self._what, self._total, self._read = what, total, 0
        self._began = time.monotonic()
        self._say_at = self._began + SAY_AFTER

    def read(self, size: int) -> None:
        """So many more have been. Raises StoppedError when the gateway ends."""
        self._read += size
        now = time.monotonic()
        if now >= self._say_at and self._total:
            self._say_at = now + SAY_EVERY
            share = min(self._read / self._total, 1.0)
            left = (now - self._began) * (1.0 - share) / share
            text = (
                f"{self._station}: plays {self._what} ({self._total / MB:.1f} MB), to know where its session stands: "
                f"{share:.0%} done, about {left:.0f} s more; the station begins then"
            )
            self._say(Said(text, station=self._station))
        if self._stop.is_set():
            raise StoppedError
        self._turn.release()
        time.sleep(OTHERS)
        self._turn.acquire()

"""Prints events as lines, in a thread of its own: a reader that is slow, or does not read, delays nobody.

What is printed is always whole lines in order. Once MOST_WAITING of them wait, all that follow are left out until
those have been read; so what is missing is one run of events, and their `seq` shows it.
"""

from __future__ import annotations

import os
import select
import threading
from collections import deque
from collections.abc import Callable
from typing import Final

from controller.voice import Said
from protocols.events import AnyEvent, to_json

MOST_WAITING: Final = 10_000  # events of some 700 bytes; an hour or two of a busy station
CLOSE_WITHIN: Final = 1.0  # s that the reader gets for the rest


class EventPrinter:
    """One file descriptor. A call never waits."""

    def __init__(self, file: int, *, say: Callable[[str], None], most: int = MOST_WAITING) -> None:
        """Start the thread. say: takes a line, from any thread."""
        self._file = file
        self._say = say
        self._most = most
        self._changed = threading.Condition()  # guards all below
        self._waiting: deque[bytes] = deque()  # the first of them is being written
        self._left_out = 0  # since the last that was told of
        self._is_full = self._closing = False
        self._thread = threading.Thread(target=self._run, name="printed events", daemon=True)
        self._thread.start()

    def __call__(self, event: AnyEvent) -> None:
        """Print an event, soon, or leave it out."""
        with self._changed:
            fills = not self._is_full and len(self._waiting) >= self._most
            self._is_full = self._is_full or fills
            if self._is_full:
                self._left_out += 1
            else:
                self._waiting.append(to_json(event) + b"\n")
                self._changed.notify()
        if fills:
            text = f"nobody reads standard output: {self._most} events wait there, and those that follow are left out"
            self._say(Said(f"{text} of it; outbox and recording lose none", level="warning"))

    def close(self) -> None:
        """Print what waits, as far as it is read in time, and say how much is not."""
        with self._changed:
            self._closing = True
            self._changed.notify()
        self._thread.join(CLOSE_WITHIN)
        with self._changed:
            self._left_out += len(self._waiting)
            self._waiting.clear()
        self._tell_left_out()

    # -- in the thread

    def _run(self) -> None:
        fails = False
        while (line := self._next()) is not None:
            error = self._written(line)
            with self._changed:
                if self._waiting:  # else it is the end, and this one is counted
                    self._waiting.popleft()
                    self._left_out += error is not None
                has_room = self._is_full and not self._waiting
                self._is_full = self._is_full and not has_room
            if error is not None and not fails:
                text = f"standard output: {error.strerror}; events are left out of it; outbox and recording lose none"
                self._say(Said(text, level="warning"))
            elif has_room or (fails and error is None):
                self._tell_left_out()
            fails = error is not None

    def _next(self) -> bytes | None:
        """The next line, None at the end."""
        with self._changed:
            while not self._waiting and not self._closing:
                self._changed.wait()
            return self._waiting[0] if self._waiting else None

    def _written(self, line: bytes) -> OSError | None:
        """Write all of a line, however long that takes; why that failed."""
        while line:
            try:
                line = line[os.write(self._file, line) :]
            except BlockingIOError:  # whoever started this program has made it so
                select.select([], [self._file], [])
            except OSError as error:
                return error
        return None

    def _tell_left_out(self) -> None:
        with self._changed:
            number, self._left_out = self._left_out, 0
        if number:
            text = f"{number} events were left out of standard output; outbox and recording lose none"
            self._say(Said(text, level="warning"))

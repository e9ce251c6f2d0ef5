"""Talking to a person at a terminal, or to a program through a pipe, while samples go on coming."""

from __future__ import annotations

import asyncio
import os
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from typing import Final

from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn

READ: Final = 1024  # bytes


class Conversation:
    """Questions and answers, line by line. Made within the event loop."""

    def __init__(self, console: Console, *, source: int = 0) -> None:
        """source: the file descriptor that answers come from."""
        self.console = console
        self._source = source
        self._loop = asyncio.get_running_loop()
        self._lines: asyncio.Queue[str | None] = asyncio.Queue()
        self._reader: threading.Thread | None = None
        self._ended = False

    def say(self, text: str = "") -> None:
        """One line."""
        self.console.print(text, markup=False, highlight=False, soft_wrap=not self.console.is_terminal)

    async def ask(self, question: str) -> str | None:
        """The answer to a question without its end of line; None when there will be no more answers."""
        self.console.print(question, end=" ", markup=False, highlight=False, soft_wrap=True)
        self.console.file.flush()
        if self._reader is None:
            # A daemon that reads the descriptor itself: nothing can wake it, and the program ends all the same.
            self._reader = threading.Thread(target=self._read, name="answers", daemon=True)
            self._reader.start()
        answer = None if self._ended else await self._lines.get()
        self._ended = self._ended or answer is None
        if not self.console.is_terminal:
            self.say()  # nobody's Enter has ended the line
        return answer

    def _read(self) -> None:
        rest = b""
        with suppress(RuntimeError):  # the loop is closed: nobody asks any more
            while data := self._some():
                *lines, rest = (rest + data).split(b"\n")
                for line in lines:
                    self._answer(line)
            if rest:
                self._answer(rest)
            self._loop.call_soon_threadsafe(self._lines.put_nowait, None)

    def _some(self) -> bytes:
        try:
            return os.read(self._source, READ)
        except OSError:
            return b""  # a terminal that is gone

    def _answer(self, line: bytes) -> None:
        self._loop.call_soon_threadsafe(self._lines.put_nowait, line.decode(errors="replace").strip())

    @contextmanager
    def waiting(self) -> Iterator[Callable[[str, float], None]]:
        """Show how a wait goes on: a function of what is going on and how much of it is done, 0 to 1.

        Where nobody watches, each new text is a line.
        """
        if not self.console.is_terminal:
            said: list[str] = []

            def tell(text: str, share: float) -> None:
                del share
                if text not in said[-1:]:
                    said.append(text)
                    self.say(f"  {text}")

            yield tell
            return
        with Progress(BarColumn(20), TextColumn("{task.description}"), console=self.console, transient=True) as bar:
            task = bar.add_task("", total=1.0)
            yield lambda text, share: bar.update(task, description=text, completed=share)

"""With what each station begins, found out in a thread of its own: one that takes long keeps no other waiting."""

from __future__ import annotations

import asyncio
import contextlib
import threading
import time
from collections.abc import Callable
from typing import Final

from controller.catching_up import CatchingUp
from controller.resume import Start

STOPS_WITHIN: Final = 1.0  # s for all of them; a thread that waits for a hung disk is left behind


class Starts:
    """All of a gateway's."""

    def __init__(self, *, say: Callable[[str], None]) -> None:
        self._say = say
        self._turn = threading.Lock()
        self._stop = threading.Event()
        self._stop_by = 0.0  # host monotonic, s

    async def of(self, station: str, look: Callable[[CatchingUp], Start]) -> Start:
        """What `look` finds; it runs in a thread. Once one of these is cancelled all are told to stop."""
        loop = asyncio.get_running_loop()
        found: asyncio.Future[Start] = loop.create_future()

        def settle(start: Start | Exception) -> None:
            if not found.done() and isinstance(start, Start):
                found.set_result(start)
            elif not found.done() and isinstance(start, Exception):
                found.set_exception(start)

        def run() -> None:
            try:
                start: Start | Exception = look(CatchingUp(station, say=self._say, turn=self._turn, stop=self._stop))
            except Exception as error:  # noqa: BLE001 - raised where it is waited for
                start = error
            with contextlib.suppress(RuntimeError):  # the loop has ended
                loop.call_soon_threadsafe(settle, start)

        thread = threading.Thread(target=run, name=f"start of {station}", daemon=True)
        thread.start()
        try:
            return await found
        except asyncio.CancelledError:
            if not self._stop.is_set():
                self._stop.set()
                self._stop_by = time.monotonic() + STOPS_WITHIN
            thread.join(max(self._stop_by - time.monotonic(), 0.0))
            raise

"""Tells systemd how the gateway is, where systemd has started it with `Type=notify`: ready, alive, about to end.

Each message is a datagram to the socket that $NOTIFY_SOCKET names (sd_notify(3)). The signs of life come out of the
event loop, so a loop that hangs sends none, and systemd starts the gateway anew.
"""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Callable, MutableMapping
from typing import Final

from controller.voice import Said

SIGNS: Final = 2  # of life in the time after which systemd gives up (sd_watchdog_enabled(3) advises half of it)


class Service:
    """What systemd is told; nothing where it is not systemd that listens."""

    def __init__(self, environment: MutableMapping[str, str], *, say: Callable[[str], None]) -> None:
        """Take out of the environment what is for this process alone: mosquitto would say `ready` in its name."""
        address = environment.pop("NOTIFY_SOCKET", "")
        patience = environment.pop("WATCHDOG_USEC", "")
        environment.pop("WATCHDOG_PID", None)
        self._say = say
        self._address = f"\0{address[1:]}" if address.startswith("@") else address  # an abstract one
        self._every = int(patience) / 1e6 / SIGNS if patience.isdecimal() else None  # s

    def ready(self, status: str) -> None:
        """All has been started; status: what `systemctl status` shows."""
        self._tell(f"READY=1\nSTATUS={status}")

    def ending(self) -> None:
        """The end has begun."""
        self._tell("STOPPING=1")

    async def live(self) -> None:
        """Give signs of life until cancelled, where they are asked for."""
        while self._every is not None:
            self._tell("WATCHDOG=1")
            await asyncio.sleep(self._every)

    def _tell(self, message: str) -> None:
        if not self._address:
            return
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as ours:
            ours.settimeout(0.0)  # a listener that does not read must not hold up the loop
            try:
                ours.sendto(message.encode(), self._address)
            except OSError as error:
                self._say(Said(f"systemd was not told {message.split(maxsplit=1)[0]}: {error}", level="warning"))

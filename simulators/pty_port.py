"""A simulated board as a serial device: a pseudo-terminal in raw mode, under a name that stays the same.

A program may open and close it as often as it likes. While nobody reads, bytes are lost, as on a wire.
"""

from __future__ import annotations

import asyncio
import os
import pty
import termios
import time
import tty
from pathlib import Path
from typing import Final

from simulators.pump import Pump

TICK: Final = 0.005  # s between two looks at what is due
READ: Final = 4096  # bytes


class PortError(Exception):
    """The port cannot be made; the message says why."""


class PtyPort:
    """One pseudo-terminal. Open from its making until close()."""

    def __init__(self, pump: Pump, *, link: Path | None = None) -> None:
        """`link`: a symlink to the device, replaced where one is left over. Raises PortError."""
        self._pump = pump
        self._link = link
        self._master = self._slave = -1
        self.device = ""
        self.lost = 0  # frames that nobody read
        self._open()

    @property
    def name(self) -> str:
        """What a program should open."""
        return str(self._link) if self._link is not None else self.device

    async def run(self, *, until: asyncio.Event) -> None:
        """Serve until the event is set, then close."""
        loop = asyncio.get_running_loop()
        reading = False
        try:
            while not until.is_set():
                if self._pump.down(time.monotonic()):
                    if reading:
                        loop.remove_reader(self._master)
                        reading = False
                        self.close()
                    self._pump.due(time.monotonic())
                elif not reading:
                    if self._master < 0:
                        self._open()
                    loop.add_reader(self._master, self._readable)
                    reading = True
                if reading:
                    self._flush()
                await asyncio.sleep(TICK)
        finally:
            if reading:
                loop.remove_reader(self._master)
            self.close()

    def close(self) -> None:
        """Close the device and remove its link; harmless when done already."""
        if self._master < 0:
            return
        if self._link is not None and self._link.is_symlink() and str(self._link.readlink()) == self.device:
            self._link.unlink()
        os.close(self._master)
        os.close(self._slave)
        self._master = self._slave = -1

    def _open(self) -> None:
        # Our own hold on the far end keeps the terminal alive while no program has it open.
        self._master, self._slave = pty.openpty()
        tty.setraw(self._slave)
        os.set_blocking(self._master, False)
        self.device = os.ttyname(self._slave)
        if self._link is not None:
            try:
                _point(self._link, self.device)
            except OSError as error:
                link, self._link = self._link, None
                self.close()
                raise PortError(f"{link}: {error.strerror}; give another --link") from None

    def _readable(self) -> None:
        try:
            data = os.read(self._master, READ)
        except BlockingIOError:
            return
        self._pump.take(data, time.monotonic())
        self._flush()

    def _flush(self) -> None:
        for frame in self._pump.due(time.monotonic()):
            try:
                sent = os.write(self._master, frame)
            except BlockingIOError:
                sent = 0
            if sent < len(frame):  # nobody reads: what is old goes, as it would on a wire
                self.lost += 1
                termios.tcflush(self._slave, termios.TCIFLUSH)


def _point(link: Path, device: str) -> None:
    """Let the link point at the device, in one step. Never replaces anything but a link."""
    if link.exists() and not link.is_symlink():
        raise FileExistsError(17, "there is a file of that name")
    link.parent.mkdir(parents=True, exist_ok=True)
    fresh = link.with_name(f".{link.name}.{os.getpid()}")
    fresh.symlink_to(device)
    fresh.replace(link)

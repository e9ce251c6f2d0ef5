"""A D-Bus of our own: a dbus-daemon for this user alone, on a socket in a folder, that dies with whoever started it."""

from __future__ import annotations

import asyncio
import os
import shutil
import tempfile
from asyncio.subprocess import PIPE, Process
from pathlib import Path
from typing import Final, Self

from simulators.pty_port import PortError

READY_WITHIN: Final = 10.0  # s
VARIABLE: Final = "DBUS_SYSTEM_BUS_ADDRESS"  # where D-Bus libraries look for the system's bus
_CONFIG: Final = """<!DOCTYPE busconfig PUBLIC "-//freedesktop//DTD D-Bus Bus Configuration 1.0//EN"
 "http://www.freedesktop.org/standards/dbus/1.0/busconfig.dtd">
<busconfig>
  <type>session</type>
  <listen>unix:path={socket}</listen>
  <auth>EXTERNAL</auth>
  <policy context="default">
    <allow send_destination="*" eavesdrop="true"/>
    <allow eavesdrop="true"/>
    <allow own="*"/>
  </policy>
  <limit name="max_connections_per_user">{connections}</limit>
</busconfig>
"""
CONNECTIONS: Final = 256  # that the system's bus grants a user, too

# A shell holds the daemon, and its standard input is ours: the kernel closes that when we die, however we die.
_GUARD: Final = """
"$1" --nofork --nopidfile --nosyslog --config-file="$2/bus.conf" --print-address=1 2>/dev/null &
while read -r _; do :; done
kill -KILL $! && wait $! 2>/dev/null
[ -n "$3" ] && rm -rf "$2"
exit 0
"""


def find_daemon() -> str | None:
    """The dbus-daemon of this machine, if it has one."""
    return shutil.which("dbus-daemon")


class PrivateBus:
    """A running dbus-daemon. `async with` starts and ends it."""

    def __init__(self, folder: Path | None = None) -> None:
        """`folder`: of its socket, so that its address stays the same; None: a new one that goes with it."""
        self._given = folder
        self._folder = folder or Path()
        self._process: Process | None = None

    @property
    def address(self) -> str:
        """What VARIABLE is to be set to."""
        return f"unix:path={self._folder / 'bus'}"

    async def start(self) -> None:
        """Start the daemon. Raises PortError when there is none, or it does not come up."""
        daemon = find_daemon()
        if daemon is None:
            raise PortError("there is no dbus-daemon here; install it (Debian: apt install dbus)")
        self._folder = self._prepared()
        guard = ("sh", "-c", _GUARD, "sh", daemon, str(self._folder), "" if self._given else "remove")
        # A session of its own: what ends us may be meant for our whole group, and the guard has to clean up after it.
        self._process = await asyncio.create_subprocess_exec(*guard, stdin=PIPE, stdout=PIPE, start_new_session=True)
        assert self._process.stdout is not None
        try:
            async with asyncio.timeout(READY_WITHIN):
                ready = await self._process.stdout.readline()
        except TimeoutError:
            ready = b""
        if not ready:
            await self.close()
            raise PortError(f"{self._folder}: dbus-daemon does not start; is the folder ours to write?")

    async def close(self) -> None:
        """End the daemon, as if it were killed; harmless when it has ended."""
        process, self._process = self._process, None
        if process is not None:
            assert process.stdin is not None
            process.stdin.close()
            await process.communicate()

    def _prepared(self) -> Path:
        try:
            if self._given is not None:
                self._given.mkdir(parents=True, exist_ok=True)
            folder = (self._given or Path(tempfile.mkdtemp(prefix="fake-bluez-"))).resolve()
            text = _CONFIG.format(socket=folder / "bus", connections=CONNECTIONS)
            (folder / "bus.conf").write_text(text, encoding="utf-8")
        except OSError as error:
            raise PortError(f"{self._given}: {error.strerror}; give another folder") from None
        if len(os.fsencode(folder / "bus")) >= 108:
            raise PortError(f"{folder}: too long a path for a socket; give a shorter one")
        return folder

    async def __aenter__(self) -> Self:
        await self.start()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()

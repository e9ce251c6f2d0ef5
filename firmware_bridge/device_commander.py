"""What a device of another maker is told: the commands of its dialect."""

from __future__ import annotations

from typing import Final

from firmware_bridge.messages import Identity
from firmware_bridge.protocol import Command
from protocols.device import COMMANDS, CommandName, Dialect

BATTERY_EVERY: Final = 60.0  # s


class DeviceCommander:
    """Commands as bytes; None for what the dialect has no word for."""

    def __init__(self, dialect: Dialect) -> None:
        self._commands = dialect.commands
        self._asked_battery: float | None = None  # host monotonic, s

    def _command(self, name: CommandName) -> Command | None:
        told = self._commands.get(name)
        if told is None:
            return None
        return Command(COMMANDS.index(name) if told.is_answered else None, told.data, told.within)

    def who(self) -> bytes | None:
        """Ask what it is; None for one that only talks."""
        told = self._commands.get("who")
        return told.data if told is not None else None

    def start(self, identity: Identity, *, rate_hz: int | None, batch: int | None) -> Command | None:
        """Begin to stream, at the device's own rate."""
        del identity, rate_hz, batch
        return self._command("start")

    def stop(self, source: int) -> Command | None:
        """End streaming."""
        del source
        return self._command("stop")

    def tare(self, source: int, *, samples: int) -> Command | None:
        """Let it tare, over as many samples as it takes."""
        del source, samples
        return self._command("tare")

    def identify(self, source: int, *, seconds: int) -> Command | None:
        """None of these devices can show itself."""
        del source, seconds
        return None

    def ping(self, source: int, *, now: float) -> bytes | None:
        """Ask for the battery once in a while; it is the only question then, so its answer cannot be another's."""
        del source
        told = self._commands.get("battery")
        if told is None:
            return None
        if self._asked_battery is not None and now - self._asked_battery < BATTERY_EVERY:
            return None
        self._asked_battery = now
        return told.data

"""Simulated boards over Bluetooth LE, as a port: a fake BlueZ with all of them in its air, on a bus of its own."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from contextlib import AsyncExitStack
from pathlib import Path

from simulators.ble_peripheral import Peripheral
from simulators.fake_bluez import FakeBluez
from simulators.fake_bluez_bus import VARIABLE, PrivateBus
from simulators.fake_bluez_manners import Manners


class BlePort:
    """Open from open() until the end of run()."""

    def __init__(
        self,
        peripherals: Sequence[Peripheral],
        *,
        manners: Manners,
        folder: Path | None = None,
        bus: str | None = None,
    ) -> None:
        """`folder`: of the bus' socket, None: a new one. `bus`: the address of a running bus, to be used instead."""
        self._peripherals, self._manners = tuple(peripherals), manners
        self._private = PrivateBus(folder) if bus is None else None
        self._address = bus or ""
        self._stack = AsyncExitStack()
        self._bluez: FakeBluez | None = None

    @property
    def name(self) -> str:
        """The variable to be set, and the boards' URLs."""
        boards = (f"ble://{each.address}" for each in self._peripherals)
        return " ".join((f"{VARIABLE}={self._address}", *boards))

    async def open(self) -> None:
        """Start the bus, and bluetoothd on it. Raises PortError."""
        if self._private is not None:
            await self._stack.enter_async_context(self._private)
            self._address = self._private.address
        bluez = FakeBluez(self._address, self._peripherals, manners=self._manners)
        try:
            self._bluez = await self._stack.enter_async_context(bluez)
        except BaseException:
            await self._stack.aclose()
            raise

    async def run(self, *, until: asyncio.Event) -> None:
        """Serve until the event is set, then close."""
        assert self._bluez is not None
        async with self._stack:
            await self._bluez.run(until=until)

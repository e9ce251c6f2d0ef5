"""A bluetoothd with one adapter and simulated boards in the air, as org.bluez on a bus of our own.

The real bleak talks to it, unchanged; nothing here needs root or Bluetooth.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Sequence
from typing import Final, Self

from simulators.ble_peripheral import Peripheral
from simulators.fake_bluez_adapter import FakeAdapter
from simulators.fake_bluez_device import FakeDevice
from simulators.fake_bluez_manners import Manners, Timed
from simulators.fake_bluez_tree import Tree
from simulators.pty_port import TICK, PortError

NAME: Final = "org.bluez"


class FakeBluez:
    """Owns the name org.bluez. `async with` starts and ends it; it can be killed and started again in between."""

    def __init__(self, address: str, peripherals: Sequence[Peripheral], *, manners: Manners | None = None) -> None:
        """`address`: of the bus."""
        self.manners = manners or Manners()
        self._address, self._peripherals = address, tuple(peripherals)
        self._tree: Tree | None = None
        self._adapter: FakeAdapter | None = None
        self._life: asyncio.Task[None] | None = None
        self._coming: list[Timed] = sorted(self.manners.timed)
        self._began = time.monotonic()

    @property
    def is_dead(self) -> bool:
        """Whether it has been killed, or not been started."""
        return self._tree is None

    @property
    def adapter(self) -> FakeAdapter:
        """The one adapter. Only while it runs."""
        assert self._adapter is not None
        return self._adapter

    def device(self, address: str) -> FakeDevice:
        """A board as bluetoothd knows it. Only while it runs."""
        return self.adapter.devices[address]

    async def start(self) -> None:
        """Take the name and show the adapter. Raises PortError when there is no such bus."""
        if self._tree is not None:
            return
        tree = Tree(self._address, NAME, client_gone=self._client_gone)
        try:
            await tree.open()
        except OSError as error:
            raise PortError(f"{self._address}: {error.strerror or error}; is that bus running, and free?") from None
        self._tree, self._adapter = tree, FakeAdapter(tree, self._peripherals, self.manners)
        tree.add(self._adapter)
        self._life = asyncio.create_task(self._live(self._adapter), name="fake bluez")

    async def kill(self) -> None:
        """End it in the middle of everything, without a word to anybody; harmless when it has ended.

        Raises what has ended its life before.
        """
        tree, self._tree = self._tree, None
        life, self._life = self._life, None
        why: BaseException | None = None
        if life is not None:
            life.cancel()
            (why,) = await asyncio.gather(life, return_exceptions=True)
        if tree is not None:
            await tree.close()
            for device in self.adapter.devices.values():
                device.drop()  # the kernel ends the connections of a process that is gone
        if isinstance(why, Exception):
            raise why

    async def run(self, *, until: asyncio.Event) -> None:
        """Serve until the event is set, with what the manners say happens by itself.

        Raises PortError when the bus goes.
        """
        while not until.is_set():
            if self._tree is not None and self._tree.is_cut_off:
                raise PortError(f"{self._address}: the bus is gone; start it again")
            if self._life is not None and self._life.done():
                self._life.result()
            while self._coming and self._coming[0].at <= time.monotonic() - self._began:
                await self._act(self._coming.pop(0), until)
            await asyncio.sleep(TICK)

    async def __aenter__(self) -> Self:
        await self.start()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.kill()

    async def _live(self, adapter: FakeAdapter) -> None:
        while True:
            adapter.tick(time.monotonic())
            await asyncio.sleep(TICK)

    async def _act(self, timed: Timed, until: asyncio.Event) -> None:
        devices = list(self.adapter.devices.values())
        if timed.act == "off":
            self.adapter.power(on=False)
            await _pause(timed.lasts, until)
            self.adapter.power(on=True)
        elif timed.act == "die":
            await self.kill()
            await _pause(timed.lasts, until)
            await self.start()
        elif timed.act == "mute":
            for device in devices:
                device.muted = True
            await _pause(timed.lasts, until)
            for device in devices:
                device.muted = False
        else:
            for device in devices:
                device.drop() if timed.act == "drop" else device.remove()

    def _client_gone(self, client: str) -> None:
        if self._adapter is not None:
            self._adapter.client_gone(client)


async def _pause(seconds: float, until: asyncio.Event) -> None:
    try:
        await asyncio.wait_for(until.wait(), seconds)
    except TimeoutError:
        return

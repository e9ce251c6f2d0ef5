"""A device that bluetoothd has heard of: connected, its services found, lost again."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Final

from dbus_fast import Message, Variant

from simulators.ble_peripheral import Peripheral
from simulators.fake_bluez_gatt import Air, FakeCharacteristic, gatt_nodes
from simulators.fake_bluez_manners import Manners
from simulators.fake_bluez_tree import NOTHING, Answer, BluezError, Node, Tree

DEVICE: Final = "org.bluez.Device1"
RSSI: Final = -58  # dBm
A_MOMENT: Final = 0.02  # s between two things that come one after the other
CONNECTS_IN: Final = 0.03  # s; a board's advertising interval, and a bit


class FakeDevice(Node):
    """org.bluez.Device1."""

    def __init__(
        self, tree: Tree, adapter: str, peripheral: Peripheral, *, manners: Manners, powered: Callable[[], bool]
    ) -> None:
        address = peripheral.address
        super().__init__(f"{adapter}/dev_{address.replace(':', '_')}", DEVICE)
        self.air = Air(peripheral)
        self.muted = False  # it stays connected, and no notification comes
        self.connections = 0
        self.is_connecting = False
        self._tree, self._manners, self._powered = tree, manners, powered
        self._characteristics: list[FakeCharacteristic] = []
        self._later: list[asyncio.TimerHandle] = []
        self._cancelled = asyncio.Event()
        self.properties = {
            "Address": Variant("s", address),
            "AddressType": Variant("s", "random"),
            "Name": Variant("s", peripheral.name),
            "Alias": Variant("s", peripheral.name),
            "Paired": Variant("b", value=False),
            "Bonded": Variant("b", value=False),
            "Trusted": Variant("b", value=False),
            "Blocked": Variant("b", value=False),
            "LegacyPairing": Variant("b", value=False),
            "Connected": Variant("b", value=False),
            "ServicesResolved": Variant("b", value=False),
            "UUIDs": Variant("as", [peripheral.services[0].uuid]),
            "Adapter": Variant("o", adapter),
        }
        self.methods = {"Connect": self._connect, "Disconnect": self._disconnect}

    # -- the outside

    @property
    def is_listened_to(self) -> bool:
        """Whether a program gets its notifications."""
        return any(characteristic.notifying for characteristic in self._characteristics)

    def advertise(self) -> None:
        """Bluetoothd hears it."""
        rssi = {"RSSI": Variant("n", RSSI)}
        if self.path in self._tree:
            self._tree.change(self, rssi)
        else:
            self.properties.update(rssi)
            self._tree.add(self)

    def unheard(self) -> None:
        """Nobody scans any more."""
        if "RSSI" in self.properties:
            self._tree.change(self, {}, gone=("RSSI",))

    def notify(self, now: float) -> None:
        """Pass on what the board notifies."""
        notifications = self.air.peripheral.notifications(now)
        if not self.air.connected or self.muted:
            return
        for uuid, value in notifications:
            for characteristic in self._characteristics:
                if characteristic.uuid == uuid and characteristic.notifying:
                    characteristic.notify(value)

    def drop(self) -> None:
        """The connection is gone, whoever ended it."""
        self._cancel_later()
        self._cancelled.set()
        if not self.air.connected:
            return
        self._end()
        self._tree.change(self, {"ServicesResolved": Variant("b", value=False)})
        self._tree.change(self, {"Connected": Variant("b", value=False)})

    def remove(self) -> None:
        """Bluetoothd forgets the device, and of its connection not another word is said."""
        self._cancel_later()
        self._cancelled.set()
        self._tree.remove(self.path)
        self._end()
        self._characteristics = []
        off = Variant("b", value=False)
        self.properties.update({"Connected": off, "ServicesResolved": off})
        self.properties.pop("RSSI", None)

    def client_gone(self, client: str) -> None:
        """A program has left the bus: it listens no more, but the device stays connected."""
        for characteristic in self._characteristics:
            characteristic.forget(client)

    # -- what can be asked of it

    async def _connect(self, _: Message) -> Answer:
        if not self._powered():
            raise BluezError("NotReady", "Resource Not Ready")
        if self.air.connected:
            return NOTHING
        if self.is_connecting:
            raise BluezError("InProgress", "Operation already in progress")
        self.is_connecting = True
        self._cancelled.clear()
        try:
            await self._reach()
        finally:
            self.is_connecting = False
        return NOTHING

    async def _reach(self) -> None:
        manners = self._manners
        if manners.hanging:
            manners.hanging -= 1
            await self._cancelled.wait()
        else:
            await asyncio.sleep(CONNECTS_IN)
        if self._cancelled.is_set():
            raise BluezError("Failed", "le-connection-abort-by-local")
        self.air.connected, self.muted = True, False
        self.connections += 1
        self._tree.change(self, {"Connected": Variant("b", value=True)})
        if manners.aborts:
            manners.aborts -= 1
            self._soon(A_MOMENT, self.drop)
            raise BluezError("Failed", "le-connection-abort-by-local")
        if manners.vanishing:
            manners.vanishing -= 1
            self._soon(A_MOMENT, self.drop)
        else:
            self._soon(manners.services_after, self._resolve)

    async def _disconnect(self, _: Message) -> Answer:
        if not self.air.connected and not self.is_connecting:
            raise BluezError("NotConnected", "Not Connected")
        self.drop()
        return NOTHING

    def _resolve(self) -> None:
        if not self._characteristics:  # else they are remembered from the last connection
            services, self._characteristics = gatt_nodes(self._tree, self.path, self.air)
            for node in (*services, *self._characteristics):
                self._tree.add(node)
        uuids = [service.uuid for service in self.air.peripheral.services]
        self._tree.change(self, {"UUIDs": Variant("as", uuids)})
        self._tree.change(self, {"ServicesResolved": Variant("b", value=True)})

    def _end(self) -> None:
        was_connected, self.air.connected = self.air.connected, False
        for characteristic in self._characteristics:
            characteristic.forget()
        if was_connected:
            self.air.peripheral.disconnected()

    def _soon(self, seconds: float, act: Callable[[], None]) -> None:
        self._later.append(asyncio.get_running_loop().call_later(seconds, act))

    def _cancel_later(self) -> None:
        for handle in self._later:
            handle.cancel()
        self._later.clear()

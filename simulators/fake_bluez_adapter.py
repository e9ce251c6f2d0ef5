"""The adapter hci0: it scans for each program that asks, hears boards, and can be switched off."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

from dbus_fast import Message, Variant

from simulators.ble_peripheral import Peripheral
from simulators.fake_bluez_device import FakeDevice
from simulators.fake_bluez_manners import Manners
from simulators.fake_bluez_tree import NOTHING, Answer, BluezError, Node, Tree

ADAPTER: Final = "org.bluez.Adapter1"
PATH: Final = "/org/bluez/hci0"
ADVERTISES_EVERY: Final = 0.1  # s


class FakeAdapter(Node):
    """org.bluez.Adapter1, and the devices that it knows."""

    def __init__(self, tree: Tree, peripherals: Sequence[Peripheral], manners: Manners) -> None:
        super().__init__(PATH, ADAPTER)
        self.powered = True
        self._tree, self._manners = tree, manners
        self._scans: dict[str, dict[str, Any]] = {}  # by program, what it wants to hear
        self._filters: dict[str, dict[str, Any]] = {}
        self._next_advertisement = 0.0
        self.most_connecting = 0  # devices to which a connection was being made at once
        self.devices = {
            each.address: FakeDevice(tree, PATH, each, manners=manners, powered=lambda: self.powered)
            for each in peripherals
        }
        self.properties = {
            "Address": Variant("s", "00:00:5E:00:53:00"),
            "AddressType": Variant("s", "public"),
            "Name": Variant("s", "fake"),
            "Alias": Variant("s", "fake"),
            "Powered": Variant("b", value=True),
            "Discovering": Variant("b", value=False),
            "Roles": Variant("as", ["central", "peripheral"]),
            "UUIDs": Variant("as", []),
        }
        self.methods = {
            "SetDiscoveryFilter": self._set_filter,
            "StartDiscovery": self._start,
            "StopDiscovery": self._stop,
            "RemoveDevice": self._remove,
        }

    @property
    def scanning(self) -> int:
        """How many programs scan."""
        return len(self._scans)

    def tick(self, now: float) -> None:
        """Let boards advertise, notify, and go out of sight."""
        connecting = sum(device.is_connecting for device in self.devices.values())
        self.most_connecting = max(self.most_connecting, connecting)
        advertise = bool(self._scans) and now >= self._next_advertisement
        if advertise:
            self._next_advertisement = now + ADVERTISES_EVERY
        for device in self.devices.values():
            in_sight = device.air.peripheral.in_sight(now)
            if not in_sight:
                device.drop()
            elif advertise and not device.air.connected and self._is_wanted(device):
                device.advertise()
            device.notify(now)

    def power(self, *, on: bool) -> None:
        """Switch it. Off, all connections are gone, and all scans are forgotten."""
        self.powered = on
        if not on:
            for device in self.devices.values():
                device.drop()
            self._end_scans()
        self._tree.change(self, {"Powered": Variant("b", on)})

    def go_deaf(self) -> None:
        """All scans end and nobody is told, as it happens before BlueZ 5.88."""
        self._scans.clear()

    def client_gone(self, client: str) -> None:
        """A program has left the bus."""
        self._filters.pop(client, None)
        if self._scans.pop(client, None) is not None and not self._scans:
            self._end_scans()
        for device in self.devices.values():
            device.client_gone(client)

    def _is_wanted(self, device: FakeDevice) -> bool:
        offered = set(device.properties["UUIDs"].value)
        wanted = [set(each["UUIDs"].value) if "UUIDs" in each else None for each in self._scans.values()]
        return any(each is None or each & offered for each in wanted)

    def _end_scans(self) -> None:
        self._scans.clear()
        self._tree.change(self, {"Discovering": Variant("b", value=False)})
        for device in self.devices.values():
            if device.path not in self._tree or device.air.connected:
                continue
            device.unheard()
            if self._manners.forgets and not device.is_connecting:
                device.remove()

    # -- what can be asked of it

    async def _set_filter(self, message: Message) -> Answer:
        assert message.sender is not None
        self._check()
        self._filters[message.sender] = message.body[0]
        return NOTHING

    async def _start(self, message: Message) -> Answer:
        assert message.sender is not None
        self._check()
        if message.sender in self._scans:
            raise BluezError("InProgress", "Operation already in progress")
        self._scans[message.sender] = self._filters.get(message.sender, {})
        self._tree.change(self, {"Discovering": Variant("b", value=True)})
        return NOTHING

    async def _stop(self, message: Message) -> Answer:
        assert message.sender is not None
        self._check()
        if self._scans.pop(message.sender, None) is None:
            raise BluezError("Failed", "No discovery started")
        if not self._scans:
            self._end_scans()
        return NOTHING

    async def _remove(self, message: Message) -> Answer:
        for device in self.devices.values():
            if device.path == message.body[0] and device.path in self._tree:
                device.drop()
                device.remove()
                return NOTHING
        raise BluezError("DoesNotExist", "Does Not Exist")

    def _check(self) -> None:
        if not self.powered:
            raise BluezError("NotReady", "Resource Not Ready")

"""A connected device's services and characteristics, as bluetoothd shows them."""

from __future__ import annotations

import time
from collections import deque
from dataclasses import dataclass, field

from dbus_fast import Message, Variant

from protocols import gatt
from simulators.ble_peripheral import Characteristic, Peripheral, Service
from simulators.fake_bluez_tree import NOTHING, Answer, BluezError, Node, Tree

SERVICE = "org.bluez.GattService1"
CHARACTERISTIC = "org.bluez.GattCharacteristic1"
REMEMBERED = 10_000  # reads and writes of a device


@dataclass(slots=True)
class Air:
    """The connection to a device, and what went over it. reads: characteristic and how many requests it took."""

    peripheral: Peripheral
    connected: bool = False
    reads: deque[tuple[str, int]] = field(default_factory=lambda: deque(maxlen=REMEMBERED))
    writes: deque[tuple[str, bytes]] = field(default_factory=lambda: deque(maxlen=REMEMBERED))
    notifications: int = 0


class FakeService(Node):
    """org.bluez.GattService1."""

    def __init__(self, device: str, handle: int, service: Service) -> None:
        super().__init__(f"{device}/service{handle:04x}", SERVICE)
        self.properties = {
            "UUID": Variant("s", service.uuid),
            "Device": Variant("o", device),
            "Primary": Variant("b", value=True),
            "Includes": Variant("ao", []),
        }


class FakeCharacteristic(Node):
    """org.bluez.GattCharacteristic1."""

    def __init__(self, tree: Tree, service: FakeService, handle: int, spec: Characteristic, air: Air) -> None:
        super().__init__(f"{service.path}/char{handle:04x}", CHARACTERISTIC)
        self.uuid = spec.uuid
        self._tree, self._air = tree, air
        self._listeners: set[str] = set()
        self.properties = {
            "UUID": Variant("s", spec.uuid),
            "Service": Variant("o", service.path),
            "Value": Variant("ay", b""),
            "Notifying": Variant("b", value=False),
            "Flags": Variant("as", list(spec.flags)),
            "MTU": Variant("q", air.peripheral.mtu),
        }
        self.methods = {
            "ReadValue": self._read,
            "WriteValue": self._write,
            "StartNotify": self._start_notify,
            "StopNotify": self._stop_notify,
        }

    @property
    def notifying(self) -> bool:
        """Whether a program listens."""
        return bool(self._listeners)

    def notify(self, value: bytes) -> None:
        """Pass a notification on."""
        self._air.notifications += 1
        self._tree.change(self, {"Value": Variant("ay", value)})

    def forget(self, client: str | None = None) -> None:
        """A program that listened is gone; None: the connection, and so all of them."""
        self._listeners = set() if client is None else self._listeners - {client}
        self._say_notifying()

    def _say_notifying(self) -> None:
        if self.properties["Notifying"].value != self.notifying:
            self._tree.change(self, {"Notifying": Variant("b", self.notifying)})

    def _check(self) -> None:
        if not self._air.connected:
            raise BluezError("Failed", "Not connected")

    async def _read(self, _: Message) -> Answer:
        self._check()
        if "read" not in self.properties["Flags"].value:
            raise BluezError("NotPermitted", "Read not permitted")
        value = self._air.peripheral.read(self.uuid)[: gatt.LONGEST_VALUE]
        self._air.reads.append((self.uuid, 1 + len(value) // (self._air.peripheral.mtu - 1)))
        self._tree.change(self, {"Value": Variant("ay", value)})
        return "ay", [value]

    async def _write(self, message: Message) -> Answer:
        self._check()
        data, options = bytes(message.body[0]), message.body[1]
        is_command = "type" in options and options["type"].value == "command"
        flag = "write-without-response" if is_command else "write"
        if flag not in self.properties["Flags"].value:
            raise BluezError("NotPermitted", "Write not permitted")
        if len(data) > (self._air.peripheral.mtu - gatt.ATT_HEADER if is_command else gatt.LONGEST_VALUE):
            raise BluezError("Failed", "Failed to initiate write")
        self._air.writes.append((self.uuid, data))
        self._air.peripheral.write(self.uuid, data, time.monotonic())
        return NOTHING

    async def _start_notify(self, message: Message) -> Answer:
        self._check()
        if "notify" not in self.properties["Flags"].value:
            raise BluezError("NotSupported", "Operation is not supported")
        assert message.sender is not None
        self._listeners.add(message.sender)
        self._say_notifying()
        return NOTHING

    async def _stop_notify(self, message: Message) -> Answer:
        if message.sender not in self._listeners:
            raise BluezError("Failed", "No notify session started")
        self.forget(message.sender)
        return NOTHING


def gatt_nodes(tree: Tree, device: str, air: Air) -> tuple[list[FakeService], list[FakeCharacteristic]]:
    """All services and characteristics of a device, with handles as they come."""
    services, characteristics = [], []
    handle = 0x000A
    for each in air.peripheral.services:
        service = FakeService(device, handle, each)
        services.append(service)
        for spec in each.characteristics:
            characteristics.append(FakeCharacteristic(tree, service, handle + 1, spec, air))
            handle += 3  # declaration, value, and who is notified
        handle += 1
    return services, characteristics

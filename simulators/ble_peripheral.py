"""A simulated board as Bluetooth sees it: services with characteristics that can be read, written, and that notify."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

from protocols import gatt

READ = ("read",)
NOTIFY = ("notify",)
WRITE = ("write-without-response", "write")


@dataclass(frozen=True, slots=True)
class Characteristic:
    """One characteristic, and what it can do, in BlueZ's words."""

    uuid: str
    flags: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Service:
    """One service."""

    uuid: str
    characteristics: tuple[Characteristic, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Label:
    """What a board says of itself in the services of the Bluetooth SIG."""

    manufacturer: str = "cable station"
    model: str
    serial: str = "1"
    firmware: str = "1.2.0"
    battery_percent: int = 80

    def values(self) -> dict[str, bytes]:
        """By characteristic."""
        return {
            gatt.MANUFACTURER: self.manufacturer.encode(),
            gatt.MODEL: self.model.encode(),
            gatt.SERIAL: self.serial.encode(),
            gatt.FIRMWARE: self.firmware.encode(),
            gatt.BATTERY_LEVEL: bytes((self.battery_percent,)),
        }


LABELLED = (
    Service(
        gatt.DEVICE_INFORMATION,
        tuple(Characteristic(uuid, READ) for uuid in (gatt.MANUFACTURER, gatt.MODEL, gatt.SERIAL, gatt.FIRMWARE)),
    ),
    Service(gatt.BATTERY, (Characteristic(gatt.BATTERY_LEVEL, ("read", "notify")),)),
)


class Peripheral(Protocol):
    """What bluetoothd meets in the air. mtu: ATT, in bytes; services: the first is the one that it advertises."""

    address: str
    name: str
    mtu: int

    @property
    def services(self) -> tuple[Service, ...]:
        """What it offers."""

    def in_sight(self, now: float) -> bool:
        """Whether it can be heard at `now` (host monotonic s)."""

    def read(self, uuid: str) -> bytes:
        """A characteristic's value. Raises KeyError when it has none."""

    def write(self, uuid: str, data: bytes, now: float) -> None:
        """Take one write."""

    def notifications(self, now: float) -> list[tuple[str, bytes]]:
        """What it notifies up to `now`, by characteristic. Nobody may be listening."""

    def disconnected(self) -> None:
        """The connection is gone."""

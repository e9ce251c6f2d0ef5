"""A Tindeq Progressor in the air: what its twin says goes out as notifications, what is written it hears."""

from __future__ import annotations

from protocols import gatt
from simulators.ble_cablelink import MTU
from simulators.ble_peripheral import NOTIFY, WRITE, Characteristic, Service
from simulators.pump import Pump


class TindeqPeripheral:
    """One Progressor."""

    services = (
        Service(
            gatt.TINDEQ.service,
            (Characteristic(gatt.TINDEQ.notify, NOTIFY), Characteristic(gatt.TINDEQ.write, WRITE)),
        ),
    )

    def __init__(self, pump: Pump, *, address: str, name: str, mtu: int = MTU) -> None:
        self.address, self.name, self.mtu = address, name, mtu
        self._pump = pump

    def in_sight(self, now: float) -> bool:
        """Whether no impairment holds the link down."""
        return not self._pump.down(now)

    def read(self, uuid: str) -> bytes:
        """Nothing can be read; all answers are notifications."""
        raise KeyError(uuid)

    def write(self, uuid: str, data: bytes, now: float) -> None:
        """Take a command."""
        if uuid == gatt.TINDEQ.write:
            self._pump.take(data, now)

    def notifications(self, now: float) -> list[tuple[str, bytes]]:
        """What the twin has sent."""
        return [(gatt.TINDEQ.notify, data) for data in self._pump.due(now)]

    def disconnected(self) -> None:
        """It measures on; only nobody hears it."""

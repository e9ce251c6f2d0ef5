"""A board that speaks cablelink over Bluetooth LE: each body is one notification, INFO can be read."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from protocols import gatt
from protocols.framing import MAX_BODY, FrameDecoder, encode
from simulators.ble_peripheral import LABELLED, NOTIFY, READ, WRITE, Characteristic, Label, Service
from simulators.pump import Pump

MTU: Final = 247  # bytes; what phones and most boards agree on


class CablelinkPeripheral:
    """A virtual board in the air; it runs on whether somebody is connected or not.

    The board behind the pump is to be made with max_body = longest(mtu): a body is never split.
    """

    def __init__(self, pump: Pump, info: Callable[[], bytes], *, address: str, name: str, mtu: int = MTU) -> None:
        """`info`: INFO as the board would say it now."""
        self.address, self.name, self.mtu = address, name, mtu
        self.services = (
            Service(
                gatt.CABLELINK.service,
                (
                    Characteristic(gatt.CABLELINK.notify, NOTIFY),
                    Characteristic(gatt.CABLELINK.write, WRITE),
                    Characteristic(gatt.CABLELINK.info or "", READ),
                ),
            ),
            *LABELLED,
        )
        self.too_long = 0  # bodies that did not fit a notification
        self._label = Label(model="virtual cable board", serial=address.replace(":", "")).values()
        self._pump, self._info = pump, info
        self._decoder = FrameDecoder()

    def in_sight(self, now: float) -> bool:
        """Whether no impairment holds the link down."""
        return not self._pump.down(now)

    def read(self, uuid: str) -> bytes:
        """INFO, or what stands on the label."""
        return self._info() if uuid == gatt.CABLELINK.info else self._label[uuid]

    def write(self, uuid: str, data: bytes, now: float) -> None:
        """Take a command."""
        if uuid == gatt.CABLELINK.write and 0 < len(data) <= MAX_BODY:
            self._pump.take(encode(data), now)

    def notifications(self, now: float) -> list[tuple[str, bytes]]:
        """The bodies that are due."""
        bodies = [body for frame in self._pump.due(now) for body in self._decoder.feed(frame)]
        fitting = [body for body in bodies if len(body) <= longest(self.mtu)]
        self.too_long += len(bodies) - len(fitting)
        return [(gatt.CABLELINK.notify, body) for body in fitting]

    def disconnected(self) -> None:
        """The board streams on; only nobody hears it."""


def longest(mtu: int) -> int:
    """Bytes of the longest body that fits a notification."""
    return min(mtu - gatt.ATT_HEADER, MAX_BODY)

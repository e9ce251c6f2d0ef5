"""A bluetoothd with one board, whose notifications say when they were handed over.

`python -m tests.benchmarks.air BUS`. What is written to the board asks for them: so many more, u32, all at once; 0 is
one at each look, until told otherwise.
"""

from __future__ import annotations

import asyncio
import sys
import time
from struct import Struct
from typing import Final

from protocols import cablelink, gatt
from simulators.ble_cablelink import MTU, longest
from simulators.ble_peripheral import LABELLED, NOTIFY, READ, WRITE, Characteristic, Label, Service
from simulators.fake_bluez import FakeBluez

ADDRESS: Final = "C0:DE:00:00:00:01"
ASKED: Final = Struct("<I")
STAMP: Final = Struct("<Q")  # ns, host monotonic
SIZE: Final = longest(MTU)  # bytes of a notification


class StampingBoard:
    """simulators.ble_peripheral.Peripheral that sends nothing but stamps, padded to the longest notification."""

    def __init__(self) -> None:
        self.address, self.name, self.mtu = ADDRESS, "stamps", MTU
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
        self._label = Label(model="stamps").values()
        self._count, self._steady = 0, False

    def in_sight(self, now: float) -> bool:
        del now
        return True

    def read(self, uuid: str) -> bytes:
        return cablelink.Info().to_body() if uuid == gatt.CABLELINK.info else self._label[uuid]

    def write(self, uuid: str, data: bytes, now: float) -> None:
        del uuid, now
        (more,) = ASKED.unpack(data)
        self._count += more
        self._steady = more == 0

    def notifications(self, now: float) -> list[tuple[str, bytes]]:
        del now
        count, self._count = (1 if self._steady else self._count), 0
        return [
            (gatt.CABLELINK.notify, STAMP.pack(time.monotonic_ns()) + bytes(SIZE - STAMP.size)) for _ in range(count)
        ]

    def disconnected(self) -> None:
        self._count, self._steady = 0, False


async def serve(address: str) -> None:
    """Until killed."""
    async with FakeBluez(address, [StampingBoard()]) as bluez:
        sys.stdout.write("ready\n")
        sys.stdout.flush()
        await bluez.run(until=asyncio.Event())


if __name__ == "__main__":
    asyncio.run(serve(sys.argv[1]))

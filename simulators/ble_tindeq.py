"""A simulated Tindeq Progressor: a load cell of one side over Bluetooth LE, 80 samples a second.

Notifications are u8 tag, u8 length, value. Weight is n x {f32 kg, u32 us}; the microseconds wrap after 71.6 minutes,
and the clock starts three seconds before that.
"""

from __future__ import annotations

from collections.abc import Callable
from enum import IntEnum
from struct import pack
from typing import Final

import numpy as np

from protocols import gatt
from protocols.events import Side
from simulators.ble_peripheral import NOTIFY, WRITE, Characteristic, Service
from simulators.scenarios import Session

RATE: Final = 80.0  # Hz
MOST: Final = 15  # samples in a notification
TOGETHER: Final = 8  # samples that are sent together, so ten notifications a second
WRAP: Final = 2**32  # us
BEFORE_WRAP: Final = 3_000_000  # us
ANSWER, WEIGHT = 0, 1  # tags
BATTERY_MV: Final = 3700
FIRMWARE: Final = b"1.2.3.4"
STANDARD_GRAVITY: Final = 9.80665  # m/s2


class Command(IntEnum):
    """What it can be told, in one byte."""

    TARE = 0x64
    START = 0x65
    STOP = 0x66
    VERSION = 0x6B
    ERROR_INFO = 0x6C
    CLEAR_ERROR = 0x6D
    SLEEP = 0x6E
    BATTERY = 0x6F


class TindeqPeripheral:
    """One Progressor in the air."""

    services = (
        Service(
            gatt.TINDEQ.service,
            (Characteristic(gatt.TINDEQ.notify, NOTIFY), Characteristic(gatt.TINDEQ.write, WRITE)),
        ),
    )

    def __init__(
        self, weight: Callable[[float], float], *, now: float, address: str, name: str = "Progressor_1234"
    ) -> None:
        """`weight`: kg at s since it was switched on, which was at `now` (host monotonic s)."""
        self.address, self.name, self.mtu = address, name, 247
        self._weight, self._switched_on = weight, now
        self._zero = 0.0
        self._next: int | None = None  # sample since it was switched on; None: not measuring
        self._asleep = False
        self._answers: list[bytes] = []

    def in_sight(self, now: float) -> bool:
        """Whether it is awake."""
        del now
        return not self._asleep

    def read(self, uuid: str) -> bytes:
        """Nothing can be read; all answers are notifications."""
        raise KeyError(uuid)

    def write(self, uuid: str, data: bytes, now: float) -> None:
        """Take a command of one byte."""
        if uuid != gatt.TINDEQ.write or not data:
            return
        age = now - self._switched_on
        match data[0]:
            case Command.TARE:
                self._zero = self._weight(age)
            case Command.START:
                self._next = int(age * RATE) + 1
            case Command.STOP:
                self._next = None
            case Command.VERSION:
                self._answer(FIRMWARE)
            case Command.ERROR_INFO:
                self._answer(b"")
            case Command.SLEEP:
                self._asleep = True
            case Command.BATTERY:
                self._answer(pack("<I", BATTERY_MV))

    def notifications(self, now: float) -> list[tuple[str, bytes]]:
        """Answers, and the samples that are due."""
        out, self._answers = self._answers, []
        while self._next is not None and (self._next + TOGETHER - 1) / RATE <= now - self._switched_on:
            samples = b"".join(self._sample(k) for k in range(self._next, self._next + TOGETHER))
            out.append(bytes((WEIGHT, len(samples))) + samples)
            self._next += TOGETHER
        return [(gatt.TINDEQ.notify, each) for each in out]

    def disconnected(self) -> None:
        """It stops measuring."""
        self._next = None

    def _sample(self, k: int) -> bytes:
        age = k / RATE
        us = (WRAP - BEFORE_WRAP + round(age * 1e6)) % WRAP
        return pack("<fI", self._weight(age) - self._zero, us)

    def _answer(self, value: bytes) -> None:
        self._answers.append(bytes((ANSWER, len(value))) + value)


def session_weight(session: Session, side: Side) -> Callable[[float], float]:
    """The load on one cable of a session that is played over and over, kg at s."""
    channel = f"{side}_force_n"

    def weight(age: float) -> float:
        return float(session.values(channel, np.array([age % session.duration]))[0]) / STANDARD_GRAVITY

    return weight

"""Bluetooth LE: the services and characteristics of the boards that are known here.

A notification or a write carries one message as it is. The 16-bit numbers are the Bluetooth SIG's.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from protocols import tindeq

ATT_HEADER: Final = 3  # bytes of a notification or a write that are no payload
LEAST_MTU: Final = 23  # bytes; what every connection begins with
LONGEST_VALUE: Final = 512  # bytes of a characteristic


def sig(number: int) -> str:
    """The UUID of a 16-bit number."""
    return f"0000{number:04x}-0000-1000-8000-00805f9b34fb"


@dataclass(frozen=True, slots=True, kw_only=True)
class Profile:
    """Where a kind of board talks and listens. info: read once a connection, None: it has none."""

    service: str
    notify: str
    write: str
    info: str | None = None


CABLELINK: Final = Profile(
    service="c0de0001-5a7e-4c1b-9f00-0000cab1e000",
    notify="c0de0002-5a7e-4c1b-9f00-0000cab1e000",
    write="c0de0003-5a7e-4c1b-9f00-0000cab1e000",
    info="c0de0004-5a7e-4c1b-9f00-0000cab1e000",
)
TINDEQ: Final = Profile(service=tindeq.SERVICE, notify=tindeq.NOTIFY, write=tindeq.WRITE)
PROFILES: Final = {"cablelink": CABLELINK, "tindeq": TINDEQ}  # by driver

DEVICE_INFORMATION: Final = sig(0x180A)
MODEL: Final = sig(0x2A24)
SERIAL: Final = sig(0x2A25)
FIRMWARE: Final = sig(0x2A26)
MANUFACTURER: Final = sig(0x2A29)
BATTERY: Final = sig(0x180F)
BATTERY_LEVEL: Final = sig(0x2A19)  # u8, percent

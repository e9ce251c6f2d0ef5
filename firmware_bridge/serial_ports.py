"""The serial ports of this machine: their names, and what USB says of whatever is plugged in."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Final

from serial.tools import list_ports

BY_ID: Final = Path("/dev/serial/by-id")
KNOWN: Final[dict[tuple[int, int | None], str]] = {
    (0x0403, None): "an FTDI adapter (Chronojump's devices, many boards)",
    (0x10C4, 0xEA60): "a CP210x adapter (many ESP32 boards)",
    (0x1A86, None): "a CH340 adapter (many Arduino and ESP32 boards)",
    (0x303A, None): "an ESP32 with USB of its own",
    (0x2E8A, None): "a Raspberry Pi Pico",
    (0x2341, None): "an Arduino",
    (0x16C0, 0x0483): "a Teensy",
    (0x0483, 0x5740): "an STM32 with USB of its own",
}
"""By USB vendor and product, None: any of its. They name the adapter; what speaks behind it only shows when asked."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SerialPort:
    """One port. stable: its name by the device's own id, which stays over another socket and a restart."""

    path: str
    stable: str | None
    what: str
    usb: str | None  # vendor:product, hexadecimal

    @property
    def name(self) -> str:
        """The one to write into a configuration."""
        return self.stable or self.path


def serial_ports(*, by_id: Path = BY_ID) -> list[SerialPort]:
    """All ports that have something behind them, by path."""
    stable = stable_names(by_id)
    found = []
    for each in sorted(list_ports.comports(), key=lambda port: str(port.device)):
        is_usb = each.vid is not None and each.pid is not None
        found.append(
            SerialPort(
                path=each.device,
                stable=stable.get(each.device),
                what=kind_of(each.vid, each.pid, said=each.product) if is_usb else "no USB; a port of the machine",
                usb=f"{each.vid:04x}:{each.pid:04x}" if is_usb else None,
            )
        )
    return found


def kind_of(vendor: int, product: int, *, said: str | None = None) -> str:
    """What USB ids tell; said: how the device calls itself."""
    known = KNOWN.get((vendor, product)) or KNOWN.get((vendor, None)) or "unknown here"
    return f"{known}, says {said!r}" if said else known


def stable_names(folder: Path) -> dict[str, str]:
    """The names below a folder of links, by the device that each leads to."""
    if not folder.is_dir():
        return {}
    return {str(link.resolve()): str(link) for link in sorted(folder.iterdir(), reverse=True)}

"""What could be a board here: serial ports with their names, and boards in the air by the service that they offer."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Final

from rich.console import Console
from rich.table import Table

from controller.config import GymConfig
from firmware_bridge.ble_radio import Radio
from firmware_bridge.ble_sought import Sought, sought
from firmware_bridge.drivers import DRIVERS, device_of
from firmware_bridge.link import LinkError
from firmware_bridge.serial_ports import SerialPort, serial_ports
from protocols.gatt import PROFILES

URL: Final = "ble:"


@dataclass(frozen=True, slots=True, kw_only=True)
class Device:
    """One line: the URL to configure, what it is, and which board of the configuration it is, None: none of them."""

    url: str
    what: str
    board: str | None


async def devices(gym: GymConfig | None, *, scan_s: float | None, console: Console) -> None:
    """Show what is there; scan_s: how long Bluetooth is listened to, s, None: not at all."""
    _show("serial ports", serial_devices(gym, serial_ports()), console, none="no serial ports")
    if scan_s is None:
        return
    try:
        found = await ble_devices(gym, seconds=scan_s)
    except LinkError as error:
        console.print(str(error), markup=False, highlight=False, soft_wrap=True)
        return
    _show("Bluetooth", found, console, none=f"Bluetooth: no board advertised within {scan_s:g} s")


def serial_devices(gym: GymConfig | None, ports: list[SerialPort]) -> list[Device]:
    """The ports, and what a configuration names beside them."""
    users: dict[str, list[str]] = {}
    urls: dict[str, str] = {}
    for name, url in _boards(gym):
        path = device_of(url)
        if path is not None:
            real = str(Path(path).resolve())
            users.setdefault(real, []).append(name)
            urls[real] = url
    found = []
    for port in ports:
        names = users.pop(str(Path(port.path).resolve()), [])
        usb = f" ({port.usb})" if port.usb is not None else ""
        found.append(Device(url=f"serial://{port.name}", what=port.what + usb, board=", ".join(names) or None))
    for real, names in users.items():
        what = "configured; no USB device" if Path(real).exists() else "configured, and not there; is it plugged in?"
        found.append(Device(url=urls[real], what=what, board=", ".join(names)))
    return found


async def ble_devices(gym: GymConfig | None, *, seconds: float) -> list[Device]:
    """The boards that advertise a service known here. Raises LinkError where there is no Bluetooth."""
    drivers = list(PROFILES)
    missing = {name: url for name, url in _boards(gym) if _named(url) is not None}
    wanted = [sought(URL, service=PROFILES[driver].service) for driver in drivers]
    found = []
    for driver, seen in zip(drivers, await Radio().around(wanted, seconds=seconds), strict=True):
        for device in seen:
            named = f", named {device.name!r}" if device.name else ""
            what = f'{DRIVERS[driver].can.name}{named}; driver = "{driver}"'
            users = [board for board, url in _boards(gym) if _fits(url, device.address, device.name)]
            for board in users:
                missing.pop(board, None)
            found.append(Device(url=f"ble://{device.address}", what=what, board=", ".join(users) or None))
    found += [
        Device(url=url, what="configured, and not seen; is it on and near?", board=b) for b, url in missing.items()
    ]
    return found


def _named(url: str) -> Sought | None:
    """What a URL looks for by address or name; by a service alone nobody can tell which it is."""
    if not url.startswith("ble:"):
        return None
    wanted = sought(url, service=PROFILES["cablelink"].service)
    return wanted if wanted.address is not None or wanted.name is not None else None


def _fits(url: str, address: str, name: str | None) -> bool:
    wanted = _named(url)
    return wanted is not None and wanted.fits(address, name, [])


def _boards(gym: GymConfig | None) -> list[tuple[str, str]]:
    """Station and board, and the URL, of each."""
    stations = gym.station if gym is not None else []
    return [(f"{station.id}/{board.id}", board.url) for station in stations for board in station.board]


def _show(title: str, found: list[Device], console: Console, *, none: str) -> None:
    if not found:
        console.print(none, markup=False, highlight=False, soft_wrap=True)
        return
    table = Table("url", "what it is", "used by", title=title, title_justify="left")
    table.columns[0].overflow = "fold"
    for each in found:
        table.add_row(each.url, each.what, each.board or "")
    console.print(table, markup=False, highlight=False)

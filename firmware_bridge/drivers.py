"""Which protocol and which link a configuration names."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Final
from urllib.parse import parse_qs, urlsplit

from msgspec import Meta, Struct

from firmware_bridge.ble_link import open_ble
from firmware_bridge.ble_radio import Radio
from firmware_bridge.ble_sought import sought
from firmware_bridge.cablelink_commander import CablelinkCommander
from firmware_bridge.cablelink_reader import CablelinkReader
from firmware_bridge.link import Link
from firmware_bridge.serial_link import open_serial
from firmware_bridge.tcp_link import open_tcp
from protocols.framing import Wire
from protocols.gatt import PROFILES

DRIVERS: Final = ("cablelink",)
BAUD: Final = 921_600


class BoardConfig(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One board: how to reach it and what it speaks. rate_hz, batch: None leaves them as the board says."""

    id: Annotated[str, Meta(pattern=r"^[a-z0-9-]+\Z")]
    url: str
    driver: str = "cablelink"
    rate_hz: Annotated[int, Meta(ge=1, le=10_000)] | None = None
    batch: Annotated[int, Meta(ge=1, le=255)] | None = None


@dataclass(frozen=True, slots=True)
class Driver:
    """The two halves of a protocol: what comes in, what goes out."""

    reader: CablelinkReader
    commander: CablelinkCommander


def make_driver(config: BoardConfig) -> Driver:
    """A fresh driver, for what the board's link carries. Raises ValueError for an unknown name."""
    if config.driver not in DRIVERS:
        raise ValueError(f"there is no driver {config.driver!r}; known: {', '.join(DRIVERS)}")
    wire = wire_of(config.url)
    return Driver(CablelinkReader(wire), CablelinkCommander(wire))


def wire_of(url: str) -> Wire:
    """What the link that a URL names carries."""
    return "messages" if _is_ble(url) else "stream"


def check_url(url: str, *, driver: str = "cablelink") -> None:
    """Raise ValueError, saying what is wrong, when no link can be made of a URL."""
    if _is_ble(url):
        if driver not in PROFILES:
            raise ValueError(f"{url}: driver {driver} is not known over Bluetooth; known: {', '.join(PROFILES)}")
        sought(url, service=PROFILES[driver].service)
    else:
        _parsed(url)


def _is_ble(url: str) -> bool:
    return urlsplit(url).scheme == "ble"


def _parsed(url: str) -> tuple[str, str, int]:
    """Scheme, device path or host, and baud rate or port."""
    parts = urlsplit(url)
    if parts.scheme == "serial":
        path = parts.netloc + parts.path
        if not path.startswith("/"):
            raise ValueError(f"{url}: a serial URL names a device, as in serial:///dev/ttyUSB0?baud=921600")
        query = parse_qs(parts.query)
        unknown = sorted(set(query) - {"baud"})
        if unknown:
            raise ValueError(f"{url}: {unknown[0]!r} is no option; only baud is")
        baud = query.get("baud", [str(BAUD)])[-1]
        if not baud.isdigit() or int(baud) == 0:
            raise ValueError(f"{url}: baud={baud} is no rate")
        return "serial", path, int(baud)
    if parts.scheme == "tcp":
        try:
            port = parts.port
        except ValueError:
            port = None
        if not parts.hostname or not port:
            raise ValueError(f"{url}: a TCP URL names host and port, as in tcp://192.0.2.7:5000")
        return "tcp", parts.hostname, port
    raise ValueError(f"{url}: a board is reached by serial://, tcp:// or ble:")


async def open_link(url: str, *, driver: str = "cablelink", radio: Radio | None = None) -> Link:
    """Open the link that a URL names; radio: the Bluetooth that all links of the program share.

    Raises LinkError when it cannot be opened, ValueError for a wrong URL.
    """
    if _is_ble(url):
        profile = PROFILES[driver]
        return await open_ble(sought(url, service=profile.service), profile=profile, radio=radio or Radio())
    scheme, where, number = _parsed(url)
    if scheme == "serial":
        return await open_serial(where, baud=number)
    return await open_tcp(where, port=number)

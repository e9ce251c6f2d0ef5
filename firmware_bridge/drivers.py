"""Which protocol and which link a configuration names. A driver is an entry in DRIVERS."""

from __future__ import annotations

import difflib
from collections.abc import Callable
from dataclasses import dataclass, replace
from math import hypot
from typing import Annotated, Final
from urllib.parse import parse_qs, urlsplit

from msgspec import Meta, Struct

from firmware_bridge.ble_link import open_ble
from firmware_bridge.ble_radio import Radio
from firmware_bridge.ble_sought import sought
from firmware_bridge.board_clock import ONE_WAY
from firmware_bridge.cablelink_commander import CablelinkCommander
from firmware_bridge.cablelink_reader import CablelinkReader
from firmware_bridge.device_commander import DeviceCommander
from firmware_bridge.device_reader import DeviceReader
from firmware_bridge.link import Link
from firmware_bridge.messages import Identity
from firmware_bridge.protocol import Capabilities, Driver, Scheme
from firmware_bridge.serial_link import open_serial
from firmware_bridge.tcp_link import open_tcp
from protocols import chronojump
from protocols.ascii_line import AsciiLine
from protocols.device import Dialect
from protocols.framing import Wire
from protocols.gatt import CABLELINK, PROFILES
from protocols.sample_lines import LineFormat
from protocols.tindeq import Tindeq

BAUD: Final = 921_600
MOST_BAUD: Final = 2**31 - 1  # what the kernel's field of a rate holds
STREAMS: Final[frozenset[Scheme]] = frozenset({"serial", "tcp"})
BLE_ONE_WAY: Final = (
    0.005  # s; what is left of a connection interval and the radio where the luckiest frame is looked at
)
LINE_BYTES: Final = 20  # of a sample; it has been taken before it goes over the wire


class LineConfig(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What stands in the lines of a device that prints them; see protocols.sample_lines for the columns."""

    columns: Annotated[list[str], Meta(min_length=1)]
    separator: str = ";"

    def format(self) -> LineFormat:
        """As the protocol takes it."""
        return LineFormat(tuple(self.columns), self.separator)


class BoardConfig(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One board: how to reach it and what it speaks. rate_hz, batch: None leaves them as the board says."""

    id: Annotated[str, Meta(pattern=r"^[a-z0-9-]+\Z")]
    url: str
    driver: str = "cablelink"
    rate_hz: Annotated[int, Meta(ge=1, le=10_000)] | None = None
    batch: Annotated[int, Meta(ge=1, le=255)] | None = None
    line: LineConfig | None = None  # for ascii-line


@dataclass(frozen=True, slots=True, kw_only=True)
class DriverKind:
    """One driver. dialect: a fresh one as a board's configuration asks for it, None: cablelink's own two halves.

    one_way: standard uncertainty of what a sample takes on its way at best, s, where no ping bounds it.
    """

    can: Capabilities
    dialect: Callable[[BoardConfig], Dialect] | None
    one_way: float = ONE_WAY


def _ascii_line(config: BoardConfig) -> AsciiLine:
    assert config.line is not None
    return AsciiLine(config.line.format(), rate_hz=float(config.rate_hz or 1))


_FOREIGN: Final = Capabilities(
    name="",
    links=STREAMS,
    baud=chronojump.BAUD,
    tares=False,
    identifies=False,
    has_clock=True,
    stops=True,
    takes_rate=False,
    says_loss=True,
    checks_frames=False,
    is_experimental=True,
)

DRIVERS: Final[dict[str, DriverKind]] = {
    "cablelink": DriverKind(
        can=Capabilities(
            name="a cablelink board",
            links=frozenset({"serial", "tcp", "ble"}),
            baud=BAUD,
            tares=True,
            identifies=True,
            has_clock=True,
            stops=True,
            takes_rate=True,
            says_loss=True,
            checks_frames=True,
            is_experimental=False,
        ),
        dialect=None,
    ),
    "tindeq": DriverKind(
        can=replace(_FOREIGN, name="a Tindeq Progressor", links=frozenset({"ble"}), tares=True, checks_frames=True),
        dialect=lambda _: Tindeq(),
        one_way=BLE_ONE_WAY,
    ),
    "chronojump-force": DriverKind(
        can=replace(_FOREIGN, name="a Chronojump force sensor", tares=True, answers_after=chronojump.WITHIN),
        dialect=lambda _: chronojump.ChronojumpForce(),
    ),
    "chronojump-four": DriverKind(
        can=replace(_FOREIGN, name="a Chronojump board of four cells", answers_after=chronojump.WITHIN),
        dialect=lambda _: chronojump.ChronojumpFour(),
    ),
    "chronojump-encoder": DriverKind(
        can=replace(_FOREIGN, name="a Chronojump encoder", has_clock=False, stops=False),
        dialect=lambda _: chronojump.ChronojumpEncoder(),
    ),
    "ascii-line": DriverKind(
        can=replace(_FOREIGN, name="a device that prints lines", stops=False), dialect=_ascii_line
    ),
}


def make_driver(config: BoardConfig) -> Driver:
    """A fresh driver. Raises ValueError for an unknown name, or options that do not go with it."""
    kind = DRIVERS.get(config.driver)
    if kind is None:
        near = difflib.get_close_matches(config.driver, DRIVERS, n=1)
        hint = f"did you mean {near[0]!r}?" if near else f"known: {', '.join(DRIVERS)}"
        raise ValueError(f"driver: there is no driver {config.driver!r}; {hint}")
    problem = options_problem(config)
    if problem is not None:
        raise ValueError(problem)
    if kind.dialect is None:
        wire = wire_of(config.url)
        return Driver(CablelinkReader(wire), CablelinkCommander(wire), kind.can)
    dialect = kind.dialect(config)
    can = kind.can
    if config.line is not None:
        can = replace(can, has_clock=config.line.format().has_time)
    one_way = kind.one_way
    if "ble" not in can.links:
        one_way = hypot(one_way, LINE_BYTES * 10 / _baud(config.url, can.baud))
    reader = DeviceReader(dialect, has_clock=can.has_clock, one_way=one_way, experimental=can.is_experimental)
    return Driver(reader, DeviceCommander(dialect), can)


def expected_rate(config: BoardConfig, identity: Identity) -> int | None:
    """The samples a second that a board should send, Hz; None where neither it nor its configuration says."""
    if config.driver == "ascii-line" and config.rate_hz is None:
        return None  # its lines bear their times, and it says nothing of itself
    return config.rate_hz or identity.rate_hz or None


def options_problem(config: BoardConfig) -> str | None:
    """What of a board's options does not go with its driver, None when all does. The driver is one of DRIVERS."""
    can = DRIVERS[config.driver].can
    if config.driver == "ascii-line":
        return _line_problem(config)
    if config.line is not None:
        return f"line: {can.name} has its own format; only ascii-line is told one"
    for name in ("rate_hz", "batch") if not can.takes_rate else ():
        if getattr(config, name) is not None:
            return f"{name}: {can.name} cannot be told it; leave it out"
    return None


def _line_problem(config: BoardConfig) -> str | None:
    if config.line is None:
        return 'line: it has to be said what stands in a line, as in line = { columns = ["time_us", "left_force_n"] }'
    problem = config.line.format().problem()
    if problem is not None:
        return f"line: {problem}"
    if config.batch is not None:
        return "batch: a device that prints lines cannot be told it; leave it out"
    if not config.line.format().has_time and config.rate_hz is None:
        return "rate_hz: the lines bear no time, so it has to be said how many come in a second"
    return None


def link_problem(config: BoardConfig) -> str | None:
    """Why its driver cannot be reached by a board's URL, None when it can. The URL is one that check_url takes."""
    can = DRIVERS[config.driver].can
    if urlsplit(config.url).scheme in can.links:
        return None
    return f"{config.url}: {can.name} is reached by {' or '.join(f'{each}://' for each in sorted(can.links))}"


def _baud(url: str, usual: int) -> int:
    parts = urlsplit(url)
    said = parse_qs(parts.query).get("baud", [""])[-1] if parts.scheme == "serial" else ""
    return _rate(said) or usual


def _rate(said: str) -> int | None:
    """A baud rate as it stands in a URL, None when it is none that a port can have."""
    rate = int(said) if said.isascii() and said.isdigit() else 0
    return rate if 0 < rate <= MOST_BAUD else None


def wire_of(url: str) -> Wire:
    """What the link that a URL names carries."""
    return "messages" if is_ble(url) else "stream"


def check_url(url: str) -> None:
    """Raise ValueError, saying what is wrong, when no link can be made of a URL."""
    if is_ble(url):
        sought(url, service=CABLELINK.service)
    else:
        _parsed(url)


def device_of(url: str) -> str | None:
    """The serial device that a URL names, None where it names none. The URL is one that check_url takes."""
    return _parsed(url)[1] if urlsplit(url).scheme == "serial" else None


def is_ble(url: str) -> bool:
    """Whether a URL names a board in the air."""
    return urlsplit(url).scheme == "ble"


def _parsed(url: str, *, baud: int = BAUD) -> tuple[str, str, int]:
    """Scheme, device path or host, and baud rate or port; baud: where the URL says none."""
    parts = urlsplit(url)
    if parts.scheme == "serial":
        path = parts.netloc + parts.path
        if not path.startswith("/"):
            raise ValueError(f"{url}: a serial URL names a device, as in serial:///dev/ttyUSB0?baud=921600")
        query = parse_qs(parts.query)
        unknown = sorted(set(query) - {"baud"})
        if unknown:
            raise ValueError(f"{url}: {unknown[0]!r} is no option; only baud is")
        said = query.get("baud", [str(baud)])[-1]
        rate = _rate(said)
        if rate is None:
            raise ValueError(f"{url}: baud={said} is no rate")
        return "serial", path, rate
    if parts.scheme == "tcp":
        try:
            port = parts.port
        except ValueError:
            port = None
        if not parts.hostname or not port:
            raise ValueError(f"{url}: a TCP URL names host and port, as in tcp://192.0.2.7:5000")
        return "tcp", parts.hostname, port
    raise ValueError(f"{url}: a board is reached by serial://, tcp:// or ble:")


async def open_link(url: str, *, baud: int = BAUD, driver: str = "cablelink", radio: Radio | None = None) -> Link:
    """Open the link that a URL names; baud: of a serial port whose URL says none.

    driver: who is looked for over Bluetooth; radio: the Bluetooth that all links of the program share.
    Raises LinkError when it cannot be opened, ValueError for a wrong URL.
    """
    if is_ble(url):
        profile = PROFILES[driver]
        return await open_ble(sought(url, service=profile.service), profile=profile, radio=radio or Radio())
    scheme, where, number = _parsed(url, baud=baud)
    if scheme == "serial":
        return await open_serial(where, baud=number)
    return await open_tcp(where, port=number)

"""What a `ble:` URL looks for: one board by its address, by its name, or whichever offers a service."""

from __future__ import annotations

import re
from collections.abc import Collection
from dataclasses import dataclass
from typing import Final
from urllib.parse import parse_qs, urlsplit

_ADDRESS: Final = re.compile(r"[0-9A-F]{2}(:[0-9A-F]{2}){5}\Z")
_UUID: Final = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}\Z")
_EXAMPLES: Final = "ble://AA:BB:CC:DD:EE:FF, ble:?name=… or ble:?service=…"


@dataclass(frozen=True, slots=True, kw_only=True)
class Sought:
    """Which board is looked for. Without address and name it is any that offers the service."""

    url: str
    service: str
    address: str | None = None
    name: str | None = None

    @property
    def label(self) -> str:
        """The URL, as what a line begins with."""
        return self.url.removesuffix(":")

    def fits(self, address: str, name: str | None, services: Collection[str]) -> bool:
        """Whether this is it, by what it advertises."""
        if self.address is not None:
            return address.upper() == self.address
        if self.name is not None:
            return name == self.name
        return self.service in services


def sought(url: str, *, service: str) -> Sought:
    """What a URL looks for; service: of the board's driver, where the URL names none. Raises ValueError."""
    parts = urlsplit(url)
    query = parse_qs(parts.query, keep_blank_values=True)
    unknown = sorted(set(query) - {"service", "name"})
    if unknown:
        raise ValueError(f"{url}: {unknown[0]!r} is no option; only service and name are")
    address = parts.netloc.upper() or None
    name = query["name"][-1] if "name" in query else None
    if (address is not None and not _ADDRESS.match(address)) or name == "" or parts.path.strip("/"):
        raise ValueError(f"{url}: a board is named as in {_EXAMPLES}")
    if address is not None and name is not None:
        raise ValueError(f"{url}: an address and a name; take one of them")
    wanted = query["service"][-1].lower() if "service" in query else service
    if not _UUID.match(wanted):
        raise ValueError(f"{url}: {wanted!r} is no UUID of 32 digits, as in {service}")
    return Sought(url=url, service=wanted, address=address, name=name)

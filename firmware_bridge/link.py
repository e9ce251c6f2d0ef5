"""The shape of a link: chunks come in, bytes go out, and a loss is raised."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol


class LinkError(Exception):
    """The link is lost, or could not be opened; the message says what to do."""


@dataclass(frozen=True, slots=True)
class Chunk:
    """Bytes as they arrived together, stamped once, at arrival.

    received_at is host monotonic time in seconds.
    """

    received_at: float
    data: bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class About:
    """What a board says of itself to its link, beside its protocol; None: it does not say."""

    address: str | None = None
    name: str | None = None
    manufacturer: str | None = None
    model: str | None = None
    serial: str | None = None
    firmware: str | None = None
    battery_pct: int | None = None


class Link(Protocol):
    """One way to a board. Opened by the function that makes it; used by one task."""

    @property
    def about(self) -> About | None:
        """What the board says of itself to the link, as it stands now; None on a link that knows no such thing."""

    async def receive(self) -> Chunk:
        """Return the next bytes. Raises LinkError when the link is lost."""

    async def send(self, data: bytes) -> None:
        """Send all bytes. Raises LinkError when the link is lost."""

    async def close(self) -> None:
        """Close; harmless when closed already. Never raises."""

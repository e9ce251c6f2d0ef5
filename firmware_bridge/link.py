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


class Link(Protocol):
    """One way to a board. Opened by the function that makes it; used by one task."""

    async def receive(self) -> Chunk:
        """Return the next bytes. Raises LinkError when the link is lost."""

    async def send(self, data: bytes) -> None:
        """Send all bytes. Raises LinkError when the link is lost."""

    async def close(self) -> None:
        """Close; harmless when closed already. Never raises."""

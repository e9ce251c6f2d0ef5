"""The shape of an adapter: it sees every payload and says what is to be published besides, and how."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Literal, Protocol

from msgspec import Struct

Care = Literal["event", "retained", "latest"]


@dataclass(frozen=True, slots=True)
class Outgoing:
    """One message. care: an event is never lost, of the others the latest counts.

    name: of the messages of one name the latest counts; an event's tells it from the others made of the same event.
    An empty retained payload takes back what was retained.
    """

    topic: str
    payload: bytes
    care: Care
    name: str


class Adapter(Protocol):
    """Pure: it is asked, and answers; who publishes is not its concern."""

    @property
    def patterns(self) -> Sequence[str]:
        """What it wants to hear; a broker may refuse."""

    def offered(self, station: str, kind: str, payload: Struct) -> Iterable[Outgoing]:
        """What a payload of ours makes it say."""

    def connected(self) -> Iterable[Outgoing]:
        """What it says at each connect."""

    def heard(self, topic: str, payload: bytes, *, retained: bool) -> Iterable[Outgoing]:
        """What somebody else's message makes it say; topic: any that the publisher has subscribed to."""

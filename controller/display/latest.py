"""What a screen needs to know of a station: the newest payload of each slot, and who has not seen it yet.

A screen that cannot keep up is never queued for. It remembers which slots changed since it last wrote, and reads
their values when it writes again, so that it skips what is out of date and its memory has a bound.
"""

from __future__ import annotations

import asyncio
from typing import Annotated, Final, Literal

import msgspec
from msgspec import Struct

from protocols.events import VERSION, Fault, Rep, field

Kind = Literal[
    "state", "telemetry", "rep", "pair", "set", "comparison", "session", "cue", "fault", "info", "health", "status"
]
KINDS: Final = frozenset(Kind.__args__)  # type: ignore[attr-defined]  # a Literal's words
GLANCE: Final = frozenset({"state", "telemetry", "info", "health", "status"})  # what the list of stations shows

REPS_KEPT: Final = 32  # a side; the bars of one set
FAULTS_KEPT: Final = 32  # names and sides; the oldest goes first
SLOTS: Final = len(KINDS) + 2 * REPS_KEPT + FAULTS_KEPT  # of a station, at most


class StationView(Struct, frozen=True, kw_only=True):
    """A station that the display shows."""

    id: str
    name: str


class Status(Struct, frozen=True, kw_only=True):
    """Whether the station's boards are there; on MQTT it is the bare word."""

    v: int = VERSION
    ts: Annotated[int, field("wall time at which it became so, Unix", "ms")]
    status: Literal["online", "offline"]
    detail: Annotated[str, field("which board, and since what, for a person")] = ""


class Item(Struct, frozen=True):
    """One payload and when it was offered, in seconds of the host's monotonic clock."""

    kind: str
    payload: Struct
    offered_at: float


class Envelope(Struct, frozen=True):
    """One message to the page. age_ms tells a snapshot of long ago from news."""

    station: str
    kind: str
    age_ms: int
    payload: Struct


_encoder = msgspec.json.Encoder()


def server_sent(payload: Struct) -> bytes:
    """A payload as one server-sent event; its JSON is one line."""
    return b"data: " + _encoder.encode(payload) + b"\n\n"


def slot(kind: str, payload: Struct) -> str:
    """The name of the place that a payload takes; a later one of the same name replaces it."""
    if isinstance(payload, Rep):
        return f"rep {payload.side} {payload.rep % REPS_KEPT}"
    if isinstance(payload, Fault):
        return f"fault {payload.name} {payload.side}"
    return kind


class Latest:
    """The newest payload of each slot of one station, oldest first."""

    def __init__(self) -> None:
        self.items: dict[str, Item] = {}

    def put(self, item: Item) -> str:
        """Keep an item in the place of the one before, and return its slot."""
        name = slot(item.kind, item.payload)
        self.items.pop(name, None)
        self.items[name] = item
        if item.kind == "fault":
            self._bound_faults()
        return name

    def _bound_faults(self) -> None:
        """Forget a fault that is over before one that stands."""
        faults = [(name, item.payload) for name, item in self.items.items() if item.kind == "fault"]
        if len(faults) > FAULTS_KEPT:
            over = [name for name, payload in faults[:-1] if isinstance(payload, Fault) and not payload.raised]
            del self.items[over[0] if over else faults[0][0]]


class Client:
    """One open page: the slots it has not seen, in the order in which they changed."""

    def __init__(self, stations: dict[str, Latest], kinds: frozenset[str] = KINDS) -> None:
        """Begin with everything that is known, as the snapshot."""
        self.stations = stations
        self.kinds = kinds
        self.news = asyncio.Event()
        self.closing = False
        self._unseen: dict[tuple[str, str], None] = {}
        for station, latest in stations.items():
            for name, item in latest.items.items():
                self.notice(station, item.kind, name)

    def __len__(self) -> int:
        return len(self._unseen)

    def notice(self, station: str, kind: str, name: str) -> None:
        """Remember that a slot changed."""
        if station in self.stations and kind in self.kinds:
            self._unseen.pop((station, name), None)
            self._unseen[station, name] = None
            self.news.set()
            if len(self._unseen) > SLOTS * len(self.stations):
                self._unseen = {key: None for key in self._unseen if key[1] in self.stations[key[0]].items}

    def close(self) -> None:
        """Make the page's stream end."""
        self.closing = True
        self.news.set()

    def take(self, now: float) -> bytes:
        """What this page has not seen, as server-sent events; now in seconds of the host's monotonic clock."""
        unseen, self._unseen = self._unseen, {}
        self.news.clear()
        lines = []
        for station, name in unseen:
            item = self.stations[station].items.get(name)
            if item is not None:  # else a fault beyond the bound
                age_ms = max(0, round((now - item.offered_at) * 1000))
                lines.append(server_sent(Envelope(station, item.kind, age_ms, item.payload)))
        return b"".join(lines)

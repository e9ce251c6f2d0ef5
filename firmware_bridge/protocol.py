"""What a driver is to the rest: a reader, a commander, and what the device can, declared.

A board's life asks nothing of a protocol but this. What a device cannot, its commander answers with None.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, NamedTuple, Protocol

from firmware_bridge.link import Chunk
from firmware_bridge.messages import ClockState, Identity, Message, ReaderCounters

Scheme = Literal["serial", "tcp", "ble"]


class Command(NamedTuple):
    """Bytes that let a device do something.

    key: what its answer (Acknowledged.of_sequence) names, None where it answers nothing. within: s in which it answers,
    None: as fast as boards of ours.
    """

    key: int | None
    data: bytes
    within: float | None = None


class Reader(Protocol):
    """One link's bytes to messages. What it knows follows from the chunks alone."""

    def link_up(self) -> None:
        """The link opened: half a frame is worth nothing, and the device may be another one by now."""

    def feed(self, chunk: Chunk) -> list[Message]:
        """Take bytes, return the messages that they completed."""

    def introduction(self) -> tuple[bytes, ...]:
        """Chunks from which a new reader learns what this one knows of the device; none where samples alone do."""

    @property
    def counters(self) -> ReaderCounters:
        """What has come in."""

    @property
    def clocks(self) -> dict[int, ClockState]:
        """The state of each source's clock."""


class Commander(Protocol):
    """What a device is told, as bytes; None where it cannot be told."""

    def who(self) -> bytes | None:
        """Ask what it is."""

    def start(self, identity: Identity, *, rate_hz: int | None, batch: int | None) -> Command | None:
        """Begin to stream; None as a rate or a batch: as it says of itself."""

    def stop(self, source: int) -> Command | None:
        """End streaming."""

    def tare(self, source: int, *, samples: int) -> Command | None:
        """Let it tare."""

    def identify(self, source: int, *, seconds: int) -> Command | None:
        """Let it show itself."""

    def ping(self, source: int, *, now: float) -> bytes | None:
        """What is sent about once a second; now: host monotonic, s."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Capabilities:
    """What a device can and how it is reached. name: as a person says it, with its article."""

    name: str
    links: frozenset[Scheme]
    baud: int
    tares: bool
    identifies: bool
    has_clock: bool  # else its samples are counted
    stops: bool
    takes_rate: bool  # rate_hz and batch are what it is told, and not only what it does
    says_loss: bool  # what is missing shows, by a sequence or by its times
    checks_frames: bool  # damage shows, by a check of the protocol's or of the link's
    is_experimental: bool  # not tried on hardware here
    answers_after: float = 0.0  # s that it may be silent over a command


@dataclass(frozen=True, slots=True)
class Driver:
    """The two halves of a protocol, and what it can."""

    reader: Reader
    commander: Commander
    capabilities: Capabilities

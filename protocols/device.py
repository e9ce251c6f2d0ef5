"""What devices of other makers say and are told, in the few words that all of them share.

A dialect is one device's protocol: bytes in, these values out; commands by name to bytes. It knows no clock and no
link, keeps at most part of one message, and never raises over what comes in.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final, Literal, Protocol

CommandName = Literal["who", "start", "stop", "tare", "battery"]
COMMANDS: Final[tuple[CommandName, ...]] = ("who", "start", "stop", "tare", "battery")
LARGEST: Final = 1e9  # counts; a number beyond is none that a sensor gives


@dataclass(frozen=True, slots=True, kw_only=True)
class DeviceChannel:
    """One channel: nominally counts * scale, in N or m. side: None where the device does not know it."""

    kind: Literal["force", "position"]
    scale: float
    side: Literal["left", "right"] | None = None


@dataclass(frozen=True, slots=True)
class Samples:
    """Samples of one message, the counts of each channel; ticks (us, wrap at 2^32) are None without a clock."""

    rows: tuple[tuple[int, ...], ...]
    ticks: tuple[int, ...] | None = None


@dataclass(frozen=True, slots=True)
class Version:
    """What it says of itself when asked."""

    text: str


@dataclass(frozen=True, slots=True)
class Done:
    """It has done what it was told."""

    command: CommandName


@dataclass(frozen=True, slots=True)
class Battery:
    """The battery's voltage."""

    volts: float


@dataclass(frozen=True, slots=True)
class LowBattery:
    """It warns that it will soon be off."""


@dataclass(frozen=True, slots=True)
class Remark:
    """Something else that belongs to the protocol: it is alive."""


Said = Samples | Version | Done | Battery | LowBattery | Remark


@dataclass(frozen=True, slots=True, kw_only=True)
class Told:
    """A command's bytes. is_answered: it says when it is done, within `within` s."""

    data: bytes
    is_answered: bool = False
    within: float = 0.2


@dataclass(slots=True)
class DeviceCounters:
    """What has come in."""

    frames: int = 0  # messages, lines
    malformed: int = 0  # messages at odds with themselves
    unknown: int = 0  # messages of a kind that we do not know
    junk: int = 0  # bytes in no message


class Dialect(Protocol):
    """One device's protocol, one instance a link."""

    @property
    def model(self) -> str:
        """What it is called."""

    @property
    def channels(self) -> tuple[DeviceChannel, ...]:
        """What stands in its rows."""

    @property
    def rate_hz(self) -> float:
        """Samples a second, as it is by nature or by the configuration."""

    @property
    def commands(self) -> Mapping[CommandName, Told]:
        """What it can be told."""

    @property
    def counters(self) -> DeviceCounters:
        """What has come in."""

    @property
    def buffered(self) -> int:
        """Bytes held of a message that is not whole yet."""

    def feed(self, data: bytes) -> list[Said]:
        """Take bytes, return what they completed."""

    def reset(self) -> None:
        """The link opened: half a message is worth nothing, and what counts increments counts from here."""

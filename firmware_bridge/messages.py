"""What a board says, whichever protocol it speaks: values of the bridge's own, in host time."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

BoardFault = Literal["encoder_fault_left", "encoder_fault_right", "tare_active", "overrun", "low_battery"]


@dataclass(frozen=True, slots=True, kw_only=True)
class ChannelInfo:
    """One channel: nominally (counts - offset) * scale, in N or m. side: None where the board does not know it."""

    kind: Literal["force", "position"]
    side: Literal["left", "right"] | None
    scale: float
    offset: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Identity:
    """What a board is. restarted: it was known before under another boot. batch: samples in a message.

    is_experimental: its driver has not been tried on hardware.
    """

    source: int
    major: int
    firmware: str
    model: str
    uid: str
    boot_id: int
    restarted: bool
    rate_hz: int
    batch: int
    channels: tuple[ChannelInfo, ...]
    is_experimental: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class SampleBlock:
    """Samples of one frame: host monotonic times in s, rising, and the counts of each channel at each of them."""

    source: int
    times: tuple[float, ...]
    rows: tuple[tuple[int, ...], ...]
    channels: tuple[ChannelInfo, ...]
    saturated: tuple[bool, bool]  # the left force, the right force
    lost_before: int  # frames
    faults: frozenset[BoardFault] = frozenset()


@dataclass(frozen=True, slots=True, kw_only=True)
class Acknowledged:
    """A command was answered; result 0 is done."""

    of_sequence: int
    command: int
    result: int
    value: int


@dataclass(frozen=True, slots=True, kw_only=True)
class BoardStatus:
    """How a board is: battery in V, signal in dBm, samples lost since its boot; None: it does not say."""

    source: int
    battery_v: float | None = None
    rssi_dbm: int | None = None
    samples_lost: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class BoardLog:
    """A line from the firmware."""

    source: int
    level: int
    text: str


@dataclass(frozen=True, slots=True, kw_only=True)
class BoardEvent:
    """Something happened on the board, at the cable of `side` where it says so; detail is the board's own."""

    source: int
    name: Literal["button", "limit_reached"]
    side: Literal["left", "right"] | None
    detail: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Unplaced:
    """Samples came that cannot be read before the board has said what it is: ask it."""

    source: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Heard:
    """A valid message that says nothing else here: the board is alive and speaks the protocol."""

    source: int


Message = Identity | SampleBlock | Acknowledged | BoardStatus | BoardLog | BoardEvent | Unplaced | Heard


@dataclass(slots=True)
class ReaderCounters:
    """What has come in over a link, since it was made."""

    frames: int = 0
    lost: int = 0  # frames missing by their sequence
    damaged: int = 0  # frames whose check was wrong
    unknown: int = 0  # messages of a later version
    malformed: int = 0  # messages at odds with themselves
    repeated: int = 0  # frames that came twice or too late
    junk: int = 0  # bytes in no frame


@dataclass(frozen=True, slots=True, kw_only=True)
class ClockState:
    """How a board's clock runs against the host's.

    skew_ppm: positive where the board's is fast. uncertainty (standard, of a sample's time) and jitter (mean delay of a
    frame over the least) in s.
    """

    skew_ppm: float
    uncertainty: float
    jitter: float

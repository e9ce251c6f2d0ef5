"""Tindeq Progressor: a force cell over BLE. One notification holds whole messages: u8 tag, u8 length, value.

Commands are one byte. An answer (tag 0) does not say to which command, so at most one question is open at a time; what
it says tells them apart: a version is printable text, a battery voltage is a u32 in mV, with zeros in its upper bytes.
The microseconds are unsigned and wrap after 71.6 minutes. Source: the maker's description of its interface.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import IntEnum
from math import isfinite
from struct import Struct
from typing import Final

from protocols.cablelink import MessageError
from protocols.device import (
    LARGEST,
    Battery,
    CommandName,
    DeviceChannel,
    DeviceCounters,
    LowBattery,
    Remark,
    Said,
    Samples,
    Told,
    Version,
)

SERVICE: Final = "7e4e1701-1ea6-40c9-9dcc-13d34ffead57"
NOTIFY: Final = "7e4e1702-1ea6-40c9-9dcc-13d34ffead57"  # device to host
WRITE: Final = "7e4e1703-1ea6-40c9-9dcc-13d34ffead57"  # host to device
NAME: Final = "Progressor_"  # how its advertised name begins
RATE_HZ: Final = 80.0
MOST_SAMPLES: Final = 15  # in a notification
G: Final = 9.80665  # N a kg
STEP_KG: Final = 1e-5  # of one count of ours; the cell's own noise is 1000 times that
_HEAD: Final = Struct("<BB")
_SAMPLE: Final = Struct("<fI")


class Command(IntEnum):
    """What it can be told, a byte each."""

    TARE = 0x64
    START = 0x65
    STOP = 0x66
    VERSION = 0x6B
    ERROR_INFO = 0x6C
    CLEAR_ERROR = 0x6D
    SLEEP = 0x6E
    BATTERY = 0x6F


class Tag(IntEnum):
    """What it says."""

    ANSWER = 0
    WEIGHTS = 1
    LOW_BATTERY = 4


@dataclass(frozen=True, slots=True)
class Message:
    """One tag and its value."""

    tag: int
    value: bytes = b""

    def to_bytes(self) -> bytes:
        """As it stands in a notification. Raises ValueError for a value that has no place in it."""
        if len(self.value) > 0xFF:
            raise ValueError(f"a value of {len(self.value)} bytes; at most 255 fit")
        return _HEAD.pack(self.tag, len(self.value)) + self.value


def weights(samples: list[tuple[float, int]]) -> Message:
    """A message of samples: kg and us each. Raises ValueError for more than it can hold."""
    if not 0 < len(samples) <= MOST_SAMPLES:
        raise ValueError(f"{len(samples)} samples; 1 to {MOST_SAMPLES} fit a notification")
    return Message(Tag.WEIGHTS, b"".join(_SAMPLE.pack(kg, us) for kg, us in samples))


def messages(notification: bytes) -> list[Message]:
    """The messages of one notification. Raises MessageError when it does not hold whole ones."""
    found, at = [], 0
    while at < len(notification):
        if len(notification) - at < _HEAD.size:
            raise MessageError("a notification ends within a head")
        tag, length = _HEAD.unpack_from(notification, at)
        at += _HEAD.size
        if len(notification) - at < length:
            raise MessageError(f"a notification ends {length - len(notification) + at} bytes short of its value")
        found.append(Message(tag, notification[at : at + length]))
        at += length
    return found


def samples(value: bytes) -> list[tuple[float, int]]:
    """The samples of a WEIGHTS value: kg and us each. Raises MessageError."""
    if not value or len(value) % _SAMPLE.size:
        raise MessageError(f"{len(value)} bytes are no samples of {_SAMPLE.size} bytes")
    return list(_SAMPLE.iter_unpack(value))


def answer(value: bytes) -> Said:
    """What an answer says; one that is empty or of another kind is only a sign of life."""
    if value and all(0x20 <= byte < 0x7F for byte in value.rstrip(b"\0")) and value.rstrip(b"\0"):
        return Version(value.rstrip(b"\0").decode("ascii"))
    if len(value) == 4 and value[2:] == b"\0\0":
        return Battery(int.from_bytes(value, "little") / 1000.0)
    return Remark()


class Tindeq:
    """The dialect. Each call of feed takes one notification."""

    model: str = "Tindeq Progressor"
    channels: tuple[DeviceChannel, ...] = (DeviceChannel(kind="force", scale=STEP_KG * G),)
    rate_hz: float = RATE_HZ
    commands: Mapping[CommandName, Told] = {
        "who": Told(data=bytes([Command.VERSION])),
        "battery": Told(data=bytes([Command.BATTERY])),
        "start": Told(data=bytes([Command.START])),
        "stop": Told(data=bytes([Command.STOP])),
        "tare": Told(data=bytes([Command.TARE])),
    }

    def __init__(self) -> None:
        self.counters = DeviceCounters()

    @property
    def buffered(self) -> int:
        """Nothing is kept: a notification is whole or damaged."""
        return 0

    def reset(self) -> None:
        """There is nothing to throw away."""

    def feed(self, data: bytes) -> list[Said]:
        """Take one notification."""
        try:
            found = messages(data)
        except MessageError:
            self.counters.junk += len(data)
            return []
        return [said for message in found if (said := self._said(message)) is not None]

    def _said(self, message: Message) -> Said | None:
        if message.tag == Tag.WEIGHTS:
            return self._samples(message.value)
        if message.tag in (Tag.ANSWER, Tag.LOW_BATTERY):
            self.counters.frames += 1
            return answer(message.value) if message.tag == Tag.ANSWER else LowBattery()
        self.counters.unknown += 1
        return None

    def _samples(self, value: bytes) -> Samples | None:
        try:
            taken = samples(value)
        except MessageError:
            self.counters.malformed += 1
            return None
        good = [(kg, us) for kg, us in taken if isfinite(kg) and abs(kg) < LARGEST * STEP_KG]
        self.counters.malformed += len(good) < len(taken)
        if not good:
            return None
        self.counters.frames += 1
        return Samples(tuple((round(kg / STEP_KG),) for kg, _ in good), tuple(us for _, us in good))

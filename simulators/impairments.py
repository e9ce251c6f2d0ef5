"""What goes wrong on the way: functions over chunks, each with its own seed, put one behind the other.

A chunk is one frame as a board sent it. An impairment takes the chunks in the order of their times and returns what
is left of them, in the order of theirs; `hits` counts what it did.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from math import isfinite
from random import Random
from typing import Final, Protocol

from firmware_bridge.link import Chunk
from simulators.scenarios import Fault
from simulators.sensor_faults import SENSOR_FAULTS, Swapped, settings


class ImpairmentError(ValueError):
    """An impairment that is none; the message says which there are."""


class Impairment(Protocol):
    """One thing that goes wrong."""

    hits: int

    def __call__(self, chunks: Sequence[Chunk]) -> list[Chunk]:
        """What becomes of these chunks."""


@dataclass(slots=True)
class _Seeded:
    """What happens to a share of the frames, drawn from a seed."""

    share: float
    seed: int = 1
    hits: int = 0
    _random: Random = field(init=False, repr=False)

    def __post_init__(self) -> None:
        self._random = Random(self.seed)

    def _strikes(self) -> bool:
        struck = self._random.random() < self.share
        self.hits += struck
        return struck


@dataclass(slots=True)
class Loss(_Seeded):
    """Frames that never arrive."""

    def __call__(self, chunks: Sequence[Chunk]) -> list[Chunk]:
        """Those that do."""
        return [chunk for chunk in chunks if not self._strikes()]


@dataclass(slots=True)
class Duplicate(_Seeded):
    """Frames that arrive twice, at once."""

    def __call__(self, chunks: Sequence[Chunk]) -> list[Chunk]:
        """All of them, some doubled."""
        return [each for chunk in chunks for each in ([chunk, chunk] if self._strikes() else [chunk])]


@dataclass(slots=True)
class Corrupt(_Seeded):
    """Frames with one flipped bit, somewhere."""

    def __call__(self, chunks: Sequence[Chunk]) -> list[Chunk]:
        """All of them, some damaged."""
        return [self._damaged(chunk) if self._strikes() else chunk for chunk in chunks]

    def _damaged(self, chunk: Chunk) -> Chunk:
        data = bytearray(chunk.data)
        data[self._random.randrange(len(data))] ^= 1 << self._random.randrange(8)
        return replace(chunk, data=bytes(data))


@dataclass(slots=True)
class Reorder(_Seeded):
    """Frames that arrive after the next one, at its time."""

    _held: Chunk | None = field(default=None, init=False, repr=False)

    def __call__(self, chunks: Sequence[Chunk]) -> list[Chunk]:
        """All but one that still waits for the next, some two exchanged."""
        out: list[Chunk] = []
        for chunk in chunks:
            if self._held is not None:
                out += [chunk, replace(self._held, received_at=chunk.received_at)]
                self._held = None
            elif self._strikes():
                self._held = chunk
            else:
                out.append(chunk)
        return out


@dataclass(slots=True)
class Jitter:
    """Frames that are late by up to `most` s; on a stream none overtakes another."""

    most: float
    seed: int = 1
    hits: int = 0
    _random: Random = field(init=False, repr=False)
    _last: float = field(default=float("-inf"), init=False, repr=False)

    def __post_init__(self) -> None:
        self._random = Random(self.seed)

    def __call__(self, chunks: Sequence[Chunk]) -> list[Chunk]:
        """All of them, later."""
        out = []
        for chunk in chunks:
            self.hits += 1
            self._last = max(self._last, chunk.received_at + self._random.uniform(0.0, self.most))
            out.append(replace(chunk, received_at=self._last))
        return out


@dataclass(slots=True)
class Disconnect:
    """The link is down from `at` for `lasts` s of host time; a port closes it, and what was sent meanwhile is gone.

    `at` counts from the first chunk that comes by.
    """

    at: float
    lasts: float = 2.0
    hits: int = 0
    _began: float | None = field(default=None, init=False, repr=False)

    def down(self, host_time: float) -> bool:
        """Whether the link is down at this time."""
        return self._began is not None and self.at <= host_time - self._began < self.at + self.lasts

    def __call__(self, chunks: Sequence[Chunk]) -> list[Chunk]:
        """Those that were sent while the link was up."""
        if chunks and self._began is None:
            self._began = chunks[0].received_at
        kept = [chunk for chunk in chunks if not self.down(chunk.received_at)]
        self.hits += len(chunks) - len(kept)
        return kept


@dataclass(slots=True)
class Hush:
    """A board that says nothing from `at` for `lasts` s of host time while its link stays up.

    `at` counts from the first chunk that comes by.
    """

    at: float
    lasts: float
    hits: int = 0
    _began: float | None = field(default=None, init=False, repr=False)

    def __call__(self, chunks: Sequence[Chunk]) -> list[Chunk]:
        """Those that were sent before and after."""
        if chunks and self._began is None:
            self._began = chunks[0].received_at
        began = self._began or 0.0
        kept = [chunk for chunk in chunks if not self.at <= chunk.received_at - began < self.at + self.lasts]
        self.hits += len(chunks) - len(kept)
        return kept


@dataclass(slots=True)
class Impairments:
    """Several, the first nearest to the board."""

    each: tuple[Impairment, ...] = ()

    def __call__(self, chunks: Sequence[Chunk]) -> list[Chunk]:
        """What is left after all of them."""
        out = list(chunks)
        for impairment in self.each:
            out = impairment(out)
        return out

    def down(self, host_time: float) -> bool:
        """Whether one of them holds the link down."""
        return any(isinstance(each, Disconnect) and each.down(host_time) for each in self.each)


KNOWN: Final = (
    "loss=SHARE, duplicate=SHARE, corrupt=SHARE, reorder=SHARE, jitter=SECONDS, disconnect=AT:SECONDS, gap=AT:SECONDS, "
    "stuck=CHANNEL:AT:SECONDS, saturate=FORCE:AT:SECONDS, clip=FORCE:NEWTON, unplugged=FORCE:AT:SECONDS, "
    "drift=FORCE:AT:NEWTON, spike=CHANNEL:AT:BY, reversed=CHANNEL, slip=POSITION:AT:METRES, "
    "chatter=POSITION:AT:SECONDS, swapped"
)
_OVER_CHUNKS: Final[dict[str, Callable[[float, int], Impairment]]] = {
    "loss": Loss,
    "duplicate": Duplicate,
    "corrupt": Corrupt,
    "reorder": Reorder,
    "jitter": Jitter,
}


def parse(texts: Sequence[str], *, seed: int = 1) -> tuple[Impairments, list[Fault]]:
    """Impairments and sensor defects from texts like `loss=0.01`. Raises ImpairmentError."""
    over_chunks: list[Impairment] = []
    faults: list[Fault] = []
    for k, text in enumerate(texts):
        name, _, argument = text.partition("=")
        parts = argument.split(":")
        try:
            if name in _OVER_CHUNKS:
                over_chunks.append(_OVER_CHUNKS[name](_share(argument), seed + k))
            elif name == "disconnect":
                over_chunks.append(Disconnect(_number(parts[0]), _number(parts[1])))
            elif name == "gap":
                over_chunks.append(Hush(_number(parts[0]), _number(parts[1])))
            elif name in SENSOR_FAULTS and _fits(name, parts):
                faults.append(SENSOR_FAULTS[name][1](parts[0], *(_number(part) for part in parts[1:])))
            elif text == "swapped":
                faults.append(Swapped())
            else:
                raise ImpairmentError(f"no impairment {text!r}; there are {KNOWN}")
        except (ValueError, IndexError, TypeError) as wrong:
            if isinstance(wrong, ImpairmentError):
                raise
            raise ImpairmentError(f"{text!r} is no impairment; there are {KNOWN}") from None
    return Impairments(tuple(over_chunks)), faults


def _fits(name: str, parts: Sequence[str]) -> bool:
    """Whether a sensor's defect is given a channel that can have it, and as many numbers as it takes."""
    channels, made = SENSOR_FAULTS[name]
    return parts[0] in channels and len(parts) == 1 + len(settings(made)[0])


def _number(text: str) -> float:
    value = float(text)
    if not isfinite(value):
        raise ValueError(text)
    return value


def _share(text: str) -> float:
    value = float(text)
    if not 0.0 <= value <= 1.0:
        raise ValueError(text)
    return value

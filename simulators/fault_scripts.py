"""Timelines of faults: a TOML file says what goes wrong with a board, when, and for how long.

    about = "a bad hour"

    [[fault]]
    at = 12.0            # s after the board has been told to start
    lasts = 3.0          # s
    kind = "loss"
    share = 0.05         # of the frames

    [[fault]]
    at = 20.0
    lasts = 2.0
    kind = "stuck"
    channel = "left_force_n"

Faults of the wire work on any board that there is, those of a sensor on any that has the channel; they are told what
`simulators.sensor_faults` tells them, by the same names. A board may also restart, or sample at another rate.
"""

from __future__ import annotations

import tomllib
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Annotated, Any, Final

import msgspec
from msgspec import Meta, Struct

from firmware_bridge.link import Chunk
from simulators.impairments import (
    Corrupt,
    Disconnect,
    Duplicate,
    Impairment,
    ImpairmentError,
    Impairments,
    Jitter,
    Loss,
    Reorder,
)
from simulators.scenarios import Fault
from simulators.sensor_faults import SENSOR_FAULTS, settings
from simulators.virtual_board import World

LIBRARY: Final = Path(__file__).with_name("scripts")
OVER_A_SHARE: Final[dict[str, Callable[[float, int], Impairment]]] = {
    "loss": Loss,
    "duplicate": Duplicate,
    "corrupt": Corrupt,
    "reorder": Reorder,
}
OF_THE_WIRE: Final = (*OVER_A_SHARE, "jitter", "unplug")
RESTART: Final = "restart"
RATE_CHANGE: Final = "rate_change"
KINDS: Final = (*OF_THE_WIRE, *SENSOR_FAULTS, RESTART, RATE_CHANGE)
Time = Annotated[float, Meta(ge=0, le=1e6)]
Amount = Annotated[float, Meta(ge=-1e6, le=1e6)]


class Step(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One fault, from `at` on, s. What it has to be told besides depends on its kind; None: it is not told."""

    at: Time
    kind: str
    lasts: Time | None = None
    share: Annotated[float, Meta(ge=0, le=1)] | None = None  # of the frames
    seconds: Time | None = None  # that a frame is late at most
    factor: Annotated[float, Meta(ge=0.01, le=100)] | None = None  # the rate over the one that was asked for
    channel: str | None = None
    by: Amount | None = None  # N or m
    over: Time | None = None  # s
    every: Time | None = None  # s
    times: Annotated[int, Meta(ge=1, le=1000)] | None = None
    limit: Amount | None = None  # N

    @property
    def told(self) -> dict[str, float | str]:
        """What it says of its fault."""
        return {name: value for name in TELLABLE if (value := getattr(self, name)) is not None}


TELLABLE: Final = tuple(name for name in Step.__struct_fields__ if name not in ("at", "kind"))


class Script(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A timeline."""

    about: str
    fault: Annotated[list[Step], Meta(min_length=1)]

    @property
    def strikes_the_board(self) -> bool:
        """Whether the board itself is struck, and not only what comes from it."""
        return bool(self.restarts or self.paces)

    @property
    def restarts(self) -> list[float]:
        """When the board restarts, s."""
        return sorted(step.at for step in self.fault if step.kind == RESTART)

    @property
    def paces(self) -> list[tuple[float, float]]:
        """When the board changes its rate, s, and to how many times the one that was asked for."""
        changes = [step for step in self.fault if step.kind == RATE_CHANGE]
        return sorted(
            each for step in changes for each in ((step.at, step.factor or 1.0), (step.at + (step.lasts or 0.0), 1.0))
        )

    def sensor_faults(self) -> list[Fault]:
        """The defects of sensors, fresh ones."""
        return [_sensor_fault(step) for step in self.fault if step.kind in SENSOR_FAULTS]

    def impairments(self, world: World, *, seed: int = 1) -> Impairments:
        """What goes wrong on the way, fresh, by the time of a board's world."""
        each: list[Impairment] = []
        for k, step in enumerate(self.fault):
            lasts = step.lasts or 0.0
            if step.kind == "unplug":
                each.append(Unplugged(step.at, lasts, world=world))
            elif step.kind == "jitter":
                each.append(During(Jitter(step.seconds or 0.0, seed + k), step.at, lasts, world))
            elif step.kind in OVER_A_SHARE:
                each.append(During(OVER_A_SHARE[step.kind](step.share or 0.0, seed + k), step.at, lasts, world))
        return Impairments(tuple(each))


@dataclass(slots=True)
class During:
    """An impairment that is there from `at` for `lasts` s of a world."""

    what: Impairment
    at: float
    lasts: float
    world: World
    _last: float = field(default=float("-inf"), init=False, repr=False)

    @property
    def hits(self) -> int:
        """What it did."""
        return self.what.hits

    @hits.setter
    def hits(self, value: int) -> None:
        self.what.hits = value

    def __call__(self, chunks: Sequence[Chunk]) -> list[Chunk]:
        """Those of its time impaired, the others as they are, but that none overtakes what was held back."""
        out: list[Chunk] = []
        for chunk in chunks:
            began = self.world.began
            is_now = began is not None and self.at <= chunk.received_at - began < self.at + self.lasts
            for each in self.what([chunk]) if is_now else [chunk]:
                self._last = max(self._last, each.received_at)
                out.append(replace(each, received_at=self._last))
        return out


@dataclass(slots=True)
class Unplugged(Disconnect):
    """The plug is out from `at` for `lasts` s of a world."""

    world: World = field(default_factory=World, kw_only=True)

    def down(self, host_time: float) -> bool:
        """Whether it is out now."""
        began = self.world.began
        return began is not None and self.at <= host_time - began < self.at + self.lasts

    def __call__(self, chunks: Sequence[Chunk]) -> list[Chunk]:
        """What was sent while it was in."""
        kept = [chunk for chunk in chunks if not self.down(chunk.received_at)]
        self.hits += len(chunks) - len(kept)
        return kept


def library() -> list[str]:
    """The names of the scripts that come with the simulator."""
    return sorted(path.stem for path in LIBRARY.glob("*.toml"))


def load(name: str) -> Script:
    """A script of the library by its name, or any by its path. Raises ImpairmentError, saying where it is wrong."""
    path = LIBRARY / f"{name}.toml" if name in library() else Path(name)
    try:
        text = path.read_text(encoding="utf-8")
    except OSError as error:
        raise ImpairmentError(f"{name}: {error.strerror}; there are {', '.join(library())}") from None
    except UnicodeDecodeError as error:
        raise ImpairmentError(f"{name}: not UTF-8 at byte {error.start}") from None
    try:
        script = msgspec.convert(tomllib.loads(text), Script)
    except (tomllib.TOMLDecodeError, msgspec.ValidationError) as error:
        raise ImpairmentError(f"{name}: {error}") from None
    for number, step in enumerate(script.fault):
        problem = _problem(step)
        if problem is not None:
            raise ImpairmentError(f"{name}: fault[{number}]: {problem}")
    return script


def _sensor_fault(step: Step) -> Fault:
    told: dict[str, Any] = {**step.told, "at": step.at}
    return SENSOR_FAULTS[step.kind][1](**told)


def _problem(step: Step) -> str | None:
    """What is wrong with a step: a word that is none, or what its kind needs or does not know."""
    if step.kind not in KINDS:
        return f"there is no kind {step.kind!r}; there are {', '.join(KINDS)}"
    needs, knows = _settings(step.kind)
    told = step.told
    for name in TELLABLE:
        if name in told and name not in knows:
            return f"{step.kind} knows no {name}"
        if name in needs and not told.get(name):
            return f"{step.kind} needs to last" if name == "lasts" else f"{step.kind} needs {name}"
    channels = SENSOR_FAULTS[step.kind][0] if step.kind in SENSOR_FAULTS else (step.channel,)
    if step.channel not in channels:
        return f"{step.channel} is no channel that can be {step.kind}; there are {', '.join(map(str, channels))}"
    return None


def _settings(kind: str) -> tuple[set[str], set[str]]:
    """What a fault of a kind has to be told besides when, and all that it may be told."""
    if kind in SENSOR_FAULTS:
        must, may = settings(SENSOR_FAULTS[kind][1])
        needs = {"channel", *must} - {"at"}
        return needs, {*needs, *may}
    if kind == RESTART:
        return set(), {"lasts"}
    needs = {"lasts"}
    if kind in OVER_A_SHARE:
        needs |= {"share"}
    elif kind != "unplug":
        needs |= {"seconds" if kind == "jitter" else "factor"}
    return needs, needs

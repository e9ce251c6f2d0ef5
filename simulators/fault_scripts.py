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

Faults of the wire work on any board that there is, those of a sensor on any that has the channel.
"""

from __future__ import annotations

import tomllib
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Annotated, Final

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
    parse,
)
from simulators.scenarios import Fault
from simulators.virtual_board import World

LIBRARY: Final = Path(__file__).with_name("scripts")
OVER_A_SHARE: Final[dict[str, Callable[[float, int], Impairment]]] = {
    "loss": Loss,
    "duplicate": Duplicate,
    "corrupt": Corrupt,
    "reorder": Reorder,
}
OF_THE_WIRE: Final = (*OVER_A_SHARE, "jitter", "unplug")
OF_A_SENSOR: Final = ("stuck", "saturate")
RESTART: Final = "restart"
KINDS: Final = (*OF_THE_WIRE, *OF_A_SENSOR, RESTART)
Time = Annotated[float, Meta(ge=0)]


class Step(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One fault: from `at` for `lasts` s."""

    at: Time
    kind: str
    lasts: Time = 0.0
    share: Annotated[float, Meta(ge=0, le=1)] | None = None  # of the frames
    seconds: Time | None = None  # that a frame is late at most
    channel: str | None = None


class Script(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A timeline."""

    about: str
    fault: Annotated[list[Step], Meta(min_length=1)]

    @property
    def restarts(self) -> list[float]:
        """When the board restarts, s."""
        return sorted(step.at for step in self.fault if step.kind == RESTART)

    def sensor_faults(self) -> list[Fault]:
        """The defects of sensors, fresh ones."""
        texts = [
            f"{step.kind}={step.channel}:{step.at}:{step.lasts}" for step in self.fault if step.kind in OF_A_SENSOR
        ]
        return parse(texts)[1]

    def impairments(self, world: World, *, seed: int = 1) -> Impairments:
        """What goes wrong on the way, fresh, by the time of a board's world."""
        each: list[Impairment] = []
        for k, step in enumerate(self.fault):
            if step.kind == "unplug":
                each.append(Unplugged(step.at, step.lasts, world=world))
            elif step.kind == "jitter":
                each.append(During(Jitter(step.seconds or 0.0, seed + k), step.at, step.lasts, world))
            elif step.kind in OVER_A_SHARE:
                each.append(During(OVER_A_SHARE[step.kind](step.share or 0.0, seed + k), step.at, step.lasts, world))
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


def _problem(step: Step) -> str | None:
    """What is wrong with a step: a word that is none, or what its kind needs or does not know."""
    if step.kind not in KINDS:
        return f"there is no kind {step.kind!r}; there are {', '.join(KINDS)}"
    needs = {"share"} if step.kind in OVER_A_SHARE else {"seconds"} if step.kind == "jitter" else set()
    if step.kind in OF_A_SENSOR:
        needs = {"channel"}
    for name in ("share", "seconds", "channel"):
        if (getattr(step, name) is not None) != (name in needs):
            return f"{step.kind} needs {name}" if name in needs else f"{step.kind} knows no {name}"
    if step.kind != RESTART and not step.lasts > 0.0:
        return f"{step.kind} needs to last"
    if step.kind in OF_A_SENSOR:
        try:
            parse([f"{step.kind}={step.channel}:{step.at}:{step.lasts}"])
        except ImpairmentError:
            return f"{step.channel} is no channel that can be {step.kind}"
    return None

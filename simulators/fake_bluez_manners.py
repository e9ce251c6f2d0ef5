"""The bad manners of Bluetooth on Linux, as they are met in the field, to be rehearsed."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Final, Literal

Act = Literal["mute", "drop", "remove", "off", "die"]

KNOWN: Final = (
    "abort=TIMES, vanish=TIMES, services=SECONDS, hang=TIMES, forget, mute=AT:SECONDS, drop=AT, remove=AT, "
    "off=AT:SECONDS, die=AT:SECONDS"
)


class MannerError(ValueError):
    """Manners that are none; the message says which there are."""


@dataclass(frozen=True, slots=True, order=True)
class Timed:
    """Something that happens by itself, at s after the start and for so many s."""

    at: float
    act: Act
    lasts: float = 0.0


@dataclass(slots=True, kw_only=True)
class Manners:
    """How bluetoothd and its boards behave; the defaults are good manners. Counts go down as they are used up."""

    aborts: int = 0  # connections that fail with le-connection-abort-by-local, after they had been made
    vanishing: int = 0  # connections that drop while the services are being found
    hanging: int = 0  # connections that neither come nor fail
    services_after: float = 0.0  # s from the connection until its services are known
    forgets: bool = False  # a device is removed as soon as nobody scans
    timed: tuple[Timed, ...] = field(default=())


def parse_manners(texts: Sequence[str]) -> Manners:
    """Manners from texts like `abort=2` or `die=20:3`. Raises MannerError."""
    manners = Manners()
    for text in texts:
        name, _, argument = text.partition("=")
        try:
            _take(manners, name, argument)
        except ValueError:
            raise MannerError(f"{text!r} is no manner; there are {KNOWN}") from None
    return manners


def _take(manners: Manners, name: str, argument: str) -> None:
    if name == "abort":
        manners.aborts = int(argument)
    elif name == "vanish":
        manners.vanishing = int(argument)
    elif name == "hang":
        manners.hanging = int(argument)
    elif name == "services":
        manners.services_after = float(argument)
    elif name == "forget" and not argument:
        manners.forgets = True
    elif name in ("drop", "remove"):
        act: Act = "drop" if name == "drop" else "remove"
        manners.timed = (*manners.timed, Timed(float(argument), act))
    elif name in ("mute", "off", "die"):
        at, lasts = argument.split(":")
        longer: dict[str, Act] = {"mute": "mute", "off": "off", "die": "die"}
        manners.timed = (*manners.timed, Timed(float(at), longer[name], float(lasts)))
    else:
        raise ValueError(name)

"""What a side says of its reps, as soon as it is known and again as it is known better."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

from controller.core.rep_metrics import Measures


@dataclass(slots=True)
class Announcement:
    """What a side has to say about a rep; the rep book makes the event of it."""

    status: Literal["provisional", "final", "retracted"]
    turn: float = 0.0  # s, the dated turn that it announces
    measures: Measures | None = None
    partial: bool = False
    flags: list[str] = field(default_factory=list)
    hold: float | None = None
    force: float | None = None  # N, mean over the concentric, also where it may not be shown
    take_back: int = (
        0  # retracted: how many of the set's first finals go, 0: the running provisional; -1: the last final
    )


class Announcer:
    """One side's announcements in order, and whether a provisional one of them stands."""

    __slots__ = ("_said", "provisional")

    def __init__(self) -> None:
        self.provisional = False  # one stands
        self._said: list[Announcement] = []

    def say(self, said: Announcement) -> None:
        """Announce a rep: a provisional stands until its final, or until it is taken back."""
        self.provisional = said.status == "provisional"
        self._said.append(said)

    def take_back(self) -> None:
        """Retract the provisional, where one stands."""
        if self.provisional:
            self.say(Announcement("retracted"))

    def take_back_finals(self, count: int) -> None:
        """Retract the set's first `count` finals, or with -1 its last one; a provisional stands on."""
        self._said.append(Announcement("retracted", take_back=count))

    def drain(self) -> list[Announcement]:
        """What has been announced since the last call."""
        out, self._said = self._said, []
        return out

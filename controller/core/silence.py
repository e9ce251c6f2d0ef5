"""Which sides are silent, and for how long the gap between two sets stands still for that or for a pause."""

from __future__ import annotations

from typing import Final

from protocols.events import Side

SILENT_AFTER: Final = 1.0  # s without a sample; the side's set gap stands still from here


class Silence:
    """Times in s of stream time. A side from which nothing ever came is not silent."""

    def __init__(self) -> None:
        self._last: dict[Side, float] = {}
        self._silent: set[Side] = set()  # those of which it has been said
        self.frozen = 0.0  # s of silence or pause since the running set's last rep, that its gap does not count
        self._frozen_until = 0.0
        self.paused_since: float | None = None  # s
        self._before_pause = 0.0
        self.lasts = 0.0  # s that the side that is silent longest has been

    def ends(self, side: Side, t: float) -> bool:
        """Take a sample's time; whether it ends a silence."""
        self._last[side] = t
        silent = side in self._silent
        self._silent.discard(side)
        return silent

    def begins(self, side: Side) -> bool:
        """Take that a side is silent; whether that is new."""
        new = side not in self._silent
        self._silent.add(side)
        return new

    def goes_on(self, before: float, t: float) -> None:
        """Time has gone on."""
        lasts = t - min(self._last.values(), default=t)
        if lasts > SILENT_AFTER:
            self.lasts = lasts
            self.frozen, self._frozen_until = self.frozen + t - before, t
        else:
            self.lasts = 0.0

    def pause(self, t: float) -> None:
        """The gap stands still from t on."""
        self.paused_since, self._before_pause = t, self.frozen

    def resume(self, t: float) -> None:
        """It goes on from t on; of the pause nothing counts, silence or not."""
        assert self.paused_since is not None
        self.frozen, self._frozen_until = self._before_pause + t - self.paused_since, t
        self.paused_since = None

    def rep_ends(self, t_top: float) -> None:
        """A rep whose top was at t_top is over: the gap counts from its end; what stood still before has no part."""
        if t_top >= self._frozen_until:
            self.frozen = 0.0

    def new_set(self) -> None:
        """A set has ended."""
        self.frozen, self.paused_since = 0.0, None

    def since(self, side: Side, t: float) -> float | None:
        """How long nothing has come from a side, None where nothing ever did."""
        last = self._last.get(side)
        return t - last if last is not None else None

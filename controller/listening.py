"""Up to when a station has been listened to.

A gateway that was held up, by a busy machine or a suspended one, reads what was said meanwhile afterwards, and one
thing after the other: until that is done nobody was silent in the pause. Who keeps up at all reads it in less time
than it was said in. A pause is told by the stamps of the inputs, so a replay finds the same ones.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import inf
from typing import Final

CATCHES_UP: Final = 2.0  # s at most; no buffer on the way holds more


@dataclass(slots=True)
class Listening:
    """Remembers the latest pause."""

    now: float = -inf  # stamp of the latest input; host, s
    _before: float = -inf  # stamp of the last input before it
    _again: float = -inf  # and of the first one after it
    _caught_up: float = -inf  # when what was said in it has been read

    def hear(self, now: float, *, pause: float) -> None:
        """Something was heard at `now`; longer than `pause` after the last time is a pause."""
        if -inf < self.now < now - pause:
            if self.now >= self._caught_up:  # otherwise it belongs to the one before
                self._before, self._again = self.now, now
            self._caught_up = min(now + min(now - self.now, CATCHES_UP), self._again + CATCHES_UP)
        self.now = max(self.now, now)

    def until(self, now: float) -> float:
        """The time up to which all that was said has been heard."""
        return self._before if now < self._caught_up else now

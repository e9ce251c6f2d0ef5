"""Up to when a station has been listened to.

A gateway that was held up, by a busy machine or a suspended one, reads what was said meanwhile afterwards, and one
thing after the other: until that is done nobody was silent in the pause. A pause is told by the stamps of the inputs,
so a replay finds the same ones.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import inf


@dataclass(slots=True)
class Listening:
    """Remembers the latest pause. catches_up: how long after it what was said in it is still being read, s."""

    catches_up: float
    _now: float = -inf  # stamp of the latest input; host, s
    _before: float = -inf  # stamps of the inputs before and after the latest pause
    _again: float = -inf

    def until(self, now: float, *, pause: float) -> float:
        """The time up to which all that was said has been heard, at an input at `now`; longer than `pause` is one."""
        if -inf < self._now < now - pause:
            self._before, self._again = self._now, now
        self._now = max(self._now, now)
        return self._before if now < self._again + self.catches_up else now

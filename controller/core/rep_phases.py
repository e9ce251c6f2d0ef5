"""The phases of one cable, found in its position alone, one sample at a time.

Hysteresis recognises a phase here; `rep_metrics` dates it afterwards at the turn itself.
"""

from __future__ import annotations

from enum import Enum
from typing import Final

from controller.core.kinematics import STILL_AFTER, TURN_BACK

TURN_NOISE: Final = 7.0  # standard deviations of the noise; between its extremes lie six to eight of them
RETURN_SHARE: Final = 1.0 / 3.0  # of its ROM that a stroke must come back to be a rep
NEAR_BOTTOM: Final = 0.15  # of the ROM; so close to its start a return is complete
ALMOST_BOTTOM: Final = 0.35  # of the ROM; so close to it a short stand ends the return all the same
EARLY_TURN: Final = 0.10  # of the ROM that a handle must rise again to end a return higher up
HOME_STILL: Final = 0.13  # s of standing that end a return there
ALMOST_STILL: Final = 0.3  # s of standing that end a return almost there
EARLY_STILL: Final = 0.8  # s of standing that end a return higher up
LIFTED: Final = 0.05  # of its way; so close to where it was lowered from a stroke out is complete
UNLIFTED_STILL: Final = 2.0  # s of standing that end a stroke out below that
SMALL_TURN: Final = 0.5  # share of a short stroke whose return makes it none


class Phase(Enum):
    """Where a cable stands in its cycle.

          rises by TURN_BACK            turned, or still, and ROM >= min_rom
    REST ---------------------> OUT -------------------------------------------> TOP
     ^  ^                      |  ^                                            |   |
     |  '---- turned short ----'  '------------- goes further out -------------'   |
     |                                                                             | came back 1/3
     '------------------- turned, or still, at the bottom ---- BACK <--------------'
    """

    REST = "rest"
    OUT = "out"
    TOP = "top"
    BACK = "back"


class Turn(Enum):
    """What a sample brought to light."""

    TOP = "top"  # the stroke out has ended, so far
    BOTTOM = "bottom"  # and came back far enough, and ended there
    NEVER = "never"  # it stayed out too long: a walk-out, not a rep


class RepPhases:
    """The state machine of one cable. Positions in m, times in s of stream time."""

    __slots__ = (
        "_give_up", "_hysteresis", "_least", "_pauses", "_rested_for", "_stood_x",
        "bottom_t", "bottom_x", "high_x", "low_t", "low_x", "phase", "still_for", "top_t", "top_x",
    )  # fmt: skip

    def __init__(self, *, min_rom: float, give_up: float) -> None:
        self._least = min_rom
        self._give_up = give_up
        self._hysteresis = TURN_BACK  # m that the handle must come back
        self.phase = Phase.REST
        self.still_for = self._rested_for = 0.0
        self.low_x: float | None = None  # where the stroke out began
        self.low_t = 0.0
        self.high_x = 0.0  # from where the cable had gone back to there
        self._pauses: list[float] = []  # levels at which the stroke out stood; a rep may have begun at one of them
        self.top_x = self.top_t = 0.0
        self._stood_x = 0.0  # level at which the top was recognised
        self.bottom_x = self.bottom_t = 0.0

    @property
    def rom(self) -> float:
        """Range of motion of the stroke out so far, in m."""
        return self.top_x - self.low_x if self.low_x is not None else 0.0

    @property
    def at_rest(self) -> bool:
        """Whether no stroke is under way; strong noise alone may look like the beginning of one."""
        if self.phase is Phase.OUT and self._hysteresis > TURN_BACK:
            return self.rom < 1.5 * self._hysteresis
        return self.phase is Phase.REST

    @property
    def _starts(self) -> list[float]:
        """Levels from which the stroke out may have begun: where it stood on its way, if a rep still fits above."""
        assert self.low_x is not None
        return [self.low_x, *(level for level in self._pauses if self.top_x - level >= self._least)]

    @property
    def last_start(self) -> float:
        """The highest of these levels, m."""
        return max(self._starts)

    @property
    def _least_rom(self) -> float:
        """Range of motion from the highest of these levels, in m."""
        return self.top_x - self.last_start

    def step(self, t: float, x: float, still_for: float, noise: float, *, rested_for: float) -> Turn | None:
        """Take one position and its noise, and for how long it has been still, and been where a cable rests.

        Returns what has just been decided.
        """
        self.still_for, self._rested_for = still_for, rested_for
        back = self._hysteresis = min(max(TURN_BACK, TURN_NOISE * noise), self._least / 3.0)
        if self.low_x is None:
            self._rest_at(t, x)
        if self.phase is Phase.REST:
            self._rest(t, x, back)
            return None
        if self.phase is Phase.OUT:
            return self._out(t, x, back)
        if self.phase is Phase.TOP:
            return self._top(t, x, back)
        return self._back(t, x, back)

    def end(self, *, moving: bool) -> Turn | None:
        """The stream ends here; `moving`: a return that is under way and came a fifth of the way is taken as turned."""
        share = 0.2 if moving else RETURN_SHARE
        returned = self.phase is Phase.BACK or (
            self.phase is Phase.TOP and self.top_x - self.bottom_x >= share * self._least_rom
        )
        if self.phase in (Phase.BACK, Phase.TOP):
            self.phase = Phase.REST
            return Turn.BOTTOM if returned else Turn.NEVER
        return None

    def _rest_at(self, t: float, x: float) -> None:
        self.phase = Phase.REST
        self.low_x, self.low_t = x, t
        self.high_x = x
        self._pauses = []

    def _rest(self, t: float, x: float, back: float) -> None:
        assert self.low_x is not None
        if x <= self.low_x or (self.still_for >= 1.0 and x - self.low_x < back):
            self.low_x, self.low_t = min(x, self.low_x), t
        elif x > self.low_x + back:
            self.phase = Phase.OUT
            self.top_x, self.top_t = x, t

    def _out(self, t: float, x: float, back: float) -> Turn | None:
        assert self.low_x is not None
        if x > self.top_x:
            self.top_x, self.top_t = x, t
        turned, still = x < self.top_x - back, self.still_for >= STILL_AFTER
        if not turned and not still:
            return None
        if self.rom >= self._least:
            self.phase = Phase.TOP
            self._stood_x = self.top_x
            self.bottom_x, self.bottom_t = x, t
            return Turn.TOP
        if still and not turned and (not self._pauses or x > self._pauses[-1] + back):
            self._pauses = [*self._pauses[-7:], x]
        short = turned and self.top_x - x > SMALL_TURN * self.rom
        if short or self.still_for >= self._give_up:
            self._rest_at(t, x)
        return None

    def _top(self, t: float, x: float, back: float) -> Turn | None:
        if x > self.top_x:
            if x > self._stood_x + back:
                self.phase = Phase.OUT
                self._pauses = [*self._pauses[-7:], self._stood_x]
            self.top_x, self.top_t = x, t
            self.bottom_x, self.bottom_t = x, t
            return None
        if x < self.bottom_x:
            self.bottom_x, self.bottom_t = x, t
        if self.top_x - self.bottom_x >= RETURN_SHARE * self._least_rom:
            self.phase = Phase.BACK
        elif self.still_for >= self._give_up:
            self._rest_at(t, x)
            return Turn.NEVER
        return None

    def _back(self, t: float, x: float, back: float) -> Turn | None:
        assert self.low_x is not None
        if x < self.bottom_x:
            self.bottom_x, self.bottom_t = x, t
        short = min((self.bottom_x - level) / (self.top_x - level) for level in self._starts)  # of what it should come
        near = short <= NEAR_BOTTOM
        rise = back if near else max(back, EARLY_TURN * self._least_rom)
        stand = ALMOST_STILL if short <= ALMOST_BOTTOM else EARLY_STILL
        ended = self._rested_for >= HOME_STILL if near else self.still_for >= stand
        if x > self.bottom_x + rise or ended:
            self.phase = Phase.OUT if x > self.bottom_x + back else Phase.REST
            return Turn.BOTTOM
        return None

    @property
    def settled(self) -> bool:
        """Whether a stroke out is over for one whose way back came before: it is as high again, or goes back again."""
        if self.phase is not Phase.TOP:
            return self.phase is Phase.BACK
        return self.top_x >= self.high_x - LIFTED * self.rom or self.still_for >= UNLIFTED_STILL

    def next_stroke(self, t: float, x: float) -> None:
        """Begin the next stroke where the last return ended; called once a BOTTOM has been dealt with."""
        self.high_x = self.top_x
        self.low_x, self.low_t = self.bottom_x, self.bottom_t
        self._pauses = []
        self.top_x, self.top_t = x, t

"""A Tindeq Progressor that is not there: commands in, notifications out, a chunk each, in virtual time.

What carries them is no matter: a link in memory, or a fake Bluetooth stack. Notifications leave at the events of a
connection, with whatever has been sampled since; now and then one is repeated.
"""

from __future__ import annotations

from functools import partial
from typing import Final

from protocols import tindeq
from protocols.tindeq import MOST_SAMPLES, Command, G, Message, Tag
from simulators.twin import Signals, Twin, Values
from simulators.virtual_board import World

INTERVAL: Final = 0.045  # s between two events of the connection
RADIO: Final = 0.002  # s at most that one takes
REPEATED: Final = 0.01  # of the notifications
VERSION: Final = b"1.2.3.4"
BATTERY_MV: Final = 3912
LOW_MV: Final = 3300
TARED_OVER: Final = 8  # samples


class SimulatedTindeq(Twin):
    """One force cell; `signals` has the one channel."""

    def __init__(
        self,
        signals: Signals,
        *,
        now: float = 0.0,
        ppm: float = 0.0,
        seed: int = 1,
        world: World | None = None,
        battery_mv: int = BATTERY_MV,
    ) -> None:
        self.battery_mv = battery_mv
        self.zero_kg = 0.0
        self.heard_commands: list[int] = []
        self._waiting: list[tuple[float, int]] = []
        self._taring: list[float] = []
        self._is_taring = False
        super().__init__(signals, rate_hz=tindeq.RATE_HZ, now=now, ppm=ppm, seed=seed, world=world)

    def booted(self) -> None:
        """The radio begins."""
        self._waiting.clear()
        self.zero_kg = 0.0
        self.later(INTERVAL, self._event)

    def heard(self, data: bytes) -> None:
        """A write: its first byte is the command."""
        command = data[0] if data else -1
        self.heard_commands.append(command)
        if command == Command.START:
            self.start()
        elif command == Command.STOP:
            self.stop()
        elif command == Command.TARE:
            self._is_taring, self._taring = True, []
        elif command == Command.VERSION:
            self.say(Message(Tag.ANSWER, VERSION).to_bytes())
        elif command == Command.BATTERY:
            self.say(Message(Tag.ANSWER, self.battery_mv.to_bytes(4, "little")).to_bytes())
        elif command == Command.ERROR_INFO:
            self.say(Message(Tag.ANSWER).to_bytes())
        elif command == Command.SLEEP:
            self.stop()

    def sampled(self, values: Values) -> None:
        """It waits for the next event."""
        kg = values[0] / G
        if self._is_taring:
            self._taring.append(kg)
            if len(self._taring) == TARED_OVER:
                self.zero_kg, self._is_taring = sum(self._taring) / TARED_OVER, False
        self._waiting.append((kg - self.zero_kg, self.ticks))

    def _event(self) -> None:
        self.later(INTERVAL, self._event)
        while self._waiting:
            batch, self._waiting = self._waiting[:MOST_SAMPLES], self._waiting[MOST_SAMPLES:]
            said = tindeq.weights(batch).to_bytes()
            for _ in range(2 if self.happens(REPEATED) else 1):
                self.later(self.random.uniform(0.0, RADIO), partial(self.say, said))
        if self.is_streaming and self.battery_mv < LOW_MV and self.happens(0.02):
            self.say(Message(Tag.LOW_BATTERY).to_bytes())

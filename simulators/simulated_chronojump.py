"""Chronojump instruments that are not there, with the manners of the real ones.

A command is taken for one when nothing has come for a second, so that two in a row are none. While it listens, tares or
starts, no sample is taken. A restart prints what a boot loader prints.
"""

from __future__ import annotations

from functools import partial
from typing import Final

from protocols import chronojump
from protocols.chronojump import BAUD, ENCODER_DROPPED, HEARS_AFTER
from simulators.twin import Signals, Twin, Values
from simulators.virtual_board import BEFORE_WRAP, WRAP, World

BANNER: Final = b"\x00\xf8\xffbooting\r\n"
TARE_TAKES: Final = 0.65  # s; 50 readings
JUNK: Final = 0.003  # of the lines have something odd before them
REPEATED: Final = 0.003  # of the lines are printed twice
ODD: Final = (b"\r\n", b"ovf\r\n", b"1;2;3\r\n", b"nan;0\r\n", b"\xff\xfe\r\n", b";\r\n")
I16: Final = 32_767


class _Listening(Twin):
    """A device that reads words."""

    version = b"Force_Sensor-0.7"
    _words = b""
    _last_heard = 0
    _is_paused = False

    def booted(self) -> None:
        """It says what boot loaders say; what it was told is forgotten."""
        self._words = b""
        self._is_paused = False
        self.say(BANNER)

    def heard(self, data: bytes) -> None:
        """It reads on until nothing more comes, and does nothing else meanwhile."""
        self._words += data
        self._last_heard += 1
        self.pause()
        self.later(HEARS_AFTER, partial(self._understand, self._last_heard))

    def _understand(self, number: int) -> None:
        if number != self._last_heard:
            return
        words, self._words = self._words, b""
        self.told(words)

    def told(self, words: bytes) -> None:
        """What it does about what it has read."""
        command = words.rpartition(b":")[0]
        if command == b"start_capture":
            self.say(b"Starting capture...\r\n")
            self.capture()
        elif command == b"end_capture":
            self.stop()
            self.say(b"Capture ended:8388608\r\n")
        elif command == b"get_version":
            self.say(self.version + b"\r\n")
        elif command == b"tare":
            self.later(TARE_TAKES, self.tared)
            return
        else:
            self.say(b"Not a valid command\r\n")
        self.resume()

    def capture(self) -> None:
        """Begin."""
        self.start()

    def tared(self) -> None:
        """The readings are done."""
        self.say(b"Taring OK:8388607\r\n")
        self.resume()

    def pause(self) -> None:
        """It has no time to sample."""
        self._is_paused = True

    def resume(self) -> None:
        """It has."""
        self._is_paused = False


class SimulatedForceSensor(_Listening):
    """The force sensor's text; `signals` has the one channel. Its time begins with its capture, near the wrap."""

    def __init__(
        self, signals: Signals, *, now: float = 0.0, ppm: float = 0.0, seed: int = 1, world: World | None = None
    ) -> None:
        self.zero_n = 0.0
        self._force = 0.0
        self._began = 0
        super().__init__(signals, rate_hz=chronojump.FORCE_RATE_HZ, now=now, ppm=ppm, seed=seed, world=world, baud=BAUD)

    def capture(self) -> None:
        """Time begins anew."""
        self._began = self.micros
        self.start()

    def tared(self) -> None:
        """What it reads is zero from now on."""
        self.zero_n = self._force
        super().tared()

    def sampled(self, values: Values) -> None:
        """A line."""
        self._force = values[0]
        if self._is_paused:
            self.sent.pop()
            return
        if self.happens(JUNK):
            self.say(self.random.choice(ODD))
        us = (self.micros - self._began + WRAP - BEFORE_WRAP) % WRAP
        line = b"%d;%.2f\r\n" % (us, values[0] - self.zero_n)
        self.say(line * 2 if self.happens(REPEATED) else line)


class SimulatedFourCells(_Listening):
    """The board of four cells; `signals` has up to four channels, the other cells are open."""

    def __init__(
        self, signals: Signals, *, now: float = 0.0, ppm: float = 0.0, seed: int = 1, world: World | None = None
    ) -> None:
        super().__init__(signals, rate_hz=chronojump.FOUR_RATE_HZ, now=now, ppm=ppm, seed=seed, world=world, baud=BAUD)

    def sampled(self, values: Values) -> None:
        """A frame; an open cell says -1."""
        if self._is_paused:
            self.sent.pop()
            return
        cells = [max(min(round(value), I16), -I16) for value in values] + [-1] * (4 - len(values))
        self.say(chronojump.four_cells(self.ticks, (cells[0], cells[1], cells[2], cells[3])))


class SimulatedEncoder(Twin):
    """The encoder; `signals` has the one channel. It streams from its boot on, and cannot be told anything."""

    def __init__(
        self, signals: Signals, *, now: float = 0.0, ppm: float = 0.0, seed: int = 1, world: World | None = None
    ) -> None:
        self._shown = 0
        self._begun = False
        super().__init__(
            signals, rate_hz=chronojump.ENCODER_RATE_HZ, now=now, ppm=ppm, seed=seed, world=world, baud=BAUD
        )

    def booted(self) -> None:
        """Some bytes that mean nothing, and off it goes."""
        self.say(self.random.randbytes(ENCODER_DROPPED))
        self._begun = False
        began = self.world.began
        self.start()
        self.world.began = began  # it starts no world that others wait for

    def sampled(self, values: Values) -> None:
        """The millimetres since the last."""
        position = round(values[0] * 1000.0)
        if not self._begun:
            self._begun, self._shown = True, position
        step = max(min(position - self._shown, 127), -128)
        self._shown += step
        self.say(bytes([step & 0xFF]))

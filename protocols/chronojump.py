"""Chronojump's instruments, 115200 8N1: the force sensor in text, the board of four cells in binary, the encoder.

Commands are words with a colon. The force sensor reads one until nothing has come for a second, so two at once are
none: one is said at a time, and its answer is waited for; meanwhile no samples come. Answers: `Force_Sensor-0.7`,
`Starting capture...`, `Taring OK` with or without `:` and the offset, `Capture ended`. A sample in text is `<us>;<N>`;
in binary FF FF FF FF, u32 us, 4 x i16, little-endian, without a check. The encoder says one signed byte a millisecond,
the millimetres that it has turned; its first 20 bytes are none.
"""

from __future__ import annotations

from collections.abc import Mapping
from itertools import pairwise
from struct import Struct
from typing import Final

from protocols.device import (
    CommandName,
    DeviceChannel,
    DeviceCounters,
    Done,
    Remark,
    Said,
    Samples,
    Told,
    Version,
)
from protocols.sample_lines import LineFormat, SampleLines

BAUD: Final = 115_200
HEARS_AFTER: Final = 1.0  # s of silence, after which it takes what has come for a command
WITHIN: Final = 2.5  # s; that silence, 50 readings of a tare at 80 Hz, and some more
FORCE_RATE_HZ: Final = 80.0
FOUR_RATE_HZ: Final = 160.0
ENCODER_RATE_HZ: Final = 1000.0
ENCODER_DROPPED: Final = 20  # bytes after the port has opened
TEXT: Final = LineFormat(("time_us", "force_n"))
WORDS: Final[dict[bytes, CommandName]] = {b"Starting capture": "start", b"Taring OK": "tare", b"Capture ended": "stop"}
REMARKS: Final = (b"Not a valid command", b"Calibrating OK")
VERSION_BEGINS: Final = b"Force_Sensor-"
HEAD: Final = b"\xff\xff\xff\xff"
_FOUR: Final = Struct("<4sI4h")
BELIEVED: Final = 5  # frames in a row whose times go on; open cells say -1, which looks like a head
IN_STEP: Final = (BELIEVED + 1) * _FOUR.size - 1  # bytes in which so many frames stand, wherever they begin
LEAST_STEP, MOST_STEP = 200, 1_000_000  # us between two frames that may be one stream

COMMANDS: Final[Mapping[CommandName, Told]] = {
    "who": Told(data=b"get_version:"),
    "start": Told(data=b"start_capture:", is_answered=True, within=WITHIN),
    "stop": Told(data=b"end_capture:"),
    "tare": Told(data=b"tare:", is_answered=True, within=WITHIN),
}


def _words(line: bytes) -> Said | None:
    """What a line says that is no sample, None: nothing that we know."""
    if line.startswith(VERSION_BEGINS):
        return Version(line.decode("ascii", "replace"))
    for begins, command in WORDS.items():
        if line.startswith(begins):
            return Done(command)
    return Remark() if line.startswith(REMARKS) else None


class ChronojumpForce(SampleLines):
    """The force sensor's text."""

    model: str = "Chronojump force sensor"
    rate_hz: float = FORCE_RATE_HZ
    commands: Mapping[CommandName, Told] = COMMANDS

    def __init__(self) -> None:
        super().__init__(TEXT, words=_words)


class ChronojumpFour:
    """The binary frames of four cells. Out of step, the place is looked for at which heads and times are regular."""

    model: str = "Chronojump four cells"
    channels: tuple[DeviceChannel, ...] = (DeviceChannel(kind="force", scale=1.0),) * 4
    rate_hz: float = FOUR_RATE_HZ
    commands: Mapping[CommandName, Told] = {  # what it is shows in its frames, so it is asked for them
        "who": Told(data=b"start_capture:"),
        "stop": Told(data=b"end_capture:"),
    }

    def __init__(self) -> None:
        self.counters = DeviceCounters()
        self._buffer = bytearray()
        self._last: int | None = None  # ticks of the last frame, while the stream is in step

    @property
    def buffered(self) -> int:
        """Bytes of frames that are not believed yet."""
        return len(self._buffer)

    def reset(self) -> None:
        """The link opened."""
        self.counters.junk += len(self._buffer)
        self._buffer.clear()
        self._last = None

    def feed(self, data: bytes) -> list[Said]:
        """Take bytes, return the samples that they completed."""
        out: list[Said] = []
        for at in range(0, len(data), _FOUR.size):  # so that no amount of junk is held at once
            self._buffer += data[at : at + _FOUR.size]
            while (frame := self._frame()) is not None:
                out.append(frame)
        return out

    def _frame(self) -> Samples | None:
        """The next frame, None when its bytes are not all here."""
        if self._last is not None and len(self._buffer) >= _FOUR.size:
            head, ticks, *cells = _FOUR.unpack_from(self._buffer)
            step = (ticks - self._last) % (1 << 32)
            if head == HEAD and (step == 0 or LEAST_STEP <= step <= MOST_STEP):  # 0: it came twice
                return self._taken(ticks, tuple(cells))
            self._last = None
        while self._last is None and len(self._buffer) >= IN_STEP:
            begin = self._most_regular()
            lost = _FOUR.size if begin is None else begin
            del self._buffer[:lost]
            self.counters.junk += lost
            if begin is not None:
                _, ticks, *cells = _FOUR.unpack_from(self._buffer)
                return self._taken(ticks, tuple(cells))
        return None

    def _most_regular(self) -> int | None:
        """Where among the next bytes the stream's frames begin, by their heads and times; None: nowhere."""
        found: list[tuple[int, int]] = []
        for begin in range(_FOUR.size):
            frames = list(_FOUR.iter_unpack(bytes(self._buffer[begin : begin + BELIEVED * _FOUR.size])))
            steps = [(b[1] - a[1]) % (1 << 32) for a, b in pairwise(frames)]
            if all(f[0] == HEAD for f in frames) and all(LEAST_STEP <= step <= MOST_STEP for step in steps):
                found.append((max(steps) - min(steps), begin))
        return min(found)[1] if found else None

    def _taken(self, ticks: int, cells: tuple[int, ...]) -> Samples:
        del self._buffer[: _FOUR.size]
        self._last = ticks
        self.counters.frames += 1
        return Samples((cells,), (ticks,))


def four_cells(ticks: int, cells: tuple[int, int, int, int]) -> bytes:
    """A frame of four cells. Raises struct.error for what fits no i16."""
    return _FOUR.pack(HEAD, ticks, *cells)


class ChronojumpEncoder:
    """The encoder's bytes, summed up. Where it stood when the link opened is 0."""

    model: str = "Chronojump encoder"
    channels: tuple[DeviceChannel, ...] = (DeviceChannel(kind="position", scale=0.001),)
    rate_hz: float = ENCODER_RATE_HZ
    commands: Mapping[CommandName, Told] = {}

    def __init__(self) -> None:
        self.counters = DeviceCounters()
        self._to_drop = ENCODER_DROPPED
        self._position = 0  # mm

    @property
    def buffered(self) -> int:
        """A byte is a sample; nothing waits."""
        return 0

    def reset(self) -> None:
        """The link opened."""
        self._to_drop, self._position = ENCODER_DROPPED, 0

    def feed(self, data: bytes) -> list[Said]:
        """Take bytes, a sample each."""
        dropped = min(self._to_drop, len(data))
        self._to_drop -= dropped
        self.counters.junk += dropped
        out: list[Said] = []
        for byte in data[dropped:]:
            self._position += byte - 256 if byte > 127 else byte
            out.append(Samples(((self._position,),)))
        self.counters.frames += len(out)
        return out

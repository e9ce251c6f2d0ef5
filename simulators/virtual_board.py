"""A board that speaks cablelink, in virtual time: bytes come in, time is told, frames come out.

It has a drifting clock that starts three seconds before its wrap, acknowledges commands, lets a repeated one take
effect once, and restarts with a new boot_id. As a hub it has several sources, each with its own sequence: GET_INFO to
source 0 asks all of them, every other command is for one.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from random import Random
from typing import Final, Protocol

import numpy as np

from firmware_bridge.link import Chunk
from protocols.cablelink import (
    Ack,
    AckResult,
    GetInfo,
    GetParam,
    Identify,
    Info,
    Message,
    MessageError,
    Ping,
    Pong,
    Reboot,
    Samples,
    SetParam,
    Start,
    Status,
    Stop,
    Tare,
    decode,
)
from protocols.framing import MAX_BODY, FrameDecoder, encode
from simulators.sources import Source
from simulators.trajectory import Floats

HEADER: Final = 8  # bytes
WRAP: Final = 2**32  # us
BEFORE_WRAP: Final = 3_000_000  # us that the clock starts before its wrap
DARK_US: Final = 300_000.0  # that a restart takes
STATUS_US: Final = 1e6  # between two STATUS
REMEMBERED_US: Final = 2e6  # for which a command's sequence counts as a repeat; three time-outs are 0.6 s
PARAMETERS: Final = 16  # ids 0-15, all 0 at boot
BATCH_S: Final = 0.01  # of samples in a message, unless START says otherwise
SAMPLES_HEAD: Final = 16  # bytes of a SAMPLES body before its counts
FIRMWARE: Final = 0x00010200


@dataclass(slots=True)
class World:
    """When the world of one or more boards' sources began, host time in s; None: no board has been started yet."""

    began: float | None = None


class Device(Protocol):
    """What a port serves: VirtualBoard, or anything else that speaks bytes in virtual time."""

    def chunks(self, host_time: float) -> list[Chunk]:
        """What it sent up to host_time (s), one chunk a frame, each with the time at which it left."""

    def receive(self, data: bytes) -> None:
        """Take bytes from the host, at the time that was last told."""


@dataclass(frozen=True, slots=True)
class _Answered:
    """A command that took effect."""

    at_us: float
    command: bytes  # its body without sequence and time
    source: int
    result: int
    value: int


class VirtualBoard:
    """One board on one link."""

    def __init__(
        self,
        sources: Sequence[Source],
        *,
        now: float = 0.0,
        ppm: float = 0.0,
        rate_hz: int = 100,
        seed: int = 1,
        world: World | None = None,
        lead_s: float = 0.0,
        model: str = "virtual cable board",
        max_body: int = MAX_BODY,
        restarts: Sequence[float] = (),
        paces: Sequence[tuple[float, float]] = (),
        resumes: bool = False,
    ) -> None:
        """A board that is switched on at host time `now`.

        ppm: how much too fast its clock runs. world: shared by boards that see the same; it begins lead_s after the
        first START. restarts: world times (s) at which it restarts by itself; resumes: it then streams on unasked.
        paces: when (s of the world, rising) it changes its rate, and to how many times the one that was asked for.
        """
        self.sources = tuple(sources)
        self.model, self.rate_hz = model, rate_hz
        self.boot_id = 0
        self.samples_lost = 0
        self._random = Random(seed)
        self._uid = self._random.randbytes(12)
        self._rate = 1.0 + ppm * 1e-6  # the board's seconds in a true second
        self._switched_on = now
        self._us = 0.0  # of the board's oscillator, since it was switched on
        self._boot_us = 0.0
        self.world = world or World()
        self._lead_s = lead_s
        self._max_body = max_body
        self._restarts = sorted(restarts)
        self._paces = deque(paces)
        self._pace = 1.0
        self._resumes = resumes
        self._decoder = FrameDecoder()
        self._sequences = [0] * len(self.sources)
        self._out: list[Chunk] = []
        self._answered: dict[int, _Answered] = {}
        self._parameters = [0] * PARAMETERS
        self._dark_until: float | None = None
        self._started: dict[int, Start] = {}
        self._identify_until_us = 0.0
        self._status_us = 0.0
        self._boot()

    # -- the outside

    def advance(self, host_time: float) -> bytes:
        """Tell the time (host monotonic s, never back); returns everything sent up to it."""
        return b"".join(chunk.data for chunk in self.chunks(host_time))

    def chunks(self, host_time: float) -> list[Chunk]:
        """The same, one chunk a frame, each with the host time at which it left the board."""
        now = (host_time - self._switched_on) * 1e6 * self._rate
        while True:
            due, act = self._next_act()
            if due > now:
                break
            self._us = max(self._us, due)
            act()
        self._us = max(self._us, now)
        out, self._out = self._out, []
        return out

    def receive(self, data: bytes) -> None:
        """Take bytes from the host, at the time that was last told; answers come with the next chunks."""
        for body in [] if self.dark else self._decoder.feed(data):
            self._take(body)

    def restart(self) -> None:
        """Cut the power for a moment: clock, sequence, boot_id and encoders start afresh."""
        self._dark_until = self._us + DARK_US
        self._decoder.reset()

    @property
    def dark(self) -> bool:
        """Whether it is restarting, deaf and dumb."""
        return self._dark_until is not None

    @property
    def identifying(self) -> bool:
        """Whether it is showing itself."""
        return self._us < self._identify_until_us

    @property
    def host_time(self) -> float:
        """Where its time stands, host monotonic s."""
        return self._host_time(self._us)

    @property
    def world_time(self) -> float | None:
        """Seconds since the world of its sources began; None before."""
        return None if self.world.began is None else self.host_time - self.world.began

    # -- time

    def _next_act(self) -> tuple[float, Callable[[], None]]:
        if self._dark_until is not None:
            return self._dark_until, self._boot
        acts: list[tuple[float, Callable[[], None]]] = [(self._status_us, self._status)]
        for number, source in enumerate(self.sources):
            if source.due_us is not None:
                acts.append((source.due_us, lambda number=number: self._samples(number)))  # type: ignore[misc]
        if self._restarts and self.world.began is not None:
            acts.append((self._epoch_us + self._restarts[0] * 1e6 * self._rate, self._restart_on_time))
        if self._paces and self.world.began is not None:
            acts.append((self._epoch_us + self._paces[0][0] * 1e6 * self._rate, self._change_pace))
        return min(acts, key=lambda act: act[0])

    def _host_time(self, us: float) -> float:
        return self._switched_on + us / 1e6 / self._rate

    @property
    def _epoch_us(self) -> float:
        assert self.world.began is not None
        return (self.world.began - self._switched_on) * 1e6 * self._rate

    def _world_times(self, us: Floats) -> Floats:
        return np.asarray((us - self._epoch_us) / 1e6 / self._rate)

    def _ticks(self, us: float) -> int:
        return (WRAP - BEFORE_WRAP + round(us - self._boot_us)) % WRAP

    # -- what it does by itself

    def _boot(self) -> None:
        if self._dark_until is not None:
            for source in self.sources:
                source.rehome(self.world_time or 0.0)
        self._dark_until = None
        self._boot_us = self._us
        self._status_us = self._us + STATUS_US
        self._sequences = [0] * len(self.sources)
        self._answered.clear()
        self._parameters = [0] * PARAMETERS
        self.boot_id = self._random.getrandbits(32)
        for number in range(len(self.sources)):
            self._send_info(number)

    def _restart_on_time(self) -> None:
        self._restarts.pop(0)
        self.restart()
        if self._resumes:  # a logger that lost no sample: it is back at once, and streams
            self._boot()
            for started in self._started.values():
                self._start(started)

    def _change_pace(self) -> None:
        """Go on at another rate, as a board does whose timer is wrong; nobody is told."""
        _, self._pace = self._paces.popleft()
        for started in self._started.values():
            self._start(started)

    def _status(self) -> None:
        self._send(Status(battery_mv=3700, rssi=-55, flags=0, temperature_c_x10=265, samples_lost=self.samples_lost))
        self._status_us += STATUS_US

    def _samples(self, number: int) -> None:
        block = self.sources[number].take()
        self._send(Samples(source=number, dt_us=block.dt_us, status=block.status, rows=block.rows), t_us=block.first_us)

    def _send_info(self, number: int) -> None:
        """INFO, unless it is longer than what the link takes: then it is read from its characteristic."""
        info = self.info(number)
        if len(info.to_body()) <= self._max_body:
            self._send(info)

    def info(self, number: int) -> Info:
        """What a source says of itself now."""
        return Info(
            source=number,
            max_body=self._max_body,
            firmware=FIRMWARE,
            uid=self._uid,
            boot_id=self.boot_id,
            rate_hz=self.rate_hz,
            batch=self._batch(self.rate_hz, None, len(self.sources[number].channels)),
            channels=self.sources[number].channels,
            model=self.model,
        )

    def _send(self, message: Message, *, t_us: float | None = None) -> None:
        sequence = self._sequences[message.source]
        self._sequences[message.source] = (sequence + 1) % 65536
        stamped = replace(message, sequence=sequence, t_us=self._ticks(self._us if t_us is None else t_us))
        self._out.append(Chunk(self._host_time(self._us), encode(stamped.to_body())))

    # -- what it is told

    def _take(self, body: bytes) -> None:
        if self.dark or len(body) < HEADER:
            return
        try:
            message = decode(body)
        except MessageError:
            source = body[1] if body[1] < len(self.sources) else 0
            sequence = int.from_bytes(body[2:4], "little")
            self._send(Ack(source=source, of_sequence=sequence, command=body[0], result=AckResult.BAD_ARGUMENT))
            return
        self._command(message, body)

    def _command(self, message: Message, body: bytes) -> None:
        sequence, command = message.sequence, body[:2] + body[HEADER:]
        self._answered = {k: v for k, v in self._answered.items() if self._us - v.at_us < REMEMBERED_US}
        before = self._answered.get(sequence)
        if before is None or before.command != command or isinstance(message, GetInfo | Ping):
            if message.source < len(self.sources):
                source, (result, value) = message.source, self._do(message)
            else:
                source, result, value = 0, AckResult.BAD_ARGUMENT, 0
            before = _Answered(self._us, command, source, result, value)
            self._answered[sequence] = before
        self._send(
            Ack(
                source=before.source,
                of_sequence=sequence,
                command=body[0],
                result=before.result,
                value=before.value,
            )
        )
        if isinstance(message, Reboot):
            self.restart()

    def _do(self, message: Message) -> tuple[AckResult, int]:
        """Let a command take effect; the result of its ACK, and the value."""
        source = self.sources[message.source]
        match message:
            case GetInfo():
                for number in range(len(self.sources)) if message.source == 0 else (message.source,):
                    self._send_info(number)
            case Ping():
                self._send(Pong(source=message.source, host_ns=message.host_ns))
            case Start():
                return self._start(message), 0
            case Stop():
                source.stop()
                self._started.pop(message.source, None)
            case Tare():
                if message.samples == 0 or not self._mask(message.source, message.mask):
                    return AckResult.BAD_ARGUMENT, 0
                return AckResult.DONE if source.tare(message.mask, message.samples) else AckResult.BUSY, 0
            case SetParam() | GetParam():
                return self._parameter(message)
            case Identify():
                self._identify_until_us = self._us + message.seconds * 1e6
            case Reboot():
                pass  # after its ACK
            case _:
                return AckResult.UNKNOWN_COMMAND, 0
        return AckResult.DONE, 0

    def _mask(self, number: int, asked: int) -> int:
        return asked & ((1 << len(self.sources[number].channels)) - 1)

    def _start(self, message: Start) -> AckResult:
        mask = self._mask(message.source, message.channel_mask)
        if message.rate_hz == 0 or message.batch == 0 or not mask:
            return AckResult.BAD_ARGUMENT
        if self.world.began is None:
            self.world.began = self.host_time + self._lead_s
        self._started[message.source] = message
        self.sources[message.source].start(
            self._us,
            self._world_times,
            rate_hz=max(round(message.rate_hz * self._pace), 1),
            batch=self._batch(message.rate_hz, message.batch, mask.bit_count()),
            mask=mask,
        )
        return AckResult.DONE

    def _batch(self, rate_hz: int, asked: int | None, width: int) -> int:
        """Samples in a message: those asked for, else 10 ms of them, and never more than fit the body."""
        fit = (self._max_body - SAMPLES_HEAD) // (4 * width)
        return max(min(round(rate_hz * BATCH_S) if asked is None else asked, fit, 255), 1)

    def _parameter(self, message: SetParam | GetParam) -> tuple[AckResult, int]:
        if message.id >= PARAMETERS:
            return AckResult.BAD_ARGUMENT, 0
        if isinstance(message, SetParam):
            self._parameters[message.id] = message.value
        return AckResult.DONE, self._parameters[message.id]

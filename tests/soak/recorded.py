"""What a board's stream lost on its way, told from the bytes in a recording and by nothing of the controller."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field

from protocols import cablelink, framing
from protocols.recording import ChunkIn, Dropped, LinkUp, Record

SEQUENCES = 1 << 16
TICKS = 1 << 32  # us after which a board's clock wraps


@dataclass(slots=True)
class Life:
    """One life of a link, from its opening on."""

    samples: int = 0
    seconds: float = 0.0  # between the first and the last sample, by the board's clock
    losses: list[str] = field(default_factory=list)


def lives(records: Iterable[Record | str], *, wire: framing.Wire, rate_hz: int) -> list[Life]:
    """Each life of the link of a recording's only board; rate_hz: that it was told to stream at."""
    found: list[Life] = []
    decoder: framing.Decoder = framing.FrameDecoder() if wire == "stream" else framing.BodyDecoder()
    step = 1_000_000 // rate_hz  # us
    sequence: int | None = None
    due: int | None = None  # ticks at which the next sample has to stand
    for record in records:
        if isinstance(record, LinkUp):
            decoder.reset()
            sequence = due = None
            found.append(Life())
        elif isinstance(record, Dropped):
            found[-1].losses.append(f"the recorder dropped {record.bytes} bytes")
        elif isinstance(record, ChunkIn):
            life, damaged = found[-1], decoder.counters.damaged
            for body in decoder.feed(record.data):
                said = cablelink.decode(body)
                if not isinstance(said, cablelink.Samples):
                    # INFO has a sequence of its own where it is read beside the stream.
                    sequence = None if isinstance(said, cablelink.Info) else _next(life, sequence, said)
                    if isinstance(said, cablelink.Ack) and said.command == cablelink.Start.TYPE:
                        due = None  # a board that still streamed for a link that is gone begins afresh
                    continue
                sequence = _next(life, sequence, said)
                _count(life, due, said, step)
                due = (said.t_us + len(said.rows) * step) % TICKS
            if decoder.counters.damaged > damaged and life.samples:  # a stream may be joined in mid-frame
                life.losses.append("a frame was damaged")
    return found


def _next(life: Life, last: int | None, said: cablelink.Message) -> int:
    if last is not None and said.sequence != (last + 1) % SEQUENCES:
        life.losses.append(f"sequence {said.sequence} came after {last}")
    return said.sequence


def _count(life: Life, due: int | None, said: cablelink.Samples, step: int) -> None:
    late = 0 if due is None else (said.t_us - due + TICKS // 2) % TICKS - TICKS // 2
    if abs(late) > step / 2:
        life.losses.append(f"the samples after {life.samples} stand {late} us away from where they belong")
    if len(said.rows) > 1 and said.dt_us != step:
        life.losses.append(f"the samples after {life.samples} are {said.dt_us} us apart, not {step}")
    life.samples += len(said.rows)
    life.seconds += (len(said.rows) * step + late) * 1e-6

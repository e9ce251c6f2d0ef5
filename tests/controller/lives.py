"""A station's session that is killed and goes on, in virtual time: real recordings of simulated boards."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import msgspec
import pytest

from controller.catching_up import CatchingUp
from controller.config import StationConfig
from controller.pipeline import Pipeline
from controller.recorder import Recorder, Written
from controller.resume import Start, boot, started
from protocols import cablelink
from protocols.events import AnyEvent
from protocols.recording import ChunkIn, Ended, Header, Input, LinkUp, Resumed
from simulators.gym import session_board
from simulators.memory_link import chunks_of
from tests.controller.inputs import ANCHOR, header, log, short_set, station, together
from tests.simulators.wire import frame, start

ONE = station("a")
KILLED = 11.0  # s of the session; in its second rep
BACK = 12.4  # s
UNTIL = 33.0  # s


def our_header(config: StationConfig = ONE, **changes: object) -> Header:
    return msgspec.structs.replace(header(config), **{"boot": boot(), **changes})


def two_lives(until: float = UNTIL) -> tuple[list[Input], list[Input]]:
    """What comes before a kill, and from the restart on, of a board that streams all the while; four reps a side."""
    device = session_board(short_set(), now=ANCHOR - 5.0)
    commands = [
        (ANCHOR + 0.1, frame(cablelink.GetInfo(sequence=1))),
        (ANCHOR + 0.2, start(2)),
        (ANCHOR + BACK + 0.1, frame(cablelink.GetInfo(sequence=3))),
        (ANCHOR + BACK + 0.2, start(4)),
    ]
    chunks = [
        ChunkIn(board="a", received_at=chunk.received_at, data=chunk.data)
        for chunk in chunks_of(device, commands, until=ANCHOR + until)
    ]
    up: list[Input] = [LinkUp(board="a", received_at=ANCHOR + 0.01), LinkUp(board="a", received_at=ANCHOR + BACK)]
    all_of_it = together(chunks, up, until=until)
    return (
        [each for each in all_of_it if ANCHOR < each.received_at < ANCHOR + KILLED],
        [each for each in all_of_it if each.received_at >= ANCHOR + BACK],
    )


@contextmanager
def recorder(folder: Path, head: Header, goes_on: Written | None = None) -> Iterator[Recorder]:
    """One that has nothing to complain of; closing it without an end leaves what a kill leaves."""
    made = Recorder(folder, head, trouble=lambda line: pytest.fail(str(line)) if line else None, goes_on=goes_on)
    try:
        yield made
    finally:
        made.close()


def lived(made: Recorder, pipeline: Pipeline, inputs: Sequence[Input], *, ends: bool) -> list[bytes]:
    """Record and measure; what is said meanwhile."""
    events: list[AnyEvent] = []
    for record in inputs:
        made.put(record)
        pipeline.feed(record)
        events += pipeline.events()
    if ends:
        pipeline.finish()
        events += pipeline.events()
        made.put(Ended(received_at=inputs[-1].received_at, next_seq=pipeline.station.next_numbers[0]))
    return log(events)


def killed(folder: Path, head: Header | None = None, *, torn: bytes = b"\x20\0\0\0half") -> tuple[Path, list[bytes]]:
    """A session up to its kill, which tore the last record; the recording and what was said."""
    head = head or our_header()
    with recorder(folder, head) as made:
        said = lived(made, Pipeline(head), two_lives()[0], ends=False)
    with made.path.open("ab") as file:
        file.write(torn)
    return made.path, said


def playing(say: Callable[[str], None] = print, stop: threading.Event | None = None) -> CatchingUp:
    """Who hears how far the playing of a recording is, of a station alone."""
    return CatchingUp("rack", say=say, turn=threading.Lock(), stop=stop or threading.Event())


def start_again(
    folder: Path, *, after: float = BACK - KILLED, stop: threading.Event | None = None, **changes: object
) -> tuple[Start, list[str]]:
    """With what the station begins so long after the kill, s, and what is said about that."""
    said: list[str] = []
    asked: dict[str, object] = {"station": "rack", "settings": our_header().settings, "software": "test"}
    begun = started(
        folder, now=ANCHOR + KILLED + after, within=600.0, say=said.append, progress=playing(said.append, stop),
        **{**asked, **changes},  # type: ignore[arg-type]
    )  # fmt: skip
    return begun, said


def going_on(folder: Path, begun: Start, inputs: Sequence[Input], *, ends: bool = True) -> list[bytes]:
    """The session's next life, with its end; what is said in it."""
    assert begun.going_on is not None
    again = begun.going_on
    with recorder(folder, again.header, again.written) as made:
        first: list[Input] = [Resumed(received_at=inputs[0].received_at)]
        return lived(made, again.pipeline, [*first, *inputs], ends=ends)

"""Inputs of a station as they would be recorded, from simulated boards in virtual time."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from controller.config import StationConfig
from controller.pipeline import Pipeline
from firmware_bridge.drivers import BoardConfig
from protocols import cablelink
from protocols.events import AnyEvent, Rep, to_json
from protocols.recording import VERSION, ChunkIn, Header, Input, LinkUp, Tick
from simulators.impairments import Impairments
from simulators.memory_link import chunks_of
from simulators.scenarios import SCENARIOS, Session
from simulators.virtual_board import VirtualBoard
from tests.simulators.wire import frame, start

ANCHOR = 1000.0  # s, host monotonic time of the session's begin


def header(config: StationConfig) -> Header:
    return Header(
        recording="0123456789abcdef",
        station=config.id,
        session="s",
        first_seq=1,
        first_set=1,
        monotonic_anchor=ANCHOR,
        unix_anchor=1_700_000_000.0,
        settings=msgspec.json.encode(config),
        software="test",
        version=VERSION,
    )


def station(*boards: str, **settings: object) -> StationConfig:
    board = [BoardConfig(id=name, url=f"tcp://127.0.0.1:{5000 + k}") for k, name in enumerate(boards)]
    return msgspec.convert({"id": "rack", "board": msgspec.to_builtins(board), **settings}, StationConfig)


def short_set(**changes: object) -> Session:
    """Four reps at both cables, at 100 Hz."""
    return Session(SCENARIOS["iso_lateral_row"].but(**{"reps": 4, "tail_s": 10.0, **changes}))


def heard(
    name: str,
    device: VirtualBoard,
    *,
    until: float,
    rate_hz: int = 100,
    batch: int = 1,
    impairments: Impairments | None = None,
) -> list[Input]:
    """What comes from a board that is asked and started."""
    commands = [
        (ANCHOR + 0.1, frame(cablelink.GetInfo(sequence=1))),
        (ANCHOR + 0.2, start(2, rate_hz=rate_hz, batch=batch)),
    ]
    chunks = chunks_of(device, commands, until=ANCHOR + until, impairments=impairments)
    up = LinkUp(board=name, received_at=ANCHOR + 0.01)
    return [
        up,
        *(ChunkIn(board=name, received_at=c.received_at, data=c.data) for c in chunks if c.received_at > ANCHOR),
    ]


def together(*inputs: Sequence[Input], until: float) -> list[Input]:
    """Inputs of several boards in the order of their arrival, with a tick each second."""
    ticks: list[Input] = [Tick(received_at=ANCHOR + k) for k in range(1, int(until) + 1)]
    return sorted((each for some in (*inputs, ticks) for each in some), key=lambda record: record.received_at)


def played(config: StationConfig, records: Sequence[Input]) -> list[AnyEvent]:
    pipeline = Pipeline(header(config))
    for record in records:
        pipeline.feed(record)
    pipeline.finish()
    return pipeline.events()


def log(events: Sequence[AnyEvent]) -> list[bytes]:
    return [to_json(event) for event in events]


def finals(events: Sequence[AnyEvent], side: str) -> list[Rep]:
    """The reps of a side that stand at the end."""
    reps = [event for event in events if isinstance(event, Rep)]
    gone = {each for rep in reps for each in (rep.replaces, rep.retracts)}
    return [rep for rep in reps if rep.side == side and rep.status == "final" and rep.id not in gone]

"""A station of two boards in virtual time: real Boards, drivers, clocks and core, and simulated devices."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Mapping
from typing import Any

import msgspec

from controller.config import StationConfig
from controller.pipeline import Pipeline
from firmware_bridge.board import Board, BoardProblem
from firmware_bridge.link import About, Chunk
from firmware_bridge.messages import Message
from protocols.events import AnyEvent, Pair
from protocols.recording import ChunkIn, Input, LinkDown, LinkUp, ProblemIn, Tick
from simulators.impairments import Impairments, Jitter
from simulators.virtual_board import Device
from tests.conformance.virtual_time import BEGIN, Socket, run
from tests.controller.inputs import header


class Station:
    """A sink that records and measures, as a station runner does."""

    def __init__(self, config: StationConfig) -> None:
        self.config = config
        self.header = msgspec.structs.replace(header(config), monotonic_anchor=BEGIN)
        self.pipeline = Pipeline(self.header)
        self.records: list[Input] = []
        self.events: list[AnyEvent] = []

    def feed(self, record: Input) -> list[Message]:
        self.records.append(record)
        messages = self.pipeline.feed(record)
        self.events += self.pipeline.events()
        return messages

    def link_up(self, board: str, received_at: float) -> None:
        self.feed(LinkUp(board=board, received_at=received_at))

    def chunk(self, board: str, chunk: Chunk) -> list[Message]:
        return self.feed(ChunkIn(board=board, received_at=chunk.received_at, data=chunk.data))

    def about(self, board: str, received_at: float, about: About) -> None:
        del board, received_at, about

    def link_down(self, board: str, received_at: float, reason: str) -> None:
        self.feed(LinkDown(board=board, received_at=received_at, reason=reason))

    def problem(self, problem: BoardProblem) -> None:
        self.feed(
            ProblemIn(
                board=problem.board,
                received_at=asyncio.get_running_loop().time(),
                name=problem.name,
                raised=problem.raised,
                severity="warning",
                detail=problem.detail,
            )
        )

    @property
    def pairs(self) -> list[Pair]:
        return [event for event in self.events if isinstance(event, Pair)]


async def _lived(station: Station, devices: Mapping[str, Device], *, seconds: float, late: Mapping[str, float]) -> None:
    sockets = {
        name: Socket(device, impairments=Impairments((Jitter(late[name], seed=k + 1),)))
        for k, (name, device) in enumerate(devices.items())
    }
    lives = [
        asyncio.create_task(Board(board, station, station.problem, opens=sockets[board.id].open).run(), name=board.id)
        for board in station.config.board
    ]
    for _ in range(int(seconds)):
        await asyncio.sleep(1.0)
        station.feed(Tick(received_at=asyncio.get_running_loop().time()))
    for life in lives:
        life.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await life
    station.pipeline.finish()
    station.events += station.pipeline.events()


def lived(
    config: dict[str, Any], devices: Mapping[str, Device], *, seconds: float, late: Mapping[str, float]
) -> Station:
    """A station that has lived with these devices, by their boards' names, for so many seconds of virtual time.

    late: by how much at most each link holds its bytes back, s.
    """
    station = Station(msgspec.convert({"id": "rack", **config}, StationConfig))
    run(_lived(station, devices, seconds=seconds, late=late))
    return station

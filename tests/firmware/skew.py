"""`python -m tests.firmware.skew`: the firmware at 1, 4 and 8 kHz for a minute each, its clock 80 ppm fast.

What the station's own reader makes of it: the skew of the clock, and what was lost. Ends with 1 when the skew is found
more than 10 ppm off, or anything was lost.
"""

from __future__ import annotations

import asyncio
import contextlib
import sys
import tempfile
import time
from dataclasses import dataclass, field
from pathlib import Path

from rich.console import Console
from rich.table import Table

from firmware_bridge.board import Board, BoardProblem
from firmware_bridge.cablelink_reader import CablelinkReader
from firmware_bridge.drivers import BoardConfig
from firmware_bridge.link import About, Chunk
from firmware_bridge.messages import BoardStatus, Message, SampleBlock
from tests.firmware import cc
from tests.firmware.wire import running

PPM = 80.0
TOLERANCE = 10.0  # ppm
SECONDS = 60.0  # of samples, after which the skew is looked at
RATES = (1000, 4000, 8000)  # Hz, four channels


@dataclass
class Listener:
    """A sink that keeps figures, not samples."""

    reader: CablelinkReader = field(default_factory=CablelinkReader)
    problems: list[BoardProblem] = field(default_factory=list)
    began: float | None = None
    rows: int = 0
    missing: int = 0  # in the first channel, which counts the samples
    bytes: int = 0
    lost_on_board: int = 0
    last: int = -1

    def link_up(self, board: str, received_at: float) -> None:
        del board, received_at
        self.reader.link_up()

    def chunk(self, board: str, chunk: Chunk) -> list[Message]:
        del board
        messages = self.reader.feed(chunk)
        self.bytes += len(chunk.data)
        for message in messages:
            if isinstance(message, SampleBlock):
                self.began = self.began or chunk.received_at
                self.missing += message.rows[0][0] - self.last - 1
                self.last = message.rows[-1][0]
                self.rows += len(message.rows)
            elif isinstance(message, BoardStatus):
                self.lost_on_board = message.samples_lost or 0
        return messages

    def about(self, board: str, received_at: float, about: About) -> None:
        del board, received_at, about

    def link_down(self, board: str, received_at: float, reason: str) -> None:
        del board, received_at, reason


async def listen(program: Path, rate: int) -> Listener:
    """A minute of a board."""
    listener = Listener()
    with tempfile.TemporaryDirectory() as folder:
        link = Path(folder, "board")
        with running(program, link, "--rate", str(rate), "--ppm", str(PPM), "--signal", "ramp"):
            board = Board(BoardConfig(id="board", url=f"serial://{link}"), listener, listener.problems.append)
            life = asyncio.create_task(board.run(), name="life")
            try:
                until = time.monotonic() + SECONDS + 5.0
                while time.monotonic() < until:
                    await asyncio.sleep(0.1)
                    if listener.began is not None and time.monotonic() - listener.began >= SECONDS:
                        break
            finally:
                life.cancel()
                with contextlib.suppress(asyncio.CancelledError):
                    await life
    return listener


def main() -> int:
    """Measure, print a table."""
    table = Table(
        "rate", "skew found", "rows", "kB/s", "frames lost", "damaged", "rows missing", "lost on board", "jitter"
    )
    good = True
    with tempfile.TemporaryDirectory() as folder:
        program = cc.compile_c(cc.PORTABLE, cc.HOST, flags=(*cc.FAST, *cc.ON_A_PC), out=Path(folder, "cable-board"))
        for rate in RATES:
            heard = asyncio.run(listen(program, rate))
            counters, clock = heard.reader.counters, heard.reader.clocks[0]
            lost = (counters.lost, counters.damaged, heard.missing, heard.lost_on_board)
            good = good and abs(clock.skew_ppm - PPM) <= TOLERANCE and lost == (0, 0, 0, 0) and not heard.problems
            table.add_row(
                f"{rate} Hz x 4",
                f"{clock.skew_ppm:.1f} ppm of {PPM:g}",
                f"{heard.rows}",
                f"{heard.bytes / SECONDS / 1000:.0f}",
                *(str(number) for number in lost),
                f"{clock.jitter * 1000:.2f} ms",
            )
    Console(width=120).print(table)
    return 0 if good else 1


if __name__ == "__main__":
    sys.exit(main())

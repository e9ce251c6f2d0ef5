"""A recording as a board: the rows of a neutral CSV at their own times, streamed over cablelink.

Channels that were sampled at the same instants are one source; each row is a message of its own, so that no time is
invented. An empty cell is no sample. Where the log's clock began afresh the board restarts, with a new boot_id.
"""

from __future__ import annotations

from itertools import pairwise
from statistics import median
from typing import Final

import numpy as np

from protocols.cablelink import Channel, Kind, Unit
from protocols.framing import MAX_BODY
from protocols.neutral_csv import CHANNELS, NeutralCsv, Row
from simulators.sources import SIDE_CODE, Block, World
from simulators.virtual_board import VirtualBoard

POSITION_STEP: Final = 1e-6  # m; finer than any encoder
FASTEST: Final = 65_535  # Hz; INFO has no room for more
LEAD: Final = 0.5  # s; time to start every source of the hub
FORCE_STEP: Final = 1e-3  # N; finer than any load cell


class RowSource:
    """The columns of a recording that have their values in the same rows. A mask chooses among them."""

    def __init__(self, names: tuple[str, ...], rows: list[tuple[float, tuple[float, ...]]]) -> None:
        """names: of CHANNELS; rows: time in s from the recording's beginning, values in the order of names."""
        self.names = names
        self.channels = tuple(_channel(name) for name in names)
        self._times = [t for t, _ in rows]
        self._counts = [
            tuple(round(value / channel.scale) for value, channel in zip(values, self.channels, strict=True))
            for _, values in rows
        ]
        self._at = 0
        self._chosen: list[int] | None = None
        self._epoch_us = 0.0
        self._us_per_s = 1e6

    def start(self, first_us: float, world: World, *, rate_hz: int, batch: int, mask: int) -> None:
        """Go on from here; rate and batch are the recording's own."""
        del rate_hz, batch
        begin, later = world(np.array([first_us, first_us + 1e6]))
        self._us_per_s = 1e6 / float(later - begin)
        self._epoch_us = first_us - float(begin) * self._us_per_s
        self._chosen = [k for k in range(len(self.names)) if mask >> k & 1]
        while self._at < len(self._times) and self._us(self._at) < first_us - 0.5:
            self._at += 1

    def stop(self) -> None:
        """End streaming; the recording's time goes on."""
        self._chosen = None

    @property
    def due_us(self) -> float | None:
        """The next row's time."""
        return None if self._chosen is None or self._at == len(self._times) else self._us(self._at)

    def take(self) -> Block:
        """The next row."""
        assert self._chosen is not None
        us, counts = self._us(self._at), self._counts[self._at]
        self._at += 1
        return Block(us, us, 0, 0, (tuple(counts[k] for k in self._chosen),))

    def tare(self, mask: int, samples: int) -> bool:
        """A recording cannot be tared afterwards; the answer is that it is done, the values stay."""
        del mask, samples
        return True

    def rehome(self, t: float) -> None:
        """Positions stay as they were recorded."""
        del t

    def _us(self, at: int) -> float:
        return self._epoch_us + self._times[at] * self._us_per_s


def replay_sources(csv: NeutralCsv) -> list[RowSource]:
    """The recording's columns, those with the same instants together."""
    begin = csv.rows[0].t if csv.rows else 0.0
    instants: dict[tuple[int, ...], list[str]] = {}
    for name in csv.columns:
        present = tuple(k for k, row in enumerate(csv.rows) if _value(row, name) is not None)
        if present:
            instants.setdefault(present, []).append(name)
    return [
        RowSource(
            tuple(names),
            [(csv.rows[k].t - begin, tuple(_value(csv.rows[k], name) or 0.0 for name in names)) for k in present],
        )
        for present, names in instants.items()
    ]


def replay_board(csv: NeutralCsv, *, now: float = 0.0, seed: int = 1, max_body: int = MAX_BODY) -> VirtualBoard:
    """A board that streams the recording once; it begins LEAD after the first START, so that all sources are started.

    Raises ValueError for a recording without any value.
    """
    sources = replay_sources(csv)
    if not sources:
        raise ValueError("the recording has no values")
    begin = csv.rows[0].t
    steps = [b.t - a.t for a, b in pairwise(csv.rows) if b.t > a.t]
    return VirtualBoard(
        sources,
        now=now,
        seed=seed,
        lead_s=LEAD,
        max_body=max_body,
        rate_hz=min(max(round(1.0 / median(steps)), 1), FASTEST) if steps else 1,
        model="replay board",
        restarts=[row.t - begin for row in csv.rows if row.restarted],
        resumes=True,
    )


def duration(csv: NeutralCsv) -> float:
    """From the first row to the last, s."""
    return csv.rows[-1].t - csv.rows[0].t if csv.rows else 0.0


def _channel(name: str) -> Channel:
    force = name.endswith("force_n")
    return Channel(
        kind=Kind.FORCE if force else Kind.POSITION,
        side=SIDE_CODE["left" if name.startswith("left") else "right"],
        unit=Unit.NEWTON if force else Unit.METRE,
        scale=float(np.float32(FORCE_STEP if force else POSITION_STEP)),
    )


def _value(row: Row, name: str) -> float | None:
    assert name in CHANNELS
    value: float | None = getattr(row, name.rsplit("_", 1)[0])
    return value

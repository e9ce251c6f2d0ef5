"""Opens all configured boards at once and says of each how it is, and what is wrong with all of them at the end."""

from __future__ import annotations

import asyncio
import time
from collections import defaultdict
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

from rich.console import Console
from rich.table import Table

from controller.board_checks import Check, Heard, board_checks
from controller.broker_checks import access_checks, connection_check
from controller.calibration_file import CalibratedStation
from controller.config import BrokerConfig, StationConfig
from controller.conversation import Conversation
from controller.core.diagnostic import diagnose
from controller.diagnose import FIRST_MOMENT, MARKS
from controller.live_station import KNOWN_WITHIN, LiveChannel, LiveError, LiveStation, opened
from controller.wiring import Key
from firmware_bridge.ble_radio import Radio
from firmware_bridge.drivers import BoardConfig, device_of, expected_rate, is_ble, make_driver
from firmware_bridge.messages import BoardFault, ReaderCounters, SampleBlock

CONNECTED_IN: Final = 2.0  # s that a board in the air takes, with all that is read of it
LOOK: Final = 0.25  # s that is waited for samples at a time


@dataclass(slots=True)
class _Seen:
    """Some seconds of one source."""

    blocks: list[SampleBlock] = field(default_factory=list)
    faults: set[BoardFault] = field(default_factory=set)


def twice(stations: Sequence[StationConfig]) -> list[str]:
    """What a configuration gets wrong that only shows over all stations: a device that two boards are to have."""
    users: dict[str, list[str]] = defaultdict(list)
    for station in stations:
        for board in station.board:
            path = device_of(board.url)
            users[str(Path(path).resolve()) if path is not None else board.url].append(f"{station.id}/{board.id}")
    return [
        f"{' and '.join(names)} are the same device, {where}; give each board one of its own"
        for where, names in users.items()
        if len(names) > 1 and not where.startswith("ble:?") and where != "ble:"
    ]


async def doctor(
    stations: Sequence[CalibratedStation],
    *,
    broker: BrokerConfig,
    same: Sequence[str],
    seconds: float,
    console: Console,
) -> bool:
    """Examine broker and all stations, and end with what is wrong; same: from `twice`. False when anything is."""
    talk = Conversation(console)
    radio = Radio()
    with talk.waiting() as tell:
        looks = _Looks(stations, seconds, tell)
        async with asyncio.TaskGroup() as tasks:
            examinations = [
                tasks.create_task(_examined(station, looks, radio=radio), name=f"examine {station.id}")
                for station in stations
            ]
    amiss = [("configuration", Check("boards", "error", text)) for text in same]
    amiss += await _broker(broker, console)
    for examination in examinations:
        found = examination.result()
        for name, checks in found:
            _show(name, checks, console)
        own = [(name, each) for name, checks in found for each in checks if each.severity != "info"]
        amiss += sorted(own, key=lambda each: each[1].severity != "error")
    for severity, title in (("error", "wrong"), ("warning", "to look at")):
        lines = [f"  {name}: {each.what}: {each.text}" for name, each in amiss if each.severity == severity]
        if lines:
            talk.say(f"{title}:")
        for line in lines:
            talk.say(line)
    errors = sum(each.severity == "error" for _, each in amiss)
    if not errors:
        boards = sum(len(station.board) for station in stations)
        talk.say(f"sound: {boards} board{'s' if boards > 1 else ''}")
    return not errors


async def _broker(config: BrokerConfig, console: Console) -> list[tuple[str, Check]]:
    """Show how a configured broker is; returns what is amiss."""
    checks = access_checks(config, now=datetime.now(UTC))
    if config.url in ("auto", "none"):
        return []
    if not any(each.severity == "error" for each in checks):
        checks.append(await connection_check(config))
    _show("broker", checks, console)
    return [("configuration", each) for each in checks if each.severity != "info"]


class _Looks:
    """How far the looks at several stations are, shown as one."""

    def __init__(
        self, stations: Sequence[CalibratedStation], seconds: float, tell: Callable[[str, float], None]
    ) -> None:
        self.seconds = seconds
        self._tell = tell
        in_the_air = sum(is_ble(board.url) for station in stations for board in station.board)
        self.known_within = KNOWN_WITHIN + CONNECTED_IN * in_the_air  # s; an adapter makes one connection at a time
        self._shares = dict.fromkeys((station.id for station in stations), 0.0)
        whose = "its" if len(self._shares) == 1 else "their"
        self._text = f"{', '.join(self._shares)}: looking at {whose} boards for {seconds:g} s"

    def at(self, station: str, share: float) -> None:
        """One of them is so far, 0 to 1."""
        self._shares[station] = share
        self._tell(self._text, sum(self._shares.values()) / len(self._shares))


async def _examined(station: CalibratedStation, looks: _Looks, *, radio: Radio) -> list[tuple[str, list[Check]]]:
    """How each board of a station is, with its name."""
    async with opened(station, radio=radio) as live:
        channels: list[LiveChannel] = []
        with suppress(LiveError):  # each board says below what it lacks
            channels = await live.channels(within=looks.known_within)
        before = {board.id: live.counters(board.id) for board in station.board}
        seen, watched = await _watched(live, looks) if live.identities else ({}, 0.0)
        looks.at(station.id, 1.0)
        return [
            (f"{station.id}/{board.id}", _board(live, board, channels, seen, frames=before[board.id], watched=watched))
            for board in station.board
        ]


async def _watched(live: LiveStation, looks: _Looks) -> tuple[dict[Key, _Seen], float]:
    """What the boards send while it is looked; and for how long, with the time before in which clocks were fitted."""
    seen: dict[Key, _Seen] = defaultdict(_Seen)
    live.forget()
    begun = time.monotonic() + FIRST_MOMENT
    while (now := time.monotonic()) < begun + looks.seconds:
        looks.at(live.config.id, max(now - begun, 0.0) / looks.seconds)
        found = await live.next_block(within=LOOK)
        if found is not None and found[1].times[0] >= begun:
            key, block = found
            seen[key].blocks.append(block)
            seen[key].faults |= block.faults
    return seen, time.monotonic() - begun


def _board(
    live: LiveStation,
    board: BoardConfig,
    channels: list[LiveChannel],
    seen: dict[Key, _Seen],
    *,
    frames: ReaderCounters,
    watched: float,
) -> list[Check]:
    problem = live.problems.get(board.id)
    keys = sorted(key for key in live.identities if key.board == board.id)
    if problem is not None or not keys:
        return [Check("link", "error", problem or f"{board.url}: it does not say what it is; is it switched on?")]
    checks = [Check("link", "info", board.url)]
    for key in keys:
        source = f"source {key.source}: " if len(keys) > 1 else ""
        found = _source(live, board, key, channels, seen.get(key, _Seen()), frames=frames, watched=watched)
        checks += [Check(source + each.what, each.severity, each.text) for each in found]
    return checks


def _source(
    live: LiveStation,
    board: BoardConfig,
    key: Key,
    channels: list[LiveChannel],
    seen: _Seen,
    *,
    frames: ReaderCounters,
    watched: float,
) -> list[Check]:
    """The checks of one source of a board, then those of its channels."""
    identity = live.identities[key]
    used = {each.wire.column: each for each in channels if each.key == key}
    times = [t for block in seen.blocks for t in block.times]
    diagnoses = []
    for column, info in enumerate(identity.channels):
        channel = used.get(column)
        diagnoses.append(
            diagnose(
                times,
                [float(row[column]) for block in seen.blocks for row in block.rows],
                kind=info.kind,
                saturated=[
                    channel is not None and channel.saturated(block) for block in seen.blocks for _ in block.rows
                ],
                rate_hz=expected_rate(board, identity),
                span=channel.wire.calibration.span if channel is not None else info.scale,
            )
        )
    heard = Heard(
        identity=identity,
        can=make_driver(board).capabilities,
        samples=diagnoses[0] if diagnoses else None,
        frames=_since(frames, live.counters(board.id)),
        clock=live.clock(key),
        clock_s=watched,
        status=live.status(key),
        about=live.label(key.board),
        faults=seen.faults,
    )
    checks = board_checks(heard)
    wiring_problems = live.wiring_problems(key)
    checks += [
        Check("wiring", "warning" if name == "calibration_foreign" else "error", text)
        for name, text in wiring_problems.items()
    ]
    for column, diagnosis in enumerate(diagnoses):
        channel = used.get(column)
        info = identity.channels[column]
        name = channel.name if channel is not None else f"channel {column}, a {info.kind}, not used"
        if channel is not None:
            checks.append(_calibration(name, channel))
        # How often and how evenly it samples is said of the board.
        checks += [
            Check(f"{name}: {each.name.replace('_', ' ')}", each.severity, each.text) for each in diagnosis.findings[2:]
        ]
    return checks


def _calibration(name: str, channel: LiveChannel) -> Check:
    calibration = channel.wire.calibration
    if calibration.nominal:
        return Check(
            f"{name}: calibration", "warning", "none, the board's own scale; `cable-station calibrate` makes one"
        )
    return Check(f"{name}: calibration", "info", calibration.id or "as configured")


def _since(before: ReaderCounters, now: ReaderCounters) -> ReaderCounters:
    return ReaderCounters(
        frames=now.frames - before.frames,
        lost=now.lost - before.lost,
        damaged=now.damaged - before.damaged,
        unknown=now.unknown - before.unknown,
        malformed=now.malformed - before.malformed,
        repeated=now.repeated - before.repeated,
        junk=now.junk - before.junk,
    )


def _show(name: str, checks: list[Check], console: Console) -> None:
    table = Table("", "what", "found", title=name, title_justify="left")
    for each in checks:
        table.add_row(MARKS[each.severity], each.what, each.text)
    console.print(table, markup=False, highlight=False)

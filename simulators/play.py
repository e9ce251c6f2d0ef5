"""What the simulator serves, by what it was asked: boards of a session or of a recording, and what goes wrong."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import Final

from typer import BadParameter

from protocols.events import Side
from protocols.framing import MAX_BODY
from protocols.neutral_csv import CsvError, read_csv
from protocols.sample_lines import LineFormat
from simulators import fault_scripts
from simulators.fault_scripts import Script
from simulators.gym import session_board, twin
from simulators.impairments import ImpairmentError, Impairments, parse
from simulators.options import DRIVERS, Asked, Link
from simulators.pump import Pump
from simulators.replay_board import duration, replay_board
from simulators.scenarios import Fault, Session
from simulators.twin import Twin
from simulators.virtual_board import VirtualBoard, World

UNTOLD: Final = frozenset({"chronojump-encoder", "ascii-line"})  # stream without being told to
TAIL: Final = 2.0  # s of rest after the last row of a recording


@dataclass(frozen=True, slots=True, kw_only=True)
class Play:
    """What is served, and until when. ends: world time in s, None: never."""

    boards: tuple[tuple[str, VirtualBoard | Twin], ...]  # a suffix for its name, and the board
    impair: tuple[str, ...]
    seed: int
    ends: float | None
    script: Script | None = None

    def pumps(self) -> list[tuple[str, Pump]]:
        """Each board with impairments of its own."""
        return [(suffix, Pump(board, self._wrongs(board, k))) for k, (suffix, board) in enumerate(self.boards)]

    def _wrongs(self, board: VirtualBoard | Twin, number: int) -> Impairments:
        steady = parse(self.impair, seed=self.seed + number)[0]
        if self.script is None:
            return steady
        return Impairments((*steady.each, *self.script.impairments(board.world, seed=self.seed + number).each))

    @property
    def over(self) -> bool:
        """Whether the session has been played to its end."""
        if self.ends is None:
            return False
        times = [board.world_time for _, board in self.boards]
        return all(t is not None and t >= self.ends for t in times)


def played(asked: Asked, *, link: Link, line: LineFormat | None = None, max_body: int = MAX_BODY) -> Play:
    """What the options ask for. line: what an ascii-line prints, None: as it likes. Raises BadParameter."""
    sides, drivers = asked.sides, asked.drivers
    try:
        script = fault_scripts.load(asked.script) if asked.script is not None else None
        faults = parse(asked.impair or ())[1] + (script.sensor_faults() if script is not None else [])
    except ImpairmentError as wrong:
        raise BadParameter(str(wrong)) from None
    if asked.csv is not None:
        return _recorded(asked, script, faults, max_body=max_body)
    session = Session(asked.played())
    if asked.truth is not None:
        session.truth.write(asked.truth)
    now = time.monotonic()
    world = World(began=now if set(drivers) <= UNTOLD else None)
    boards = []
    for k, (side, driver) in enumerate(zip(sides, drivers, strict=True)):
        if driver not in DRIVERS[link]:
            raise BadParameter(f"no driver {driver!r} over this link; there are {', '.join(DRIVERS[link])}")
        board = _board(
            asked, driver, session, side=side, line=line, now=now, ppm=-asked.ppm if k else asked.ppm, faults=faults,
            world=world if len(sides) > 1 else None, script=script, max_body=max_body,
        )  # fmt: skip
        boards.append((f"-{side}" if len(sides) > 1 else "", board))
    ends = session.duration if asked.once else None
    return Play(boards=tuple(boards), impair=tuple(asked.impair or ()), seed=asked.seed, ends=ends, script=script)


def _recorded(asked: Asked, script: Script | None, faults: list[Fault], *, max_body: int) -> Play:
    """A recording instead of a scenario."""
    is_struck = bool(faults) or (script is not None and script.strikes_the_board)
    other = asked.truth is not None or asked.side is not None or asked.two_boards or asked.driver != "cablelink"
    if is_struck or other:
        options = "--truth, --side, --two-boards, --driver, and faults of the board or of its sensors"
        raise BadParameter(f"{options} go with a scenario, not with --csv")
    assert asked.csv is not None
    try:
        recording = read_csv(asked.csv)
        board = replay_board(recording, now=time.monotonic(), seed=asked.seed, max_body=max_body)
    except (CsvError, ValueError) as wrong:
        raise BadParameter(str(wrong)) from None
    ends = duration(recording) + TAIL if asked.once else None
    return Play(boards=(("", board),), impair=tuple(asked.impair or ()), seed=asked.seed, ends=ends, script=script)


def _board(
    asked: Asked,
    driver: str,
    session: Session,
    *,
    side: Side | None,
    line: LineFormat | None,
    now: float,
    ppm: float,
    faults: list[Fault],
    world: World | None,
    script: Script | None,
    max_body: int,
) -> VirtualBoard | Twin:
    """One board of ours, or a twin. Raises BadParameter."""
    restarts, paces = (script.restarts, script.paces) if script is not None else ([], [])
    loop = not asked.once
    if driver == "cablelink":
        return session_board(
            session, side=side, now=now, ppm=ppm, loop=loop, faults=faults, world=world, restarts=restarts,
            paces=paces, max_body=max_body,
        )  # fmt: skip
    try:
        made = twin(
            driver, session, side=side or "left", line=line, rate_hz=session.scenario.rate_hz, now=now, ppm=ppm,
            loop=loop, faults=faults, world=world,
        )  # fmt: skip
    except ValueError as wrong:
        raise BadParameter(str(wrong)) from None
    made.restarts.extend(restarts)
    made.paces.extend(paces)
    return made

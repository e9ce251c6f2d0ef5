"""The command `cable-station-sim`: a simulated station on a pseudo-terminal, TCP or Bluetooth LE, in real time."""

from __future__ import annotations

import asyncio
import contextlib
import signal
import time
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Final, Protocol, cast, get_args

import typer
from typer import BadParameter, Context, Option

from protocols.ascii_line import LineFormat
from protocols.events import SIDES, Shape, Side
from protocols.framing import MAX_BODY
from protocols.neutral_csv import CsvError, read_csv
from simulators import fault_scripts
from simulators.ble_boards import peripherals
from simulators.ble_cablelink import MTU, longest
from simulators.ble_port import BlePort
from simulators.fake_bluez_manners import KNOWN, MannerError, parse_manners
from simulators.fault_scripts import Script
from simulators.gym import session_board, twin
from simulators.holds import parse_holds
from simulators.impairments import ImpairmentError, Impairments, parse
from simulators.pty_port import TICK, PortError, PtyPort
from simulators.pump import Pump
from simulators.replay_board import duration, replay_board
from simulators.scenarios import SCENARIOS, Fault, Scenario, Session
from simulators.tcp_port import TcpPort
from simulators.twin import Twin
from simulators.virtual_board import VirtualBoard, World

DEFAULT: Final = "iso_lateral_row"
LINKS: Final = ("cablelink", "chronojump-force", "chronojump-four", "chronojump-encoder", "ascii-line")  # over these
IN_THE_AIR: Final = ("cablelink", "tindeq")  # over Bluetooth LE
UNTOLD: Final = frozenset({"chronojump-encoder", "ascii-line"})  # stream without being told to
TAIL: Final = 2.0  # s of rest after the last row of a recording
EXAMPLES: Final = """
Examples:

\b
  cable-station-sim pty --scenario iso_lateral_row --link /tmp/cable-a --ratio 0.88
  cable-station-sim pty --link /tmp/cable-a --sets 3 --reps 8 --impair loss=0.01 --impair corrupt=0.001
  cable-station-sim pty --link /tmp/cable-a --two-boards      (/tmp/cable-a-left and /tmp/cable-a-right)
  cable-station-sim tcp --scenario prone_diagonal_raise --port 7001 --once --truth truth.json
  cable-station-sim tcp --port 0 --csv row.csv
  cable-station-sim pty --link /tmp/force --driver chronojump-force --side left
  cable-station-sim pty --link /tmp/cable-a --two-boards --driver cablelink,ascii-line --columns time_us,right_force_n
  cable-station-sim pty --link /tmp/cable-a --script bad_half_minute
  cable-station-sim pty --link /tmp/cable-a --hold 0kg,0kg,10kg,20kg,30kg --force-gain 1.03   (to calibrate against)
  cable-station-sim ble --two-boards --manner die=20:3
"""

app = typer.Typer(
    help="Serve simulated cable stations: bytes as a real board would send them.\n" + EXAMPLES,
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
)


class Port(Protocol):
    """Where boards are served."""

    @property
    def name(self) -> str:
        """How a program gets there."""

    async def run(self, *, until: asyncio.Event) -> None:
        """Serve until the event is set, then close."""


Ports = Callable[[], Awaitable[Sequence[Port]]]


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


@dataclass(frozen=True, slots=True)
class _Hold:
    """What stands on the handles instead of sets, and how wrong the sensors are."""

    holds: str | None
    hold_s: float
    on: str | None
    force_gain: float
    position_gain: float

    def of(self, scenario: Scenario) -> Scenario:
        """A scenario so changed. Raises BadParameter."""
        if self.on not in (None, "left", "right"):
            raise BadParameter(f"a side is left or right, not {self.on!r}")
        try:
            holds = parse_holds(self.holds) if self.holds is not None else ()
        except ValueError as wrong:
            raise BadParameter(str(wrong)) from None
        return scenario.but(
            holds=holds,
            hold_s=self.hold_s,
            hold_on=SIDES if self.on is None else (self.on,),
            force_gain=self.force_gain,
            position_gain=self.position_gain,
        )


@app.callback()
def station(
    context: Context,
) -> None:
    """Let typer show both commands in its help."""
    del context


ScenarioName = Annotated[str, Option("--scenario", help=f"One of: {', '.join(SCENARIOS)}.")]
Csv = Annotated[Path | None, Option("--csv", help="Serve this recording (neutral CSV) instead of a scenario, once.")]
OneSide = Annotated[str | None, Option("--side", help="left or right: a board with that cable alone.")]
TwoBoards = Annotated[bool, Option("--two-boards", help="A board for each cable, with a clock of its own.")]
ShapeName = Annotated[
    str | None, Option("--shape", help="together, alternating, left_only, right_only or sequential; several: a,b.")
]
Sets = Annotated[int, Option(min=1, help="Sets in the session.")]
Reps = Annotated[int | None, Option(min=1, help="Reps of a set (a side).")]
Rate = Annotated[int, Option(min=1, max=4000, help="Samples a second that the board offers, Hz.")]
Ratio = Annotated[float, Option(min=0.1, max=10.0, help="Strength, right over left.")]
Lag = Annotated[float | None, Option(help="How much later the right side starts, s.")]
Rest = Annotated[float, Option(min=0.0, help="Rest between sets, s.")]
Seed = Annotated[int, Option(min=0, help="The same seed gives the same session.")]
Ppm = Annotated[float, Option(help="How much too fast the board's clock runs, ppm.")]
Impair = Annotated[
    list[str] | None,
    Option(
        help="What goes wrong; may be given several times: loss=0.01 duplicate=0.01 corrupt=0.001 reorder=0.01 "
        "jitter=0.02 disconnect=20:3 gap=20:0.4 stuck=left_force_n:10:2 saturate=left_force_n:10:2 "
        "clip=left_force_n:250 unplugged=left_force_n:10:60 drift=left_force_n:30:25 spike=left_force_n:10:400 "
        "reversed=left_force_n slip=left_position_m:10:0.03 chatter=left_position_m:10:1 swapped"
    ),
]
DriverNames = Annotated[
    str, Option("--driver", help=f"What the board speaks, of {', '.join(LINKS)}; with --two-boards maybe LEFT,RIGHT.")
]
Columns = Annotated[
    str | None, Option("--columns", help="Of an ascii-line, as the configuration names them: time_us,left_force_n.")
]
Separator = Annotated[str, Option("--separator", help="Of an ascii-line, or blank.")]
ScriptName = Annotated[
    str | None,
    Option("--script", help=f"A timeline of faults, by its path or one of: {', '.join(fault_scripts.library())}."),
]
TruthFile = Annotated[Path | None, Option("--truth", help="Write what really happens to this file, as JSON.")]
Holds = Annotated[
    str | None, Option("--hold", help="Masses that hang on the handles, or lengths they are out, instead of sets.")
]
HoldFor = Annotated[float, Option("--hold-s", min=0.5, help="Each of them for so long, s.")]
HoldOn = Annotated[str | None, Option("--hold-on", help="left or right: on that cable alone.")]
ForceGain = Annotated[float, Option(help="What the load cells say over what is so.")]
PositionGain = Annotated[float, Option(help="The same of the encoders; negative: they count the other way.")]
Once = Annotated[bool, Option("--once/--loop", help="End after the session, or play it over and over.")]


@app.command(
    name="pty",
    help="Serve on a pseudo-terminal, which any program opens like a serial port.\n\n\b\n"
    "Example: cable-station-sim pty --scenario iso_lateral_row --link /tmp/cable-a --ratio 0.88",
)
def serve_pty(
    scenario: ScenarioName = DEFAULT,
    link: Annotated[Path | None, Option(help="Symlink to the device; stays the same over restarts.")] = None,
    csv: Csv = None,
    side: OneSide = None,
    two_boards: TwoBoards = False,  # noqa: FBT002 - an option of the command line
    shape: ShapeName = None,
    sets: Sets = 1,
    reps: Reps = None,
    rate: Rate = 100,
    ratio: Ratio = 1.0,
    lag: Lag = None,
    rest: Rest = 12.0,
    seed: Seed = 1,
    ppm: Ppm = 0.0,
    impair: Impair = None,
    script: ScriptName = None,
    driver: DriverNames = "cablelink",
    columns: Columns = None,
    separator: Separator = ";",
    hold: Holds = None,
    hold_s: HoldFor = 6.0,
    hold_on: HoldOn = None,
    force_gain: ForceGain = 1.0,
    position_gain: PositionGain = 1.0,
    truth: TruthFile = None,
    once: Once = False,  # noqa: FBT002
) -> None:
    """Serve on a pseudo-terminal."""
    play = _play(
        scenario, csv=csv, side=side, two=two_boards, shape=shape, sets=sets, reps=reps, rate=rate, ratio=ratio,
        lag=lag, rest=rest, seed=seed, ppm=ppm, impair=impair, script=script, drivers=driver,
        line=_line(columns, separator), truth=truth, once=once,
        hold=_Hold(hold, hold_s, hold_on, force_gain, position_gain),
    )  # fmt: skip

    async def ports() -> list[PtyPort]:
        return [
            PtyPort(pump, link=link.with_name(link.name + suffix) if link is not None else None)
            for suffix, pump in play.pumps()
        ]

    _serve(play, ports)


@app.command(
    name="tcp",
    help="Serve on a TCP port, one connection at a time; with two boards the second listens on the next port.\n\n\b\n"
    "Example: cable-station-sim tcp --scenario prone_diagonal_raise --port 7001 --once --truth truth.json",
)
def serve_tcp(
    scenario: ScenarioName = DEFAULT,
    host: Annotated[str, Option(help="Address to listen on.")] = "127.0.0.1",
    port: Annotated[int, Option(min=0, max=65535, help="Port; 0 takes a free one.")] = 0,
    csv: Csv = None,
    side: OneSide = None,
    two_boards: TwoBoards = False,  # noqa: FBT002
    shape: ShapeName = None,
    sets: Sets = 1,
    reps: Reps = None,
    rate: Rate = 100,
    ratio: Ratio = 1.0,
    lag: Lag = None,
    rest: Rest = 12.0,
    seed: Seed = 1,
    ppm: Ppm = 0.0,
    impair: Impair = None,
    script: ScriptName = None,
    driver: DriverNames = "cablelink",
    columns: Columns = None,
    separator: Separator = ";",
    hold: Holds = None,
    hold_s: HoldFor = 6.0,
    hold_on: HoldOn = None,
    force_gain: ForceGain = 1.0,
    position_gain: PositionGain = 1.0,
    truth: TruthFile = None,
    once: Once = False,  # noqa: FBT002
) -> None:
    """Serve on a TCP port."""
    play = _play(
        scenario, csv=csv, side=side, two=two_boards, shape=shape, sets=sets, reps=reps, rate=rate, ratio=ratio,
        lag=lag, rest=rest, seed=seed, ppm=ppm, impair=impair, script=script, drivers=driver,
        line=_line(columns, separator), truth=truth, once=once,
        hold=_Hold(hold, hold_s, hold_on, force_gain, position_gain),
    )  # fmt: skip

    async def ports() -> list[TcpPort]:
        return [TcpPort(pump, host=host, port=port + k if port else 0) for k, (_, pump) in enumerate(play.pumps())]

    _serve(play, ports)


@app.command(
    name="ble",
    help="Serve over Bluetooth LE, on a fake BlueZ of its own; set the variable that it prints for the program that is "
    "to see it.\n\n\b\n"
    "Example: cable-station-sim ble --scenario iso_lateral_row --folder /tmp/air --manner drop=20",
)
def serve_ble(
    scenario: ScenarioName = DEFAULT,
    folder: Annotated[Path | None, Option(help="Of the bus' socket, so that it stays the same over restarts.")] = None,
    bus: Annotated[str | None, Option(help="Address of a running D-Bus to use instead of one of its own.")] = None,
    manner: Annotated[list[str] | None, Option(help=f"Bad manners; may be given several times: {KNOWN}")] = None,
    mtu: Annotated[int, Option(min=48, max=517, help="ATT MTU, bytes; a notification carries three less.")] = MTU,
    csv: Csv = None,
    side: OneSide = None,
    two_boards: TwoBoards = False,  # noqa: FBT002
    shape: ShapeName = None,
    sets: Sets = 1,
    reps: Reps = None,
    rate: Rate = 100,
    ratio: Ratio = 1.0,
    lag: Lag = None,
    rest: Rest = 12.0,
    seed: Seed = 1,
    ppm: Ppm = 0.0,
    impair: Impair = None,
    script: ScriptName = None,
    driver: Annotated[
        str, Option("--driver", help=f"What the board speaks, of {', '.join(IN_THE_AIR)}; maybe LEFT,RIGHT.")
    ] = "cablelink",
    hold: Holds = None,
    hold_s: HoldFor = 6.0,
    hold_on: HoldOn = None,
    force_gain: ForceGain = 1.0,
    position_gain: PositionGain = 1.0,
    truth: TruthFile = None,
    once: Once = False,  # noqa: FBT002
) -> None:
    """Serve over Bluetooth LE."""
    if folder is not None and bus is not None:
        raise BadParameter("--folder is for a bus of its own, --bus is somebody else's; take one of them")
    try:
        manners = parse_manners(manner or ())
    except MannerError as wrong:
        raise BadParameter(str(wrong)) from None
    play = _play(
        scenario, csv=csv, side=side, two=two_boards, shape=shape, sets=sets, reps=reps, rate=rate, ratio=ratio,
        lag=lag, rest=rest, seed=seed, ppm=ppm, impair=impair, script=script, drivers=driver, line=None, truth=truth,
        once=once, hold=_Hold(hold, hold_s, hold_on, force_gain, position_gain), links=IN_THE_AIR,
        max_body=longest(mtu),
    )  # fmt: skip
    boards = peripherals([board for _, board in play.boards], play.pumps(), mtu=mtu)

    async def ports() -> list[BlePort]:
        port = BlePort(boards, manners=manners, folder=folder, bus=bus)
        await port.open()
        return [port]

    _serve(play, ports)


def _play(
    name: str,
    *,
    csv: Path | None,
    side: str | None,
    two: bool,
    shape: str | None,
    sets: int,
    reps: int | None,
    rate: int,
    ratio: float,
    lag: float | None,
    rest: float,
    seed: int,
    ppm: float,
    impair: list[str] | None,
    script: str | None,
    drivers: str,
    line: LineFormat | None,
    truth: Path | None,
    once: bool,
    hold: _Hold,
    links: tuple[str, ...] = LINKS,
    max_body: int = MAX_BODY,
) -> Play:
    """What the options ask for. Raises BadParameter."""
    if side not in (None, "left", "right"):
        raise BadParameter(f"a side is left or right, not {side!r}")
    if side is not None and two:
        raise BadParameter("--side is one board, --two-boards is two; take one of them")
    try:
        timeline = fault_scripts.load(script) if script is not None else None
        faults = parse(impair or ())[1] + (timeline.sensor_faults() if timeline is not None else [])
    except ImpairmentError as wrong:
        raise BadParameter(str(wrong)) from None
    wrongs = tuple(impair or ())
    now = time.monotonic()
    if csv is not None:
        is_struck = timeline is not None and timeline.strikes_the_board
        if truth is not None or side is not None or two or faults or is_struck or drivers != "cablelink":
            options = "--truth, --side, --two-boards, --driver, and faults of the board or of its sensors"
            raise BadParameter(f"{options} go with a scenario, not with --csv")
        try:
            recording = read_csv(csv)
            replayed = replay_board(recording, now=now, seed=seed, max_body=max_body)
        except (CsvError, ValueError) as wrong:
            raise BadParameter(str(wrong)) from None
        ends = duration(recording) + TAIL if once else None
        return Play(boards=(("", replayed),), impair=wrongs, seed=seed, ends=ends, script=timeline)
    chosen = _scenario(name, shape=shape, sets=sets, reps=reps, rate=rate, ratio=ratio, lag=lag, rest=rest, seed=seed)
    chosen = hold.of(chosen)
    if not once:  # the rest between the last set and the first is like the others
        chosen = chosen.but(tail_s=max(rest - chosen.lead_s, 0.0))
    session = Session(chosen)
    if truth is not None:
        session.truth.write(truth)
    names = drivers.split(",") if two else [drivers]
    if len(names) == 1 and two:
        names *= 2
    one = cast("Side | None", side)
    sides: list[Side | None] = list(SIDES) if two else [one]
    if len(names) != len(sides):
        raise BadParameter(f"--driver {drivers} names {len(names)} boards, and there are {len(sides)}")
    world = World(began=now if set(names) <= UNTOLD else None)
    boards = []
    for k, (each, speaks) in enumerate(zip(sides, names, strict=True)):
        board = _board(
            speaks, session, side=each, line=line, now=now, ppm=-ppm if k else ppm, loop=not once, faults=faults,
            world=world if two else None, script=timeline, links=links,
            max_body=max_body,
        )  # fmt: skip
        boards.append((f"-{each}" if two else "", board))
    ends = session.duration if once else None
    return Play(boards=tuple(boards), impair=wrongs, seed=seed, ends=ends, script=timeline)


def _line(columns: str | None, separator: str) -> LineFormat | None:
    """The lines that an ascii-line prints. Raises BadParameter."""
    if columns is None:
        return None
    line = LineFormat(tuple(columns.split(",")), separator)
    problem = line.problem()
    if problem is not None:
        raise BadParameter(problem)
    return line


def _board(
    driver: str,
    session: Session,
    *,
    side: Side | None,
    line: LineFormat | None,
    now: float,
    ppm: float,
    loop: bool,
    faults: list[Fault],
    world: World | None,
    script: Script | None,
    links: tuple[str, ...],
    max_body: int,
) -> VirtualBoard | Twin:
    """One board of ours, or a twin. Raises BadParameter."""
    if driver not in links:
        raise BadParameter(f"no driver {driver!r} over this link; there are {', '.join(links)}")
    if driver == "cablelink":
        return session_board(
            session, side=side, now=now, ppm=ppm, loop=loop, faults=faults, world=world, max_body=max_body,
            restarts=script.restarts if script is not None else (), paces=script.paces if script is not None else (),
        )  # fmt: skip
    rate_hz = session.scenario.rate_hz
    try:
        made = twin(
            driver, session, side=side or "left", line=line, rate_hz=rate_hz, now=now, ppm=ppm, loop=loop,
            faults=faults, world=world,
        )  # fmt: skip
    except ValueError as wrong:
        raise BadParameter(str(wrong)) from None
    if script is not None:
        made.restarts.extend(script.restarts)
        made.paces.extend(script.paces)
    return made


def _scenario(
    name: str,
    *,
    shape: str | None,
    sets: int,
    reps: int | None,
    rate: int,
    ratio: float,
    lag: float | None,
    rest: float,
    seed: int,
) -> Scenario:
    if name not in SCENARIOS:
        raise BadParameter(f"no scenario {name!r}; there are {', '.join(SCENARIOS)}")
    chosen = SCENARIOS[name].but(sets=sets, rate_hz=float(rate), ratio=ratio, rest_s=rest, seed=seed)
    if reps is not None:
        chosen = chosen.but(reps=reps)
    if lag is not None:
        chosen = chosen.but(lag_s=lag)
    if shape is not None:
        shapes = tuple(shape.split(","))
        wrong = [each for each in shapes if each not in get_args(Shape)]
        if wrong:
            raise BadParameter(f"no shape {wrong[0]!r}; there are {', '.join(get_args(Shape))}")
        chosen = chosen.but(shapes=cast("tuple[Shape, ...]", shapes))
    return chosen


def _serve(play: Play, ports: Ports) -> None:
    """Serve until the session is over or a signal comes; says `ready` and where, once all ports are open."""
    lost: PortError | None = None
    try:
        asyncio.run(_run(play, ports))
    except* PortError as wrong:  # of one that cannot be made, or that could not be kept
        lost = next(each for each in wrong.exceptions if isinstance(each, PortError))
    if lost is not None:
        typer.echo(lost, err=True)
        raise typer.Exit(1)


async def _run(play: Play, ports: Ports) -> None:
    until = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, until.set)
    opened = await ports()
    async with asyncio.TaskGroup() as tasks:
        for port in opened:
            tasks.create_task(port.run(until=until), name=f"serve {port.name}")
        typer.echo(" ".join(("ready", *(port.name for port in opened))))
        blinking: set[str] = set()
        while not until.is_set():
            if play.over:
                until.set()
            blinking = _show_blinking(play, blinking)
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(until.wait(), TICK * 10)


def _show_blinking(play: Play, before: set[str]) -> set[str]:
    """Say which boards have begun or ceased to show themselves; returns those that do."""
    names = {suffix.lstrip("-") or "board": board for suffix, board in play.boards}
    now = {name for name, board in names.items() if isinstance(board, VirtualBoard) and board.identifying}
    for name in sorted(now - before):
        typer.echo(f"{name} blinks")
    for name in sorted(before - now):
        typer.echo(f"{name} blinks no more")
    return now


def main() -> None:
    """The command."""
    app()


if __name__ == "__main__":
    main()

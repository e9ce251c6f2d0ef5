"""The command line: `cable-station …`."""

from __future__ import annotations

import asyncio
import os
import sys
from datetime import UTC, datetime
from math import isfinite
from pathlib import Path
from typing import Annotated, Literal, NoReturn

import typer
from rich.console import Console

from controller.adapters.mapping_file import load_mapping
from controller.ask import Address, AskError, address, ask, chosen_station
from controller.asyncapi import render
from controller.broker import BrokerError
from controller.broker_checks import ACCESS, access_checks
from controller.calibrate import calibrate
from controller.calibration_file import calibrated, calibrations_of, file_of, load_calibrated, read
from controller.calibration_guide import MOST_KG, CalibrateError, Wish
from controller.config import ConfigError, load
from controller.core.calibration_fit import UnsoundError
from controller.demo import DemoError, demo
from controller.devices import devices
from controller.diagnose import look_at_all
from controller.doctor import doctor, twice
from controller.export import ExportError, Form, export
from controller.export_sinks import MissingError
from controller.labels import LabelError
from controller.live_station import LiveError
from controller.outbox_file import OutboxError
from controller.replay import ReplayError, Speed, replay
from controller.runtime import Runtime, say
from controller.score import score
from controller.voice import LogFormat, Said, Voice
from protocols.events import Side

app = typer.Typer(
    name="cable-station",
    help="Station controller for dual-cable gym machines.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    add_completion=False,
)

Configuration = Annotated[Path, typer.Argument(help="the configuration, TOML")]
RunningConfiguration = Annotated[Path, typer.Argument(help="the configuration of the running gateway, TOML")]
Recording = Annotated[Path, typer.Argument(help="a recording (.cablerec) or a neutral CSV")]
OneStation = Annotated[str | None, typer.Option(help="its id; not needed where there is one")]
Broker = Annotated[
    str | None,
    typer.Option(
        envvar="CABLE_STATION_BROKER",
        help="its URL, or the folder (XDG_CONFIG_HOME=…) that a gateway with a broker of its own names at its start; "
        "a URL with a password is safer in the environment, which `ps` does not show",
    ),
]


@app.callback()
def station() -> None:
    """Counts reps, measures left-right asymmetry, publishes over MQTT."""


@app.command(
    "replay",
    epilog="Example: cable-station replay set.csv --json | head -3",
)
def replay_command(
    file: Annotated[Path, typer.Argument(help="a recording (.cablerec), a folder of them, or a neutral CSV")],
    *,
    json: Annotated[bool, typer.Option("--json", help="print the events, one JSON object a line")] = False,
    speed: Annotated[Speed, typer.Option(help="1: as fast as it was; max: at once")] = Speed.MAX,
) -> None:
    """Play a recording through the measuring core and print what it finds."""
    try:
        replay(file, json=json, speed=speed)
    except ReplayError as error:
        end(error, code=2)


@app.command(
    "export",
    epilog="Examples:\n\ncable-station export set.csv -o reps.csv\n\n"
    "cable-station export recordings/20260302T181500Z-row-1-0a1b2c3d.cablerec --raw -o signals.parquet\n\n"
    "cable-station export set.csv --reps --raw -o set.mcap",
)
def export_command(
    file: Recording,
    *,
    out: Annotated[Path, typer.Option("-o", "--out", help="the file to write; it must not be there")],
    to: Annotated[Form | None, typer.Option(help="the form; else as the name of the file says")] = None,
    reps: Annotated[bool, typer.Option("--reps", help="a table of the reps; what is written without --raw")] = False,
    raw: Annotated[bool, typer.Option("--raw", help="the samples, in N and m; with --reps both, in an MCAP")] = False,
) -> None:
    """Write a recording's reps or samples for other programs, with units and calibrations."""
    try:
        count, instants = export(file, out, form=to, reps=reps, raw=raw, warn=say)
    except ExportError as error:
        end(error, code=2)
    except (MissingError, OSError) as error:
        end(error, code=1)
    say(f"{out}: {count} reps of {instants} instants" if not raw or reps else f"{out}: {instants} instants")


@app.command("score", epilog="Example: cable-station score set.csv --truth labels.csv")
def score_command(
    file: Recording,
    *,
    truth: Annotated[Path, typer.Option(help="labels: a CSV of reps or of counts, or a simulator's truth (JSON)")],
    json: Annotated[bool, typer.Option("--json", help="print one JSON object")] = False,
) -> None:
    """Compare what a recording's replay finds with labels; exit code 1 when a count is not exact."""
    try:
        exact = score(file, truth, json=json)
    except (ReplayError, LabelError) as error:
        end(error, code=2)
    if not exact:
        raise typer.Exit(1)


@app.command("run", epilog="Example: cable-station run gym.toml")
def run_command(
    config: Configuration,
    *,
    check: Annotated[bool, typer.Option("--check", help="only say whether the configuration is right")] = False,
    events: Annotated[bool, typer.Option("--events", help="also print every event, one JSON object a line")] = False,
    log_format: Annotated[
        LogFormat | None, typer.Option(help="of what it says: text, or json for one object a line; else as configured")
    ] = None,
) -> None:
    """Run a gateway and its stations until Ctrl-C."""
    voice = Voice(log_format or "text")
    try:
        gym = load_calibrated(config)
        voice = Voice(log_format or gym.log.format, stations=[station.id for station in gym.station])
        mapping = load_mapping(config, gym)
    except ConfigError as error:
        end(error, code=2, voice=voice)
    for each in access_checks(gym.broker, now=datetime.now(UTC)):
        if each.severity == "error" and (check or each.what == ACCESS):
            end(ConfigError(f"{config}: {each.text}"), code=2, voice=voice)
        if each.severity != "info":
            voice(f"{config}: {each.text}")
    if check:
        voice(f"{config}: right; {len(gym.station)} station{'s' if len(gym.station) > 1 else ''}")
        for line in calibrations_of(config, gym):
            voice(line)
        if gym.mapping is not None:
            voice(f"{config.parent / gym.mapping}: right; {len(mapping)} message{'s' if len(mapping) > 1 else ''}")
        return
    runtime = Runtime(gym, events=events, mapping=mapping, say=voice)

    def started() -> None:
        if runtime.broker is not None and runtime.broker.kind != "external":
            voice(f"to watch: {runtime.broker.watch_command(gym.site)}")

    try:
        asyncio.run(runtime.run(started=started))
    except ConfigError as error:
        end(error, code=2, voice=voice)
    except (BrokerError, OutboxError, OSError) as error:
        end(error, code=1, voice=voice)


@app.command("schema", epilog="Example: cable-station schema > asyncapi.json")
def schema_command() -> None:
    """Print the MQTT contract as an AsyncAPI 3 document, with a JSON Schema of every payload."""
    typer.echo(render())


@app.command("demo", epilog="Example: cable-station demo --csv set.csv")
def demo_command(
    *,
    csv: Annotated[Path | None, typer.Option(help="let the first station play this recording")] = None,
    seconds: Annotated[float | None, typer.Option(help="end by itself after so many seconds", min=1.0)] = None,
    port: Annotated[int, typer.Option(help="of the page; 0 takes a free one", min=0, max=65535)] = 8080,
) -> None:
    """Show it all: a broker, two simulated stations, the display."""
    try:
        asyncio.run(demo(csv=csv, seconds=seconds, port=port, tell=typer.echo))
    except (BrokerError, DemoError, OSError) as error:
        end(error, code=1)


@app.command("tare", epilog="Example: cable-station tare gym.toml --station row --side left")
def tare_command(
    config: RunningConfiguration,
    *,
    station: OneStation = None,
    side: Annotated[Side | None, typer.Option(help="without it both")] = None,
    broker: Broker = None,
) -> None:
    """Take the force as it stands for zero, at a station that runs; its cables must rest, unloaded."""
    try:
        gym = load(config)
        where = address(gym, broker=broker, station=station)
    except (ConfigError, AskError) as error:
        end(error, code=2)
    _carried_out(where, "tare", side=side)
    say(f"{where.station}: tared")


@app.command(
    "identify",
    epilog="Examples, while the gateway runs:\n\n"
    "cable-station identify gym.toml --station row --board left\n\n"
    "cable-station identify gym.toml --station row --seconds 20",
)
def identify_command(
    config: RunningConfiguration,
    *,
    station: OneStation = None,
    board: Annotated[str | None, typer.Option(help="its id; without it all boards of the station")] = None,
    seconds: Annotated[int, typer.Option(help="so long it blinks", min=1, max=60)] = 5,
    broker: Broker = None,
) -> None:
    """Let a board of a station that runs blink, so that one can see which it is."""
    try:
        gym = load(config)
        where = address(gym, broker=broker, station=station)
        known = [each.id for each in chosen_station(gym, station).board]
    except (ConfigError, AskError) as error:
        end(error, code=2)
    if board is not None and board not in known:
        end(AskError(f"{where.station} has no board {board!r}; known: {', '.join(known)}"), code=2)
    _carried_out(where, "identify", seconds=seconds, board=board)
    say(f"{where.station}: {board if board is not None else 'each board'} blinks for {seconds} s")


@app.command(
    "devices",
    epilog="Examples:\n\ncable-station devices\n\ncable-station devices gym.toml --no-ble",
)
def devices_command(
    config: Annotated[
        Path | None, typer.Argument(help="a configuration, TOML: says which of its boards is which")
    ] = None,
    *,
    ble: Annotated[bool, typer.Option("--ble/--no-ble", help="also listen for boards over Bluetooth")] = True,
    seconds: Annotated[float, typer.Option(help="so long it listens", min=1.0, max=60.0)] = 4.0,
) -> None:
    """List what could be a board: serial ports, boards over Bluetooth, and which board of a configuration each is."""
    try:
        gym = load(config) if config is not None else None
    except ConfigError as error:
        end(error, code=2)
    asyncio.run(devices(gym, scan_s=seconds if ble else None, console=Console(highlight=False)))


@app.command(
    "doctor",
    epilog="Examples, while the gateway does not run and the cables rest:\n\n"
    "cable-station doctor gym.toml\n\n"
    "cable-station doctor gym.toml --station row --seconds 60",
)
def doctor_command(
    config: Configuration,
    *,
    station: Annotated[str | None, typer.Option(help="its id; without it all")] = None,
    seconds: Annotated[float, typer.Option(help="for so long each station is looked at", min=1.0, max=600.0)] = 15.0,
) -> None:
    """Look at the configuration and at every board of it; exit code 1 when something is wrong."""
    try:
        gym = load_calibrated(config)
        entries = read(file_of(config, gym))
        chosen = gym.station if station is None else [chosen_station(gym, station)]
    except (ConfigError, AskError) as error:
        end(error, code=2)
    stations = [calibrated(each, entries) for each in chosen]
    console, same = Console(highlight=False), twice(gym.station)
    if not asyncio.run(doctor(stations, broker=gym.broker, same=same, seconds=seconds, console=console)):
        raise typer.Exit(1)


@app.command(
    "calibrate",
    epilog="Examples, while the gateway does not run:\n\n"
    "cable-station calibrate gym.toml --side left\n\n"
    "cable-station calibrate gym.toml --station row --side left --mass 10 --mass 20 --mass 30 --mass 10\n\n"
    "cable-station calibrate gym.toml --side left --channel position --pull-m 0.5\n\n"
    "cable-station calibrate gym.toml --side left --channel position --drum-mm 50.9 --counts-per-turn 2400\n\n"
    "cable-station calibrate gym.toml --diagnose",
)
def calibrate_command(
    config: Configuration,
    *,
    station: OneStation = None,
    side: Annotated[Side | None, typer.Option(help="the cable")] = None,
    channel: Annotated[Literal["force", "position"], typer.Option(help="load cell or encoder")] = "force",
    diagnose: Annotated[bool, typer.Option("--diagnose", help="only look at all channels")] = False,
    mass: Annotated[
        list[float] | None,
        typer.Option(
            help="kg; may be given several times, in the order of hanging: then nothing is asked", min=0, max=MOST_KG
        ),
    ] = None,
    mass_uncertainty: Annotated[float, typer.Option(help="standard uncertainty of the masses, %", min=0)] = 0.5,
    g: Annotated[float | None, typer.Option(help="local gravity, m/s2; else 9.80665", min=9.7, max=9.9)] = None,
    pull_m: Annotated[float | None, typer.Option(help="length of the pull, m", min=0.05)] = None,
    pull_uncertainty_mm: Annotated[float, typer.Option(help="standard uncertainty of that, mm", min=0)] = 2.0,
    drum_mm: Annotated[float | None, typer.Option(help="drum's diameter at the middle of the cable", min=1)] = None,
    drum_uncertainty_mm: Annotated[float, typer.Option(help="standard uncertainty of that, mm", min=0)] = 0.2,
    counts_per_turn: Annotated[float | None, typer.Option(help="counts for a turn of the drum", min=1)] = None,
) -> None:
    """Calibrate a channel against known masses, a known pull or the drum, step by step, and keep the result."""
    wrong = _wrong_wish(side, channel, diagnose=diagnose, mass=mass, pull=pull_m, drum=(drum_mm, counts_per_turn))
    numbers = (*(mass or ()), mass_uncertainty, g, pull_m, pull_uncertainty_mm, drum_mm, drum_uncertainty_mm)
    if not all(isfinite(each) for each in (*numbers, counts_per_turn) if each is not None):
        wrong = "nan and inf are no numbers to work with"
    if wrong is not None:
        end(CalibrateError(wrong), code=2)
    try:
        gym = load_calibrated(config)
        chosen = calibrated(chosen_station(gym, station), read(file_of(config, gym)))
    except (ConfigError, AskError) as error:
        end(error, code=2)
    console = Console(highlight=False)
    try:
        if diagnose:
            if not asyncio.run(look_at_all(chosen, console=console)):
                raise typer.Exit(1)
            return
        wish = Wish(
            side=side or "left",
            kind=channel,
            masses_kg=tuple(mass or ()),
            mass_uncertainty_pct=mass_uncertainty,
            g=g,
            pull_m=pull_m,
            pull_uncertainty_m=pull_uncertainty_mm / 1000.0,
            drum_m=drum_mm / 1000.0 if drum_mm is not None else None,
            drum_uncertainty_m=drum_uncertainty_mm / 1000.0,
            counts_per_turn=counts_per_turn,
        )
        asyncio.run(calibrate(chosen, wish, file=file_of(config, gym), console=console))
    except UnsoundError as error:
        end(CalibrateError(f"refused, nothing is kept: {error}"), code=1)
    except (CalibrateError, LiveError, ConfigError, OSError) as error:
        end(error, code=1)


def _carried_out(where: Address, name: str, **fields: str | int | None) -> None:
    """Ask a running station for a command, with the fields that are given."""
    try:
        asyncio.run(ask(where, name, {field: each for field, each in fields.items() if each is not None}))
    except AskError as error:
        end(error, code=1)


def _wrong_wish(
    side: str | None,
    channel: str,
    *,
    diagnose: bool,
    mass: list[float] | None,
    pull: float | None,
    drum: tuple[float | None, float | None],
) -> str | None:
    """What does not go together in what calibrate is asked for."""
    if diagnose:
        return None
    if side is None:
        return "which cable? give --side left or --side right"
    has_drum = drum != (None, None)
    if channel == "force":
        return "--pull-m and --drum-mm go with --channel position" if pull is not None or has_drum else None
    if mass:
        return "--mass goes with --channel force"
    if (pull is not None) == has_drum:
        return "a position is calibrated by --pull-m, or by --drum-mm and --counts-per-turn"
    if has_drum and None in drum:
        return "--drum-mm and --counts-per-turn go together"
    return None


def end(error: Exception, *, code: int, voice: Voice = say) -> NoReturn:
    """Say what is wrong in one line and end."""
    voice(Said(str(error), level="error"))
    raise typer.Exit(code) from None


def main() -> None:
    """Run the command line; a reader that goes away ends it quietly."""
    try:
        app()
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(1)


if __name__ == "__main__":
    main()

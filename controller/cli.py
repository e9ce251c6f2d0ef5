"""The command line: `cable-station …`."""

from __future__ import annotations

import asyncio
import os
import sys
from pathlib import Path
from typing import Annotated, Literal, NoReturn

import typer

from controller.ask import AskError, address, ask
from controller.broker import BrokerError
from controller.config import ConfigError, load
from controller.demo import DemoError, demo
from controller.labels import LabelError
from controller.replay import ReplayError, Speed, replay
from controller.runtime import Runtime, say
from controller.score import score

app = typer.Typer(
    name="cable-station",
    help="Station controller for dual-cable gym machines.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    add_completion=False,
)


@app.callback()
def station() -> None:
    """Counts reps, measures left-right asymmetry, publishes over MQTT."""


@app.command(
    "replay",
    epilog="Example: cable-station replay set.csv --json | head -3",
)
def replay_command(
    file: Annotated[Path, typer.Argument(help="a recording (.cablerec) or a neutral CSV")],
    *,
    json: Annotated[bool, typer.Option("--json", help="print the events, one JSON object a line")] = False,
    speed: Annotated[Speed, typer.Option(help="1: as fast as it was; max: at once")] = Speed.MAX,
) -> None:
    """Play a recording through the measuring core and print what it finds."""
    try:
        replay(file, json=json, speed=speed)
    except ReplayError as error:
        end(error, code=2)


@app.command("score", epilog="Example: cable-station score set.csv --truth labels.csv")
def score_command(
    file: Annotated[Path, typer.Argument(help="a recording (.cablerec) or a neutral CSV")],
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
    config: Annotated[Path, typer.Argument(help="the configuration, TOML")],
    *,
    check: Annotated[bool, typer.Option("--check", help="only say whether the configuration is right")] = False,
    events: Annotated[bool, typer.Option("--events", help="also print every event, one JSON object a line")] = False,
) -> None:
    """Run a gateway and its stations until Ctrl-C."""
    try:
        gym = load(config)
    except ConfigError as error:
        end(error, code=2)
    if check:
        say(f"{config}: right; {len(gym.station)} station{'s' if len(gym.station) > 1 else ''}")
        return
    runtime = Runtime(gym, events=events)

    def started() -> None:
        if runtime.broker is not None and runtime.broker.kind != "external":
            say(f"to watch: {runtime.broker.watch_command(gym.site)}")

    try:
        asyncio.run(runtime.run(started=started))
    except (BrokerError, OSError) as error:
        end(error, code=1)


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
    config: Annotated[Path, typer.Argument(help="the configuration of the running gateway, TOML")],
    *,
    station: Annotated[str | None, typer.Option(help="its id; not needed where there is one")] = None,
    side: Annotated[Literal["left", "right"] | None, typer.Option(help="without it both")] = None,
    broker: Annotated[str | None, typer.Option(help="its URL, where the gateway started one of its own")] = None,
) -> None:
    """Take the force as it stands for zero, at a station that runs; its cables must rest, unloaded."""
    try:
        gym = load(config)
        where = address(gym, broker=broker, station=station)
    except (ConfigError, AskError) as error:
        end(error, code=2)
    try:
        asyncio.run(ask(where, "tare", {"side": side} if side is not None else {}))
    except AskError as error:
        end(error, code=1)
    say(f"{where.station}: tared")


def end(error: Exception, *, code: int) -> NoReturn:
    """Say what is wrong in one line and end."""
    say(str(error))
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

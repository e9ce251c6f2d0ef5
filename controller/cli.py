"""The command line: `cable-station …`."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import Annotated

import typer

from controller.replay import ReplayError, Speed, replay

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
        print(f"cable-station: {error}", file=sys.stderr)  # noqa: T201 - the command's one line
        raise typer.Exit(2) from None


def main() -> None:
    """Run the command line; a reader that goes away ends it quietly."""
    try:
        app()
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(1)

"""The command `cable-station-sim`: a simulated station on a pseudo-terminal, TCP or Bluetooth LE, in real time."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Final

import typer
from typer import BadParameter, Context, Option

from protocols.sample_lines import LineFormat
from simulators.ble_boards import peripherals
from simulators.ble_cablelink import MTU, longest
from simulators.ble_port import BlePort
from simulators.fake_bluez_manners import KNOWN, MannerError, parse_manners
from simulators.options import Asked, asking
from simulators.play import played
from simulators.pty_port import PtyPort
from simulators.serving import serve
from simulators.tcp_port import TcpPort

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


Columns = Annotated[str | None, Option(help="Of an ascii-line, as the configuration names them: time_us,left_force_n.")]
Separator = Annotated[str, Option(help="Of an ascii-line, or blank.")]


@app.callback()
def station(context: Context) -> None:
    """Let typer show the commands in its help."""
    del context


@app.command(
    name="pty",
    help="Serve on a pseudo-terminal, which any program opens like a serial port.\n\n\b\n"
    "Example: cable-station-sim pty --scenario iso_lateral_row --link /tmp/cable-a --ratio 0.88",
)
@asking
def serve_pty(
    asked: Asked,
    link: Annotated[Path | None, Option(help="Symlink to the device; stays the same over restarts.")] = None,
    columns: Columns = None,
    separator: Separator = ";",
) -> None:
    """Serve on a pseudo-terminal."""
    play = played(asked, link="a stream", line=_line(columns, separator))

    async def ports() -> list[PtyPort]:
        return [
            PtyPort(pump, link=link.with_name(link.name + suffix) if link is not None else None)
            for suffix, pump in play.pumps()
        ]

    serve(play, ports)


@app.command(
    name="tcp",
    help="Serve on a TCP port, one connection at a time; with two boards the second listens on the next port.\n\n\b\n"
    "Example: cable-station-sim tcp --scenario prone_diagonal_raise --port 7001 --once --truth truth.json",
)
@asking
def serve_tcp(
    asked: Asked,
    host: Annotated[str, Option(help="Address to listen on.")] = "127.0.0.1",
    port: Annotated[int, Option(min=0, max=65535, help="Port; 0 takes a free one.")] = 0,
    columns: Columns = None,
    separator: Separator = ";",
) -> None:
    """Serve on a TCP port."""
    play = played(asked, link="a stream", line=_line(columns, separator))

    async def ports() -> list[TcpPort]:
        return [TcpPort(pump, host=host, port=port + k if port else 0) for k, (_, pump) in enumerate(play.pumps())]

    serve(play, ports)


@app.command(
    name="ble",
    help="Serve over Bluetooth LE, on a fake BlueZ of its own; set the variable that it prints for the program that is "
    "to see it.\n\n\b\n"
    "Example: cable-station-sim ble --scenario iso_lateral_row --folder /tmp/air --manner drop=20",
)
@asking
def serve_ble(
    asked: Asked,
    folder: Annotated[Path | None, Option(help="Of the bus' socket, so that it stays the same over restarts.")] = None,
    bus: Annotated[str | None, Option(help="Address of a running D-Bus to use instead of one of its own.")] = None,
    manner: Annotated[list[str] | None, Option(help=f"Bad manners; may be given several times: {KNOWN}")] = None,
    mtu: Annotated[int, Option(min=48, max=517, help="ATT MTU, bytes; a notification carries three less.")] = MTU,
) -> None:
    """Serve over Bluetooth LE."""
    if folder is not None and bus is not None:
        raise BadParameter("--folder is for a bus of its own, --bus is somebody else's; take one of them")
    try:
        manners = parse_manners(manner or ())
    except MannerError as wrong:
        raise BadParameter(str(wrong)) from None
    play = played(asked, link="the air", max_body=longest(mtu))
    boards = peripherals([board for _, board in play.boards], play.pumps(), mtu=mtu)

    async def ports() -> list[BlePort]:
        port = BlePort(boards, manners=manners, folder=folder, bus=bus)
        await port.open()
        return [port]

    serve(play, ports)


def _line(columns: str | None, separator: str) -> LineFormat | None:
    """The lines that an ascii-line prints. Raises BadParameter."""
    if columns is None:
        return None
    line = LineFormat(tuple(columns.split(",")), separator)
    problem = line.problem()
    if problem is not None:
        raise BadParameter(problem)
    return line


def main() -> None:
    """The command."""
    app()


if __name__ == "__main__":
    main()

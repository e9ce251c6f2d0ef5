"""Serves boards in real time until the session is over or a signal comes."""

from __future__ import annotations

import asyncio
import contextlib
import signal
from collections.abc import Awaitable, Callable, Sequence
from typing import Protocol

import typer

from simulators.play import Play
from simulators.pty_port import TICK, PortError
from simulators.virtual_board import VirtualBoard


class Port(Protocol):
    """Where boards are served."""

    @property
    def name(self) -> str:
        """How a program gets there."""

    async def run(self, *, until: asyncio.Event) -> None:
        """Serve until the event is set, then close."""


Ports = Callable[[], Awaitable[Sequence[Port]]]


def serve(play: Play, ports: Ports) -> None:
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

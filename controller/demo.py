"""The demonstration: a broker, two simulated stations and the display, in one command."""

from __future__ import annotations

import asyncio
import sys
import tempfile
from collections.abc import Callable
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import Any, Final

from controller.broker import free_port
from controller.child import command_line
from controller.config import BrokerConfig, DisplayConfig, GymConfig, RecordingConfig, StationConfig
from controller.core.settings import Exercise
from controller.runtime import Runtime, say
from firmware_bridge.drivers import BoardConfig

READY_WITHIN: Final = 15.0  # s
SITE: Final = "demo"


class DemoError(Exception):
    """A simulator would not start; one line that says why."""


@asynccontextmanager
async def simulator(*arguments: str, remove: Path | None = None) -> Any:
    """`cable-station-sim` in a process of its own, from its ready line on. Raises DemoError.

    remove: a folder that goes with it, even when this process is killed.
    """
    process = await asyncio.create_subprocess_exec(
        *command_line(sys.executable, "-m", "simulators.cli", *arguments, remove=str(remove) if remove else None),
        stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE,
    )  # fmt: skip
    assert process.stdin is not None
    assert process.stdout is not None
    drain: asyncio.Task[bytes] | None = None
    try:
        try:
            async with asyncio.timeout(READY_WITHIN):
                line = (await process.stdout.readline()).decode().strip()
        except TimeoutError:
            line = ""
        if not line.startswith("ready"):
            raise DemoError(f"cable-station-sim {' '.join(arguments)}: {line or 'it did not start'}")
        drain = asyncio.create_task(process.stdout.read(), name="simulator: output")
        yield line.removeprefix("ready").strip()
    finally:
        process.stdin.close()
        await process.wait()
        if drain is not None:
            await drain


def demo_config(folder: Path, *, port: int, csv: bool, display_port: int) -> GymConfig:
    """A dual-cable board on a pty, and two single-cable boards over TCP."""
    row = StationConfig(
        id="row",
        name="Iso-lateral row",
        board=[BoardConfig(id="dual", url=f"serial://{folder}/row")],
        exercise=Exercise(name="recording" if csv else "iso_lateral_row", target_reps=None if csv else 8),
        load_kg=None if csv else 30.0,
    )
    pulldown = StationConfig(
        id="pulldown",
        name="Iso-lateral pulldown",
        board=[
            BoardConfig(id="left", url=f"tcp://127.0.0.1:{port}"),
            BoardConfig(id="right", url=f"tcp://127.0.0.1:{port + 1}"),
        ],
        exercise=Exercise(name="iso_lateral_pulldown", target_reps=8),
        load_kg=25.0,
    )
    return GymConfig(
        site=SITE,
        gateway="demo",
        broker=BrokerConfig(),
        display=DisplayConfig(port=display_port),
        recording=RecordingConfig(folder=str(folder / "recordings")),
        station=[row, pulldown],
    )


async def demo(*, csv: Path | None, seconds: float | None, port: int, tell: Callable[[str], None]) -> None:
    """Run until told to end, or for some seconds. Raises DemoError, BrokerError."""
    async with AsyncExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="cable-station-demo-")))
        first = ("--csv", str(csv)) if csv is not None else (
            "--scenario", "iso_lateral_row", "--shape", "together", "--reps", "8", "--sets", "3", "--ratio", "0.85",
            "--lag", "0.06",
        )  # fmt: skip
        ports = free_port()
        await stack.enter_async_context(simulator("pty", "--link", f"{folder}/row", *first, remove=folder))
        await stack.enter_async_context(
            simulator(
                "tcp", "--scenario", "iso_lateral_pulldown", "--shape", "alternating,left_only,right_only",
                "--two-boards", "--port", str(ports), "--reps", "8", "--sets", "3", "--ratio", "0.95",
            )
        )  # fmt: skip
        runtime = Runtime(demo_config(folder, port=ports, csv=csv is not None, display_port=port))
        greeting = asyncio.Event()
        greeter = asyncio.create_task(_greet(runtime, greeting, tell), name="demo: greeting")
        try:
            await asyncio.wait_for(runtime.run(started=greeting.set), seconds)
        except TimeoutError:
            say(f"{seconds:g} s are over")
        finally:
            greeter.cancel()


async def _greet(runtime: Runtime, started: asyncio.Event, tell: Callable[[str], None]) -> None:
    """Say where everything is, once it is there."""
    await started.wait()
    if runtime.display is not None:
        await runtime.display.ready.wait()
        tell(f"page    {runtime.display.address}")
    if runtime.broker is not None:
        tell(f"broker  {runtime.broker.url}")
        tell(f"watch   {runtime.broker.watch_command(SITE)}")
    tell("Ctrl-C ends it")

"""The composition root: makes everything from the configuration, joins it, and takes it down in order."""

from __future__ import annotations

import asyncio
import signal
import sys
from collections.abc import Callable
from contextlib import AsyncExitStack
from pathlib import Path

from controller.broker import Broker, broker
from controller.config import GymConfig, RecordingConfig
from controller.display import Display, DisplayError, StationView
from controller.mqtt import Publisher
from controller.replay import next_seq
from controller.station_runner import StationRunner
from firmware_bridge.ble_radio import Radio
from protocols.events import AnyEvent, CommandResult, to_json

DRAIN_WITHIN = 1.5  # s that the broker gets for the last events


def say(line: str) -> None:
    """One line about what happens, on standard error."""
    print(f"cable-station: {line}", file=sys.stderr, flush=True)  # noqa: T201 - the program's own voice


def log_event(event: AnyEvent) -> None:
    """An event as one line of standard output."""
    sys.stdout.buffer.write(to_json(event) + b"\n")
    sys.stdout.buffer.flush()


class Runtime:
    """A gateway: its stations, its broker, its display."""

    def __init__(self, config: GymConfig, *, events: bool = False, say: Callable[[str], None] = say) -> None:
        self.config = config
        self.broker: Broker | None = None
        self.display: Display | None = None
        self.stations: dict[str, StationRunner] = {}
        self._say = say
        self._log = log_event if events else None
        self._publisher: Publisher | None = None

    async def run(self, *, started: Callable[[], None] | None = None) -> None:
        """Run until cancelled or told to end by a signal. Raises BrokerError when a child broker will not start."""
        stop = asyncio.Event()
        loop = asyncio.get_running_loop()
        for each in (signal.SIGINT, signal.SIGTERM):
            loop.add_signal_handler(each, stop.set)
        async with AsyncExitStack() as stack:
            self.broker = await stack.enter_async_context(
                broker(
                    self.config.broker,
                    site=self.config.site,
                    gateway=self.config.gateway,
                    stations=[station.id for station in self.config.station],
                    say=self._say,
                )
            )
            outputs = await self._outputs()
            stations = [
                asyncio.create_task(runner.run(), name=f"station {name}") for name, runner in self.stations.items()
            ]
            if started is not None:
                started()
            watched = [*stations, *outputs]
            ending = asyncio.create_task(stop.wait(), name="signal")
            try:
                done, _ = await asyncio.wait([*watched, ending], return_when=asyncio.FIRST_COMPLETED)
            finally:
                ending.cancel()
                await _end(stations)
                if self._publisher is not None and self._publisher.connected.is_set():
                    await self._publisher.drained(within=DRAIN_WITHIN)
                await _end(outputs)
            for task in done:
                if task is not ending and not task.cancelled():
                    task.result()

    async def _outputs(self) -> list[asyncio.Task[None]]:
        tasks = []
        radio = Radio()
        recording = self.config.recording
        folder = Path(recording.folder) if recording.enabled else None
        for station in self.config.station:
            self.stations[station.id] = StationRunner(
                station,
                folder=folder,
                numbers=(await asyncio.to_thread(_next_seq, recording, station.id), 1),
                say=self._say,
                radio=radio,
                log=self._log,
            )
        if self.broker is not None:
            self._publisher = Publisher(
                self.broker,
                site=self.config.site,
                gateway=self.config.gateway,
                stations=list(self.stations),
                commanded=self._command,
                say=self._say,
            )
            tasks.append(asyncio.create_task(self._publisher.run(), name="mqtt"))
        if self.config.display.enabled:
            views = [StationView(id=station.id, name=station.name or station.id) for station in self.config.station]
            display = self.config.display
            self.display = Display(host=display.host, port=display.port, stations=views, token=display.token)
            tasks.append(asyncio.create_task(self._show(self.display), name="display"))
            await asyncio.sleep(0)
        for runner in self.stations.values():
            if self._publisher is not None:
                runner.consumers.append(self._publisher)
                runner.outputs = self._publisher
            if self.display is not None:
                runner.consumers.append(self.display)
        return tasks

    async def _show(self, display: Display) -> None:
        """Run the display; without it the stations go on."""
        try:
            await display.run()
        except DisplayError as error:
            self._say(str(error))
            await asyncio.Event().wait()

    async def _command(self, station: str, name: str, payload: bytes) -> CommandResult:
        return await self.stations[station].command(name, payload)


def _next_seq(recording: RecordingConfig, station: str) -> int:
    return next_seq(Path(recording.folder), station) if recording.enabled else 1


async def _end(tasks: list[asyncio.Task[None]]) -> None:
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)

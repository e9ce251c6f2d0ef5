"""The composition root: makes everything from the configuration, joins it, and takes it down in order."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
import time
from collections.abc import Callable, Sequence
from contextlib import AsyncExitStack
from dataclasses import replace
from pathlib import Path

from controller.adapters.adapter import Adapter
from controller.adapters.home_assistant import HomeAssistant
from controller.adapters.mapping import Mapping
from controller.adapters.mapping_file import MessageConfig
from controller.broker import Broker, broker
from controller.config import GymConfig, StationConfig, outbox_path
from controller.display import Display, DisplayError, StationView
from controller.live_recording import settings_of, software
from controller.metrics import Metrics
from controller.mqtt import Publisher
from controller.outbox import Outbox, opened
from controller.resume import Start, started
from controller.service import Service
from controller.station_runner import StationRunner
from controller.voice import Said, Voice
from firmware_bridge.ble_radio import Radio
from protocols.events import AnyEvent, CommandResult, to_json

DRAIN_WITHIN = 1.5  # s that the broker gets for the last events
CANCEL_AGAIN = 3.0  # s; no last act here takes so long


say = Voice()  # for a person; what `run` says may go to a log instead


def log_event(event: AnyEvent) -> None:
    """An event as one line of standard output."""
    sys.stdout.buffer.write(to_json(event) + b"\n")
    sys.stdout.buffer.flush()


class Runtime:
    """A gateway: its stations, its broker, its display."""

    def __init__(
        self,
        config: GymConfig,
        *,
        events: bool = False,
        mapping: Sequence[MessageConfig] = (),
        say: Callable[[str], None] = say,
    ) -> None:
        """events: print them too; mapping: what else is published."""
        self.config = config
        self.broker: Broker | None = None
        self.display: Display | None = None
        self.metrics: Metrics | None = None
        self.stations: dict[str, StationRunner] = {}
        self._mapping = mapping
        self._say = say
        self._log = log_event if events else None
        self._publisher: Publisher | None = None
        self._early_problems: list[tuple[str | None, str, str | None]] = []  # from before there were stations

    async def run(self, *, started: Callable[[], None] | None = None) -> None:
        """Run until cancelled or told to end by a signal.

        Raises BrokerError when a child broker will not start, OutboxError when the outbox is not ours to use.
        """
        service = Service(os.environ, say=self._say)
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
                    home_assistant=self.config.home_assistant.prefix if self.config.home_assistant.enabled else None,
                    mapped=[message.filter for message in self._mapping],
                )
            )
            outbox = None
            if self.broker is not None:
                path = outbox_path(self.config)
                outbox = await stack.enter_async_context(
                    opened(self.config.outbox, path, fault=self._output_problem, say=self._say)
                )
            outputs = await self._outputs(outbox)
            for problem in self._early_problems:
                self._tell_problem(*problem)
            stations = [
                asyncio.create_task(runner.run(), name=f"station {name}") for name, runner in self.stations.items()
            ]
            if started is not None:
                started()
            service.ready(", ".join(self.stations))
            life = asyncio.create_task(service.live(), name="signs of life")
            watched = [*stations, *outputs]
            ending = asyncio.create_task(stop.wait(), name="signal")
            try:
                done, _ = await asyncio.wait([*watched, ending], return_when=asyncio.FIRST_COMPLETED)
            finally:
                service.ending()
                ending.cancel()
                await end_all(stations)
                if self._publisher is not None and self._publisher.connected.is_set():
                    await self._publisher.drained(within=DRAIN_WITHIN)
                await end_all([*outputs, life])
            for task in done:
                if task is not ending and not task.cancelled():
                    task.result()
        if outbox is None or not outbox.lost:
            for runner in self.stations.values():
                runner.delivered()

    async def _outputs(self, outbox: Outbox | None) -> list[asyncio.Task[None]]:
        tasks = []
        radio = Radio()
        for station in self.config.station:
            start = await asyncio.to_thread(self._start, station)
            known = outbox.last_seq(station.id) if outbox is not None else 0
            self.stations[station.id] = StationRunner(
                station,
                recording=self.config.recording,
                start=replace(start, next_seq=max(start.next_seq, known + 1)),
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
                outbox=outbox,
                adapters=self._adapters(),
            )
            tasks.append(asyncio.create_task(self._publisher.run(), name="mqtt"))
        if self.config.display.enabled:
            views = [StationView(id=station.id, name=station.name or station.id) for station in self.config.station]
            display = self.config.display
            self.display = Display(host=display.host, port=display.port, stations=views, token=display.token)
            tasks.append(asyncio.create_task(self._serve(self.display), name="display"))
            await asyncio.sleep(0)
        if self.config.metrics.enabled:
            self.metrics = self._counting(self.config.metrics.port)
            tasks.append(asyncio.create_task(self._serve(self.metrics), name="metrics"))
        for runner in self.stations.values():
            if self._publisher is not None:
                runner.consumers.append(self._publisher)
                runner.outputs = self._publisher
            if self.display is not None:
                runner.consumers.append(self.display)
            if self.metrics is not None:
                runner.consumers.append(self.metrics)
        return tasks

    def _start(self, station: StationConfig) -> Start:
        """With what a station begins, by its last recording."""
        recording = self.config.recording
        if not recording.enabled:
            return Start()
        return started(
            Path(recording.folder),
            station=station.id,
            settings=settings_of(station),
            software=software(),
            now=time.monotonic(),
            within=recording.resume_within_s,
            say=self._say,
        )

    def _counting(self, port: int) -> Metrics:
        metrics = Metrics(
            port=port,
            site=self.config.site,
            gateway=self.config.gateway,
            stations={name: runner.said_before for name, runner in self.stations.items()},
            software=software(),
        )
        metrics.publisher = self._publisher
        return metrics

    def _adapters(self) -> list[Adapter]:
        """Who else is told, in other words."""
        config = self.config
        home_assistant = HomeAssistant(
            site=config.site,
            gateway=config.gateway,
            stations={station.id: station.name or station.id for station in config.station},
            prefix=config.home_assistant.prefix,
            is_enabled=config.home_assistant.enabled,
        )
        return [home_assistant, Mapping(self._mapping, site=config.site, gateway=config.gateway)]

    async def _serve(self, server: Display | Metrics) -> None:
        """Run the display or the metrics; without them the stations go on."""
        try:
            await server.run()
        except DisplayError as error:
            self._say(Said(str(error), level="error"))
            await asyncio.Event().wait()

    def _output_problem(self, station: str | None, name: str, detail: str | None) -> None:
        """What one station's events suffer from, or everybody's; told in mid-way of an event, so taken later."""
        asyncio.get_running_loop().call_soon(self._tell_problem, station, name, detail)

    def _tell_problem(self, station: str | None, name: str, detail: str | None) -> None:
        if not self.stations:
            self._early_problems.append((station, name, detail))
        for runner in self.stations.values():
            if station in (None, runner.config.id):
                runner.output_problem(name, detail)

    async def _command(self, station: str, name: str, payload: bytes) -> CommandResult:
        return await self.stations[station].command(name, payload, allowed=self.config.broker.commands)


async def end_all(tasks: list[asyncio.Task[None]]) -> None:
    """Cancel tasks until they have ended: a TaskGroup of Python 3.11 loses a cancellation that comes with an error."""
    pending = set(tasks)
    while pending:
        for task in pending:
            task.cancel()
        _, pending = await asyncio.wait(pending, timeout=CANCEL_AGAIN)
    await asyncio.gather(*tasks, return_exceptions=True)

"""The composition root: makes everything from the configuration, joins it, and takes it down in order."""

from __future__ import annotations

import asyncio
import contextlib
import functools
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
from controller.catching_up import CatchingUp
from controller.commands import Refused, checked
from controller.config import GymConfig, StationConfig, outbox_path
from controller.display import Display, DisplayError, StationView
from controller.event_printer import EventPrinter
from controller.live_recording import settings_of, software
from controller.metrics import Metrics
from controller.mqtt import Publisher
from controller.outbox import Outbox, opened
from controller.resume import Start, started
from controller.service import Service
from controller.starting import Starts
from controller.station_runner import StationRunner
from controller.voice import Said, Voice
from firmware_bridge.ble_radio import Radio
from protocols.events import AnyEvent, CommandResult

DRAIN_WITHIN = 1.5  # s that the broker gets for the last events
BEGIN_WITHIN = 5.0  # s; a station that takes longer does not keep us from being ready
CANCEL_AGAIN = 3.0  # s; a last act that takes longer does not hear it


say = Voice()  # for a person; what `run` says may go to a log instead


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
        """events: print them to standard output too; mapping: what else is published."""
        self.config = config
        self.broker: Broker | None = None
        self.display: Display | None = None
        self.metrics: Metrics | None = None
        self.stations: dict[str, StationRunner] = {}
        self._mapping = mapping
        self._say = say
        self._prints = events
        self._log: Callable[[AnyEvent], None] | None = None
        self._publisher: Publisher | None = None
        self._problems: dict[tuple[str | None, str], str] = {}  # of the outputs, by station (None: all) and name
        self._begun = asyncio.Event()  # one more station runs

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
            if self._prints:
                self._log = printer = EventPrinter(sys.stdout.fileno(), say=self._say)
                stack.callback(printer.close)
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
            stations = self._begin(outbox)
            life = asyncio.create_task(self._live(service, started), name="signs of life")
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
        if self.broker is not None:
            self._publisher = Publisher(
                self.broker,
                site=self.config.site,
                gateway=self.config.gateway,
                stations=[station.id for station in self.config.station],
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
        return tasks

    def _begin(self, outbox: Outbox | None) -> list[asyncio.Task[None]]:
        """All stations, each of which runs as soon as it is known with what it begins."""
        starts, radio = Starts(say=self._say), Radio()
        return [
            asyncio.create_task(self._station(station, starts, radio, outbox), name=f"station {station.id}")
            for station in self.config.station
        ]

    async def _live(self, service: Service, started: Callable[[], None] | None) -> None:
        """Say that all is there once the stations run, those aside that take long, and give signs of life."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(BEGIN_WITHIN):
                while len(self.stations) < len(self.config.station):
                    await self._begun.wait()
                    self._begun.clear()
        if started is not None:
            started()
        service.ready(", ".join(station.id for station in self.config.station))
        await service.live()

    async def _station(self, station: StationConfig, starts: Starts, radio: Radio, outbox: Outbox | None) -> None:
        start = await starts.of(station.id, functools.partial(self._start, station))
        known = outbox.last_seq(station.id) if outbox is not None else 0
        runner = StationRunner(
            station,
            recording=self.config.recording,
            start=replace(start, next_seq=max(start.next_seq, known + 1)),
            say=self._say,
            radio=radio,
            log=self._log,
        )
        runner.consumers += [each for each in (self._publisher, self.display, self.metrics) if each is not None]
        runner.outputs = self._publisher
        if self.metrics is not None:
            self.metrics.goes_on(station.id, after=runner.said_before)
        self.stations[station.id] = runner
        self._begun.set()
        await runner.run(
            problems={name: detail for (whose, name), detail in self._problems.items() if whose in (None, station.id)}
        )

    def _start(self, station: StationConfig, progress: CatchingUp) -> Start:
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
            progress=progress,
        )

    def _counting(self, port: int) -> Metrics:
        metrics = Metrics(
            port=port,
            site=self.config.site,
            gateway=self.config.gateway,
            stations=[station.id for station in self.config.station],
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
        if detail is not None:
            self._problems[station, name] = detail
        else:
            self._problems.pop((station, name), None)
        for runner in self.stations.values():
            if station in (None, runner.config.id):
                runner.output_problem(name, detail)

    async def _command(self, station: str, name: str, payload: bytes) -> CommandResult:
        runner = self.stations.get(station)
        if runner is None:
            return self._too_early(station, name, payload)
        return await runner.command(name, payload, allowed=self.config.broker.commands)

    def _too_early(self, station: str, name: str, payload: bytes) -> CommandResult:
        now_ms = time.time_ns() // 1_000_000
        reason = "the controller still plays the station's last recording; ask again later"
        try:
            allowed = self.config.broker.commands
            request = checked(name, payload, now_ms=now_ms, station=station, allowed=allowed).request
        except Refused as refused:
            request, reason = refused.request, str(refused)
        return CommandResult(ts=now_ms, request=request, state="refused", reason=reason)


async def end_all(tasks: list[asyncio.Task[None]]) -> None:
    """Cancel tasks until they have ended: a TaskGroup of Python 3.11 loses a cancellation that comes with an error."""
    pending = set(tasks)
    while pending:
        for task in pending:
            task.cancel()
        _, pending = await asyncio.wait(pending, timeout=CANCEL_AGAIN)
    await asyncio.gather(*tasks, return_exceptions=True)

"""`/metrics` for Prometheus: the latest health of each station, and what has happened, on this machine's loopback.

The samples are made from the payload types: every number of the health is one, its help the field's description.
What is unknown has no sample.
"""

from __future__ import annotations

import asyncio
import errno
import os
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, Final, Protocol

import msgspec
from aiohttp import web
from msgspec import Struct

from controller.display import Status
from controller.display.access import DisplayError, guard, harden
from protocols.events import SIDES, Event, Health, Info, Rep

PREFIX: Final = "cable_station"
HOST: Final = "127.0.0.1"
MEDIA: Final = "text/plain; version=0.0.4; charset=utf-8"
COUNTED: Final = frozenset(
    {
        "frames_lost", "frames_damaged", "samples_late", "recorder_dropped_bytes", "telemetry_dropped",
        "events_dropped", "dead_letters", "slips", "side_frames_lost",
    }
)  # fmt: skip
NOT_SAMPLES: Final = frozenset({"v", "ts", "link"})
PROC: Final = Path("/proc/self")

Labels = dict[str, str]
Sample = tuple[str, Labels, float]


class Connected(Protocol):
    """Whoever knows whether the broker is there."""

    @property
    def connected(self) -> asyncio.Event:
        """Set while it is."""


class Metrics:
    """The consumer that counts."""

    def __init__(self, *, port: int, site: str, gateway: str, stations: Sequence[str], software: str) -> None:
        """port: 0 for any free one."""
        self.ready = asyncio.Event()
        self.address: str | None = None  # the URL, once it is ready
        self.publisher: Connected | None = None
        self._port = port
        self._gateway: Labels = {"site": site, "gateway": gateway}
        self._software = software
        self._online = dict.fromkeys(stations, False)
        self._health: dict[str, Health] = {}
        self._info: dict[str, Info] = {}
        self._counted = dict.fromkeys(stations, 0)  # the number of each one's last event
        self._events: Counter[tuple[str, str]] = Counter()
        self._reps: Counter[tuple[str, str]] = Counter()

    def goes_on(self, station_id: str, *, after: int) -> None:
        """A station begins; events up to this number were said before."""
        self._counted[station_id] = after

    def offer(self, station_id: str, kind: str, payload: Struct) -> None:
        """Take one payload; never blocks."""
        if isinstance(payload, Event):
            if payload.seq <= self._counted[station_id]:
                return  # offered again
            self._counted[station_id] = payload.seq
            self._events[station_id, kind] += 1
            if isinstance(payload, Rep) and payload.status == "final":
                self._reps[station_id, payload.side] += 1
        elif isinstance(payload, Health):
            self._health[station_id] = payload
        elif isinstance(payload, Info):
            self._info[station_id] = payload
        elif isinstance(payload, Status):
            self._online[station_id] = payload.status == "online"

    async def run(self) -> None:
        """Serve until cancelled. Raises DisplayError when the port cannot be had."""
        application = web.Application(middlewares=[guard(None)])
        application.on_response_prepare.append(harden)
        application.add_routes([web.get("/metrics", self._answer)])
        runner = web.AppRunner(application, access_log=None, shutdown_timeout=0.5)
        await runner.setup()
        try:
            try:
                await web.TCPSite(runner, HOST, self._port).start()
            except OSError as error:
                why = "is in use" if error.errno == errno.EADDRINUSE else f"cannot be had: {error.strerror}"
                raise DisplayError(f"metrics: port {self._port} {why}; give metrics.port another") from error
            self.address = f"http://{HOST}:{runner.addresses[0][1]}/metrics"
            self.ready.set()
            await asyncio.Event().wait()  # for ever: only cancelling ends it
        finally:
            self.ready.clear()
            await runner.cleanup()

    async def _answer(self, request: web.Request) -> web.StreamResponse:
        del request
        return web.Response(body=self.text().encode(), headers={"Content-Type": MEDIA, "Cache-Control": "no-store"})

    def text(self) -> str:
        """All samples in Prometheus' text format, 0.0.4."""
        lines = []
        for name, kind, about, samples in self._families():
            lines += [f"# HELP {name} {_escaped(about)}", f"# TYPE {name} {kind}"]
            lines += [f"{each}{_labels(labels)} {value!r}" for each, labels, value in samples]
        return "\n".join(lines) + "\n"

    def _families(self) -> Iterator[tuple[str, str, str, list[Sample]]]:
        online = [({"station": station}, up) for station, up in self._online.items()]
        yield _family("up", "gauge", "whether the station has all its boards", online)
        yield from self._of_health()
        yield _family(
            "board_up", "gauge", "whether the board's link is up",
            [({"station": name, "board": board}, state == "up")
             for name, health in self._health.items() for board, state in _links(health)],
        )  # fmt: skip
        yield _family(
            "events_total", "counter", "events made since the start, by kind",
            [({"station": name, "kind": kind}, count) for (name, kind), count in self._events.items()],
        )  # fmt: skip
        yield _family(
            "reps_total", "counter", "final reps, by side; some may have been retracted later",
            [({"station": name, "side": side}, count) for (name, side), count in self._reps.items()],
        )  # fmt: skip
        infos = [({"station": k, "software": v.software, "algorithm": v.algorithm}, 1) for k, v in self._info.items()]
        yield _family("station_info", "gauge", "versions, in labels", infos)
        gateway = [({**self._gateway, "software": self._software}, 1)]
        yield _family("gateway_info", "gauge", "the gateway, in labels", gateway)
        if self.publisher is not None:
            connected = self.publisher.connected.is_set()
            yield _family("broker_connected", "gauge", "whether the broker is there", [({}, connected)])
        tasks = len(asyncio.all_tasks())
        yield _family("tasks", "gauge", "what the gateway does at once, asyncio tasks", [({}, tasks)])
        yield from _process()

    def _of_health(self) -> Iterator[tuple[str, str, str, list[Sample]]]:
        """A family of each number, with its side as a label where it has one."""
        found: dict[str, list[tuple[Labels, Any]]] = {}
        about: dict[str, str] = {}
        for field, text in DESCRIBED.items():
            side = next((each for each in SIDES if field.startswith(f"{each}_")), None)
            name = field.removeprefix(f"{side}_") if side is not None else field
            if side is not None and name in DESCRIBED:
                name = f"side_{name}"  # a sum over the sides would count it twice
            about[name] = text
            label = {"side": side} if side is not None else {}
            found.setdefault(name, []).extend(
                ({"station": station, **label}, getattr(health, field)) for station, health in self._health.items()
            )
        for name, samples in found.items():
            is_counter = name in COUNTED
            yield _family(
                f"{name}_total" if is_counter else name, "counter" if is_counter else "gauge", about[name], samples
            )


def _described() -> dict[str, str]:
    """The numbers of a station's health, with what each is."""
    _, components = msgspec.json.schema_components([Health])
    fields: dict[str, Any] = components["Health"]["properties"]
    return {name: str(field["description"]) for name, field in fields.items() if name not in NOT_SAMPLES}


DESCRIBED: Final = _described()


def _family(
    name: str, kind: str, about: str, samples: Sequence[tuple[Labels, Any]]
) -> tuple[str, str, str, list[Sample]]:
    full = f"{PREFIX}_{name}"
    return full, kind, about, [(full, labels, float(value)) for labels, value in samples if value is not None]


def _links(health: Health) -> list[tuple[str, str]]:
    return [(board, state) for board, _, state in (each.rpartition("=") for each in health.link.split(",") if each)]


def _process() -> Iterator[tuple[str, str, str, list[Sample]]]:
    """The usual ones of a process, under their usual names."""
    times = os.times()
    name = "process_cpu_seconds_total"
    yield name, "counter", "user and system time", [(name, {}, times.user + times.system)]
    try:
        pages = int((PROC / "statm").read_text().split()[1])
        files = sum(1 for _ in (PROC / "fd").iterdir())
        ticks = int((PROC / "stat").read_text().rsplit(")", 1)[1].split()[19])
        uptime = float(Path("/proc/uptime").read_text().split()[0])
        threads = sum(1 for _ in (PROC / "task").iterdir())
    except (OSError, ValueError, IndexError):
        return  # no Linux
    name = "process_resident_memory_bytes"
    yield name, "gauge", "memory in use", [(name, {}, float(pages * os.sysconf("SC_PAGE_SIZE")))]
    name = "process_open_fds"
    yield name, "gauge", "open files and sockets", [(name, {}, float(files))]
    name = "process_threads"
    yield name, "gauge", "threads", [(name, {}, float(threads))]
    name = "process_start_time_seconds"
    began = time.time() - uptime + ticks / os.sysconf("SC_CLK_TCK")
    yield name, "gauge", "when it began, Unix", [(name, {}, began)]


def _labels(labels: Labels) -> str:
    inside = ",".join(f'{key}="{_escaped(value, quoted=True)}"' for key, value in labels.items())
    return f"{{{inside}}}" if inside else ""


def _escaped(text: str, *, quoted: bool = False) -> str:
    text = text.replace("\\", "\\\\").replace("\n", "\\n")
    return text.replace('"', '\\"') if quoted else text

"""The endpoint for Prometheus, read with its own client's parser."""

from __future__ import annotations

import asyncio
import contextlib
import json
import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import aiohttp
import msgspec
import pytest
from prometheus_client.parser import text_string_to_metric_families

from controller.broker import free_port
from controller.display import DisplayError, Status
from controller.metrics import COUNTED, Metrics
from protocols.events import Health, Info, Rep

DASHBOARD = Path(__file__).parents[2] / "docs" / "examples" / "grafana-dashboard.json"
COMMON: dict[str, Any] = {"id": "i", "ts": 5, "station": "one", "session": "s", "set": 2, "seq": 3}
HEALTH = Health(
    ts=5, left_sample_hz=99.5, right_sample_hz=None, link="a=up,b=down", frames_lost=3, left_jitter_ms=0.25,
    left_slips=2, right_slips=0, rssi_dbm=-61, outbox_depth=7,
)  # fmt: skip


class Reached:
    """Whoever knows that the broker is there."""

    def __init__(self) -> None:
        self.connected = asyncio.Event()


def made(port: int = 0, *, said: dict[str, int] | None = None) -> Metrics:
    metrics = Metrics(port=port, site="hall", gateway="g", stations=("one", "two"), software="1.0")
    for station, number in (said or {}).items():
        metrics.goes_on(station, after=number)
    return metrics


@asynccontextmanager
async def served(metrics: Metrics) -> AsyncIterator[str]:
    running = asyncio.create_task(metrics.run(), name="test: metrics")
    try:
        async with asyncio.timeout(10):
            await metrics.ready.wait()
        assert metrics.address is not None
        yield metrics.address
    finally:
        running.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await running


def samples(text: str) -> dict[tuple[str, tuple[tuple[str, str], ...]], float]:
    families = list(text_string_to_metric_families(text))
    names = [family.name for family in families]
    assert len(set(names)) == len(names)
    assert all(family.documentation for family in families)
    assert all(family.type in ("gauge", "counter") for family in families)
    found = {(s.name, tuple(sorted(s.labels.items()))): s.value for family in families for s in family.samples}
    assert len(found) == sum(len(family.samples) for family in families)
    return found


def of(station: str, **labels: str) -> tuple[tuple[str, str], ...]:
    return tuple(sorted({"station": station, **labels}.items()))


async def test_prometheus_own_parser_reads_what_is_served_and_finds_the_latest() -> None:
    metrics = made()
    metrics.offer("one", "health", Health(ts=1, frames_lost=1))
    metrics.offer("one", "health", HEALTH)
    metrics.offer("one", "status", Status(ts=1, status="online"))
    metrics.offer("one", "info", Info(ts=1, station="one", software='1 "a\\b"\n', algorithm="2"))
    metrics.offer("one", "rep", Rep(**COMMON, side="left", rep=1, status="provisional"))
    metrics.offer("one", "rep", Rep(**{**COMMON, "seq": 4}, side="left", rep=1, status="final"))
    async with served(metrics) as address, aiohttp.ClientSession() as browser, browser.get(address) as answer:
        assert answer.status == 200
        assert answer.headers["Content-Type"].startswith("text/plain; version=0.0.4")
        found = samples(await answer.text())
    assert found["cable_station_up", of("one")] == 1.0
    assert found["cable_station_up", of("two")] == 0.0
    assert found["cable_station_sample_hz", of("one", side="left")] == 99.5
    assert found["cable_station_frames_lost_total", of("one")] == 3.0
    assert found["cable_station_side_jitter_ms", of("one", side="left")] == 0.25
    assert found["cable_station_slips_total", of("one", side="left")] == 2.0
    assert found["cable_station_board_up", of("one", board="a")] == 1.0
    assert found["cable_station_board_up", of("one", board="b")] == 0.0
    assert found["cable_station_events_total", of("one", kind="rep")] == 2.0
    assert found["cable_station_reps_total", of("one", side="left")] == 1.0
    assert found["cable_station_station_info", of("one", software='1 "a\\b"\n', algorithm="2")] == 1.0
    assert found["process_resident_memory_bytes", ()] > 1e6
    assert found["process_open_fds", ()] > 2
    assert found["process_threads", ()] >= 1


async def test_an_event_is_counted_once_though_it_is_offered_again_or_was_counted_before_a_kill() -> None:
    metrics = made(said={"one": 3})
    for number in (2, 3, 4, 5, 4, 5, 6):
        rep = msgspec.structs.replace(Rep(**COMMON, side="left", rep=1, status="final"), seq=number)
        metrics.offer("one", "rep", rep)
        metrics.offer("two", "rep", rep)
    found = samples(metrics.text())
    assert found["cable_station_events_total", of("one", kind="rep")] == 3.0
    assert found["cable_station_reps_total", of("one", side="left")] == 3.0
    assert found["cable_station_events_total", of("two", kind="rep")] == 5.0


async def test_a_task_that_goes_on_is_seen_among_the_tasks() -> None:
    metrics = made()
    before = samples(metrics.text())["cable_station_tasks", ()]
    waiting = asyncio.create_task(asyncio.Event().wait(), name="test: waits")
    try:
        assert samples(metrics.text())["cable_station_tasks", ()] == before + 1
    finally:
        waiting.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await waiting


async def test_what_is_unknown_has_no_sample() -> None:
    metrics = made()
    metrics.offer("one", "health", HEALTH)
    found = samples(metrics.text())
    assert ("cable_station_sample_hz", of("one", side="right")) not in found
    assert not [name for name, labels in found if name == "cable_station_battery_v"]
    assert not [name for name, labels in found if ("station", "two") in labels and name != "cable_station_up"]


async def test_every_number_of_the_health_is_a_metric() -> None:
    metrics = made()
    numbers: dict[str, Any] = {
        field.name: 1 for field in msgspec.structs.fields(Health) if field.name not in ("v", "ts", "link")
    }
    metrics.offer("one", "health", Health(ts=1, **numbers))
    found = {name for name, _ in samples(metrics.text())}
    for name in numbers:
        plain = name.removeprefix("left_").removeprefix("right_")
        plain = f"side_{plain}" if plain != name and plain in numbers else plain
        assert f"cable_station_{plain}_total" in found if plain in COUNTED else f"cable_station_{plain}" in found


async def test_the_dashboard_of_the_examples_asks_only_for_what_there_is() -> None:
    dashboard = json.loads(DASHBOARD.read_text(encoding="utf-8"))
    metrics = made()
    metrics.publisher = Reached()
    numbers: dict[str, Any] = {f.name: 1 for f in msgspec.structs.fields(Health) if f.name not in ("v", "ts", "link")}
    metrics.offer("one", "health", Health(ts=1, link="a=up", **numbers))
    metrics.offer("one", "rep", Rep(**COMMON, side="left", rep=1, status="final"))
    there = {name: {key for key, _ in labels} for name, labels in samples(metrics.text())}
    asked = [target for panel in dashboard["panels"] for target in panel["targets"]]
    assert len(asked) >= len(dashboard["panels"]) >= 10
    for target in asked:
        for name, inside in re.findall(r"((?:cable_station|process)_\w+)(?:\{([^}]*)\})?", target["expr"]):
            assert name in there, name
            assert set(re.findall(r"(\w+)(?:=|!=|=~)", inside)) <= there[name] | {"side"}
    identities = [panel["id"] for panel in dashboard["panels"]]
    assert len(set(identities)) == len(identities)


async def test_only_this_machine_is_answered_and_only_here() -> None:
    async with served(made()) as address, aiohttp.ClientSession() as browser:
        assert address.startswith("http://127.0.0.1:")
        async with browser.get(address, headers={"Host": "evil.example"}) as answer:
            assert answer.status == 421
        async with browser.post(address) as answer:
            assert answer.status == 405


async def test_a_port_that_is_taken_is_one_clear_line() -> None:
    port = free_port()
    async with served(made(port)):
        with pytest.raises(DisplayError, match=f"port {port} is in use; give metrics.port another"):
            await made(port).run()

"""The Node-RED flow of docs/examples, loaded by Node-RED and fed with our payloads at a real broker."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import re
import shutil
import signal
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import msgspec
import pytest

from controller.broker import Broker, find_mosquitto, free_port
from protocols.events import AnyEvent, Fault, Rep, SetSummary, kind, to_json
from tests.controller.mqtt_client import WITHIN, Heard, client, listening
from tests.stations.test_gateway import mosquitto

ROOT = Path(__file__).parents[2]
FLOW = ROOT / "docs" / "examples" / "node-red-flow.json"
NODE_RED = ROOT / ".node-red" / "node_modules" / "node-red" / "red.js"
STARTED_WITHIN = 60.0  # s
COMMON: dict[str, Any] = {"ts": 5, "station": "one", "session": "s", "set": 2}

pytestmark = [
    pytest.mark.broker,
    pytest.mark.nodered,
    pytest.mark.skipif(find_mosquitto() is None, reason="mosquitto is not installed"),
    pytest.mark.skipif(not NODE_RED.is_file() or shutil.which("node") is None, reason="make node-red was not run"),
]


@asynccontextmanager
async def node_red(folder: Path, port: int) -> AsyncIterator[list[str]]:
    """Node-RED with the flow, from the moment on when it has started it and has the broker; the lines it says."""
    flow = json.loads(FLOW.read_text(encoding="utf-8"))
    next(node for node in flow if node["type"] == "mqtt-broker")["port"] = str(port)
    (folder / "flow.json").write_text(json.dumps(flow), encoding="utf-8")
    process = await asyncio.create_subprocess_exec(
        "node", str(NODE_RED), "--userDir", str(folder), "--port", str(free_port()), "-D", "uiHost=127.0.0.1",
        "-D", "telemetry.enabled=false", str(folder / "flow.json"),
        stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.STDOUT, start_new_session=True,
    )  # fmt: skip
    assert process.stdout is not None
    lines: list[str] = []
    try:
        async with asyncio.timeout(STARTED_WITHIN):
            while not any("Connected to broker" in line for line in lines):
                line = (await process.stdout.readline()).decode()
                assert line, lines
                lines.append(line.rstrip())
        drain = asyncio.create_task(process.stdout.read(), name="test: node-red's words")
        yield lines
    finally:
        os.killpg(process.pid, signal.SIGTERM)
        await process.wait()
    lines += (await drain).decode().splitlines()


def rep(number: int, status: str, *, event: int) -> Rep:
    return Rep(**COMMON, id=f"id-{event}", seq=event, side="left", rep=number, status=status)  # type: ignore[arg-type]


def fault(name: str, *, event: int) -> Fault:
    return Fault(**COMMON, id=f"id-{event}", seq=event, name=name, severity="error", raised=True, detail="look at it")


def said(heard: Heard) -> list[str]:
    """What was noticed, without the probes."""
    return [notice for notice in heard.payloads("gym/notice/one") if not notice.startswith("probe")]


async def test_the_flow_counts_the_reps_once_and_says_what_came_of_the_set(tmp_path: Path) -> None:
    folder = tmp_path / "node-red"
    folder.mkdir()
    with mosquitto(tmp_path) as (port, _):
        reached = Broker("127.0.0.1", port, "external")
        async with (
            node_red(folder, port) as lines,
            client(reached, None) as sender,
            listening(reached, None, "gym/#") as heard,
        ):

            async def tell(event: AnyEvent) -> None:
                await sender.publish(f"cable/v1/test/one/event/{kind(event)}", to_json(event), qos=1)

            for number in range(200):  # connected is not yet subscribed
                await tell(fault(f"probe {number}", event=1000 + number))
                with contextlib.suppress(TimeoutError):
                    await asyncio.wait_for(heard.until("gym/notice/one"), 0.1)
                    break
            for event in (rep(1, "provisional", event=1), rep(1, "final", event=2), rep(1, "final", event=2)):
                await tell(event)
            await tell(rep(2, "final", event=3))
            alone: dict[str, Any] = {"asymmetry_pct": None, "verdict_reason": "unilateral"}
            await tell(SetSummary(**COMMON, id="id-4", seq=4, exercise="row", left_reps=2, **alone))
            both: dict[str, Any] = {"asymmetry_low_pct": 5.0, "asymmetry_high_pct": 19.0, "verdict": "supported"}
            await tell(
                SetSummary(
                    **COMMON, id="id-5", seq=5, exercise="row", left_reps=8, right_reps=8, asymmetry_pct=12.34, **both
                )
            )
            await tell(fault("stuck", event=6))
            await heard.until("gym/reps/one", count=2)
            async with asyncio.timeout(WITHIN):
                while len(notices := said(heard)) < 3:
                    await heard.until("gym/notice/one", count=len(heard.payloads("gym/notice/one")) + 1)
        counts = [(each["left"], each["right"]) for each in heard.objects("gym/reps/one")]
        assert counts == [(1, 0), (2, 0)]
        assert notices == [
            "row 2: left 2, right unknown; asymmetry unknown; unilateral",
            "row 2: left 8, right 8; asymmetry +12.3 % (+5.0 % to +19.0 %); supported",
            "stuck: look at it",
        ]
    assert not [line for line in lines if "[error]" in line or "[warn] [" in line]


def test_every_field_that_the_flow_reads_is_one_of_the_payloads() -> None:
    known = {field.name for each in (Rep, SetSummary, Fault) for field in msgspec.structs.fields(each)}
    for node in json.loads(FLOW.read_text(encoding="utf-8")):
        read = set(re.findall(r"\b(?:rep|set|fault)\.(\w+)", node.get("func", "")))
        assert read <= known, node["name"]

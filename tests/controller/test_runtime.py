"""A gateway as a whole, in this process: real broker, real recording, no board at the other end."""

from __future__ import annotations

import asyncio
import contextlib
import json
import signal
import sqlite3
import threading
import time
from collections.abc import AsyncIterator, Callable
from itertools import pairwise
from pathlib import Path
from typing import Any

import msgspec
import pytest

from controller import catching_up, live_recording, outbox_store, resume, runtime
from controller.broker import Account, Broker, BrokerError, find_mosquitto, free_port
from controller.config import GymConfig, MetricsConfig, StationConfig, outbox_path, parse
from controller.live_recording import new_header
from controller.recording_file import RecordingFile
from controller.replay import events_of
from controller.runtime import Runtime, end_all
from controller.station_runner import STATE_EVERY
from protocols.events import State, to_json
from protocols.recording import CommandIn, read_recording
from tests.controller.inputs import ANCHOR
from tests.controller.lives import KILLED, recorder, two_lives
from tests.controller.mqtt_client import WITHIN, Heard, client, listening
from tests.controller.test_mqtt import own_broker

pytestmark = [
    pytest.mark.broker,
    pytest.mark.skipif(find_mosquitto() is None, reason="mosquitto is not installed"),
]
STATIONS = 4
HANGS = 2.0  # s; the rest of an end takes a tenth of that
ONE = "cable/v1/test/one"
TWO = """
site = "test"
broker.kind = "mosquitto"
display.enabled = false
recording.folder = "{folder}"
[[station]]
id = "one"
[[station.board]]
id = "board"
url = "tcp://127.0.0.1:{port}"
[[station]]
id = "two"
[[station.board]]
id = "board"
url = "tcp://127.0.0.1:{port}"
"""


def gym(folder: Path, *, broker: str = 'kind = "mosquitto"') -> GymConfig:
    """One station whose board is at a port that nobody listens on."""
    return parse(
        f'site = "test"\ngateway = "hall"\n[broker]\n{broker}\n[display]\nport = 0\n'
        f'[recording]\nfolder = "{folder}"\n[[station]]\nid = "one"\n'
        f'[[station.board]]\nid = "board"\nurl = "tcp://127.0.0.1:{free_port()}"\n',
        name="gym.toml",
    )


class Running:
    """A runtime, what it says, and how to end it as a signal would."""

    def __init__(self, config: GymConfig) -> None:
        self.said: list[str] = []
        self.runtime = Runtime(config, say=self.said.append)
        self.started = asyncio.Event()
        self.task = asyncio.create_task(self.runtime.run(started=self.started.set), name="test: runtime")

    @property
    def broker(self) -> Broker:
        assert self.runtime.broker is not None
        return self.runtime.broker

    @property
    def dashboard(self) -> Account | None:
        return self.broker.dashboard


@contextlib.asynccontextmanager
async def running(config: GymConfig) -> AsyncIterator[Running]:
    made = Running(config)
    starting = asyncio.create_task(made.started.wait(), name="test: starting")
    try:
        await asyncio.wait({made.task, starting}, timeout=WITHIN, return_when=asyncio.FIRST_COMPLETED)
        if made.task.done():
            made.task.result()
        yield made
    finally:
        for task in (starting, made.task):
            task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await task


def command(request: str, **fields: Any) -> bytes:
    return json.dumps({"v": 1, "request": request, "issued_at": int(time.time() * 1000), **fields}).encode()


async def until(what: Callable[[], bool]) -> None:
    async with asyncio.timeout(WITHIN):
        while not what():  # noqa: ASYNC110 - files and lists tell nobody
            await asyncio.sleep(0.02)


def recordings(folder: Path) -> list[Path]:
    return sorted(folder.glob("*.cablerec"))


async def asked(made: Running, name: str, payload: bytes, heard: Heard) -> dict[str, Any]:
    """The answer to a command."""
    before = len(heard.payloads("/result"))
    async with client(made.broker, made.dashboard) as sender:
        await sender.publish(f"{ONE}/cmd/{name}", payload, qos=1)
    await heard.until("/result", count=before + 1)
    return heard.objects("/result")[-1]


async def test_commands_are_answered_with_a_reason_and_those_that_count_are_recorded_first(tmp_path: Path) -> None:
    async with running(gym(tmp_path)) as made, listening(made.broker, made.dashboard, f"{ONE}/#") as heard:
        await heard.until("one/state")
        done = await asked(made, "select", command("a", person="p-1", exercise="row", load_kg=20), heard)
        assert (done["request"], done["state"], done["reason"]) == ("a", "done", None)
        await until(lambda: heard.objects("one/state")[-1]["person"] == "p-1")
        assert heard.objects("one/state")[-1]["load_kg"] == 20.0
        for name, payload, reason in (
            ("select", command("b", issued_at=1000), "stale"),
            ("select", command("c", wieght=20), "wieght"),
            ("select", command("d", load_kg="20"), "load_kg"),
            ("select", b'{"request": "e"', "malformed"),
            ("launch", command("f"), "launch"),
            ("tare", command("g", side="left"), "left"),
            ("set_end", command("h"), "no set is running"),
            ("identify", command("i"), "not connected"),
        ):
            refused = await asked(made, name, payload, heard)
            assert refused["state"] == "refused", (name, payload)
            assert reason in refused["reason"]
        path = recordings(tmp_path)[0]
    kept = [record for record in read_recording(path) if isinstance(record, CommandIn)]
    assert [record.name for record in kept] == ["select", "tare", "set_end"]
    assert json.loads(kept[0].payload) == {"person": "p-1", "exercise": "row", "load_kg": 20.0}


async def test_a_signal_ends_the_session_aloud_records_its_end_and_leaves_nothing_running(tmp_path: Path) -> None:
    tasks, threads = asyncio.all_tasks(), set(threading.enumerate())
    async with own_broker() as reached:
        assert reached.gateway is not None
        url = f"mqtt://{reached.gateway.user}:{reached.gateway.password}@{reached.host}:{reached.port}"
        async with (
            listening(reached, reached.dashboard, "cable/v1/test/#") as heard,
            running(gym(tmp_path, broker=f'url = "{url}"')) as made,
        ):
            await heard.until("event/fault")
            began = time.monotonic()
            signal.raise_signal(signal.SIGTERM)
            async with asyncio.timeout(WITHIN):
                await made.task
            assert time.monotonic() - began < 3.0
            await heard.until("_gateway/hall/status", last="offline")
        events = [json.loads(payload) for topic, payload, _ in heard.messages if "/event/" in topic]
        assert (events[0]["state"], events[-1]["state"]) == ("started", "ended")
        assert heard.payloads("one/status")[-1] == "offline"
    played = [json.loads(to_json(event)) for _, found in events_of(recordings(tmp_path)[0]) for event in found]
    assert played == [{name: value for name, value in event.items() if name != "late"} for event in events]
    assert asyncio.all_tasks() == tasks
    assert {thread for thread in threading.enumerate() if not thread.name.startswith("asyncio_")} <= threads


async def test_event_numbers_go_on_after_the_last_recording(tmp_path: Path) -> None:
    numbers: list[list[int]] = []
    known: set[Path] = set()
    for _ in range(2):
        async with running(gym(tmp_path)) as made, listening(made.broker, made.dashboard, f"{ONE}/#") as heard:
            await heard.until("event/fault")
        (new,) = set(recordings(tmp_path)) - known
        known.add(new)
        numbers.append([event.seq for _, events in events_of(new) for event in events])
    assert numbers[0] + numbers[1] == list(range(1, len(numbers[0]) + len(numbers[1]) + 1))


async def test_a_child_broker_that_will_not_start_ends_it_all(tmp_path: Path) -> None:
    tasks = asyncio.all_tasks()
    taken = await asyncio.start_server(lambda _, writer: writer.close(), "127.0.0.1", 0)
    async with taken:
        port = taken.sockets[0].getsockname()[1]
        with pytest.raises(BrokerError, match=f"port {port} on 127.0.0.1 is in use"):
            async with running(gym(tmp_path, broker=f'kind = "mosquitto"\nport = {port}')):
                pytest.fail("it started")
    assert asyncio.all_tasks() == tasks
    assert recordings(tmp_path) == []


async def test_a_display_that_cannot_have_its_port_is_one_line_and_the_stations_go_on(tmp_path: Path) -> None:
    taken = await asyncio.start_server(lambda _, writer: writer.close(), "127.0.0.1", 0)
    async with taken:
        port = taken.sockets[0].getsockname()[1]
        config = gym(tmp_path, broker='url = "none"')
        display = msgspec.structs.replace(config.display, port=port)
        async with running(msgspec.structs.replace(config, display=display)) as made:
            await until(lambda: any("is in use" in line for line in made.said))
            await until(lambda: bool(recordings(tmp_path)))
        assert sum("is in use" in line for line in made.said) == 1


async def test_a_command_after_the_end_of_the_session_is_refused_and_makes_no_event(tmp_path: Path) -> None:
    async with running(gym(tmp_path)) as made:
        runner = made.runtime.stations["one"]
        made.task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await made.task
        result = await runner.command("session_start", command("late"))
        assert (result.request, result.state) == ("late", "refused")
        assert "ends" in (result.reason or "")
        assert runner.pipeline.events() == []


class States:
    """A consumer that keeps the states, with when each came."""

    def __init__(self) -> None:
        self.came: list[tuple[float, State]] = []

    def offer(self, station_id: str, kind: str, payload: msgspec.Struct) -> None:
        del station_id, kind
        if isinstance(payload, State):
            self.came.append((time.monotonic(), payload))


async def test_commands_are_answered_at_once_and_states_come_once_a_second_at_most(tmp_path: Path) -> None:
    async with running(gym(tmp_path, broker='url = "none"')) as made:
        runner, states = made.runtime.stations["one"], States()
        runner.consumers.append(states)
        ends = time.monotonic() + 3.5
        load = 0
        while time.monotonic() < ends:
            load += 1
            began = time.monotonic()
            assert (await runner.command("select", command("a", load_kg=load))).state == "done"
            assert time.monotonic() - began < STATE_EVERY / 2
            await asyncio.sleep(0.05)
        await until(lambda: states.came[-1][1].load_kg == load)
        assert time.monotonic() - ends < STATE_EVERY + 0.5
        times = [came for came, _ in states.came]
        assert min(after - before for before, after in pairwise(times)) > STATE_EVERY - 0.01
        assert len(times) >= 4


async def test_an_answer_has_the_station_s_time_as_what_the_command_brought_about_has(tmp_path: Path) -> None:
    """Not the machine's, which may be set back in mid-session."""
    async with running(gym(tmp_path, broker='url = "none"')) as made:
        runner = made.runtime.stations["one"]
        await until(lambda: runner.pipeline.t > 1.0)
        for name, request in (("select", "a"), ("set_end", "b"), ("launch", "c"), ("identify", "d")):
            assert (await runner.command(name, command(request))).ts == runner.pipeline.state().ts, name


async def test_what_the_outbox_could_not_write_is_offered_again_at_the_next_start(tmp_path: Path) -> None:
    config = gym(tmp_path, broker=f'url = "mqtt://127.0.0.1:{free_port()}"')
    path = outbox_path(config)
    assert path is not None
    async with running(config) as made:
        other = sqlite3.connect(path, isolation_level=None)
        other.execute("BEGIN EXCLUSIVE")
        signal.raise_signal(signal.SIGTERM)
        await made.task
        assert any("could not be written" in line for line in made.said)
        other.close()
    [file] = recordings(tmp_path)
    ids = [event.id for _, events in events_of(file) for event in events]
    counting = msgspec.structs.replace(config, metrics=MetricsConfig(enabled=True, port=free_port()))
    async with running(counting) as made:
        metrics = made.runtime.metrics
        assert metrics is not None
        await until(lambda: "cable_station_events_total" in metrics.text())
    counts = [line.rpartition(" ")[2] for line in metrics.text().splitlines() if "events_total{" in line]
    new = [event.seq for _, events in events_of(recordings(tmp_path)[-1]) for event in events]
    assert min(new) == len(ids) + 1
    assert sum(map(float, counts)) == len(new)
    with contextlib.closing(sqlite3.connect(path)) as kept:
        found = [name for (name,) in kept.execute("SELECT id FROM event ORDER BY n")]
    assert found[: len(ids)] == ids


async def test_an_outbox_that_fails_as_nobody_thought_is_a_fault_and_in_the_health_until_it_is_mended(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    broken = threading.Event()
    insert = outbox_store._insert

    def inserted(*arguments: Any) -> None:
        if broken.is_set():
            raise RuntimeError("nobody thought of it")
        insert(*arguments)

    monkeypatch.setattr(outbox_store, "_insert", inserted)
    async with running(gym(tmp_path)) as made, listening(made.broker, made.dashboard, f"{ONE}/#") as heard:
        await heard.until("one/state")
        broken.set()
        await asked(made, "session_end", command("a"), heard)

        def faults() -> list[bool]:
            return [each["raised"] for each in heard.objects("event/fault") if each["name"] == "outbox_disk"]

        await until(lambda: faults() == [True])
        runner = made.runtime.stations["one"]
        runner.show_health()
        await until(lambda: (heard.objects("one/health")[-1]["outbox_unsaved"] or 0) > 0)
        broken.clear()
        await until(lambda: faults() == [True, False])
        await until(lambda: runner.outputs is not None and runner.outputs.unsaved == 0)
        runner.show_health()
        await until(lambda: heard.objects("one/health")[-1]["outbox_unsaved"] == 0)


async def test_a_recording_that_takes_long_to_play_keeps_no_other_station_from_starting(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    config = parse(TWO.format(folder=tmp_path, port=free_port()), name="gym.toml")
    cut_session(tmp_path, config.station[0])
    monkeypatch.setattr(resume, "BLOCK", 1024)
    monkeypatch.setattr(catching_up, "SAY_AFTER", 0.0)
    monkeypatch.setattr(catching_up, "SAY_EVERY", 0.0)
    monkeypatch.setattr(catching_up, "OTHERS", 0.5)  # s for a block: the whole takes minutes
    monkeypatch.setattr(runtime, "BEGIN_WITHIN", 1.0)
    async with running(config) as made, listening(made.broker, made.dashboard, "cable/v1/test/#") as heard:
        await heard.until("two/state")
        await heard.until("one/status", last="offline")
        refused = await asked(made, "select", command("a", person="p-1"), heard)
        assert (refused["state"], refused["request"]) == ("refused", "a")
        assert "last recording" in refused["reason"]
        assert any("one: plays" in line and "% done, about" in line for line in made.said)
        assert not heard.payloads("one/state")
        monkeypatch.setattr(catching_up, "OTHERS", 0.0)
        await heard.until("one/state")
        [goes_on] = [line for line in made.said if "goes on after" in line]
        assert goes_on.startswith("one: ")


async def test_a_gateway_ends_at_once_though_a_recording_is_still_played(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    config = parse(TWO.format(folder=tmp_path, port=free_port()), name="gym.toml")
    path = cut_session(tmp_path, config.station[0])
    before = path.read_bytes()
    monkeypatch.setattr(resume, "BLOCK", 1024)
    monkeypatch.setattr(catching_up, "OTHERS", 0.2)
    monkeypatch.setattr(runtime, "BEGIN_WITHIN", 0.5)
    async with running(config) as made:
        assert "start of one" in [thread.name for thread in threading.enumerate()]
        signal.raise_signal(signal.SIGTERM)
        async with asyncio.timeout(WITHIN):
            await made.task
    assert "start of one" not in [thread.name for thread in threading.enumerate()]
    assert path.read_bytes() == before


def cut_session(folder: Path, config: StationConfig) -> Path:
    """The recording of a session that nobody ended, without a state beside it."""
    ahead = time.monotonic() - ANCHOR - KILLED
    head = msgspec.structs.replace(new_header(config, next_seq=1), monotonic_anchor=ANCHOR + ahead)
    with recorder(folder, head) as made:
        for each in two_lives()[0]:
            changes = {"board": "board"} if hasattr(each, "board") else {}
            made.put(msgspec.structs.replace(each, received_at=each.received_at + ahead, **changes))
    return made.path


async def test_a_disk_that_hangs_at_the_end_is_waited_for_by_all_stations_at_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    text = 'site = "test"\nbroker.url = "none"\ndisplay.enabled = false\n' + f'recording.folder = "{tmp_path}"\n'
    for number in range(STATIONS):
        text += f'[[station]]\nid = "row-{number}"\n[[station.board]]\nid = "board"\nurl = "tcp://127.0.0.1:9"\n'
    monkeypatch.setattr(live_recording, "CLOSE_WITHIN", HANGS)
    answers = threading.Event()
    append = RecordingFile.append

    def hanging(file: RecordingFile, data: bytes) -> None:
        answers.wait(WITHIN)
        append(file, data)

    async with running(parse(text, name="gym.toml")) as made:
        await until(lambda: len(recordings(tmp_path)) == STATIONS)
        monkeypatch.setattr(RecordingFile, "append", hanging)
        began = time.monotonic()
        longest = asyncio.create_task(longest_pause())
        signal.raise_signal(signal.SIGTERM)
        async with asyncio.timeout(WITHIN):
            await made.task
        took = time.monotonic() - began
        longest.cancel()
        answers.set()
    assert HANGS <= took < 2 * HANGS
    assert await longest < HANGS / 2  # the broker and the page are served meanwhile


async def longest_pause() -> float:
    """For how long at the most the loop did nothing else, s, when it is cancelled."""
    longest, last = 0.0, time.monotonic()
    with contextlib.suppress(asyncio.CancelledError):
        while True:
            await asyncio.sleep(0.01)
            now = time.monotonic()
            longest, last = max(longest, now - last), now
    return longest


async def test_a_task_that_loses_its_cancellation_is_cancelled_again() -> None:
    async def deaf() -> None:
        with contextlib.suppress(asyncio.CancelledError):
            await asyncio.Event().wait()
        await asyncio.Event().wait()

    tasks = [asyncio.create_task(deaf(), name="test: deaf")]
    await asyncio.sleep(0)
    async with asyncio.timeout(WITHIN):
        await end_all(tasks)
    assert tasks[0].cancelled()

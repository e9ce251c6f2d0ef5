from __future__ import annotations

import asyncio
import json
import socket
import time
from contextlib import asynccontextmanager, suppress
from typing import TYPE_CHECKING, Any

import aiohttp
import pytest
from hypothesis import given
from hypothesis import strategies as st

from controller.display import Display, DisplayError, StationView
from controller.display.access import HEADERS, host_of, is_loopback
from controller.display.latest import FAULTS_KEPT, SLOTS, Client, Item, Latest
from controller.display.server import SEND_BUFFER
from protocols.events import Telemetry
from tests.browser.lifting import fault, health, rep, set_the_scene, state, telemetry

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from msgspec import Struct

RACK = StationView(id="rack-1", name="Rack 1")


@asynccontextmanager
async def serving(*stations: StationView, token: str | None = None) -> AsyncIterator[tuple[Display, str]]:
    display = Display(host="127.0.0.1", port=0, stations=stations or (RACK,), token=token)
    task = asyncio.create_task(display.run(), name="display")
    await display.ready.wait()
    assert display.address is not None
    try:
        yield display, display.address
    finally:
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task
        assert display.address is None


async def messages(stream: aiohttp.StreamReader) -> AsyncIterator[dict[str, Any]]:
    async for line in stream:
        if line.startswith(b"data: "):
            yield json.loads(line.removeprefix(b"data: "))


async def until(stream: aiohttp.StreamReader, kind: str) -> list[dict[str, Any]]:
    """All messages up to the first of a kind."""
    seen = []
    async with asyncio.timeout(10):
        async for message in messages(stream):
            seen.append(message)
            if message["kind"] == kind:
                return seen
    raise AssertionError(f"the stream ended without {kind}: {seen}")


@pytest.mark.parametrize(
    "path",
    ["/", "/station/rack-1", "/station/none", "/page/station.js", "/page/none", "/none", "/station/rack-1/events"],
)
async def test_every_answer_carries_the_strict_headers(path: str) -> None:
    async with (
        serving() as (_, address),
        aiohttp.ClientSession() as session,
        session.get(address + path, allow_redirects=False) as response,
    ):
        assert {name: response.headers.get(name) for name in HEADERS} == HEADERS
        policy = response.headers["Content-Security-Policy"]
        assert policy.startswith("default-src 'none'")
        assert "unsafe" not in policy
        assert "Access-Control-Allow-Origin" not in response.headers


async def test_the_page_has_nothing_inline_and_nothing_from_elsewhere() -> None:
    async with serving() as (_, address), aiohttp.ClientSession() as session:
        for path in ("/station/rack-1", "/page/index.html", "/page/station.css", "/page/station.js", "/page/icon.svg"):
            async with session.get(address + path) as response:
                assert response.status == 200
                text = (await response.text()).replace("http://www.w3.org/2000/svg", "")
                assert "://" not in text
                assert "style=" not in text
                assert "<style" not in text
                assert "onclick" not in text


@pytest.mark.parametrize("host", ["evil.example", "evil.example:80", "localhost.evil.example", "10.0.0.1", "", "[::2]"])
async def test_a_foreign_host_header_is_refused(host: str) -> None:
    async with serving() as (_, address), aiohttp.ClientSession() as session:
        for path in ("/station/rack-1", "/station/rack-1/events"):
            async with session.get(address + path, headers={"Host": host}) as response:
                assert response.status == 421


@pytest.mark.parametrize("host", ["localhost", "LOCALHOST:8080", "127.0.0.1:1", "[::1]:8080"])
async def test_this_machine_s_own_names_are_answered(host: str) -> None:
    async with (
        serving() as (_, address),
        aiohttp.ClientSession() as session,
        session.get(address + "/station/rack-1", headers={"Host": host}) as response,
    ):
        assert response.status == 200


@given(st.text())
def test_no_host_header_crashes_the_guard(header: str) -> None:
    assert is_loopback(host_of(header)) in (True, False)


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "PATCH", "OPTIONS"])
async def test_nothing_can_be_written(method: str) -> None:
    async with serving() as (_, address), aiohttp.ClientSession() as session:
        for path in ("/", "/station/rack-1", "/events", "/station/rack-1/events"):
            async with session.request(method, address + path) as response:
                assert response.status == 405


async def test_one_station_is_shown_at_once_and_several_are_listed() -> None:
    async with aiohttp.ClientSession() as session:
        async with serving() as (_, address), session.get(address) as response:
            assert response.url.path == "/station/rack-1"
        two = (RACK, StationView(id="rack-2", name="Rack 2"))
        async with serving(*two) as (_, address), session.get(address) as response:
            assert response.url.path == "/"
            assert "stations.js" in await response.text()


async def test_a_new_page_is_told_everything_that_is_known_first() -> None:
    async with serving() as (display, address), aiohttp.ClientSession() as session:
        set_the_scene(display, "rack-1")
        display.offer("rack-1", "rep", rep("left", 1))
        display.offer("rack-1", "rep", rep("right", 1))
        display.offer("rack-1", "fault", fault("saturated", side="left"))
        display.offer("rack-1", "state", state(left=0, right=0))
        display.offer("rack-1", "state", state(left=1, right=1))
        async with session.get(f"{address}/station/rack-1/events") as response:
            assert response.content_type == "text/event-stream"
            seen = await until(response.content, "heartbeat")
    assert [message["kind"] for message in seen] == [
        "hello", "status", "info", "health", "set", "rep", "rep", "fault", "state", "heartbeat",
    ]  # fmt: skip
    assert seen[0]["stations"] == [{"id": "rack-1", "name": "Rack 1"}]
    newest = seen[-2]
    assert newest["payload"]["left_reps"] == 1
    assert newest["payload"]["asymmetry_pct"] is None
    assert newest["age_ms"] >= 0


async def test_a_number_that_is_none_reaches_the_page_as_null() -> None:
    async with serving() as (display, address), aiohttp.ClientSession() as session:
        display.offer("rack-1", "telemetry", Telemetry(ts=1, force_left_n=float("nan"), force_right_n=12.5))
        async with session.get(f"{address}/station/rack-1/events") as response:
            payload = (await until(response.content, "telemetry"))[-1]["payload"]
    assert payload["force_left_n"] is None
    assert payload["position_left_m"] is None
    assert payload["force_right_n"] == 12.5


async def test_the_list_of_stations_hears_of_all_but_not_of_reps() -> None:
    other = StationView(id="rack-2", name="Rack 2")
    async with serving(RACK, other) as (display, address), aiohttp.ClientSession() as session:
        for station in ("rack-1", "rack-2"):
            display.offer(station, "rep", rep("left", 1))
            display.offer(station, "state", state(left=1, right=1))
        async with session.get(f"{address}/events") as response:
            seen = await until(response.content, "heartbeat")
        async with session.get(f"{address}/station/rack-2/events") as response:
            alone = await until(response.content, "heartbeat")
    assert [(m["station"], m["kind"]) for m in seen[1:-1]] == [("rack-1", "state"), ("rack-2", "state")]
    assert {m["station"] for m in alone[1:-1]} == {"rack-2"}


async def test_a_heartbeat_comes_each_half_second_with_nothing_to_say() -> None:
    async with (
        serving() as (_, address),
        aiohttp.ClientSession() as session,
        session.get(f"{address}/station/rack-1/events") as response,
    ):
        await until(response.content, "heartbeat")
        began = time.monotonic()
        for _ in range(3):
            await until(response.content, "heartbeat")
        assert 1.2 < time.monotonic() - began < 3.0


async def test_a_page_is_written_at_most_30_times_a_second_and_ends_with_the_newest() -> None:
    async with (
        serving() as (display, address),
        aiohttp.ClientSession() as session,
        session.get(f"{address}/station/rack-1/events") as response,
    ):
        began = time.monotonic()
        for number in range(1000):
            display.offer("rack-1", "telemetry", Telemetry(ts=number))
            await asyncio.sleep(0.001)
        span = time.monotonic() - began
        seen = []
        async with asyncio.timeout(10):
            async for message in messages(response.content):
                if message["kind"] == "telemetry":
                    seen.append(message["payload"]["ts"])
                if seen and seen[-1] == 999:
                    break
    assert seen == sorted(set(seen))
    assert 5 < len(seen) <= span * 30 + 2


async def test_a_browser_that_stalls_costs_a_bounded_memory_and_then_sees_the_newest() -> None:
    async with serving() as (display, address):
        stalled = socket.socket()
        stalled.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        with stalled:
            stalled.connect(("127.0.0.1", int(address.rpartition(":")[2])))
            stalled.sendall(b"GET /station/rack-1/events HTTP/1.1\r\nHost: localhost\r\n\r\n")
            stalled.settimeout(0)
            await asyncio.get_running_loop().sock_recv(stalled, 64)  # the page is open
            (client,) = display.pages
            for number in range(1, 12_001):
                display.offer("rack-1", "telemetry", Telemetry(ts=number))
                display.offer("rack-1", "rep", rep("left", number))
                display.offer("rack-1", "fault", fault(f"fault-{number}"))
                assert len(client) <= SLOTS
                if number % 200 == 0:
                    await asyncio.sleep(0.04)  # the page's turn, as often as it comes at most
            assert len(client) > 0  # its writer is held up, nobody else is
            received = b""
            async with asyncio.timeout(20):
                while b'"ts":12000,"force_left_n"' not in received:
                    received += await asyncio.get_running_loop().sock_recv(stalled, 65536)
        assert len(received) < 10 * SEND_BUFFER  # of some 2.5 MB that a browser that reads would have had


def payload_of(kind: str, number: int) -> Struct:
    match kind:
        case "state":
            return state(left=number)
        case "rep":
            return rep("left", number)
        case "fault":
            return fault(f"fault-{number}")
        case _:
            return telemetry(number)


@given(st.lists(st.tuples(st.sampled_from(["state", "telemetry", "rep", "fault"]), st.integers(1, 99)), max_size=300))
def test_whatever_is_offered_a_page_holds_the_newest_of_each_slot(offers: list[tuple[str, int]]) -> None:
    latest = Latest()
    client = Client({"rack-1": latest})
    newest: dict[str, int] = {}
    for at, (kind, number) in enumerate(offers):
        payload = payload_of(kind, number)
        name = latest.put(Item(kind, payload, float(at)))
        client.notice("rack-1", kind, name)
        newest[name] = at
    seen = [json.loads(line[6:]) for line in client.take(1000.0).splitlines() if line]
    assert len(seen) <= SLOTS
    ages = [round(1000 - message["age_ms"] / 1000) for message in seen]
    assert ages == sorted(ages)
    kept = {at for name, at in newest.items() if not name.startswith("fault")}
    assert kept <= set(ages)
    assert set(ages) <= set(newest.values())
    assert client.take(1000.0) == b""


def test_a_fault_that_is_over_is_forgotten_before_one_that_stands() -> None:
    latest = Latest()
    latest.put(Item("fault", fault("standing"), 0.0))
    latest.put(Item("fault", fault("over", raised=False), 0.0))
    for number in range(FAULTS_KEPT - 1):
        latest.put(Item("fault", fault(f"fault-{number}"), 0.0))
    assert "fault over None" not in latest.items
    assert "fault standing None" in latest.items
    assert len(latest.items) == FAULTS_KEPT


async def test_an_unknown_kind_or_station_is_a_bug_that_shows() -> None:
    display = Display(host="127.0.0.1", port=0, stations=[RACK])
    with pytest.raises(KeyError):
        display.offer("rack-1", "weather", health())
    with pytest.raises(KeyError):
        display.offer("rack-9", "health", health())


async def test_a_busy_port_is_one_line_that_names_it_and_says_what_to_do() -> None:
    async with serving() as (_, address):
        port = int(address.rpartition(":")[2])
        with pytest.raises(DisplayError, match=rf"^display: port {port} on 127\.0\.0\.1 is in use: .* another port$"):
            await Display(host="127.0.0.1", port=port, stations=[RACK]).run()


async def test_cancelling_ends_open_streams_and_frees_the_port() -> None:
    async with aiohttp.ClientSession() as session:
        async with serving() as (display, address):
            response = await session.get(f"{address}/station/rack-1/events")
            await until(response.content, "heartbeat")
            began = time.monotonic()
        assert time.monotonic() - began < 2.0
        assert not display.pages
        with suppress(aiohttp.ClientError):
            async for _ in messages(response.content):
                pass
        response.close()
        with socket.create_server(("127.0.0.1", int(address.rpartition(":")[2]))):
            pass


async def test_a_page_that_goes_is_let_go() -> None:
    async with serving() as (display, address):
        async with aiohttp.ClientSession() as session, session.get(f"{address}/events") as response:
            await until(response.content, "heartbeat")
            assert len(display.pages) == 1
        for _ in range(250):
            if display.pages:
                await asyncio.sleep(0.02)
        assert not display.pages


def test_the_network_is_not_opened_without_a_token() -> None:
    with pytest.raises(DisplayError, match="set a token"):
        Display(host="0.0.0.0", port=0, stations=[RACK])
    Display(host="0.0.0.0", port=0, stations=[RACK], token="secret")


async def test_with_a_token_a_page_is_shown_to_whoever_brings_it_once() -> None:
    async with (
        serving(token="sécret") as (_, address),
        aiohttp.ClientSession(cookie_jar=aiohttp.CookieJar(unsafe=True)) as session,
    ):
        for path in ("/station/rack-1", "/station/rack-1/events", "/page/station.js", "/station/rack-1?token=wrong"):
            async with session.get(address + path) as response:
                assert response.status == 403
        async with session.get(f"{address}/station/rack-1", params={"token": "sécret"}) as response:
            assert response.status == 200
            assert "token" not in str(response.url)
        async with session.get(f"{address}/station/rack-1/events") as response:
            assert response.status == 200

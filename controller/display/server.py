"""The display's server: a page of our own, fed by server-sent events from the controller itself.

The core offers payloads, and the offer only marks what changed. Each open page has a task that writes what its page
has not seen, at most 30 times a second, and a heartbeat each half second, by which the page knows that we live.
"""

from __future__ import annotations

import asyncio
import errno
import hashlib
import socket
import time
from importlib.resources import files
from typing import TYPE_CHECKING, Annotated

from aiohttp import web
from msgspec import Struct

from controller.display.access import DisplayError, guard, harden, is_loopback
from controller.display.latest import GLANCE, KINDS, Client, Item, Latest, StationView, server_sent
from protocols.events import field

if TYPE_CHECKING:
    from collections.abc import Sequence

HEARTBEAT = 0.5  # s
STEP = 1 / 30  # s between two writes to a page of one station
GLANCE_STEP = 1 / 5  # s between two writes to the list of stations
STALLED = 20.0  # s that one write may take; then the page is let go, and connects again when it can
MOST_CLIENTS = 64  # pages open at once
SEND_BUFFER = 32 * 1024  # bytes that may wait for a slow page in this process, and as many in the kernel
MEDIA = {"html": "text/html", "css": "text/css", "js": "text/javascript", "svg": "image/svg+xml"}


class Hello(Struct, frozen=True, tag_field="kind", tag="hello"):
    """The first message: everything after it is the whole truth. A new page digest makes the page load anew."""

    page: str
    stations: list[StationView]


class Heartbeat(Struct, frozen=True, tag_field="kind", tag="heartbeat"):
    """We live."""

    ts: Annotated[int, field("wall time, Unix", "ms")]


class Display:
    """The consumer that shows stations on screens; latest only, so it can never hold back the core."""

    def __init__(self, *, host: str, port: int, stations: Sequence[StationView], token: str | None = None) -> None:
        """Take port 0 for any free one. Beyond loopback a token is needed, else DisplayError."""
        if token is None and not is_loopback(host):
            raise DisplayError(f"display: host {host} opens the page to the network: set a token, or host 127.0.0.1")
        self.stations = {view.id: view for view in stations}
        self.ready = asyncio.Event()
        self.address: str | None = None  # the URL, once it is ready
        self._host, self._port, self._token = host, port, token
        self._latest = {view.id: Latest() for view in stations}
        self._clients: set[Client] = set()
        self._page = {
            part.name: part.read_bytes() for part in (files(__package__) / "page").iterdir() if part.is_file()
        }
        digest = hashlib.sha256(b"".join(self._page[name] for name in sorted(self._page)))
        self._hello = Hello(page=digest.hexdigest()[:16], stations=list(stations))

    def offer(self, station_id: str, kind: str, payload: Struct) -> None:
        """Show a payload from protocols.events; never blocks. Call it from the event loop's thread.

        Raises KeyError for a station or kind that the display was not made for.
        """
        if kind not in KINDS:
            raise KeyError(kind)
        name = self._latest[station_id].put(Item(kind, payload, time.monotonic()))
        for client in self._clients:
            client.notice(station_id, kind, name)

    @property
    def pages(self) -> frozenset[Client]:
        """The pages that are open now."""
        return frozenset(self._clients)

    async def run(self) -> None:
        """Serve until cancelled. Raises DisplayError when the port cannot be had."""
        runner = web.AppRunner(self._application(), access_log=None, shutdown_timeout=0.5)
        await runner.setup()
        try:
            site = web.TCPSite(runner, self._host, self._port)
            try:
                await site.start()
            except OSError as error:
                raise DisplayError(self._refusal(error)) from error
            port = runner.addresses[0][1]
            host = f"[{self._host}]" if ":" in self._host else self._host
            self.address = f"http://{host}:{port}"
            self.ready.set()
            await asyncio.Event().wait()  # for ever: only cancelling ends it
        finally:
            self.ready.clear()
            self.address = None
            for client in self._clients:
                client.close()
            await runner.cleanup()

    def _refusal(self, error: OSError) -> str:
        where = f"display: port {self._port} on {self._host}"
        if error.errno == errno.EADDRINUSE:
            return f"{where} is in use: end the other program, or give the display another port"
        if error.errno == errno.EACCES:
            return f"{where} is not allowed for this user: take a port from 1024 on"
        return f"display: cannot listen on {self._host} port {self._port}: {error.strerror or error}; give another host"

    def _application(self) -> web.Application:
        application = web.Application(middlewares=[guard(self._token)])
        application.on_response_prepare.append(harden)
        application.add_routes(
            [
                web.get("/", self._front),
                web.get("/station/{id}", self._station),
                web.get("/page/{name}", self._part),
                web.get("/events", self._stream, allow_head=False),
                web.get("/station/{id}/events", self._stream, allow_head=False),
            ]
        )
        return application

    async def _front(self, request: web.Request) -> web.StreamResponse:
        if len(self.stations) == 1:
            return web.Response(status=302, headers={"Location": f"/station/{next(iter(self.stations))}"})
        return self._file(request, "index.html")

    async def _station(self, request: web.Request) -> web.StreamResponse:
        if request.match_info["id"] not in self.stations:
            return _unknown_station()
        return self._file(request, "station.html")

    async def _part(self, request: web.Request) -> web.StreamResponse:
        return self._file(request, request.match_info["name"])

    def _file(self, request: web.Request, name: str) -> web.StreamResponse:
        body = self._page.get(name)
        media = MEDIA.get(name.rpartition(".")[2])
        if body is None or media is None:
            return web.Response(status=404, text="There is no such page.\n")
        headers = {"Cache-Control": "no-cache", "ETag": f'"{self._hello.page}"'}
        if request.headers.get("If-None-Match") == headers["ETag"]:
            return web.Response(status=304, headers=headers)
        return web.Response(body=body, content_type=media, charset="utf-8", headers=headers)

    async def _stream(self, request: web.Request) -> web.StreamResponse:
        station = request.match_info.get("id")
        if station is not None and station not in self.stations:
            return _unknown_station()
        if len(self._clients) >= MOST_CLIENTS:
            return web.Response(
                status=503, text=f"{MOST_CLIENTS} pages are open already.\n", headers={"Retry-After": "5"}
            )
        if station is None:
            client, step = Client(self._latest, GLANCE), GLANCE_STEP
        else:
            client, step = Client({station: self._latest[station]}), STEP
        response = web.StreamResponse(headers={"Content-Type": "text/event-stream", "Cache-Control": "no-store"})
        self._clients.add(client)
        try:
            await response.prepare(request)
            _keep_short(request.transport)
            await response.write(b"retry: 1000\n\n" + server_sent(self._hello))
            await self._feed(client, response, step)
        except ConnectionError:
            pass  # the page went
        except TimeoutError:
            if request.transport is not None:
                request.transport.abort()
        finally:
            self._clients.discard(client)
        return response

    async def _feed(self, client: Client, response: web.StreamResponse, step: float) -> None:
        loop = asyncio.get_running_loop()
        beat_at = loop.time()
        while not client.closing:
            data = client.take(time.monotonic())
            if loop.time() >= beat_at:
                data += server_sent(Heartbeat(ts=time.time_ns() // 1_000_000))
                beat_at = loop.time() + HEARTBEAT
            if data:
                async with asyncio.timeout(STALLED):
                    await response.write(data)
            await asyncio.sleep(step)
            try:
                async with asyncio.timeout_at(beat_at):
                    await client.news.wait()
            except TimeoutError:
                continue  # nothing new: the heartbeat is due


def _keep_short(transport: asyncio.Transport | None) -> None:
    """Let little wait on the way to a page: what waits there is old when it arrives."""
    if transport is None:
        return  # the page went
    transport.set_write_buffer_limits(high=SEND_BUFFER)
    wire = transport.get_extra_info("socket")
    if wire is not None:
        wire.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, SEND_BUFFER)


def _unknown_station() -> web.Response:
    return web.Response(status=404, text="There is no such station here; / lists those there are.\n")

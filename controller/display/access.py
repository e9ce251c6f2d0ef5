"""Who may open the display: this machine, or whoever holds the token.

A page of another site can point its own host name at 127.0.0.1 and read what a browser finds there (DNS rebinding).
Without a token the Host header must therefore name this machine's loopback. With one, the token is the guard.
"""

from __future__ import annotations

import hmac
from ipaddress import ip_address
from typing import TYPE_CHECKING

from aiohttp import web

if TYPE_CHECKING:
    from aiohttp.typedefs import Handler, Middleware

COOKIE = "cable-station"

HEADERS = {
    "Content-Security-Policy": (
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; "
        "base-uri 'none'; form-action 'none'; frame-ancestors 'none'; require-trusted-types-for 'script'"
    ),
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Permissions-Policy": "camera=(), geolocation=(), microphone=()",
    "Referrer-Policy": "no-referrer",
    "Server": "cable-station",
    "X-Content-Type-Options": "nosniff",
}


class DisplayError(Exception):
    """The display cannot be served; the message says what to do."""


def is_loopback(host: str) -> bool:
    """Whether a host name or address is this machine's own."""
    if host == "localhost":
        return True
    try:
        return ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return False


def host_of(header: str) -> str:
    """The host in a Host header, without its port, in lower case."""
    if header.startswith("["):
        return header.partition("]")[0].lower() + "]"
    return header.partition(":")[0].lower()


def guard(token: str | None) -> Middleware:
    """Refuse foreign Host headers; with a token, ask for it once and keep it in a cookie."""

    @web.middleware
    async def check(request: web.Request, handler: Handler) -> web.StreamResponse:
        if token is None:
            hosts = request.headers.getall("Host", [])
            if len(hosts) != 1 or not is_loopback(host_of(hosts[0])):
                return web.Response(status=421, text="This display answers to localhost and 127.0.0.1 only.\n")
            return await handler(request)
        if _same(request.cookies.get(COOKIE), token):
            return await handler(request)
        if _same(request.query.get("token"), token):
            welcome = web.Response(status=302, headers={"Location": request.path, "Cache-Control": "no-store"})
            welcome.set_cookie(COOKIE, token, httponly=True, samesite="Strict")
            return welcome
        return web.Response(status=403, text="Open this display with ?token= and the display's token.\n")

    return check


async def harden(_request: web.Request, response: web.StreamResponse) -> None:
    """Put the headers that every answer carries."""
    response.headers.update(HEADERS)


def _same(given: str | None, token: str) -> bool:
    return given is not None and hmac.compare_digest(given.encode(), token.encode())

"""Clients that ask for everything and read nothing."""

from __future__ import annotations

import contextlib
import socket
from collections.abc import Iterator
from typing import Final

LOOPBACK: Final = "127.0.0.1"
SMALL: Final = 4096  # bytes that the kernel takes for them
WITHIN: Final = 10.0  # s


@contextlib.contextmanager
def subscriber(port: int, *, user: str, password: str) -> Iterator[None]:
    """A subscriber to everything that reads nothing."""
    texts = [text.encode() for text in ("slow", user, password)]
    body = b"\x00\x04MQTT\x04\xc2\x00\x00" + b"".join(len(text).to_bytes(2, "big") + text for text in texts)
    pattern = b"cable/v1/#"
    subscribe = b"\x00\x01" + len(pattern).to_bytes(2, "big") + pattern + b"\x00"
    with socket.socket() as sock:
        sock.settimeout(WITHIN)
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, SMALL)
        sock.connect((LOOPBACK, port))
        sock.sendall(b"\x10" + bytes([len(body)]) + body)
        if sock.recv(4) != b"\x20\x02\x00\x00":
            raise ConnectionError("the broker does not take the subscriber")
        sock.sendall(b"\x82" + bytes([len(subscribe)]) + subscribe)
        yield


@contextlib.contextmanager
def browser(port: int, *, station: str) -> Iterator[None]:
    """A page that asks for the stream of a station and never reads it."""
    with socket.socket() as sock:
        sock.settimeout(WITHIN)
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, SMALL)
        sock.connect((LOOPBACK, port))
        sock.sendall(f"GET /station/{station}/events HTTP/1.1\r\nHost: {LOOPBACK}:{port}\r\n\r\n".encode())
        yield

"""What one connection to a broker does with its socket."""

from __future__ import annotations

import asyncio
import os
import socket

from controller.mqtt_connection import _Client


async def test_a_socket_that_closes_before_its_turn_to_write_is_left_alone_and_so_is_who_has_its_number_then() -> None:
    loop = asyncio.get_running_loop()
    troubles: list[dict[str, object]] = []
    loop.set_exception_handler(lambda _, context: troubles.append(context))
    client = _Client("127.0.0.1", 1)
    ours, theirs = socket.socketpair()
    client._on_socket_register_write(client._client, None, ours)
    number = ours.fileno()
    ours.close()
    other = os.open("/dev/null", os.O_WRONLY)
    assert other == number
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    assert troubles == []
    assert not loop.remove_writer(other)
    os.close(other)
    theirs.close()

"""The pure-Python broker in a process of its own: `python -m controller.amqtt_child HOST PORT`. MQTT 3.1.1 only."""

from __future__ import annotations

import asyncio
import logging
import os
import signal
import sys
from typing import Final

from amqtt.broker import Broker

LAST_WORDS: Final = 0.2  # s for what came last to reach the listeners


async def serve(host: str, port: int) -> None:
    """Serve until terminated."""
    broker = Broker(
        {
            "listeners": {"default": {"type": "tcp", "bind": f"{host}:{port}"}},
            "plugins": {"amqtt.plugins.authentication.AnonymousAuthPlugin": {"allow_anonymous": True}},
        }
    )
    done = asyncio.Event()
    for each in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(each, done.set)
    await broker.start()
    await done.wait()
    await asyncio.sleep(LAST_WORDS)
    # Its orderly end lets the listeners go first and confirms on to the others, and may take for ever. It has nothing
    # to save.
    os._exit(0)


if __name__ == "__main__":
    logging.basicConfig(level=logging.ERROR)
    asyncio.run(serve(sys.argv[1], int(sys.argv[2])))

"""A separate process that only listens: `python -m tests.stations.subscriber HOST PORT USER PASSWORD FILTER`.

Prints "topic payload" for every message, and "listening" on standard error once it hears.
"""

from __future__ import annotations

import asyncio
import sys

import aiomqtt

from tests.contract import CONTRACT


async def listen(host: str, port: int, user: str, password: str, pattern: str) -> None:
    """Print what comes until ended."""
    account = {"username": user, "password": password} if user else {}
    async with aiomqtt.Client(host, port, **account) as client:  # type: ignore[arg-type]  # user and password
        await client.subscribe(pattern, qos=1)
        sys.stderr.write("listening\n")
        async for message in client.messages:
            assert isinstance(message.payload, bytes)
            CONTRACT.check(str(message.topic), message.payload)
            sys.stdout.write(f"{message.topic} {message.payload.decode()}\n")


if __name__ == "__main__":
    asyncio.run(listen(sys.argv[1], int(sys.argv[2]), *sys.argv[3:6]))

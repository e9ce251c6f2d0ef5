"""Somebody else's mosquitto, with the settings that a test gives it."""

from __future__ import annotations

import asyncio
import contextlib
import os
from collections.abc import AsyncIterator
from pathlib import Path

from controller.broker import find_mosquitto, free_port
from controller.broker_child import port_is_free
from controller.broker_mosquitto import hashed

WITHIN = 20.0  # s


@contextlib.asynccontextmanager
async def theirs(
    folder: Path, settings: str, *, accounts: dict[str, str] | None = None, port: int = 0
) -> AsyncIterator[int]:
    """A mosquitto on loopback, from its first answer on; gives its port."""
    program = find_mosquitto()
    assert program is not None
    port = port or free_port()
    lines = [f"listener {port} 127.0.0.1", "socket_domain ipv4", "set_tcp_nodelay true", "log_type none", settings]
    if os.geteuid() == 0:
        lines.append("user root")
    if accounts is None:
        lines.append("allow_anonymous true")
    else:
        passwords = folder / "passwords"
        passwords.touch(mode=0o600)
        passwords.write_text("".join(f"{user}:{hashed(word)}\n" for user, word in accounts.items()))
        lines += ["allow_anonymous false", f"password_file {passwords}"]
    config = folder / "theirs.conf"
    config.write_text("\n".join(lines) + "\n")
    process = await asyncio.create_subprocess_exec(program, "-c", str(config), stderr=asyncio.subprocess.PIPE)
    try:
        async with asyncio.timeout(WITHIN):
            while port_is_free("127.0.0.1", port):
                assert process.returncode is None
                await asyncio.sleep(0.02)
        yield port
    finally:
        if process.returncode is None:
            process.kill()
        await process.communicate()

"""What a slow, deaf or locked output costs the core: measured before and during, in one run."""

from __future__ import annotations

import asyncio
import tempfile
from pathlib import Path

from tests.delivery.disturbances import Measured, gym

SECONDS = 5.0  # of each
BEFORE = "as they should be"


async def _measured(folder: Path) -> dict[str, Measured]:
    async with gym(folder) as made:
        found = {BEFORE: await made.probe.measure(SECONDS)}
        for what, disturbance in made.disturbances.items():
            with disturbance():
                found[what] = await made.probe.measure(SECONDS)
    return found


def measured() -> dict[str, Measured]:
    """How late a gateway's loop ran, and how long a chunk took, before any disturbance and during each."""
    with tempfile.TemporaryDirectory(prefix="cable-station-bench-") as folder:
        return asyncio.run(_measured(Path(folder)))


def outputs() -> list[tuple[str, str]]:
    """Rows for the table."""
    return [
        (f"outputs {what}: loop late, a chunk's way", f"{during.loop}, {during.chunk}")
        for what, during in measured().items()
    ]

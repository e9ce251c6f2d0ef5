"""What a slow, deaf or locked output costs the core: measured before and during, in one run."""

from __future__ import annotations

import asyncio
import tempfile
from pathlib import Path

from tests.delivery.disturbances import gym

SECONDS = 5.0  # of each


async def _measured(folder: Path) -> list[tuple[str, str]]:
    rows = []
    async with gym(folder) as made:
        before = await made.probe.measure(SECONDS)
        rows.append(("outputs as they should be: loop late, p50 / p99 / worst", str(before.loop)))
        rows.append(("outputs as they should be: a chunk's way, p50 / p99 / worst", str(before.chunk)))
        for what, disturbance in made.disturbances.items():
            with disturbance():
                during = await made.probe.measure(SECONDS)
            rows.append((f"{what}: loop late", str(during.loop)))
            rows.append((f"{what}: a chunk's way", str(during.chunk)))
    return rows


def outputs() -> list[tuple[str, str]]:
    """Rows for the table."""
    with tempfile.TemporaryDirectory(prefix="cable-station-bench-") as folder:
        return asyncio.run(_measured(Path(folder)))

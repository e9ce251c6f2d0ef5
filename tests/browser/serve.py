"""A display in a process of its own, with someone rowing at it: `python -m tests.browser.serve PORT`."""

from __future__ import annotations

import asyncio
import sys

from controller.display import Display, StationView
from tests.browser.lifting import lift, set_the_scene


async def serve(port: int) -> None:
    """Until killed; prints the address when it can be opened."""
    display = Display(host="127.0.0.1", port=port, stations=[StationView(id="rack-1", name="Rack 1")])
    set_the_scene(display, "rack-1")
    async with asyncio.TaskGroup() as tasks:
        tasks.create_task(display.run(), name="display")
        tasks.create_task(lift(display, "rack-1"), name="lifter")
        await display.ready.wait()
        sys.stdout.write(f"{display.address}\n")
        sys.stdout.flush()


if __name__ == "__main__":
    asyncio.run(serve(int(sys.argv[1])))

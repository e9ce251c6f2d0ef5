"""Draw the picture of the docs: `python -m tests.browser.screenshot docs/images/display.png [WIDTHxHEIGHT]`."""

from __future__ import annotations

import asyncio
import sys

from controller.display import Display, StationView
from tests.browser.chromium import chromium
from tests.browser.lifting import lift, set_the_scene


async def draw(path: str, width: int, height: int) -> None:
    """A set in progress, ten seconds after the page was opened."""
    display = Display(host="127.0.0.1", port=0, stations=[StationView(id="rack-1", name="Rack 1")])
    set_the_scene(display, "rack-1")
    async with asyncio.TaskGroup() as tasks:
        server = tasks.create_task(display.run(), name="display")
        lifter = tasks.create_task(lift(display, "rack-1", start=14.0), name="lifter")
        await display.ready.wait()
        async with chromium() as browser:
            page = await browser.new_page(viewport={"width": width, "height": height})
            await page.goto(f"{display.address}/station/rack-1")
            await asyncio.sleep(11.0)  # until the strip of the last ten seconds is full
            await page.screenshot(path=path)
        lifter.cancel()
        server.cancel()


if __name__ == "__main__":
    size = sys.argv[2] if len(sys.argv) > 2 else "1600x900"
    asyncio.run(draw(sys.argv[1], *(int(part) for part in size.split("x"))))

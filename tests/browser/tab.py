"""A page in Chromium, and everything that the browser complained of."""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager, suppress
from typing import TYPE_CHECKING

from playwright.async_api import Page, ViewportSize, expect

from controller.display import Display, StationView

if TYPE_CHECKING:
    import re
    from collections.abc import AsyncIterator

    from playwright.async_api import Browser, ConsoleMessage

RACK = StationView(id="rack-1", name="Rack 1")
LANDSCAPE = ViewportSize(width=1920, height=1080)
PHONE = ViewportSize(width=390, height=844)


class Tab:
    """A page; complaints are errors, warnings and violations of the content policy."""

    def __init__(self, page: Page) -> None:
        self.page = page
        self.complaints: list[str] = []
        page.on("console", self._hear)
        page.on("pageerror", lambda error: self.complaints.append(str(error)))

    def _hear(self, line: ConsoleMessage) -> None:
        if line.type in ("error", "warning"):
            self.complaints.append(line.text)

    async def shows(self, selector: str, text: str | re.Pattern[str], *, within: float = 5.0) -> None:
        """Wait until the page has this text there."""
        await expect(self.page.locator(selector)).to_have_text(text, timeout=within * 1000)

    async def text(self, selector: str) -> str:
        return await self.page.locator(selector).inner_text()

    async def style(self, selector: str, name: str) -> str:
        """What the browser made of a style."""
        return str(await self.page.locator(selector).evaluate(f"e => getComputedStyle(e).{name}"))


@asynccontextmanager
async def open_tab(
    browser: Browser, url: str, *, size: ViewportSize = LANDSCAPE, calm: bool = False
) -> AsyncIterator[Tab]:
    """A page on a URL; calm asks for reduced motion."""
    page = await browser.new_page(viewport=size, reduced_motion="reduce" if calm else "no-preference")
    await page.add_init_script(
        "document.addEventListener('securitypolicyviolation', (e) => console.error('CSP', e.violatedDirective))"
    )
    try:
        tab = Tab(page)
        await page.goto(url)
        yield tab
    finally:
        await page.close()


@asynccontextmanager
async def showing(*stations: StationView) -> AsyncIterator[Display]:
    """A display that serves."""
    display = Display(host="127.0.0.1", port=0, stations=stations)
    task = asyncio.create_task(display.run(), name="display")
    await display.ready.wait()
    try:
        yield display
    finally:
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task


@asynccontextmanager
async def rack_1(
    browser: Browser, *, size: ViewportSize = LANDSCAPE, calm: bool = False
) -> AsyncIterator[tuple[Display, Tab]]:
    """One station of which nothing is known, and a page that is open on it; no complaint is allowed."""
    async with (
        showing(RACK) as display,
        open_tab(browser, f"{display.address}/station/rack-1", size=size, calm=calm) as tab,
    ):
        await tab.shows("#name", "Rack 1")
        yield display, tab
        assert tab.complaints == []

"""What another site's page can do with a display on this machine, in a real browser: nothing."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest
from aiohttp import web
from playwright.async_api import Browser, async_playwright

from tests.browser.chromium import ARGUMENTS, executable
from tests.browser.tab import RACK, open_tab, showing

pytestmark = [
    pytest.mark.browser,
    pytest.mark.skipif(executable() is None, reason="Chromium is not installed"),
]
TRY = """async (address) => {
  const tried = {};
  for (const method of ["GET", "POST", "PUT", "DELETE"]) {
    try {
      const answer = await fetch(address + "/station/rack-1", {method});
      tried[method] = answer.status;
    } catch (error) { tried[method] = "blocked"; }
  }
  await fetch(address + "/station/rack-1", {method: "POST", mode: "no-cors", body: "x"}).catch(() => {});
  const source = new EventSource(address + "/station/rack-1/events");
  tried.events = await new Promise((done) => {
    source.onmessage = () => done("heard");
    source.onerror = () => done("blocked");
  });
  source.close();
  return tried;
}"""

INJECT = """() => {
  const box = document.createElement("div");
  document.body.append(box);
  try { box.innerHTML = '<img src=x onerror="window.broken = 1">'; } catch (error) { console.error("CSP", error.name); }
  const style = document.createElement("style");
  style.textContent = "body { display: none }";
  document.head.append(style);
}"""


@asynccontextmanager
async def browser_that_believes(name: str) -> AsyncIterator[Browser]:
    """Chromium for which a stranger's host name has become this machine's address."""
    arguments = [*ARGUMENTS, f"--host-resolver-rules=MAP {name} 127.0.0.1"]
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(executable_path=executable(), args=arguments)
        try:
            yield browser
        finally:
            await browser.close()


@asynccontextmanager
async def foreign(body: str) -> AsyncIterator[str]:
    """A page of somebody else's; its address."""

    async def page(_: web.Request) -> web.Response:
        return web.Response(text=f"<!doctype html><title>theirs</title>{body}", content_type="text/html")

    application = web.Application()
    application.router.add_get("/", page)
    runner = web.AppRunner(application)
    await runner.setup()
    try:
        site = web.TCPSite(runner, "127.0.0.1", 0)
        await site.start()
        yield f"http://127.0.0.1:{runner.addresses[0][1]}"
    finally:
        await runner.cleanup()


async def test_a_name_that_was_bound_to_this_machine_shows_nothing() -> None:
    async with showing(RACK) as display, browser_that_believes("evil.example") as browser:
        port = str(display.address).rpartition(":")[2]
        page = await browser.new_page()
        for path in ("/", "/station/rack-1", "/station/rack-1/events", "/page/station.js"):
            answer = await page.goto(f"http://evil.example:{port}{path}")
            assert answer is not None
            assert answer.status == 421
            assert "Rack" not in await page.content()


async def test_another_page_can_neither_read_nor_write() -> None:
    async with showing(RACK) as display, foreign("") as address, browser_that_believes("evil.example") as browser:
        page = await browser.new_page()
        await page.goto(address)
        tried = await page.evaluate(TRY, display.address)
        assert tried == {
            "GET": "blocked",
            "POST": "blocked",
            "PUT": "blocked",
            "DELETE": "blocked",
            "events": "blocked",
        }


async def test_another_page_cannot_frame_ours() -> None:
    async with showing(RACK) as display:
        frame = f'<iframe src="{display.address}/station/rack-1" width="800" height="600"></iframe>'
        async with foreign(frame) as address, browser_that_believes("evil.example") as browser:
            page = await browser.new_page()
            said: list[str] = []
            page.on("console", lambda line: said.append(line.text))
            await page.goto(address, wait_until="networkidle")
            assert any("frame-ancestors" in line for line in said)
            inside = [each for each in page.frames if each != page.main_frame]
            assert not any(["Rack 1" in await each.content() for each in inside])


async def test_a_script_that_got_into_our_page_does_not_run() -> None:
    async with (
        showing(RACK) as display,
        browser_that_believes("evil.example") as browser,
        open_tab(browser, f"{display.address}/station/rack-1") as tab,
    ):
        await tab.shows("#name", "Rack 1")
        assert tab.complaints == []
        await tab.page.evaluate(INJECT)
        assert await tab.page.evaluate("() => window.broken === undefined")
        assert await tab.style("body", "display") != "none"
        assert any("CSP" in line for line in tab.complaints)

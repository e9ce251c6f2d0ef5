# ruff: noqa: RUF001  # the page writes true minus signs and en dashes
from __future__ import annotations

import asyncio
import re
import signal
import socket
import sys
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

import pytest
from playwright.async_api import expect

from tests.browser.chromium import chromium, executable
from tests.browser.tab import open_tab

if TYPE_CHECKING:
    from asyncio.subprocess import Process
    from collections.abc import AsyncIterator

pytestmark = [
    pytest.mark.browser,
    pytest.mark.skipif(executable() is None, reason="no Chromium on this machine"),
]

SILENT = "No data from the controller"


@asynccontextmanager
async def controller(port: int) -> AsyncIterator[Process]:
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "tests.browser.serve", str(port), stdout=asyncio.subprocess.PIPE
    )
    try:
        assert process.stdout is not None
        assert await process.stdout.readline() == f"http://127.0.0.1:{port}\n".encode()
        yield process
    finally:
        if process.returncode is None:
            process.kill()
        await process.wait()


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as one:
        return int(one.getsockname()[1])


async def test_a_killed_controller_greys_the_page_and_its_return_clears_it() -> None:
    port = free_port()
    async with (
        chromium() as browser,
        controller(port) as process,
        open_tab(browser, f"http://127.0.0.1:{port}/station/rack-1") as tab,
    ):
        await tab.shows("#index", "−6.8 %")
        await expect(tab.page.locator("#banner")).to_be_hidden()
        process.kill()
        await process.wait()
        await tab.shows("#banner-what", SILENT, within=4)
        await tab.shows("#banner-since", re.compile(r"since \d\d:\d\d:\d\d"))
        for part in ("main", "#result"):
            assert "grayscale" in await tab.style(part, "filter")
        await tab.shows("#index", "−6.8 %")  # what was known stays, in grey
        async with controller(port):
            await expect(tab.page.locator("#banner")).to_be_hidden(timeout=15_000)
            assert await tab.style("main", "filter") == "none"
            before = await tab.text('.side.left [data-part="force"]')
            await expect(tab.page.locator('.side.left [data-part="force"]')).not_to_have_text(before)
        assert [line for line in tab.complaints if "net::ERR_" not in line] == []


async def test_a_controller_that_hangs_is_noticed_though_its_connection_stands() -> None:
    port = free_port()
    async with (
        chromium() as browser,
        controller(port) as process,
        open_tab(browser, f"http://127.0.0.1:{port}/station/rack-1") as tab,
    ):
        await tab.shows("#index", "−6.8 %")
        process.send_signal(signal.SIGSTOP)
        await tab.shows("#banner-what", SILENT, within=4)
        process.send_signal(signal.SIGCONT)
        await expect(tab.page.locator("#banner")).to_be_hidden(timeout=15_000)
        assert [line for line in tab.complaints if "net::ERR_" not in line] == []

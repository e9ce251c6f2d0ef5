"""The page of a real `cable-station run`, with a simulated board behind it, in a real browser."""

from __future__ import annotations

import asyncio
import signal
from pathlib import Path

import pytest
from playwright.async_api import expect

from tests.browser.chromium import chromium, executable
from tests.browser.tab import open_tab
from tests.stations.processes import board, simulator, station, write_config
from tests.stations.test_whole_way import free_port

UNKNOWN = "\N{EN DASH}"

pytestmark = [
    pytest.mark.browser,
    pytest.mark.skipif(executable() is None, reason="no Chromium on this machine"),
]


async def test_numbers_move_while_the_board_streams_and_a_banner_comes_when_the_controller_stops(
    tmp_path: Path,
) -> None:
    link, port = tmp_path / "port", free_port()
    config = write_config(tmp_path, board(f"serial://{link}"), display_port=port)
    with simulator("pty", "--link", str(link), "--reps", "4"), station(config) as running:
        await asyncio.to_thread(running.until, lambda: bool(running.events("rep")))
        async with chromium() as browser, open_tab(browser, f"http://127.0.0.1:{port}/station/one") as tab:
            forces: set[str] = set()
            async with asyncio.timeout(20.0):
                while len(forces) < 5:
                    forces.add(await tab.text(".side.left [data-part=force]"))
                    await asyncio.sleep(0.1)
            await expect(tab.page.locator("#banner")).to_be_hidden()
            finals = [event for event in running.events("rep") if event["status"] == "final"]
            await asyncio.to_thread(running.until, lambda: len(running.events("rep")) > len(finals) + 2)
            await expect(tab.page.locator(".side.left [data-part=reps]")).not_to_have_text(UNKNOWN, timeout=5000)
            running.end(signal.SIGKILL)
            await tab.shows("#banner-what", "No data from the controller", within=10.0)

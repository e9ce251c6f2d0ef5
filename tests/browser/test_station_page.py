# ruff: noqa: RUF001  # the page writes true minus signs and en dashes
from __future__ import annotations

import asyncio
import re
from typing import TYPE_CHECKING

import msgspec
import pytest
import pytest_asyncio
from playwright.async_api import expect

from controller.display import StationView, Status
from protocols.events import Comparison, Cue
from tests.browser.chromium import chromium, executable
from tests.browser.lifting import (
    fault,
    health,
    lift,
    now_ms,
    rep,
    set_the_scene,
    single_side,
    state,
    summary,
    telemetry,
)
from tests.browser.tab import PHONE, RACK, open_tab, rack_1, showing

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from playwright.async_api import Browser

pytestmark = [
    pytest.mark.browser,
    pytest.mark.asyncio(loop_scope="module"),
    pytest.mark.skipif(executable() is None, reason="no Chromium on this machine"),
]

UNKNOWN = "–"
LEFT_FORCE, RIGHT_FORCE = '.side.left [data-part="force"]', '.side.right [data-part="force"]'


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def browser() -> AsyncIterator[Browser]:
    async with chromium() as one:
        yield one


async def test_numbers_move_while_somebody_rows(browser: Browser) -> None:
    async with rack_1(browser) as (display, tab):
        set_the_scene(display, "rack-1")
        rower = asyncio.create_task(lift(display, "rack-1"))
        forces, widths, phases = set(), set(), set()
        for _ in range(40):
            forces.add(await tab.text(LEFT_FORCE))
            widths.add(await tab.style(".bar.right i", "width"))
            phases.add(await tab.text(".side.right .phase span"))
            await asyncio.sleep(0.1)
        await tab.shows(".side.left .reps", re.compile(r"^[1-9]\d*$"))
        await tab.shows(".side.right .reps", re.compile(r"^[1-9]\d*$"))
        left, right = await tab.page.evaluate(
            "['left', 'right'].map(side => Number(document.querySelector(`.side.${side} .reps`).textContent))"
        )
        assert right in (left, left + 1)  # a little ahead, and how far the set is by now is the machine's affair
        drawn = await tab.page.locator(".strip.left canvas").evaluate(
            "c => c.getContext('2d').getImageData(0, 0, c.width, c.height).data.some((v, i) => i % 4 === 2 && v > 200)"
        )
        rower.cancel()
    assert len(forces) > 10
    assert len(widths) > 10
    assert {"Concentric", "Eccentric"} <= phases
    assert drawn


async def test_all_that_is_unknown_is_a_dash_and_never_zero(browser: Browser) -> None:
    async with rack_1(browser) as (display, tab):
        for _ in range(2):  # before anything was said, and after a state that knows nothing
            for selector in (
                ".side.left .reps", ".side.right .reps", LEFT_FORCE, RIGHT_FORCE, "#set", "#target", "#rest",
                '.strip.left [data-part="tempo"]', '.strip.right [data-part="velocity"]',
                '.strip.left [data-part="rom"]', "#exercise", "#index", "#verdict", "#shape",
            ):  # fmt: skip
                assert await tab.page.locator(selector).text_content() == UNKNOWN, selector
            assert not re.search(r"\d", await tab.text(".live .side.left"))
            empty = msgspec.structs.replace(state(), session=None, set=None, exercise=None, load_kg=None, target=None)
            display.offer("rack-1", "state", msgspec.structs.replace(empty, shape=None, phase_left=None))
            await tab.shows("#faults", "Signals good")
        await expect(tab.page.locator("#point")).to_be_hidden()


async def test_one_unknown_side_stays_unknown_beside_a_known_one(browser: Browser) -> None:
    async with rack_1(browser) as (display, tab):
        both = telemetry(0.8)
        display.offer("rack-1", "telemetry", msgspec.structs.replace(both, force_right_n=None, position_right_m=None))
        display.offer("rack-1", "state", state(left=4, right=None, shape="left_only"))
        await tab.shows(".side.left .reps", "4")
        await tab.shows(LEFT_FORCE, re.compile(r"^\d+$"))
        await tab.shows(".side.right .reps", UNKNOWN)
        await tab.shows(RIGHT_FORCE, UNKNOWN)


async def test_the_last_set_shows_its_index_interval_and_verdict(browser: Browser) -> None:
    async with rack_1(browser) as (display, tab):
        display.offer("rack-1", "set", summary(index=-6.8, low=-9.4, high=-4.2))
        await tab.shows("#index", "−6.8 %")
        await tab.shows("#meaning", "more force on the left")
        await tab.shows("#range", "95 % interval: −9.4 to −4.2 %")
        await tab.shows("#verdict", "No imbalance shown")
        await tab.shows("#reason", "Within ±10 %.")
        track = await tab.page.locator(".track").bounding_box()
        point = await tab.page.locator("#point").bounding_box()
        zone = await tab.page.locator("#zone").bounding_box()
        interval = await tab.page.locator("#interval").bounding_box()
    assert track and point and zone and interval  # noqa: PT018  # each has a place
    where = (point["x"] + point["width"] / 2 - track["x"]) / track["width"] * 40 - 20
    assert where == pytest.approx(-6.8, abs=0.1)
    assert (zone["x"] - track["x"]) / track["width"] * 40 - 20 == pytest.approx(-10, abs=0.1)
    assert interval["width"] / track["width"] * 40 == pytest.approx(5.2, abs=0.1)


async def test_a_single_side_set_shows_no_index_and_says_why(browser: Browser) -> None:
    async with rack_1(browser) as (display, tab):
        display.offer("rack-1", "set", summary(set_number=1))
        await tab.shows("#index", "−6.8 %")
        display.offer("rack-1", "set", single_side("right"))
        await tab.shows("#meaning", "No index: single-side set")
        for hidden in ("#index", "#point", "#interval"):
            await expect(tab.page.locator(hidden)).to_be_hidden()
        assert "%" not in await tab.text(".index")
        await tab.shows("#verdict", UNKNOWN)


async def test_two_single_side_sets_are_answered_by_their_comparison(browser: Browser) -> None:
    async with rack_1(browser) as (display, tab):
        display.offer("rack-1", "set", single_side("right", set_number=3))
        one = summary()
        comparison = Comparison(
            id="c", ts=now_ms(), station="rack-1", session="s1", set=3, seq=2000, left_set=2, right_set=3,
            facet=one.facet, asymmetry_pct=0.04, asymmetry_low_pct=-2.0, asymmetry_high_pct=2.1, pairs=8,
            verdict="none", verdict_reason="interval_includes_0",
        )  # fmt: skip
        display.offer("rack-1", "comparison", comparison)
        await tab.shows("#result-title", "Left set 2, right set 3")
        await tab.shows("#index", "0.0 %")
        await tab.shows("#meaning", "Both sides alike")
        await tab.shows("#reason", "The interval includes zero.")


async def test_a_set_that_is_taken_back_leaves_no_index(browser: Browser) -> None:
    async with rack_1(browser) as (display, tab):
        display.offer("rack-1", "set", summary())
        await tab.shows("#index", "−6.8 %")
        display.offer("rack-1", "set", msgspec.structs.replace(summary(), seq=1010, retracts="set-2"))
        await tab.shows("#meaning", "Set taken back")
        await expect(tab.page.locator("#point")).to_be_hidden()


async def test_two_pairs_have_an_index_but_no_interval_and_no_verdict(browser: Browser) -> None:
    async with rack_1(browser) as (display, tab):
        few = summary(index=4.0, low=None, high=None, verdict=None, verdict_reason="fewer_than_3_pairs")
        display.offer("rack-1", "set", few)
        await tab.shows("#index", "+4.0 %")
        await tab.shows("#range", "95 % interval: –")
        await expect(tab.page.locator("#interval")).to_be_hidden()
        await tab.shows("#verdict", UNKNOWN)


async def test_another_index_is_named_and_not_measured_by_this_one_s_zone(browser: Browser) -> None:
    async with rack_1(browser) as (display, tab):
        display.offer("rack-1", "set", msgspec.structs.replace(summary(), index="bilateral"))
        await tab.shows("#index-name", "bilateral index")
        await expect(tab.page.locator("#zone")).to_be_hidden()


async def test_a_rep_counts_at_once_and_a_retracted_one_is_gone_at_once(browser: Browser) -> None:
    async with rack_1(browser) as (display, tab):
        display.offer("rack-1", "state", state(left=1, right=0))
        for number, status in ((1, "final"), (2, "provisional")):
            display.offer("rack-1", "rep", rep("left", number, status=status))  # type: ignore[arg-type]
        await tab.shows(".side.left .reps", "2")
        assert await tab.page.locator(".side.left .slot.provisional").count() == 1
        await tab.shows('.strip.left [data-part="tempo"]', "1.3 · – · – · 0.6")
        display.offer("rack-1", "rep", rep("left", 2, status="retracted"))
        await tab.shows(".side.left .reps", "1")
        await tab.shows("#spoken", "Left 1, right 0 of 12")
        assert await tab.page.locator(".side.left .slot.provisional").count() == 0


async def test_the_rest_clock_goes_on_between_two_states(browser: Browser) -> None:
    async with rack_1(browser) as (display, tab):
        display.offer("rack-1", "state", state(left=12, right=12, resting_s=59.0))
        await tab.shows("#rest", "0:59")
        await tab.shows("#rest", "1:01")
        assert "done" in str(await tab.page.locator(".side.left .reps").get_attribute("class"))
        display.offer("rack-1", "state", state(left=12, right=12, resting_s=0.1, phase="concentric"))
        await tab.shows("#rest", UNKNOWN)


async def test_a_cue_is_shown_and_goes_away(browser: Browser) -> None:
    async with rack_1(browser) as (display, tab):
        cue = Cue(id="c", ts=now_ms(), station="rack-1", session="s1", set=1, seq=1, name="slower_return", side="left")
        display.offer("rack-1", "cue", cue)
        await tab.shows("#cue", "Slower return  ·  left")
        await tab.shows("#cue", "", within=7)


async def test_faults_stand_until_they_are_over(browser: Browser) -> None:
    async with rack_1(browser) as (display, tab):
        display.offer("rack-1", "state", state(quality="saturated"))
        display.offer("rack-1", "fault", fault("saturated", side="left", detail="the left cell is at its end"))
        await tab.shows("#faults li", "Saturated left")
        display.offer("rack-1", "fault", fault("saturated", side="left", raised=False))
        display.offer("rack-1", "state", state())
        await tab.shows("#faults li", "Signals good")


async def test_a_board_that_is_offline_greys_its_side_and_says_so(browser: Browser) -> None:
    async with rack_1(browser) as (display, tab):
        set_the_scene(display, "rack-1")
        display.offer("rack-1", "health", health("left=down,right=up"))
        display.offer("rack-1", "fault", fault("no_samples", side="left"))
        await tab.shows("#banner-what", "Board left: offline")
        await tab.shows("#banner-since", re.compile(r"since \d\d:\d\d:\d\d"))
        assert "grayscale" in await tab.style(".side.left", "filter")
        assert await tab.style(".side.right", "filter") == "none"
        display.offer("rack-1", "health", health())
        display.offer("rack-1", "fault", fault("no_samples", side="left", raised=False))
        await expect(tab.page.locator("#banner")).to_be_hidden()
        display.offer("rack-1", "status", Status(ts=now_ms(), status="offline"))
        await tab.shows("#banner-what", "Station: offline")
        assert "grayscale" in await tab.style(".side.right", "filter")


async def test_samples_that_stop_in_mid_rep_are_called_old(browser: Browser) -> None:
    async with rack_1(browser) as (display, tab):
        display.offer("rack-1", "state", state(left=1, right=1, phase="concentric"))
        display.offer("rack-1", "telemetry", telemetry(0.8))
        await tab.shows(LEFT_FORCE, re.compile(r"^\d+$"))
        await expect(tab.page.locator("#banner")).to_be_hidden()
        await tab.shows("#banner-what", "No new samples")
        display.offer("rack-1", "telemetry", telemetry(0.9))
        await expect(tab.page.locator("#banner")).to_be_hidden()


async def test_silence_at_rest_is_no_fault(browser: Browser) -> None:
    async with rack_1(browser) as (display, tab):
        set_the_scene(display, "rack-1")
        display.offer("rack-1", "telemetry", telemetry(3.9))
        display.offer("rack-1", "state", state(left=1, right=1, resting_s=1.0))
        await tab.shows("#rest", "0:05", within=8)
        await expect(tab.page.locator("#banner")).to_be_hidden()


async def test_all_stations_are_listed_live_and_lead_to_their_pages(browser: Browser) -> None:
    other = StationView(id="rack-2", name="Rack <b>2</b>")
    async with showing(RACK, other) as display, open_tab(browser, str(display.address)) as tab:
        display.offer("rack-1", "state", state(left=3, right=2, phase="top"))
        await tab.shows('[data-id="rack-1"] .left', "3")
        await tab.shows('[data-id="rack-1"] .phase', "Top")
        await tab.shows('[data-id="rack-2"] h2', "Rack <b>2</b>")
        await tab.shows('[data-id="rack-2"] .left', UNKNOWN)
        display.offer("rack-1", "state", state(left=4, right=2, phase="rest"))
        await tab.shows('[data-id="rack-1"] .left', "4")
        await tab.page.click('[data-id="rack-1"] a')
        await tab.shows("#name", "Rack 1")
        assert tab.complaints == []


async def test_a_phone_needs_no_sideways_scrolling(browser: Browser) -> None:
    async with rack_1(browser, size=PHONE) as (display, tab):
        set_the_scene(display, "rack-1")
        display.offer("rack-1", "set", summary(index=36.0, low=30.0, high=42.0, verdict="supported"))
        display.offer("rack-1", "telemetry", telemetry(0.8))
        display.offer("rack-1", "state", state(left=12, right=12, quality="a_long_name_of_a_fault,saturated"))
        await tab.shows(".side.left .reps", "12")
        width = await tab.page.evaluate("document.documentElement.scrollWidth")
    assert width <= PHONE["width"]


async def test_whoever_asks_for_less_motion_gets_no_transitions(browser: Browser) -> None:
    async with rack_1(browser, calm=True) as (display, tab):
        display.offer("rack-1", "telemetry", telemetry(0.8))
        await tab.shows(LEFT_FORCE, re.compile(r"^\d+$"))
        assert await tab.style(".bar.left i", "transitionDuration") == "0s"

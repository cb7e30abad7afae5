"""What the page must not leave in the dark: a link from a phone, what is only suspected, a press that was refused."""

from __future__ import annotations

import json
import time
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from playwright.async_api import Browser, Route, expect
from psycopg.types.json import Jsonb

from hub.store import Store
from tests.integration.test_page import Complaints, seat, sit, smoke
from tests.watch_room import PASSWORD, Room, admit, room

AT_ONCE = 2.0
"""Seconds within which a refusal must be seen."""


@pytest.fixture
async def watched(store: Store, tmp_path: Path) -> AsyncIterator[Room]:
    """A control room with the operator "li"."""
    await admit(store, "li", "operator")
    async with room(store, tmp_path) as opened:
        yield opened


async def test_a_link_in_a_message_opens_its_incident_after_signing_in(watched: Room, chromium: Browser) -> None:
    first = await smoke(watched)
    await watched.see("gas", "fenghe/gas-b1-12", "fenghe/b1/u1/12", "燃气报警")
    second = await watched.incident("gas")
    async with seat(chromium) as context:
        page = await context.new_page()
        complaints = Complaints(page)
        for incident in (first, second):  # whichever would have been shown by itself, one of the two is the other
            await context.clear_cookies()
            await page.goto("about:blank")
            await page.goto(f"{watched.address}/#/incident/{incident}")
            await page.fill("input[name=name]", "li")
            await page.fill("input[name=password]", PASSWORD)
            await page.click("button[type=submit]")
            await expect(page.get_by_test_id("incident")).to_have_attribute("data-id", incident)
        # The same for somebody who sits at the open page, and then goes on by hand.
        await page.evaluate("id => { location.hash = `#/incident/${id}`; }", first)
        await expect(page.get_by_test_id("incident")).to_have_attribute("data-id", first)
        await page.locator(f'[data-testid=row][data-id="{second}"]').click()
        await expect(page.get_by_test_id("incident")).to_have_attribute("data-id", second)
        assert "#" not in page.url
        assert complaints.found == []
        await page.evaluate("() => { location.hash = '#/incident/incident_of_nobody'; }")
        await expect(page.get_by_test_id("link")).to_contain_text("不存在")


async def test_what_is_only_suspected_is_counted_and_listed_and_never_rings(watched: Room, chromium: Browser) -> None:
    await watched.fall("cuihu/cam-b3", "cuihu/b3/u1/9", 9)
    await watched.incident("falling_object")
    async with seat(chromium) as context:
        page = await context.new_page()
        await sit(page, watched.address)
        await page.keyboard.press("a")
        await expect(page.get_by_test_id("sound")).to_have_attribute("data-voice", "")
        await expect(page.get_by_test_id("suspected-count")).to_contain_text("疑似 0")
        await watched.see(
            "falling_object", "cuihu/cam-b2", "cuihu/b2/u1/5", "路径太短，不能断定", status="suspected", level="alarm"
        )
        await expect(page.get_by_test_id("suspected-count")).to_contain_text("疑似 1", timeout=15_000)
        await page.get_by_test_id("suspected-count").click()
        row = page.get_by_test_id("suspect")
        await expect(row).to_have_count(1)
        await expect(row).to_contain_text("路径太短，不能断定")
        await expect(row).to_contain_text("翠湖苑 2号楼")
        await row.get_by_test_id("look").click()
        await expect(row.get_by_test_id("evidence")).to_be_visible()
        await page.keyboard.press("Escape")
        await expect(page.get_by_test_id("row")).to_have_count(1)
        await expect(page.get_by_test_id("sound")).to_have_attribute("data-voice", "")


async def test_a_refused_press_is_said_at_once(watched: Room, chromium: Browser) -> None:
    await smoke(watched)

    async def otherwise(route: Route) -> None:
        # As if another seat had been quicker: what arrives is no longer possible.
        asked = json.loads(route.request.post_data or "{}")
        await route.continue_(post_data=json.dumps({**asked, "action": "reopen", "reason": "x"}))

    async with seat(chromium) as context:
        page = await context.new_page()
        await sit(page, watched.address)
        await page.route("**/commands", otherwise)
        began = time.monotonic()
        await page.get_by_test_id("do-acknowledge").click()
        await expect(page.get_by_test_id("failed")).to_contain_text(
            "没有成功：事件已是“未确认”", timeout=AT_ONCE * 1000
        )
        assert time.monotonic() - began < AT_ONCE + 1
        await expect(page.get_by_test_id("do-acknowledge")).to_be_enabled()
        await page.unroute("**/commands")
        await page.get_by_test_id("do-acknowledge").click()
        await expect(page.get_by_test_id("failed")).to_have_count(0)
        await expect(page.get_by_test_id("state")).to_have_attribute("data-state", "acknowledged")


async def test_the_self_test_is_shown_stage_by_stage(watched: Room, chromium: Browser) -> None:
    async with watched.store.transaction() as connection:
        await connection.execute(
            """
            INSERT INTO selftest (id, started_at, finished_at, stages)
            VALUES ('1', now(), now(), jsonb_build_object('broker', now() + interval '20 ms',
                    'store', now() + interval '90 ms', 'detector', now() + interval '50 ms'))
            """
        )
        await connection.execute(
            "INSERT INTO device_seen (device, site, kind, place, last_at, last_arrived) "
            "VALUES ('hub/selftest', 'unplaced', 'selftest', '', now(), now())"
        )
        await connection.execute(
            "INSERT INTO progress (role, instance, at, detail) VALUES ('detect', 'hub', now(), %s)", (Jsonb({}),)
        )
    async with seat(chromium) as context:
        page = await context.new_page()
        await sit(page, watched.address)
        await page.get_by_test_id("bar-selftest").click()
        stages = page.get_by_test_id("stage")
        await expect(stages).to_have_count(3)
        assert [await stages.nth(n).get_attribute("data-stage") for n in range(3)] == ["broker", "detector", "store"]
        await expect(stages.nth(1)).to_contain_text("+0.05 s")
        await expect(page.get_by_test_id("inner")).to_contain_text("检测进程")
        await page.keyboard.press("Escape")
        await page.get_by_test_id("bar-sensors").click()
        await expect(page.get_by_test_id("device").first).to_be_visible()
        await expect(page.locator('[data-id="hub/selftest"]')).to_have_count(0)

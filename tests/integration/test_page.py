"""The page in a real browser: an alarm from its first ring to its end, and a page that notices when it is deaf."""

from __future__ import annotations

import asyncio
import base64
import hashlib
import re
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from playwright.async_api import Browser, BrowserContext, ConsoleMessage, Error, Page, Response, expect

from hub.store import Store
from tests.browser import ARGUMENTS
from tests.stalling import proxy
from tests.watch_room import PASSWORD, Room, admit, filmed, room, until

SILENT_SECONDS = 12_000
"""Milliseconds within which a page must say that it is deaf."""


@pytest.fixture
async def watched(store: Store, tmp_path: Path) -> AsyncIterator[Room]:
    """A control room with the operator "li"."""
    await admit(store, "li", "operator")
    async with room(store, tmp_path) as opened:
        yield opened


class Complaints:
    """What the browser found wrong with the page itself. A camera without a picture is no fault of the page."""

    def __init__(self, page: Page) -> None:
        self.found: list[str] = []
        page.on("pageerror", self._failed)
        page.on("response", self._answered)
        page.on("console", self._said)

    def _failed(self, error: Error) -> None:
        self.found.append(f"error: {error}")

    def _answered(self, answer: Response) -> None:
        if answer.status >= 400 and not answer.url.endswith("/still.jpg"):
            self.found.append(f"{answer.status} {answer.url}")

    def _said(self, said: ConsoleMessage) -> None:
        if said.type == "error" and not said.text.startswith("Failed to load resource"):
            self.found.append(f"console: {said.text}")


@asynccontextmanager
async def seat(browser: Browser, **options: object) -> AsyncIterator[BrowserContext]:
    """A seat at the desk: a browser with its own cookies."""
    context = await browser.new_context(locale="zh-CN", viewport={"width": 1920, "height": 1080}, **options)  # type: ignore[arg-type]  # passed on as they are
    yield context
    await context.close()


async def sit(page: Page, address: str) -> None:
    """Open the page and sign in as an operator."""
    await page.goto(address)
    await page.fill("input[name=name]", "li")
    await page.fill("input[name=password]", PASSWORD)
    await page.click("button[type=submit]")
    await expect(page.get_by_test_id("bar-stream")).to_contain_text("秒前")


async def smoke(at: Room) -> str:
    """A smoke alarm; its incident."""
    await at.see("smoke", "cuihu/smoke-b3-12", "cuihu/b3/u1/12", "烟感报警")
    return await at.incident("smoke")


def own_address() -> str:
    """An address of this machine that is not loopback."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        try:
            probe.connect(("192.0.2.1", 9))  # sends nothing; it only asks which of our addresses would be used
        except OSError:
            pytest.skip("this machine has no address but loopback")
        return str(probe.getsockname()[0])


async def test_an_alarm_from_its_first_ring_to_its_end(watched: Room, chromium: Browser, tmp_path: Path) -> None:
    async with seat(chromium) as context:
        page = await context.new_page()
        complaints = Complaints(page)
        await sit(page, watched.address)
        await expect(page.get_by_test_id("calm")).to_contain_text("没有需要处理的报警")

        # It comes by itself, it rings, and it is in view with its clip playing.
        film = await asyncio.to_thread(filmed, tmp_path / "fall.mp4", "cuihu/cam-b3", 1_795_000_000.0, 3.0)
        await watched.fall("cuihu/cam-b3", "cuihu/b3/u1/9", 9)
        incident = await watched.incident("falling_object")
        await watched.keep(incident, "fall.mp4", film.clip.data, "video/mp4", codec="h264")
        row = page.locator(f'[data-testid=row][data-id="{incident}"]')
        await expect(row).to_contain_text("高空抛物")
        await expect(page.get_by_test_id("title")).to_have_text("翠湖苑 3号楼 1单元 高空抛物（约 9 层）")
        await expect(page.get_by_test_id("sound")).to_have_attribute("data-voice", "p2")
        clip = page.get_by_test_id("clip")
        await expect(clip).to_be_visible()
        await page.wait_for_function("() => document.querySelector('[data-testid=clip]')?.currentTime > 0.3")
        first = await clip.evaluate("video => video.currentTime")
        await page.wait_for_function(f"() => document.querySelector('[data-testid=clip]').currentTime != {first}")
        assert await clip.evaluate("video => video.videoWidth") > 0
        await page.get_by_test_id("pause").click()
        assert await clip.evaluate("video => video.paused")

        # One key acknowledges, and that ends the ringing.
        await page.keyboard.press("a")
        await expect(page.get_by_test_id("state")).to_have_attribute("data-state", "acknowledged")
        await expect(page.get_by_test_id("sound")).to_have_attribute("data-voice", "")
        await expect(page.get_by_test_id("part-working").get_by_test_id("row")).to_have_count(1)
        assert await watched.state(incident) == "acknowledged"

        # The worker is chosen by name, is told, and the incident is closed with a word about how.
        await page.get_by_test_id("do-assign").click()
        await page.get_by_test_id("send").click()
        await expect(page.get_by_test_id("state")).to_have_attribute("data-state", "dispatched")
        await expect(page.get_by_test_id("timeline")).to_contain_text("派人 王秀兰")
        await expect(page.get_by_test_id("message").filter(has_text="派人")).to_have_attribute("data-state", "sent")
        await page.get_by_test_id("do-close").click()
        await page.get_by_test_id("reason").fill("已清理，无人受伤")
        await page.keyboard.press("Enter")
        await expect(page.get_by_test_id("state")).to_have_attribute("data-state", "closed")
        await expect(page.get_by_test_id("part-ended").get_by_test_id("row")).to_have_count(1)
        await expect(page.get_by_test_id("timeline")).to_contain_text("已清理，无人受伤")
        await watched.reaches(incident, "closed")
        assert complaints.found == []


async def test_a_fire_has_its_call_card_and_says_why_it_is_one_incident(watched: Room, chromium: Browser) -> None:
    async with seat(chromium) as context:
        page = await context.new_page()
        await sit(page, watched.address)
        numbers = {"max_c": 86.4}
        await watched.see("thermal_fire", "cuihu/therm-b3", "cuihu/b3/u1/12", "86.4 °C", numbers=numbers)
        await watched.incident("thermal_fire")
        await watched.see("smoke", "cuihu/smoke-b3-12", "cuihu/b3/u1/12", "烟感报警")
        await expect(page.get_by_test_id("why")).to_contain_text("热成像火情与烟感报警")
        await expect(page.get_by_test_id("row")).to_have_count(1)
        await expect(page.get_by_test_id("call-unit")).to_have_text("云川市 迎宾街1101号 翠湖苑")
        await expect(page.get_by_test_id("call-burning")).to_contain_text("最高 86 °C")
        await page.get_by_test_id("do-called_119").click()
        await expect(page.get_by_test_id("called")).to_contain_text("li 于")
        # Whoever called has not yet acknowledged: it goes on ringing.
        await expect(page.get_by_test_id("sound")).to_have_attribute("data-voice", "p1")


async def test_silence_is_not_acknowledgement_and_what_comes_later_is_heard(watched: Room, chromium: Browser) -> None:
    async with seat(chromium) as context:
        page = await context.new_page()
        await sit(page, watched.address)
        first = await smoke(watched)
        await expect(page.get_by_test_id("sound")).to_have_attribute("data-voice", "p1")
        await page.keyboard.press("s")
        await expect(page.get_by_test_id("sound")).to_have_attribute("data-voice", "")
        await expect(page.get_by_test_id("sound")).to_contain_text("静音中")
        assert await watched.state(first) == "new"
        await watched.see("gas", "xingfu/gas-b1-12", "xingfu/b1/u1/12", "燃气 28 %LEL")
        await expect(page.get_by_test_id("sound")).to_have_attribute("data-voice", "p1")
        await page.keyboard.press("n")
        await expect(page.get_by_test_id("title")).to_contain_text("幸福家园")
        await page.keyboard.press("n")
        await expect(page.get_by_test_id("title")).to_contain_text("翠湖苑")


async def test_rows_stay_where_they_are_under_the_pointer(watched: Room, chromium: Browser) -> None:
    async with seat(chromium) as context:
        page = await context.new_page()
        await sit(page, watched.address)
        await watched.see("water", "cuihu/water-b1-12", "cuihu/b1/u1/12", "水浸")
        row = page.get_by_test_id("row").first
        await expect(row).to_contain_text("水浸")
        await row.hover()
        await smoke(watched)
        await expect(page.get_by_test_id("row")).to_have_count(2)
        await expect(page.get_by_test_id("row").first).to_contain_text("水浸")
        await expect(page.get_by_test_id("fresh")).to_contain_text("烟感报警")
        await page.mouse.move(1200, 500)
        await expect(page.get_by_test_id("row").first).to_contain_text("烟感报警")


async def test_a_dead_stream_is_announced_and_what_was_missed_is_there_afterwards(
    watched: Room, chromium: Browser
) -> None:
    async with seat(chromium) as context, proxy(watched.address) as between:
        page = await context.new_page()
        await sit(page, between.address)
        await expect(page.get_by_test_id("blind")).to_have_count(0)
        between.freeze()  # half open: no end, no error, only silence
        await expect(page.get_by_test_id("blind")).to_be_visible(timeout=SILENT_SECONDS)
        await expect(page.get_by_test_id("blind")).to_have_attribute("role", "alert")
        await expect(page.get_by_test_id("sound")).to_have_attribute("data-voice", "blind")
        incident = await smoke(watched)
        between.thaw()
        await expect(page.get_by_test_id("blind")).to_have_count(0, timeout=20_000)
        await expect(page.locator(f'[data-testid=row][data-id="{incident}"]')).to_have_count(1)
        await expect(page.get_by_test_id("sound")).to_have_attribute("data-voice", "p1")


async def test_the_page_comes_back_by_itself_after_a_proxys_502(watched: Room, chromium: Browser) -> None:
    async with seat(chromium) as context, proxy(watched.address) as between:
        page = await context.new_page()
        await sit(page, between.address)
        between.refuse(True)
        await expect(page.get_by_test_id("blind")).to_be_visible(timeout=SILENT_SECONDS)
        incident = await smoke(watched)
        between.refuse(False)
        await expect(page.get_by_test_id("blind")).to_have_count(0, timeout=20_000)
        await expect(page.locator(f'[data-testid=row][data-id="{incident}"]')).to_have_count(1)


async def test_a_hub_that_is_ill_says_so_and_sounds(store: Store, tmp_path: Path, chromium: Browser) -> None:
    await admit(store, "li", "operator")
    async with room(store, tmp_path, roles=("detect",)) as at, seat(chromium) as context:
        await at.progress("detect")
        page = await context.new_page()
        await sit(page, at.address)
        await expect(page.get_by_test_id("ill")).to_have_count(0)
        await at.progress("detect", age=16.0)
        await expect(page.get_by_test_id("ill")).to_contain_text("检测进程停止工作")
        await expect(page.get_by_test_id("sound")).to_have_attribute("data-voice", "ill")
        await page.get_by_test_id("ill").get_by_role("button").click()
        await expect(page.get_by_test_id("sound")).to_have_attribute("data-voice", "")
        await expect(page.get_by_test_id("ill")).to_be_visible()  # noted is not mended
        await at.progress("detect")
        await expect(page.get_by_test_id("ill")).to_have_count(0)


async def test_many_tabs_share_one_stream_and_outlive_the_tab_that_had_it(watched: Room, chromium: Browser) -> None:
    async with seat(chromium) as context:
        pages = [await context.new_page()]
        await sit(pages[0], watched.address)
        for _ in range(7):
            pages.append(await context.new_page())
            await pages[-1].goto(watched.address)
        for page in pages:
            await expect(page.get_by_test_id("bar-stream")).to_contain_text("秒前")

        async def streams() -> str:
            figures = await (await context.request.get(f"{watched.address}/metrics")).text()
            found = re.search(r"^hub_stream_clients (\S+)", figures, re.MULTILINE)
            assert found is not None
            return found.group(1)

        assert await streams() == "1.0"
        await pages.pop(0).close()
        incident = await smoke(watched)
        for page in pages:
            await expect(page.locator(f'[data-testid=row][data-id="{incident}"]')).to_have_count(1, timeout=15_000)
        assert await streams() == "1.0"
        loud = [await page.get_by_test_id("bar-sound").text_content() for page in pages]
        assert sum("已启用" in str(words) for words in loud) <= 1


async def test_a_sound_test_is_kept_with_name_and_time(watched: Room, chromium: Browser) -> None:
    async with seat(chromium) as context:
        page = await context.new_page()
        await sit(page, watched.address)
        await expect(page.get_by_test_id("bar-sound")).to_contain_text("未试")
        await page.get_by_test_id("bar-sound").click()
        await page.get_by_test_id("heard").click()
        await expect(page.get_by_test_id("bar-sound")).to_contain_text("已试")

    async def kept() -> list[tuple[object, ...]]:
        async with watched.store.connection() as connection:
            cursor = await connection.execute("SELECT who, details FROM audit WHERE action = 'sound_test'")
            return await cursor.fetchall()

    assert await until(kept) == [("li", {"heard": True})]


async def test_cameras_and_sensors_show_when_they_were_last_heard(watched: Room, chromium: Browser) -> None:
    await watched.hear_from_all(silent=("xingfu/cam-b2",))
    async with seat(chromium) as context:
        page = await context.new_page()
        await sit(page, watched.address)
        await expect(page.get_by_test_id("bar-cameras")).to_contain_text("14/15")
        await page.get_by_test_id("bar-cameras").click()
        await expect(page.get_by_test_id("device")).to_have_count(15)
        silent = page.locator('[data-testid=device][data-id="xingfu/cam-b2"]')
        await expect(silent).to_contain_text("从未")
        await expect(page.get_by_test_id("device").first).to_have_attribute("data-id", "xingfu/cam-b2")
        await page.keyboard.press("Escape")
        await expect(page.get_by_test_id("devices")).to_have_count(0)


async def test_signing_in_over_tls_at_an_address_that_is_not_loopback(
    store: Store, tmp_path: Path, chromium: Browser
) -> None:
    await admit(store, "li", "operator")
    host = own_address()
    async with room(store, tmp_path, host=host) as at:
        assert at.address.startswith(f"https://{host}:")
        # A person would install the authority; Chromium without a profile is told by the key it may trust. That the
        # certificate really follows from the authority is what test_page_api shows.
        certificate = x509.load_pem_x509_certificate((at.config.data / "tls" / "server.crt").read_bytes())
        key = certificate.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
        pin = base64.b64encode(hashlib.sha256(key).digest()).decode()
        trusting = [*ARGUMENTS, f"--ignore-certificate-errors-spki-list={pin}"]
        browser = await chromium.browser_type.launch(executable_path="/usr/bin/chromium", args=trusting)
        try:
            async with seat(browser) as context:
                page = await context.new_page()
                await sit(page, at.address)
                (cookie,) = await context.cookies()
                assert (cookie["name"], cookie["secure"], cookie["httpOnly"]) == ("__Host-hub", True, True)
                assert await page.evaluate("isSecureContext")
                incident = await smoke(at)
                await expect(page.locator(f'[data-testid=row][data-id="{incident}"]')).to_have_count(1)
                await page.get_by_test_id("sign-out").click()
                await expect(page.locator("input[name=password]")).to_be_visible()
        finally:
            await browser.close()

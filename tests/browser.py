"""Debian's Chromium for tests of the page, driven by Playwright. Tests that use it carry the marker `browser`.

    async def test_x(chromium: Browser)

A missing Chromium is a skip, and a failure when CI=true.
"""

from __future__ import annotations

import shutil
from collections.abc import AsyncIterator
from typing import Final

import pytest
from playwright.async_api import Browser, async_playwright

from tests.postgres import missing

ARGUMENTS: Final = (
    "--no-sandbox",  # the tests may run as root
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-default-apps",
    "--disable-sync",
    "--no-first-run",
    "--no-default-browser-check",
    "--no-proxy-server",
    "--disable-dev-shm-usage",
)


@pytest.fixture
async def chromium() -> AsyncIterator[Browser]:
    """A browser of its own for each test."""
    program = shutil.which("chromium")
    if program is None:
        missing("no Chromium of Debian's")
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(executable_path=program, args=list(ARGUMENTS))
        yield browser
        await browser.close()


@pytest.hookimpl(tryfirst=True)  # before `-m browser` chooses
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if "chromium" in getattr(item, "fixturenames", ()):
            item.add_marker(pytest.mark.browser)

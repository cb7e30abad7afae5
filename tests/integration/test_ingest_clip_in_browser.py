"""Clips cut from the log play in a real browser: H.264 as it came, H.265 as its preview."""

from __future__ import annotations

import base64
from pathlib import Path

import pytest
from playwright.async_api import Browser

from hub.model import utc
from hub.video import session
from hub.video.clip import remux
from hub.video.preview import preview
from hub.video.source import Source
from tests.films import Recipe, film

BEGIN = 1_800_000_000.0

PLAY = """
async (address) => {
  const video = document.createElement("video");
  video.muted = true;
  document.body.append(video);
  const ended = new Promise((resolve) => {
    video.onended = () => resolve("ended");
    video.onerror = () => resolve("error: " + video.error.message);
    setTimeout(() => resolve("stuck at " + video.currentTime), 15000);
  });
  video.src = address;
  video.playbackRate = 4;
  await video.play().catch(() => null);
  const how = await ended;
  return [how, video.videoWidth, video.videoHeight, video.duration];
}
"""


@pytest.mark.parametrize("b_frames", [0, 2])
@pytest.mark.parametrize("codec", ["h264", "hevc"])
async def test_it_plays_to_its_end(codec: str, b_frames: int, chromium: Browser, tmp_path: Path) -> None:
    recipe = Recipe(codec=codec, b_frames=b_frames, width=960, height=540, frames=100)
    with Source(str(film(recipe, tmp_path / "film.mp4"))) as source:
        chunks = list(session.film(source, "cuihu/cam", "cuihu", BEGIN))
    clip = remux(chunks, utc(BEGIN + 1), utc(BEGIN + 3))
    data = clip.data if codec == "h264" else preview(clip.data)
    page = await chromium.new_page()
    await page.set_content("<html><body></body></html>")
    how, width, height, duration = await page.evaluate(PLAY, f"data:video/mp4;base64,{base64.b64encode(data).decode()}")
    assert how == "ended"
    assert (width, height) == ((960, 540) if codec == "h264" else (640, 360))
    assert duration == pytest.approx(2.0, abs=0.25)

"""A camera's latest picture, decoded from the log when somebody looks: its newest key frame or heat picture."""

from __future__ import annotations

import asyncio
import time
from datetime import UTC, datetime, timedelta
from typing import Any, Final

import cv2
import msgspec
import numpy as np
import numpy.typing as npt

from hub.bus import Bus
from hub.errors import MessageError
from hub.model import ThermalFrame, VideoChunk, utc
from hub.topics import THERMAL, VIDEO
from hub.video.decode import key_pictures

FRESH: Final = 2.0
"""Seconds for which one decoding serves everybody."""
LOOK_BACK: Final = (timedelta(seconds=6), timedelta(seconds=40))
"""How far back to look: most cameras send a key frame each few seconds, some only each twenty."""
KEPT: Final = 64
WIDEST: Final = 1280


class Still(msgspec.Struct, frozen=True):
    """A JPEG and the instant it shows. `data` is empty when there is none, and `why` says why."""

    data: bytes
    at: datetime | None
    why: str = ""


class Stills:
    """Pictures by camera, each decoded at most once in FRESH seconds; at most one decoding of a camera at a time."""

    def __init__(self, bus: Bus) -> None:
        self._bus = bus
        self._kept: dict[str, tuple[float, Still]] = {}
        self._locks: dict[str, asyncio.Lock] = {}

    async def latest(self, camera: str, *, thermal: bool) -> Still:
        """The camera's latest picture. `camera` is a registered one: ids from outside must not fill the memory."""
        async with self._locks.setdefault(camera, asyncio.Lock()):
            kept = self._kept.get(camera)
            if kept is not None and time.monotonic() - kept[0] < FRESH:
                return kept[1]
            still = await (self._thermal(camera) if thermal else self._video(camera))
            self._kept.pop(camera, None)
            self._kept[camera] = (time.monotonic(), still)
            while len(self._kept) > KEPT:
                self._kept.pop(next(iter(self._kept)))
            return still

    async def _video(self, camera: str) -> Still:
        for back in LOOK_BACK:
            newest: VideoChunk | None = None
            now = datetime.now(UTC)
            async for delivery in self._bus.read(VIDEO, camera, now - back, now):
                try:
                    chunk = delivery.decode()
                except MessageError:
                    continue
                if chunk.key:
                    newest = chunk
            if newest is not None:
                return await asyncio.to_thread(_decoded, newest)
        return Still(b"", None, "最近 40 秒没有收到画面")

    async def _thermal(self, camera: str) -> Still:
        newest: ThermalFrame | None = None
        now = datetime.now(UTC)
        async for delivery in self._bus.read(THERMAL, camera, now - LOOK_BACK[0], now):
            try:
                newest = delivery.decode()
            except MessageError:
                continue
        if newest is None:
            return Still(b"", None, "最近 6 秒没有收到热图")
        return await asyncio.to_thread(_coloured, newest)


def _decoded(chunk: VideoChunk) -> Still:
    for _, frame in key_pictures([chunk]):
        packet = chunk.packets[0]
        return Still(_jpeg(frame.to_ndarray(format="bgr24")), utc(chunk.epoch + packet.pts * chunk.num / chunk.den))
    return Still(b"", None, "画面无法解码")


def _coloured(frame: ThermalFrame) -> Still:
    # Stretched over what is in the picture, but over 20 K at least: noise of a cold wall is no fire.
    raw = np.frombuffer(frame.raw, "<u2").reshape(frame.height, frame.width)
    celsius = raw.astype(np.float32) * frame.scale + frame.offset
    low = float(np.percentile(celsius, 1))
    high = max(float(celsius.max()), low + 20.0)
    grey = np.clip((celsius - low) * (255.0 / (high - low)), 0, 255).astype(np.uint8)
    larger = max(1, 640 // frame.width)
    grey = cv2.resize(grey, None, fx=larger, fy=larger, interpolation=cv2.INTER_NEAREST)
    picture = cv2.applyColorMap(grey, cv2.COLORMAP_INFERNO)
    label = f"max {float(celsius.max()):.1f} C" if frame.radiometric else "not radiometric"
    cv2.putText(picture, label, (8, 22), cv2.FONT_HERSHEY_SIMPLEX, 0.6, (255, 255, 255), 2, cv2.LINE_AA)
    return Still(_jpeg(picture), frame.at)


def _jpeg(picture: npt.NDArray[Any]) -> bytes:
    width = picture.shape[1]
    if width > WIDEST:
        picture = cv2.resize(picture, None, fx=WIDEST / width, fy=WIDEST / width, interpolation=cv2.INTER_AREA)
    ok, data = cv2.imencode(".jpg", picture, [cv2.IMWRITE_JPEG_QUALITY, 82])
    assert ok, "a picture of bytes is always encodable"
    return bytes(data)

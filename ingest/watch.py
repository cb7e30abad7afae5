"""One camera watched by one thread: connected, lost, connected again, whatever happens to the others."""

from __future__ import annotations

import random
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Final
from urllib.parse import unquote, urlsplit

import structlog

from hub import metrics
from hub.errors import ConfigError
from hub.model import VideoChunk
from hub.redact import redact
from hub.video.lost import Lost
from hub.video.session import film, live
from hub.video.source import Source

log = structlog.get_logger()

FIRST_WAIT: Final = 0.5
LONGEST_WAIT: Final = 30.0
STEADY: Final = 10.0
"""A connection that held so long (seconds) makes the next wait a short one again."""
FILMS: Final = frozenset({".mp4", ".mkv", ".mov", ".avi", ".ts", ".h264", ".h265", ".264", ".265"})


class Watch(threading.Thread):
    """Watches until `stop`. A daemon: a camera that hangs in a read must not hold up the end of the hub.

    `address` gives the address with its credentials; it is asked at each connect, and kept nowhere.
    """

    def __init__(
        self,
        camera: str,
        site: str,
        address: Callable[[], str | None],
        offer: Callable[[VideoChunk], None],
        ended: Callable[[], None],
    ) -> None:
        super().__init__(name=f"camera {camera}", daemon=True)
        self.camera = camera
        self.site = site
        self._address = address
        self._offer = offer
        self._ended = ended
        self._stopping = threading.Event()

    def stop(self) -> None:
        """End at the next packet, or when the read has timed out; nothing is offered from now on."""
        self._stopping.set()

    @property
    def stopping(self) -> bool:
        """Whether it was told to end."""
        return self._stopping.is_set()

    def run(self) -> None:
        """The thread's body."""
        try:
            self._watch()
        finally:
            self._ended()

    def _watch(self) -> None:
        wait = FIRST_WAIT
        reason: str
        while not self._stopping.is_set():
            begun = time.monotonic()
            try:
                for chunk in self._chunks():
                    if self._stopping.is_set():
                        return
                    self._offer(chunk)
            except Lost as lost:
                metrics.CAMERA_RECONNECTS.labels(lost.reason).inc()
                reason, detail = lost.reason, redact(str(lost))
            except ConfigError as error:
                metrics.CAMERA_RECONNECTS.labels("settings").inc()
                reason, detail = "settings", redact(str(error))
            else:
                continue
            if self._stopping.is_set():
                return
            if time.monotonic() - begun > STEADY:
                wait = FIRST_WAIT
            pause = wait * random.uniform(0.5, 1.5)  # noqa: S311  # jitter, not a secret
            log.warning("camera_lost", camera=self.camera, reason=reason, detail=detail, seconds=round(pause, 2))
            self._stopping.wait(pause)
            wait = min(wait * 2, LONGEST_WAIT)

    def _chunks(self) -> Iterator[VideoChunk]:
        address = self._address()
        if address is None:
            raise ConfigError(f"{self.camera} has no address")
        if address.startswith("file:"):
            yield from self._shown(Path(unquote(urlsplit(address).path)))
            return
        with Source(address) as source:
            log.info("camera_connected", camera=self.camera, address=source.address, codec=source.codec)
            yield from live(source, self.camera, self.site)

    def _shown(self, path: Path) -> Iterator[VideoChunk]:
        """A film, or the films of a folder one after the other, in real time. Each showing is a session."""
        films = sorted(p for p in path.iterdir() if p.suffix.lower() in FILMS) if path.is_dir() else [path]
        if not films:
            raise Lost("unreachable", f"there is no film in {path}")
        for one in films:
            begin, started = time.time(), time.monotonic()
            with Source(str(one)) as source:
                for chunk in film(source, self.camera, self.site, begin):
                    tick = chunk.num / chunk.den
                    shown = chunk.at.timestamp() + (chunk.packets[-1].dts - chunk.packets[0].dts) * tick
                    if self._stopping.wait(max(0.0, shown - begin - (time.monotonic() - started))):
                        return
                    yield chunk

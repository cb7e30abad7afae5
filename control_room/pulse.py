"""The page's heartbeat: every two seconds the server says how the whole hub is, also when the store does not answer."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any, Final

import msgspec
import structlog

from control_room import devices, suspected, vitals
from control_room.config import WebConfig
from control_room.stream import Stream
from control_room.vitals import Channel, Ill, RoleAge, SelfTest, SettingsState, Vitals
from hub.errors import TransientError
from hub.settings.revision import Settings
from hub.store import Store

log = structlog.get_logger()

EVERY: Final = 2.0
"""Seconds between ticks. A page that misses two of them says so and sounds."""
ROUNDS: Final = 5
"""Counting devices and messages is dearer than reading ages: once in so many ticks."""
TIDY_EVERY: Final = 1800
PATIENCE: Final = 1.5
"""Seconds the store may take before the tick goes out without it."""


class Tick(msgspec.Struct, frozen=True, kw_only=True):
    """What each tick carries. Ages in seconds at `at`, the server's time."""

    at: datetime
    interval: float
    version: str
    ill: tuple[Ill, ...]
    roles: tuple[RoleAge, ...]
    selftest: SelfTest | None
    settings: SettingsState
    channels: tuple[Channel, ...]
    counts: dict[str, int]
    broker: dict[str, str]


class Pulse:
    """Reads, judges and tells. `latest` is the last tick as JSON."""

    def __init__(self, store: Store, settings: Settings, config: WebConfig, stream: Stream) -> None:
        self._store = store
        self._settings = settings
        self._config = config
        self._stream = stream
        self._began = time.monotonic()
        self._answered = self._began
        self._vitals = Vitals()
        self._channels: tuple[Channel, ...] = ()
        self._counts = {"cameras": 0, "cameras_heard": 0, "sensors": 0, "sensors_heard": 0, "suspected": 0}
        self._rounds = 0
        self.told_at = self._began
        self.latest = msgspec.json.encode(self._tick())

    async def run(self, beat: Callable[[], None]) -> None:
        """Tick until cancelled. `beat` says that this loop gets on (hub/progress.py)."""
        due = time.monotonic()
        while True:
            beat()
            await self._look()
            self.tell()
            # From the clock and not from the last tick, so that a slow store does not stretch the interval.
            due = max(due + EVERY, time.monotonic() + 0.2)
            await asyncio.sleep(due - time.monotonic())

    def tell(self) -> None:
        """Say what is known now to every page."""
        self.latest = msgspec.json.encode(self._tick())
        self._stream.say("tick", self.latest)
        self.told_at = time.monotonic()

    async def _look(self) -> None:
        try:
            async with asyncio.timeout(PATIENCE):
                self._vitals = await vitals.read(self._store)
                self._answered = time.monotonic()
                if self._rounds % ROUNDS == 0 or self._rounds < ROUNDS:
                    self._channels = await vitals.channels(self._store)
                    rows = await devices.read(self._store)
                    found = devices.listed(self._settings.current.city, rows, datetime.now(UTC))
                    self._counts = {**found.counts(), "suspected": await suspected.count(self._store)}
                if self._rounds % TIDY_EVERY == TIDY_EVERY - 1:
                    await vitals.tidy(self._store)
                self._rounds += 1
        except (TransientError, TimeoutError) as error:
            # The tick goes out all the same: what is known grows older in it, and that is the news.
            log.warning("store_silent", error=str(error))

    def _tick(self) -> Tick:
        now = time.monotonic()
        away = now - self._answered
        aged = self._vitals.aged(away)
        config = self._config
        return Tick(
            at=datetime.now(UTC),
            interval=EVERY,
            version=config.version,
            ill=vitals.ills(aged, config.roles, now - self._began, away, tested=config.broker is not None),
            roles=aged.roles,
            selftest=aged.selftest,
            settings=msgspec.structs.replace(aged.settings, revision=self._settings.current.number),
            channels=self._channels,
            counts=self._counts,
            broker=_broker(config),
        )


def _broker(config: WebConfig) -> dict[str, Any]:
    return {"kind": config.broker.kind, "note": config.broker.note} if config.broker else {"kind": "", "note": ""}

"""The alerts role: routes, insists, tells, and cuts the evidence, until it is stopped."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from pathlib import Path

import httpx
import msgspec
import structlog

from alerts import books
from alerts import router as routing
from alerts import sender as sending
from alerts import timers as clocks
from alerts.channels import CHANNELS, Address
from alerts.desk import Desk
from alerts.evidence import Cutter
from alerts.policy import AlertSettings
from alerts.telling import HOTLINE
from hub import metrics, outbox
from hub.bus import Bus
from hub.errors import TransientError
from hub.progress import Progress
from hub.redact import redact
from hub.service import Loop
from hub.settings.revision import Revision, Settings
from hub.store import Store

log = structlog.get_logger()

SECTION = "alerts"
TIDY_EVERY = 3600.0
IDLE = 0.5
"""Seconds at most between two looks for what is due."""


class Place(msgspec.Struct, frozen=True, kw_only=True):
    """Where this process stands. `worker` is the same after a restart; `page` is the control room's address.

    `evidence` is the folder of clips and pictures; None where another process cuts them.
    """

    worker: str
    page: str
    robots: Mapping[str, Address]
    evidence: Path | None = None


class Desks:
    """The desk of the revision in force; made anew only when that changes."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._revision: Revision | None = None
        self._desk: Desk | None = None

    def __call__(self) -> Desk:
        """The desk for the next decision."""
        revision = self._settings.current
        if self._desk is None or revision is not self._revision:
            self._revision, self._desk = revision, desk_of(revision)
        return self._desk


def desk_of(revision: Revision) -> Desk:
    """The desk that decides by this revision."""
    city, tuning = revision.city, revision.tuning

    def policy(subject: str, kind: str, place: str) -> AlertSettings:
        registered = city.device(subject) or city.camera(subject)
        return tuning.of(SECTION, AlertSettings, subject, "" if registered else kind, place)

    return Desk(city, policy)


async def run(bus: Bus, store: Store, settings: Settings, place: Place, progress: Progress) -> None:
    """Serve until cancelled."""
    desks = Desks(settings)
    records, messages = asyncio.Event(), asyncio.Event()

    def news() -> None:
        records.set()
        messages.set()

    await _release(store, place.worker)
    router = routing.Router(store, desks, place.page, news=news)
    timers = clocks.Timers(store, desks, place.page, news=news)
    # Without a note of what is in hand: no native code runs here that one record could bring down, and whoever is
    # killed twice for other reasons with a fire in his hands must not bury the fire as poison.
    loop = Loop(bus, routing.TOPICS, routing.GROUP, progress.beat("router"))
    async with httpx.AsyncClient(trust_env=False) as client, asyncio.TaskGroup() as tasks:
        sender = sending.Sender(store, client, place.robots, place.worker)
        tasks.create_task(loop.run(router.handle))
        tasks.create_task(forwarding(store, bus, records, progress.beat("forward")))
        tasks.create_task(ticking(timers, store, progress.beat("timers")))
        tasks.create_task(sending.run(sender, messages, progress.beat("sender")))
        if place.evidence is not None:
            cutter = Cutter(bus, store, desks, place.evidence, page=place.page, news=news)
            tasks.create_task(cutting(cutter, progress.beat("evidence")))


async def _release(store: Store, worker: str) -> None:
    while True:
        try:
            await outbox.release(store, worker)
        except TransientError as error:
            log.warning("waiting", loop="alerts", error=redact(str(error)))
            await asyncio.sleep(1.0)
        else:
            return


async def forwarding(store: Store, bus: Bus, wake: asyncio.Event, beat: Callable[[], None]) -> None:
    """Publish what was committed, at once when `wake` says so."""
    while True:
        beat()
        wake.clear()
        try:
            sent = await outbox.forward(store, bus)
            if not sent:
                counts = await outbox.waiting(store)
                for channel in (outbox.BUS, HOTLINE, *CHANNELS):
                    metrics.OUTBOX_WAITING.labels(channel).set(counts.get(channel, 0))
        except TransientError as error:
            log.warning("waiting", loop="forward", error=redact(str(error)))
            sent = 0
        if not sent:
            await sending.woken(wake, IDLE)


async def ticking(timers: clocks.Timers, store: Store, beat: Callable[[], None]) -> None:
    """Fire timers when they are due, and forget from time to time what only guards against repeats."""
    tidied = 0.0
    while True:
        beat()
        wait = IDLE
        try:
            await timers.fire()
            if time.monotonic() - tidied > TIDY_EVERY:
                await books.tidy(store, datetime.now(UTC))
                tidied = time.monotonic()
            wait = max(0.02, await clocks.next_due(store, datetime.now(UTC), IDLE))
        except TransientError as error:
            log.warning("waiting", loop="timers", error=redact(str(error)))
        await asyncio.sleep(wait)


async def cutting(cutter: Cutter, beat: Callable[[], None]) -> None:
    """Cut evidence when it is due."""
    while True:
        beat()
        done = 0
        try:
            done = await cutter.round()
        except TransientError as error:
            log.warning("waiting", loop="evidence", error=redact(str(error)))
        if not done:
            await asyncio.sleep(IDLE)

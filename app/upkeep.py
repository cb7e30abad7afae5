"""What one role does for all: days made and dropped in the store, and how far behind each reader of the log is."""

from __future__ import annotations

import asyncio
import shutil
from datetime import UTC, datetime
from typing import Final

import structlog

from app.engines import Log
from hub import metrics
from hub.bus import Ledger, Span
from hub.errors import TransientError
from hub.redact import redact
from hub.settings.deployment import Deployment
from hub.store import Store
from hub.store.partitions import keep
from hub.topics import GROUPS

log = structlog.get_logger()

MEASURE_EVERY: Final = 10.0
KEEP_EVERY: Final = 3600.0
AGAIN_AFTER: Final = 60.0
"""Seconds until a round that the store's absence cut short is begun again."""


async def run(bus: Log, store: Store, deployment: Deployment) -> None:
    """Serve until cancelled."""
    async with asyncio.TaskGroup() as tasks:
        tasks.create_task(_keep(store))
        tasks.create_task(_measure(bus, deployment))


def behind(span: Span) -> int:
    """Records of a partition that its group has not acknowledged and that are still there to be read."""
    return max(0, span.end - max(span.committed, span.start))


async def measure(bus: Ledger) -> None:
    """Set the lag of every group on every topic it must read. Raises TransientError."""
    for group, topics in GROUPS.items():
        for topic in topics:
            spans = await bus.spans(topic, group)
            metrics.LAG.labels(group, topic.name).set(sum(behind(span) for span in spans))


async def _keep(store: Store) -> None:
    while True:
        pause = KEEP_EVERY
        try:
            done = await keep(store, datetime.now(UTC))
        except TransientError as error:
            log.warning("store_not_kept", error=redact(str(error)))
            pause = AGAIN_AFTER
        else:
            if done.made or done.dropped or done.strays or done.busy:
                log.info("store_kept", made=done.made, dropped=done.dropped, busy=done.busy, strays=done.strays)
        await asyncio.sleep(pause)


async def _measure(bus: Ledger, deployment: Deployment) -> None:
    low = False
    while True:
        usage = await asyncio.to_thread(shutil.disk_usage, deployment.data)
        share = usage.free / usage.total
        metrics.DISK_FREE_RATIO.set(share)
        if (share < deployment.disk.warn_free) != low:
            low = not low
            log.warning("disk_low" if low else "disk_free_again", free=round(share, 3))
        try:
            await measure(bus)
        except TransientError as error:
            log.warning("lag_not_measured", error=redact(str(error)))
        await asyncio.sleep(MEASURE_EVERY)

"""The detector is killed while something falls: the fall is still one incident, and the hotline takes it once.

The moment is drawn around the fall itself, from just before the object is seen to just after it has landed.
"""

from __future__ import annotations

from pathlib import Path
from typing import Final

import pytest

from hub.store import Store
from tests.fault.hub_roles import seed
from tests.fault.watched_facade import scenery

BEFORE: Final = 0.2
AFTER: Final = 0.6
"""Seconds around the fall; a detection is out some 0.3 s after the last picture of it."""


async def trial(store: Store, dsn: str, folder: Path, kafka: str = "") -> None:
    chance = seed()
    async with scenery(store, dsn, folder, kafka=kafka) as here:
        moment = chance.uniform(here.truth.start - BEFORE, here.truth.end + AFTER)
        print(f"the fall lasts from {here.truth.start:.2f} s to {here.truth.end:.2f} s; killed at {moment:.2f} s")
        await here.clock.until(moment)
        await here.detect.kill()
        await here.detect.start()
        await here.told()
        print(here.hotline.book.ledger(), await here.rows("SELECT status, start_at, end_at FROM detection"))
        await here.told_once()


@pytest.mark.timeout(240)
async def test_a_fall_is_told_once(store: Store, database: str, tmp_path: Path) -> None:
    await trial(store, database, tmp_path)


@pytest.mark.kafka
@pytest.mark.timeout(300)
async def test_the_same_on_kafka(store: Store, database: str, tmp_path: Path, kafka_servers: str) -> None:
    await trial(store, database, tmp_path, kafka_servers)

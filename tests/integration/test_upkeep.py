"""What one role does for all, on a real store and log, and its figures as Prometheus fetches them."""

import asyncio
from datetime import UTC, datetime, timedelta
from pathlib import Path

import httpx
import pytest

from app import upkeep
from hub import metrics
from hub.bus.embedded import EmbeddedBus
from hub.errors import ConfigError
from hub.settings.deployment import Deployment
from hub.store import Store


async def test_the_coming_days_are_made_and_the_figures_told(store: Store, tmp_path: Path) -> None:
    (tmp_path / "hub.yaml").write_text("data: .\n")
    deployment = Deployment.load(tmp_path / "hub.yaml", {})
    later = f"reading_{datetime.now(UTC) + timedelta(days=5):%Y%m%d}"
    async with store.connection() as connection:
        await connection.execute(f'DROP TABLE IF EXISTS "{later}"'.encode())
    metrics.DISK_FREE_RATIO.set(0)
    async with EmbeddedBus(tmp_path / "bus") as bus:
        running = asyncio.create_task(upkeep.run(bus, store, deployment))
        try:
            async with asyncio.timeout(20):
                while not await _there(store, later) or not metrics.DISK_FREE_RATIO._value.get():
                    assert not running.done()
                    await asyncio.sleep(0.05)
        finally:
            running.cancel()
            await asyncio.gather(running, return_exceptions=True)


async def test_a_role_serves_its_own_figures() -> None:
    metrics.DETECTIONS.labels("falling_object", "alarm").inc()
    with metrics.served("127.0.0.1", 0) as port:
        async with httpx.AsyncClient(trust_env=False) as client:
            answer = await client.get(f"http://127.0.0.1:{port}/metrics")
        assert answer.status_code == 200
        assert 'hub_detections_total{detector="falling_object",status="alarm"}' in answer.text
        with pytest.raises(ConfigError, match=r"metrics\.port"), metrics.served("127.0.0.1", port):
            pass


async def _there(store: Store, table: str) -> bool:
    async with store.connection() as connection:
        rows = await connection.execute("SELECT to_regclass(%s) IS NOT NULL", (table,))
        return await rows.fetchone() == (True,)

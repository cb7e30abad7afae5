"""The alerts and bridge roles as one process that a test can kill; or a router that sends before it commits.

python -m tests.fault.alerts_child '{"dsn": ..., "bus": ..., ...}'   see Task
"""

from __future__ import annotations

import asyncio
import json
import sys
from contextlib import AbstractAsyncContextManager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import httpx
import msgspec
from standardwebhooks import Webhook

import alerts.service
import bridge_12345.service
from alerts import telling
from alerts.channels import Address
from alerts.desk import Desk, Outcome
from alerts.policy import AlertSettings
from alerts.router import GROUP, TOPICS, Router
from bridge_12345.order import Promised, body
from bridge_12345.outward import Peer
from hub.bus.embedded import EmbeddedBus
from hub.bus.kafka import KafkaBus
from hub.model import Detection
from hub.outbox import Connection
from hub.progress import Progress
from hub.service import Loop
from hub.settings.revision import Revision, Settings
from hub.settings.tuning import Tuning
from hub.store import Store
from tests.alarm_stage import SECRET
from tests.small_estate import estate


class Task(msgspec.Struct, frozen=True):
    """What the process is to run on. `bus` is a folder, or "kafka:<servers>/<prefix>"."""

    dsn: str
    bus: str
    robot: str
    hotline: str
    early: bool = False


class EarlyRouter(Router):
    """Wrong on purpose: it tells the hotline inside the transaction, so that a death in between tells it twice."""

    hotline = ""

    async def _one(self, connection: Connection, record: Any, desk: Desk, now: datetime) -> Outcome:
        outcome = await super()._one(connection, record, desk, now)
        if isinstance(record, Detection):
            for incident in outcome.incidents:
                order = telling.hotline_order(incident, "create", now, AlertSettings(), place=incident.place)
                promised = msgspec.convert(msgspec.to_builtins(order), Promised)
                text = json.dumps(body(promised, ZoneInfo("Asia/Shanghai")), ensure_ascii=False)
                at = datetime.now(UTC)
                headers = {
                    "webhook-id": order.id,
                    "webhook-timestamp": str(int(at.timestamp())),
                    "webhook-signature": Webhook(SECRET).sign(order.id, at, text),
                }
                async with httpx.AsyncClient(trust_env=False) as client:
                    await client.post(self.hotline, content=text.encode(), headers=headers)
        return outcome


def open_bus(where: str) -> AbstractAsyncContextManager[EmbeddedBus | KafkaBus]:
    """The bus of a task. A dead member's records go to the next one after a second, or as soon as Kafka allows."""
    if where.startswith("kafka:"):
        servers, _, prefix = where.removeprefix("kafka:").partition("/")
        return KafkaBus(servers, prefix=prefix, session=6.0)
    return EmbeddedBus(Path(where), session=1.0)


async def main(task: Task) -> None:
    """Run until killed."""
    city = estate()
    settings = Settings(Revision(1, "test", city, Tuning({}, city)))
    robots = {
        robot: Address("wecom", f"{task.robot}/cgi-bin/webhook/send?key={robot}")
        for robot in ("grid-1", "community", "city")
    }
    place = alerts.service.Place(worker="alerts-1", page="http://hub.test", robots=robots)
    peer = Peer(url=f"{task.hotline}/orders", secret=SECRET)
    async with open_bus(task.bus) as bus, Store.open(task.dsn) as store:
        if task.early:
            router = EarlyRouter(store, alerts.service.Desks(settings))
            router.hotline = peer.url
            await Loop(bus, TOPICS, GROUP, lambda: None, limit=1).run(router.handle)
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(alerts.service.run(bus, store, settings, place, Progress("alerts", "1")))
            door = bridge_12345.service.Door(host="127.0.0.1", port=0)
            tasks.create_task(bridge_12345.service.run(bus, store, peer, door, "bridge-1", Progress("bridge", "1")))


if __name__ == "__main__":
    asyncio.run(main(msgspec.json.decode(sys.argv[1], type=Task)))

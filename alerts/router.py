"""From detections, commands and receipts to incidents: read, decide, and write it all in one transaction."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from typing import Any, Final

import msgspec
import structlog
from psycopg.types.json import Jsonb

from alerts import books
from alerts import incident as life
from alerts.desk import Desk, Outcome
from alerts.incident import HUB, Step
from alerts.post import enact, told
from alerts.telling import HOTLINE, Notification, instead
from hub import metrics
from hub.bus import Delivery
from hub.errors import MessageError
from hub.identity import derived
from hub.model import TEST, Command, Detection, Incident, Receipt
from hub.outbox import Connection, promise
from hub.store import Store
from hub.topics import COMMANDS, DETECTIONS, RECEIPTS

log = structlog.get_logger()

TOPICS: Final = (DETECTIONS, COMMANDS, RECEIPTS)
GROUP: Final = "alerts"
SELFTEST: Final = "selftest"


class Router:
    """Handles deliveries of TOPICS. `desk` gives the desk of the settings in force, `page` the page's address.

    `news` is called after each commit, so that what was promised goes out at once.
    """

    def __init__(
        self,
        store: Store,
        desk: Callable[[], Desk],
        page: str = "",
        *,
        news: Callable[[], None] = lambda: None,
        clock: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        self._store = store
        self._desk = desk
        self._page = page
        self._news = news
        self._clock = clock

    async def handle(self, deliveries: Sequence[Delivery[Any]]) -> None:
        """Deal with a batch in one transaction. Raises MessageError for a record that can't be used, TransientError."""
        records = [delivery.decode() for delivery in deliveries]
        now, desk = self._clock(), self._desk()
        outcomes = []
        async with self._store.transaction() as connection:
            await books.lock(connection, (record.site for record in records))
            for delivery, record in zip(deliveries, records, strict=True):
                if isinstance(record, Detection) and record.purpose == TEST and record.rule == SELFTEST:
                    await _selftest(connection, record, delivery.arrived, now)
                    continue
                outcomes.append(await self._one(connection, record, desk, now))
        for outcome in outcomes:
            _count(outcome)
        self._news()

    async def _one(self, connection: Connection, record: Any, desk: Desk, now: datetime) -> Outcome:
        if isinstance(record, Detection):
            return await self._detection(connection, record, desk, now)
        if isinstance(record, Command):
            return await self._command(connection, record, desk, now)
        assert isinstance(record, Receipt)
        await self._receipt(connection, record, desk, now)
        return Outcome()

    async def _detection(self, connection: Connection, detection: Detection, desk: Desk, now: datetime) -> Outcome:
        if await books.known_detection(connection, detection):
            return Outcome()
        understood = desk.understood(detection)
        outcome = desk.detected(understood, await books.situation(connection, understood), now)
        touched = (*outcome.alerts, *outcome.counted)
        await books.keep_detection(connection, detection, touched[0].id if touched else "")
        return await enact(connection, outcome, None, desk, self._page, now)

    async def _command(self, connection: Connection, command: Command, desk: Desk, now: datetime) -> Outcome:
        incident = await books.incident(connection, command.incident)
        if incident is None:
            raise MessageError("unknown_incident", f"{command.action} for {command.incident}")
        if not await books.first_time(connection, command.id, command.at):
            return Outcome()
        if command.action == "hotline_status":
            return await self._hotline_status(connection, command, incident, desk, now)
        knows = await _work_order(connection, incident.id) is not None
        outcome = desk.commanded(command, incident, knows, now)
        return await enact(connection, outcome, incident, desk, self._page, now)

    async def _hotline_status(
        self, connection: Connection, command: Command, incident: Incident, desk: Desk, now: datetime
    ) -> Outcome:
        details = command.details
        order = await _work_order(connection, incident.id)
        if order is None:
            raise MessageError("unknown_order", f"the hotline has no order of {incident.id}")
        await connection.execute(
            """
            UPDATE work_order SET status = %s, updated_at = %s, body = body || %s,
                order_no = CASE WHEN order_no = '' THEN %s ELSE order_no END
            WHERE id = %s
            """,
            (
                details.get("status", ""),
                command.at,
                Jsonb({"note": command.reason, "at": command.at.isoformat()}),
                details.get("order_no", ""),
                order,
            ),
        )
        step = Step(incident.id, command.at, command.by, command.action, command.channel, command.reason, dict(details))
        outcome = Outcome(incidents=(life.changed(incident, now),), steps=(step,))
        return await enact(connection, outcome, incident, desk, self._page, now)

    async def _receipt(self, connection: Connection, receipt: Receipt, desk: Desk, now: datetime) -> None:
        if not await books.first_time(connection, receipt.id, receipt.at):
            return
        incident = await books.incident(connection, receipt.incident)
        if incident is None:
            raise MessageError("unknown_incident", f"a receipt for {receipt.incident}")
        if receipt.channel == HOTLINE:
            await self._hotline_answer(connection, receipt, incident, desk, now)
        elif receipt.outcome == "accepted":
            # The worker has it: now the hotline may have its copy.
            await books.hasten(connection, incident.id, "hotline", now)
        else:
            await self._other_way(connection, receipt, incident, desk, now)
        # The page shows how each message fared: a new version tells it to look.
        seen = Outcome(incidents=(life.changed(incident, now),))
        await enact(connection, seen, incident, desk, self._page, now)

    async def _hotline_answer(
        self, connection: Connection, receipt: Receipt, incident: Incident, desk: Desk, now: datetime
    ) -> None:
        accepted = receipt.outcome == "accepted"
        if accepted:
            await connection.execute(
                "UPDATE work_order SET order_no = %s, updated_at = %s WHERE incident = %s AND channel = %s "
                "AND order_no = ''",
                (receipt.answer, receipt.at, incident.id, HOTLINE),
            )
        action = "hotline_accepted" if accepted else "hotline_refused"
        details = {"order_no" if accepted else "answer": receipt.answer}
        await books.steps(connection, [Step(incident.id, receipt.at, "12345", action, HOTLINE, "", details)])

    async def _other_way(
        self, connection: Connection, receipt: Receipt, incident: Incident, desk: Desk, now: datetime
    ) -> None:
        cursor = await connection.execute("SELECT body FROM outbox WHERE id = %s", (receipt.message,))
        row = await cursor.fetchone()
        refused = msgspec.convert(row[0]["notification"], Notification) if row else None
        other = instead(refused) if refused is not None else None
        if other is not None:
            await promise(connection, [told(other, incident, desk, self._page, now)])
        else:
            # There is no other way to this person: the next one is not made to wait for the minute.
            await books.hasten(connection, incident.id, "next", now)
        details = {"person": receipt.recipient, "answer": receipt.answer}
        step = Step(incident.id, receipt.at, HUB, "message_refused", receipt.channel, "", details)
        await books.steps(connection, [step])


async def _work_order(connection: Connection, incident: str) -> str | None:
    cursor = await connection.execute(
        "SELECT id FROM work_order WHERE incident = %s AND channel = %s", (incident, HOTLINE)
    )
    row = await cursor.fetchone()
    return str(row[0]) if row else None


async def _selftest(connection: Connection, detection: Detection, claimed: datetime, now: datetime) -> None:
    # The test that runs all the way ends here: it shows that we decide and that the store takes what we write.
    id_ = detection.words.get("selftest") or derived("selftest", detection.id)
    stages = {
        "broker": detection.words.get("ingest", ""),
        "detector": claimed.isoformat(),
        "router": now.isoformat(),
        "store": datetime.now(UTC).isoformat(),
    }
    await connection.execute(
        """
        INSERT INTO selftest (id, started_at, stages, finished_at) VALUES (%s, %s, %s, now())
        ON CONFLICT (id) DO UPDATE SET stages = selftest.stages || excluded.stages, finished_at = now()
        """,
        (id_, detection.start, Jsonb({stage: at for stage, at in stages.items() if at})),
    )


def _count(outcome: Outcome) -> None:
    linked = {link.alert for link in outcome.links}
    for alert in outcome.alerts:
        if alert.id in linked:
            metrics.ALERTS_OPENED.labels(alert.kind).inc()
    for incident in outcome.incidents:
        if incident.version == 1:
            metrics.INCIDENTS_OPENED.labels(incident.kind, str(incident.priority)).inc()
            log.info("incident", number=incident.number, kind=incident.kind, priority=incident.priority)

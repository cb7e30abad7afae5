"""Promises kept in the store: written in one transaction with their reason, delivered after it, each until it is done.

Rows of the channel "bus" are records for a topic; those of other channels are messages to people or peers. A row that
was claimed by a process that died is free again when its claim runs out. Rows of one lane go out one after another.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any, Final, Literal

import msgspec
from psycopg import AsyncConnection
from psycopg.types.json import Jsonb

from hub.bus import Bus
from hub.identity import derived
from hub.model import LIVE, Receipt
from hub.store import Store
from hub.topics import ALERTS, COMMANDS, DETECTIONS, INCIDENTS, RECEIPTS, Topic

Connection = AsyncConnection[tuple[Any, ...]]

BUS: Final = "bus"
LONGEST_WAIT: Final = 900.0
"""Seconds between two tries, at most."""
GIVE_UP_AFTER: Final = 24 * 3600.0
"""Seconds after which a message is dead: its sender was told so, and somebody else must be."""

_TOPICS: Final[dict[str, Topic[Any]]] = {t.name: t for t in (ALERTS, INCIDENTS, RECEIPTS, COMMANDS, DETECTIONS)}
_FORWARD_LOCK: Final = 0x6F757462
_SESSION_LOCK: Final = "SELECT pg_try_advisory_xact_lock(%s)"


class Promise(msgspec.Struct, frozen=True, kw_only=True):
    """A row to be written. `due` is the earliest instant it may go out."""

    id: str
    site: str
    channel: str
    recipient: str
    kind: str
    priority: int
    body: dict[str, Any]
    due: datetime
    purpose: str
    incident: str = ""
    lane: str = ""


class Row(msgspec.Struct, frozen=True, kw_only=True):
    """A claimed row. `tries` counts earlier tries; `frozen` is the text that was sent then, if any."""

    id: str
    incident: str
    site: str
    channel: str
    recipient: str
    kind: str
    priority: int
    body: dict[str, Any]
    created_at: datetime
    tries: int
    frozen: str
    purpose: str


async def promise(connection: Connection, promises: Sequence[Promise]) -> None:
    """Write promises. One that was made before stays as it was."""
    for one in promises:
        await connection.execute(
            """
            INSERT INTO outbox (id, incident, site, channel, recipient, kind, priority, body, created_at, next_at,
                                lane, purpose)
            VALUES (%s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s)
            ON CONFLICT (id) DO NOTHING
            """,
            (
                one.id,
                one.incident,
                one.site,
                one.channel,
                one.recipient,
                one.kind,
                one.priority,
                Jsonb(one.body),
                one.due,
                one.due,
                one.lane,
                one.purpose,
            ),
        )


async def announce(connection: Connection, topic: Topic[Any], noun: Any, now: datetime) -> None:
    """Promise to publish a record once this transaction is committed."""
    body = msgspec.json.encode(noun)
    row = Promise(
        id=derived("bus", topic.name, noun.id, hashlib.blake2b(body, digest_size=16).hexdigest()),
        site=noun.site,
        channel=BUS,
        recipient=topic.name,
        kind=topic.name,
        priority=0,
        body=msgspec.json.decode(body),
        due=now,
        purpose=noun.purpose,
        incident=getattr(noun, "incident", "") or (noun.id if topic is INCIDENTS else ""),
        lane=f"bus:{noun.site}",
    )
    await promise(connection, [row])


async def forward(store: Store, bus: Bus, limit: int = 200) -> int:
    """Publish records that wait, in the order they were written, and forget them. How many; 0 when another does it.

    A death between the publishing and the forgetting publishes them again: readers keep the highest version.
    """
    async with store.transaction() as connection:
        held = await (await connection.execute(_SESSION_LOCK, (_FORWARD_LOCK,))).fetchone()
        if held is None or not held[0]:
            return 0
        cursor = await connection.execute(
            "SELECT id, recipient, body FROM outbox WHERE channel = %s AND state = 'waiting' ORDER BY seq LIMIT %s",
            (BUS, limit),
        )
        rows = await cursor.fetchall()
        batch: list[Any] = []
        for index, (_, name, body) in enumerate(rows):
            topic = _TOPICS[name]
            batch.append(msgspec.convert(body, topic.noun))
            if index + 1 == len(rows) or rows[index + 1][1] != name:
                await bus.publish(topic, batch)
                batch = []
        await connection.execute("DELETE FROM outbox WHERE id = ANY(%s)", ([row[0] for row in rows],))
        return len(rows)


async def claim(
    store: Store,
    channels: Sequence[str],
    worker: str,
    now: datetime,
    *,
    limit: int = 20,
    hold: float = 60.0,
    without: Sequence[str] = (),
) -> list[Row]:
    """Take rows that are due for `hold` seconds, the most urgent first; a lane's row only after its earlier ones.

    Rows for the recipients `without` are left: somebody is busy with those.
    """
    async with store.transaction() as connection:
        cursor = await connection.execute(
            """
            UPDATE outbox SET claimed_by = %(worker)s, claimed_until = %(until)s, tries = tries + 1
            WHERE id IN (
                SELECT id FROM outbox AS o
                WHERE channel = ANY(%(channels)s) AND state = 'waiting' AND next_at <= %(now)s
                  AND (claimed_until IS NULL OR claimed_until <= %(now)s) AND recipient <> ALL(%(without)s)
                  AND (lane = '' OR NOT EXISTS (
                        SELECT 1 FROM outbox AS e WHERE e.lane = o.lane AND e.state = 'waiting' AND e.seq < o.seq))
                ORDER BY priority, seq LIMIT %(limit)s
                FOR UPDATE SKIP LOCKED)
            RETURNING id, incident, site, channel, recipient, kind, priority, body, created_at, tries - 1, frozen,
                      purpose, seq
            """,
            {
                "worker": worker,
                "until": now + timedelta(seconds=hold),
                "channels": list(channels),
                "now": now,
                "limit": limit,
                "without": list(without),
            },
        )
        found = sorted(await cursor.fetchall(), key=lambda row: (row[6], row[12]))
    names = Row.__struct_fields__
    return [Row(**dict(zip(names, row[:12], strict=True))) for row in found]


async def release(store: Store, worker: str) -> None:
    """What an earlier life of this worker had claimed when it died is free again, long before those claims end."""
    async with store.transaction() as connection:
        await connection.execute(
            "UPDATE outbox SET claimed_until = NULL WHERE claimed_by = %s AND state = 'waiting'", (worker,)
        )


async def freeze(store: Store, row: str, text: str) -> str:
    """Keep what is about to be sent under this id; the text that was kept first, which is what must be sent."""
    async with store.transaction() as connection:
        cursor = await connection.execute(
            "UPDATE outbox SET frozen = CASE WHEN frozen = '' THEN %s ELSE frozen END WHERE id = %s RETURNING frozen",
            (text, row),
        )
        found = await cursor.fetchone()
    return str(found[0]) if found else text


async def settle(
    store: Store,
    row: Row,
    state: Literal["sent", "refused", "dead", "merged"],
    answer: str,
    now: datetime,
) -> None:
    """The row is done; its receipt is announced with it. A row that somebody else settled meanwhile stays so."""
    async with store.transaction() as connection:
        cursor = await connection.execute(
            """
            UPDATE outbox SET state = %s, answer = %s, sent_at = %s, claimed_until = NULL
            WHERE id = %s AND state = 'waiting'
            """,
            (state, _storable(answer), now, row.id),
        )
        if cursor.rowcount == 0:
            return
        receipt = Receipt(
            id=derived("receipt", row.id, state),
            site=row.site,
            at=now,
            message=row.id,
            incident=row.incident,
            channel=row.channel,
            recipient=str(row.body.get("person") or row.recipient),
            outcome="refused" if state in ("refused", "dead") else "accepted",
            answer=_storable(answer),
            purpose=row.purpose,
        )
        await announce(connection, RECEIPTS, receipt, now)


async def later(store: Store, row: Row, wait: float, answer: str, now: datetime) -> None:
    """Not now: try again after `wait` seconds."""
    async with store.transaction() as connection:
        await connection.execute(
            "UPDATE outbox SET next_at = %s, claimed_until = NULL, answer = %s WHERE id = %s AND state = 'waiting'",
            (now + timedelta(seconds=wait), _storable(answer), row.id),
        )


def pause(tries: int) -> float:
    """Seconds until the next try after `tries` earlier ones: 1, 2, 4 ... up to a quarter of an hour."""
    return min(LONGEST_WAIT, 2.0 ** min(tries, 20))


def expired(row: Row, now: datetime) -> bool:
    """Whether it has been tried long enough. Only live messages are worth a day."""
    longest = GIVE_UP_AFTER if row.purpose == LIVE else 3600.0
    return (now - row.created_at).total_seconds() > longest


async def waiting(store: Store) -> dict[str, int]:
    """How many promises wait, by channel."""
    async with store.connection() as connection:
        cursor = await connection.execute(
            "SELECT channel, count(*) FROM outbox WHERE state = 'waiting' GROUP BY channel"
        )
        return {str(channel): int(count) for channel, count in await cursor.fetchall()}


def _storable(answer: str) -> str:
    # What strangers answer may hold anything, and PostgreSQL takes no NUL.
    return answer.replace("\0", "")[:500]

"""Signed posts to the 12345 hotline: each promise once, the same bytes under the same id until it is answered."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Final, Literal
from zoneinfo import ZoneInfo

import httpx
import msgspec
import structlog
from standardwebhooks import Webhook

from bridge_12345.order import Attachment, Promised, body
from hub import evidence_link, metrics, outbox
from hub.outbox import Row
from hub.redact import redact
from hub.store import Store

log = structlog.get_logger()

CHANNEL: Final = "hotline"
TIMEOUT: Final = 10.0
REFUSED_FOR_GOOD: Final = range(4000, 5000)
"""Codes that will be the same tomorrow. Any other but 0 is worth another try: a late order is better than none."""


class Peer(msgspec.Struct, frozen=True, kw_only=True):
    """The hotline as we reach it: where orders are posted, the shared secret ("whsec_..."), the zone of its clocks.

    `evidence_base` is the hub's address as the hotline sees it, `evidence_secret` signs evidence addresses; without
    them orders carry no attachments.
    """

    url: str
    secret: str
    zone: str = "Asia/Shanghai"
    evidence_base: str = ""
    evidence_secret: bytes = b""


class Answer(msgspec.Struct, frozen=True):
    """How the hotline took a message. `text` is the order's number when it was accepted."""

    outcome: Literal["accepted", "refused", "later"]
    text: str


class Outward:
    """Claims the rows of the channel "hotline" and posts them."""

    def __init__(
        self,
        store: Store,
        client: httpx.AsyncClient,
        peer: Peer,
        worker: str,
        *,
        clock: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        self._store = store
        self._client = client
        self._peer = peer
        self._worker = worker
        self._clock = clock
        self._webhook = Webhook(peer.secret)

    async def round(self) -> int:
        """Post what is due now; how many rows that was."""
        rows = await outbox.claim(self._store, (CHANNEL,), self._worker, self._clock())
        for row in rows:
            await self._one(row)
        return len(rows)

    async def _one(self, row: Row) -> None:
        text = row.frozen or await outbox.freeze(self._store, row.id, await self._text(row))
        answer = await self._post(row.id, text)
        now = self._clock()
        if answer.outcome == "accepted":
            await outbox.settle(self._store, row, "sent", answer.text, now)
        elif answer.outcome == "later" and not outbox.expired(row, now):
            await outbox.later(self._store, row, outbox.pause(row.tries), answer.text, now)
        else:
            state: Literal["dead", "refused"] = "dead" if answer.outcome == "later" else "refused"
            await outbox.settle(self._store, row, state, answer.text, now)
            log.warning("hotline_refused", message=row.id, incident=row.incident, answer=answer.text)
        metrics.NOTIFICATIONS.labels(CHANNEL, answer.outcome).inc()

    async def _text(self, row: Row) -> str:
        promised = msgspec.convert(row.body, Promised)
        attachments = await self._attachments(promised)
        return json.dumps(body(promised, ZoneInfo(self._peer.zone), attachments), ensure_ascii=False)

    async def _attachments(self, promised: Promised) -> list[Attachment]:
        if not (self._peer.evidence_base and self._peer.evidence_secret):
            return []
        expires = self._clock() + timedelta(seconds=evidence_link.KEEP)
        async with self._store.connection() as connection:
            cursor = await connection.execute(
                "SELECT id, kind, media_type, bytes, sha256 FROM evidence "
                "WHERE incident = %s AND state = 'ready' ORDER BY created_at LIMIT 20",
                (promised.incident.id,),
            )
            rows = await cursor.fetchall()
        return [
            Attachment(
                name=kind,
                mime=media_type,
                size=size,
                sha256=sha256,
                url=evidence_link.sign(
                    self._peer.evidence_secret, self._peer.evidence_base, id_, promised.incident.id, expires
                ),
            )
            for id_, kind, media_type, size, sha256 in rows
        ]

    async def _post(self, id_: str, text: str) -> Answer:
        # The signature's time is that of the sending, so that a repeat after an hour is not refused as too old.
        now = self._clock()
        headers = {
            "content-type": "application/json",
            "webhook-id": id_,
            "webhook-timestamp": str(int(now.timestamp())),
            "webhook-signature": self._webhook.sign(id_, now.astimezone(UTC), text),
        }
        try:
            response = await self._client.post(self._peer.url, content=text.encode(), headers=headers, timeout=TIMEOUT)
        except httpx.HTTPError as error:
            return Answer("later", redact(f"{type(error).__name__}: {error}"))
        return judge(response.status_code, response.content)


def judge(status: int, content: bytes) -> Answer:
    """What the hotline's answer means: success is its `code`, whatever the HTTP status says."""
    try:
        said = json.loads(content)
    except (ValueError, RecursionError):
        said = None
    if not isinstance(said, dict) or not isinstance(said.get("code"), int):
        for_good = 400 <= status < 500 and status not in (408, 425, 429)
        return Answer("refused" if for_good else "later", f"HTTP {status} without a code")
    code, data = said["code"], said.get("data")
    if code == 0 and status == 200:
        return Answer("accepted", str(data.get("order_no", "")) if isinstance(data, dict) else "")
    words = f"code {code}: {said.get('msg', '')}"
    return Answer("refused" if code in REFUSED_FOR_GOOD else "later", words)

"""The hotline's door into the hub: what it tells of an order's state is verified, and becomes a command."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from typing import Any, Final

import structlog
from fastapi import FastAPI, Request, Response
from fastapi.responses import JSONResponse
from standardwebhooks import Webhook, WebhookVerificationError

from hub.bus import Bus
from hub.errors import MessageError, TransientError
from hub.identity import derived
from hub.model import Command
from hub.store import Store
from hub.topics import COMMANDS

log = structlog.get_logger()

LARGEST: Final = 65536
"""Bytes of a callback's body."""


class Inward:
    """Verifies callbacks and publishes them as commands; the hotline is answered after the log has them."""

    def __init__(
        self,
        bus: Bus,
        store: Store,
        secret: str,
        *,
        clock: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        self._bus = bus
        self._store = store
        self._webhook = Webhook(secret)
        self._clock = clock

    async def take(self, headers: Mapping[str, str], body: bytes) -> tuple[int, dict[str, Any]]:
        """One callback: the HTTP status and the answer. 4xx is final, 503 asks the hotline to come again."""
        if len(body) > LARGEST:
            return 413, {"code": 4130, "msg": "too large"}
        try:
            # Verifies the signature and that the time is at most five minutes away.
            self._webhook.verify(body, dict(headers), json_parse=False)
        except (WebhookVerificationError, ValueError) as error:
            log.warning("callback_unsigned", reason=str(error)[:200])
            return 401, {"code": 4010, "msg": "signature"}
        try:
            command = await self._command(headers["webhook-id"], body)
            await self._bus.publish(COMMANDS, [command])
        except MessageError as error:
            return 422, {"code": 4220, "msg": error.reason}
        except TransientError:
            return 503, {"code": 5030, "msg": "try again"}
        return 200, {"code": 0, "msg": ""}

    async def _command(self, id_: str, body: bytes) -> Command:
        # The command's id comes from the webhook's: sent twice it is one command, which `alerts` obeys once.
        try:
            said = json.loads(body)
        except (ValueError, RecursionError) as error:
            raise MessageError("unreadable", str(error)) from error
        if not isinstance(said, dict):
            raise MessageError("invalid", "a callback is an object")
        incident, status = said.get("ext_order_no"), said.get("status")
        if not isinstance(incident, str) or not isinstance(status, str) or not (status.isdigit() and len(status) == 2):
            raise MessageError("invalid", "ext_order_no and a status of two digits are needed")
        async with self._store.connection() as connection:
            cursor = await connection.execute("SELECT site, purpose FROM incident WHERE id = %s", (incident,))
            row = await cursor.fetchone()
        if row is None:
            raise MessageError("unknown_incident", incident)
        return Command(
            id=derived("cmd", "hotline", id_),
            site=row[0],
            at=self._clock(),
            incident=incident,
            action="hotline_status",
            by="12345",
            channel="hotline",
            reason=str(said.get("note", ""))[:500],
            details={
                "status": status,
                "order_no": str(said.get("order_no", ""))[:64],
                "told_at": str(said.get("at", ""))[:40],
            },
            purpose=row[1],
        )


def application(inward: Inward) -> FastAPI:
    """POST /hotline/status; nothing else is answered."""
    app = FastAPI(title="12345 bridge", openapi_url=None, docs_url=None, redoc_url=None)

    @app.post("/hotline/status")
    async def status(request: Request) -> Response:
        headers = {name.lower(): value for name, value in request.headers.items()}
        code, answer = await inward.take(headers, await request.body())
        return JSONResponse(answer, status_code=code)

    return app

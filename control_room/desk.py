"""The list, one incident, what people ask for, and the stream."""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import datetime
from typing import Annotated, Any, Literal

import msgspec
from fastapi import APIRouter, Header, HTTPException, Response
from fastapi.responses import StreamingResponse
from psycopg.types.json import Jsonb
from pydantic import Field

from control_room import answer, call119, devices, incidents, session, suspected
from control_room.call119 import CallCard
from control_room.door import Here, Operator, Viewer
from control_room.entrance import Form
from control_room.office import Office
from control_room.session import Guest
from hub.errors import TransientError
from hub.model import Command
from hub.topics import COMMANDS

routes = APIRouter(prefix="/api")

SESSION_LOOKED_AT = 20.0
"""Seconds between two looks at whether the session of an open stream still holds."""
PAGE = "page"
"""The channel of commands that come from here."""

Action = Literal[
    "acknowledge",
    "verify",
    "confirm",
    "assign",
    "arrive",
    "resolve",
    "false_alarm",
    "close",
    "reopen",
    "note",
    "called_119",
]
Short = Annotated[str, Field(max_length=200)]


class Ask(Form):
    """A press of a key. `id` is made once per press, so that the same press sent twice is one command."""

    id: Annotated[str, Field(pattern=r"^[A-Za-z0-9_-]{8,64}$")]
    action: Action
    reason: Annotated[str, Field(max_length=500)] = ""
    details: Annotated[dict[Short, Short], Field(max_length=8, default_factory=dict)]


class Heard(Form):
    """声音测试的结果"""

    heard: bool


@routes.get("/snapshot")
async def snapshot(guest: Viewer, here: Here) -> Response:
    """Everything the list shows, and where in the stream that is: what comes later is in the stream."""
    boot, sequence = here.stream.boot, here.stream.sequence
    city = here.settings.current.city
    found = await incidents.listed(here.store)
    last, test = await _last(here)
    return _json(
        {
            "at": here.now(),
            "boot": boot,
            "sequence": sequence,
            "city": city.name,
            "zone": city.zone,
            "tick": msgspec.Raw(here.pulse.latest),
            "incidents": [incidents.shown(incident, city) for incident in found],
            "last_incident_at": last,
            "sound_test": test,
        }
    )


@routes.get("/devices")
async def all_devices(guest: Viewer, here: Here, kind: Literal["cameras", "sensors"]) -> Response:
    """Every camera or sensor and when it was last heard, the silent ones first; at most devices.LISTED."""
    found = devices.listed(here.settings.current.city, await devices.read(here.store), here.now())
    rows = found.cameras if kind == "cameras" else found.sensors
    return _json({"at": here.now(), "total": len(rows), "rows": rows[: devices.LISTED]})


@routes.get("/suspected")
async def all_suspected(guest: Viewer, here: Here) -> Response:
    """疑似: what rang nowhere, of the last day, the latest first."""
    rows = await suspected.listed(here.store, here.settings.current.city)
    return _json({"at": here.now(), "hours": suspected.HOURS, "rows": rows})


@routes.get("/incidents/{id_}")
async def one_incident(id_: str, guest: Viewer, here: Here) -> Response:
    """All of one incident. An id that was merged away answers with the incident that took it in."""
    city = here.settings.current.city
    story = await incidents.story(here.store, id_, city)
    if story is None:
        raise HTTPException(404, "没有这个事件")
    card = call119.card(story.incident, city, guest.name)
    return _json({**story.body, "call_119": _called(card, story.body["timeline"]) if card else None})


@routes.post("/incidents/{id_}/commands", status_code=202)
async def command(id_: str, ask: Ask, guest: Operator, here: Here) -> dict[str, Any]:
    """Ask for something. Once the bus has it, it will be dealt with; a moment later the router's word is known too.

    409 with its reason when the router refused; `done` is false when it has not answered yet.
    """
    incident = await incidents.find(here.store, id_)
    if incident is None:
        raise HTTPException(404, "没有这个事件")
    order = Command(
        id=ask.id,
        site=incident.site,
        at=here.now(),
        incident=incident.id,
        action=ask.action,
        by=guest.name,
        channel=PAGE,
        reason=ask.reason,
        details=ask.details,
        purpose=incident.purpose,
    )
    await here.bus.publish(COMMANDS, [order])
    try:
        became = await answer.wait_for(here.store, ask.id, incident.id, ask.action)
    except TransientError:
        became = answer.Answer(None)  # the bus has it: to say "try again" would have it done twice over
    if became.refused:
        raise HTTPException(409, became.refused)
    return {"id": ask.id, "incident": incident.id, "accepted": True, "done": became.done is True}


@routes.post("/sound-test")
async def sound_test(result: Heard, guest: Viewer, here: Here) -> dict[str, bool]:
    """Whether a person heard the alarm from where they sit: only they can know."""
    async with here.store.transaction() as connection:
        await connection.execute(
            "INSERT INTO audit (who, action, details) VALUES (%s, 'sound_test', %s)",
            (guest.name, Jsonb({"heard": result.heard})),
        )
    return {"ok": True}


@routes.get("/stream")
async def stream(
    guest: Viewer, here: Here, last_event_id: Annotated[str, Header(max_length=64)] = ""
) -> StreamingResponse:
    """Server-sent events: a "hello", then "tick" every two seconds and "incident" as they change.

    With the `Last-Event-ID` of an earlier connection what was missed comes first, as long as it is kept.
    """

    async def messages() -> AsyncIterator[bytes]:
        with here.stream.listen(last_event_id) as listener:
            looked = here.monotonic()
            async for raw in listener:
                if here.monotonic() - looked > SESSION_LOOKED_AT:
                    looked = here.monotonic()
                    if not await _still_welcome(here, guest):
                        return
                yield raw

    headers = {"Cache-Control": "no-store", "X-Accel-Buffering": "no"}
    return StreamingResponse(messages(), media_type="text/event-stream", headers=headers)


async def _still_welcome(here: Office, guest: Guest) -> bool:
    # A stream outlives its request: who signed out, or was shut out, must not go on watching for the whole shift.
    try:
        return not guest.session or await session.holds(here.store, guest)
    except TransientError:
        return True  # an alarm page is not closed because the store is away


async def _last(here: Office) -> tuple[datetime | None, dict[str, Any] | None]:
    async with here.store.connection() as connection:
        cursor = await connection.execute(
            """
            SELECT (SELECT max(opened_at) FROM incident WHERE purpose = 'live'), t.at, t.who
            FROM (SELECT 1) AS one LEFT JOIN LATERAL (
                SELECT at, who FROM audit
                WHERE action = 'sound_test' AND details ->> 'heard' = 'true' AND at > now() - interval '7 days'
                ORDER BY at DESC LIMIT 1) AS t ON true
            """
        )
        row = await cursor.fetchone()
    assert row is not None
    return row[0], {"at": row[1], "who": row[2]} if row[1] is not None else None


def _called(card: CallCard, steps: list[dict[str, Any]]) -> dict[str, Any]:
    # Who has called already must be read before anybody calls again.
    calls = [step for step in steps if step["action"] == "called_119" and "refused" not in step["details"]]
    called = {"who": calls[0]["who_name"], "at": calls[0]["at"]} if calls else None
    return {**msgspec.to_builtins(card), "called": called}


def _json(body: Any) -> Response:
    return Response(msgspec.json.encode(body), media_type="application/json", headers={"Cache-Control": "no-store"})

"""The proof, and the cameras' latest pictures: to people who are signed in, and to the hotline by a signed address."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any
from urllib.parse import quote

import structlog
from fastapi import APIRouter, HTTPException, Query, Request, Response
from fastapi.responses import FileResponse
from psycopg import AsyncConnection

from control_room.account import at_least
from control_room.door import Here, Viewer, guest
from control_room.office import Office
from hub import evidence_link

log = structlog.get_logger()
routes = APIRouter()

HOTLINE = "hotline"


@routes.api_route("/evidence/{id_}", methods=["GET", "HEAD"])
async def evidence(
    id_: str,
    request: Request,
    here: Here,
    incident: Annotated[str, Query(max_length=100)] = "",
    expires: Annotated[str, Query(max_length=20)] = "",
    signature: Annotated[str, Query(max_length=128)] = "",
) -> Response:
    """A piece of evidence, with Range. Each request is a viewing and is kept with name, way and time."""
    by, channel = await _viewer(request, here, id_, incident, expires, signature)
    async with here.store.transaction() as connection:
        row = await _row(connection, id_)
        if row is None or (signature and row["incident"] != incident):
            raise HTTPException(404, "没有这份证据")
        if row["state"] != "ready":
            raise HTTPException(409, "证据还没有准备好" if row["state"] == "pending" else "证据没有取得")
        await connection.execute(
            "INSERT INTO evidence_view (evidence, by, channel) VALUES (%s, %s, %s)", (id_, by, channel)
        )
    path = _inside(here.config.evidence, row["file"])
    if path is None or not path.is_file():
        raise HTTPException(410, "证据文件不在了")
    name = f"{id_}{path.suffix}"
    headers = {
        "Cache-Control": "private, max-age=3600",
        "Content-Disposition": f"inline; filename*=utf-8''{quote(name)}",
        "X-SHA256": row["sha256"],
        # The hotline shows the clip inside its own pages; a signed address is for just that.
        "Cross-Origin-Resource-Policy": "cross-origin" if signature else "same-origin",
    }
    return FileResponse(path, media_type=row["media_type"] or "application/octet-stream", headers=headers)


@routes.get("/cameras/{site}/{name}/still.jpg")
async def still(site: str, name: str, guest: Viewer, here: Here) -> Response:
    """A registered camera's latest picture."""
    camera = here.settings.current.city.camera(f"{site}/{name}")
    if camera is None:
        raise HTTPException(404, "没有登记这台摄像机")
    found = await here.stills.latest(camera.id, thermal=camera.kind == "thermal")
    if found.at is None:
        raise HTTPException(404, found.why)
    headers = {"Cache-Control": "no-store", "X-Picture-At": found.at.isoformat()}
    return Response(found.data, media_type="image/jpeg", headers=headers)


async def _viewer(
    request: Request, here: Office, id_: str, incident: str, expires: str, signature: str
) -> tuple[str, str]:
    if signature:
        secret = here.config.link_secret  # an empty one would let everybody sign
        why = "no secret to check it with" if not secret else None
        why = why or evidence_link.refusal(secret, id_, incident, expires, signature, here.now())
        if why is not None:
            log.warning("evidence_link_refused", evidence=id_, reason=why)
            raise HTTPException(403, "链接无效或已过期")
        return HOTLINE, "link"
    found = await guest(request)
    if found is None or not at_least(found.role, "viewer"):
        raise HTTPException(401, "请先登录")
    return found.name, "page" if found.session else "token"


async def _row(connection: AsyncConnection[tuple[Any, ...]], id_: str) -> dict[str, Any] | None:
    cursor = await connection.execute(
        "SELECT incident, file, media_type, sha256, state FROM evidence WHERE id = %s", (id_,)
    )
    row = await cursor.fetchone()
    return dict(zip(("incident", "file", "media_type", "sha256", "state"), row, strict=True)) if row else None


def _inside(folder: Path, file: str) -> Path | None:
    # The store's word is not taken for a path out of the evidence folder.
    path = (folder / file).resolve()
    return path if path.is_relative_to(folder.resolve()) else None

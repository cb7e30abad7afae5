"""Who may pass: each route names the least role it asks for. A change by cookie must carry the session's token."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Annotated

from fastapi import Depends, HTTPException, Request

from control_room import session
from control_room.account import Role, at_least
from control_room.office import Office
from control_room.session import Guest


def office(request: Request) -> Office:
    """What this process works with."""
    found: Office = request.app.state.office
    return found


async def guest(request: Request) -> Guest | None:
    """Who asks, None when nobody known."""
    here = office(request)
    scheme, _, token = request.headers.get("authorization", "").partition(" ")
    if scheme.lower() == "bearer" and token:
        return await session.by_token(here.store, token.strip())
    cookie = request.cookies.get(session.cookie_name(here.config.secure))
    return await session.find(here.store, cookie) if cookie else None


def _asks_for(role: Role) -> Callable[[Request], Awaitable[Guest]]:
    async def enter(request: Request) -> Guest:
        found = await guest(request)
        if found is None:
            raise HTTPException(401, "请先登录")
        if not at_least(found.role, role):
            raise HTTPException(403, f"需要 {role} 或以上的权限")
        changes = request.method not in ("GET", "HEAD")
        if changes and not session.csrf_matches(found, request.headers.get("x-csrf-token", "")):
            raise HTTPException(403, "页面已过期，请重新登录")
        return found

    return enter


Here = Annotated[Office, Depends(office)]
Viewer = Annotated[Guest, Depends(_asks_for("viewer"))]
Operator = Annotated[Guest, Depends(_asks_for("operator"))]
Engineer = Annotated[Guest, Depends(_asks_for("engineer"))]
Admin = Annotated[Guest, Depends(_asks_for("admin"))]

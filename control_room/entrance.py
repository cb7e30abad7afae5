"""Signing in and out, passwords and accounts."""

from __future__ import annotations

import contextlib
from typing import Annotated, Any

import structlog
from fastapi import APIRouter, HTTPException, Request, Response
from pydantic import BaseModel, ConfigDict, Field

from control_room import account, door, session
from control_room.account import FIRST_FILE, SHORTEST_PASSWORD, Role
from control_room.door import Admin, Here, Viewer
from control_room.office import Office
from control_room.session import Guest

log = structlog.get_logger()
routes = APIRouter(prefix="/api")

Name = Annotated[str, Field(min_length=1, max_length=64, pattern=r"^[^\x00-\x1f]+$")]
Password = Annotated[str, Field(max_length=200)]
NewPassword = Annotated[str, Field(min_length=SHORTEST_PASSWORD, max_length=200)]


class Form(BaseModel):
    """What is posted: nothing but the named fields."""

    model_config = ConfigDict(extra="forbid")


class SignIn(Form):
    """登录"""

    name: Name
    password: Password


class NewWord(Form):
    """更改密码"""

    old: Password
    new: NewPassword


class NewAccount(Form):
    """新建账号"""

    name: Name
    role: Role
    password: NewPassword


@routes.get("/session")
async def who(request: Request) -> dict[str, Any]:
    """Who is signed in here; `person` is null when nobody is."""
    found = await door.guest(request)
    return _session(found) if found is not None else {"person": None}


@routes.post("/login")
async def sign_in(form: SignIn, request: Request, response: Response, here: Here) -> dict[str, Any]:
    """Begin a session. After some failures by one name or from one address each further try must wait."""
    if request.headers.get("sec-fetch-site", "none") not in ("same-origin", "none"):
        raise HTTPException(403, "只能在本页登录")
    now = here.monotonic()
    keys = (f"name:{form.name}", f"from:{request.client.host if request.client else ''}")
    wait = max(here.attempts.pause(key, now) for key in keys)
    if wait > 0:
        raise HTTPException(429, f"请 {wait:.0f} 秒后再试", {"Retry-After": str(int(wait) + 1)})
    for key in keys:
        here.attempts.failed(key, now)  # counted before the slow check, so that a hundred at once are a hundred
    found = await account.check(here.store, form.name, form.password)
    if found is None:
        log.warning("sign_in_refused", account=form.name)
        raise HTTPException(401, "用户名或密码不对")
    for key in keys:
        here.attempts.succeeded(key)
    cookie, guest = await session.begin(here.store, found)
    response.set_cookie(
        session.cookie_name(here.config.secure),
        cookie,
        max_age=session.LIFE_HOURS * 3600,
        httponly=True,
        secure=here.config.secure,
        samesite="lax",
        path="/",
    )
    return _session(guest)


@routes.post("/logout")
async def sign_out(guest: Viewer, response: Response, here: Here) -> dict[str, bool]:
    """End this session."""
    await session.end(here.store, guest)
    response.delete_cookie(session.cookie_name(here.config.secure), path="/", secure=here.config.secure, httponly=True)
    return {"ok": True}


@routes.post("/password")
async def change_password(form: NewWord, guest: Viewer, here: Here) -> dict[str, bool]:
    """Change one's own password; other sessions of this account end. The note of the first password goes with it."""
    if not guest.session or await account.check(here.store, guest.name, form.old) is None:
        raise HTTPException(403, "原密码不对")
    await account.set_password(here.store, guest.name, form.new, by=guest.name, keep_session=guest.session)
    if guest.name == account.FIRST_NAME:
        _forget_first(here)
    return {"ok": True}


@routes.post("/accounts", status_code=201)
async def new_account(form: NewAccount, guest: Admin, here: Here) -> dict[str, str]:
    """Make an account."""
    if not await account.create(here.store, form.name, form.role, form.password, by=guest.name):
        raise HTTPException(409, "这个用户名已存在")
    return {"name": form.name, "role": form.role}


def _forget_first(here: Office) -> None:
    with contextlib.suppress(OSError):
        (here.config.data / FIRST_FILE).unlink(missing_ok=True)


def _session(guest: Guest) -> dict[str, Any]:
    return {
        "person": {"name": guest.name, "shown": guest.name, "role": guest.role},
        "csrf": guest.csrf,
        "expires_at": guest.expires_at,
    }

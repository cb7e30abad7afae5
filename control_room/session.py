"""Who is at the other end of a request: a person's session by cookie, or a program's token."""

from __future__ import annotations

import hashlib
import hmac
import secrets
from datetime import datetime
from typing import Final

import msgspec

from control_room.account import Account, Role, audit
from hub.store import Store

LIFE_HOURS: Final = 12
"""A shift and its handover; then people sign in again, by name."""


class Guest(msgspec.Struct, frozen=True):
    """Whoever is let in. `session` is the row's id, "" for a token; `csrf` must come with every change by cookie."""

    name: str
    role: Role
    session: str = ""
    csrf: str = ""
    expires_at: datetime | None = None


def cookie_name(secure: bool) -> str:
    """`__Host-` binds a cookie to this host, this path and TLS; browsers refuse it on plain http."""
    return "__Host-hub" if secure else "hub"


def hashed(secret: str) -> str:
    """How a cookie or token is kept: who reads the store can't sign in with what it holds."""
    return hashlib.sha256(secret.encode()).hexdigest()


async def begin(store: Store, account: Account) -> tuple[str, Guest]:
    """A new session: the cookie's value, and who it is."""
    secret, csrf = secrets.token_urlsafe(32), secrets.token_urlsafe(24)
    async with store.transaction() as connection:
        cursor = await connection.execute(
            """
            INSERT INTO session (id, account, csrf, expires_at)
            VALUES (%s, %s, %s, now() + make_interval(hours => %s)) RETURNING expires_at
            """,
            (hashed(secret), account.name, csrf, LIFE_HOURS),
        )
        row = await cursor.fetchone()
        await connection.execute("DELETE FROM session WHERE expires_at < now()")
        await audit(connection, account.name, "signed_in")
    assert row is not None
    return secret, Guest(account.name, account.role, hashed(secret), csrf, row[0])


async def find(store: Store, cookie: str) -> Guest | None:
    """Who has this cookie, None when it holds no longer or the account was disabled."""
    async with store.connection() as connection:
        cursor = await connection.execute(
            """
            SELECT a.name, a.role, s.id, s.csrf, s.expires_at, s.last_seen < now() - interval '1 minute'
            FROM session AS s JOIN account AS a ON a.name = s.account
            WHERE s.id = %s AND s.expires_at > now() AND NOT a.disabled
            """,
            (hashed(cookie),),
        )
        row = await cursor.fetchone()
        if row is None:
            return None
        if row[5]:
            await connection.execute("UPDATE session SET last_seen = now() WHERE id = %s", (row[2],))
    return Guest(*row[:5])


async def holds(store: Store, guest: Guest) -> bool:
    """Whether a session that was found earlier still is one."""
    async with store.connection() as connection:
        cursor = await connection.execute(
            """
            SELECT 1 FROM session AS s JOIN account AS a ON a.name = s.account
            WHERE s.id = %s AND s.expires_at > now() AND NOT a.disabled
            """,
            (guest.session,),
        )
        return await cursor.fetchone() is not None


async def by_token(store: Store, token: str) -> Guest | None:
    """Who has this API token, None when there is none or it was revoked."""
    async with store.connection() as connection:
        cursor = await connection.execute(
            "SELECT name, role FROM api_token WHERE id = %s AND revoked_at IS NULL", (hashed(token),)
        )
        row = await cursor.fetchone()
    return Guest(f"token:{row[0]}", row[1]) if row is not None else None


async def end(store: Store, guest: Guest) -> None:
    """Sign out."""
    async with store.transaction() as connection:
        await connection.execute("DELETE FROM session WHERE id = %s", (guest.session,))
        await audit(connection, guest.name, "signed_out")


def csrf_matches(guest: Guest, given: str) -> bool:
    """Whether a change carries the session's own token. A program's token is no cookie: nobody can borrow it."""
    return not guest.session or hmac.compare_digest(guest.csrf.encode(), given.encode())

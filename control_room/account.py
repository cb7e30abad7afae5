"""Who may sign in, as what, and with which password."""

from __future__ import annotations

import asyncio
import os
import secrets
from functools import cache
from pathlib import Path
from typing import Any, Final, Literal

import msgspec
from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError
from psycopg import AsyncConnection
from psycopg.types.json import Jsonb

from hub.errors import ConfigError
from hub.store import Store

Role = Literal["viewer", "operator", "engineer", "admin"]
ROLES: Final[tuple[Role, ...]] = ("viewer", "operator", "engineer", "admin")
"""Each may do what those before it may."""
FIRST_NAME: Final = "admin"
FIRST_FILE: Final = "first-password"
SHORTEST_PASSWORD: Final = 10

_hasher: Final = PasswordHasher()


class Account(msgspec.Struct, frozen=True):
    """Someone who may sign in."""

    name: str
    role: Role


def at_least(role: Role, needed: Role) -> bool:
    """Whether `role` includes what `needed` may do."""
    return ROLES.index(role) >= ROLES.index(needed)


@cache
def _nobody() -> str:
    return _hasher.hash("nobody has this password")


async def check(store: Store, name: str, password: str) -> Account | None:
    """The account of this name when the password is its own. Takes as long for a name that nobody has."""
    async with store.connection() as connection:
        cursor = await connection.execute(
            "SELECT password_hash, role FROM account WHERE name = %s AND NOT disabled", (name,)
        )
        row = await cursor.fetchone()
    held, role = row if row is not None else (await asyncio.to_thread(_nobody), "viewer")
    if not await asyncio.to_thread(_matches, held, password) or row is None:
        return None
    if _hasher.check_needs_rehash(held):
        await set_password(store, name, password, by=name)
    return Account(name, role)


async def create(store: Store, name: str, role: Role, password: str, *, by: str) -> bool:
    """Make an account; False when the name is taken."""
    digest = await asyncio.to_thread(_hasher.hash, password)
    async with store.transaction() as connection:
        cursor = await connection.execute(
            "INSERT INTO account (name, password_hash, role) VALUES (%s, %s, %s) ON CONFLICT (name) DO NOTHING",
            (name, digest, role),
        )
        if cursor.rowcount:
            await audit(connection, by, "account_created", name, {"role": role})
        return cursor.rowcount == 1


async def set_password(store: Store, name: str, password: str, *, by: str, keep_session: str = "") -> None:
    """Give an account another password and end its other sessions."""
    digest = await asyncio.to_thread(_hasher.hash, password)
    async with store.transaction() as connection:
        await connection.execute("UPDATE account SET password_hash = %s WHERE name = %s", (digest, name))
        await connection.execute("DELETE FROM session WHERE account = %s AND id <> %s", (name, keep_session))
        await audit(connection, by, "password_changed", name)


async def ensure_first(store: Store, data: Path) -> Path | None:
    """On the first run: an administrator whose password stands in a file of mode 0600; the file, else None.

    The file is written first, so that a crash in between leaves a password nobody needs and not an account nobody has.
    """
    async with store.connection() as connection:
        row = await (await connection.execute("SELECT count(*) FROM account")).fetchone()
    if row is not None and row[0]:
        return None
    password = "-".join(secrets.token_hex(2) for _ in range(4))
    path = _note(data / FIRST_FILE, password)
    await create(store, FIRST_NAME, "admin", password, by="first run")
    return path


def _note(path: Path, password: str) -> Path:
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.unlink(missing_ok=True)
        with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
            file.write(f"{FIRST_NAME} {password}\n")
    except OSError as error:
        raise ConfigError(f"the first password can't be written to {path}: {error}") from error
    return path


async def audit(
    connection: AsyncConnection[Any], who: str, action: str, subject: str = "", details: dict[str, Any] | None = None
) -> None:
    """One line of what people did to the hub itself."""
    await connection.execute(
        "INSERT INTO audit (who, action, subject, details) VALUES (%s, %s, %s, %s)",
        (who, action, subject, Jsonb(details or {})),
    )


def _matches(held: str, password: str) -> bool:
    try:
        return _hasher.verify(held, password)
    except (VerificationError, InvalidHashError):
        return False

"""How the hub's own SQLite files are made and opened, and what their errors mean."""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

from hub.errors import HubError, TransientError

BUSY_SECONDS = 5.0
"""How long SQLite itself waits for another process before it is a TransientError."""

_WORLD = {
    sqlite3.SQLITE_BUSY,
    sqlite3.SQLITE_LOCKED,
    sqlite3.SQLITE_FULL,
    sqlite3.SQLITE_IOERR,
    sqlite3.SQLITE_CANTOPEN,
    sqlite3.SQLITE_NOMEM,
    sqlite3.SQLITE_PROTOCOL,
}
_DAMAGE = {sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB}


@contextmanager
def told(path: Path) -> Iterator[None]:
    """SQLite's errors in our words: TransientError when the world is down, HubError when the file is damaged."""
    try:
        yield
    except sqlite3.Error as error:
        code = getattr(error, "sqlite_errorcode", 0) & 0xFF
        if code in _WORLD:
            raise TransientError(f"{path}: {error}") from error
        if code in _DAMAGE:
            raise _damaged(path, str(error)) from error
        raise


def _damaged(path: Path, how: str) -> HubError:
    return HubError(f"{path} is damaged ({how}); move it aside and the hub starts a new one")


def opened(
    path: Path, schema: str, *, full: bool, page_bytes: int = 4096, busy: float = BUSY_SECONDS
) -> sqlite3.Connection:
    """A connection in autocommit mode, to be used by one thread at a time; makes the file if there is none.

    `full` puts each commit on the disk before it returns; else a power cut may take the newest ones, a killed
    process none; `busy` is how many seconds to wait for another process. Raises TransientError and HubError.
    """
    with told(path):
        if not path.exists():
            _make(path, schema, page_bytes)
        connection = sqlite3.connect(path, timeout=busy, isolation_level=None, check_same_thread=False)
        try:
            connection.execute(f"PRAGMA synchronous={'FULL' if full else 'NORMAL'}")
            connection.execute("PRAGMA secure_delete=OFF")  # Debian's default overwrites each deleted page with zeros
            connection.execute(f"PRAGMA journal_size_limit={64 * 2**20}")
            tables = connection.execute("SELECT count(*) FROM sqlite_schema").fetchone()[0]
        except sqlite3.Error:
            connection.close()
            raise
    if not tables:
        connection.close()
        raise _damaged(path, "it is empty")
    return connection


def _make(path: Path, schema: str, page_bytes: int) -> None:
    # Made under another name and linked into place, complete: of several processes that start together one wins, and
    # none ever sees a half-made file. (Switching a shared file to WAL fails at once when another has it open.)
    path.parent.mkdir(parents=True, exist_ok=True)
    draft = path.with_name(f".{path.name}.{os.getpid()}.{os.urandom(4).hex()}")
    try:
        with closing(sqlite3.connect(draft, isolation_level=None)) as connection:
            connection.execute(f"PRAGMA page_size={page_bytes}")
            connection.execute("PRAGMA auto_vacuum=INCREMENTAL")
            connection.execute("PRAGMA journal_mode=WAL")
            connection.executescript(schema)
        os.link(draft, path)
        folder = os.open(path.parent, os.O_RDONLY)
        try:
            os.fsync(folder)  # the name too must outlive a power cut
        finally:
            os.close(folder)
    except FileExistsError:
        return
    finally:
        draft.unlink(missing_ok=True)


@contextmanager
def transaction(connection: sqlite3.Connection) -> Iterator[None]:
    """All or nothing, with the write lock held from the start, so that what is read inside stays true."""
    connection.execute("BEGIN IMMEDIATE")
    try:
        yield
        connection.execute("COMMIT")
    except BaseException:
        if connection.in_transaction:
            connection.execute("ROLLBACK")
        raise

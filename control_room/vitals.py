"""How the hub itself is: who makes progress, how old the last self-test is, which channels carry. Read, then judged."""

from __future__ import annotations

from datetime import datetime
from typing import Any, Final

import msgspec

from hub.store import Store

LATE: Final = 15.0
"""Seconds without progress after which a process is ill. Told every 2 s and read every 2 s, that is known within 20."""
SELFTEST_LATE: Final = 18.0
STORE_LATE: Final = 8.0
START_GRACE: Final = 25.0
"""Seconds after our own start in which what was never seen may still be starting."""
REPLACED_AFTER: Final = 120.0
FORGOTTEN: Final = 86400.0
"""Seconds after which a process's row is of an earlier installation and not of a process that died."""


class RoleAge(msgspec.Struct, frozen=True):
    """Seconds since this process last got on with its work."""

    role: str
    instance: str
    age: float
    detail: dict[str, Any] = {}


class SelfTest(msgspec.Struct, frozen=True):
    """The last test reading that came through: its age, and when it passed each stage after it was sent; seconds."""

    id: str
    age: float
    stages: dict[str, float] = {}


class SettingsState(msgspec.Struct, frozen=True):
    """Whether the files on the disk are in force (None: nobody said), what is wrong with them, and which revision
    this process works by (set by whoever knows it)."""

    ok: bool | None
    revision: int | None
    age: float | None
    problem: str = ""


class Channel(msgspec.Struct, frozen=True):
    """One way to people or peers. Ages in seconds; `refused` counts the last hour."""

    channel: str
    waiting: int
    oldest_waiting: float
    last_sent: float | None
    refused: int


class Vitals(msgspec.Struct, frozen=True):
    """One reading of all that; ages are those at the reading."""

    roles: tuple[RoleAge, ...] = ()
    selftest: SelfTest | None = None
    settings: SettingsState = SettingsState(None, None, None)
    channels: tuple[Channel, ...] = ()

    def aged(self, seconds: float) -> Vitals:
        """The same, `seconds` later: what could not be read again goes on growing old."""
        test = self.selftest
        return msgspec.structs.replace(
            self,
            roles=tuple(msgspec.structs.replace(role, age=round(role.age + seconds, 1)) for role in self.roles),
            selftest=msgspec.structs.replace(test, age=round(test.age + seconds, 1)) if test else None,
        )


class Ill(msgspec.Struct, frozen=True):
    """One thing that is wrong with the hub. `what` names it for ever; `say` is for people; `since` in seconds ago."""

    what: str
    code: str
    since: float
    say: str
    values: dict[str, str] = {}


def ills(vitals: Vitals, expected: tuple[str, ...], up: float, store_away: float, *, tested: bool) -> tuple[Ill, ...]:
    """What is wrong now. `up`: seconds since this process began; `store_away`: seconds since the store last answered;
    `tested`: whether a self-test is being published at all."""
    found = []
    if store_away > STORE_LATE:
        found.append(Ill("store", "store_away", store_away, "数据库无法访问"))
    for role in vitals.roles:
        if role.age > LATE:
            name = f"{role.role}/{role.instance}"
            values = {"role": role.role, "instance": role.instance}
            found.append(Ill(f"role:{name}", "role_stopped", role.age, f"{role.role} 停止工作", values))
    known = {role.role for role in vitals.roles}
    if up > START_GRACE:
        found += [
            Ill(f"role:{missing}", "role_missing", up, f"{missing} 未启动", {"role": missing})
            for missing in expected
            if missing not in known
        ]
        if tested and vitals.selftest is None:
            found.append(Ill("selftest", "selftest_none", up, "全程自检从未通过"))
    if tested and vitals.selftest is not None and vitals.selftest.age > SELFTEST_LATE and up > SELFTEST_LATE:
        found.append(Ill("selftest", "selftest_late", vitals.selftest.age, "全程自检中断"))
    return tuple(found)


def newest(rows: list[RoleAge]) -> tuple[RoleAge, ...]:
    """The rows that count. A late instance beside a fresh one of its role is told for REPLACED_AFTER, then taken as
    replaced: a process that came back under another name must not be called dead for ever."""
    best: dict[str, float] = {}
    for row in rows:
        best[row.role] = min(row.age, best.get(row.role, row.age))
    counted = (row for row in rows if row.age <= max(best[row.role], REPLACED_AFTER) and row.age < FORGOTTEN)
    return tuple(sorted(counted, key=lambda row: (row.role, row.instance)))


async def read(store: Store) -> Vitals:
    """What the store knows. Raises TransientError."""
    async with store.connection() as connection:
        cursor = await connection.execute(
            "SELECT role, instance, extract(epoch FROM now() - at)::float8, detail FROM progress"
        )
        rows = [
            RoleAge(role, instance, round(max(age, 0.0), 1), detail)
            for role, instance, age, detail in await cursor.fetchall()
        ]
        cursor = await connection.execute(
            """
            SELECT id, extract(epoch FROM now() - started_at)::float8, stages, started_at FROM selftest
            WHERE finished_at IS NOT NULL ORDER BY started_at DESC LIMIT 1
            """
        )
        test = await cursor.fetchone()
        cursor = await connection.execute(
            """
            SELECT s.last_ok, extract(epoch FROM now() - s.checked_at)::float8, s.mistakes
            FROM (SELECT 1) AS one LEFT JOIN settings_state AS s ON true
            """
        )
        state = await cursor.fetchone()
    assert state is not None
    return Vitals(
        roles=newest(rows),
        selftest=SelfTest(test[0], round(max(test[1], 0.0), 1), _spans(test[3], test[2])) if test else None,
        settings=SettingsState(state[0], None, state[1], _first(state[2])),
    )


async def channels(store: Store) -> tuple[Channel, ...]:
    """How messages get through, by channel. Raises TransientError."""
    async with store.connection() as connection:
        cursor = await connection.execute(
            """
            SELECT channel,
                   count(*) FILTER (WHERE state = 'waiting'),
                   coalesce(extract(epoch FROM now() - min(created_at) FILTER (WHERE state = 'waiting')), 0)::float8,
                   extract(epoch FROM now() - max(sent_at) FILTER (WHERE state = 'sent'))::float8,
                   count(*) FILTER (WHERE state IN ('refused', 'dead') AND sent_at > now() - interval '1 hour')
            FROM outbox WHERE channel <> 'bus' AND (state = 'waiting' OR created_at > now() - interval '1 day')
            GROUP BY channel ORDER BY channel
            """
        )
        return tuple(Channel(*row) for row in await cursor.fetchall())


async def tidy(store: Store) -> None:
    """Forget self-tests of more than a day ago: one each five seconds is 17,280 a day."""
    async with store.transaction() as connection:
        await connection.execute("DELETE FROM selftest WHERE started_at < now() - interval '1 day'")


def _spans(began: datetime, stages: dict[str, Any]) -> dict[str, float]:
    spans = {}
    for stage, at in stages.items():
        try:
            spans[stage] = round((datetime.fromisoformat(str(at)) - began).total_seconds(), 3)
        except (ValueError, TypeError):
            continue  # a stage whose writer told no instant
    return spans


def _first(mistakes: Any) -> str:
    if not mistakes:
        return ""
    one = mistakes[0]
    if not isinstance(one, dict):
        return str(one)
    where = ":".join(str(one[part]) for part in ("file", "line", "column") if part in one)
    return f"{where} {one.get('problem', '')}".strip()

"""Cuts the evidence out of the log when its time has come, and keeps it with its hash."""

from __future__ import annotations

import asyncio
import hashlib
import os
from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Final

import msgspec
import structlog

from alerts import books, picture, telling
from alerts.desk import Desk, Outcome
from alerts.escalation import Timer
from alerts.incident import HUB, Step, changed
from alerts.post import enact
from alerts.proof import CLIP_READY_AFTER, Cover, Piece, piece_id, pieces, uncovered
from hub import metrics
from hub.bus import Bus
from hub.errors import MessageError
from hub.identity import derived
from hub.model import Alert, Point, ThermalFrame, VideoChunk
from hub.outbox import Connection
from hub.store import Store
from hub.topics import THERMAL, VIDEO
from hub.video import clip, preview
from hub.video.film import filmed

log = structlog.get_logger()

LONGEST_GOP: Final = 12.0
"""Seconds before a clip's beginning in which its first key frame is looked for."""
LATE: Final = 3.0
"""Seconds by which the log's time may be behind a picture's own."""
APART: Final = timedelta(seconds=1 / preview.RATE)
"""The least time between two pictures of a thermal film."""
LEASE: Final = 90.0
"""Seconds for which one process has a piece of work for itself."""
TRIES: Final = 3


class Made(msgspec.Struct, frozen=True, kw_only=True):
    """A finished file's content, or why there is none."""

    piece: Piece
    data: bytes = b""
    media_type: str = ""
    begin: datetime | None = None
    end: datetime | None = None
    codec: str = ""
    clock: str = "hub"
    reason: str = ""
    preview: bytes = b""


class Work(msgspec.Struct, frozen=True):
    """A timer of evidence, taken for LEASE seconds; `tries` counts this one too."""

    timer: Timer
    tries: int


class Cutter:
    """Does one alert's evidence after the other. `folder` is where the files go. For the rest see Router."""

    def __init__(
        self,
        bus: Bus,
        store: Store,
        desk: Callable[[], Desk],
        folder: Path,
        *,
        page: str = "",
        news: Callable[[], None] = lambda: None,
        clock: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        self._bus = bus
        self._store = store
        self._desk = desk
        self._folder = folder
        self._page = page
        self._news = news
        self._clock = clock

    async def round(self) -> int:
        """Do what is due, at most one alert's; how many that were. Raises TransientError."""
        work = await self._take()
        if work is None:
            return 0
        desk = self._desk()
        async with self._store.connection() as connection:
            alert, path = await _alert(connection, work.timer.subject)
            covers = await _covers(connection, alert) if alert is not None else ()
        made: list[Made] = []
        if alert is not None:
            settings = desk.policy(alert.subject, alert.kind, alert.place)
            wanted = pieces(alert, desk.city, settings)
            if await self._too_early(work, wanted):
                return 1
            for whole in wanted:
                piece = _still_wanted(whole, covers)
                if piece is None:
                    continue
                if work.tries > TRIES:
                    made.append(Made(piece=piece, reason="given up after several tries"))
                else:
                    made.append(await self._make(piece, path))
        await self._keep(work.timer, alert, made, desk)
        self._news()
        return 1

    async def _take(self) -> Work | None:
        now = self._clock()
        async with self._store.transaction() as connection:
            cursor = await connection.execute(
                """
                UPDATE timer SET due_at = %s, body = body || jsonb_build_object('count', (body ->> 'count')::int + 1)
                WHERE id = (SELECT id FROM timer WHERE what = 'evidence' AND fired_at IS NULL AND due_at <= %s
                            ORDER BY due_at LIMIT 1 FOR UPDATE SKIP LOCKED)
                RETURNING body
                """,
                (now + timedelta(seconds=LEASE), now),
            )
            row = await cursor.fetchone()
        if row is None:
            return None
        timer = msgspec.convert(row[0], Timer)
        return Work(timer, timer.count)

    async def _too_early(self, work: Work, wanted: tuple[Piece, ...]) -> bool:
        # A fall that was seen to last longer than its first claim said ends later than its timer.
        end = max((piece.end for piece in wanted), default=self._clock()) + timedelta(seconds=CLIP_READY_AFTER)
        if work.tries > 1 or end <= self._clock():
            return False
        async with self._store.transaction() as connection:
            await connection.execute("UPDATE timer SET due_at = %s WHERE id = %s", (end, work.timer.id))
        return True

    async def _make(self, piece: Piece, path: tuple[Point, ...]) -> Made:
        try:
            if piece.thermal:
                frames = await self._frames(piece)
                return await asyncio.to_thread(_thermal_film if piece.what == "clip" else _thermal, piece, frames, path)
            chunks = await self._chunks(piece)
            if piece.what == "trajectory":
                before = [chunk for chunk in chunks if chunk.at <= piece.moment] or chunks
                data = await asyncio.to_thread(lambda: picture.trajectory(preview.still(before), path))
                return Made(piece=piece, data=data, media_type=picture.MEDIA_TYPE, begin=piece.moment, end=piece.moment)
            return await asyncio.to_thread(_clip, piece, chunks)
        except MessageError as error:
            return Made(piece=piece, reason=str(error))

    async def _chunks(self, piece: Piece) -> list[VideoChunk]:
        begin = piece.begin - timedelta(seconds=LONGEST_GOP)
        end = piece.end + timedelta(seconds=LATE)
        return [delivery.decode() async for delivery in self._bus.read(VIDEO, piece.camera, begin, end)]

    async def _frames(self, piece: Piece) -> list[ThermalFrame]:
        # At most as many a second as the film shows: fifteen seconds of a large camera would be half a gigabyte.
        frames: list[ThermalFrame] = []
        begin, end = piece.begin, piece.end + timedelta(seconds=LATE)
        async for delivery in self._bus.read(THERMAL, piece.camera, begin, end):
            frame = delivery.decode()
            whole = frame.raw and len(frame.raw) == 2 * frame.width * frame.height
            if whole and piece.begin <= frame.at <= piece.end and (not frames or frame.at - frames[-1].at >= APART):
                frames.append(frame)
        if not frames:
            raise MessageError("no_video", "no thermal picture of that time in the log")
        return frames

    async def _keep(self, timer: Timer, alert: Alert | None, made: list[Made], desk: Desk) -> None:
        now = self._clock()
        files = {one.piece.id: await asyncio.to_thread(self._write, one) for one in made if one.data}
        async with self._store.transaction() as connection:
            await books.lock(connection, [timer.site])
            await connection.execute("UPDATE timer SET fired_at = %s WHERE id = %s", (now, timer.id))
            # The alert may have joined an incident, or another one, since the clip was asked for.
            alert = (await _alert(connection, alert.id))[0] if alert is not None else None
            if alert is None or not made:
                return
            for one in made:
                await _row(connection, one, alert, files.get(one.piece.id, ""))
            incident = await books.incident(connection, alert.incident) if alert.incident else None
            if incident is not None:
                ready = sum(1 for one in made if one.data)
                step = Step(incident.id, now, HUB, "evidence", details={"ready": str(ready), "alert": alert.id})
                after = changed(incident, now)
                orders: tuple[telling.HotlineOrder, ...] = ()
                if ready and await _hotline_waits(connection, incident.id):
                    orders = (desk.evidence_ready(after, now),)
                outcome = Outcome(incidents=(after,), steps=(step,), orders=orders)
                await enact(connection, outcome, incident, desk, self._page, now)
        for one in made:
            metrics.EVIDENCE_CUT.labels("ready" if one.data else "failed").inc()
            if one.reason:
                log.warning("no_evidence", camera=one.piece.camera, what=one.piece.what, reason=one.reason)

    def _write(self, made: Made) -> str:
        suffix = "mp4" if made.media_type == clip.MEDIA_TYPE else "jpg"
        name = f"{made.piece.moment:%Y%m%d}/{made.piece.id}.{suffix}"
        _save(self._folder / name, made.data)
        if made.preview:
            _save(self._folder / _preview_name(name), made.preview)
        return name


def _thermal(piece: Piece, frames: list[ThermalFrame], path: tuple[Point, ...]) -> Made:
    nearest = min(frames, key=lambda frame: abs(frame.at - piece.moment))
    data = picture.false_colour(nearest, path)
    at, clock = nearest.at, nearest.clock
    return Made(piece=piece, data=data, media_type=picture.MEDIA_TYPE, begin=at, end=at, clock=clock)


def _thermal_film(piece: Piece, frames: list[ThermalFrame], path: tuple[Point, ...]) -> Made:
    made = filmed(picture.false_colours(frames, path), frames[0].clock)
    return Made(
        piece=piece,
        data=made.data,
        media_type=clip.MEDIA_TYPE,
        begin=made.begin,
        end=made.end,
        codec=made.codec,
        clock=made.clock,
    )


def _still_wanted(piece: Piece, covers: Sequence[Covered]) -> Piece | None:
    if piece.what != "clip":
        return piece
    return uncovered(piece, (one.cover for one in covers if one.id == piece_id(one.alert, "clip", piece.camera)))


def _clip(piece: Piece, chunks: list[VideoChunk]) -> Made:
    film = clip.remux(chunks, piece.begin, piece.end)
    # Browsers here play no H.265: they get a small H.264 film beside the camera's own bits.
    small = preview.preview(film.data) if film.codec != "h264" else b""
    return Made(
        piece=piece,
        data=film.data,
        media_type=clip.MEDIA_TYPE,
        begin=film.begin,
        end=film.end,
        codec=film.codec,
        clock=film.clock,
        preview=small,
    )


def _save(path: Path, data: bytes) -> None:
    # Written beside and renamed: a file under its name is whole, or it is not there.
    path.parent.mkdir(parents=True, exist_ok=True)
    beside = path.with_suffix(".part")
    with beside.open("wb") as file:
        file.write(data)
        file.flush()
        os.fsync(file.fileno())
    beside.replace(path)


def _preview_name(name: str) -> str:
    return name.removesuffix(".mp4") + "-preview.mp4"


async def _alert(connection: Connection, id_: str) -> tuple[Alert | None, tuple[Point, ...]]:
    cursor = await connection.execute(
        """
        SELECT a.body, (
            SELECT d.body -> 'path' FROM alert_detection AS m JOIN detection AS d ON d.id = m.detection AND d.at = m.at
            WHERE m.alert = a.id AND d.body ? 'path' ORDER BY jsonb_array_length(d.body -> 'path') DESC, m.at LIMIT 1)
        FROM alert AS a WHERE a.id = %s
        """,
        (id_,),
    )
    row = await cursor.fetchone()
    if row is None:
        return None, ()
    return msgspec.convert(row[0], Alert), msgspec.convert(row[1] or [], tuple[Point, ...])


class Covered(msgspec.Struct, frozen=True):
    """A clip that another alert of the incident has. Its id says of which camera it is."""

    id: str
    alert: str
    cover: Cover


async def _covers(connection: Connection, alert: Alert) -> tuple[Covered, ...]:
    cursor = await connection.execute(
        """
        SELECT id, alert, from_at, to_at FROM evidence
        WHERE incident = %s AND incident <> '' AND alert <> %s AND kind = 'clip' AND state = 'ready'
        """,
        (alert.incident, alert.id),
    )
    return tuple(Covered(id_, other, Cover(begin, end)) for id_, other, begin, end in await cursor.fetchall())


async def _hotline_waits(connection: Connection, incident: str) -> bool:
    # Told once that there is something to see; what is cut later goes with the next change of the incident.
    cursor = await connection.execute(
        """
        SELECT 1 FROM work_order AS w WHERE w.incident = %s AND NOT EXISTS (
            SELECT 1 FROM outbox AS o WHERE o.incident = w.incident AND o.channel = %s AND o.body -> 'changed' ? %s)
        """,
        (incident, telling.HOTLINE, telling.EVIDENCE),
    )
    return await cursor.fetchone() is not None


class Kept(msgspec.Struct, frozen=True, kw_only=True):
    """One row of the table of evidence: a file as it was made, or the failure to make it."""

    id: str
    kind: str
    file: str
    data: bytes
    codec: str
    preview_of: str | None = None


async def _row(connection: Connection, made: Made, alert: Alert, file: str) -> None:
    id_ = made.piece.id
    rows = [Kept(id=id_, kind=made.piece.what, file=file, data=made.data, codec=made.codec)]
    if made.preview and file:
        own = derived("evidence", id_, "preview")
        name = _preview_name(file)
        rows.append(Kept(id=own, kind="preview", file=name, data=made.preview, codec="h264", preview_of=id_))
    for kept in rows:
        await connection.execute(
            _UPSERT,
            (
                kept.id,
                alert.incident,
                alert.id,
                alert.site,
                kept.kind,
                kept.file,
                made.media_type,
                len(kept.data),
                hashlib.sha256(kept.data).hexdigest() if kept.data else "",
                made.begin,
                made.end,
                "ready" if kept.data else "failed",
                made.reason,
                kept.codec,
                made.clock,
                kept.preview_of,
            ),
        )


_UPSERT: Final = """
    INSERT INTO evidence (id, incident, alert, site, kind, file, media_type, bytes, sha256, from_at, to_at, state,
                          reason, codec, clock, preview_of)
    VALUES (%s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s)
    ON CONFLICT (id) DO UPDATE SET incident = excluded.incident, file = excluded.file, bytes = excluded.bytes,
        media_type = excluded.media_type, sha256 = excluded.sha256, from_at = excluded.from_at,
        to_at = excluded.to_at, state = excluded.state, reason = excluded.reason, codec = excluded.codec,
        clock = excluded.clock
    WHERE evidence.state <> 'ready'
"""

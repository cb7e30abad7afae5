"""Which pictures and clips prove an alarm: of the camera that saw it, or of those that look at its place."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime, timedelta
from typing import Final, Literal

import msgspec

from alerts.policy import AlertSettings
from hub.identity import derived
from hub.model import Alert
from hub.settings.city import City, prefixes

What = Literal["clip", "trajectory", "thermal"]

FALL, THERMAL = "falling_object", "thermal_fire"
CLIP_READY_AFTER: Final = 1.0
"""Seconds after a clip's end until the log surely holds it."""
SHORTEST: Final = 1.0
"""Seconds of film that are worth a file of their own beside another."""
CAMERAS_AT_MOST: Final = 3
"""Cameras whose clips are kept for an alarm that no camera raised."""


class Piece(msgspec.Struct, frozen=True, kw_only=True):
    """One file to be made from the log: what, of which camera, of which time. `moment` is when it happened.

    `thermal`: the camera's log holds temperatures, not video.
    """

    id: str
    alert: str
    what: What
    camera: str
    begin: datetime
    end: datetime
    moment: datetime
    thermal: bool = False


class Cover(msgspec.Struct, frozen=True):
    """From when to when a clip shows a camera that was cut before, for another alert of the same incident."""

    begin: datetime
    end: datetime


def piece_id(alert: str, what: What, camera: str) -> str:
    """A piece's id: the same file for ever."""
    return derived("evidence", alert, what, camera)


def uncovered(piece: Piece, covers: Iterable[Cover]) -> Piece | None:
    """What of a clip nobody cut yet, so that no two clips of an incident show the same: None when that is nothing.

    A film that was there at the moment goes before: this one begins where that ends, and the other way round.
    """
    for cover in sorted(covers, key=lambda c: c.begin):
        if cover.end <= piece.begin or cover.begin >= piece.end:
            continue
        if cover.begin <= piece.moment:
            piece = msgspec.structs.replace(piece, begin=cover.end)
        else:
            piece = msgspec.structs.replace(piece, end=cover.begin)
        if (piece.end - piece.begin).total_seconds() < SHORTEST:
            return None
    return piece


def pieces(alert: Alert, city: City, settings: AlertSettings) -> tuple[Piece, ...]:
    """What is to be kept for an alert; nothing where no camera looks."""
    moment = alert.began_at
    begin = moment - timedelta(seconds=settings.clip_before)
    end = over(alert) + timedelta(seconds=settings.clip_after)

    def piece(what: What, camera: str, *, thermal: bool = False) -> Piece:
        id_ = piece_id(alert.id, what, camera)
        return Piece(
            id=id_, alert=alert.id, what=what, camera=camera, begin=begin, end=end, moment=moment, thermal=thermal
        )

    found = []
    for camera in watching(alert, city):
        if _thermal(camera, alert, city):
            if alert.kind != FALL:  # a thermal camera sees nothing of it
                found += [piece("clip", camera, thermal=True), piece("thermal", camera, thermal=True)]
            continue
        found.append(piece("clip", camera))
        if camera == alert.subject and alert.kind == FALL:
            found.append(piece("trajectory", camera))
    return tuple(found)


def over(alert: Alert) -> datetime:
    """The instant after which a clip goes on for `clip_after`: a fall's end; of what lasts, its beginning."""
    return max(alert.began_at, alert.ended_at or alert.began_at) if alert.kind == FALL else alert.began_at


def watching(alert: Alert, city: City) -> tuple[str, ...]:
    """The camera that raised the alert, then those that see its place, the narrowest view first."""
    near = [
        camera.id
        for prefix in prefixes(alert.place or alert.site)
        if "/" in prefix
        for camera in city.cameras.values()
        if prefix in camera.sees
    ]
    own = [alert.subject] if alert.subject in city.cameras or alert.kind in (FALL, THERMAL) else []
    return tuple(dict.fromkeys([*own, *near]))[:CAMERAS_AT_MOST]


def _thermal(camera: str, alert: Alert, city: City) -> bool:
    known = city.cameras.get(camera)
    return known.kind == "thermal" if known is not None else alert.kind == THERMAL

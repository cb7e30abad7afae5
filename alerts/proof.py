"""Which pictures and clips prove an alarm: of the camera that saw it, or of those that look at its place."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Final, Literal

import msgspec

from alerts.policy import AlertSettings
from hub.identity import derived
from hub.model import Alert
from hub.settings.city import City, prefixes

What = Literal["clip", "trajectory", "thermal"]

CAMERAS_AT_MOST: Final = 3
"""Cameras whose clips are kept for an alarm that no camera raised."""


class Piece(msgspec.Struct, frozen=True, kw_only=True):
    """One file to be made from the log: what, of which camera, of which time. `moment` is when it happened."""

    id: str
    alert: str
    what: What
    camera: str
    begin: datetime
    end: datetime
    moment: datetime


def pieces(alert: Alert, city: City, settings: AlertSettings) -> tuple[Piece, ...]:
    """What is to be kept for an alert; nothing where no camera looks."""
    moment = alert.began_at
    begin = moment - timedelta(seconds=settings.clip_before)
    end = max(moment, alert.ended_at or moment) + timedelta(seconds=settings.clip_after)

    def piece(what: What, camera: str) -> Piece:
        id_ = derived("evidence", alert.id, what, camera)
        return Piece(id=id_, alert=alert.id, what=what, camera=camera, begin=begin, end=end, moment=moment)

    found = []
    for camera in watching(alert, city):
        if camera in city.cameras and city.cameras[camera].kind == "thermal":
            if alert.kind != "falling_object":  # a thermal camera sees nothing of it
                found.append(piece("thermal", camera))
            continue
        found.append(piece("clip", camera))
        if camera == alert.subject and alert.kind == "falling_object":
            found.append(piece("trajectory", camera))
    return tuple(found)


def watching(alert: Alert, city: City) -> tuple[str, ...]:
    """The camera that raised the alert, then those that see its place, the narrowest view first."""
    near = [
        camera.id
        for prefix in prefixes(alert.place or alert.site)
        if "/" in prefix
        for camera in city.cameras.values()
        if prefix in camera.sees
    ]
    own = [alert.subject] if alert.subject in city.cameras or alert.kind in ("falling_object", "thermal_fire") else []
    return tuple(dict.fromkeys([*own, *near]))[:CAMERAS_AT_MOST]

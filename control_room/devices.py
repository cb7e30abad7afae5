"""Every camera and sensor with the time it was last heard, as the page lists and counts them."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Final

import msgspec

from hub.settings.city import City
from hub.store import Store

CAMERA_SILENT: Final = timedelta(seconds=60)
LISTED: Final = 2000
"""Rows the page gets at once, the silent ones first."""
OWN: Final = "hub/%"
"""The self-test: at no place, and nobody's device."""


class Seen(msgspec.Struct, frozen=True):
    """A row of what was heard. `faulty`: an open alert says that it is silent or broken."""

    device: str
    kind: str
    place: str
    last_at: datetime
    arrived: datetime
    faulty: bool


class Shown(msgspec.Struct, frozen=True, kw_only=True):
    """A camera or sensor on the page. `heard` is the hub's own judgement, the same that raises an incident."""

    id: str
    name: str
    kind: str
    place_name: str
    registered: bool
    heard: bool
    last_at: datetime | None


class Devices(msgspec.Struct, frozen=True):
    """All of them, and how many are heard."""

    cameras: tuple[Shown, ...]
    sensors: tuple[Shown, ...]

    def counts(self) -> dict[str, int]:
        """For the line at the bottom of the page."""
        return {
            "cameras": len(self.cameras),
            "cameras_heard": sum(one.heard for one in self.cameras),
            "sensors": len(self.sensors),
            "sensors_heard": sum(one.heard for one in self.sensors),
        }


async def read(store: Store) -> list[Seen]:
    """Everything that was ever heard. Raises TransientError."""
    async with store.connection() as connection:
        cursor = await connection.execute(
            """
            SELECT d.device, d.kind, d.place, d.last_at, d.last_arrived, EXISTS (
                SELECT 1 FROM alert AS a WHERE a.ended_at IS NULL AND a.subject = d.device AND a.level = 'fault')
            FROM device_seen AS d WHERE d.device NOT LIKE %s
            """,
            (OWN,),
        )
        return [Seen(*row) for row in await cursor.fetchall()]


def listed(city: City, rows: list[Seen], now: datetime) -> Devices:
    """What is registered and what was heard, joined. A registered device that was never heard is silent."""
    by_id = {row.device: row for row in rows}
    cameras = []
    for camera in city.cameras.values():
        row = by_id.pop(camera.id, None)
        heard = row is not None and not row.faulty and now - row.arrived <= CAMERA_SILENT
        cameras.append(_shown(city, camera.id, camera.name, camera.kind, camera.place, row, heard=heard))
    sensors = []
    for device in city.devices.values():
        row = by_id.pop(device.id, None)
        heard = row is not None and not row.faulty
        sensors.append(_shown(city, device.id, device.name, device.kind, device.place, row, heard=heard))
    for row in by_id.values():
        one = _shown(city, row.device, row.device, row.kind, row.place, row, heard=not row.faulty, registered=False)
        (cameras if row.kind in ("visible", "thermal", "camera") else sensors).append(one)
    return Devices(_silent_first(cameras), _silent_first(sensors))


def _shown(
    city: City, id_: str, name: str, kind: str, place: str, row: Seen | None, *, heard: bool, registered: bool = True
) -> Shown:
    return Shown(
        id=id_,
        name=name,
        kind=kind,
        place_name=city.place_name(place) if place else "",
        registered=registered,
        heard=heard,
        last_at=row.last_at if row else None,
    )


def _silent_first(found: list[Shown]) -> tuple[Shown, ...]:
    return tuple(sorted(found, key=lambda one: (one.heard, one.id)))

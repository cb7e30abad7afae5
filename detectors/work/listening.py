"""Who is expected to be heard, by the settings in force, and how long each may be silent."""

from __future__ import annotations

from collections.abc import Iterable

from detectors.falling.settings import FallingSettings
from detectors.sensor.settings import SensorSettings
from detectors.silence import Known, SilenceSettings
from detectors.thermal.settings import ThermalSettings
from hub.settings.city import City
from hub.settings.revision import Revision
from hub.topics import partition_of

CAMERA = "camera"
"""The kind under which a camera's silence is told."""


def sensors(city: City, partitions: Iterable[int]) -> list[Known]:
    """Registered sensors whose site is in one of these partitions."""
    mine = set(partitions)
    return [
        Known(device.id, device.site, device.kind, device.place)
        for device in city.devices.values()
        if partition_of(device.site.encode()) in mine
    ]


def cameras(city: City, kind: str, partitions: Iterable[int]) -> list[Known]:
    """Registered cameras of a kind ("visible", "thermal") that are in one of these partitions themselves."""
    mine = set(partitions)
    return [
        Known(camera.id, camera.site, CAMERA, camera.place)
        for camera in city.cameras.values()
        if camera.kind == kind and partition_of(camera.id.encode()) in mine
    ]


def sensor_silence(revision: Revision, who: Known) -> SilenceSettings:
    """How long a sensor may be silent."""
    return SilenceSettings.of_sensor(revision.tuning.of("sensors", SensorSettings, who.id, who.kind, who.place))


def video_silence(revision: Revision, who: Known) -> SilenceSettings:
    """How long a visible camera may be silent."""
    return SilenceSettings.of_camera(revision.tuning.of("falling", FallingSettings, who.id, "", who.place).silent_after)


def thermal_silence(revision: Revision, who: Known) -> SilenceSettings:
    """How long a thermal camera may be silent."""
    return SilenceSettings.of_camera(revision.tuning.of("thermal", ThermalSettings, who.id, "", who.place).silent_after)

"""Finding what is wrong: fires in thermal pictures, objects falling from facades, sensors over their limits."""

from __future__ import annotations

import importlib
from typing import Any, Final

import msgspec


class Listed(msgspec.Struct, frozen=True):
    """A detector of this package: its class, its settings and their section of the tuning files.

    `module` also holds `decide(candidate, settings)`. Nothing is imported before `load` is called.
    """

    module: str
    name: str
    settings: str
    section: str

    def load(self) -> tuple[type[Any], type[Any]]:
        """The detector's class and that of its settings."""
        module = importlib.import_module(self.module)
        return getattr(module, self.name), getattr(module, self.settings)


DETECTORS: Final[dict[str, Listed]] = {
    "falling_object": Listed("detectors.falling_object", "FallingObject", "FallingSettings", "falling"),
    "thermal_fire": Listed("detectors.thermal_fire", "ThermalFire", "ThermalSettings", "thermal"),
    "sensor_limit": Listed("detectors.sensor_limit", "SensorLimit", "SensorSettings", "sensors"),
    "silence": Listed("detectors.silence", "Silence", "SilenceSettings", ""),
}
"""Every detector there is. One file, one line."""

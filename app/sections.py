"""Which parts of the tuning files belong to whom: the one table that `check`, the workers and the docs share."""

from __future__ import annotations

from typing import Final

from pydantic import BaseModel

from alerts.policy import AlertSettings
from detectors.falling_object import FallingSettings
from detectors.sensor_limit import SensorSettings
from detectors.thermal_fire import ThermalSettings
from ingest.decoders import TABLE

SECTIONS: Final[dict[str, type[BaseModel]]] = {
    "falling": FallingSettings,
    "thermal": ThermalSettings,
    "sensors": SensorSettings,
    "alerts": AlertSettings,
}

DECODERS: Final = {name: family.settings for name, family in TABLE.items()}
"""What `mqtt.mappings` in hub.yaml must be like, by decoder."""

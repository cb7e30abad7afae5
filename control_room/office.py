"""What every part of the page's server works with."""

from __future__ import annotations

import time
from datetime import UTC, datetime

from control_room.attempts import Attempts
from control_room.certificate import TlsFiles
from control_room.config import WebConfig
from control_room.pulse import Pulse
from control_room.still import Stills
from control_room.stream import Stream
from hub.bus import Bus
from hub.settings.revision import Settings
from hub.store import Store


class Office:
    """One per process, made in `create_app`."""

    def __init__(self, bus: Bus, store: Store, settings: Settings, config: WebConfig, tls: TlsFiles | None) -> None:
        self.bus = bus
        self.store = store
        self.settings = settings
        self.config = config
        self.tls = tls
        self.stream = Stream()
        self.pulse = Pulse(store, settings, config, self.stream)
        self.stills = Stills(bus)
        self.attempts = Attempts()
        self.listened_at = time.monotonic()
        """When the incidents topic was last looked at."""

    def now(self) -> datetime:
        """The hub's own time."""
        return datetime.now(UTC)

    def monotonic(self) -> float:
        """Seconds, for spans."""
        return time.monotonic()

"""What detectors say, put on the log: every candidate, and a detection for each that was decided for."""

from __future__ import annotations

from collections.abc import Callable

import structlog

from detectors.decision import Decision
from detectors.detection import detection
from hub import metrics
from hub.bus import Bus
from hub.model import Candidate, Detection
from hub.topics import CANDIDATES, DETECTIONS

log = structlog.get_logger()


class Outlet:
    """Collects while records are handled; `flush` publishes. What could not be published stays for the next flush.

    A detector that has seen a record does not say the same again, so what it said may not be lost with the bus.
    """

    def __init__(self, bus: Bus, clock: Callable[[], float]) -> None:
        self._bus = bus
        self._clock = clock
        self._candidates: list[Candidate] = []
        self._detections: list[Detection] = []

    def take(self, candidate: Candidate, decision: Decision, *, late: bool = False) -> None:
        """A candidate and what was decided of it."""
        self._candidates.append(candidate)
        if decision.told:
            self._detections.append(detection(candidate, decision, late=late))

    @property
    def waiting(self) -> bool:
        """Whether anything was said since the last flush."""
        return bool(self._candidates or self._detections)

    async def flush(self) -> None:
        """Publish: detections first, for they are awaited. Raises TransientError and keeps what is not out."""
        if self._detections:
            await self._bus.publish(DETECTIONS, self._detections)
            now = self._clock()
            for one in self._detections:
                metrics.DETECTIONS.labels(one.detector, one.status).inc()
                metrics.DETECT_SECONDS.labels(one.detector).observe(max(0.0, now - one.at.timestamp()))
                if one.purpose == "live":
                    log.info("detection", detector=one.detector, status=one.status, rule=one.rule, subject=one.subject)
            self._detections.clear()
        if self._candidates:
            await self._bus.publish(CANDIDATES, self._candidates)
            self._candidates.clear()

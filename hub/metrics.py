"""Every figure the hub counts about itself, named once, for operators.

Several processes of one machine share their figures through the directory in PROMETHEUS_MULTIPROC_DIR, which
whoever starts them makes afresh; without it each process has its own. Never a device id as a label.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

from prometheus_client import REGISTRY, CollectorRegistry, Counter, Gauge, Histogram, generate_latest, start_http_server
from prometheus_client.multiprocess import MultiProcessCollector

from hub.errors import ConfigError

_FAST: Final = (0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1.0, 2.0, 5.0, 10.0, 20.0, 60.0)

READINGS_RECEIVED: Final = Counter("hub_readings_received_total", "Readings put on the log", ["kind"])
MESSAGES_RECEIVED: Final = Counter("hub_mqtt_messages_received_total", "MQTT messages handed over by the broker")
SEQUENCE_GAPS: Final = Counter("hub_sequence_gaps_total", "Messages missing by the devices' own counting")
VIDEO_CHUNKS: Final = Counter("hub_video_chunks_total", "Video chunks put on the log")
VIDEO_BYTES: Final = Counter("hub_video_bytes_total", "Bytes of video put on the log")
CAMERA_RECONNECTS: Final = Counter("hub_camera_reconnects_total", "Camera connections lost", ["reason"])
FRAMES_DECODED: Final = Counter("hub_frames_decoded_total", "Pictures decoded for detection")
FRAMES_UNCOVERED: Final = Counter("hub_frames_uncovered_total", "Video seconds that no detector saw", ["reason"])
COVERAGE_RATIO: Final = Gauge(
    "hub_coverage_ratio",
    "Share of time and picture in which a fall could have been seen, of the camera that has the least",
    multiprocess_mode="livemostrecent",
)
DETECTIONS: Final = Counter("hub_detections_total", "Detections", ["detector", "status"])
DETECT_SECONDS: Final = Histogram(
    "hub_detect_seconds", "From the record's own time to the published detection", ["detector"], buckets=_FAST
)
ALERTS_OPENED: Final = Counter("hub_alerts_opened_total", "Alerts begun", ["kind"])
INCIDENTS_OPENED: Final = Counter("hub_incidents_opened_total", "Incidents opened", ["kind", "priority"])
NOTIFICATIONS: Final = Counter("hub_notifications_total", "Messages by outcome", ["channel", "outcome"])
OUTBOX_WAITING: Final = Gauge(
    "hub_outbox_waiting", "Messages promised and not yet sent", ["channel"], multiprocess_mode="livemax"
)
DEAD_LETTERS: Final = Counter("hub_dead_letters_total", "Records nobody could use", ["source", "reason"])
BUGS: Final = Counter("hub_unexpected_errors_total", "Errors nobody foresaw: bugs", ["loop"])
LAG: Final = Gauge(
    "hub_lag_records", "Records published and not yet acknowledged", ["group", "topic"], multiprocess_mode="livemax"
)
SKIPPED: Final = Counter(
    "hub_retention_skipped_total", "Records that retention took before a group read them", ["group"]
)
SETTINGS_OK: Final = Gauge(
    "hub_settings_last_reload_ok", "1 while the files on disk are the ones in force", multiprocess_mode="livemostrecent"
)
SETTINGS_REVISION: Final = Gauge("hub_settings_revision", "The revision in force", multiprocess_mode="livemostrecent")
STREAM_CLIENTS: Final = Gauge("hub_stream_clients", "Pages connected", multiprocess_mode="livesum")
STREAM_DROPPED: Final = Counter("hub_stream_clients_dropped_total", "Pages cut off for being too slow")
EVIDENCE_CUT: Final = Counter("hub_evidence_total", "Evidence clips by outcome", ["outcome"])
SELFTEST_SECONDS: Final = Histogram(
    "hub_selftest_seconds", "Broker to store, by the self-test that runs all the way", buckets=_FAST
)
DISK_FREE_RATIO: Final = Gauge(
    # Not the least of all processes: those that never measured it would say 0.
    "hub_disk_free_ratio",
    "Free share of the data disk",
    multiprocess_mode="livemostrecent",
)


def exposition() -> bytes:
    """All figures in Prometheus' text form: of all processes when they share a directory, else of this one."""
    return generate_latest(_registry())


def shared() -> bool:
    """Whether this process shares its figures with others of the same machine."""
    return bool(os.environ.get("PROMETHEUS_MULTIPROC_DIR"))


@contextmanager
def served(host: str, port: int) -> Iterator[int]:
    """/metrics for Prometheus on a thread of its own; the port it got. Raises ConfigError when it is taken."""
    try:
        server, thread = start_http_server(port, host, _registry())
    except OSError as error:
        raise ConfigError(
            f"metrics can't be served on {host} port {port}: {error.strerror}; choose another metrics.port"
        ) from error
    try:
        yield server.server_port
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def _registry() -> CollectorRegistry:
    if not shared():
        return REGISTRY
    registry = CollectorRegistry()
    MultiProcessCollector(registry)  # type: ignore[no-untyped-call]  # the library is only half typed
    return registry

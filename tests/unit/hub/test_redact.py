"""Passwords stay out of whatever people read."""

import io

import pytest
import structlog
from hypothesis import given
from hypothesis import strategies as st

from hub import log
from hub.redact import redact


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("rtsp://admin:pa:ss@10.0.0.1/ch1", "rtsp://***@10.0.0.1/ch1"),
        ("rtsp://admin:p@ss@10.0.0.1/ch1", "rtsp://***@10.0.0.1/ch1"),
        ("postgresql://hub:x@db/hub failed", "postgresql://***@db/hub failed"),
        ("https://q.example/send?key=abc&x=1", "https://q.example/send?key=***&x=1"),
        ("rtsp://10.0.0.1/ch1 is fine", "rtsp://10.0.0.1/ch1 is fine"),
        ("host=/x user=hub password=geheim dbname=hub", "host=/x user=hub password=*** dbname=hub"),
    ],
)
def test_what_is_shown(text: str, shown: str) -> None:
    assert redact(text) == shown


@given(
    st.text(
        st.characters(exclude_characters="/ \t\n\r\x0b\x0c\x1c\x1d\x1e\x1f\x85", categories=["L", "N", "P", "S"]),
        min_size=1,
    )
)
def test_no_password_survives(password: str) -> None:
    assert redact(f"rtsp://user:{password}@host/x") == "rtsp://***@host/x"


def test_log_lines_are_scrubbed() -> None:
    out = io.StringIO()
    log.configure("test", "info", out)
    try:
        structlog.get_logger().info("camera_lost", address="rtsp://admin:geheim@10.0.0.1/ch1")
    finally:
        structlog.reset_defaults()
    assert "camera_lost" in out.getvalue()
    assert "geheim" not in out.getvalue()

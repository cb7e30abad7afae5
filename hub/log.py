"""What the hub writes down about its own work: lines for people on a terminal, JSON everywhere else."""

from __future__ import annotations

import logging
import sys
from typing import Any

import structlog

from hub.redact import redact


def configure(role: str, level: str = "info", stream: Any = None) -> None:
    """Set up logging for this process. Credentials in addresses are removed from every line, whoever wrote it."""
    out = stream or sys.stderr
    number = logging.getLevelNamesMapping()[level.upper()]
    on_terminal = out.isatty()
    shared: list[Any] = [
        structlog.contextvars.merge_contextvars,
        structlog.processors.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        structlog.processors.format_exc_info,
        _scrub,
    ]
    last = (
        structlog.dev.ConsoleRenderer(colors=True)
        if on_terminal
        else structlog.processors.JSONRenderer(ensure_ascii=False)
    )
    structlog.configure(
        processors=[*shared, last],
        wrapper_class=structlog.make_filtering_bound_logger(number),
        logger_factory=structlog.PrintLoggerFactory(out),
        cache_logger_on_first_use=False,
    )
    structlog.contextvars.clear_contextvars()
    structlog.contextvars.bind_contextvars(role=role)
    handler = logging.StreamHandler(out)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=[*shared[:3], _scrub],
            processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, _scrub, last],
        )
    )
    logging.basicConfig(handlers=[handler], level=max(number, logging.WARNING), force=True)
    # aiokafka logs each retried request as an error; the retries succeed, and real failures reach us as exceptions.
    logging.getLogger("aiokafka").setLevel(logging.CRITICAL)


def _scrub(_logger: Any, _method: str, line: Any) -> Any:
    return {name: redact(value) if isinstance(value, str) else value for name, value in line.items()}

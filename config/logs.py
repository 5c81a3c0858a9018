"""What is logged and how: one JSON object a line, on standard error, for others to collect."""

from typing import Any

import structlog


def to_console(level: str) -> dict[str, Any]:
    """Django's `LOGGING`; `level` is what our own code and libraries say at least."""
    return {
        "version": 1,
        "disable_existing_loggers": False,
        "formatters": {
            "json": {
                "()": "structlog.stdlib.ProcessorFormatter",
                "foreign_pre_chain": [
                    structlog.contextvars.merge_contextvars,
                    structlog.stdlib.add_logger_name,
                    structlog.stdlib.add_log_level,
                    structlog.processors.TimeStamper(fmt="iso", utc=True),
                    structlog.stdlib.PositionalArgumentsFormatter(),
                ],
                "processors": [
                    structlog.stdlib.ProcessorFormatter.remove_processors_meta,
                    structlog.processors.format_exc_info,
                    structlog.processors.JSONRenderer(),
                ],
            },
        },
        "handlers": {"console": {"class": "logging.StreamHandler", "formatter": "json"}},
        "root": {"handlers": ["console"], "level": level},
        "loggers": {
            "axes": {"level": "WARNING"},
            # A client's 4xx is the client's to know; it is in the web server's access log.
            "django.request": {"level": "ERROR"},
            "stripe": {"level": "WARNING"},
            "djstripe": {"level": "WARNING"},
        },
    }

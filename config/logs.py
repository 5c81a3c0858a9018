"""What is logged and how: one JSON object a line, on standard error, for others to collect."""

import re
from collections.abc import Callable
from typing import Any
from uuid import uuid4

import structlog
from django.http import HttpRequest, HttpResponseBase

# Keys of ours and of Stripe, bearers, passwords in addresses, links that open an account.
_SECRETS = re.compile(
    r"(?P<key>\bvb_[0-9a-f]{12}_)[\w-]+"
    r"|(?P<stripe>\b(?:[sr]k_(?:live|test)|whsec)_)\w+"
    r"|(?P<bearer>(?i:bearer)\s+)(?!vb_)[\w.~+/=-]+"
    r"|(?P<url>\w+://[^\s:/@\"]*:)[^\s@\"/]+(?=@)"
    r"|(?P<link>/(?:password|invitation)/[\w-]+/)[\w-]+"
)
_REQUEST_ID = re.compile(r"[\w.:-]{1,64}\Z")


def _without_secrets(logger: object, method: str, line: str) -> str:
    """The last step: whatever a library or an exception said, no secret leaves with it."""
    return _SECRETS.sub(lambda found: f"{found[found.lastgroup or 0]}(hidden)", line)


class RequestLogging:
    """Each line that a request causes carries the request's id, which the answer has too, and the
    workspace that its address names."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponseBase]) -> None:
        self._get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponseBase:
        given = request.headers.get("X-Request-Id", "")
        request_id = given if _REQUEST_ID.match(given) else uuid4().hex
        # The log of changes notes it from there.
        request.META["HTTP_X_REQUEST_ID"] = request_id
        structlog.contextvars.clear_contextvars()  # of the thread's request before
        structlog.contextvars.bind_contextvars(request_id=request_id)
        response = self._get_response(request)
        response["X-Request-Id"] = request_id
        return response

    def process_view(
        self, request: HttpRequest, view: object, args: object, kwargs: dict[str, Any]
    ) -> None:
        if "workspace_id" in kwargs:
            structlog.contextvars.bind_contextvars(workspace_id=str(kwargs["workspace_id"]))


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
                    structlog.stdlib.ExtraAdder(allow=["user_id", "workspace_id"]),
                    structlog.stdlib.PositionalArgumentsFormatter(),
                ],
                "processors": [
                    structlog.stdlib.ProcessorFormatter.remove_processors_meta,
                    structlog.processors.format_exc_info,
                    structlog.processors.JSONRenderer(),
                    _without_secrets,
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

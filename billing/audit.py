"""Who is acting, told to the database with each statement that changes what bills depend on.

The audit log itself is written by triggers (`billing/migrations/0002_audit_log.py`). What they
cannot know, who and through which channel, stands in a comment at the end of the statement, which
they read with `current_query()`. It costs no round trip, cannot outlive its statement and needs
no transaction; a text that a client sent cannot be taken for it, for that is inside of quotes.
"""

import base64
import getpass
import json
import os
import re
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from contextvars import ContextVar
from pathlib import Path
from typing import Any, NamedTuple

from django.http import HttpRequest, HttpResponseBase

_WRITES = re.compile(r"\s*(?:INSERT|UPDATE|DELETE|WITH)\b", re.IGNORECASE)
_TABLES = re.compile(r"\b(?:billing_|invoices_|payments_|otp_|auth_|usage_budget)")
_MAX_CHARACTERS = 254
# Where a change may come from; `sql` is a statement that nobody has signed.
CHANNELS = ("admin", "api", "page", "stripe", "task", "command", "sql")
# Why a service, or whoever types a command, changes something.
REASON_HEADER = "X-Change-Reason"
REASON_VARIABLE = "CHANGE_REASON"
_CHANNELS = {"/admin/": "admin", "/api/": "api", "/stripe/": "stripe"}


class Act(NamedTuple):
    """`channel` is one of api, page, admin, stripe, task, command; who acts is asked for when it is
    needed, since most requests change nothing."""

    channel: str
    actor: Callable[[], str]
    reason: Callable[[], str] = lambda: ""
    request_id: str = ""


_act: ContextVar[Act | None] = ContextVar("act", default=None)


@contextmanager
def acting(act: Act) -> Iterator[None]:
    """Attribute what is changed inside of the block."""
    token = _act.set(act)
    try:
        yield
    finally:
        _act.reset(token)


def begin_task(name: str) -> None:
    """Attribute what is changed from here on to a task, until `end_task`."""
    _act.set(Act("task", lambda: name))


def end_task() -> None:
    _act.set(None)


def attribute(
    execute: Callable[..., Any], sql: str, params: Any, many: bool, context: dict[str, Any]
) -> Any:
    """Execute wrapper of `config.database`: name who acts in each write that is audited."""
    if isinstance(sql, str) and _WRITES.match(sql) and _TABLES.search(sql):
        sql = f"{sql} {_comment(_act.get() or _command())}"
    return execute(sql, params, many, context)


def _comment(act: Act) -> str:
    facts = {
        "channel": act.channel,
        "actor": act.actor()[:_MAX_CHARACTERS],
        "reason": act.reason()[:1000],
        "request_id": act.request_id[:64],
    }
    # Base64 has neither the end of a comment nor a placeholder in it.
    return f"/*audit:{base64.b64encode(json.dumps(facts).encode()).decode()}*/"


def _command() -> Act:
    program = Path(sys.argv[0]).name
    name = " ".join([program, *sys.argv[1:2]]) if program == "manage.py" else program
    return Act(
        "command", lambda: f"{name} ({_login()})", lambda: os.environ.get(REASON_VARIABLE, "")
    )


def _login() -> str:
    """Who is logged in on the machine; a container may have no name for its user."""
    try:
        return getpass.getuser()
    except (KeyError, OSError):
        return str(os.getuid())


class AuditMiddleware:
    """Attributes what a request changes to who sent it."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponseBase]) -> None:
        self._get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponseBase:
        channel = next(
            (d for start, d in _CHANNELS.items() if request.path.startswith(start)), "page"
        )
        reason: Callable[[], str] = lambda: ""  # noqa: E731
        if channel == "admin":
            # Forms and dialogs of finance ask why in a field of this name.
            reason = lambda: str(request.POST.get("reason", "")).strip()  # noqa: E731
        elif channel == "api":
            reason = lambda: _header_text(request.headers.get(REASON_HEADER, ""))  # noqa: E731
        request_id = request.headers.get("X-Request-Id", "")
        with acting(Act(channel, lambda: _who(request), reason, request_id)):
            return self._get_response(request)


def _header_text(value: str) -> str:
    """Headers are bytes, which Django reads as Latin-1; most senders mean UTF-8."""
    with suppress(UnicodeError):
        value = value.encode("latin-1").decode()
    return "".join(each for each in value if each.isprintable()).strip()


def _who(request: HttpRequest) -> str:
    key = getattr(request, "service_key", None)
    if key is not None:
        return f"{key.name} ({key.prefix}…)"
    user = getattr(request, "user", None)
    if user is not None and user.is_authenticated:
        return str(user.email)
    return "Stripe" if request.path.startswith("/stripe/") else "nobody signed in"

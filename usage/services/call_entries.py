"""Calls as they are sent, and the rules one must meet by itself."""

import datetime as dt
from decimal import Decimal
from uuid import UUID

import msgspec

from billing.clocks import check_clock
from billing.text import UnfitText, provider_key
from billing.times import NotATime
from usage.models import Call
from usage.services.ingest import RecordError
from usage.services.ingest.checking import read_time
from usage.services.ingest.fields import decimal_or_error
from usage.services.ingest.parsing import Parser

_DIRECTIONS = frozenset(Call.Direction.values)
_STATUSES = frozenset(Call.Status.values)
_MAX_SECONDS = Decimal(10) ** 9
# Start and end may each be told to the second.
_ROUNDED_SECONDS = 2


class CallEntry(msgspec.Struct, forbid_unknown_fields=True):
    """A call as sent; the duration stays raw text, so that no float ever holds it, and times stay
    text, to be read as everywhere else."""

    id: UUID
    workspace_id: UUID
    direction: str
    status: str
    provider: str
    started_at: str
    agent_id: UUID | msgspec.UnsetType | None = msgspec.UNSET
    ended_at: str | msgspec.UnsetType | None = msgspec.UNSET
    duration_seconds: msgspec.Raw | msgspec.UnsetType = msgspec.UNSET


calls_parser = Parser(CallEntry)


def check_call(index: int, entry: CallEntry, now: dt.datetime) -> Call | RecordError:
    def refuse(code: str, field: str, detail: str) -> RecordError:
        return RecordError(index, code, field, detail)

    if entry.direction not in _DIRECTIONS:
        return refuse("invalid_choice", "direction", f"One of {', '.join(Call.Direction.values)}.")
    if entry.status not in _STATUSES:
        return refuse("invalid_choice", "status", f"One of {', '.join(Call.Status.values)}.")
    try:
        provider = provider_key(entry.provider)
    except UnfitText as error:
        return refuse("invalid_provider", "provider", str(error))
    times: dict[str, dt.datetime] = {}
    for field, text in (("started_at", entry.started_at), ("ended_at", entry.ended_at or None)):
        if text is None:
            continue
        try:
            at = times[field] = read_time(text)
        except NotATime as error:
            return refuse(error.code, field, error.detail)
        if not dt.timedelta(days=-3660) < at - now < dt.timedelta(minutes=5):
            check_clock()  # our own, before the sender's is blamed
            code = "in_the_future" if at > now else "too_old"
            return refuse(code, field, "This time cannot be recorded.")
    started_at, ended_at = times["started_at"], times.get("ended_at")
    if ended_at is not None and ended_at < started_at:
        return refuse("ends_before_its_start", "ended_at", "A call ends after its start.")
    duration: Decimal | None = None
    if entry.duration_seconds is not msgspec.UNSET:
        raw = bytes(entry.duration_seconds)
        if raw != b"null":
            checked = decimal_or_error(index, "duration_seconds", raw, digits=9, places=3)
            if isinstance(checked, RecordError):
                return checked
            duration = checked
    if ended_at is not None:
        elapsed = Decimal((ended_at - started_at) // dt.timedelta(milliseconds=1)).scaleb(-3)
        if elapsed >= _MAX_SECONDS:
            return refuse("too_large", "ended_at", "A call does not last that long.")
        if duration is None:
            duration = elapsed
        elif duration > elapsed + _ROUNDED_SECONDS:
            return refuse(
                "longer_than_its_times",
                "duration_seconds",
                f"From start to end it lasted {elapsed} s; it may have been talked for less.",
            )
    return Call(
        id=entry.id,
        workspace_id=entry.workspace_id,
        agent_id=entry.agent_id or None,
        direction=entry.direction,
        status=entry.status,
        provider=provider,
        started_at=started_at,
        ended_at=ended_at,
        duration_seconds=duration,
        created_at=now,
        updated_at=now,
    )

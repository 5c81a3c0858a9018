"""What the hot endpoints do with a body, and the JSON they answer: the same for both doors.

Every function returns JSON, with its status where there is a choice, or raises a `BillingError`.
"""

import datetime as dt
from collections.abc import Sequence
from decimal import Decimal
from uuid import UUID

import msgspec

from billing.api import exactjson
from billing.api.problems import ProblemError
from billing.errors import BillingError
from billing.money import without_exponent
from usage.models import Call
from usage.queries.admission import Admission
from usage.services.calls import CallEntry, CallsRecorded, calls_parser, record_calls
from usage.services.ingest import (
    Entry,
    PricedRecord,
    Recorded,
    RecordError,
    RecordOutcome,
    check_entries,
    record_usage,
)
from usage.services.ingest.entries import Stored
from usage.services.ingest.parsing import usage_parser
from usage.services.ingest.recording import unknown_workspace

# A record that cannot be recorded says so with the status of what is wrong with it.
_STATUS = {"idempotency_key_reused": 409, "workspace_closed": 409, "not_found": 404}


class RecordRefused(BillingError):
    """Why the one record of a request was refused."""

    def __init__(self, error: RecordError) -> None:
        super().__init__(error.detail, field=error.field, code=error.code)
        self.status = _STATUS.get(error.code, 400)
        fault = ProblemError(code=error.code, detail=error.detail)
        if error.field is not None:
            fault["pointer"] = f"/{error.field}"
        self.errors = [fault]


def checked(body: bytes, *, now: dt.datetime, only_workspace: UUID | None) -> PricedRecord:
    """The one record in a body, right in itself and of a workspace the key may see."""
    records, errors = check_entries([usage_parser.single(body)], now=now)
    if errors:
        raise RecordRefused(errors[0])
    record = records[0]
    if only_workspace is not None and record.workspace_id != only_workspace.hex:
        raise RecordRefused(unknown_workspace(0))
    return record


def recorded(outcome: RecordOutcome, stored: Stored) -> tuple[int, bytes]:
    """A usage record as the API shows it: quantity and unit cost without trailing zeros, costs
    with all of their decimals."""
    shown = {
        name: without_exponent(value) if isinstance(value, Decimal) else value
        for name, value in stored._asdict().items()
    }
    shown["quantity"] = without_exponent(trimmed(stored.quantity))
    shown["unit_cost"] = without_exponent(trimmed(stored.unit_cost))
    shown["occurred_at"] = exactjson.utc_text(stored.occurred_at)
    shown["created_at"] = exactjson.utc_text(stored.created_at)
    return 201 if outcome is RecordOutcome.ACCEPTED else 200, msgspec.json.encode(shown)


def usage_single(
    body: bytes, *, now: dt.datetime, only_workspace: UUID | None
) -> tuple[int, bytes]:
    """Record one use by itself."""
    record = checked(body, now=now, only_workspace=only_workspace)
    answer = record_usage([record], now=now).answer(0)
    if isinstance(answer, RecordError):
        raise RecordRefused(answer)
    return recorded(*answer)


def usage_batch(
    body: bytes, *, ndjson: bool, now: dt.datetime, only_workspace: UUID | None
) -> bytes:
    entries: Sequence[Entry | RecordError]
    entries = usage_parser.ndjson(body) if ndjson else usage_parser.json(body)
    records, errors = check_entries(entries, now=now)
    only = None if only_workspace is None else only_workspace.hex
    return _account(record_usage(records, now=now, only_workspace=only, refused=errors))


def call_single(body: bytes, *, now: dt.datetime, only_workspace: UUID | None) -> tuple[int, bytes]:
    """Record one call, or bring it up to date."""
    entry: CallEntry | RecordError = calls_parser.single(body)
    result = record_calls([entry], now=now, only_workspace=only_workspace)
    if result.errors:
        raise RecordRefused(result.errors[0])
    return 201 if 0 in result.created else 200, exactjson.dumps(_call(result.calls[0]))


def call_batch(
    body: bytes, *, ndjson: bool, now: dt.datetime, only_workspace: UUID | None
) -> bytes:
    entries: Sequence[CallEntry | RecordError]
    entries = calls_parser.ndjson(body) if ndjson else calls_parser.json(body)
    return _account(record_calls(entries, now=now, only_workspace=only_workspace))


def admission_json(found: Admission) -> bytes:
    return exactjson.dumps(found._asdict())


class _Account(msgspec.Struct):
    accepted: int
    duplicates: int
    rejected: int
    errors: list[RecordError]


def _account(result: Recorded | CallsRecorded) -> bytes:
    """Every record of a batch accounted for."""
    account = _Account(result.accepted, result.duplicates, len(result.errors), result.errors)
    return msgspec.json.encode(account)


def trimmed(value: Decimal) -> Decimal:
    """3.250000 as 3.25, 0E-6 as 0; the columns hold fewer digits than a context rounds at."""
    return value.normalize() if value else Decimal(0)


def _call(call: Call) -> dict[str, object]:
    return {
        "id": call.pk,
        "workspace_id": call.workspace_id,
        "agent_id": call.agent_id,
        "direction": call.direction,
        "status": call.status,
        "provider": call.provider,
        "started_at": call.started_at,
        "ended_at": call.ended_at,
        "duration_seconds": call.duration_seconds,
    }

"""The hot endpoints of usage: what each does with a body, and the table that names them all.

Functions return a `Reply` or raise a `BillingError`; those that take many requests give one or the
other for each.
"""

import datetime as dt
import time
from collections.abc import Sequence
from decimal import Decimal

import msgspec
from django.utils import timezone as clock
from prometheus_client import Counter

from billing.api import exactjson
from billing.api.hot import JSON, NDJSON, HotEndpoint, HotRequest, Lane, Reply
from billing.api.problems import ProblemError
from billing.errors import BillingError
from usage.models import Call, ProviderHeartbeat
from usage.queries.admission import admissions_of
from usage.services import heartbeats
from usage.services.call_entries import calls_parser
from usage.services.calls import CallsRecorded, record_calls
from usage.services.ingest import (
    Entry,
    PricedRecord,
    Recorded,
    RecordError,
    RecordOutcome,
    check_entries,
    record_usage,
)
from usage.services.ingest.checking import Stored
from usage.services.ingest.parsing import usage_parser
from usage.services.ingest.pricing import unknown_workspace

# A record that cannot be recorded says so with the status of what is wrong with it.
_STATUS = {"idempotency_key_reused": 409, "workspace_closed": 409, "not_found": 404}
_RECORDS = Counter("usage_records", "Usage records sent, by what became of them.", ["outcome"])
_ACCEPTED, _DUPLICATE, _REFUSED = map(_RECORDS.labels, ("accepted", "duplicate", "refused"))
_REFUSALS = Counter("usage_refusals", "Usage records refused, by the reason's code.", ["code"])
_CALLS = Counter("usage_calls", "Calls reported, news of known ones too.")
_TRIMMED = {"quantity", "billed_quantity", "unit_cost", "exchange_rate"}


class RecordRefused(BillingError):
    """Why the one record of a request was refused."""

    def __init__(self, error: RecordError) -> None:
        super().__init__(error.detail, field=error.field, code=error.code)
        self.status = _STATUS.get(error.code, 400)
        fault = ProblemError(code=error.code, detail=error.detail)
        if error.field is not None:
            fault["pointer"] = f"/{error.field}"
        self.errors = [fault]


def record_singles(requests: Sequence[HotRequest]) -> list[Reply | Exception]:
    """Record the one use in each request, all in one transaction."""
    now = clock.now()
    replies: dict[int, Reply | Exception] = {}
    entries: list[Entry | RecordError] = []
    positions: list[int] = []
    for position, request in enumerate(requests):
        try:
            entries.append(usage_parser.single(request.body))
            positions.append(position)
        except BillingError as error:
            replies[position] = error
    records, errors = check_entries(entries, now=now)
    visible = []
    for record in records:
        only = requests[positions[record.index]].only_workspace
        if only is None or record.workspace_id == only.hex:
            visible.append(record)
        else:
            errors.append(unknown_workspace(record.index))
    recorded = record_usage(visible, now=now)
    for number, record in enumerate(visible):
        result = recorded.answer(number)
        if isinstance(result, RecordError):
            errors.append(result)
        else:
            replies[positions[record.index]] = _recorded(*result)
    unread = [error.code for error in replies.values() if isinstance(error, BillingError)]
    refused = [*unread, *(error.code for error in errors)]
    _count_usage(recorded, visible, refused=refused, now=now)
    for refusal in errors:
        replies[positions[refusal.index]] = RecordRefused(refusal)
    return [replies[position] for position in range(len(requests))]


def record_batch(request: HotRequest) -> Reply:
    read = usage_parser.ndjson if request.media_type == NDJSON else usage_parser.json
    records, errors = check_entries(read(request.body), now=(now := clock.now()))
    only = None if request.only_workspace is None else request.only_workspace.hex
    recorded = record_usage(
        records, now=now, only_workspace=only, refused=errors, with_agents=False
    )
    refused = [error.code for error in recorded.errors]
    _count_usage(recorded, records, refused=refused, now=now)
    return _account(recorded)


def record_call(request: HotRequest) -> Reply:
    """Record one call, or bring it up to date."""
    entry = calls_parser.single(request.body)
    now = clock.now()
    result = record_calls([entry], now=now, only_workspace=request.only_workspace)
    if result.errors:
        raise RecordRefused(result.errors[0])
    _count_calls(result, now=now)
    return Reply(201 if 0 in result.created else 200, exactjson.dumps(_call(result.calls[0])))


def record_call_batch(request: HotRequest) -> Reply:
    read = calls_parser.ndjson if request.media_type == NDJSON else calls_parser.json
    entries = read(request.body)
    now = clock.now()
    result = record_calls(entries, now=now, only_workspace=request.only_workspace)
    _count_calls(result, now=now)
    return _account(result)


def admissions(requests: Sequence[HotRequest]) -> list[Reply | Exception]:
    """May a new call start now? Asked in one query for all."""
    asked = [request.parameters["workspace_id"] for request in requests]
    return [
        found if isinstance(found, Exception) else Reply(200, exactjson.dumps(found._asdict()))
        for found in admissions_of(asked, clock.now())
    ]


def _count_usage(
    recorded: Recorded, records: Sequence[PricedRecord], *, refused: list[str], now: dt.datetime
) -> None:
    """After the commit; `refused` has the code of each refusal."""
    _ACCEPTED.inc(recorded.accepted)
    _DUPLICATE.inc(recorded.duplicates)
    _REFUSED.inc(len(refused))
    for code in refused:
        _REFUSALS.labels(code).inc()
    # Whose usage is refused, or comes once more, is not heard of: nothing of it is billed.
    new = {each.provider for each in records if each.refusal is None and each.existing is None}
    source, last = ProviderHeartbeat.Source.USAGE, time.monotonic() - heartbeats.SECONDS
    if any(heartbeats.noted.get((source, each), last) <= last for each in new):
        heartbeats.note(source, new, now=now)


def _count_calls(result: CallsRecorded, *, now: dt.datetime) -> None:
    _CALLS.inc(result.accepted)
    providers = {call.provider for call in result.calls.values()}
    heartbeats.note(ProviderHeartbeat.Source.CALLS, providers, now=now)


def _recorded(outcome: RecordOutcome, stored: Stored) -> Reply:
    status = 201 if outcome is RecordOutcome.ACCEPTED else 200
    return Reply(status, msgspec.json.encode(shown_record(stored)))


def shown_record(stored: Stored) -> dict[str, object]:
    """A usage record as the API shows it: quantity and unit cost without trailing zeros, costs
    with all of their decimals."""
    shown = stored._asdict()
    for name, value in shown.items():
        if isinstance(value, Decimal):
            shown[name] = f"{value.normalize() if name in _TRIMMED else value:f}"
    return shown


class _Account(msgspec.Struct):
    accepted: int
    duplicates: int
    rejected: int
    errors: list[RecordError]


def _account(result: Recorded | CallsRecorded) -> Reply:
    """Every record of a batch accounted for."""
    account = _Account(result.accepted, result.duplicates, len(result.errors), result.errors)
    return Reply(200, msgspec.json.encode(account))


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


_WRITE = ("usage:write",)
_ASK = ("usage:read", "usage:write")
_BOTH = (JSON, NDJSON)
_ADMISSION = "api/v1/workspaces/<uuid:workspace_id>/admission/"

# fmt: off
HOT_ENDPOINTS = (
    # method, route, any of these scopes, media types, function, where it runs
    HotEndpoint("POST", "api/v1/usage/", _WRITE, (JSON,), record_singles, Lane.TOGETHER),
    HotEndpoint("POST", "api/v1/usage/batch/", _WRITE, _BOTH, record_batch, Lane.PROCESS),
    HotEndpoint("POST", "api/v1/calls/", _WRITE, (JSON,), record_call, Lane.THREAD),
    HotEndpoint("POST", "api/v1/calls/batch/", _WRITE, _BOTH, record_call_batch, Lane.PROCESS),
    HotEndpoint("GET", _ADMISSION, _ASK, (), admissions, Lane.TOGETHER),
)
# fmt: on

"""Exports of usage records and calls, streamed: memory stays flat however many there are."""

import datetime as dt
from collections.abc import Container, Iterator
from decimal import Decimal
from typing import Any
from uuid import UUID
from zoneinfo import ZoneInfo

from django.db.models import QuerySet
from django.http import FileResponse, StreamingHttpResponse

from billing.exports import csv_response, csv_text, xlsx_response
from billing.keyset import Keyset
from billing.money import without_exponent
from usage.models import CallPrice, UsageRecord
from usage.queries.meters import metered_prices

_NEWEST_FIRST = Keyset(("-occurred_at", "-id"))
_PAGE = 2_000
_HEAD = ["occurred_at", "resource_type", "provider", "quantity"]
_COSTS = ["unit_cost", "cost_currency", "exchange_rate", "total_cost", "markup_percentage"]
_TAIL = [
    "billed_quantity", "final_cost", "currency", "late", "call_id", "record_id",
    "idempotency_key", "rate_id", "agent_id", "model", "whole_period_price",
]  # fmt: skip


def records_csv(
    filename: str,
    records: QuerySet[UsageRecord],
    *,
    currency: str,
    timezone: ZoneInfo,
    with_cost: bool,
) -> StreamingHttpResponse:
    """One line a record, newest first; times on the workspace's clock with offset.

    Read page by page from a position on: neither side holds more than one page, and no
    transaction stays open while somebody downloads.
    """
    head = [*_HEAD, *(_COSTS if with_cost else []), *_TAIL]
    return csv_response(filename, head, _rows(records, currency, timezone, with_cost))


def _rows(
    records: QuerySet[UsageRecord], currency: str, timezone: ZoneInfo, with_cost: bool
) -> Iterator[list[Any]]:
    cursor: str | None = None
    while True:
        page = _NEWEST_FIRST.page(records, cursor=cursor, limit=_PAGE)
        metered = metered_prices({row.rate_id for row in page.rows if row.rate_id is not None})
        for record in page.rows:
            yield _cells(record, currency, timezone, with_cost, metered)
        cursor = page.next
        if cursor is None:
            return


def _cells(
    record: UsageRecord,
    currency: str,
    timezone: ZoneInfo,
    with_cost: bool,
    metered: Container[UUID | None],
) -> list[Any]:
    costs = [
        without_exponent(record.unit_cost),
        record.cost_currency or currency,
        _if_any(record.exchange_rate),
        without_exponent(record.total_cost),
        _if_any(record.markup_percentage),
    ]
    return [
        record.occurred_at.astimezone(timezone).isoformat(),
        record.resource_type,
        csv_text(record.provider),
        without_exponent(record.quantity),
        *(costs if with_cost else ()),
        without_exponent(record.billed),
        without_exponent(record.final_cost),
        currency,
        "yes" if record.late else "no",
        record.call_id or "",
        record.pk,
        csv_text(record.idempotency_key),
        record.rate_id or "",
        record.agent_id or "",
        csv_text(record.model or ""),
        # What tiers and included units make of its list price is on the bill.
        "yes" if record.rate_id in metered else "no",
    ]


def _if_any(value: Decimal | None) -> str:
    return "" if value is None else without_exponent(value)


_CALL_HEAD = [
    "started_at", "call_id", "agent", "agent_id", "direction", "provider", "status",
    "duration_seconds", "records", "price", "currency",
]  # fmt: skip
_CALL_COST = "cost"
_PRICE_PLACE = _CALL_HEAD.index("price")


def calls_csv(
    filename: str,
    calls: QuerySet[CallPrice],
    order: Keyset,
    *,
    currency: str,
    timezone: ZoneInfo,
    with_cost: bool,
) -> StreamingHttpResponse:
    """One line a call, in `order`; prices and costs are exact, times on the workspace's clock."""

    def text(value: Any) -> Any:
        if isinstance(value, Decimal):
            return without_exponent(value)
        if isinstance(value, dt.datetime):
            return value.isoformat()
        return csv_text(value) if isinstance(value, str) else value

    rows = _call_rows(calls, order, currency, timezone, with_cost)
    return csv_response(
        filename, _call_head(with_cost), ([text(value) for value in row] for row in rows)
    )


def calls_xlsx(
    filename: str,
    calls: QuerySet[CallPrice],
    order: Keyset,
    *,
    currency: str,
    timezone: ZoneInfo,
    with_cost: bool,
) -> FileResponse:
    rows = _call_rows(calls, order, currency, timezone, with_cost)
    return xlsx_response(filename, _call_head(with_cost), rows, sheet="Calls")


def _call_head(with_cost: bool) -> list[str]:
    head = [*_CALL_HEAD]
    if with_cost:
        head.insert(_PRICE_PLACE, _CALL_COST)
    return head


def _call_rows(
    calls: QuerySet[CallPrice], order: Keyset, currency: str, timezone: ZoneInfo, with_cost: bool
) -> Iterator[list[Any]]:
    cursor: str | None = None
    while True:
        page = order.page(calls, cursor=cursor, limit=_PAGE)
        for call in page.rows:
            agent = call.agent
            row = [
                call.started_at.astimezone(timezone),
                str(call.pk),
                agent.name if agent else "",
                str(call.agent_id or ""),
                call.direction,
                call.provider,
                call.status,
                call.duration_seconds,
                call.records,
                call.price,
                currency,
            ]
            if with_cost:
                row.insert(_PRICE_PLACE, call.cost)
            yield row
        cursor = page.next
        if cursor is None:
            return

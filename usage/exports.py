"""CSV export of usage records, streamed: memory stays flat however many there are."""

import csv
from collections.abc import Iterator
from typing import Any
from zoneinfo import ZoneInfo

from django.db.models import QuerySet

from billing.money import without_exponent
from usage.models import UsageRecord

# A spreadsheet's own limit is about a million rows; beyond this, choose fewer days.
MAX_ROWS = 100_000
HEADER = [
    "occurred_at", "resource_type", "provider", "quantity", "unit_cost", "total_cost",
    "markup_percentage", "billed_quantity", "final_cost", "currency", "late", "call_id",
    "record_id", "idempotency_key", "rate_id",
]  # fmt: skip


class _Echo:
    """A file that hands each line back instead of keeping it."""

    def write(self, line: str) -> str:
        return line


def csv_lines(
    records: QuerySet[UsageRecord], *, currency: str, timezone: ZoneInfo
) -> Iterator[str]:
    """One line a record, in the records' order; times on the workspace's clock with offset."""
    writer = csv.writer(_Echo())
    yield writer.writerow(HEADER)
    for record in records.iterator(chunk_size=2_000):
        yield writer.writerow(_cells(record, currency, timezone))


def _cells(record: UsageRecord, currency: str, timezone: ZoneInfo) -> list[Any]:
    return [
        record.occurred_at.astimezone(timezone).isoformat(),
        record.resource_type,
        _text(record.provider),
        without_exponent(record.quantity),
        without_exponent(record.unit_cost),
        without_exponent(record.total_cost),
        "" if record.markup_percentage is None else without_exponent(record.markup_percentage),
        without_exponent(record.billed),
        without_exponent(record.final_cost),
        currency,
        "yes" if record.late else "no",
        record.call_id or "",
        record.pk,
        _text(record.idempotency_key),
        record.rate_id or "",
    ]


def _text(value: str) -> str:
    """Free text that a spreadsheet will not run as a formula."""
    return f"'{value}" if value.startswith(("=", "+", "-", "@", "\t", "\r")) else value

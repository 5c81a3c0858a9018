"""The usage records that credit notes give back: of a note, and of a call."""

from collections.abc import Iterator
from decimal import Decimal
from typing import Any, NamedTuple
from uuid import UUID

from django.db.models import QuerySet, Sum

from billing.compiled import CompiledQuery
from billing.money import ZERO, without_exponent
from invoices.models import CreditedRecord, CreditNote

CSV_HEAD = ["credit_note", "line", "reversed_record_id", "reversal_id", "call_id", "amount"]


class NoteAboutCall(NamedTuple):
    note: CreditNote
    # At list price, before what the line's discounts and its rounding made of it.
    amount: Decimal


def credited_records(note: CreditNote) -> "QuerySet[CreditedRecord]":
    records = CreditedRecord.objects.filter(workspace=note.workspace_id, item__credit_note=note)
    return records.select_related("item__item").order_by("item__position", "reversed_id")


def csv_rows(note: CreditNote) -> Iterator[list[Any]]:
    for record in credited_records(note).iterator(chunk_size=2000):
        yield [
            note.number,
            record.item.item.description,
            record.reversed_id,
            record.record_id,
            record.call_id or "",
            without_exponent(record.amount),
        ]


_credited = CompiledQuery[tuple[UUID, Decimal]](
    lambda workspace_id, call_id: (
        CreditedRecord.objects.filter(workspace_id=workspace_id, call_id=call_id)
        .order_by()
        .values_list("item__credit_note")
        .annotate(Sum("amount"))
    )
)


def notes_about_call(workspace_id: UUID, call_id: UUID) -> list[NoteAboutCall]:
    """Issued notes that give back usage of a call, latest first."""
    sums = dict(_credited(workspace_id, call_id))
    if not sums:
        return []
    notes = CreditNote.objects.filter(
        pk__in=sums, workspace=workspace_id, status=CreditNote.Status.ISSUED
    ).select_related("invoice")
    return [NoteAboutCall(note, sums[note.pk] or ZERO) for note in notes.order_by("-issued_at")]

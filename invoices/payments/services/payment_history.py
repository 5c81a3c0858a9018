"""A customer's payment history: each payment, refund, credit and failed attempt, newest first.

Amounts above zero came to us or to the customer's credit, those below zero went back or were used;
an attempt that failed moved nothing.
"""

import datetime as dt
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from django.db.models import DateTimeField, F, Func, QuerySet, Value
from django.db.models.functions import Coalesce
from django.http import HttpRequest

from billing.exports import csv_text
from billing.keyset import Keyset, Page, page_in_order
from billing.models import Workspace
from billing.money import ZERO, without_exponent
from invoices.models import CreditNote, Invoice, InvoiceEvent
from invoices.payments.models import Chargeback, CreditEntry, Payment, PaymentEntry, PaymentReversal
from invoices.payments.services.settle.refunds import REFUNDS_THAT_CAME_TO_NOTHING

CSV_HEAD = ("date", "what", "way", "reference", "amount", "currency", "invoices", "detail")
_NEWEST_FIRST = Keyset(("-moved_at", "-id"))
_PAGE_SIZE = 50
_CSV_PAGE = 1_000
_BANK_WAYS = {
    Payment.Way.STRIPE: "Stripe",
    Payment.Way.BANK_TRANSFER: "Bank transfer",
    Payment.Way.OTHER: "Another way",
}
_OF_CREDIT = {
    CreditEntry.Kind.OVERPAYMENT: "Overpayment kept as credit",
    CreditEntry.Kind.CREDIT_NOTE: "Credit from a credit note",
    CreditEntry.Kind.SPENT: "Credit used for an invoice",
    CreditEntry.Kind.RETURNED: "Credit back from a void invoice",
    CreditEntry.Kind.PAID_OUT: "Credit paid out",
    CreditEntry.Kind.TAKEN_BACK: "Credit of an overpayment taken back",
    CreditEntry.Kind.NOTE_VOID: "Credit of a void credit note taken back",
}


@dataclass(frozen=True)
class HistoryLine:
    """`what`, `way` and `detail` are words of `billing.words`, or as a bank or a person put them.

    `asked` is what an attempt that failed was about, whose `amount` is zero.
    """

    at: dt.datetime
    what: str
    way: str
    reference: str
    amount: Decimal
    currency: str
    invoices: Sequence[Invoice]
    detail: str = ""
    asked: Decimal | None = None


def history_page(request: HttpRequest, workspace: Workspace) -> Page:
    """A page of `HistoryLine`s, where the request's cursor says."""
    first, *_ = sources = _sources(workspace)
    page = page_in_order(
        request, first, _NEWEST_FIRST, limit=_PAGE_SIZE, parts=lambda _first: sources
    )
    return Page([_line(row) for row in page.rows], page.previous, page.next)


def csv_rows(workspace: Workspace) -> Iterator[tuple[Any, ...]]:
    """All of them, below `CSV_HEAD`, on the workspace's calendar."""
    first, *_ = sources = _sources(workspace)
    for row in _NEWEST_FIRST.walk(first, limit=_CSV_PAGE, parts=lambda _first: sources):
        each = _line(row)
        asked = f"{each.asked:f} was asked for. " if each.asked is not None else ""
        yield (
            each.at.astimezone(workspace.zone).date(),
            each.what,
            each.way,
            csv_text(each.reference),
            without_exponent(each.amount),
            each.currency,
            " ".join(invoice.number for invoice in each.invoices),
            csv_text(f"{asked}{each.detail}".strip()),
        )


def _sources(workspace: Workspace) -> list[QuerySet[Any]]:
    """The tables that tell of it, each with `moved_at`; nothing is in two of them."""
    failed = InvoiceEvent.Kind.PAYMENT_FAILED
    charged_back = Chargeback.objects.filter(workspace=workspace).exclude(status="prevented")
    charged_back = charged_back.exclude(status__startswith="warning_").select_related("invoice")
    of_days = {"moved_at": _noon("on", workspace)}
    return [
        Payment.objects.filter(workspace=workspace)
        .annotate(moved_at=Coalesce("entry__occurred_at", _noon("received_on", workspace)))
        .prefetch_related("allocations__invoice"),
        PaymentReversal.objects.filter(workspace=workspace)
        .annotate(**of_days)
        .select_related("payment")
        .prefetch_related("payment__allocations__invoice"),
        PaymentEntry.objects.filter(invoice__workspace=workspace, kind=PaymentEntry.Kind.REFUND)
        .annotate(moved_at=F("occurred_at"))
        .select_related("invoice"),
        CreditEntry.objects.filter(workspace=workspace)
        .annotate(moved_at=_in_turn(of_days["moved_at"]))
        .select_related("invoice"),
        CreditNote.objects.filter(
            workspace=workspace, status=CreditNote.Status.ISSUED, to_out_of_band__gt=0
        )
        .annotate(moved_at=F("issued_at"))
        .select_related("invoice"),
        charged_back.annotate(moved_at=F("opened_at"), is_end=Value(False)),
        charged_back.filter(status="won").annotate(moved_at=F("closed_at"), is_end=Value(True)),
        InvoiceEvent.objects.filter(invoice__workspace=workspace, kind=failed)
        .annotate(moved_at=F("at"))
        .select_related("invoice"),
    ]


def _noon(field: str, workspace: Workspace) -> Func:
    """A day without a time, as the middle of it on the workspace's clock."""
    return Func(
        Value(workspace.zone.key),
        F(field),
        template="timezone(%(expressions)s::timestamp + interval '12 hours')",
        output_field=DateTimeField(),
    )


def _in_turn(noon: Func) -> Func:
    """Of entries of one day, each after the one before it and after the payment it came with."""
    return Func(
        noon,
        F("position"),
        template="(%(expressions)s)",
        arg_joiner=" + interval '1 microsecond' * ",
        output_field=DateTimeField(),
    )


def _line(row: Any) -> HistoryLine:
    return _TOLD[type(row)](row)


def _of_payment(payment: Any) -> HistoryLine:
    return HistoryLine(
        payment.moved_at,
        "Payment",
        _BANK_WAYS[payment.way],
        payment.reference,
        payment.amount,
        payment.currency,
        [share.invoice for share in payment.allocations.all()],
    )


def _of_reversal(reversal: Any) -> HistoryLine:
    payment = reversal.payment
    return HistoryLine(
        reversal.moved_at,
        "Payment taken back",
        _BANK_WAYS[payment.way],
        payment.reference,
        -payment.amount,
        payment.currency,
        [share.invoice for share in payment.allocations.all()],
        reversal.reason,
    )


def _of_refund(refund: Any) -> HistoryLine:
    failed = refund.status in REFUNDS_THAT_CAME_TO_NOTHING
    return HistoryLine(
        refund.moved_at,
        "Refund failed" if failed else "Refund",
        "Stripe",
        refund.stripe_id,
        ZERO if failed else -refund.amount,
        refund.invoice.currency,
        [refund.invoice],
        asked=refund.amount if failed else None,
    )


def _of_credit(entry: Any) -> HistoryLine:
    return HistoryLine(
        entry.moved_at,
        _OF_CREDIT[entry.kind],
        "Your credit",
        entry.reference,
        entry.amount,
        entry.currency,
        [entry.invoice] if entry.invoice else [],
    )


def _of_note(note: Any) -> HistoryLine:
    return HistoryLine(
        note.moved_at,
        "Sent back",
        "Another way",
        note.number,
        -note.to_out_of_band,
        note.currency,
        [note.invoice],
    )


def _of_chargeback(chargeback: Any) -> HistoryLine:
    back = chargeback.is_end
    return HistoryLine(
        chargeback.moved_at,
        "Chargeback won, payment is back" if back else "Payment charged back",
        "Stripe",
        chargeback.stripe_id,
        chargeback.amount if back else -chargeback.amount,
        chargeback.currency,
        [chargeback.invoice],
    )


def _of_failure(event: Any) -> HistoryLine:
    return HistoryLine(
        event.moved_at,
        "Payment failed",
        "Stripe",
        "",
        ZERO,
        event.invoice.currency,
        [event.invoice],
        event.detail,
        asked=event.invoice.amount_charged,
    )


_TOLD = {
    Payment: _of_payment,
    PaymentReversal: _of_reversal,
    PaymentEntry: _of_refund,
    CreditEntry: _of_credit,
    CreditNote: _of_note,
    Chargeback: _of_chargeback,
    InvoiceEvent: _of_failure,
}

"""A customer's statement: what was asked for and what came, between two balances.

A balance above zero is owed by the customer, below zero it is to their credit. Invoices and money
that goes back raise it, payments and credit notes lower it. A void invoice is in it until it is
void; days are the workspace's.
"""

import datetime as dt
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from decimal import Decimal
from typing import Any

from billing.errors import Invalid
from billing.exports import csv_text
from billing.models import Workspace
from billing.money import ZERO, without_exponent
from invoices.models import CreditNote, Invoice
from invoices.payments.models import Chargeback, CreditEntry, Payment, PaymentEntry, PaymentReversal
from invoices.payments.services.settle.refunds import REFUNDS_THAT_CAME_TO_NOTHING

MAX_SPAN = dt.timedelta(days=3700)
A_YEAR = dt.timedelta(days=365)
CSV_HEAD = ("date", "text", "reference", "amount", "balance", "currency")


@dataclass(frozen=True)
class StatementLine:
    """`amount` raises the balance, below zero lowers it; `balance` is the one after it.
    `charged_back` is what of `amount` comes or goes with a chargeback the bank has to decide."""

    day: dt.date
    text: str
    reference: str
    amount: Decimal
    balance: Decimal = ZERO
    charged_back: Decimal = ZERO


@dataclass(frozen=True)
class Statement:
    workspace: Workspace
    currency: str
    first: dt.date
    last: dt.date
    opening: Decimal
    lines: list[StatementLine]
    # What of the closing balance the bank has taken back and not decided on yet.
    charged_back: Decimal

    @property
    def closing(self) -> Decimal:
        return self.lines[-1].balance if self.lines else self.opening


def asked_days(first: str, last: str, *, today: dt.date) -> tuple[dt.date, dt.date]:
    """The days that were typed; where there is none, `today` as the last and a year before it.

    Raises `Invalid` that names `first` or `last`.
    """
    until = _day("last", last) or today
    since = _day("first", first) or max(until, dt.date.min + A_YEAR) - A_YEAR
    if not dt.timedelta(0) <= until - since <= MAX_SPAN:
        raise Invalid("A day before the last one, at most ten years.", field="first")
    return since, until


def _day(name: str, typed: str) -> dt.date | None:
    try:
        return dt.date.fromisoformat(typed) if typed else None
    except ValueError:
        raise Invalid("YYYY-MM-DD is expected.", field=name) from None


def statement(workspace: Workspace, *, first: dt.date, last: dt.date) -> Statement:
    """All that moved the balance from `first` to `last`, both included, oldest first."""
    opening, lines = ZERO, []
    balance = charged_back = ZERO
    for line in sorted(_moves(workspace), key=lambda line: line.day):
        if line.day > last:
            break
        balance += line.amount
        charged_back += line.charged_back
        if line.day < first:
            opening = balance
        else:
            lines.append(replace(line, balance=balance))
    return Statement(workspace, workspace.currency, first, last, opening, lines, charged_back)


def csv_rows(made: Statement) -> Iterator[tuple[Any, ...]]:
    """The rows of a statement's file, below `CSV_HEAD`."""
    opening, closing = (without_exponent(each) for each in (made.opening, made.closing))
    yield made.first, "Opening balance", "", "", opening, made.currency
    for line in made.lines:
        amount, balance = without_exponent(line.amount), without_exponent(line.balance)
        yield line.day, line.text, csv_text(line.reference), amount, balance, made.currency
    yield made.last, "Closing balance", "", "", closing, made.currency


def _moves(workspace: Workspace) -> Iterator[StatementLine]:
    """Those of one day in this order: what is asked for, what pays it, what is taken back, and what
    goes back then."""
    zone, currency = workspace.zone, workspace.currency

    def day(at: dt.datetime) -> dt.date:
        return at.astimezone(zone).date()

    invoices = Invoice.objects.filter(workspace=workspace, currency=currency).order_by("number")
    for invoice in invoices:
        yield StatementLine(day(invoice.issued_at), "Invoice", invoice.number, invoice.amount)
    payments = Payment.objects.filter(workspace=workspace, currency=currency)
    for payment in payments.select_related("entry").order_by("created_at"):
        way = payment.get_way_display()
        text = f"Payment, {way if payment.way == Payment.Way.STRIPE else way.lower()}"
        reference = payment.reference or "–"
        # What came through Stripe has a moment, which may be another day than in UTC.
        on = day(payment.entry.occurred_at) if payment.entry else payment.received_on
        yield StatementLine(on, text, reference, -payment.amount)
    taken_back = PaymentReversal.objects.filter(
        payment__workspace=workspace, payment__currency=currency
    ).select_related("payment")
    for reversal in taken_back.order_by("created_at"):
        payment = reversal.payment
        text = f"Payment taken back, {payment.get_way_display().lower()}"
        yield StatementLine(reversal.on, text, payment.reference or "–", payment.amount)
    for invoice in invoices:
        if invoice.status == Invoice.Status.VOID and invoice.voided_at:
            text = "Invoice is void"
            yield StatementLine(day(invoice.voided_at), text, invoice.number, -invoice.amount)
    notes = CreditNote.objects.filter(CreditNote.NUMBERED, workspace=workspace, currency=currency)
    for note in notes.order_by("number"):
        assert note.issued_at is not None
        issued, number = day(note.issued_at), str(note.number)
        yield StatementLine(issued, "Credit note", number, -note.total)
        if note.to_out_of_band:
            yield StatementLine(issued, "Sent back", number, note.to_out_of_band)
        if note.is_void and note.voided_at:
            text = "Credit note is void"
            yield StatementLine(day(note.voided_at), text, number, note.total)
    refunds = PaymentEntry.objects.filter(
        invoice__workspace=workspace, invoice__currency=currency, kind=PaymentEntry.Kind.REFUND
    ).exclude(status__in=REFUNDS_THAT_CAME_TO_NOTHING)
    for refund in refunds.order_by("occurred_at"):
        text = "Refund, Stripe"
        yield StatementLine(day(refund.occurred_at), text, refund.stripe_id, refund.amount)
    chargebacks = Chargeback.objects.filter(workspace=workspace, currency=currency)
    for chargeback in chargebacks.select_related("invoice").order_by("opened_at"):
        yield from _of_chargeback(chargeback, day)
    paid_out = CreditEntry.objects.filter(
        workspace=workspace, currency=currency, kind=CreditEntry.Kind.PAID_OUT
    )
    for entry in paid_out.order_by("position"):
        yield StatementLine(entry.on, "Credit paid out", entry.reference, -entry.amount)


def _of_chargeback(
    chargeback: Chargeback, day: Callable[[dt.datetime], dt.date]
) -> Iterator[StatementLine]:
    """The bank took the money; it is back, or lost and no longer asked for by this invoice."""
    if not chargeback.took_money:
        return
    amount, name = chargeback.amount, chargeback.stripe_id
    text = "Payment charged back, Stripe"
    yield StatementLine(day(chargeback.opened_at), text, name, amount, charged_back=amount)
    if chargeback.closed_at is not None:
        end = "Chargeback lost, written off"
        if chargeback.status == "won":
            end = "Chargeback won, payment is back"
        elif chargeback.decision != Chargeback.Decision.WRITE_OFF:
            end = "Chargeback lost"
        yield StatementLine(day(chargeback.closed_at), end, name, -amount, charged_back=-amount)
    if chargeback.asked_again and chargeback.decided_at is not None:
        text, number = "Chargeback asked for again", chargeback.invoice.number
        yield StatementLine(day(chargeback.decided_at), text, number, chargeback.asked_again)

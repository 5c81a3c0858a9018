"""A customer's statement: what was asked for and what came, between two balances.

A balance above zero is owed by the customer, below zero it is to their credit. Invoices and money
that goes back raise it, payments and credit notes lower it. A void invoice is in it until it is
void; days are the workspace's.
"""

import csv
import datetime as dt
import io
from collections.abc import Iterator
from dataclasses import dataclass
from decimal import Decimal

from billing.models import Workspace
from billing.money import ZERO, without_exponent
from invoices.models import CreditNote, Invoice
from invoices.payments.models import CreditEntry, Payment, PaymentEntry
from invoices.payments.services.settle.payment_entries import REFUNDS_THAT_CAME_TO_NOTHING

# Of one day: what is asked for, what pays it, what is taken back, and what goes back then.
_ORDER = ("Invoice", "Payment", "Invoice is void", "Credit note")


@dataclass(frozen=True)
class StatementLine:
    """`amount` raises the balance, below zero lowers it; `balance` is the one after it."""

    day: dt.date
    text: str
    reference: str
    amount: Decimal
    balance: Decimal = ZERO


@dataclass(frozen=True)
class Statement:
    workspace: Workspace
    currency: str
    first: dt.date
    last: dt.date
    opening: Decimal
    lines: list[StatementLine]

    @property
    def closing(self) -> Decimal:
        return self.lines[-1].balance if self.lines else self.opening


def statement(workspace: Workspace, *, first: dt.date, last: dt.date) -> Statement:
    """All that moved the balance from `first` to `last`, both included, oldest first."""
    opening, lines = ZERO, []
    balance = ZERO
    moves = sorted(_moves(workspace), key=_in_order)
    for line in moves:
        if line.day > last:
            break
        balance += line.amount
        if line.day < first:
            opening = balance
        else:
            lines.append(StatementLine(line.day, line.text, line.reference, line.amount, balance))
    return Statement(workspace, workspace.currency, first, last, opening, lines)


def statement_csv(made: Statement) -> str:
    """With a byte order mark, as spreadsheets want it; a reference never becomes a formula."""
    out = io.StringIO()
    out.write("\ufeff")
    writer = csv.writer(out)
    writer.writerow(["date", "text", "reference", "amount", "balance", "currency"])
    writer.writerow([made.first, "Opening balance", "", "", _plain(made.opening), made.currency])
    for line in made.lines:
        writer.writerow(
            [
                line.day,
                line.text,
                _safe(line.reference),
                _plain(line.amount),
                _plain(line.balance),
                made.currency,
            ]
        )
    writer.writerow([made.last, "Closing balance", "", "", _plain(made.closing), made.currency])
    return out.getvalue()


def _in_order(line: StatementLine) -> tuple[dt.date, int, str]:
    kind = line.text.partition(",")[0]
    return line.day, _ORDER.index(kind) if kind in _ORDER else len(_ORDER), line.reference


def _moves(workspace: Workspace) -> Iterator[StatementLine]:
    zone, currency = workspace.zone, workspace.currency

    def day(at: dt.datetime) -> dt.date:
        return at.astimezone(zone).date()

    for invoice in Invoice.objects.filter(workspace=workspace, currency=currency):
        yield StatementLine(day(invoice.issued_at), "Invoice", invoice.number, invoice.amount)
        if invoice.status == Invoice.Status.VOID and invoice.voided_at:
            text = "Invoice is void"
            yield StatementLine(day(invoice.voided_at), text, invoice.number, -invoice.amount)
    for payment in Payment.objects.filter(workspace=workspace, currency=currency):
        way = payment.get_way_display()
        text = f"Payment, {way if payment.way == Payment.Way.STRIPE else way.lower()}"
        reference = payment.reference or "–"
        yield StatementLine(payment.received_on, text, reference, -payment.amount)
    notes = CreditNote.objects.filter(workspace=workspace, currency=currency, status="issued")
    for note in notes:
        assert note.issued_at is not None
        issued, number = day(note.issued_at), str(note.number)
        yield StatementLine(issued, "Credit note", number, -note.total)
        if note.to_out_of_band:
            yield StatementLine(issued, "Sent back", number, note.to_out_of_band)
    refunds = PaymentEntry.objects.filter(
        invoice__workspace=workspace, invoice__currency=currency, kind=PaymentEntry.Kind.REFUND
    ).exclude(status__in=REFUNDS_THAT_CAME_TO_NOTHING)
    for refund in refunds:
        text = "Refund, Stripe"
        yield StatementLine(day(refund.occurred_at), text, refund.stripe_id, refund.amount)
    paid_out = CreditEntry.objects.filter(
        workspace=workspace, currency=currency, kind=CreditEntry.Kind.PAID_OUT
    )
    for entry in paid_out:
        yield StatementLine(entry.on, "Credit paid out", entry.reference, -entry.amount)


def _plain(amount: Decimal) -> str:
    return without_exponent(amount)


def _safe(text: str) -> str:
    return f"'{text}" if text[:1] in "=+-@\t\r\uff1d\uff0b\uff0d\uff20" else text

"""Dialogs about money that several pages have: what they hand to a service, and what came of it."""

from typing import Any
from uuid import UUID

from django.http import HttpRequest
from django.utils import timezone as clock

from billing.formats import money
from invoices.models import CreditNote
from invoices.payments.admin.forms import TakeBackForm
from invoices.payments.models import InvoiceAction, Payment
from invoices.payments.services.taking_back import take_back_payment

# What was asked of Stripe about an invoice, for whoever has asked.
OUTCOMES = {
    InvoiceAction.Status.DONE: "done.",
    InvoiceAction.Status.WAITING: "asked of Stripe; the history shows the answer.",
}


def received(request: HttpRequest, given: dict[str, Any]) -> dict[str, Any]:
    """What every dialog about a payment asks alike, as its service takes it."""
    return {
        "way": given["way"],
        "received_on": given["on"],
        "reference": given["reference"],
        "key": given["key"],
        "recorded_by": str(request.user),
        "now": clock.now(),
    }


def take_back(request: HttpRequest, form: TakeBackForm) -> str:
    """Take the chosen payment back, and say what is open again."""
    reversal = take_back_payment(
        payment_id=UUID(form.cleaned_data["payment"]),
        reason=form.cleaned_data["reason"],
        taken_back_by=str(request.user),
        now=clock.now(),
    )
    payment = reversal.payment
    said = [
        f"{money(share.invoice.amount_open, payment.currency)} of {share.invoice.number} is open"
        for share in payment.allocations.select_related("invoice")
    ]
    if payment.amount_to_credit:
        said.append(f"{money(payment.amount_to_credit, payment.currency)} is off the credit")
    return f"{money(payment.amount, payment.currency)} taken back: {'; '.join(said)}."


def what_it_paid(payment: Payment) -> str:
    """What became of a payment, for whoever has recorded it."""
    said = [
        f"{money(each.amount, payment.currency)} for {each.invoice.number}"
        + ("" if each.invoice.amount_open else ", which is paid")
        for each in payment.allocations.select_related("invoice")
    ]
    if payment.amount_to_credit:
        said.append(f"{money(payment.amount_to_credit, payment.currency)} to the customer's credit")
    return f"{money(payment.amount, payment.currency)} recorded: {'; '.join(said)}."


def what_it_gave(note: CreditNote) -> str:
    """Where the money of an issued credit note goes, for whoever has issued it."""
    return f"{note.number} is issued: {', '.join(where_it_goes(note))}."


def where_it_goes(note: CreditNote) -> list[str]:
    """The parts of an issued note's money, each with its place."""
    places = [
        (note.to_open, f"taken off {note.invoice.number}"),
        (note.to_refund, "refunded through Stripe"),
        (note.to_credit, "to the customer's credit"),
        (note.to_out_of_band, "for you to send back"),
    ]
    return [f"{money(amount, note.currency)} {where}" for amount, where in places if amount]

"""What has happened to an invoice and what comes next, as its owner reads it."""

import datetime as dt
from collections.abc import Iterable
from dataclasses import dataclass

from django.utils.translation import gettext as _

from billing.formats import long_date, word
from invoices.event_details import event_detail
from invoices.models import Invoice, InvoiceEvent
from invoices.queries import in_order

_Status = Invoice.Status
_Kind = InvoiceEvent.Kind
_BAD = (
    _Kind.PAYMENT_FAILED,
    _Kind.NO_PAYMENT_METHOD,
    _Kind.OVERDUE,
    _Kind.SUSPENDED,
    _Kind.UNCOLLECTIBLE,
    _Kind.DISPUTE,
)
# Told by the invoice itself, or of no interest to who has to pay it.
_LEFT_OUT = (_Kind.OPENED, *InvoiceEvent.FOR_STAFF_ONLY)


@dataclass(frozen=True)
class Milestone:
    """`state` is done, bad or next; `at` a time, or `day` one of the workspace's calendar."""

    state: str
    title: str
    text: str = ""
    at: dt.datetime | None = None
    day: dt.date | None = None


def timeline(
    invoice: Invoice, events: Iterable[InvoiceEvent], *, lacks_payment_method: bool
) -> list[Milestone]:
    """Oldest first; what has not happened yet comes last."""
    period = invoice.billing_period
    steps = (
        [Milestone("done", _("Period ended"), period.label, period.period_end)] if period else []
    )
    steps += [
        Milestone(
            "done",
            _("Issued"),
            _("To {email}").format(email=invoice.bill_to_email),
            invoice.issued_at,
        ),
    ]
    steps += [
        Milestone(
            "bad" if event.kind in _BAD else "done",
            word(event.get_kind_display()),
            event_detail(event, invoice.currency),
            event.at,
        )
        for event in in_order(events)
        if event.kind not in _LEFT_OUT
    ]
    if invoice.carried_over and invoice.status == _Status.OPEN:
        steps.append(
            Milestone("next", _("Charged with your next invoice"), _("Too small by itself"))
        )
    elif invoice.status in (_Status.DRAFT, *Invoice.AWAITED):
        title = _("Charged by itself") if invoice.is_charged_automatically else _("To be paid")
        if lacks_payment_method:
            title = _("Charged as soon as there is a payment method")
        steps.append(Milestone("next", title, _("At the latest"), day=invoice.due_date))
    elif invoice.status == _Status.OVERDUE:
        steps.append(
            Milestone("next", _("To be paid"), _("Pay it now, or choose another payment method"))
        )
    return steps


@dataclass(frozen=True)
class StatusBanner:
    """What an invoice's status means to who has to pay it."""

    tone: str
    title: str
    text: str


def banner_of(invoice: Invoice, *, declined: bool, today: dt.date) -> StatusBanner | None:
    """None where the status says it all. `declined` is whether a payment for it has failed."""
    can_pay = bool(invoice.hosted_invoice_url)
    match invoice.status:
        case _Status.DRAFT:
            return StatusBanner("", _("It is being prepared."), _("Then it can be paid here."))
        case _Status.UNCOLLECTIBLE:
            text = (
                _("We no longer ask for it. It is still owed, and can be paid here.")
                if can_pay
                else _("We no longer ask for it. It is still owed; write to us to pay it.")
            )
            return StatusBanner("warn", _("This invoice was written off."), text)
        case _Status.OPEN | _Status.PARTLY_PAID | _Status.OVERDUE if declined:
            text = _("Pay it here with another card.") if can_pay else _("Write to us to pay it.")
            return StatusBanner("bad", _("A payment for it was declined."), text)
        case _Status.OVERDUE:
            text = _("It was due on {day}.").format(day=long_date(invoice.due_date))
            return StatusBanner(
                "bad", _("It is overdue."), text if invoice.due_date < today else ""
            )
    return None

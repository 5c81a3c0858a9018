"""Events about an invoice itself."""

import datetime as dt

from billing import months
from invoices.models import Invoice
from invoices.payments.services import settle
from invoices.payments.services.payloads import (
    attempt_key,
    find_invoice,
    id_in_metadata,
    paid_at,
    text,
)
from invoices.payments.webhooks.events import EventTooEarly, Outcome, StripeEvent

# An event for an invoice that is not stored here by then is another installation's.
_MAY_STILL_COME = dt.timedelta(hours=1)


def finalized(event: StripeEvent) -> Outcome:
    return _outcome(event, _our_invoice(event), "open")


def paid(event: StripeEvent) -> Outcome:
    invoice = _our_invoice(event)
    if invoice is not None:
        settle.note_paid_in_stripe(
            invoice,
            event.object,
            paid_at=min(paid_at(event.object, default=event.created), event.now),
            now=event.now,
            source=event.source,
        )
    return _outcome(event, invoice, "paid")


def payment_failed(event: StripeEvent) -> Outcome:
    invoice = _our_invoice(event)
    if invoice is not None:
        attempt = event.object.get("attempt_count")
        settle.note_payment_failure(
            invoice_id=invoice.pk,
            at=event.created,
            now=event.now,
            source=event.source,
            key=attempt_key(event.object, default=event.id),
            detail=f"Attempt {attempt}." if isinstance(attempt, int) else "",
        )
    return _outcome(event, invoice, "payment failed", doubtful=True)


def overdue(event: StripeEvent) -> Outcome:
    invoice = _our_invoice(event)
    if invoice is not None and _is_due_on(event.now, invoice):
        return _outcome(event, invoice, "due today")
    if invoice is not None:
        settle.mark_overdue(
            invoice_id=invoice.pk, now=event.now, reason="past_due", source=event.source
        )
    return _outcome(event, invoice, "overdue", doubtful=True)


def _is_due_on(now: dt.datetime, invoice: Invoice) -> bool:
    """Stripe counts days from the hour of its finalization; ours has until midnight to be paid.

    The schedule says so the next day.
    """
    return months.local_date(now, invoice.workspace.zone) == invoice.due_date


def voided(event: StripeEvent) -> Outcome:
    invoice = _our_invoice(event)
    if invoice is not None:
        settle.mark_void(invoice_id=invoice.pk, now=event.now, source=event.source)
    return _outcome(event, invoice, "void")


def marked_uncollectible(event: StripeEvent) -> Outcome:
    invoice = _our_invoice(event)
    if invoice is not None:
        settle.mark_uncollectible(invoice_id=invoice.pk, now=event.now, source=event.source)
    return _outcome(event, invoice, "uncollectible", doubtful=True)


def finalization_failed(event: StripeEvent) -> Outcome:
    invoice = find_invoice(event.account, event.object)
    if invoice is not None:
        error = event.object.get("last_finalization_error")
        settle.note_finalization_failure(
            invoice_id=invoice.pk,
            at=event.created,
            now=event.now,
            source=event.source,
            key=event.id,
            detail=text(error.get("message")) if isinstance(error, dict) else "",
        )
    return _outcome(event, invoice, "finalization failed")


def _our_invoice(event: StripeEvent) -> Invoice | None:
    """Our invoice, tied to its counterpart: these events all tell that Stripe finalized it.

    Raises `EventTooEarly` for one that its metadata calls ours and that is not stored yet.
    """
    invoice = find_invoice(event.account, event.object)
    if invoice is None:
        _refuse_if_too_early(event)
    elif invoice.status == Invoice.Status.DRAFT or not invoice.stripe_invoice_id:
        settle.mark_open(
            invoice_id=invoice.pk,
            stripe_invoice_id=text(event.object["id"]),
            hosted_invoice_url=text(event.object.get("hosted_invoice_url")),
            now=event.now,
            source=event.source,
        )
    return invoice


def _refuse_if_too_early(event: StripeEvent) -> None:
    invoice_id = id_in_metadata(event.object, "invoice_id")
    if invoice_id is None or event.now - event.created > _MAY_STILL_COME:
        return
    if not Invoice.objects.filter(pk=invoice_id).exists():
        raise EventTooEarly(f"{event.type} {event.id}: invoice {invoice_id} is not stored here yet")


def _outcome(
    event: StripeEvent, invoice: Invoice | None, what: str, *, doubtful: bool = False
) -> Outcome:
    """`doubtful`: a later event may have changed it already, so Stripe is asked how it is now."""
    stripe_id = text(event.object.get("id"))
    if invoice is None:
        return Outcome(f"invoice {stripe_id} is not ours")
    return Outcome(f"{invoice.number}: {what}", stripe_invoice_id=stripe_id if doubtful else "")

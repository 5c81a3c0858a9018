"""Telling Stripe what was paid outside of it, so that it charges only the rest.

Stripe keeps such money as a payment record that is attached to its invoice: its amount remaining
goes down, and at zero it is paid. `docs/adr/0034-payments-outside-of-stripe.md` says why.
"""

import datetime as dt
import logging
from uuid import UUID

from billing.models import DurableWork
from billing.services.work import Busy, Claim, LeaseLost, WorkKind
from invoices.models import Invoice
from invoices.payments.models import CreditNoteSync, PaymentAllocation, ReportedPayment
from invoices.payments.services import lookups, stripe_client
from invoices.payments.services.settle.taking_back import stripe_was_ahead
from invoices.payments.services.stripe_client import StripeObject
from invoices.payments.services.stripe_errors import StripeFailure, StripeRefused, StripeUnavailable
from invoices.payments.services.stripe_requests import perform
from invoices.payments.services.stripe_units import stripe_minor

log = logging.getLogger(__name__)

# Tried for ever: until Stripe knows, it would charge too much.
REPORTS = WorkKind(
    ReportedPayment,
    task="payments.report_payment",
    first_wait=dt.timedelta(seconds=8),
    longest_wait=dt.timedelta(hours=1),
)
_CREDIT = "Credit"


def report_allocation(allocation: PaymentAllocation, *, now: dt.datetime) -> None:
    """Have Stripe told, inside the caller's transaction, of what it does not count yet."""
    told_already = stripe_was_ahead(allocation)
    if told_already >= allocation.amount:
        return
    report = ReportedPayment.objects.create(
        invoice=allocation.invoice,
        allocation=allocation,
        amount=allocation.amount - told_already,
        requested_at=now,
        next_attempt_at=now,
    )
    REPORTS.start(report.pk)


def has_unreported(invoice_id: UUID) -> bool:
    """Whether Stripe would charge more than is open."""
    return (
        ReportedPayment.objects.filter(DurableWork.UNFINISHED, invoice=invoice_id).exists()
        or CreditNoteSync.objects.filter(
            DurableWork.UNFINISHED, credit_note__invoice=invoice_id
        ).exists()
    )


def report_payments(*, invoice_id: UUID, now: dt.datetime) -> None:
    """Before Stripe charges for an invoice: tell it what was paid of that elsewhere.

    Raises `StripeUnavailable` while it would charge more than is open.
    """
    waiting = ReportedPayment.objects.filter(
        invoice=invoice_id, status=DurableWork.Status.WAITING
    ).order_by("requested_at")
    for pk in waiting.values_list("pk", flat=True):
        REPORTS.rows.filter(pk=pk, next_attempt_at__gt=now).update(next_attempt_at=now)
        report_payment(report_id=pk, now=now)
    if has_unreported(invoice_id):
        raise StripeUnavailable("Stripe does not know yet of what was paid or credited of it.")


def report_payment(*, report_id: UUID, now: dt.datetime) -> None:
    """Make the payment record and attach it, as far as that goes now; again changes nothing."""
    try:
        with REPORTS.claimed(report_id, now) as claim:
            _report(claim)
    except (Busy, LeaseLost):
        return


def _report(claim: Claim[ReportedPayment]) -> None:
    report = claim.row
    invoice = report.invoice
    if invoice.stripe_invoice_id is None:
        if invoice.status in (Invoice.Status.PAID, Invoice.Status.VOID):
            claim.done()  # it ended before it got there
        else:
            claim.retry_later("The invoice is not in Stripe yet.")
        return
    try:
        found = stripe_client.get(
            invoice.stripe_account, f"/v1/invoices/{invoice.stripe_invoice_id}"
        )
        if report.attached_at is None and found.get("status") in ("open", "uncollectible"):
            _make_record(claim)
            _attach(claim)
    except StripeUnavailable as error:
        claim.retry_later(error.detail, at_least=error.retry_after)
    except StripeRefused as error:
        if not _paid_out_of_band(claim):
            claim.block(DurableWork.Reason.REFUSED, error.detail)
            return
        claim.done()
    else:
        claim.done()


def _make_record(claim: Claim[ReportedPayment]) -> None:
    report = claim.row
    if report.stripe_id:
        return
    record = perform(
        report,
        account=report.invoice.stripe_account,
        lease=claim.lease,
        clock=claim.clock,
        key=f"report/{report.pk}",
        path="/v1/payment_records/report_payment",
        params=lambda: _params(report),
        look_up=lambda: lookups.payment_record_of(
            report.invoice.stripe_account,
            report_id=report.pk,
            since=report.started_at or report.requested_at,
        ),
    )
    report.stripe_id = record["id"]
    report.done_at = claim.clock()
    report.save(update_fields=["stripe_id", "done_at"])


def _attach(claim: Claim[ReportedPayment]) -> None:
    """Looked up before each try: what is attached already is not attached twice."""
    report = claim.row
    account = report.invoice.stripe_account
    attached = stripe_client.get(
        account,
        "/v1/invoice_payments",
        {"payment": {"type": "payment_record", "payment_record": report.stripe_id}},
    )
    if not attached["data"]:
        stripe_client.post(
            account,
            f"/v1/invoices/{report.invoice.stripe_invoice_id}/attach_payment",
            {"payment_record": report.stripe_id},
            key=f"report/{report.pk}/attach/{claim.lease.token}",
        )
    claim.lease.renew(claim.clock())
    report.attached_at = claim.clock()
    report.save(update_fields=["attached_at"])


def _paid_out_of_band(claim: Claim[ReportedPayment]) -> bool:
    """Where Stripe takes no payment records, what is paid in full is at least marked so there."""
    report = claim.row
    report.invoice.refresh_from_db(fields=["status"])
    if report.invoice.status != Invoice.Status.PAID:
        return False
    account, path = (
        report.invoice.stripe_account,
        f"/v1/invoices/{report.invoice.stripe_invoice_id}",
    )
    try:
        if stripe_client.get(account, path).get("status") in ("open", "uncollectible"):
            stripe_client.post(
                account,
                f"{path}/pay",
                {"paid_out_of_band": True},
                key=f"report/{report.pk}/pay/{claim.lease.token}",
            )
    except StripeFailure as error:
        log.warning("invoice %s cannot be paid in Stripe: %s", report.invoice_id, error)
        return False
    return True


def _params(report: ReportedPayment) -> StripeObject:
    payment = report.allocation.payment if report.allocation else None
    at = int(report.requested_at.timestamp())
    reference = (payment.reference if payment else "") or str(report.pk)
    return {
        "amount_requested": {
            "currency": report.invoice.currency.lower(),
            "value": stripe_minor(report.amount, report.invoice.currency),
        },
        "initiated_at": at,
        "outcome": "guaranteed",
        "guaranteed": {"guaranteed_at": at},
        "payment_method_details": {
            "type": "custom",
            "custom": {"display_name": payment.get_way_display() if payment else _CREDIT},
        },
        "processor_details": {"type": "custom", "custom": {"payment_reference": reference}},
        "description": f"{report.invoice.number}: {payment or _CREDIT}",
        "metadata": {
            "report_id": str(report.pk),
            "invoice_id": str(report.invoice_id),
            "payment_id": str(payment.pk) if payment else "",
        },
    }

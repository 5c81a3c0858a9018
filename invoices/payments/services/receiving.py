"""Payments that finance records: a bank transfer, or money that came another way.

Recording is one transaction and needs no Stripe: the money is here. What Stripe would still charge
for the invoice is told to it afterwards (`reporting`).
"""

import datetime as dt
from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal
from uuid import UUID

from django.db import transaction

from billing.errors import Conflict, Invalid, NotFound
from billing.models import Workspace
from billing.money import ZERO, exponent, from_minor, to_minor
from invoices.models import Invoice
from invoices.payments.models import Payment
from invoices.payments.services import settle
from invoices.payments.services.reporting import report_allocation
from invoices.payments.services.settle.received import (
    allocate,
    keep_what_is_over,
    note_part_payment,
)
from invoices.services.history import locked_invoice

Status = Invoice.Status
# By hand: what Stripe collects, Stripe tells.
WAYS = (Payment.Way.BANK_TRANSFER, Payment.Way.OTHER)
PAYABLE = (Status.DRAFT, *Invoice.UNPAID, Status.UNCOLLECTIBLE)


class NotPayable(Conflict):
    """Nothing is to be paid for the invoice, or not by itself."""

    code = "not_payable"


class PaymentKeyReused(Conflict):
    """The key names a payment that was recorded with other facts."""

    code = "idempotency_key_reused"


@dataclass(frozen=True)
class PaymentShare:
    """What of a payment is for which invoice; as much as is open where `amount` is None."""

    invoice_id: UUID
    amount: Decimal | None = None


def record_payment(
    *,
    workspace_id: UUID,
    amount: Decimal,
    way: str,
    received_on: dt.date,
    reference: str,
    recorded_by: str,
    now: dt.datetime,
    shares: Sequence[PaymentShare] | None = None,
    currency: str = "",
    reason: str = "",
    key: str = "",
) -> Payment:
    """Record money that came, and have it pay `shares`; without, what is due first.

    What pays no invoice becomes the customer's credit. `key` names the payment: again it is the
    same one. Raises `Invalid`, `NotFound`, `NotPayable` and `PaymentKeyReused`.
    """
    with transaction.atomic():
        workspace = Workspace.objects.select_for_update(no_key=True).filter(pk=workspace_id).first()
        if workspace is None:
            raise NotFound(f"There is no workspace {workspace_id}.")
        payment = Payment(
            workspace=workspace,
            way=way,
            currency=(currency or workspace.currency).upper(),
            amount=amount,
            received_on=received_on,
            reference=reference.strip(),
            reason=reason.strip(),
            key=key,
            recorded_by=recorded_by[:254],
            created_at=now,
        )
        if known := _known(payment):
            return known
        _check(payment, now)
        if shares is None:
            shares = _oldest_first(payment)
        payment.save(force_insert=True)
        for share in shares:
            _pay(payment, share, now)
        keep_what_is_over(payment, now=now, source=recorded_by)
        return payment


def pay_in_full(
    *,
    invoice_id: UUID,
    way: str,
    received_on: dt.date,
    reference: str,
    reason: str,
    recorded_by: str,
    now: dt.datetime,
    key: str = "",
) -> Payment:
    """Record that what is open of an invoice has come outside of Stripe.

    Raises `NotPayable`, `PaymentKeyReused`, and `Invalid` without a reason.
    """
    if not reason.strip():
        raise Invalid("Say how it is known.", field="reason", code="required")
    with locked_invoice(invoice_id) as invoice:
        known = Payment.objects.filter(workspace=invoice.workspace_id, key=key).first()
        if key and known is not None:
            if not known.allocations.filter(invoice=invoice).exists():
                raise PaymentKeyReused(f"{key} names a payment of another invoice.")
            return known
        _require_payable(invoice)
        return record_payment(
            workspace_id=invoice.workspace_id,
            amount=invoice.amount_open,
            currency=invoice.currency,
            way=way,
            received_on=received_on,
            reference=reference,
            reason=reason,
            recorded_by=recorded_by,
            shares=[PaymentShare(invoice_id)],
            key=key,
            now=now,
        )


def _known(payment: Payment) -> Payment | None:
    """The payment that was recorded under this key before."""
    if not payment.key:
        return None
    known = Payment.objects.filter(workspace=payment.workspace, key=payment.key).first()
    facts = ("way", "currency", "amount", "received_on", "reference")
    if known is not None and any(getattr(known, name) != getattr(payment, name) for name in facts):
        raise PaymentKeyReused(f"{payment.key} names another payment, of {known.amount:f}.")
    return known


def _check(payment: Payment, now: dt.datetime) -> None:
    if payment.way not in WAYS:
        raise Invalid("A payment is recorded by bank_transfer or other.", field="way")
    billed = Invoice.objects.filter(workspace=payment.workspace, currency=payment.currency)
    if payment.currency != payment.workspace.currency and not billed.exists():
        # Nothing could ever take it up, and nobody could pay it out.
        raise Invalid(
            f"Nothing is billed in {payment.currency}.", field="currency", code="other_currency"
        )
    if not payment.amount.is_finite() or payment.amount <= 0:
        raise Invalid("A payment is more than zero.", field="amount")
    minor = from_minor(to_minor(payment.amount, payment.currency), payment.currency)
    if minor != payment.amount:
        places = exponent(payment.currency)
        raise Invalid(
            f"{payment.currency} has {places} decimals.", field="amount", code="too_many_decimals"
        )
    if not payment.reference:
        raise Invalid("Name it as the bank does.", field="reference", code="required")
    today = now.astimezone(payment.workspace.zone).date()
    if payment.received_on > today + dt.timedelta(days=1):
        raise Invalid("It has not come yet.", field="received_on", code="in_the_future")
    if payment.received_on < today - dt.timedelta(days=3660):
        raise Invalid("That is more than ten years ago.", field="received_on", code="too_old")


def _oldest_first(payment: Payment) -> list[PaymentShare]:
    unpaid = Invoice.objects.filter(
        workspace=payment.workspace,
        currency=payment.currency,
        status__in=(Status.DRAFT, *Invoice.UNPAID),
        carried_over=0,
    )
    # One that credit pays in full stays unpaid until Stripe has heard of it.
    return [
        PaymentShare(each.pk) for each in unpaid.order_by("due_date", "number") if each.amount_open
    ]


def _pay(payment: Payment, share: PaymentShare, now: dt.datetime) -> None:
    if payment.amount_left <= 0 and share.amount is None:
        return
    with locked_invoice(share.invoice_id) as invoice:
        if invoice.workspace_id != payment.workspace_id:
            raise NotFound(f"There is no invoice {share.invoice_id} of this workspace.")
        _require_payable(invoice)
        if invoice.currency != payment.currency:
            raise Invalid(
                f"{invoice.number} is in {invoice.currency}.",
                field="currency",
                code="other_currency",
            )
        wanted = invoice.amount_open if share.amount is None else share.amount
        if share.amount is not None and not 0 < wanted <= min(
            invoice.amount_open, payment.amount_left
        ):
            raise Invalid(
                f"{invoice.number} has {invoice.amount_open:f} open, and {payment.amount_left:f}"
                " of the payment is left.",
                field="invoices",
                code="more_than_open",
            )
        allocation = allocate(payment, invoice, wanted, now=now)
        if allocation is None:
            return
        report_allocation(allocation, now=now)
        source = payment.recorded_by
        if invoice.amount_open:
            note_part_payment(allocation, now=now, source=source)
        else:
            settle.mark_paid(
                invoice_id=invoice.pk,
                paid_at=now,
                now=now,
                source=f"{source}: {payment.get_way_display().lower()} {payment.reference}",
            )


def _require_payable(invoice: Invoice) -> None:
    if invoice.carried_over:
        raise NotPayable(f"{invoice.number} is charged with the next invoice.")
    if invoice.status not in PAYABLE or invoice.amount_open <= ZERO:
        raise NotPayable(
            f"{invoice.number} is {invoice.get_status_display().lower()}: nothing is to be paid."
        )

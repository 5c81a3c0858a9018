"""A customer's credit: what it grows by, what it is spent on, and what is paid out of it."""

import datetime as dt
from collections.abc import Sequence
from decimal import ROUND_FLOOR, Decimal
from uuid import UUID

from django.db.models import F

from billing.compiled import CompiledQuery
from billing.formats import money
from billing.models import Workspace
from billing.money import ZERO, charge_step
from invoices.models import Invoice, InvoiceEvent
from invoices.payments.models import CreditEntry, Payment, ReportedPayment
from invoices.services.history import record

Kind = CreditEntry.Kind
_balance = CompiledQuery[Decimal](
    lambda workspace_id, currency: (
        CreditEntry.objects.filter(workspace=workspace_id, currency=currency)
        .order_by("-position")
        .values_list("balance", flat=True)[:1]
    )
)


def credit_balance(workspace_id: UUID, currency: str) -> Decimal:
    """What the customer has to its credit."""
    return _balance.first(workspace_id, currency) or ZERO


def add_credit(
    *,
    workspace_id: UUID,
    currency: str,
    amount: Decimal,
    on: dt.date,
    now: dt.datetime,
    source: str,
    payment: Payment | None = None,
    reference: str = "",
    reason: str = "",
    key: str = "",
) -> CreditEntry:
    """More credit, from an overpayment or a credit note. The workspace must be locked."""
    return _append(
        workspace_id,
        currency,
        Kind.OVERPAYMENT if payment else Kind.CREDIT_NOTE,
        amount,
        payment=payment,
        reference=reference,
        reason=reason,
        key=key,
        on=on,
        source=source,
        now=now,
    )


def spend_credit(invoice_ids: Sequence[UUID], *, now: dt.datetime) -> None:
    """Take what customers have to their credit off their new invoices, inside the caller's
    transaction, which has locked their workspaces."""
    with_credit = dict(
        CreditEntry.objects.filter(
            workspace__invoices__in=invoice_ids, workspace__invoices__currency=F("currency")
        )
        .order_by("workspace_id", "currency", "-position")
        .distinct("workspace_id", "currency")
        .values_list("workspace_id", "balance")
    )
    owners = [workspace for workspace, balance in with_credit.items() if balance > 0]
    if not owners:
        return
    invoices = Invoice.objects.filter(pk__in=invoice_ids, workspace__in=owners)
    for invoice in invoices.select_related("workspace").order_by("issued_at", "number"):
        _spend(invoice, now)


def return_credit(invoice: Invoice, *, now: dt.datetime, source: str) -> None:
    """What a locked invoice that is to be void has used is the customer's again."""
    if invoice.credit_used <= 0:
        return
    _append(
        invoice.workspace_id,
        invoice.currency,
        Kind.RETURNED,
        invoice.credit_used,
        invoice=invoice,
        on=_day(invoice.workspace, now),
        source=source,
        now=now,
    )
    invoice.refresh_from_db(fields=["credit_used"])


def take_credit(
    *,
    workspace_id: UUID,
    currency: str,
    amount: Decimal,
    on: dt.date,
    reference: str,
    reason: str,
    key: str,
    now: dt.datetime,
    source: str,
    kind: CreditEntry.Kind = Kind.PAID_OUT,
) -> CreditEntry:
    """Credit that is paid out, or that a void credit note had added.

    The workspace must be locked and have it.
    """
    return _append(
        workspace_id,
        currency,
        kind,
        -amount,
        reference=reference,
        reason=reason,
        key=key,
        on=on,
        source=source,
        now=now,
    )


def take_back_credit(
    payment: Payment, *, on: dt.date, reason: str, now: dt.datetime, source: str
) -> CreditEntry:
    """What was over of a payment that is taken back. The workspace must be locked and have it."""
    return _append(
        payment.workspace_id,
        payment.currency,
        Kind.TAKEN_BACK,
        -payment.amount_to_credit,
        payment=payment,
        reference=payment.reference,
        reason=reason,
        on=on,
        source=source,
        now=now,
    )


def _spend(invoice: Invoice, now: dt.datetime) -> None:
    balance = credit_balance(invoice.workspace_id, invoice.currency)
    step = charge_step(invoice.currency)
    most = min(balance, invoice.amount_open)
    used = (most / step).to_integral_value(rounding=ROUND_FLOOR) * step
    if used <= 0:
        return
    entry = _append(
        invoice.workspace_id,
        invoice.currency,
        Kind.SPENT,
        -used,
        invoice=invoice,
        on=_day(invoice.workspace, now),
        source=invoice.number,
        now=now,
    )
    ReportedPayment.objects.create(
        invoice=invoice,
        credit_entry=entry,
        amount=used,
        requested_at=now,
        next_attempt_at=now,
    )
    record(
        invoice,
        InvoiceEvent.Kind.CREDIT_USED,
        at=now,
        source="month end" if invoice.billing_period_id else "its issue",
        detail=f"{money(used, invoice.currency)} of your credit is taken off it.",
    )


def _append(
    workspace_id: UUID,
    currency: str,
    kind: CreditEntry.Kind,
    amount: Decimal,
    *,
    now: dt.datetime,
    source: str,
    **fields: object,
) -> CreditEntry:
    last = _last(workspace_id, currency)
    return CreditEntry.objects.create(
        workspace_id=workspace_id,
        currency=currency,
        kind=kind,
        amount=amount,
        position=last.position + 1 if last else 1,
        balance=(last.balance if last else ZERO) + amount,
        source=source[:200],
        created_at=now,
        **fields,
    )


def _last(workspace_id: UUID, currency: str) -> CreditEntry | None:
    return (
        CreditEntry.objects.filter(workspace=workspace_id, currency=currency)
        .order_by("-position")
        .first()
    )


def _day(workspace: Workspace, now: dt.datetime) -> dt.date:
    return now.astimezone(workspace.zone).date()

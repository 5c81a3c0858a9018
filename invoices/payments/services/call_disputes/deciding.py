"""Deciding a dispute. Approving it gives the call back: its open month's records are taken back,
a closed month's by a credit note for the invoice it was billed on.

The workspace is locked first, as the close does: a month closes before a decision or after it.
"""

import datetime as dt
from collections.abc import Iterator
from contextlib import contextmanager
from decimal import Decimal
from uuid import UUID

from django.db import transaction
from django.db.models import F

from billing.errors import Conflict, Invalid, NotFound
from billing.formats import money
from billing.models import BillingPeriod, Workspace
from billing.money import ZERO, charge_step
from invoices.models import CreditNote, Invoice, InvoiceItem
from invoices.payments.models import CallDispute
from invoices.payments.services.call_disputes import notifications
from invoices.payments.services.call_disputes.facts import price_of, records_of
from invoices.payments.services.credit_notes.drafting import approve_credit_note, draft_credit_note
from invoices.payments.services.credit_notes.issuing import issue_credit_note
from invoices.payments.services.credit_notes.reversals import credit_reversals
from invoices.services import manual_items, manual_lines
from invoices.services.closing.reversals import owed_notes
from invoices.services.holdings import CREDITABLE
from usage.models import UsageRecord
from usage.services.voiding import void_record

State = CallDispute.State
_REASONS = {
    CallDispute.Reason.WRONG: CreditNote.Reason.PRICE,
    CallDispute.Reason.DROPPED: CreditNote.Reason.DROPPED,
    CallDispute.Reason.DOUBLE: CreditNote.Reason.DUPLICATE,
    CallDispute.Reason.QUALITY: CreditNote.Reason.QUALITY,
}


class NotOpen(Conflict):
    """It is decided, or withdrawn."""

    code = "dispute_not_open"


def approve_dispute(
    *,
    dispute_id: UUID,
    by: str,
    now: dt.datetime,
    decision: str = "",
    amount: Decimal | None = None,
    rest_to: str = CreditNote.RestTo.CREDIT,
    by_rule: bool = False,
) -> CallDispute:
    """Give the call back, or `amount` of it, before tax; again changes nothing.

    What somebody else took back meanwhile is not given back twice. Raises `NotFound`, `NotOpen`,
    `Invalid`, and what issuing a credit note raises; nothing has changed then.
    """
    with _locked(dispute_id) as dispute:
        if dispute.state == State.APPROVED:
            return dispute
        require_open(dispute)
        whole = price_of(records_of(dispute.workspace_id, dispute.call_id))
        if amount is not None:
            _check_part(amount, whole, dispute.currency)
        if amount is None or amount >= whole:
            dispute.amount = _take_back(dispute, by, rest_to, now)
        else:
            dispute.amount = amount
            _give_part(dispute, amount, by, rest_to, now)
        dispute.by_rule = by_rule
        _decide(dispute, State.APPROVED, by, decision, now)
        notifications.tell_owner(dispute, now=now)
        return dispute


def refuse_dispute(*, dispute_id: UUID, by: str, decision: str, now: dt.datetime) -> CallDispute:
    """Say no, and why. Raises `NotFound`, `NotOpen` and `Invalid`."""
    with _locked(dispute_id) as dispute:
        if dispute.state == State.REFUSED and dispute.decision == decision.strip():
            return dispute
        require_open(dispute)
        if not decision.strip():
            raise Invalid("Say why; the owner reads it.", field="decision", code="required")
        _decide(dispute, State.REFUSED, by, decision, now)
        notifications.tell_owner(dispute, now=now)
        return dispute


def withdraw_dispute(*, dispute_id: UUID, by: str, now: dt.datetime) -> CallDispute:
    """Its owner takes it back. Raises `NotFound` and `NotOpen`."""
    with _locked(dispute_id) as dispute:
        if dispute.state != State.WITHDRAWN:
            require_open(dispute)
            _decide(dispute, State.WITHDRAWN, by, "", now)
        return dispute


def _take_back(dispute: CallDispute, by: str, rest_to: str, now: dt.datetime) -> Decimal:
    """Reverse what is left of the call's records; notes for those of closed months."""
    records = records_of(dispute.workspace_id, dispute.call_id)
    taken = {record.reverses_id for record in records}
    left = [
        record
        for record in records
        if record.reverses_id is None and record.trues_up_id is None and record.pk not in taken
    ]
    for record in left:
        void_record(
            workspace_id=dispute.workspace_id,
            record_id=record.pk,
            reason=f"Dispute {str(dispute.pk)[:8]}: {dispute.get_reason_display().lower()}",
            now=now,
        )
    known = {record.pk for record in records}
    made = [
        record
        for record in records_of(dispute.workspace_id, dispute.call_id)
        if record.pk not in known
    ]
    _credit_closed(dispute, made, by, rest_to, now)
    return -price_of(made)


def _credit_closed(
    dispute: CallDispute, made: list[UsageRecord], by: str, rest_to: str, now: dt.datetime
) -> None:
    late = [record for record in made if record.late]
    if not late:
        return
    periods = list(
        BillingPeriod.objects.select_for_update(no_key=True)
        .filter(pk__in={record.billing_period_id for record in late})
        .order_by("pk")
    )
    ids = [record.pk for record in late]
    for period in periods:
        period.workspace = dispute.workspace
        for owed in owed_notes([period], record_ids=ids).get(period.pk, []):
            note = credit_reversals(
                owed,
                period,
                reason=_REASONS[CallDispute.Reason(dispute.reason)],
                explanation=_explanation(dispute),
                drafted_by=str(dispute),
                approved_by=by,
                key=f"dispute:{dispute.pk}:{owed.invoice_id}",
                rest_to=rest_to,
                record_ids=ids,
                now=now,
            )
            taken = sum((each.taken_over for each in owed.items), ZERO)
            # What the month's totals say while it runs; the close adds it up anew.
            BillingPeriod.objects.filter(pk=period.pk).update(
                reversals_credited=F("reversals_credited") + taken
            )
            dispute.credit_note = note


def _give_part(
    dispute: CallDispute, amount: Decimal, by: str, rest_to: str, now: dt.datetime
) -> None:
    """Of a closed month a note over so much of the call's line, else a credit on the next bill."""
    line = _line_of(dispute)
    if line is None:
        item, _ = manual_items.add_manual_item(
            workspace_id=dispute.workspace_id,
            line=manual_lines.ManualLine("credit", _explanation(dispute)[:200], amount),
            # Whose it is and their words stand in the dispute alone, so that they can be erased.
            reason=f"{dispute}: {dispute.get_reason_display().lower()}",
            asked_by=by,
            idempotency_key=f"dispute:{dispute.pk}",
            now=now,
        )
        dispute.manual_item = item
        return
    note = draft_credit_note(
        invoice_id=line.invoice_id,
        items={line.pk: amount},
        reason=_REASONS[CallDispute.Reason(dispute.reason)],
        explanation=_explanation(dispute),
        rest_to=rest_to,
        key=f"dispute:{dispute.pk}:{line.invoice_id}",
        drafted_by=str(dispute),
        now=now,
    )
    approve_credit_note(credit_note_id=note.pk, by=by, now=now)
    dispute.credit_note = issue_credit_note(credit_note_id=note.pk, by=by, now=now)


def _line_of(dispute: CallDispute) -> InvoiceItem | None:
    """The line with the dearest of the call's records; None where its month is not billed."""
    records = [
        record
        for record in records_of(dispute.workspace_id, dispute.call_id)
        if record.reverses_id is None
    ]
    for record in sorted(records, key=lambda each: each.final_cost, reverse=True):
        lines = InvoiceItem.objects.filter(
            invoice__billing_period=record.billing_period_id,
            invoice__status__in=CREDITABLE,
            invoice__kind=Invoice.Kind.PERIOD,
        )
        line = (
            lines.filter(kind="late_usage", usage_month=record.usage_date.replace(day=1))
            if record.late
            else lines.filter(kind="usage", resource_type=record.resource_type)
        ).first()
        if line is not None:
            return line
    return None


def _check_part(amount: Decimal, whole: Decimal, currency: str) -> None:
    if not amount.is_finite() or amount <= 0:
        raise Invalid("An amount is more than zero.", field="amount")
    # All of it, in whole cents, is a little more than its exact price.
    if amount >= whole + charge_step(currency):
        raise Invalid(f"The call costs {money(whole, currency)}.", field="amount", code="too_large")
    if amount < whole and amount % charge_step(currency):
        step = charge_step(currency)
        raise Invalid(f"{currency} goes in steps of {step:f}.", field="amount")


def _explanation(dispute: CallDispute) -> str:
    return f"Call {str(dispute.call_id)[:8]}: {dispute.get_reason_display().lower()}"


def _decide(
    dispute: CallDispute, state: CallDispute.State, by: str, decision: str, now: dt.datetime
) -> None:
    dispute.state, dispute.decided_by, dispute.decided_at = state, by[:254], now
    dispute.decision = decision.strip()[:500]
    dispute.save()


def require_open(dispute: CallDispute) -> None:
    """Raises `NotOpen` for one that is decided."""
    if dispute.state != State.OPEN:
        raise NotOpen(f"It is {dispute.get_state_display().lower()} already.")


@contextmanager
def _locked(dispute_id: UUID) -> Iterator[CallDispute]:
    with transaction.atomic():
        owner = CallDispute.objects.filter(pk=dispute_id).values_list("workspace", flat=True)
        workspace_id = owner.first()
        if workspace_id is None:
            raise NotFound(f"There is no dispute {dispute_id}.")
        workspace = Workspace.objects.select_for_update(no_key=True).get(pk=workspace_id)
        dispute = CallDispute.objects.select_for_update().get(pk=dispute_id)
        dispute.workspace = workspace
        yield dispute

"""What finance staff may do about an issued invoice, in Stripe and here.

Each request is written down first, then carried out in Stripe, then taken over from Stripe's
answer: never the other way round, so that what is shown here is what Stripe agreed to. Killed in
between, the sweep carries on; it looks at Stripe's state first and does nothing twice.
"""

import datetime as dt
import logging
from typing import Any
from uuid import UUID

from billing.errors import Conflict, Invalid, NotFound
from billing.models import User
from billing.services.work import Busy, Claim, Lease, LeaseLost, WorkKind
from invoices.models import Invoice
from invoices.payments.models import InvoiceAction
from invoices.payments.services import refresh, settle, stripe_client
from invoices.payments.services.reporting import has_unreported, report_payments
from invoices.payments.services.settle.taking_back import stripe_is_ahead
from invoices.payments.services.stripe_client import StripeObject
from invoices.payments.services.stripe_errors import StripeFailure, StripeMissing, StripeUnavailable
from invoices.services.history import locked_invoice
from invoices.services.reissuing import CANNOT_REISSUE

log = logging.getLogger(__name__)

Kind = InvoiceAction.Kind
Status = Invoice.Status
_UNPAID = (*Invoice.UNPAID, Status.UNCOLLECTIBLE)
_ALLOWED: dict[str, tuple[str, ...]] = {
    Kind.RETRY_PAYMENT: _UNPAID,
    Kind.VOID: (Status.DRAFT, *_UNPAID),
    Kind.MARK_UNCOLLECTIBLE: (Status.DRAFT, *Invoice.UNPAID),
}
# Stripe's state from which an action is to be tried; in any other it is done or past.
_STRIPE_UNPAID = ("open", "uncollectible")
_GOAL: dict[str, str] = {
    Kind.RETRY_PAYMENT: "paid",
    Kind.VOID: "void",
    Kind.MARK_UNCOLLECTIBLE: "uncollectible",
}
# So many tries take about a day and a half; then it is blocked.
ACTIONS = WorkKind(
    InvoiceAction,
    task="payments.carry_out_action",
    first_wait=dt.timedelta(minutes=1),
    longest_wait=dt.timedelta(hours=2),
    max_attempts=30,
    may_be_given_up=True,
    try_again=lambda pk, now: try_action_again(action_id=pk, now=now),
)


class NotAllowedNow(Conflict):
    """The invoice's status does not allow this action."""

    code = "not_allowed_now"


class ActionPending(Conflict):
    """Another action on the invoice is still being carried out."""

    code = "action_pending"


def retry_payment(*, invoice_id: UUID, actor: User | None, now: dt.datetime) -> InvoiceAction:
    """Charge the customer's payment method again."""
    return _request(Kind.RETRY_PAYMENT, invoice_id, actor, now)


def charge(*, invoice_id: UUID, now: dt.datetime, why: str, key: str = "") -> InvoiceAction:
    """As `retry_payment`, by the system. `key` names what must be tried once only."""
    return _request(Kind.RETRY_PAYMENT, invoice_id, None, now, why=why, key=key)


def void_invoice(
    *,
    invoice_id: UUID,
    actor: User | None,
    reason: str,
    reissue: bool,
    now: dt.datetime,
    decided_on: dt.date | None = None,
    reference: str = "",
) -> InvoiceAction:
    """Cancel it for good: nothing is owed for it any more.

    With `reissue` its usage is billed on a new invoice; without, it stays unbilled. Raises
    `Invalid` without a reason.
    """
    decision = _decision(reason, decided_on, reference)
    return _request(Kind.VOID, invoice_id, actor, now, reissue=reissue, **decision)


def mark_invoice_uncollectible(
    *,
    invoice_id: UUID,
    actor: User | None,
    reason: str,
    now: dt.datetime,
    decided_on: dt.date | None = None,
    reference: str = "",
) -> InvoiceAction:
    """Write it off; it may still be paid one day. Raises `Invalid` without a reason."""
    decision = _decision(reason, decided_on, reference)
    return _request(Kind.MARK_UNCOLLECTIBLE, invoice_id, actor, now, **decision)


def _decision(reason: str, decided_on: dt.date | None, reference: str) -> dict[str, Any]:
    if not reason.strip():
        raise Invalid("Say why.", field="reason", code="required")
    return {
        "reason": reason.strip()[:500],
        "decided_on": decided_on,
        "reference": reference.strip()[:140],
    }


def try_action_again(*, action_id: UUID, now: dt.datetime) -> InvoiceAction:
    """Have an unfinished action carried out at once, if its invoice still allows it.

    Raises `NotFound`, `NotAllowedNow` and `NothingToRetry`.
    """
    action = InvoiceAction.objects.filter(pk=action_id).first()
    if action is None:
        raise NotFound(f"There is no action {action_id}.")
    with locked_invoice(action.invoice_id) as invoice:
        _require_allowed(action.kind, invoice)
        return ACTIONS.retry_now(action_id, now)


def allowed_actions(invoice: Invoice) -> frozenset[str]:
    """The kinds of action that the invoice's status allows; where Stripe calls it paid, only what
    needs no Stripe."""
    if invoice.carried_over:
        return frozenset()
    ahead = stripe_is_ahead(invoice)
    allowed = {kind for kind, statuses in _ALLOWED.items() if invoice.status in statuses}
    if 0 < invoice.amount_open <= ahead:
        allowed &= {Kind.MARK_UNCOLLECTIBLE}
    if invoice.amount_paid or invoice.amount_credited or ahead:
        # What was paid of it, or is on a credit note, would be for nothing.
        allowed.discard(Kind.VOID)
    return frozenset(allowed)


def carry_out(*, action_id: UUID, now: dt.datetime) -> InvoiceAction | None:
    """Have Stripe do what was asked and take its answer over; None when it is not its turn.

    Never raises for what Stripe does: that is the action's `status` and `last_error`.
    """
    try:
        with ACTIONS.claimed(action_id, now) as claim:
            _carry_out(claim, now)
            return claim.row
    except (Busy, LeaseLost):
        return None


def _carry_out(claim: Claim[InvoiceAction], now: dt.datetime) -> None:
    action = claim.row
    try:
        found = _in_stripe(action, claim.lease, now)
        _take_over(action, found, now)
    except StripeUnavailable as error:
        claim.retry_later(error.detail, at_least=error.retry_after)
    except StripeFailure as error:
        _take_over_after_refusal(action, now)
        claim.fail(error.detail)
    else:
        if found.get("status") != _GOAL[action.kind]:
            claim.fail(f"Stripe has it as {found.get('status')} now.")
            return
        try:
            if action.kind == Kind.VOID:
                settle.follow_void(invoice_id=action.invoice_id, now=now, source=_source(action))
        except CANNOT_REISSUE as error:
            claim.retry_later(f"It is void. Its new invoice waits: {error.detail}")
            return
        claim.done()


def _request(
    kind: InvoiceAction.Kind,
    invoice_id: UUID,
    actor: User | None,
    now: dt.datetime,
    *,
    reissue: bool = False,
    why: str = "staff",
    key: str = "",
    **decision: Any,
) -> InvoiceAction:
    with locked_invoice(invoice_id) as invoice:
        _require_allowed(kind, invoice)
        if kind == Kind.RETRY_PAYMENT and has_unreported(invoice.pk):
            raise ActionPending(f"Stripe has not heard yet of what was paid of {invoice.number}.")
        for earlier in invoice.actions.filter(InvoiceAction.UNFINISHED):
            if earlier.status == InvoiceAction.Status.WAITING:
                raise ActionPending(
                    f"Another action on {invoice.number} is still being carried out."
                )
            ACTIONS.give_up(earlier.pk, now)
        action = InvoiceAction.objects.create(
            invoice=invoice,
            kind=kind,
            reissue=reissue,
            actor=actor,
            requested_by=actor.email if actor else why,
            key=key,
            requested_at=now,
            next_attempt_at=now,
            **decision,
        )
        if invoice.stripe_invoice_id is None or 0 < invoice.amount_open <= stripe_is_ahead(invoice):
            # Stripe does not have it, or calls it paid; the sync leaves alone what has ended here.
            _settle_here(action, now)
        else:
            ACTIONS.start(action.pk)
        return action


def _require_allowed(kind: str, invoice: Invoice) -> None:
    if kind not in allowed_actions(invoice):
        raise NotAllowedNow(
            f"{invoice.number} is {invoice.get_status_display().lower()}: "
            f"“{Kind(kind).label}” is not possible."
        )


def _settle_here(action: InvoiceAction, now: dt.datetime) -> None:
    source = _source(action)
    if action.kind == Kind.VOID:
        settle.mark_void(
            invoice_id=action.invoice_id, now=now, source=source, with_new_invoice=True
        )
    elif action.kind == Kind.MARK_UNCOLLECTIBLE:
        settle.mark_uncollectible(invoice_id=action.invoice_id, now=now, source=source)
    action.status, action.finished_at = InvoiceAction.Status.DONE, now
    action.save(update_fields=["status", "finished_at"])


def _in_stripe(action: InvoiceAction, lease: Lease, now: dt.datetime) -> StripeObject:
    """Stripe's invoice after the action; as it is when it needs no action (any more)."""
    account = action.invoice.stripe_account
    path = f"/v1/invoices/{action.invoice.stripe_invoice_id}"
    found = stripe_client.get(account, path)
    is_charge = action.kind == Kind.RETRY_PAYMENT and found.get("status") in _STRIPE_UNPAID
    if is_charge and has_unreported(action.invoice_id):
        # Paid elsewhere since the charge was asked for.
        report_payments(invoice_id=action.invoice_id, now=now)
        found = stripe_client.get(account, path)
    if found.get("status") == _GOAL[action.kind] or found.get("status") not in _STRIPE_UNPAID:
        return found
    # A key for each try: Stripe would repeat a decline under the old one.
    key = f"action/{action.pk}/{lease.token}"
    if action.kind == Kind.RETRY_PAYMENT:
        return stripe_client.post(account, f"{path}/pay", key=key)
    if action.kind == Kind.VOID:
        return stripe_client.post(account, f"{path}/void", key=key)
    return stripe_client.post(account, f"{path}/mark_uncollectible", key=key)


def _take_over_after_refusal(action: InvoiceAction, now: dt.datetime) -> None:
    """A declined card is news about the invoice too; its webhook may come later or never."""
    try:
        account = action.invoice.stripe_account
        found = stripe_client.get(account, f"/v1/invoices/{action.invoice.stripe_invoice_id}")
        _take_over(action, found, now)
    except (StripeUnavailable, StripeMissing) as error:
        log.warning("invoice %s cannot be read again: %s", action.invoice_id, error)


def _take_over(action: InvoiceAction, found: StripeObject, now: dt.datetime) -> None:
    invoice = action.invoice
    state = refresh.read_state(invoice.stripe_account, found)
    refresh.apply_state(invoice, state, now=now, source=_source(action))


def _source(action: InvoiceAction) -> str:
    return f"{action.requested_by}: {action.get_kind_display().lower()}"

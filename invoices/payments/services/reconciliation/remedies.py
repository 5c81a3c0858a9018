"""What one click does about a difference."""

import datetime as dt
from uuid import UUID

from billing.errors import Conflict, NotFound
from billing.models import User
from invoices.models import Invoice
from invoices.payments.models import Difference
from invoices.payments.services import refresh, stripe_client, stripe_sync
from invoices.services.history import locked_invoice

Remedy = Difference.Remedy


class NoRemedy(Conflict):
    """A person has to look: nothing that could be done by itself is certain to be right."""

    code = "no_remedy"


class NoLongerSo(Conflict):
    """The difference is not as it was found any more: compare again and look."""

    code = "no_longer_so"


def apply_remedy(*, difference_id: UUID, actor: User | None, now: dt.datetime) -> Difference:
    """Do what `remedy` says and mark the difference as resolved; again changes nothing.

    What was found may be a day old, so what it assumes is looked at again first: here under the
    invoice's lock, and in Stripe. Raises `NoLongerSo`, `NoRemedy`, and `StripeFailure`, with the
    difference left open. Must not be called inside a transaction.
    """
    difference = Difference.objects.select_related("invoice").filter(pk=difference_id).first()
    if difference is None:
        raise NotFound(f"There is no difference {difference_id}.")
    if difference.resolved_at is not None:
        return difference
    invoice, stripe_id = difference.invoice, difference.stripe_invoice_id
    if difference.remedy == Remedy.SETTLE:
        if not refresh.refresh_invoice(difference.account, stripe_invoice_id=stripe_id, now=now):
            raise NoLongerSo(f"Stripe has no {stripe_id} of ours any more.")
    elif difference.remedy == Remedy.SYNC and invoice is not None:
        with locked_invoice(invoice.pk) as current:
            if current.status != Invoice.Status.DRAFT or current.stripe_invoice_id is not None:
                raise NoLongerSo(f"{current.number} is {current.status}, and no longer to be sent.")
            stripe_sync.retry_sync(invoice_id=current.pk, now=now)
    elif difference.remedy == Remedy.VOID_IN_STRIPE and invoice is not None:
        _require_not_owed(invoice.pk, stripe_id)
        _void(difference)
    else:
        raise NoRemedy("There is no remedy by one click for this: please look into Stripe.")
    difference.resolved_at = now
    difference.resolved_by = actor.email if actor else "staff"
    difference.save(update_fields=["resolved_at", "resolved_by"])
    return difference


def _require_not_owed(invoice_id: UUID, stripe_id: str) -> None:
    """Nobody owes Stripe's invoice: ours is void, or is another one in Stripe."""
    with locked_invoice(invoice_id) as invoice:
        is_ours = invoice.stripe_invoice_id in (None, stripe_id)
        if is_ours and invoice.status != Invoice.Status.VOID:
            raise NoLongerSo(f"{invoice.number} is {stripe_id}, and is {invoice.status} here.")


def _void(difference: Difference) -> None:
    """Looks first: it may have been paid since, or the answer to an earlier click been lost."""
    account, path = difference.account, f"/v1/invoices/{difference.stripe_invoice_id}"
    status = stripe_client.get(account, path).get("status")
    if status not in ("open", "uncollectible", "void"):
        raise NoLongerSo(f"{difference.stripe_invoice_id} is {status} in Stripe by now.")
    if status != "void":
        stripe_client.post(account, f"{path}/void", key=f"difference/{difference.pk}/void")

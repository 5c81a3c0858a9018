"""What one click does about a difference."""

import datetime as dt
from uuid import UUID

from billing.errors import Conflict, NotFound
from billing.models import User
from invoices.payments.models import Difference
from invoices.payments.services import refresh, stripe_client, stripe_sync

Remedy = Difference.Remedy


class NoRemedy(Conflict):
    """A person has to look: nothing that could be done by itself is certain to be right."""

    code = "no_remedy"


def apply_remedy(*, difference_id: UUID, actor: User | None, now: dt.datetime) -> Difference:
    """Do what `remedy` says and mark the difference as resolved; again changes nothing.

    Raises `NoRemedy`, and `StripeFailure` with the difference left open. Must not be called inside
    a transaction.
    """
    difference = Difference.objects.select_related("invoice").filter(pk=difference_id).first()
    if difference is None:
        raise NotFound(f"There is no difference {difference_id}.")
    if difference.resolved_at is not None:
        return difference
    if difference.remedy == Remedy.SETTLE:
        refresh.refresh_invoice(stripe_invoice_id=difference.stripe_invoice_id, now=now)
    elif difference.remedy == Remedy.SYNC and difference.invoice is not None:
        stripe_sync.retry_sync(invoice_id=difference.invoice.pk, now=now)
    elif difference.remedy == Remedy.VOID_IN_STRIPE:
        _void(difference.stripe_invoice_id)
    else:
        raise NoRemedy("There is no remedy by one click for this: please look into Stripe.")
    difference.resolved_at = now
    difference.resolved_by = actor.email if actor else "staff"
    difference.save(update_fields=["resolved_at", "resolved_by"])
    return difference


def _void(stripe_invoice_id: str) -> None:
    """Looks first: the answer to an earlier click may have been lost."""
    path = f"/v1/invoices/{stripe_invoice_id}"
    if stripe_client.get(path).get("status") != "void":
        stripe_client.post(f"{path}/void")

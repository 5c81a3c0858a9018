"""Credit that is paid out to the customer, outside of Stripe."""

import datetime as dt
from decimal import Decimal
from uuid import UUID

from django.db import transaction

from billing.errors import Conflict, Invalid, NotFound
from billing.models import Workspace
from invoices.payments.models import CreditEntry
from invoices.payments.services.settle.credit import credit_balance, take_credit


class NotEnoughCredit(Conflict):
    """The customer has less to their credit."""

    code = "not_enough_credit"


def pay_out_credit(
    *,
    workspace_id: UUID,
    amount: Decimal,
    on: dt.date,
    reference: str,
    reason: str,
    source: str,
    now: dt.datetime,
    key: str = "",
) -> CreditEntry:
    """Note that credit was sent back to the customer; again under the same `key` it is the same.

    Raises `Invalid`, `NotFound` and `NotEnoughCredit`.
    """
    with transaction.atomic():
        workspace = Workspace.objects.select_for_update(no_key=True).filter(pk=workspace_id).first()
        if workspace is None:
            raise NotFound(f"There is no workspace {workspace_id}.")
        known = CreditEntry.objects.filter(workspace=workspace, key=key).first() if key else None
        if known is not None:
            return known
        for name, value in (("reason", reason), ("reference", reference)):
            if not value.strip():
                raise Invalid("Say by what it is found again.", field=name, code="required")
        if amount <= 0:
            raise Invalid("It is more than zero.", field="amount")
        balance = credit_balance(workspace.pk, workspace.currency)
        if amount > balance:
            raise NotEnoughCredit(f"There is {balance:f} {workspace.currency} to their credit.")
        return take_credit(
            workspace_id=workspace.pk,
            currency=workspace.currency,
            amount=amount,
            on=on,
            reference=reference.strip(),
            reason=reason.strip(),
            key=key,
            now=now,
            source=source,
        )

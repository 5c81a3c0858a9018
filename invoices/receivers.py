"""What issued invoices set off, and what changed details of a customer set going again."""

import datetime as dt
from collections.abc import Sequence
from typing import Any
from uuid import UUID

from django.db import transaction
from django.db.models import Q
from django.dispatch import receiver

from billing.models import BillingPeriod, Workspace
from billing.queue import enqueue
from billing.rating.taxes import CALCULATED
from billing.signals import billing_details_changed
from invoices.signals import invoices_issued


@receiver(invoices_issued, dispatch_uid="mail issued invoices")
def mail_when_issued(
    sender: Any, *, invoice_ids: Sequence[UUID], now: dt.datetime, **kwargs: Any
) -> None:
    ids = [str(pk) for pk in invoice_ids]
    transaction.on_commit(lambda: enqueue("invoices.mail_issued_invoices", ids))


@receiver(billing_details_changed, dispatch_uid="close what waited for other details")
def close_what_waited(sender: Any, *, workspace_id: UUID, now: dt.datetime, **kwargs: Any) -> None:
    """A month that could not be closed for want of a detail is tried again once it is there."""
    wants_details = ~Q(workspace__e_invoice_format=Workspace.EInvoiceFormat.NONE) | Q(
        workspace__address_country__in=CALCULATED
    )
    waits = BillingPeriod.objects.filter(
        wants_details,
        workspace=workspace_id,
        status=BillingPeriod.Status.CURRENT,
        close_failed_at__isnull=False,
    )
    if waits.exists():
        transaction.on_commit(
            lambda: enqueue("invoices.close_workspaces", [str(workspace_id)], True)
        )

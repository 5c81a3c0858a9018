"""Syncs that are started again: by a person, or because what Stripe refused has changed."""

import datetime as dt
from uuid import UUID

from django.db import transaction
from django.db.models import Q

from billing.services.work import NothingToRetry, WorkKind
from invoices.payments.models import StripeSync, StripeSyncStep
from invoices.payments.services.stripe_sync.plan import next_build

Status = StripeSync.Status
Reason = StripeSync.Reason
# Tried for ever, each hour at last: what is owed must get into Stripe, or be void here.
SYNCS = WorkKind(
    StripeSync,
    task="payments.sync_invoice",
    first_wait=dt.timedelta(seconds=8),
    longest_wait=dt.timedelta(hours=1),
    try_again=lambda pk, now: retry_sync(invoice_id=pk, now=now),
)


def retry_sync(*, invoice_id: UUID, now: dt.datetime) -> StripeSync:
    """Let a blocked or waiting sync go on at once, as a person asks for.

    After a total that differs, or a change made in Stripe, the draft is deleted and built anew;
    otherwise the refused request is sent again under a new key with what our data says now.
    Raises `NotFound`, and `NothingToRetry` when the sync is done.
    """
    with transaction.atomic():
        sync = SYNCS.locked(invoice_id)
        if sync.status == Status.DONE:
            raise NothingToRetry("The invoice is in Stripe; there is nothing to retry.")
        if sync.status == Status.BLOCKED:
            if sync.blocked_reason == Reason.REFUSED:
                # The customer as well: its details may have changed since.
                again = Q(status=StripeSyncStep.Status.BLOCKED) | Q(kind="customer")
                sync.steps.filter(again, build=sync.build).update(
                    status=StripeSyncStep.Status.PENDING
                )
            else:
                next_build(sync)
        SYNCS.reset(sync, now, build=sync.build)
        return sync


def retry_refused_syncs(*, workspace_id: UUID, now: dt.datetime) -> None:
    """Send again what Stripe refused for a workspace whose details have changed since.

    What was wrong with its address or tax number may be right now. One refused again is blocked
    again. Must be called inside a transaction.
    """
    # Locked, or one that somebody else has retried meanwhile would refuse the change of details.
    refused = StripeSync.objects.select_for_update(of=("self",)).filter(
        invoice__workspace_id=workspace_id,
        status=Status.BLOCKED,
        blocked_reason=Reason.REFUSED,
    )
    for invoice_id in refused.order_by("pk").values_list("pk", flat=True):
        retry_sync(invoice_id=invoice_id, now=now)

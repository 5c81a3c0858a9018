"""What keeps syncs going: those that are due, and those a person starts again."""

import datetime as dt
from uuid import UUID

from django.db import transaction
from django.db.models import Q

from billing.errors import Conflict, NotFound
from billing.queue import enqueue
from invoices.models import Invoice
from invoices.payments.models import StripeSync, StripeSyncStep
from invoices.payments.services.stripe_sync.plan import next_build

Status = StripeSync.Status
# How long a sync may lie in the queue before it is put there again.
IN_QUEUE = dt.timedelta(minutes=30)
# A close starts its syncs itself; this much later it has not.
UNSTARTED_AFTER = dt.timedelta(minutes=2)


class NotBlocked(Conflict):
    code = "sync_not_blocked"


def due_syncs(*, now: dt.datetime, limit: int = 500) -> list[UUID]:
    """Invoices whose sync is to go on now, marked as queued so that they are named once.

    A crash of the close's process, a lost message and a killed worker all end here.
    """
    _begin_missing(now, limit)
    with transaction.atomic():
        due = list(
            StripeSync.objects.select_for_update(skip_locked=True, of=("self",))
            .filter(
                Q(queued_at__isnull=True) | Q(queued_at__lte=now - IN_QUEUE),
                Q(lease_expires_at__isnull=True) | Q(lease_expires_at__lte=now),
                status__in=[Status.PENDING, Status.WAITING],
                next_try_at__lte=now,
            )
            .order_by("next_try_at")
            .values_list("pk", flat=True)[:limit]
        )
        StripeSync.objects.filter(pk__in=due).update(queued_at=now)
    return due


def retry_sync(*, invoice_id: UUID, now: dt.datetime) -> StripeSync:
    """Let a blocked or waiting sync go on at once, as a person asks for.

    After a total that differs, or a change made in Stripe, the draft is deleted and built anew;
    otherwise the refused request is sent again under a new key with what our data says now.
    Raises `NotFound`, and `NotBlocked` when the sync is done.
    """
    with transaction.atomic():
        sync = StripeSync.objects.select_for_update().filter(pk=invoice_id).first()
        if sync is None:
            raise NotFound(f"The sync of invoice {invoice_id} has not begun.")
        if sync.status == Status.DONE:
            raise NotBlocked("The invoice is in Stripe; there is nothing to retry.")
        if sync.status == Status.BLOCKED:
            if sync.reason == StripeSync.Reason.REFUSED:
                sync.steps.filter(build=sync.build, status=StripeSyncStep.Status.BLOCKED).update(
                    status=StripeSyncStep.Status.PENDING
                )
            else:
                next_build(sync)
        sync.status = Status.PENDING
        sync.reason = ""
        sync.failures = 0
        sync.next_try_at = now
        sync.queued_at = now
        sync.save(
            update_fields=["status", "reason", "failures", "next_try_at", "queued_at", "build"]
        )
        transaction.on_commit(lambda: enqueue("payments.sync_invoice", str(invoice_id)))
        return sync


def retry_refused_syncs(*, workspace_id: UUID, now: dt.datetime) -> int:
    """Send again what Stripe refused for a workspace whose details have changed since; how many.

    What was wrong with its address or tax number may be right now. One refused again is blocked
    again.
    """
    refused = StripeSync.objects.filter(
        invoice__workspace_id=workspace_id,
        status=Status.BLOCKED,
        reason=StripeSync.Reason.REFUSED,
    ).values_list("pk", flat=True)
    for invoice_id in refused:
        retry_sync(invoice_id=invoice_id, now=now)
    return len(refused)


def _begin_missing(now: dt.datetime, limit: int) -> None:
    """Give drafts that no sync was ever begun for their row."""
    unstarted = Invoice.objects.filter(
        status=Invoice.Status.DRAFT, stripe_sync__isnull=True, created_at__lte=now - UNSTARTED_AFTER
    ).values_list("pk", flat=True)[:limit]
    StripeSync.objects.bulk_create(
        [StripeSync(invoice_id=pk, next_try_at=now, created_at=now) for pk in unstarted],
        ignore_conflicts=True,
    )

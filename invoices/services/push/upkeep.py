"""What keeps pushes going: those that are due, and those a person starts again."""

import datetime as dt
from uuid import UUID

from django.db import transaction
from django.db.models import Q

from billing.errors import Conflict, NotFound
from invoices.models import Invoice, InvoicePush, PushStep
from invoices.services.push.plan import next_build

Status = InvoicePush.Status
# How long a push may lie in the queue before it is put there again.
IN_QUEUE = dt.timedelta(minutes=30)
# A close starts its pushes itself; this much later it has not.
UNSTARTED_AFTER = dt.timedelta(minutes=2)


class NotParked(Conflict):
    code = "push_not_parked"


def due_pushes(*, now: dt.datetime, limit: int = 500) -> list[UUID]:
    """Invoices whose push is to go on now, marked as queued so that they are named once.

    A crash of the close's process, a lost message and a killed worker all end here.
    """
    _begin_missing(now, limit)
    with transaction.atomic():
        due = list(
            InvoicePush.objects.select_for_update(skip_locked=True, of=("self",))
            .filter(
                Q(queued_at__isnull=True) | Q(queued_at__lte=now - IN_QUEUE),
                Q(lease_expires_at__isnull=True) | Q(lease_expires_at__lte=now),
                status__in=[Status.PENDING, Status.WAITING],
                next_try_at__lte=now,
            )
            .order_by("next_try_at")
            .values_list("pk", flat=True)[:limit]
        )
        InvoicePush.objects.filter(pk__in=due).update(queued_at=now)
    return due


def retry_push(*, invoice_id: UUID, now: dt.datetime) -> InvoicePush:
    """Let a parked or waiting push go on at once, as a person asks for.

    After a total that differs, or a change made in Stripe, the draft is deleted and built anew;
    otherwise the refused request is sent again under a new key with what our data says now.
    Raises `NotFound`, and `NotParked` when the push is done.
    """
    with transaction.atomic():
        push = InvoicePush.objects.select_for_update().filter(pk=invoice_id).first()
        if push is None:
            raise NotFound(f"The push of invoice {invoice_id} has not begun.")
        if push.status == Status.DONE:
            raise NotParked("The invoice is in Stripe; there is nothing to retry.")
        if push.status == Status.PARKED:
            if push.reason == InvoicePush.Reason.REFUSED:
                push.steps.filter(build=push.build, status=PushStep.Status.PARKED).update(
                    status=PushStep.Status.PENDING
                )
            else:
                next_build(push)
        push.status = Status.PENDING
        push.reason = ""
        push.failures = 0
        push.next_try_at = now
        push.queued_at = now
        push.save(
            update_fields=["status", "reason", "failures", "next_try_at", "queued_at", "build"]
        )
        transaction.on_commit(lambda: _start(invoice_id))
        return push


def _begin_missing(now: dt.datetime, limit: int) -> None:
    """Give drafts that no push was ever begun for their row."""
    unstarted = Invoice.objects.filter(
        status=Invoice.Status.DRAFT, push__isnull=True, created_at__lte=now - UNSTARTED_AFTER
    ).values_list("pk", flat=True)[:limit]
    InvoicePush.objects.bulk_create(
        [InvoicePush(invoice_id=pk, next_try_at=now, created_at=now) for pk in unstarted],
        ignore_conflicts=True,
    )


def _start(invoice_id: UUID) -> None:
    # Tasks call services; imported late where a service starts a task.
    from billing.tasks import enqueue
    from invoices.tasks import push_invoice

    enqueue(push_invoice, str(invoice_id))

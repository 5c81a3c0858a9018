"""Finalizing one period on request, or all that are due."""

import datetime as dt
from collections.abc import Callable, Iterator, Sequence
from uuid import UUID

from django.conf import settings
from django.db.models import Min, Q, QuerySet

from billing.errors import Conflict, NotFound
from billing.models import BillingPeriod
from invoices.services.closing.blocking import CloseSummary, close_or_block
from invoices.services.closing.chunk import close_chunk
from invoices.services.sales_taxes import asked_if_missing

# Large enough to share each statement's cost, small enough to hold locks for a moment only.
CHUNK = 200


class PeriodNotCurrent(Conflict):
    code = "period_not_current"


class PeriodNotEnded(Conflict):
    code = "period_not_ended"


class PeriodNotStarted(Conflict):
    code = "period_not_started"


def finalize_period(*, period_id: UUID, now: dt.datetime, force: bool = False) -> BillingPeriod:
    """Close one period, without waiting for its grace; `force` also before its end.

    What has not begun is closed by nothing: each close opens the month that follows, so that
    closing one early twice would bill the fee of the next. Raises `NotFound`, `PeriodNotCurrent`,
    `PeriodNotStarted`, `PeriodNotEnded` or `CannotClose`; nothing has changed then.
    """
    period = BillingPeriod.objects.filter(pk=period_id).first()
    if period is None:
        raise NotFound(f"There is no billing period {period_id}.")
    require_closable(period, now=now, force=force)
    with asked_if_missing(now):
        closed = close_chunk(period_ids=[period_id], now=now).periods
    if not closed:
        # By someone else, while this one waited for the lock.
        raise _finalized_before(period)
    return closed[0]


def require_closable(period: BillingPeriod, *, now: dt.datetime, force: bool = False) -> None:
    """Raises `PeriodNotCurrent`, `PeriodNotStarted`, and without `force` `PeriodNotEnded`."""
    if not period.is_current:
        raise _finalized_before(period)
    if period.period_start > now:
        raise PeriodNotStarted(f"The period begins at {period.period_start.isoformat()}.")
    if period.period_end > now and not force:
        raise PeriodNotEnded(f"The period ends at {period.period_end.isoformat()}.")


def _finalized_before(period: BillingPeriod) -> PeriodNotCurrent:
    return PeriodNotCurrent(f"Billing period {period.pk} is already finalized.")


def end_of_grace(now: dt.datetime) -> dt.datetime:
    """What ended by then has no grace left."""
    return now - dt.timedelta(hours=settings.BILLING_GRACE_HOURS)


def due_periods(*, ended_by: dt.datetime, needs_approval: bool) -> Q:
    """Which periods are to be closed, of those that `ended_by` a time (`end_of_grace`)."""
    approved = Q(trial__approved_at__isnull=False) if needs_approval else Q()
    return approved & Q(status=BillingPeriod.Status.CURRENT, period_end__lte=ended_by)


def due_workspaces(*, now: dt.datetime, retry_blocked: bool = False) -> Iterator[list[UUID]]:
    """The workspaces with something to close, in chunks, the longest overdue first.

    By workspace, not by period: months of one workspace follow each other, and closing one opens
    the next, which may be due as well.
    """
    due = _due(now, retry_blocked=retry_blocked)
    yield from _chunks(_workspaces(due))


def close_workspaces(
    *,
    workspace_ids: Sequence[UUID],
    now: dt.datetime,
    retry_blocked: bool = False,
    wait: bool = True,
) -> CloseSummary:
    """Close all that is due of some workspaces.

    A period that cannot be closed is blocked with its reason and the others go on; blocked ones are
    left alone without `retry_blocked`. Killed at any point, run again, or run twice at once, every
    period is closed once. Without `wait`, workspaces that someone else works on are left to them.
    """
    summary = CloseSummary()
    due = _due(now, retry_blocked=retry_blocked).filter(workspace__in=workspace_ids)
    skip_locked = True
    while True:
        period_ids = list(
            due.exclude(pk__in=[failure.period_id for failure in summary.failed])
            .order_by("workspace_id", "period_start")
            .values_list("pk", flat=True)
        )
        if not period_ids:
            return summary
        before = summary.done
        close_or_block(period_ids, now=now, summary=summary, skip_locked=skip_locked)
        moved = summary.done > before
        if not moved and not wait:
            return summary
        # Others hold all that is left: queue for it, which ends with it closed by them or by us.
        skip_locked = moved


def finalize_due_periods(
    *,
    now: dt.datetime,
    workspace_id: UUID | None = None,
    retry_blocked: bool = True,
    progress: Callable[[int, int], None] | None = None,
) -> CloseSummary:
    """Close everything that is due, chunk by chunk, each in a transaction of its own.

    As `close_workspaces`, for all of them. Two of these at once share the work: each passes over
    what the other has locked, and looks again at the end. `progress` is called with (periods done,
    periods known to be due).
    """
    summary = CloseSummary()
    due = _due(now, retry_blocked=retry_blocked)
    if workspace_id is not None:
        due = due.filter(workspace_id=workspace_id)
    known = due.count()
    for wait in (False, True):
        left = due.exclude(pk__in=[failure.period_id for failure in summary.failed])
        for chunk in _chunks(_workspaces(left)):
            summary.add(
                close_workspaces(
                    workspace_ids=chunk, now=now, retry_blocked=retry_blocked, wait=wait
                )
            )
            if progress is not None:
                # A close opens the next month, which may have ended too.
                known = max(known, summary.done)
                progress(summary.done, known)
    return summary


def _due(now: dt.datetime, *, retry_blocked: bool) -> QuerySet[BillingPeriod]:
    due = BillingPeriod.objects.filter(
        due_periods(ended_by=end_of_grace(now), needs_approval=settings.CLOSE_NEEDS_APPROVAL)
    )
    return due if retry_blocked else due.filter(close_failed_at__isnull=True)


def _workspaces(due: QuerySet[BillingPeriod]) -> list[UUID]:
    by_workspace = due.order_by().values("workspace_id").annotate(first_end=Min("period_end"))
    return list(
        by_workspace.order_by("first_end", "workspace_id").values_list("workspace_id", flat=True)
    )


def _chunks(workspace_ids: Sequence[UUID]) -> Iterator[list[UUID]]:
    for start in range(0, len(workspace_ids), CHUNK):
        yield list(workspace_ids[start : start + CHUNK])

"""Finalizing one period on request, or all that are due."""

import datetime as dt
import logging
from collections.abc import Callable
from dataclasses import dataclass, field
from uuid import UUID

from django.conf import settings
from django.db import InterfaceError
from django.db.models import Q, QuerySet

from billing.errors import BillingError, Conflict, NotFound
from billing.models import BillingPeriod
from invoices.services.closing.chunk import close_chunk

log = logging.getLogger(__name__)
# Large enough to share each statement's cost, small enough to hold locks for a moment only.
CHUNK = 200


class PeriodNotCurrent(Conflict):
    code = "period_not_current"


class PeriodNotEnded(Conflict):
    code = "period_not_ended"


@dataclass(frozen=True, slots=True)
class CloseFailure:
    period_id: UUID
    workspace_id: UUID
    reason: str


@dataclass(slots=True)
class CloseSummary:
    finalized: int = 0
    invoiced: int = 0
    failed: list[CloseFailure] = field(default_factory=list)


def finalize_period(*, period_id: UUID, now: dt.datetime, force: bool = False) -> BillingPeriod:
    """Close one period, without waiting for its grace; `force` also before its end.

    Raises `NotFound`, `PeriodNotCurrent`, `PeriodNotEnded` or `CannotClose`; nothing has changed
    then.
    """
    period = BillingPeriod.objects.filter(pk=period_id).first()
    if period is None:
        raise NotFound(f"There is no billing period {period_id}.")
    if period.is_current and period.period_end > now and not force:
        raise PeriodNotEnded(f"The period ends at {period.period_end.isoformat()}.")
    closed = close_chunk(period_ids=[period_id], now=now)[0] if period.is_current else []
    if not closed:
        # Finalized before, or by someone else while this one waited for the lock.
        raise PeriodNotCurrent(f"Billing period {period_id} is already finalized.")
    return closed[0]


def due_periods(*, now: dt.datetime) -> Q:
    """Which periods have ended, and their grace has passed, as of `now`."""
    grace = dt.timedelta(hours=settings.BILLING_GRACE_HOURS)
    return Q(status=BillingPeriod.Status.CURRENT, period_end__lte=now - grace)


def finalize_due_periods(
    *,
    now: dt.datetime,
    workspace_id: UUID | None = None,
    retry_parked: bool = True,
    progress: Callable[[int, int], None] | None = None,
) -> CloseSummary:
    """Close everything that is due, chunk by chunk, each in a transaction of its own.

    A period that cannot be closed is parked with its reason and the others go on; parked ones are
    left alone without `retry_parked`. Killed at any point, run again, or run twice at once, every
    period is closed once. `progress` is called with (periods done, periods known to be due).
    """
    summary = CloseSummary()
    due = BillingPeriod.objects.filter(due_periods(now=now))
    if workspace_id is not None:
        due = due.filter(workspace_id=workspace_id)
    if not retry_parked:
        due = due.filter(close_failed_at__isnull=True)
    known = due.count()
    patient = False
    while chunk := _next_chunk(due, summary):
        before = _done(summary)
        _close_or_park(chunk, now, summary, skip_locked=not patient)
        # Nothing moved: others hold all that is left. Wait for them once, then look again.
        if _done(summary) == before and patient and chunk == _next_chunk(due, summary):
            break
        patient = _done(summary) == before
        if progress is not None:
            # A close opens the next month, which may have ended too.
            known = max(known, _done(summary))
            progress(_done(summary), known)
    return summary


def _done(summary: CloseSummary) -> int:
    return summary.finalized + len(summary.failed)


def _next_chunk(due: QuerySet[BillingPeriod], summary: CloseSummary) -> list[UUID]:
    failed = [failure.period_id for failure in summary.failed]
    return list(
        due.exclude(pk__in=failed).order_by("period_end", "pk").values_list("pk", flat=True)[:CHUNK]
    )


def _close_or_park(
    period_ids: list[UUID], now: dt.datetime, summary: CloseSummary, *, skip_locked: bool
) -> None:
    """Close the chunk; when something in it fails, each period by itself, parking the culprits."""
    try:
        periods, invoices = close_chunk(period_ids=period_ids, now=now, skip_locked=skip_locked)
    except InterfaceError:
        raise  # the connection is gone: no period is to blame, the next run goes on
    except Exception as error:
        # Whatever it is, it must not keep the other workspaces from their invoices.
        if len(period_ids) > 1:
            for period_id in period_ids:
                _close_or_park([period_id], now, summary, skip_locked=skip_locked)
            return
        log.exception("period %s could not be closed", period_ids[0])
        summary.failed.append(_park(period_ids[0], error, now))
        return
    summary.finalized += len(periods)
    summary.invoiced += len(invoices)


def _park(period_id: UUID, error: Exception, now: dt.datetime) -> CloseFailure:
    reason = error.detail if isinstance(error, BillingError) else f"{type(error).__name__}: {error}"
    period = BillingPeriod.objects.get(pk=period_id)
    period.close_error = reason
    period.close_failed_at = now
    period.save(update_fields=["close_error", "close_failed_at"])
    return CloseFailure(period_id, period.workspace_id, reason)

"""Closing some periods so that those that cannot be closed keep nobody else from an invoice."""

import datetime as dt
import logging
from collections.abc import Sequence
from dataclasses import dataclass, field
from uuid import UUID

from django.db import InterfaceError, OperationalError, connection, transaction

from billing.errors import BillingError
from billing.models import BillingPeriod
from billing.services.notifications import notify_finance
from invoices.services.closing.chunk import close_chunk
from invoices.services.closing.sums import CannotClose
from invoices.services.sales_taxes import TaxQuestion, ask

log = logging.getLogger(__name__)
# Of a deadlock or a lock that was not to be had, which happen to one and not to the next.
_TRIES = 3


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

    @property
    def done(self) -> int:
        return self.finalized + len(self.failed)

    def add(self, other: "CloseSummary") -> None:
        self.finalized += other.finalized
        self.invoiced += other.invoiced
        self.failed += other.failed


def close_or_block(
    period_ids: Sequence[UUID], *, now: dt.datetime, summary: CloseSummary, skip_locked: bool
) -> None:
    """Close the periods in one transaction; where that fails, halves of them; block the culprits.

    Raises when the connection to the database is lost: no period is to blame for that, and the next
    run goes on from here.
    """
    for attempt in range(1, _TRIES + 1):
        try:
            closed = close_chunk(period_ids=period_ids, now=now, skip_locked=skip_locked)
        except Exception as error:
            # Whatever it is, it must not keep the other workspaces from their invoices.
            if _is_lost(error):
                raise
            if len(period_ids) > 1:
                middle = len(period_ids) // 2
                for half in (period_ids[:middle], period_ids[middle:]):
                    close_or_block(half, now=now, summary=summary, skip_locked=skip_locked)
                return
            if isinstance(error, OperationalError) and attempt < _TRIES:
                continue
            if _asked(error) is None:
                log.exception("period %s could not be finalized", period_ids[0])
            _block(period_ids[0], error, now=now, summary=summary)
            return
        summary.finalized += len(closed.periods)
        summary.invoiced += len(closed.invoices)
        return


def _asked(error: Exception) -> TaxQuestion | None:
    """What a close lacks that somebody else answers."""
    return error.asked if isinstance(error, CannotClose) else None


def _is_lost(error: Exception) -> bool:
    if isinstance(error, InterfaceError):
        return True
    return isinstance(error, OperationalError) and not connection.is_usable()


def _block(period_id: UUID, error: Exception, *, now: dt.datetime, summary: CloseSummary) -> None:
    reason = error.detail if isinstance(error, BillingError) else f"{type(error).__name__}: {error}"
    with transaction.atomic():
        period = (
            BillingPeriod.objects.select_for_update(no_key=True, of=("self",))
            .select_related("workspace")
            .filter(pk=period_id, status=BillingPeriod.Status.CURRENT)
            .first()
        )
        if period is None:
            return  # someone else has closed it meanwhile
        is_news = period.close_failed_at is None
        period.close_error = reason
        period.close_failed_at = now
        period.save(update_fields=["close_error", "close_failed_at"])
        if (asked := _asked(error)) is not None:
            # The answer, which takes seconds as a rule, closes it; who asks says what keeps it.
            ask(asked, now=now)
        elif is_news:
            _tell_finance(period, now)
    summary.failed.append(CloseFailure(period_id, period.workspace_id, reason))


def _tell_finance(period: BillingPeriod, now: dt.datetime) -> None:
    notify_finance(
        key=f"period:{period.pk}:blocked:{now.isoformat(timespec='seconds')}",
        subject=f"{period.label} of {period.workspace.name} could not be closed",
        paragraphs=[
            period.close_error,
            "It is left alone until what is missing is given, or somebody retries its close in the"
            " admin; every other workspace's month is closed as usual.",
        ],
        facts=[("Workspace", period.workspace.name), ("Period", period.label)],
        about=period,
        now=now,
    )

"""Progress of the latest month end, from the close to the payments."""

import datetime as dt
from dataclasses import dataclass

from django.db.models import Count, Q

from billing import months
from billing.compiled import CompiledQuery, aggregated
from billing.models import BillingPeriod
from invoices.models import Invoice
from invoices.payments.models import StripeSync
from invoices.payments.services.month_records import ends_of_month, invoices_ended_between
from invoices.services.closing import end_of_grace

# Months end at another moment in each timezone, up to 14 hours from UTC's.
_TIMEZONES = dt.timedelta(days=1)


@dataclass(frozen=True)
class MonthEnd:
    """Counts of the periods of one month, and of their invoices that are not void."""

    month: str
    first_day: dt.date
    periods: int
    waiting: int  # not ended yet, or still in their grace
    due: int
    changed: int  # approved once, and different since: somebody has to approve it again
    blocked: int
    finalized: int
    in_last_minute: int
    invoices: int
    synced: int
    sync_blocked: int
    paid: int
    overdue: int
    written_off: int

    @property
    def share(self) -> int:
        """Percent of the periods that are closed, rounded down: 100 only when all are."""
        return self.finalized * 100 // self.periods if self.periods else 0

    @property
    def sync_share(self) -> int:
        return self.synced * 100 // self.invoices if self.invoices else 0

    @property
    def is_running(self) -> bool:
        """Whether there is something to watch."""
        return self.due > 0 or self.synced + self.sync_blocked < self.invoices


def month_boundary(now: dt.datetime) -> dt.datetime:
    """When the month that ends within a day, or ended last, is over in UTC."""
    first = (now + _TIMEZONES).astimezone(dt.UTC).date().replace(day=1)
    return dt.datetime.combine(first, dt.time(), tzinfo=dt.UTC)


_CURRENT = Q(status=BillingPeriod.Status.CURRENT)
_FAILED = _CURRENT & Q(close_failed_at__isnull=False)

_periods = CompiledQuery[dict[str, int]](
    lambda ended_from, ended_until, grace_over, lately: aggregated(
        BillingPeriod.objects.filter(period_end__gte=ended_from, period_end__lte=ended_until),
        periods=Count("pk"),
        waiting=Count("pk", filter=_CURRENT & Q(period_end__gt=grace_over) & ~_FAILED),
        due=Count("pk", filter=_CURRENT & Q(period_end__lte=grace_over) & ~_FAILED),
        changed=Count(
            "pk",
            filter=_CURRENT & Q(trial__approved_at__isnull=True) & ~Q(trial__changes=[]) & ~_FAILED,
        ),
        blocked=Count("pk", filter=_FAILED),
        finalized=Count("pk", filter=~_CURRENT),
        in_last_minute=Count("pk", filter=Q(finalized_at__gt=lately)),
    )
)
_invoices = CompiledQuery[dict[str, int]](
    lambda ended_from, ended_until: aggregated(
        invoices_ended_between(ended_from, ended_until).exclude(status=Invoice.Status.VOID),
        invoices=Count("pk"),
        synced=Count("pk", filter=Q(stripe_sync__status=StripeSync.Status.DONE)),
        sync_blocked=Count("pk", filter=Q(stripe_sync__status=StripeSync.Status.BLOCKED)),
        paid=Count("pk", filter=Q(status=Invoice.Status.PAID)),
        overdue=Count("pk", filter=Q(status=Invoice.Status.OVERDUE)),
        written_off=Count("pk", filter=Q(status=Invoice.Status.UNCOLLECTIBLE)),
    )
)


def month_end(*, now: dt.datetime) -> MonthEnd:
    """The month that ends within a day, or ended last. Two queries over its periods."""
    last_day = month_boundary(now).date() - dt.timedelta(days=1)
    first_day = last_day.replace(day=1)
    ended = ends_of_month(first_day)
    return MonthEnd(
        month=f"{last_day:%B %Y}",
        first_day=first_day,
        **_periods.one(*ended, end_of_grace(now), now - dt.timedelta(minutes=1)),
        **_invoices.one(*ended),
    )


def next_month_end(*, now: dt.datetime) -> dt.date:
    """The last day of the month that runs, on UTC's calendar."""
    return months.last_of_month(now.astimezone(dt.UTC).date())

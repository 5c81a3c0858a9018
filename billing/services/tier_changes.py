"""Since when a workspace is on which tier. Called in the transactions that change a tier."""

import datetime as dt

from billing import months
from billing.models import BillingPeriod, SubscriptionTier, TierChange, Workspace
from billing.queries import active_periods


def begin_tier(workspace: Workspace, *, on: dt.date) -> None:
    """From `on` the workspace is on its tier; what was to begin later no longer does."""
    changes = TierChange.objects.filter(workspace=workspace)
    changes.filter(on__gte=on).delete()
    last = changes.order_by("on").last()
    if last is None or last.tier_id != workspace.tier_id:
        TierChange.objects.create(workspace=workspace, tier=workspace.tier, on=on)


def first_day_of_change(workspace: Workspace, now: dt.datetime) -> dt.date:
    """Today on the workspace's calendar; if this month is closed already, the next one's first."""
    active = active_periods(now).filter(workspace=workspace)
    starts_at = active.values_list("period_start", flat=True).first()
    return months.local_date(max(now, starts_at or now), workspace.zone)


def first_day_not_opened(workspace: Workspace, now: dt.datetime) -> dt.date:
    """The first day after all periods there are."""
    ends = workspace.periods.order_by("-period_end").values_list("period_end", flat=True).first()
    return months.local_date(max(now, ends or now), workspace.zone)


def begin_year_with_first_period(workspace: Workspace, period: BillingPeriod) -> None:
    """A year begins in a period that can charge it, though its workspace was made before that."""
    if workspace.tier.interval != SubscriptionTier.Interval.YEAR:
        return
    if workspace.periods.exclude(pk=period.pk).exists():
        return
    first = months.local_date(period.period_start, workspace.zone)
    if TierChange.objects.filter(workspace=workspace, on__lt=first).exists():
        TierChange.objects.filter(workspace=workspace).delete()
        begin_tier(workspace, on=first)

"""Opening of billing periods: the calendar months of each workspace, without gaps or overlaps."""

import datetime as dt
from collections.abc import Iterable, Sequence
from uuid import UUID

from django.db import connection, transaction
from django.db.models import Max, Q

from billing import months
from billing.models import COUNTER_SLOTS, BillingPeriod, Workspace
from billing.queries import active_periods
from billing.services.tier_changes import begin_year_with_first_period
from billing.signals import admission_changed


def open_period(*, workspace_id: UUID, at: dt.datetime, now: dt.datetime) -> BillingPeriod:
    """The period of the workspace that holds `at`, opened if there is none yet.

    Two callers get the same row: the workspace's row is locked while one is opened. Where a
    neighbour already covers a part of the month (the timezone has changed in between), the new
    period is what is left of it, so that periods never overlap.
    """
    with transaction.atomic():
        workspace = Workspace.objects.select_for_update(no_key=True).get(pk=workspace_id)
        existing = period_at(workspace_id=workspace_id, at=at)
        if existing is not None:
            return existing
        start, end = months.month_of(at, workspace.zone)
        periods = BillingPeriod.objects.filter(workspace_id=workspace_id)
        before = periods.filter(period_end__gt=start, period_end__lte=at).order_by("-period_end")
        after = periods.filter(period_start__lt=end, period_start__gt=at).order_by("period_start")
        if neighbour := before.first():
            start = neighbour.period_end
        if neighbour := after.first():
            end = neighbour.period_start
        period = BillingPeriod(
            workspace=workspace,
            tier_id=workspace.tier_id,
            issuing_entity_id=workspace.issuing_entity_id,
            period_start=start,
            period_end=end,
            created_at=now,
        )
        insert_periods([period])
        begin_year_with_first_period(workspace, period)
        admission_changed.send(BillingPeriod, workspace_id=workspace_id, now=now)
        return period


def insert_periods(periods: Sequence[BillingPeriod]) -> None:
    """Write new periods with all of their counter slots, two statements for any number."""
    BillingPeriod.objects.bulk_create(periods)
    with connection.cursor() as cursor:
        cursor.execute(_INSERT_COUNTERS, [[period.pk for period in periods]])


# What may be spent until the owners are told first, in equal parts, so that the first use of a
# month needs no check of the limit (ADR 11); NULL without one.
_INSERT_COUNTERS = f"""
INSERT INTO billing_periodcounter (
    period_id, slot, is_open, records, total_cost, final_cost, checked_up_to, checked_terms)
SELECT period.id, slot, true, 0, 0, 0,
       trunc(settings.usage_limit_monthly * settings.alert_threshold_percentage / 100
             / {COUNTER_SLOTS}, 10),
       settings.xmin::text::bigint
  FROM unnest(%s::uuid[]) AS opened (id)
  JOIN billing_billingperiod AS period ON period.id = opened.id
  LEFT JOIN billing_workspacebillingsettings AS settings
    ON settings.workspace_id = period.workspace_id
 CROSS JOIN generate_series(0, {COUNTER_SLOTS - 1}) AS slot
"""  # noqa: S608 - constants are all that goes in


def mark_metered(period_ids: Iterable[UUID | str]) -> None:
    """Say that records are priced in these periods whose price depends on the whole period.

    Committed before the first of them is written, so that whoever sees one knows. A period that is
    closed already is left as it is: nothing enters it any more.
    """
    BillingPeriod.objects.filter(
        pk__in=sorted(map(str, period_ids)),
        status=BillingPeriod.Status.CURRENT,
        has_meters=False,
    ).update(has_meters=True)


def period_at(*, workspace_id: UUID, at: dt.datetime) -> BillingPeriod | None:
    return BillingPeriod.objects.filter(
        workspace_id=workspace_id, period_start__lte=at, period_end__gt=at
    ).first()


def open_missing_periods(*, now: dt.datetime) -> int:
    """Open what usage of `now` enters for every workspace that has nothing open for it; how many.

    A workspace is billed its subscription fee whether it uses anything or not, so a period must
    not wait for the first record.
    """
    missing = (
        Workspace.objects.exclude(status=Workspace.Status.CLOSED)
        .exclude(pk__in=active_periods(now).values("workspace"))
        .annotate(
            closed_until=Max(
                "periods__period_end", filter=~Q(periods__status=BillingPeriod.Status.CURRENT)
            ),
        )
        .values_list("pk", "closed_until")
    )
    opened = 0
    for workspace_id, closed_until in missing:
        # Where this month is closed already, the next one follows it.
        at = now if closed_until is None else max(now, closed_until)
        open_period(workspace_id=workspace_id, at=at, now=now)
        opened += 1
    return opened

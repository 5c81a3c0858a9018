"""Usage limits: one alert for each level of a limit, owners told, agents paused."""

import datetime as dt
from collections.abc import Collection, Mapping, Sequence
from decimal import Decimal
from typing import Any, NamedTuple
from uuid import UUID

from django.db import transaction
from django.utils.translation import gettext as _

from billing.formats import percent, percent_sign, quantity
from billing.issuers import issuer_of
from billing.models import COUNTER_SLOTS, BillingPeriod, LimitAlert, OptionalMail, Workspace
from billing.prepared import array, prepared_cursor
from billing.services.emails import addresses_wanting, in_each_language, queue_email
from usage.queries.net import net_spends
from usage.services.agents import align_agents, realign_agents

_TEMPLATES = {
    LimitAlert.Kind.THRESHOLD: "emails/limit_threshold",
    LimitAlert.Kind.LIMIT: "emails/limit_reached",
}


# The slot allowance: what is left until something has to happen next, in equal parts for all slots
# of a period. Usage that stays within its slot's allowance needs no look at the others: whatever
# they do meanwhile, nothing is reached. Called with all of the slots locked.
#
# What is left is net; what is counted in a slot is at list price. A record whose net may grow by
# more than its list price is never written without a look (`RecordPrice.is_bounded`), nor is a
# reversal where there are meters, so that nothing is reached sooner than list prices say (ADR 28).
_SPREAD = f"""
UPDATE billing_periodcounter AS counter
   SET checked_up_to = counter.final_cost + trunc((next.reached - spend) / {COUNTER_SLOTS}, 10),
       checked_terms = next.terms
  FROM (
    SELECT period_id, spend, terms,
           CASE WHEN spend < usage_limit * threshold / 100 THEN usage_limit * threshold / 100
                WHEN spend < usage_limit THEN usage_limit
                -- Nothing more will happen. Agents that pause may be set live again: those are
                -- looked after with every use; so is a limit of zero before the first spend.
                WHEN spend > 0 AND NOT auto_pause THEN 1e27
           END AS reached
      FROM (
        SELECT period.id AS period_id, settings.xmin::text::bigint AS terms,
               CASE WHEN period.has_meters THEN net.spend ELSE
                    (SELECT sum(each.final_cost) FROM billing_periodcounter AS each
                      WHERE each.period_id = period.id) END AS spend,
               settings.usage_limit_monthly AS usage_limit,
               settings.alert_threshold_percentage AS threshold,
               settings.auto_pause_on_limit AS auto_pause
          FROM billing_billingperiod AS period
          JOIN billing_workspacebillingsettings AS settings
            ON settings.workspace_id = period.workspace_id
          LEFT JOIN unnest(%s::uuid[], %s::numeric[]) AS net (period_id, spend)
            ON net.period_id = period.id
         WHERE period.id = ANY(%s::uuid[])
      ) AS spent
  ) AS next
 WHERE counter.period_id = next.period_id
RETURNING replace(counter.period_id::text, '-', ''), next.reached IS NOT NULL
"""  # noqa: S608 - constants are all that goes in


def spread_slot_allowance(period_ids: Collection[str]) -> frozenset[str]:
    """Give each slot of these periods its allowance; which periods have any left.

    Periods by their ids (32 hex digits), as are those returned. In a transaction that has checked
    their limits and holds all of their counters.
    """
    net = net_spends([UUID(period_id) for period_id in period_ids])
    with prepared_cursor() as cursor:
        cursor.execute(_SPREAD, [*_arrays(net), array(period_ids)], prepare=True)
        return frozenset(period_id for period_id, is_far in cursor if is_far)


def _arrays(spends: Mapping[UUID, Decimal]) -> tuple[str, str]:
    """Periods, and what is spent in them, as array literals."""
    periods = array([each.hex for each in spends])
    return periods, array([f"{each:f}" for each in spends.values()])


class _Crossing(NamedTuple):
    workspace_id: UUID
    period_id: UUID
    spend: Any  # a Decimal; None where it is still to be asked for
    limit: Decimal
    threshold: Decimal
    auto_pause: bool
    is_active: bool
    over_limit: bool


# Open periods at or over the workspace's threshold that have something left to do: alerts to write
# (of this limit, which may not be the one that the period began with), or live agents to pause.
# Nothing is told of a limit of zero before something is spent. Only in the active period, which
# usage enters now, does the limit pause anyone. Reads the few counter rows of each period; takes
# no locks. Two statements, since one plan would not suit both.
#
# Spend is net: given for periods with meters, and asked for where one is missing (a row without
# any spend).
_CROSSINGS_OF = """
SELECT workspace_id, period_id, spend, usage_limit, threshold, auto_pause, is_active,
       spend >= usage_limit
  FROM (
    SELECT settings.workspace_id, period.id AS period_id,
           CASE WHEN period.has_meters THEN net.spend ELSE
                (SELECT sum(counter.final_cost) FROM billing_periodcounter AS counter
                  WHERE counter.period_id = period.id) END AS spend,
           settings.usage_limit_monthly AS usage_limit,
           settings.alert_threshold_percentage AS threshold,
           settings.auto_pause_on_limit AS auto_pause,
           period.id = (SELECT active.id
                          FROM billing_active_period(settings.workspace_id, %(now)s::timestamptz)
                               AS active (id)) IS TRUE AS is_active
      FROM billing_workspacebillingsettings AS settings
      JOIN billing_billingperiod AS period
        ON period.workspace_id = settings.workspace_id AND period.status = 'current'
      LEFT JOIN unnest(%(net_periods)s::uuid[], %(net_spends)s::numeric[])
                AS net (period_id, spend) ON net.period_id = period.id
     WHERE settings.usage_limit_monthly IS NOT NULL {some}
  ) AS spent
 WHERE spend IS NULL OR spend >= usage_limit * threshold / 100
   AND (spend > 0 AND NOT EXISTS (
            SELECT FROM billing_limitalert AS alert
             WHERE alert.period_id = spent.period_id AND alert.usage_limit = spent.usage_limit
               AND (alert.kind = 'limit'
                    OR spent.spend < spent.usage_limit
                       AND alert.threshold_percentage = spent.threshold))
        OR (spend >= usage_limit AND auto_pause AND is_active
            AND EXISTS (SELECT FROM usage_voiceagent AS agent
                         WHERE agent.workspace_id = spent.workspace_id AND agent.status = 'live')))
 ORDER BY workspace_id, period_id
"""
_SOME = "AND settings.workspace_id = ANY(%(workspaces)s::uuid[])"
_CROSSINGS = _CROSSINGS_OF.format(some=_SOME)
_ALL_CROSSINGS = _CROSSINGS_OF.format(some="")


def check_limits(*, workspace_ids: Sequence[UUID | str] | None, now: dt.datetime) -> int:
    """Write the alerts that open periods have earned and not got; how many were written.

    Workspaces by their ids or the text of these; None means every workspace. Safe to run twice or
    at once: the database keeps one alert for each period, kind and limit, and only the one who
    wrote it tells the owners.
    """
    written = 0
    crossings = _crossings(workspace_ids, now, {})
    metered = [each.period_id for each in crossings if each.spend is None]
    if metered:
        found = _crossings(workspace_ids, now, net_spends(metered))
        crossings = [each for each in found if each.spend is not None]
    for crossing in crossings:
        with transaction.atomic():
            written += _raise_alerts(crossing, now)
    return written


def _crossings(
    workspace_ids: Sequence[UUID | str] | None, now: dt.datetime, net: Mapping[UUID, Decimal]
) -> list[_Crossing]:
    periods, spends = _arrays(net)
    values = {"now": now.isoformat(), "net_periods": periods, "net_spends": spends}
    with prepared_cursor() as cursor:
        if workspace_ids is None:
            cursor.execute(_ALL_CROSSINGS, values)
        else:
            values["workspaces"] = array(map(str, workspace_ids))
            cursor.execute(_CROSSINGS, values, prepare=True)
        return [_Crossing(*row) for row in cursor]


def _raise_alerts(crossing: _Crossing, now: dt.datetime) -> int:
    earned = _earned(crossing, now) if crossing.spend > 0 else []
    LimitAlert.objects.bulk_create(earned, ignore_conflicts=True)
    # Which of them are ours: a conflicting row of another transaction has another id.
    ours = LimitAlert.objects.filter(pk__in=[alert.pk for alert in earned]).select_related(
        "workspace", "period__workspace"
    )
    told = {alert.kind: alert for alert in ours}
    # Both at once are one message: that the limit is reached says all of it.
    alert = told.get(LimitAlert.Kind.LIMIT) or told.get(LimitAlert.Kind.THRESHOLD)
    if alert is not None:
        _tell_owners(alert, crossing, now)
    if crossing.over_limit and crossing.is_active:
        align_agents(workspace_id=crossing.workspace_id, now=now)
    return len(told)


def _earned(crossing: _Crossing, now: dt.datetime) -> list[LimitAlert]:
    kinds = [LimitAlert.Kind.THRESHOLD]
    if crossing.over_limit:
        kinds.append(LimitAlert.Kind.LIMIT)
    return [
        LimitAlert(
            workspace_id=crossing.workspace_id,
            period_id=crossing.period_id,
            kind=kind,
            spend=crossing.spend,
            usage_limit=crossing.limit,
            threshold_percentage=crossing.threshold,
            created_at=now,
        )
        for kind in kinds
    ]


def _tell_owners(alert: LimitAlert, crossing: _Crossing, now: dt.datetime) -> None:
    workspace: Workspace = alert.workspace
    period: BillingPeriod = alert.period
    is_reached = alert.kind == LimitAlert.Kind.LIMIT
    # Rounded down: 99.6 % is not all of it.
    used = 100 * crossing.spend // crossing.limit if crossing.limit else Decimal(100)

    def send(suffix: str, recipients: list[str]) -> bool:
        month = period.label
        if is_reached:
            subject = _("{workspace} has reached its usage limit for {month}")
        else:
            subject = _("{workspace} has used {used} of its usage limit for {month}")
        email = queue_email(
            key=f"limit-alert:{alert.pk}{suffix}",
            kind=f"limit_{alert.kind}",
            workspace_id=workspace.pk,
            recipients=recipients,
            subject=subject.format(
                workspace=workspace.name, used=percent(used / 100, places=0), month=month
            ),
            template=_TEMPLATES[LimitAlert.Kind(alert.kind)],
            context={
                "workspace": workspace,
                "issuer": issuer_of(workspace.issuing_entity).name,
                "alert": alert,
                "used": percent(used / 100, places=0),
                "told_at": f"{quantity(alert.threshold_percentage)}{percent_sign()}",
                "remaining": max(crossing.limit - crossing.spend, Decimal(0)),
                "period_label": month,
                "currency": workspace.currency,
                "other_period": not crossing.is_active,
            },
            now=now,
        )
        return email is not None

    mail = OptionalMail.LIMIT_REACHED if is_reached else OptionalMail.LIMIT_NEAR
    in_each_language(workspace, addresses_wanting(workspace, mail), send)


def sweep_limits(*, now: dt.datetime) -> int:
    """Catch up on alerts and agents that a crash, or a month's turn, left behind."""
    written = check_limits(workspace_ids=None, now=now)
    stale = (
        Workspace.objects.filter(agents__paused_reason__in=["usage_limit", "suspended"])
        .distinct()
        .values_list("pk", flat=True)
    )
    realign_agents(stale, now=now)
    return written

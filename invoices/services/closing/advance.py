"""What closing does to the periods themselves: totals frozen, the next month open."""

import datetime as dt
from collections.abc import Sequence

from django.db import connection

from billing import months
from billing.charges import freeze_charges
from billing.models import BillingPeriod, Workspace
from billing.rating.charges import ChargeKind
from billing.services.periods import insert_periods
from invoices.services.closing.sums import Closing
from usage.models import PeriodMeter, VoiceAgent
from usage.queries.meters import line_as_json
from usage.services.agents import align_agents

_FREEZE = """
UPDATE billing_billingperiod AS period
   SET subtotal = closing.subtotal, adjustment = closing.adjustment,
       subscription_fee = closing.fee,
       add_on_fees = closing.add_ons, discounts = closing.discounts,
       commitment_shortfall = closing.shortfall, manual_items = closing.manual,
       credit_brought_forward = closing.credit,
       reversals_credited = closing.reversals, total_amount = closing.total,
       status = 'finalized', finalized_at = %s, close_error = '', close_failed_at = NULL
  FROM unnest(%s::uuid[], %s::numeric[], %s::numeric[], %s::numeric[], %s::numeric[],
              %s::numeric[], %s::numeric[], %s::numeric[], %s::numeric[],
              %s::numeric[], %s::numeric[])
    AS closing (id, subtotal, adjustment, fee, add_ons, discounts, shortfall, manual, credit,
                reversals, total)
 WHERE period.id = closing.id
"""


def freeze(closings: Sequence[Closing], now: dt.datetime) -> None:
    """The totals into the rows, and into the objects, of periods that are locked; their charges."""
    for closing in closings:
        period = closing.period
        period.subtotal = closing.subtotal
        period.adjustment = closing.adjustment
        period.subscription_fee = closing.fee
        period.add_on_fees = closing.add_ons
        period.discounts = closing.discounts
        period.commitment_shortfall = closing.shortfall
        period.manual_items = closing.manual
        period.credit_brought_forward = closing.credit
        period.reversals_credited = closing.reversals
        period.total_amount = closing.total
        period.status = BillingPeriod.Status.FINALIZED
        period.finalized_at = now
        period.close_error = ""
        period.close_failed_at = None
    with connection.cursor() as cursor:
        cursor.execute(
            _FREEZE,
            [
                now,
                [closing.period.pk for closing in closings],
                [closing.subtotal for closing in closings],
                [closing.adjustment for closing in closings],
                [closing.fee for closing in closings],
                [closing.add_ons for closing in closings],
                [closing.discounts for closing in closings],
                [closing.shortfall for closing in closings],
                [closing.manual for closing in closings],
                [closing.credit for closing in closings],
                [closing.reversals for closing in closings],
                [closing.total for closing in closings],
            ],
        )
    freeze_charges([(closing.period, closing.charges) for closing in closings])
    note_billed(closings, now)


# Each is charged once: `manual_item_is_charged_once`.
_BILLED = """
UPDATE billing_manualitem AS item SET status = 'billed', period_id = taken.period_id, billed_at = %s
  FROM unnest(%s::uuid[], %s::uuid[]) AS taken (id, period_id)
 WHERE item.id = taken.id
"""


def note_billed(closings: Sequence[Closing], now: dt.datetime) -> None:
    """What was added by hand is billed with the period whose charges it is among."""
    taken = [
        (charge.source_id, closing.period.pk)
        for closing in closings
        for charge in closing.charges
        if charge.kind == ChargeKind.MANUAL
    ]
    if taken:
        with connection.cursor() as cursor:
            cursor.execute(_BILLED, [now, [item for item, _ in taken], [pk for _, pk in taken]])


def freeze_meters(closings: Sequence[Closing]) -> None:
    """What each meter came to, as its invoice line says it."""
    PeriodMeter.objects.bulk_create(
        [
            PeriodMeter(
                billing_period=closing.period,
                rate_id=meter.rate_id,
                usage_month=meter.late_month,
                resource_type=meter.resource_type,
                description=meter.description,
                billed_quantity=meter.billed,
                list_amount=meter.listed,
                adjustment=meter.adjustment,
                net_amount=meter.net,
                lines=[line_as_json(line) for line in meter.lines],
            )
            for closing in closings
            for meter in closing.meters
        ]
    )


def open_next(periods: Sequence[BillingPeriod], now: dt.datetime) -> list[BillingPeriod]:
    """The month that follows each closed one, unless it is there or the workspace is closed."""
    followed = set(
        BillingPeriod.objects.filter(
            workspace__in={period.workspace_id for period in periods},
            period_start__in={period.period_end for period in periods},
        ).values_list("workspace_id", "period_start")
    )
    new = []
    for period in periods:
        workspace = period.workspace
        if workspace.status == Workspace.Status.CLOSED:
            continue
        if (workspace.pk, period.period_end) in followed:
            continue
        new.append(
            BillingPeriod(
                workspace=workspace,
                tier_id=workspace.tier_id,
                issuing_entity_id=workspace.issuing_entity_id,
                period_start=period.period_end,
                period_end=months.month_of(period.period_end, workspace.zone).end,
                created_at=now,
            )
        )
    insert_periods(new)
    return new


def bring_agents_back(closed: Sequence[BillingPeriod], now: dt.datetime) -> None:
    """What is used from now on counts in another period: agents that the limit paused may go on."""
    paused = (
        VoiceAgent.objects.filter(
            workspace__in={period.workspace_id for period in closed},
            paused_reason=VoiceAgent.PausedReason.USAGE_LIMIT,
        )
        .order_by("workspace_id")
        .values_list("workspace_id", flat=True)
        .distinct()
    )
    for workspace_id in paused:
        align_agents(workspace_id=workspace_id, now=now)

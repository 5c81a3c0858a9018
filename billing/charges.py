"""Charges of billing periods besides their usage: the terms of many periods read at once.

Closes and live totals both ask here and both compute by `billing.rating.bills`; a closed period
shows the rows that were frozen with it.
"""

import datetime as dt
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from decimal import Decimal
from typing import NamedTuple
from uuid import UUID

from django.db import connection

from billing import months
from billing.models import BillingPeriod, PeriodCharge
from billing.money import ZERO
from billing.prepared import page_cursor
from billing.rating.charges import (
    AddOnTerms,
    Charge,
    ChargeKind,
    ChargeScope,
    CommitmentTerms,
    DiscountTerms,
    ManualTerms,
    PeriodTerms,
    TierSince,
    TierTerms,
)
from billing.rating.proration import Span
from billing.replica import reading_connection

# Everything in one statement, since a close asks for two hundred periods and a page for one. Plan:
# all tiers, which are few, and a range of each table's index by workspace.
_TERMS = """
SELECT 'tier' AS kind, NULL::uuid AS workspace_id, tier.id::text AS id, tier.name, price.currency,
       NULL::numeric AS quantity, price.fee AS amount, NULL::numeric AS percentage,
       NULL::date AS starts_on, NULL::date AS ends_on,
       tier.proration = 'daily' AS daily, tier.interval = 'year' AS yearly,
       NULL::timestamptz AS given_at, NULL::uuid AS period_id
  FROM billing_subscriptiontier AS tier
  LEFT JOIN billing_tierprice AS price ON price.tier_id = tier.id
UNION ALL
SELECT 'change', workspace_id, tier_id::text, '', '', NULL, NULL, NULL, "on", NULL, NULL, NULL,
       NULL, NULL
  FROM billing_tierchange WHERE workspace_id = ANY(%(workspaces)s)
UNION ALL
SELECT 'add_on', workspace_id, id::text, name, '', quantity, unit_price, NULL, starts_on, ends_on,
       proration = 'daily', NULL, created_at, NULL
  FROM billing_addon WHERE workspace_id = ANY(%(workspaces)s)
UNION ALL
SELECT 'commitment', workspace_id, id::text, '', covers, NULL, amount, NULL, starts_on, ends_on,
       NULL, NULL, created_at, NULL
  FROM billing_commitment WHERE workspace_id = ANY(%(workspaces)s)
UNION ALL
SELECT 'discount', workspace_id, id::text, name, applies_to, NULL, amount, percentage, starts_on,
       ends_on, NULL, NULL, created_at, NULL
  FROM billing_discount WHERE workspace_id = ANY(%(workspaces)s)
UNION ALL
SELECT 'manual', item.workspace_id, item.id::text, item.description, item.tax_class, NULL,
       CASE item.kind WHEN 'charge' THEN item.net ELSE -item.net END, NULL, NULL, NULL, NULL, NULL,
       item.created_at, taker.id
  FROM billing_manualitem AS item
  JOIN billing_workspace AS workspace ON workspace.id = item.workspace_id
 CROSS JOIN LATERAL (
       SELECT id FROM billing_billingperiod AS period
        WHERE period.workspace_id = item.workspace_id AND period.status = 'current'
          AND (item.month IS NULL
               OR period.period_end > item.month::timestamp AT TIME ZONE workspace.timezone)
        ORDER BY period.period_start LIMIT 1) AS taker
 WHERE item.workspace_id = ANY(%(workspaces)s) AND item.status = 'approved'
   AND item.one_off_invoice_id IS NULL
 ORDER BY kind, starts_on, given_at, id
"""


class _Committed(NamedTuple):
    id: str
    amount: Decimal
    covers: ChargeScope
    starts_on: dt.date
    ends_on: dt.date | None


@dataclass(slots=True)
class _Agreed:
    """All that one workspace has agreed to, whenever; from the earlier to the later."""

    tiers: list[tuple[dt.date, str]] = field(default_factory=list)
    add_ons: list[AddOnTerms] = field(default_factory=list)
    commitments: list[_Committed] = field(default_factory=list)
    discounts: list[tuple[dt.datetime, DiscountTerms, dt.date, dt.date | None]] = field(
        default_factory=list
    )
    # With the period that takes each: the first open one that is not before its month.
    manual: list[tuple[UUID, ManualTerms]] = field(default_factory=list)


_NOTHING = _Agreed()


class TermsReader:
    """What was agreed with some workspaces, read once; `of` gives the terms of one of its periods.

    For live totals a tier without a price costs nothing; the close refuses it (`strict`).
    """

    def __init__(self, workspace_ids: Iterable[UUID], *, strict: bool = False) -> None:
        self._tiers: dict[tuple[str, str], TierTerms] = {}
        self._agreed: dict[UUID, _Agreed] = defaultdict(_Agreed)
        self._no_fee = None if strict else ZERO
        with page_cursor(connection) as cursor:
            cursor.execute(_TERMS, {"workspaces": list(set(workspace_ids))})
            for row in cursor:
                self._take(*row)

    def _take(
        self,
        kind: str,
        workspace_id: UUID,
        row_id: str,
        name: str,
        of: str,
        quantity: Decimal,
        amount: Decimal,
        percentage: Decimal | None,
        starts_on: dt.date,
        ends_on: dt.date | None,
        daily: bool,
        yearly: bool,
        given_at: dt.datetime,
        period_id: UUID,
    ) -> None:
        if kind == "tier":
            tier = TierTerms(row_id, name, amount, yearly=yearly, daily=daily)
            self._tiers[row_id, of or ""] = tier
            self._tiers.setdefault((row_id, ""), replace(tier, fee=self._no_fee))
            return
        agreed = self._agreed[workspace_id]
        match kind:
            case "change":
                agreed.tiers.append((starts_on, row_id))
            case "add_on":
                agreed.add_ons.append(
                    AddOnTerms(row_id, name, quantity, amount, starts_on, ends_on, daily)
                )
            case "commitment":
                agreed.commitments.append(
                    _Committed(row_id, amount, ChargeScope(of), starts_on, ends_on)
                )
            case "discount":
                discount = DiscountTerms(row_id, name, percentage, amount, ChargeScope(of))
                agreed.discounts.append((given_at, discount, starts_on, ends_on))
            case "manual":
                agreed.manual.append((period_id, ManualTerms(row_id, name, amount, of)))

    def of(self, period: BillingPeriod) -> PeriodTerms:
        """`period` comes with its workspace."""
        workspace = period.workspace
        agreed = self._agreed.get(workspace.pk, _NOTHING)
        days = Span(
            months.local_date(period.period_start, workspace.zone),
            months.local_date(period.period_end, workspace.zone),
        )
        month = days.first.replace(day=1)
        held = [each for each in agreed.tiers if each[0] < days.until]
        if not held or held[-1][1] != str(period.tier_id):
            # The period says by itself what it is billed by, as one that kept its tier.
            since = held[0][0] if held else months.local_date(workspace.created_at, workspace.zone)
            # A year that has not begun by then begins with a later period.
            yearly = self._tier(str(period.tier_id), workspace.currency).yearly
            held = [] if yearly and not held else [(since, str(period.tier_id))]
        return PeriodTerms(
            days,
            period.has_fee,
            tuple(TierSince(on, self._tier(tier, workspace.currency)) for on, tier in held),
            tuple(agreed.add_ons),
            tuple(
                discount
                for _, discount, starts_on, ends_on in sorted(
                    agreed.discounts, key=lambda each: (each[0], each[1].id)
                )
                if months.holds_on(month, starts_on, ends_on)
            ),
            next(
                (
                    CommitmentTerms(each.id, each.amount, workspace.currency, each.covers)
                    for each in agreed.commitments
                    if months.holds_on(month, each.starts_on, each.ends_on)
                ),
                None,
            ),
            tuple(item for taken_by, item in agreed.manual if taken_by == period.pk),
        )

    def _tier(self, tier_id: str, currency: str) -> TierTerms:
        return self._tiers.get((tier_id, currency)) or self._tiers[tier_id, ""]


_FROZEN = """
SELECT period_id, kind, description, amount, quantity, unit_price, first_day, last_day, days,
       of_days, base, percentage, source_id
  FROM billing_periodcharge WHERE period_id = ANY(%s) ORDER BY position
"""


def frozen_charges(period_ids: Iterable[UUID]) -> dict[UUID, list[Charge]]:
    """What closed periods were charged, as it was worked out then. One query."""
    found: dict[UUID, list[Charge]] = defaultdict(list)
    with page_cursor(reading_connection()) as cursor:
        cursor.execute(_FROZEN, [list(period_ids)])
        for period_id, kind, *of_charge in cursor:
            found[period_id].append(Charge(ChargeKind(kind), *of_charge))
    return found


def freeze_charges(charged: Sequence[tuple[BillingPeriod, Sequence[Charge]]]) -> None:
    """Keep what periods are charged as they close. One statement."""
    PeriodCharge.objects.bulk_create(
        [
            PeriodCharge(
                period=period,
                position=position,
                kind=charge.kind,
                description=charge.description,
                quantity=charge.quantity,
                unit_price=charge.unit_price,
                first_day=charge.first_day,
                last_day=charge.last_day,
                days=charge.days,
                of_days=charge.of_days,
                base=charge.base,
                percentage=charge.percentage,
                amount=charge.amount,
                source_id=charge.source_id,
            )
            for period, charges in charged
            for position, charge in enumerate(charges, start=1)
        ]
    )

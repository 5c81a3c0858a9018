"""Totals of closed periods against what they are made of."""

from collections.abc import Iterator

from usage.services.ledger import LedgerDifference, Scope, rows

_FROZEN = """
SELECT period.workspace_id, period.id, period.subtotal, period.adjustment,
       coalesce(rolled.final_cost, 0)
  FROM billing_billingperiod AS period
  LEFT JOIN (SELECT billing_period_id, sum(final_cost) AS final_cost
               FROM usage_usagerollup GROUP BY billing_period_id) AS rolled
    ON rolled.billing_period_id = period.id
 WHERE period.status <> 'current'
   AND period.subtotal <> coalesce(rolled.final_cost, 0) + period.adjustment
   AND (%(workspace)s::uuid IS NULL OR period.workspace_id = %(workspace)s)
   AND (%(period)s::uuid IS NULL OR period.id = %(period)s)
 ORDER BY 1, 2
"""
# Each line from its own columns; PostgreSQL rounds a numeric half away from zero, as the lines do.
_CHARGES = """
SELECT period.workspace_id, period.id, charge.description, charge.amount, worked.out
  FROM billing_periodcharge AS charge
  JOIN billing_billingperiod AS period ON period.id = charge.period_id
 CROSS JOIN LATERAL (SELECT CASE
       WHEN charge.kind IN ('subscription', 'add_on', 'manual')
       THEN round(charge.quantity * charge.unit_price * charge.days / charge.of_days, 10)
       WHEN charge.kind = 'discount'
       THEN -least(charge.base, coalesce(round(charge.base * charge.percentage / 100, 10),
                                         charge.unit_price))
       ELSE least(charge.unit_price, greatest(0, charge.unit_price - charge.base))
       END AS out) AS worked
 WHERE charge.amount <> worked.out
   AND (%(workspace)s::uuid IS NULL OR period.workspace_id = %(workspace)s)
   AND (%(period)s::uuid IS NULL OR period.id = %(period)s)
 ORDER BY 1, 2, charge.position
"""
_CHARGED = """
SELECT period.workspace_id, period.id,
       period.subscription_fee + period.add_on_fees + period.discounts
           + period.commitment_shortfall + period.manual_items,
       coalesce(sums.fees + sums.add_ons + sums.discounts + sums.shortfall + sums.manual, 0)
  FROM billing_billingperiod AS period
  LEFT JOIN (SELECT period_id,
                    coalesce(sum(amount) FILTER (WHERE kind = 'subscription'), 0) AS fees,
                    coalesce(sum(amount) FILTER (WHERE kind = 'add_on'), 0) AS add_ons,
                    coalesce(sum(amount) FILTER (WHERE kind = 'discount'), 0) AS discounts,
                    coalesce(sum(amount) FILTER (WHERE kind = 'commitment'), 0) AS shortfall,
                    coalesce(sum(amount) FILTER (WHERE kind = 'manual'), 0) AS manual
               FROM billing_periodcharge GROUP BY period_id) AS sums
    ON sums.period_id = period.id
 WHERE (period.subscription_fee, period.add_on_fees, period.discounts, period.commitment_shortfall,
        period.manual_items)
       IS DISTINCT FROM (coalesce(sums.fees, 0), coalesce(sums.add_ons, 0),
                         coalesce(sums.discounts, 0), coalesce(sums.shortfall, 0),
                         coalesce(sums.manual, 0))
   AND (%(workspace)s::uuid IS NULL OR period.workspace_id = %(workspace)s)
   AND (%(period)s::uuid IS NULL OR period.id = %(period)s)
 ORDER BY 1, 2
"""
_OPEN_COUNTERS = """
SELECT DISTINCT period.workspace_id, period.id
  FROM billing_billingperiod AS period
  JOIN billing_periodcounter AS counter ON counter.period_id = period.id
 WHERE (counter.is_open AND period.status <> 'current')
   AND (%(workspace)s::uuid IS NULL OR period.workspace_id = %(workspace)s)
   AND (%(period)s::uuid IS NULL OR period.id = %(period)s)
"""
# What a period owes back is brought forward by the next one that closes, whole.
_CREDITS = """
SELECT * FROM (
    SELECT period.workspace_id, period.id, period.credit_brought_forward,
           least(0, coalesce(lag(period.total_amount) OVER (
               PARTITION BY period.workspace_id
               ORDER BY period.finalized_at, period.period_start), 0)) AS owed
      FROM billing_billingperiod AS period
     WHERE period.status <> 'current'
       AND (%(workspace)s::uuid IS NULL OR period.workspace_id = %(workspace)s)) AS credits
 WHERE credit_brought_forward <> owed AND (%(period)s::uuid IS NULL OR id = %(period)s)
 ORDER BY 1, 2
"""
# A constraint holds it too, which the owner of the tables can drop.
_PARTS = """
SELECT period.workspace_id, period.id, period.total_amount,
       period.subtotal + period.subscription_fee + period.add_on_fees + period.discounts
           + period.commitment_shortfall + period.manual_items
           + period.credit_brought_forward + period.reversals_credited AS parts
  FROM billing_billingperiod AS period
 WHERE period.total_amount <> period.subtotal + period.subscription_fee + period.add_on_fees
           + period.discounts + period.commitment_shortfall + period.manual_items
           + period.credit_brought_forward + period.reversals_credited
   -- What is given back while a month runs counts when it closes.
   AND NOT (period.status = 'current' AND period.total_amount = 0)
   AND (%(workspace)s::uuid IS NULL OR period.workspace_id = %(workspace)s)
   AND (%(period)s::uuid IS NULL OR period.id = %(period)s)
 ORDER BY 1, 2
"""


def total_differences(scope: Scope) -> Iterator[LedgerDifference]:
    """Where a closed period is not its rollups, its charges and its credit."""
    for workspace, period, subtotal, adjustment, rolled in rows(_FROZEN, scope):
        added = f" with {adjustment} for its meters" if adjustment else ""
        detail = f"closed with a subtotal of {subtotal}{added}, its rollups add up to {rolled}"
        yield LedgerDifference("period and rollups", workspace, period, detail)
    for workspace, period, text, amount, worked_out in rows(_CHARGES, scope):
        detail = f"{text}: charged {amount}, its own terms make it {worked_out}"
        yield LedgerDifference("charge and its terms", workspace, period, detail)
    for workspace, period, amount, lines in rows(_CHARGED, scope):
        detail = f"closed with {amount} of fees and discounts, their lines add up to {lines}"
        yield LedgerDifference("period and charges", workspace, period, detail)
    for workspace, period, brought, owed in rows(_CREDITS, scope):
        detail = f"brought forward a credit of {brought}, the period closed before it left {owed}"
        yield LedgerDifference("period and credit", workspace, period, detail)
    for workspace, period, total, parts in rows(_PARTS, scope):
        detail = f"its total is {total}, its parts add up to {parts}"
        yield LedgerDifference("period and its parts", workspace, period, detail)
    for workspace, period in rows(_OPEN_COUNTERS, scope):
        detail = "closed, but a counter still lets records in"
        yield LedgerDifference("period and counters", workspace, period, detail)

"""Workspaces with a month of usage, made set by set: records, rollups and counters agree."""

import datetime as dt
from typing import Any
from uuid import UUID

from django.db import connection
from tqdm import tqdm

from billing import months
from billing.models import COUNTER_SLOTS
from config import celery_app

# Rows a statement: the trigger on usage records holds a statement's rows until its end.
_RECORDS_A_STEP = 100_000

_WORKSPACES = """
WITH made AS (
    INSERT INTO billing_workspace (
        id, name, status, suspension_reason, tier_id, currency, timezone, billing_email,
        billing_name, address_line1, address_line2, address_city, address_state,
        address_postal_code, address_country, tax_id, created_from, created_at, updated_at)
    SELECT gen_random_uuid(), %(label)s || ' ' || number, 'active', '', tier.id,
           (ARRAY['USD', 'EUR', 'GBP', 'JPY'])[1 + number %% 4],
           (ARRAY['UTC', 'America/New_York', 'Europe/Berlin', 'Asia/Kathmandu', 'Asia/Tokyo'])
               [1 + number %% 5],
           'billing' || number || '@bench.test', '', '1 Main Street', '', 'Springfield', '',
           '12345', 'US', '', '', %(now)s, %(now)s
      FROM generate_series(1, %(count)s) AS number, billing_subscriptiontier AS tier
     WHERE tier.name = 'starter'
    RETURNING id, tier_id, timezone
), terms AS (
    INSERT INTO billing_workspacebillingsettings (
        workspace_id, alert_threshold_percentage, auto_pause_on_limit, collection_method,
        payment_terms_days, owners_see, updated_at)
    SELECT id, 80, true, 'send_invoice', 14, '', %(now)s FROM made
), opened AS (
    INSERT INTO billing_billingperiod (
        id, workspace_id, tier_id, period_start, period_end, subtotal, subscription_fee,
        credit_brought_forward, total_amount, status, close_error, created_at)
    SELECT gen_random_uuid(), id, tier_id, %(first)s::timestamp AT TIME ZONE timezone,
           %(until)s::timestamp AT TIME ZONE timezone, 0, 0, 0, 0, 'current', '', %(now)s
      FROM made
    RETURNING id, workspace_id
), counters AS (
    INSERT INTO billing_periodcounter (period_id, slot, is_open, records, total_cost, final_cost)
    SELECT id, slot, true, 0, 0, 0 FROM opened, generate_series(0, %(last_slot)s) AS slot
)
SELECT workspace_id, id FROM opened
"""
# Five kinds a day on every day of the month, spread over two slots. Costs are exact in ten places.
_RECORDS = """
INSERT INTO usage_usagerecord (
    id, workspace_id, billing_period_id, call_id, occurred_at, created_at, usage_date, late,
    idempotency_key, resource_type, provider, quantity, unit_cost, total_cost, markup_percentage,
    final_cost)
SELECT gen_random_uuid(), period.workspace_id, period.id, gen_random_uuid(), use.at, use.at,
       (use.at AT TIME ZONE workspace.timezone)::date, false, use.number::text,
       (ARRAY['call_minutes', 'call_minutes', 'transcription', 'synthesis', 'storage'])[use.kind],
       (ARRAY['twilio', 'telnyx', 'deepgram', 'elevenlabs', 'aws'])[use.kind],
       use.quantity, use.unit_cost, use.quantity * use.unit_cost, 20,
       use.quantity * use.unit_cost * 1.2
  FROM billing_billingperiod AS period
  JOIN billing_workspace AS workspace ON workspace.id = period.workspace_id
 CROSS JOIN LATERAL (
    SELECT number, 1 + number %% 5 AS kind, 0.25 * (1 + number %% 97) AS quantity,
           (ARRAY[0.0085, 0.0070, 0.0043, 0.00018, 0.000023])[1 + number %% 5] AS unit_cost,
           period.period_start + interval '1 hour'
               + ((number / 5) %% %(days)s) * interval '1 day' AS at
      FROM generate_series(%(start)s, %(stop)s) AS number) AS use
 WHERE period.id = ANY(%(periods)s)
"""
_ROLLUPS = """
INSERT INTO usage_usagerollup (
    workspace_id, billing_period_id, slot, usage_date, resource_type, provider, records, quantity,
    billed_quantity, total_cost, final_cost)
SELECT workspace_id, billing_period_id, idempotency_key::int %% 2, usage_date, resource_type,
       provider, count(*), sum(quantity), sum(quantity), sum(total_cost), sum(final_cost)
  FROM usage_usagerecord
 WHERE workspace_id = ANY(%(workspaces)s) AND billing_period_id = ANY(%(periods)s)
 GROUP BY 1, 2, 3, 4, 5, 6
"""
_COUNT = """
UPDATE billing_periodcounter AS counter
   SET records = sums.records, total_cost = sums.total_cost, final_cost = sums.final_cost
  FROM (SELECT billing_period_id, slot, sum(records) AS records, sum(total_cost) AS total_cost,
               sum(final_cost) AS final_cost
          FROM usage_usagerollup WHERE billing_period_id = ANY(%(periods)s)
         GROUP BY billing_period_id, slot) AS sums
 WHERE counter.period_id = sums.billing_period_id AND counter.slot = sums.slot
"""


def forget() -> None:
    """What an earlier run has left in this benchmark's own database and queue."""
    celery_app.control.purge()
    with connection.cursor() as cursor:
        cursor.execute("SET usage.allow_truncate = on")
        cursor.execute(
            "TRUNCATE billing_workspace, invoices_invoicesequence, usage_usagerecord CASCADE"
        )
        cursor.execute("SET usage.allow_truncate = off")
        # The log goes with them: the proof would miss all that it knows of.
        guard = "ALTER TABLE billing_auditentry {} TRIGGER audit_log_is_not_truncated"
        cursor.execute(guard.format("DISABLE"))
        cursor.execute("TRUNCATE billing_auditentry")
        cursor.execute(guard.format("ENABLE"))


def open_workspaces(
    *, label: str, count: int, first: dt.date, now: dt.datetime
) -> list[tuple[UUID, UUID]]:
    """So many workspaces, each with its period of the month from `first`."""
    with connection.cursor() as cursor:
        cursor.execute(
            _WORKSPACES,
            {
                "label": label,
                "count": count,
                "now": now,
                "first": first,
                "until": months.first_of_next_month(first),
                "last_slot": COUNTER_SLOTS - 1,
            },
        )
        made: list[tuple[UUID, UUID]] = cursor.fetchall()
    return made


def make_month(
    *, label: str, workspaces: int, records: int, first: dt.date, now: dt.datetime
) -> list[UUID]:
    """So many workspaces with so many records each in the month from `first`; their periods."""
    until = months.first_of_next_month(first)
    made = open_workspaces(label=label, count=workspaces, first=first, now=now)
    with connection.cursor() as cursor:
        at_once = max(1, _RECORDS_A_STEP // records)
        with tqdm(total=workspaces * records, desc=label, unit=" records", unit_scale=True) as bar:
            for place in range(0, len(made), at_once):
                some = made[place : place + at_once]
                facts: dict[str, Any] = {
                    "workspaces": [workspace for workspace, _ in some],
                    "periods": [period for _, period in some],
                    "days": (until - first).days,
                }
                for start in range(1, records + 1, _RECORDS_A_STEP):
                    stop = min(records, start + _RECORDS_A_STEP - 1)
                    cursor.execute(_RECORDS, {**facts, "start": start, "stop": stop})
                    bar.update(len(some) * (stop - start + 1))
                cursor.execute(_ROLLUPS, facts)
                cursor.execute(_COUNT, facts)
        for table in ("usage_usagerollup", "billing_periodcounter", "billing_billingperiod"):
            cursor.execute(f"VACUUM ANALYZE {table}")
    return [period for _, period in made]

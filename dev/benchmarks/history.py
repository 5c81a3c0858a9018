"""A year of usage of many workspaces, one of them large: what pages are measured on.

Month by month, and each month in steps of time over all workspaces, so that one workspace's rows
lie among everybody's as they do where they are recorded. Each step is one statement that writes
calls, records, rollups and prices of calls which agree; each month is closed by the service that
closes it in production, and all but the last one are paid.
"""

import datetime as dt
import time
from typing import Any
from uuid import UUID

from django.db import connection, transaction
from django.utils import timezone as clock
from tqdm import tqdm

from billing import months
from billing.models import User, WorkspaceMember
from config import celery_app
from dev.benchmarks.months import forget, open_workspaces
from invoices.services.closing import finalize_due_periods
from usage.models import CallPriceProgress

LARGE = "Bench 20"  # in UTC and US dollars, as `open_workspaces` has it
MONTHS = 12
# The running month has as much as three of those before it.
_SHARES = MONTHS + 3
_RECORDS_A_CALL = 4
_CALLS_A_STEP = 20_000
AGENTS = 40

# The agents of the large one, and two of each other.
_AGENTS = """
INSERT INTO usage_voiceagent (id, workspace_id, name, status, created_from, created_at, updated_at)
SELECT gen_random_uuid(), workspace.id, 'Agent ' || number, 'live', '', %(now)s, %(now)s
  FROM billing_workspace AS workspace
 CROSS JOIN LATERAL generate_series(
       1, CASE WHEN workspace.name = %(large)s THEN %(agents)s ELSE 2 END) AS number
"""
_HOURS = ", ".join(f"count(*) FILTER (WHERE local_hour = {hour})" for hour in range(24))
# Calls `start` to `stop` of the month's, in the order of time: so many of every hundred are the
# large workspace's. What each costs is exact in ten places.
_STEP = f"""
WITH periods AS MATERIALIZED (
    SELECT period.id AS period_id, period.workspace_id, period.period_start, workspace.timezone,
           least(period.period_end, %(now)s) - period.period_start AS length,
           workspace.name = %(large)s AS is_large,
           row_number() OVER (
               PARTITION BY workspace.name = %(large)s ORDER BY period.id) - 1 AS place,
           (SELECT array_agg(agent.id ORDER BY agent.id) FROM usage_voiceagent AS agent
             WHERE agent.workspace_id = period.workspace_id) AS agents
      FROM billing_billingperiod AS period
      JOIN billing_workspace AS workspace ON workspace.id = period.workspace_id
     WHERE period.period_start BETWEEN %(first)s - interval '1 day' AND %(first)s + interval '1 day'
), made AS MATERIALIZED (
    SELECT gen_random_uuid() AS id, period.*, number,
           period.period_start + period.length * ((number - 1)::float8 / %(calls)s) AS at,
           period.agents[1 + (number * 7919 %% array_length(period.agents, 1))::int] AS agent,
           (15 + (number * 104729) %% 900)::numeric AS seconds
      FROM generate_series(%(start)s::bigint, %(stop)s) AS number
      JOIN periods AS period
        ON CASE WHEN number * 37 %% 100 < %(share)s THEN period.is_large
                ELSE NOT period.is_large AND period.place = number %% %(others)s END
), called AS (
    INSERT INTO usage_call (
        id, workspace_id, agent_id, direction, status, provider, started_at, ended_at,
        duration_seconds, local_date, local_hour, created_at, updated_at)
    SELECT id, workspace_id, agent,
           CASE WHEN number %% 3 = 0 THEN 'outbound' ELSE 'inbound' END,
           CASE WHEN number %% 11 = 0 THEN 'failed' ELSE 'completed' END,
           CASE WHEN number %% 2 = 0 THEN 'twilio' ELSE 'telnyx' END,
           at, at + seconds * interval '1 second', seconds, (at AT TIME ZONE timezone)::date,
           extract(hour FROM at AT TIME ZONE timezone), at, at
      FROM made
    RETURNING id, workspace_id, agent_id, direction, status, provider, started_at,
              duration_seconds, local_date, local_hour
), counted AS (
    INSERT INTO usage_callrollup AS rollup (
        workspace_id, local_date, provider, status, direction, calls, timed_calls,
        duration_seconds, by_hour)
    SELECT workspace_id, local_date, provider, status, direction, count(*), count(*),
           sum(duration_seconds), ARRAY[{_HOURS}]
      FROM called GROUP BY 1, 2, 3, 4, 5
        ON CONFLICT (workspace_id, local_date, provider, status, direction)
        DO UPDATE SET calls = rollup.calls + excluded.calls,
                      timed_calls = rollup.timed_calls + excluded.timed_calls,
                      duration_seconds = rollup.duration_seconds + excluded.duration_seconds,
                      by_hour = ARRAY(SELECT was + more
                                        FROM unnest(rollup.by_hour, excluded.by_hour)
                                             WITH ORDINALITY AS hours (was, more, hour)
                                       ORDER BY hour)
), used AS (
    INSERT INTO usage_usagerecord (
        id, workspace_id, billing_period_id, call_id, occurred_at, created_at, usage_date, late,
        idempotency_key, resource_type, provider, quantity, unit_cost, total_cost,
        markup_percentage, final_cost, agent_id, model)
    SELECT gen_random_uuid(), made.workspace_id, made.period_id, made.id, made.at, made.at,
           (made.at AT TIME ZONE made.timezone)::date, false, made.id || '/' || kind.name,
           kind.name, kind.provider, use.quantity, kind.unit_cost, use.quantity * kind.unit_cost,
           20, use.quantity * kind.unit_cost * 1.2, made.agent, kind.model
      FROM made
     CROSS JOIN (VALUES
           ('call_minutes', 'twilio', NULL, 0.0085, 60), ('transcription', 'deepgram', 'nova-3',
            0.0043, 60), ('synthesis', 'elevenlabs', 'flash-2', 0.00018, 0.1), ('llm_tokens',
            'openai', 'gpt-4', 0.000004, 0.01)) AS kind (name, provider, model, unit_cost, a_unit)
     CROSS JOIN LATERAL (SELECT round(made.seconds / kind.a_unit, 4) AS quantity) AS use
    RETURNING workspace_id, billing_period_id, call_id, usage_date, resource_type, provider, model,
              agent_id, quantity, total_cost, final_cost
), rolled AS (
    INSERT INTO usage_usagerollup AS rollup (
        workspace_id, billing_period_id, slot, usage_date, resource_type, provider, records,
        quantity, billed_quantity, total_cost, final_cost)
    SELECT workspace_id, billing_period_id, %(slot)s, usage_date, resource_type, provider, count(*),
           sum(quantity), sum(quantity), sum(total_cost), sum(final_cost)
      FROM used GROUP BY 1, 2, 4, 5, 6
        ON CONFLICT (billing_period_id, slot, usage_date, resource_type, provider, rate_id)
        DO UPDATE SET records = rollup.records + excluded.records,
                      quantity = rollup.quantity + excluded.quantity,
                      billed_quantity = rollup.billed_quantity + excluded.billed_quantity,
                      total_cost = rollup.total_cost + excluded.total_cost,
                      final_cost = rollup.final_cost + excluded.final_cost
), divided AS (
    INSERT INTO usage_dimensionrollup AS rollup (
        workspace_id, billing_period_id, slot, usage_date, agent_id, model, resource_type, provider,
        records, quantity, total_cost, final_cost)
    SELECT workspace_id, billing_period_id, %(slot)s, usage_date, agent_id, model, resource_type,
           provider, count(*), sum(quantity), sum(total_cost), sum(final_cost)
      FROM used GROUP BY 1, 2, 4, 5, 6, 7, 8
        ON CONFLICT (billing_period_id, slot, usage_date, agent_id, model, resource_type, provider)
        DO UPDATE SET records = rollup.records + excluded.records,
                      quantity = rollup.quantity + excluded.quantity,
                      total_cost = rollup.total_cost + excluded.total_cost,
                      final_cost = rollup.final_cost + excluded.final_cost
), priced AS MATERIALIZED (
    SELECT called.id AS call_id, called.workspace_id, agent_id, direction, status, provider,
           started_at, duration_seconds, records, cost, price, local_date, local_hour
      FROM called
      JOIN (SELECT call_id, count(*) AS records, sum(total_cost) AS cost, sum(final_cost) AS price
              FROM used GROUP BY call_id) AS sums ON sums.call_id = called.id
), by_hour AS (
    INSERT INTO usage_callpricerollup AS rollup (workspace_id, local_date, local_hour, price)
    SELECT workspace_id, local_date, local_hour, sum(price) FROM priced GROUP BY 1, 2, 3
        ON CONFLICT (workspace_id, local_date, local_hour)
        DO UPDATE SET price = rollup.price + excluded.price
)
INSERT INTO usage_callprice (
    call_id, workspace_id, agent_id, direction, status, provider, started_at, duration_seconds,
    records, cost, price)
SELECT call_id, workspace_id, agent_id, direction, status, provider, started_at, duration_seconds,
       records, cost, price
  FROM priced
"""  # noqa: S608 - numbers are all that goes in
_COUNT = """
UPDATE billing_periodcounter AS counter
   SET records = sums.records, total_cost = sums.total_cost, final_cost = sums.final_cost
  FROM (SELECT rollup.billing_period_id, rollup.slot, sum(rollup.records) AS records,
               sum(rollup.total_cost) AS total_cost, sum(rollup.final_cost) AS final_cost
          FROM usage_usagerollup AS rollup
          JOIN billing_billingperiod AS period ON period.id = rollup.billing_period_id
         WHERE period.status = 'current'
         GROUP BY 1, 2) AS sums
 WHERE counter.period_id = sums.billing_period_id AND counter.slot = sums.slot
"""
# As if Stripe had been told of all invoices, and all but the last month's had been paid.
_SETTLE = (
    "UPDATE payments_stripesync SET status = 'done', finished_at = %(now)s",
    "UPDATE invoices_invoice SET status = 'open'",
    "UPDATE invoices_invoice SET status = 'paid', amount_paid = amount,"
    " paid_at = issued_at + interval '1 day' WHERE issued_at < %(this_month)s",
    "UPDATE billing_billingperiod AS period SET status = 'paid', paid_at = invoice.paid_at"
    "  FROM invoices_invoice AS invoice"
    " WHERE invoice.billing_period_id = period.id AND invoice.status = 'paid'",
)


def is_made() -> bool:
    """Whether an earlier run has filled this database, to the end."""
    return CallPriceProgress.objects.exists()


def make_history(*, records: int, of_one: int, workspaces: int) -> None:
    """A year up to now with about so many records, `of_one` of them the large workspace's."""
    began = time.perf_counter()
    now = clock.now()
    forget()
    first = months.months_before(now.date(), MONTHS)
    start = dt.datetime.combine(first, dt.time(), tzinfo=dt.UTC)
    open_workspaces(label="Bench", count=workspaces, first=first, now=start)
    with connection.cursor() as cursor:
        cursor.execute(_AGENTS, {"now": start, "large": LARGE, "agents": AGENTS})
    share = of_one / records
    with tqdm(total=records, desc="filling", unit=" records", unit_scale=True) as bar:
        while first <= now.date():
            running = months.first_of_next_month(first) > now.date()
            calls = records * (3 if running else 1) // _SHARES // _RECORDS_A_CALL
            facts = {
                "now": now,
                "first": first,
                "large": LARGE,
                "calls": calls,
                "share": round(100 * share),
                "others": workspaces - 1,
            }
            _fill(facts, bar)
            if not running:
                closing = months.first_of_next_month(first) + dt.timedelta(days=2)
                finalize_due_periods(now=dt.datetime.combine(closing, dt.time(), tzinfo=dt.UTC))
            first = months.first_of_next_month(first)
    this_month = now.replace(day=1, hour=0, minute=0, second=0, microsecond=0)
    with transaction.atomic(), connection.cursor() as cursor:
        for statement in _SETTLE:
            cursor.execute(statement, {"now": now, "this_month": this_month})
    CallPriceProgress.objects.update_or_create(pk=1, defaults={"up_to": now, "as_of": now})
    # What the closes have asked the workers for.
    celery_app.control.purge()
    with connection.cursor() as cursor:
        cursor.execute("VACUUM (ANALYZE)")
    print(f"filled in {time.perf_counter() - began:.0f} s")


def _fill(facts: dict[str, Any], bar: Any) -> None:
    calls: int = facts["calls"]
    with connection.cursor() as cursor:
        for start in range(1, calls + 1, _CALLS_A_STEP):
            stop = min(calls, start + _CALLS_A_STEP - 1)
            slot = start // _CALLS_A_STEP % 2
            cursor.execute(_STEP, {**facts, "start": start, "stop": stop, "slot": slot})
            bar.update(_RECORDS_A_CALL * (stop - start + 1))
        cursor.execute(_COUNT)


def people(workspace_id: UUID) -> tuple[User, User]:
    """An owner of the workspace, and one of finance who may do everything."""
    owner = User.objects.filter(email="owner@bench.test").first()
    if owner is None:
        owner = User.objects.create_user("owner@bench.test", name="Owner")
        WorkspaceMember.objects.create(workspace_id=workspace_id, user=owner, role="owner")
    finance = User.objects.filter(email="finance@bench.test").first()
    return owner, finance or User.objects.create_superuser("finance@bench.test", name="Finance")

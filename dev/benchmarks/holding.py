"""Filling the current periods with records, as if a month of usage had been recorded."""

import secrets
import time
from dataclasses import dataclass

from django.db import connection
from tqdm import tqdm

from usage.services.ledger import rebuild_rollups, usage_differences

_STEP = 250_000
_FILL = """
INSERT INTO usage_usagerecord (
    id, workspace_id, billing_period_id, call_id, occurred_at, created_at, usage_date, late,
    idempotency_key, resource_type, provider, quantity, unit_cost, total_cost, markup_percentage,
    final_cost)
SELECT gen_random_uuid(), period.workspace_id, period.id, gen_random_uuid(), made.at, now(),
       (made.at AT TIME ZONE 'Europe/Berlin')::date, false, %s || made.number,
       (ARRAY['call_minutes', 'transcription', 'synthesis', 'storage'])[1 + made.number %% 4],
       (ARRAY['twilio', 'deepgram', 'elevenlabs', 'aws'])[1 + made.number %% 4],
       3.25, 0.0125, 0.040625, 20, 0.04875
  FROM (SELECT number, date_trunc('month', now()) + interval '2 hours'
               + random() * (now() - date_trunc('month', now()) - interval '2 hours') AS at
          FROM generate_series(1, %s) AS number) AS made
  JOIN (SELECT id, workspace_id, row_number() OVER (ORDER BY id) - 1 AS place,
               count(*) OVER () AS periods
          FROM billing_billingperiod
         WHERE status = 'current' AND period_end > now() AND period_start <= now()) AS period
    ON period.place = made.number %% period.periods
"""


def hold(records: int) -> None:
    """Fill the current periods up to about so many records in all, and their rollups."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT count(*) FROM usage_usagerecord")
        missing = records - cursor.fetchone()[0]
        if missing <= 0:
            return
        for _ in tqdm(range(-(-missing // _STEP)), desc="preload", unit="x250k"):
            cursor.execute(_FILL, [secrets.token_hex(4), _STEP])
        # What autovacuum would do in the middle of the next lines.
        cursor.execute("VACUUM (ANALYZE) usage_usagerecord")
    rebuild_rollups()


def bytes_per_record() -> tuple[float, float]:
    """Heap and index bytes a record; of a table on other servers none are counted."""
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT (SELECT count(*) FROM usage_usagerecord),"
            " coalesce(sum(pg_table_size(relid)), 0), coalesce(sum(pg_indexes_size(relid)), 0)"
            " FROM (SELECT 'usage_usagerecord'::regclass AS relid"
            " UNION SELECT relid FROM pg_partition_tree('usage_usagerecord')) AS part"
        )
        count, table, indexes = cursor.fetchone()
    return float(table) / max(count, 1), float(indexes) / max(count, 1)


@dataclass
class RebuildTimes:
    """How long it took to compare all records with their rollups, and to make those again."""

    records: int
    differences: int
    compare_seconds: float
    rebuild_seconds: float


def prove() -> RebuildTimes:
    began = time.perf_counter()
    differences = len(usage_differences())
    compared = time.perf_counter()
    rebuild_rollups()
    rebuilt = time.perf_counter()
    with connection.cursor() as cursor:
        cursor.execute("SELECT count(*) FROM usage_usagerecord")
        records = cursor.fetchone()[0]
    return RebuildTimes(records, differences, compared - began, rebuilt - compared)

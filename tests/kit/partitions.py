"""Taking the partitions of usage records away again: DDL that the end of a test does not undo."""

from django.db import connection

from usage.services.partitioning import forget_partitioning, partitions

_ONE_TABLE = """
CREATE TABLE plain (LIKE usage_usagerecord INCLUDING ALL);
DO $$
DECLARE
    triggers text[]; each text;
BEGIN
    SELECT array_agg(pg_get_triggerdef(oid, true)) INTO triggers
      FROM pg_trigger WHERE tgrelid = 'usage_usagerecord'::regclass AND NOT tgisinternal;
    DROP TABLE usage_usagerecord;
    ALTER TABLE plain RENAME TO usage_usagerecord;
    FOREACH each IN ARRAY triggers LOOP EXECUTE each; END LOOP;
    ALTER INDEX plain_pkey RENAME TO usage_usagerecord_pkey;
    ALTER INDEX plain_workspace_id_reverses_id_idx RENAME TO one_reversal_per_record;
    ALTER INDEX plain_workspace_id_trues_up_id_idx RENAME TO one_true_up_per_record;
    ALTER INDEX plain_workspace_id_call_id_idx RENAME TO usage_of_call;
    ALTER INDEX plain_workspace_id_occurred_at_id_idx RENAME TO usage_of_workspace;
    ALTER INDEX plain_billing_period_id_occurred_at_idx RENAME TO late_usage_of_period;
END $$;
"""


def one_table_again() -> None:
    """Whatever the records are in; they are lost."""
    forget_partitioning()
    if partitions():
        with connection.cursor() as cursor:
            cursor.execute(_ONE_TABLE)

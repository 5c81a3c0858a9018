"""Rules of usage records that hold against raw SQL too."""

from django.db import migrations

# Records are corrected by reversing records only. TRUNCATE goes through in a session that says
# so, which test databases do between tests; nothing else sets it.
APPEND_ONLY = """
CREATE FUNCTION usage_records_are_append_only() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF TG_OP = 'TRUNCATE' AND current_setting('usage.allow_truncate', true) = 'on' THEN
        RETURN NULL;
    END IF;
    RAISE EXCEPTION 'usage records are append-only: append a reversing record instead of %', TG_OP
        USING ERRCODE = 'restrict_violation', TABLE = TG_TABLE_NAME;
END $$;

CREATE TRIGGER usage_records_are_append_only BEFORE UPDATE OR DELETE ON usage_usagerecord
    FOR EACH ROW EXECUTE FUNCTION usage_records_are_append_only();
CREATE TRIGGER usage_records_are_not_truncated BEFORE TRUNCATE ON usage_usagerecord
    FOR EACH STATEMENT EXECUTE FUNCTION usage_records_are_append_only();
"""
# Once a statement, over the handful of distinct periods of its rows: what foreign keys would
# check once a row. `status = 'current'` also keeps raw SQL out of closed periods.
CURRENT_PERIOD = """
CREATE FUNCTION usage_records_enter_current_periods() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
    stray uuid;
BEGIN
    SELECT entered.billing_period_id INTO stray
      FROM (SELECT DISTINCT billing_period_id, workspace_id FROM added) AS entered
     WHERE NOT EXISTS (
           SELECT FROM billing_billingperiod AS period
            WHERE period.id = entered.billing_period_id
              AND period.workspace_id = entered.workspace_id
              AND period.status = 'current')
     LIMIT 1;
    IF FOUND THEN
        RAISE EXCEPTION 'period % is not a current period of the record''s workspace', stray
            USING ERRCODE = 'foreign_key_violation', TABLE = TG_TABLE_NAME;
    END IF;
    RETURN NULL;
END $$;

CREATE TRIGGER usage_records_enter_current_periods AFTER INSERT ON usage_usagerecord
    REFERENCING NEW TABLE AS added
    FOR EACH STATEMENT EXECUTE FUNCTION usage_records_enter_current_periods();
"""
# Counters and rollups are updated in place all the time: room in the page keeps that cheap.
STORAGE = """
ALTER TABLE usage_usagerollup SET (fillfactor = 70, autovacuum_vacuum_scale_factor = 0.05);
ALTER TABLE usage_callrollup SET (fillfactor = 70, autovacuum_vacuum_scale_factor = 0.05);
ALTER TABLE billing_periodcounter SET (fillfactor = 50, autovacuum_vacuum_scale_factor = 0.05);
ALTER TABLE usage_usagerecord SET (
    autovacuum_vacuum_insert_scale_factor = 0.1, autovacuum_analyze_scale_factor = 0.1);
"""
UNDO = """
DROP TRIGGER usage_records_are_append_only ON usage_usagerecord;
DROP TRIGGER usage_records_are_not_truncated ON usage_usagerecord;
DROP FUNCTION usage_records_are_append_only();
DROP TRIGGER usage_records_enter_current_periods ON usage_usagerecord;
DROP FUNCTION usage_records_enter_current_periods();
"""


class Migration(migrations.Migration):
    dependencies = [("usage", "0001_initial")]

    operations = [
        migrations.RunSQL(APPEND_ONLY + CURRENT_PERIOD, UNDO),
        migrations.RunSQL(STORAGE, migrations.RunSQL.noop),
    ]

"""Names may be taken out of the audit log, in a transaction that says so; nothing else may."""

from django.db import migrations

APPEND_ONLY = """
CREATE OR REPLACE FUNCTION audit_log_is_append_only() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF TG_OP = 'TRUNCATE' AND current_setting('usage.allow_truncate', true) = 'on' THEN
        RETURN NULL;
    END IF;
    {erasing}RAISE EXCEPTION 'the audit log is append-only'
        USING ERRCODE = 'restrict_violation', TABLE = TG_TABLE_NAME;
END $$;
"""
ERASING = """IF TG_OP = 'UPDATE' AND current_setting('billing.erasing', true) = 'on' THEN
        IF (NEW.id, NEW.at, NEW.workspace_id, NEW."table", NEW.object_id, NEW.operation, NEW.door,
            NEW.request_id) IS NOT DISTINCT FROM
           (OLD.id, OLD.at, OLD.workspace_id, OLD."table", OLD.object_id, OLD.operation, OLD.door,
            OLD.request_id) THEN
            RETURN NEW;
        END IF;
    END IF;
    """


class Migration(migrations.Migration):

    dependencies = [("billing", "0022_audit_scope")]

    operations = [
        migrations.RunSQL(
            APPEND_ONLY.format(erasing=ERASING), APPEND_ONLY.format(erasing="")
        ),
    ]

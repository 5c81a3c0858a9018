"""The audit log and its triggers."""

import uuid

import django.db.models.functions.datetime
from django.db import migrations, models

# A row that is changed leaves what changed in it, as text: no number loses a digit. Arguments of
# the trigger: the column with the workspace's id, the one with the row's own, columns that are
# not worth an entry, and columns whose values are nobody's to read.
#
# Who acts stands at the end of the client's statement (billing/audit.py). A literal in it ends in a
# quote, so that nothing a client has sent can stand there.
AUDIT = r"""
CREATE FUNCTION billing_audit() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
    given text := substring(right(current_query(), 4000) from '/\*audit:([A-Za-z0-9+/=]+)\*/\s*$');
    act jsonb := coalesce(convert_from(decode(given, 'base64'), 'UTF8')::jsonb, '{}');
    before jsonb := CASE WHEN TG_OP = 'INSERT' THEN '{}' ELSE to_jsonb(OLD) END;
    after jsonb := CASE WHEN TG_OP = 'DELETE' THEN '{}' ELSE to_jsonb(NEW) END;
    known jsonb := before || after;
    ignored text[] := string_to_array(TG_ARGV[2], ' ');
    hidden text[] := string_to_array(TG_ARGV[3], ' ');
    difference jsonb;
BEGIN
    SELECT jsonb_object_agg(key, CASE WHEN key = ANY(hidden)
               THEN jsonb_build_array('(hidden)', '(hidden)')
               ELSE jsonb_build_array(before ->> key, after ->> key) END)
      INTO difference
      FROM jsonb_object_keys(known) AS key
     WHERE before ->> key IS DISTINCT FROM after ->> key AND key <> ALL(ignored);
    IF difference IS NULL THEN
        RETURN NULL;
    END IF;
    INSERT INTO billing_auditentry (id, at, workspace_id, "table", object_id, subject, operation,
                                    changes, door, actor, reason, request_id)
    VALUES (
        gen_random_uuid(),
        clock_timestamp(),
        (known ->> TG_ARGV[0])::uuid,
        TG_TABLE_NAME,
        known ->> TG_ARGV[1],
        left(coalesce(
            CASE TG_TABLE_NAME
                WHEN 'billing_workspacemember' THEN
                    (SELECT email FROM billing_user WHERE id = (known ->> 'user_id')::bigint)
                WHEN 'billing_tierprice' THEN
                    (SELECT name || ' ' || (known ->> 'currency') FROM billing_subscriptiontier
                      WHERE id = (known ->> 'tier_id')::bigint)
                WHEN 'billing_billingperiod' THEN left(known ->> 'period_start', 10)
                WHEN 'billing_workspacebillingsettings' THEN
                    (SELECT name FROM billing_workspace
                      WHERE id = (known ->> 'workspace_id')::uuid)
            END,
            nullif(known ->> 'name', ''), known ->> 'number', known ->> 'email',
            known ->> 'description', known ->> 'stripe_id', ''), 254),
        lower(TG_OP),
        difference,
        coalesce(act ->> 'door', 'sql'),
        coalesce(act ->> 'actor', session_user || ' (database)'),
        coalesce(act ->> 'reason', ''),
        coalesce(act ->> 'request_id', '')
    );
    RETURN NULL;
END $$;

CREATE FUNCTION audit_log_is_append_only() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF TG_OP = 'TRUNCATE' AND current_setting('usage.allow_truncate', true) = 'on' THEN
        RETURN NULL;
    END IF;
    RAISE EXCEPTION 'the audit log is append-only'
        USING ERRCODE = 'restrict_violation', TABLE = TG_TABLE_NAME;
END $$;
CREATE TRIGGER audit_log_is_append_only BEFORE UPDATE OR DELETE ON billing_auditentry
    FOR EACH ROW EXECUTE FUNCTION audit_log_is_append_only();
CREATE TRIGGER audit_log_is_not_truncated BEFORE TRUNCATE ON billing_auditentry
    FOR EACH STATEMENT EXECUTE FUNCTION audit_log_is_append_only();
"""
UNDO = """
DROP TRIGGER audit_log_is_append_only ON billing_auditentry;
DROP TRIGGER audit_log_is_not_truncated ON billing_auditentry;
DROP FUNCTION audit_log_is_append_only();
DROP FUNCTION billing_audit();
"""
_EVERY = "INSERT OR UPDATE OR DELETE"
# Table: events, workspace's column, own id, columns ignored, columns hidden.
AUDITED = {
    "billing_workspace": (_EVERY, "id", "id", "updated_at created_from", ""),
    "billing_workspacebillingsettings": (_EVERY, "workspace_id", "workspace_id", "updated_at", ""),
    "billing_workspacemember": (_EVERY, "workspace_id", "id", "", ""),
    "billing_subscriptiontier": (_EVERY, "", "id", "", ""),
    "billing_tierprice": (_EVERY, "", "id", "", ""),
    "billing_platformsetting": (_EVERY, "", "name", "updated_at", ""),
    "billing_servicekey": (_EVERY, "workspace_id", "id", "last_used_at", "digest"),
    # That a month has begun is nobody's act.
    "billing_billingperiod": ("UPDATE OR DELETE", "workspace_id", "id", "", ""),
    "billing_user": (_EVERY, "", "id", "last_login", "password"),
    "billing_user_groups": (_EVERY, "", "user_id", "", ""),
    "billing_ratecard": (_EVERY, "", "id", "", ""),
    "billing_ratecardversion": (_EVERY, "", "id", "", ""),
    "billing_rate": (_EVERY, "", "id", "", ""),
    "billing_ratecardassignment": (_EVERY, "workspace_id", "id", "", ""),
    "billing_priceoverride": (_EVERY, "workspace_id", "id", "", ""),
}


def triggers(audited):
    """What puts the trigger on each table, and what takes it off again."""
    name = "changes_are_audited"
    put = [
        f"CREATE TRIGGER {name} AFTER {events} ON {table} FOR EACH ROW"
        f" EXECUTE FUNCTION billing_audit('{workspace}', '{key}', '{ignored}', '{hidden}');"
        for table, (events, workspace, key, ignored, hidden) in audited.items()
    ]
    return migrations.RunSQL(
        "\n".join(put), "\n".join(f"DROP TRIGGER {name} ON {table};" for table in audited)
    )


class Migration(migrations.Migration):
    dependencies = [("billing", "0007_prices_are_fixed")]

    operations = [
        migrations.CreateModel(
            name="AuditEntry",
            fields=[
                (
                    "id",
                    models.UUIDField(
                        default=uuid.uuid4, editable=False, primary_key=True, serialize=False
                    ),
                ),
                ("at", models.DateTimeField(db_default=django.db.models.functions.datetime.Now())),
                ("workspace_id", models.UUIDField(null=True)),
                ("table", models.CharField(max_length=63)),
                ("object_id", models.CharField(max_length=64)),
                (
                    "subject",
                    models.CharField(blank=True, help_text="What it is called.", max_length=254),
                ),
                (
                    "operation",
                    models.CharField(
                        choices=[("insert", "Insert"), ("update", "Update"), ("delete", "Delete")],
                        max_length=6,
                    ),
                ),
                (
                    "changes",
                    models.JSONField(
                        help_text="Column -> [before, after], as PostgreSQL writes them."
                    ),
                ),
                ("door", models.CharField(max_length=16)),
                ("actor", models.CharField(max_length=254)),
                ("reason", models.TextField(blank=True)),
                ("request_id", models.CharField(blank=True, max_length=64)),
            ],
            options={
                "verbose_name": "change",
                "ordering": ["-at", "-id"],
                "indexes": [
                    models.Index(fields=["-at", "-id"], name="audit_by_time"),
                    models.Index(fields=["workspace_id", "-at", "-id"], name="audit_of_workspace"),
                    models.Index(fields=["table", "object_id"], name="audit_of_object"),
                ],
            },
        ),
        migrations.RunSQL(AUDIT, UNDO),
        triggers(AUDITED),
    ]

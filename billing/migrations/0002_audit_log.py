"""The audit log, the triggers that write it, and the tables above that are in it."""

import django.db.models.functions.datetime
import uuid
from billing.migrations._audit import audited
from django.db import migrations, models


# A row that is changed leaves what changed in it, as text: no number loses a digit. Arguments of
# the trigger: the column with the workspace's id, the one with the row's own, columns that are
# not worth an entry, columns whose values are nobody's to read, and columns of which the digest of
# the value is enough: long ones, and those that name people.
#
# Who acts stands at the end of the client's statement (billing/audit.py). A literal in it ends in a
# quote, so that nothing a client has sent can stand there.
AUDIT = r"""
CREATE OR REPLACE FUNCTION billing_digest(value text) RETURNS text LANGUAGE sql STRICT AS $$
    SELECT 'sha256:' || encode(sha256(convert_to(value, 'UTF8')), 'hex')
$$;
CREATE OR REPLACE FUNCTION billing_audit() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
    -- Its end alone, by bytes: to count the letters of a statement of many rows for each of them
    -- costs more than all else here.
    ending text := convert_from(substring(convert_to(current_query(), 'UTF8')
        from greatest(octet_length(current_query()) - 4000, 1)), 'LATIN1');
    given text := substring(ending from '/\*audit:([A-Za-z0-9+/=]+)\*/\s*$');
    act jsonb := coalesce(convert_from(decode(given, 'base64'), 'UTF8')::jsonb, '{}');
    before jsonb := CASE WHEN TG_OP = 'INSERT' THEN '{}' ELSE to_jsonb(OLD) END;
    after jsonb := CASE WHEN TG_OP = 'DELETE' THEN '{}' ELSE to_jsonb(NEW) END;
    known jsonb := before || after;
    ignored text[] := string_to_array(TG_ARGV[2], ' ');
    hidden text[] := string_to_array(TG_ARGV[3], ' ');
    digested text[] := string_to_array(coalesce(TG_ARGV[4], ''), ' ');
    difference jsonb;
BEGIN
    SELECT jsonb_object_agg(key, CASE WHEN key = ANY(hidden)
               THEN jsonb_build_array('(hidden)', '(hidden)')
               WHEN key = ANY(digested)
               THEN jsonb_build_array(billing_digest(before ->> key), billing_digest(after ->> key))
               ELSE jsonb_build_array(before ->> key, after ->> key) END)
      INTO difference
      FROM jsonb_object_keys(known) AS key
     WHERE before ->> key IS DISTINCT FROM after ->> key AND key <> ALL(ignored);
    IF difference IS NULL THEN
        RETURN NULL;
    END IF;
    INSERT INTO billing_auditentry (id, at, workspace_id, "table", object_id, subject, operation,
                                    changes, channel, actor, reason, request_id)
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
                WHEN 'billing_passkey' THEN
                    (SELECT email || ': ' || (known ->> 'name') FROM billing_user
                      WHERE id = (known ->> 'user_id')::bigint)
                WHEN 'billing_tierprice' THEN
                    (SELECT name || ' ' || (known ->> 'currency') FROM billing_subscriptiontier
                      WHERE id = (known ->> 'tier_id')::bigint)
                WHEN 'billing_billingperiod' THEN left(known ->> 'period_start', 10)
                WHEN 'usage_budgetlevel' THEN
                    (SELECT name FROM usage_budget WHERE id = (known ->> 'budget_id')::uuid)
                WHEN 'usage_budgetrecipient' THEN
                    (SELECT name FROM usage_budget WHERE id = (known ->> 'budget_id')::uuid)
                WHEN 'billing_workspacebillingsettings' THEN
                    (SELECT name FROM billing_workspace
                      WHERE id = (known ->> 'workspace_id')::uuid)
            END,
            nullif(known ->> 'name', ''), known ->> 'number', known ->> 'email',
            known ->> 'description', known ->> 'stripe_id', ''), 254),
        lower(TG_OP),
        difference,
        coalesce(act ->> 'channel', 'sql'),
        coalesce(act ->> 'actor', session_user || ' (database)'),
        coalesce(act ->> 'reason', ''),
        coalesce(act ->> 'request_id', '')
    );
    RETURN NULL;
END $$;
"""
# Names may be taken out of it, in a transaction that says so; nothing else may.
APPEND_ONLY = """
CREATE FUNCTION audit_log_is_append_only() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF TG_OP = 'TRUNCATE' AND current_setting('usage.allow_truncate', true) = 'on' THEN
        RETURN NULL;
    END IF;
    IF TG_OP = 'UPDATE' AND current_setting('billing.erasing', true) = 'on' THEN
        IF (NEW.id, NEW.at, NEW.workspace_id, NEW."table", NEW.object_id, NEW.operation, NEW.channel,
            NEW.request_id) IS NOT DISTINCT FROM
           (OLD.id, OLD.at, OLD.workspace_id, OLD."table", OLD.object_id, OLD.operation, OLD.channel,
            OLD.request_id) THEN
            RETURN NEW;
        END IF;
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
DROP FUNCTION billing_digest(text);
"""
_UNIMPORTANT = (
    "last_t drift throttling_failure_count throttling_failure_timestamp last_used_at created_at"
)


class Migration(migrations.Migration):
    dependencies = [
        ('auth', '0012_alter_user_first_name_max_length'),
        ('billing', '0001_initial'),
        ('otp_static', '0003_add_timestamps'),
        ('otp_totp', '0003_add_timestamps'),
    ]

    operations = [
        migrations.CreateModel(
            name='AuditEntry',
            fields=[
                ('id', models.UUIDField(default=uuid.uuid4, editable=False, primary_key=True, serialize=False)),
                ('at', models.DateTimeField(db_default=django.db.models.functions.datetime.Now())),
                ('workspace_id', models.UUIDField(null=True)),
                ('table', models.CharField(max_length=63)),
                ('object_id', models.CharField(max_length=64)),
                ('subject', models.CharField(blank=True, help_text='What it is called.', max_length=254)),
                ('operation', models.CharField(choices=[('insert', 'Insert'), ('update', 'Update'), ('delete', 'Delete')], max_length=6)),
                ('changes', models.JSONField(help_text='Column -> [before, after], as PostgreSQL writes them.')),
                ('channel', models.CharField(max_length=16)),
                ('actor', models.CharField(max_length=254)),
                ('reason', models.TextField(blank=True)),
                ('request_id', models.CharField(blank=True, max_length=64)),
            ],
            options={
                'ordering': ['-at', '-id'],
                'verbose_name': 'change',
                'indexes': [
                    models.Index(fields=['-at', '-id'], name='audit_by_time'),
                    models.Index(fields=['workspace_id', '-at', '-id'], name='audit_of_workspace'),
                    models.Index(fields=['table', 'object_id'], name='audit_of_object'),
                    models.Index(fields=['actor', '-at', '-id'], name='audit_by_actor'),
                ],
            },
        ),
        migrations.RunSQL(AUDIT + APPEND_ONLY, UNDO),
        audited("billing_workspace", workspace="id", ignored="updated_at created_from"),
        audited("billing_workspacebillingsettings", key="workspace_id", ignored="updated_at"),
        audited("billing_workspacemember"),
        audited("billing_subscriptiontier", workspace=""),
        audited("billing_tierprice", workspace=""),
        audited("billing_platformsetting", workspace="", key="name", ignored="updated_at"),
        audited("billing_servicekey", ignored="last_used_at", hidden="digest"),
        audited("billing_invitation", ignored="mail_due_at"),
        audited("billing_user", workspace="", ignored="last_login", hidden="password"),
        # Rights are given to people, and to groups of them.
        audited("billing_user_groups", workspace="", key="user_id"),
        audited("billing_user_user_permissions", workspace="", key="user_id"),
        audited("auth_group", workspace=""),
        audited("auth_group_permissions", workspace="", key="group_id"),
        # Second factors.
        audited("otp_totp_totpdevice", workspace="", key="user_id", ignored=_UNIMPORTANT, hidden="key"),
        audited("otp_static_staticdevice", workspace="", key="user_id", ignored=_UNIMPORTANT),
    ]

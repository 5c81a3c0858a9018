"""Usage records and their rollups, with rules that hold against raw SQL too."""

import django.db.models.deletion
import django.utils.timezone
from django.db import migrations, models


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
UNDO = """
DROP TRIGGER usage_records_are_append_only ON usage_usagerecord;
DROP TRIGGER usage_records_are_not_truncated ON usage_usagerecord;
DROP FUNCTION usage_records_are_append_only();
DROP TRIGGER usage_records_enter_current_periods ON usage_usagerecord;
DROP FUNCTION usage_records_enter_current_periods();
"""
# Django keeps `id` as its primary key: a record's id is made from its workspace and is unique over
# all of them. The database's key says the same of each workspace, and leads with it.
TO_WORKSPACE_AND_ID = """
ALTER TABLE usage_usagerecord DROP CONSTRAINT usage_usagerecord_pkey;
ALTER TABLE usage_usagerecord ADD CONSTRAINT usage_usagerecord_pkey PRIMARY KEY (workspace_id, id);
"""
TO_ID = """
ALTER TABLE usage_usagerecord DROP CONSTRAINT usage_usagerecord_pkey;
ALTER TABLE usage_usagerecord ADD CONSTRAINT usage_usagerecord_pkey PRIMARY KEY (id);
"""
# How a write of usage refuses itself as a whole, when what it was priced by has changed or a limit
# has to be looked at with it. A statement of its own has no other way to undo itself than to raise.
REFUSALS = """
CREATE FUNCTION usage_terms_have_changed() RETURNS integer LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION 'prices or periods have changed since they were read'
        USING ERRCODE = 'UB001';
END $$;

CREATE FUNCTION usage_limits_are_near(periods uuid[]) RETURNS integer LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION 'limits have to be checked with this write'
        USING ERRCODE = 'UB002', DETAIL = periods::text;
END $$;
"""
NO_REFUSALS = """
DROP FUNCTION usage_limits_are_near(uuid[]);
DROP FUNCTION usage_terms_have_changed();
"""
# Rollups are updated in place all the time: room in the page keeps that cheap. Each upsert takes a
# number for a row that is there nearly always: a connection takes a thousand at a time.
STORAGE = """
ALTER TABLE usage_usagerollup SET (fillfactor = 70, autovacuum_vacuum_scale_factor = 0.05);
ALTER TABLE usage_dimensionrollup SET (fillfactor = 70, autovacuum_vacuum_scale_factor = 0.05);
ALTER TABLE usage_usagerollup ALTER COLUMN id SET CACHE 1000;
ALTER TABLE usage_dimensionrollup ALTER COLUMN id SET CACHE 1000;
ALTER TABLE usage_usagerecord SET (
    autovacuum_vacuum_insert_scale_factor = 0.1, autovacuum_analyze_scale_factor = 0.1);
"""


class Migration(migrations.Migration):
    dependencies = [
        ('usage', '0001_initial'),
    ]

    operations = [
        migrations.CreateModel(
            name='UsageRecord',
            fields=[
                ('id', models.UUIDField(primary_key=True, serialize=False)),
                ('workspace', models.ForeignKey(db_constraint=False, db_index=False, on_delete=django.db.models.deletion.DO_NOTHING, to='billing.workspace')),
                ('billing_period', models.ForeignKey(db_constraint=False, db_index=False, on_delete=django.db.models.deletion.DO_NOTHING, related_name='usage_records', to='billing.billingperiod')),
                ('call', models.ForeignKey(db_constraint=False, db_index=False, null=True, on_delete=django.db.models.deletion.DO_NOTHING, related_name='usage_records', to='usage.call')),
                ('reverses', models.ForeignKey(db_constraint=False, db_index=False, null=True, on_delete=django.db.models.deletion.DO_NOTHING, related_name='reversals', to='usage.usagerecord')),
                ('trues_up', models.ForeignKey(db_constraint=False, db_index=False, null=True, on_delete=django.db.models.deletion.DO_NOTHING, related_name='true_ups', to='usage.usagerecord')),
                ('occurred_at', models.DateTimeField()),
                ('created_at', models.DateTimeField(default=django.utils.timezone.now)),
                ('usage_date', models.DateField(help_text="Day of occurred_at on the workspace's clock.")),
                ('late', models.BooleanField(default=False)),
                ('idempotency_key', models.CharField(max_length=128)),
                ('resource_type', models.CharField(max_length=64)),
                ('provider', models.CharField(max_length=64)),
                ('quantity', models.DecimalField(decimal_places=6, max_digits=20)),
                ('unit_cost', models.DecimalField(decimal_places=10, max_digits=20)),
                ('total_cost', models.DecimalField(decimal_places=10, max_digits=28)),
                ('markup_percentage', models.DecimalField(decimal_places=4, max_digits=7, null=True)),
                ('final_cost', models.DecimalField(decimal_places=10, max_digits=28)),
                ('rate_id', models.UUIDField(null=True)),
                ('billed_quantity', models.DecimalField(decimal_places=6, max_digits=20, null=True)),
                ('agent', models.ForeignKey(db_constraint=False, db_index=False, null=True, on_delete=django.db.models.deletion.DO_NOTHING, related_name='usage_records', to='usage.voiceagent')),
                ('model', models.CharField(help_text='Of language, voice or speech, as the provider calls it', max_length=64, null=True)),
                ('cost_currency', models.CharField(max_length=3, null=True)),
                ('exchange_rate', models.DecimalField(decimal_places=12, max_digits=20, null=True)),
                ('cost_state', models.CharField(max_length=9, null=True)),
                ('reason', models.CharField(help_text='Why it takes another back.', max_length=200, null=True)),
            ],
            options={
                'ordering': ['workspace_id', '-occurred_at', '-id'],
                'constraints': [
                    models.CheckConstraint(condition=models.Q(models.Q(('quantity', 0), ('trues_up__isnull', False)), models.Q(('final_cost__gte', 0), ('quantity__gte', 0), ('reverses__isnull', True), ('total_cost__gte', 0), ('trues_up__isnull', True)), models.Q(('final_cost__lte', 0), ('quantity__lte', 0), ('reverses__isnull', False), ('total_cost__lte', 0), ('trues_up__isnull', True)), _connector='OR'), name='only_a_correction_is_negative'),
                    models.CheckConstraint(condition=models.Q(('markup_percentage__gte', 0), ('unit_cost__gte', 0)), name='usage_prices_not_negative'),
                    models.CheckConstraint(condition=models.Q(models.Q(('cost_currency__isnull', True), ('exchange_rate__isnull', True)), models.Q(('cost_currency__isnull', False), ('exchange_rate__gt', 0)), _connector='OR'), name='another_currency_has_its_rate'),
                    models.CheckConstraint(condition=models.Q(('cost_state', 'estimated')), name='a_cost_is_estimated_or_final'),
                    models.UniqueConstraint(condition=models.Q(('reverses__isnull', False)), fields=('workspace', 'reverses'), name='one_reversal_per_record'),
                    models.UniqueConstraint(condition=models.Q(('reverses__isnull', True), ('trues_up__isnull', False)), fields=('workspace', 'trues_up'), name='one_true_up_per_record'),
                ],
                'indexes': [
                    models.Index(fields=['workspace', '-occurred_at', '-id'], name='usage_of_workspace'),
                    models.Index(condition=models.Q(('call__isnull', False)), fields=['workspace', 'call'], name='usage_of_call'),
                    models.Index(condition=models.Q(('late', True)), fields=['billing_period', 'occurred_at'], name='late_usage_of_period'),
                ],
            },
        ),
        migrations.CreateModel(
            name='UsageRollup',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('workspace', models.ForeignKey(db_constraint=False, db_index=False, on_delete=django.db.models.deletion.CASCADE, related_name='+', to='billing.workspace')),
                ('billing_period', models.ForeignKey(db_constraint=False, db_index=False, on_delete=django.db.models.deletion.CASCADE, related_name='rollups', to='billing.billingperiod')),
                ('slot', models.PositiveSmallIntegerField()),
                ('usage_date', models.DateField()),
                ('resource_type', models.CharField(max_length=64)),
                ('provider', models.CharField(max_length=64)),
                ('rate_id', models.UUIDField(null=True)),
                ('records', models.BigIntegerField()),
                ('quantity', models.DecimalField(decimal_places=6, max_digits=28)),
                ('billed_quantity', models.DecimalField(decimal_places=6, max_digits=28)),
                ('total_cost', models.DecimalField(decimal_places=10, max_digits=38)),
                ('final_cost', models.DecimalField(decimal_places=10, max_digits=38)),
            ],
            options={
                'constraints': [
                    models.UniqueConstraint(fields=('billing_period', 'slot', 'usage_date', 'resource_type', 'provider', 'rate_id'), name='one_rollup_per_day_and_kind', nulls_distinct=False),
                    models.CheckConstraint(condition=models.Q(('slot__lt', 8)), name='rollup_slot_exists'),
                ],
                'indexes': [
                    models.Index(fields=['workspace', 'usage_date'], name='rollups_of_workspace'),
                ],
            },
        ),
        migrations.CreateModel(
            name='DimensionRollup',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('workspace', models.ForeignKey(db_constraint=False, db_index=False, on_delete=django.db.models.deletion.CASCADE, related_name='+', to='billing.workspace')),
                ('billing_period', models.ForeignKey(db_constraint=False, db_index=False, on_delete=django.db.models.deletion.CASCADE, related_name='+', to='billing.billingperiod')),
                ('slot', models.PositiveSmallIntegerField()),
                ('usage_date', models.DateField()),
                ('agent', models.ForeignKey(db_constraint=False, db_index=False, null=True, on_delete=django.db.models.deletion.DO_NOTHING, related_name='+', to='usage.voiceagent')),
                ('model', models.CharField(max_length=64, null=True)),
                ('resource_type', models.CharField(max_length=64)),
                ('provider', models.CharField(max_length=64)),
                ('records', models.BigIntegerField()),
                ('quantity', models.DecimalField(decimal_places=6, max_digits=28)),
                ('total_cost', models.DecimalField(decimal_places=10, max_digits=38)),
                ('final_cost', models.DecimalField(decimal_places=10, max_digits=38)),
            ],
            options={
                'constraints': [
                    models.UniqueConstraint(fields=('billing_period', 'slot', 'usage_date', 'agent', 'model', 'resource_type', 'provider'), name='one_dimension_rollup_per_day_and_kind', nulls_distinct=False),
                    models.CheckConstraint(condition=models.Q(('slot__lt', 8)), name='dimension_rollup_slot_exists'),
                    models.CheckConstraint(condition=models.Q(('agent__isnull', False), ('model__isnull', False), _connector='OR'), name='dimension_rollup_has_a_dimension'),
                ],
                'indexes': [
                    models.Index(fields=['workspace', 'usage_date'], name='dimensions_of_workspace'),
                ],
            },
        ),
        migrations.CreateModel(
            name='CostDrift',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('provider_cost', models.ForeignKey(db_index=False, on_delete=django.db.models.deletion.CASCADE, related_name='drifts', to='billing.providercost')),
                ('resource_type', models.CharField(max_length=64)),
                ('model', models.CharField(blank=True, max_length=64)),
                ('currency', models.CharField(help_text='Of the unit costs that were sent.', max_length=3)),
                ('slot', models.PositiveSmallIntegerField()),
                ('records', models.BigIntegerField()),
                ('quantity', models.DecimalField(decimal_places=6, max_digits=28)),
                ('cost', models.DecimalField(decimal_places=10, help_text='Quantity x unit cost as sent.', max_digits=38)),
                ('least', models.DecimalField(decimal_places=10, max_digits=20)),
                ('most', models.DecimalField(decimal_places=10, max_digits=20)),
                ('first_seen', models.DateTimeField()),
                ('last_seen', models.DateTimeField()),
            ],
            options={
                'verbose_name': 'cost drift',
                'constraints': [
                    models.UniqueConstraint(fields=('provider_cost', 'resource_type', 'model', 'currency', 'slot'), name='one_drift_per_cost_and_kind'),
                    models.CheckConstraint(condition=models.Q(('slot__lt', 8)), name='drift_slot_exists'),
                ],
            },
        ),
        migrations.CreateModel(
            name='LowMargin',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('workspace', models.ForeignKey(db_index=False, on_delete=django.db.models.deletion.CASCADE, related_name='+', to='billing.workspace')),
                ('billing_period', models.ForeignKey(db_index=False, on_delete=django.db.models.deletion.CASCADE, related_name='+', to='billing.billingperiod')),
                ('rate_id', models.UUIDField()),
                ('resource_type', models.CharField(max_length=64)),
                ('provider', models.CharField(max_length=64)),
                ('model', models.CharField(blank=True, max_length=64)),
                ('agent_id', models.UUIDField(null=True)),
                ('slot', models.PositiveSmallIntegerField()),
                ('records', models.BigIntegerField()),
                ('total_cost', models.DecimalField(decimal_places=10, max_digits=38)),
                ('final_cost', models.DecimalField(decimal_places=10, max_digits=38)),
                ('first_seen', models.DateTimeField()),
                ('last_seen', models.DateTimeField()),
            ],
            options={
                'verbose_name': 'low margin',
                'constraints': [
                    models.UniqueConstraint(fields=('billing_period', 'rate_id', 'resource_type', 'provider', 'model', 'agent_id', 'slot'), name='one_low_margin_per_rate_and_kind', nulls_distinct=False),
                    models.CheckConstraint(condition=models.Q(('slot__lt', 8)), name='low_margin_slot_exists'),
                ],
            },
        ),
        migrations.RunSQL(TO_WORKSPACE_AND_ID, TO_ID),
        migrations.RunSQL(APPEND_ONLY + CURRENT_PERIOD, UNDO),
        migrations.RunSQL(REFUSALS, NO_REFUSALS),
        migrations.RunSQL(STORAGE, migrations.RunSQL.noop),
    ]

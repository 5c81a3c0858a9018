"""What closed periods came to: meters and seals, which never change."""

import django.db.models.deletion
import django.utils.timezone
import uuid
from django.db import migrations, models


FROZEN = """
CREATE FUNCTION period_meters_are_frozen() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION 'what a meter came to was frozen when its period was closed'
        USING ERRCODE = 'restrict_violation', TABLE = TG_TABLE_NAME;
END $$;
CREATE TRIGGER period_meters_are_frozen BEFORE UPDATE OR DELETE ON usage_periodmeter
    FOR EACH ROW EXECUTE FUNCTION period_meters_are_frozen();
"""
THAWED = """
DROP TRIGGER period_meters_are_frozen ON usage_periodmeter;
DROP FUNCTION period_meters_are_frozen();
"""
APPEND_ONLY = """
CREATE FUNCTION seals_are_append_only() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF TG_OP = 'TRUNCATE' AND current_setting('usage.allow_truncate', true) = 'on' THEN
        RETURN NULL;
    END IF;
    RAISE EXCEPTION 'seals of closed periods are append-only: no %', TG_OP
        USING ERRCODE = 'restrict_violation', TABLE = TG_TABLE_NAME;
END $$;
CREATE TRIGGER period_seals_are_append_only BEFORE UPDATE OR DELETE ON usage_periodseal
    FOR EACH ROW EXECUTE FUNCTION seals_are_append_only();
CREATE TRIGGER period_seals_are_not_truncated BEFORE TRUNCATE ON usage_periodseal
    FOR EACH STATEMENT EXECUTE FUNCTION seals_are_append_only();
CREATE TRIGGER fingerprints_are_append_only BEFORE UPDATE OR DELETE ON usage_sealfingerprints
    FOR EACH ROW EXECUTE FUNCTION seals_are_append_only();
CREATE TRIGGER fingerprints_are_not_truncated BEFORE TRUNCATE ON usage_sealfingerprints
    FOR EACH STATEMENT EXECUTE FUNCTION seals_are_append_only();
-- Digests do not compress.
ALTER TABLE usage_sealfingerprints ALTER COLUMN content SET STORAGE EXTERNAL;
"""
UNDO = """
DROP TRIGGER period_seals_are_append_only ON usage_periodseal;
DROP TRIGGER period_seals_are_not_truncated ON usage_periodseal;
DROP TRIGGER fingerprints_are_append_only ON usage_sealfingerprints;
DROP TRIGGER fingerprints_are_not_truncated ON usage_sealfingerprints;
DROP FUNCTION seals_are_append_only();
"""


class Migration(migrations.Migration):
    dependencies = [
        ('usage', '0002_records'),
    ]

    operations = [
        migrations.CreateModel(
            name='PeriodMeter',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('billing_period', models.ForeignKey(db_index=False, on_delete=django.db.models.deletion.PROTECT, related_name='meters', to='billing.billingperiod')),
                ('rate_id', models.UUIDField()),
                ('usage_month', models.DateField(null=True)),
                ('resource_type', models.CharField(max_length=64)),
                ('description', models.CharField(max_length=200)),
                ('billed_quantity', models.DecimalField(decimal_places=6, max_digits=28)),
                ('list_amount', models.DecimalField(decimal_places=10, help_text="Sum of its records' list prices.", max_digits=38)),
                ('adjustment', models.DecimalField(decimal_places=10, help_text='What the period added; mostly negative.', max_digits=38)),
                ('net_amount', models.DecimalField(decimal_places=10, max_digits=38)),
                ('lines', models.JSONField(help_text='Quantities, prices and amounts that add up to the net.')),
            ],
            options={
                'ordering': ['billing_period', 'id'],
                'constraints': [
                    models.UniqueConstraint(fields=('billing_period', 'rate_id', 'usage_month'), name='one_meter_per_period_rate_and_month', nulls_distinct=False),
                    models.CheckConstraint(condition=models.Q(('net_amount', models.F('list_amount') + models.F('adjustment'))), name='meter_net_is_list_and_adjustment'),
                ],
            },
        ),
        migrations.CreateModel(
            name='SealChain',
            fields=[
                ('workspace', models.OneToOneField(on_delete=django.db.models.deletion.CASCADE, primary_key=True, related_name='seal_chain', serialize=False, to='billing.workspace')),
                ('length', models.PositiveIntegerField(default=0)),
                ('head', models.CharField(blank=True, max_length=64)),
                ('key_id', models.CharField(blank=True, max_length=16)),
                ('mac', models.CharField(blank=True, max_length=64)),
                ('anchored', models.PositiveIntegerField(default=0, help_text='How much of it has been anchored outside of the database.')),
            ],
        ),
        migrations.CreateModel(
            name='PeriodSeal',
            fields=[
                ('id', models.UUIDField(default=uuid.uuid4, editable=False, primary_key=True, serialize=False)),
                ('workspace', models.ForeignKey(db_index=False, on_delete=django.db.models.deletion.PROTECT, related_name='seals', to='billing.workspace')),
                ('billing_period', models.OneToOneField(on_delete=django.db.models.deletion.PROTECT, related_name='seal', to='billing.billingperiod')),
                ('sequence', models.PositiveIntegerField(help_text="1 for the workspace's first seal.")),
                ('records', models.BigIntegerField()),
                ('total_cost', models.DecimalField(decimal_places=10, max_digits=38)),
                ('final_cost', models.DecimalField(decimal_places=10, max_digits=38)),
                ('records_digest', models.CharField(max_length=64)),
                ('previous_digest', models.CharField(blank=True, max_length=64)),
                ('digest', models.CharField(max_length=64, unique=True)),
                ('key_id', models.CharField(max_length=16)),
                ('mac', models.CharField(max_length=64)),
                ('sealed_at', models.DateTimeField(default=django.utils.timezone.now)),
            ],
            options={
                'ordering': ['workspace_id', 'sequence'],
                'constraints': [
                    models.UniqueConstraint(fields=('workspace', 'sequence'), name='one_seal_per_place_in_the_chain'),
                    models.CheckConstraint(condition=models.Q(('sequence__gte', 1)), name='chains_of_seals_begin_at_1'),
                    models.CheckConstraint(condition=models.Q(models.Q(('previous_digest', ''), ('sequence', 1)), models.Q(('sequence__gt', 1), models.Q(('previous_digest', ''), _negated=True)), _connector='OR'), name='only_the_first_seal_has_none_before_it'),
                ],
            },
        ),
        migrations.CreateModel(
            name='SealFingerprints',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('seal', models.ForeignKey(db_index=False, on_delete=django.db.models.deletion.CASCADE, related_name='fingerprints', to='usage.periodseal')),
                ('position', models.PositiveIntegerField(help_text='Blocks count from 0.')),
                ('content', models.BinaryField()),
            ],
            options={
                'ordering': ['seal_id', 'position'],
                'constraints': [
                    models.UniqueConstraint(fields=('seal', 'position'), name='one_block_of_fingerprints_per_position'),
                ],
            },
        ),
        migrations.RunSQL(FROZEN, THAWED),
        migrations.RunSQL(APPEND_ONLY, UNDO),
    ]

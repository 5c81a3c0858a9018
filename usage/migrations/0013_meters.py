"""What the meters of closed periods came to; it never changes."""

import django.db.models.deletion
import django.db.models.expressions
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


class Migration(migrations.Migration):

    dependencies = [
        ('billing', '0016_meters'),
        ('usage', '0012_dimension_rollups'),
    ]

    operations = [
        migrations.CreateModel(
            name='PeriodMeter',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('rate_id', models.UUIDField()),
                ('usage_month', models.DateField(null=True)),
                ('resource_type', models.CharField(max_length=64)),
                ('description', models.CharField(max_length=200)),
                ('billed_quantity', models.DecimalField(decimal_places=6, max_digits=28)),
                ('list_amount', models.DecimalField(decimal_places=10, help_text="Sum of its records' list prices.", max_digits=38)),
                ('adjustment', models.DecimalField(decimal_places=10, help_text='What the period added; mostly negative.', max_digits=38)),
                ('net_amount', models.DecimalField(decimal_places=10, max_digits=38)),
                ('lines', models.JSONField(help_text='Quantities, prices and amounts that add up to the net.')),
                ('billing_period', models.ForeignKey(db_index=False, on_delete=django.db.models.deletion.PROTECT, related_name='meters', to='billing.billingperiod')),
            ],
            options={
                'ordering': ['billing_period', 'id'],
                'constraints': [models.UniqueConstraint(fields=('billing_period', 'rate_id', 'usage_month'), name='one_meter_per_period_rate_and_month', nulls_distinct=False), models.CheckConstraint(condition=models.Q(('net_amount', django.db.models.expressions.CombinedExpression(models.F('list_amount'), '+', models.F('adjustment')))), name='meter_net_is_list_and_adjustment')],
            },
        ),
        migrations.RunSQL(FROZEN, THAWED),
    ]

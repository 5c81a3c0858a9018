"""True-ups, and what finance should look at: costs off the cost card, records sold too cheaply."""

import django.db.models.deletion
from django.db import migrations, models


class Migration(migrations.Migration):

    dependencies = [
        ('billing', '0012_provider_costs'),
        ('usage', '0013_meters'),
    ]

    operations = [
        migrations.CreateModel(
            name='CostDrift',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
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
            },
        ),
        migrations.CreateModel(
            name='LowMargin',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
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
            },
        ),
        migrations.RemoveConstraint(
            model_name='usagerecord',
            name='only_a_reversal_is_negative',
        ),
        migrations.AddField(
            model_name='usagerecord',
            name='trues_up',
            field=models.ForeignKey(db_constraint=False, db_index=False, null=True, on_delete=django.db.models.deletion.DO_NOTHING, related_name='true_ups', to='usage.usagerecord'),
        ),
        migrations.AddConstraint(
            model_name='usagerecord',
            constraint=models.CheckConstraint(condition=models.Q(models.Q(('quantity', 0), ('trues_up__isnull', False)), models.Q(('final_cost__gte', 0), ('quantity__gte', 0), ('reverses__isnull', True), ('total_cost__gte', 0), ('trues_up__isnull', True)), models.Q(('final_cost__lte', 0), ('quantity__lte', 0), ('reverses__isnull', False), ('total_cost__lte', 0), ('trues_up__isnull', True)), _connector='OR'), name='only_a_correction_is_negative'),
        ),
        migrations.AddConstraint(
            model_name='usagerecord',
            constraint=models.UniqueConstraint(condition=models.Q(('reverses__isnull', True), ('trues_up__isnull', False)), fields=('workspace', 'trues_up'), name='one_true_up_per_record'),
        ),
        migrations.AddField(
            model_name='costdrift',
            name='provider_cost',
            field=models.ForeignKey(db_index=False, on_delete=django.db.models.deletion.CASCADE, related_name='drifts', to='billing.providercost'),
        ),
        migrations.AddField(
            model_name='lowmargin',
            name='billing_period',
            field=models.ForeignKey(db_index=False, on_delete=django.db.models.deletion.CASCADE, related_name='+', to='billing.billingperiod'),
        ),
        migrations.AddField(
            model_name='lowmargin',
            name='workspace',
            field=models.ForeignKey(db_index=False, on_delete=django.db.models.deletion.CASCADE, related_name='+', to='billing.workspace'),
        ),
        migrations.AddConstraint(
            model_name='costdrift',
            constraint=models.UniqueConstraint(fields=('provider_cost', 'resource_type', 'model', 'currency', 'slot'), name='one_drift_per_cost_and_kind'),
        ),
        migrations.AddConstraint(
            model_name='costdrift',
            constraint=models.CheckConstraint(condition=models.Q(('slot__lt', 8)), name='drift_slot_exists'),
        ),
        migrations.AddConstraint(
            model_name='lowmargin',
            constraint=models.UniqueConstraint(fields=('billing_period', 'rate_id', 'resource_type', 'provider', 'model', 'agent_id', 'slot'), name='one_low_margin_per_rate_and_kind', nulls_distinct=False),
        ),
        migrations.AddConstraint(
            model_name='lowmargin',
            constraint=models.CheckConstraint(condition=models.Q(('slot__lt', 8)), name='low_margin_slot_exists'),
        ),
    ]

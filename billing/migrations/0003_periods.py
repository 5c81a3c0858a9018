"""Billing periods with their counters and alerts, and which of them counts."""

import billing.models.periods
import django.contrib.postgres.constraints
import django.contrib.postgres.fields.ranges
import django.db.models.deletion
import django.utils.timezone
import uuid
from billing.migrations._audit import LATER, audited
from decimal import Decimal
from django.db import migrations, models


# One row or none. An open period that holds the moment; where that month is closed already, early
# or because its time has come, the earliest that is open takes its usage (`PricingTerms.period_day`
# says the same for each record). Inlined into the statements that call it: index look-ups of one
# workspace.
ACTIVE_PERIOD = """
CREATE FUNCTION billing_active_period(workspace uuid, at timestamptz) RETURNS SETOF uuid
LANGUAGE sql STABLE PARALLEL SAFE AS $$
    SELECT open.id
      FROM billing_billingperiod AS open
     WHERE open.workspace_id = $1 AND open.status = 'current'
       AND (open.period_start <= $2 AND open.period_end > $2
            OR EXISTS (SELECT FROM billing_billingperiod AS closed
                        WHERE closed.workspace_id = $1 AND closed.status <> 'current'
                          AND closed.period_end > $2))
     ORDER BY open.period_start <= $2 AND open.period_end > $2 DESC, open.period_start
     LIMIT 1
$$;
"""
NO_ACTIVE_PERIOD = "DROP FUNCTION billing_active_period(uuid, timestamptz);"
# Updated in place all the time: room in the page keeps that cheap. Each upsert takes a number for a
# row that is there already: a connection takes a thousand at a time.
STORAGE = """
ALTER TABLE billing_periodcounter SET (fillfactor = 50, autovacuum_vacuum_scale_factor = 0.05);
ALTER TABLE billing_periodcounter ALTER COLUMN id SET CACHE 1000;
"""


class Migration(migrations.Migration):
    dependencies = [
        ('billing', '0002_audit_log'),
    ]

    operations = [
        migrations.CreateModel(
            name='BillingPeriod',
            fields=[
                ('id', models.UUIDField(default=uuid.uuid4, editable=False, primary_key=True, serialize=False)),
                ('workspace', models.ForeignKey(on_delete=django.db.models.deletion.PROTECT, related_name='periods', to='billing.workspace')),
                ('tier', models.ForeignKey(help_text='The tier whose fee this period is billed.', on_delete=django.db.models.deletion.PROTECT, to='billing.subscriptiontier')),
                ('period_start', models.DateTimeField()),
                ('period_end', models.DateTimeField(help_text='Exclusive.')),
                ('subtotal', models.DecimalField(decimal_places=10, default=Decimal('0'), max_digits=38)),
                ('subscription_fee', models.DecimalField(decimal_places=10, default=Decimal('0'), max_digits=38)),
                ('add_on_fees', models.DecimalField(db_default=Decimal('0'), decimal_places=10, default=Decimal('0'), max_digits=38)),
                ('discounts', models.DecimalField(db_default=Decimal('0'), decimal_places=10, default=Decimal('0'), help_text='Zero or negative.', max_digits=38)),
                ('commitment_shortfall', models.DecimalField(db_default=Decimal('0'), decimal_places=10, default=Decimal('0'), help_text='What was missing of the minimum commitment.', max_digits=38)),
                ('adjustment', models.DecimalField(db_default=Decimal('0'), decimal_places=10, default=Decimal('0'), help_text="How much of the subtotal tiers, packages and included units added to the records' list prices; mostly negative.", max_digits=38)),
                ('manual_items', models.DecimalField(db_default=Decimal('0'), decimal_places=10, default=Decimal('0'), help_text='Charges less credits and discounts that were added by hand.', max_digits=38)),
                ('credit_brought_forward', models.DecimalField(decimal_places=10, default=Decimal('0'), help_text='Zero or negative: what the last period owed back.', max_digits=38)),
                ('total_amount', models.DecimalField(decimal_places=10, default=Decimal('0'), max_digits=38)),
                ('status', models.CharField(choices=[('current', 'Current'), ('finalized', 'Finalized'), ('paid', 'Paid'), ('overdue', 'Overdue')], default='current', max_length=16)),
                ('stripe_invoice_id', models.CharField(blank=True, max_length=255, null=True, unique=True)),
                ('finalized_at', models.DateTimeField(blank=True, null=True)),
                ('paid_at', models.DateTimeField(blank=True, null=True)),
                ('close_error', models.TextField(blank=True)),
                ('close_failed_at', models.DateTimeField(blank=True, null=True)),
                ('has_meters', models.BooleanField(db_default=False, default=False, editable=False)),
                ('created_at', models.DateTimeField(default=django.utils.timezone.now, editable=False)),
            ],
            options={
                'ordering': ['-period_start', 'id'],
                'constraints': [
                    models.UniqueConstraint(fields=('workspace', 'period_start'), name='one_period_per_workspace_and_start'),
                    models.CheckConstraint(condition=models.Q(('period_end__gt', models.F('period_start'))), name='period_ends_after_its_start'),
                    models.CheckConstraint(condition=models.Q(('status__in', ['current', 'finalized', 'paid', 'overdue'])), name='period_status_is_known'),
                    models.CheckConstraint(condition=models.Q(models.Q(('finalized_at__isnull', True), ('status', 'current')), models.Q(models.Q(('status', 'current'), _negated=True), ('finalized_at__isnull', False)), _connector='OR'), name='only_a_closed_period_has_been_finalized'),
                    models.CheckConstraint(condition=models.Q(models.Q(('paid_at__isnull', False), ('status', 'paid')), models.Q(models.Q(('status', 'paid'), _negated=True), ('paid_at__isnull', True)), _connector='OR'), name='only_a_paid_period_has_been_paid'),
                    models.CheckConstraint(condition=models.Q(('total_amount', models.F('subtotal') + models.F('subscription_fee') + models.F('add_on_fees') + models.F('discounts') + models.F('commitment_shortfall') + models.F('manual_items') + models.F('credit_brought_forward'))), name='period_total_is_its_parts'),
                    models.CheckConstraint(condition=models.Q(('adjustment', 0), ('has_meters', True), _connector='OR'), name='only_a_period_with_meters_is_adjusted'),
                    models.CheckConstraint(condition=models.Q(('add_on_fees__gte', 0), ('commitment_shortfall__gte', 0), ('credit_brought_forward__lte', 0), ('discounts__lte', 0), ('subscription_fee__gte', 0)), name='period_fees_and_credits_have_their_sign'),
                    django.contrib.postgres.constraints.ExclusionConstraint(expressions=[(billing.models.periods.UuidRange('workspace_id'), '&&'), (models.Func('period_start', 'period_end', function='tstzrange', output_field=django.contrib.postgres.fields.ranges.DateTimeRangeField()), '&&')], name='periods_of_a_workspace_do_not_overlap'),
                ],
                'indexes': [
                    models.Index(condition=models.Q(('status', 'current')), fields=['period_end'], name='periods_to_close'),
                    models.Index(fields=['workspace', 'period_end'], name='periods_of_workspace'),
                    models.Index(condition=models.Q(('status', 'current')), fields=['workspace', 'period_start'], name='open_periods_of_workspace'),
                ],
            },
        ),
        migrations.CreateModel(
            name='PeriodCounter',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('period', models.ForeignKey(db_index=False, on_delete=django.db.models.deletion.CASCADE, related_name='counters', to='billing.billingperiod')),
                ('slot', models.PositiveSmallIntegerField()),
                ('is_open', models.BooleanField(default=True)),
                ('records', models.BigIntegerField(default=0)),
                ('total_cost', models.DecimalField(decimal_places=10, default=Decimal('0'), max_digits=38)),
                ('final_cost', models.DecimalField(decimal_places=10, default=Decimal('0'), max_digits=38)),
                ('checked_up_to', models.DecimalField(decimal_places=10, editable=False, max_digits=38, null=True)),
                ('checked_terms', models.BigIntegerField(editable=False, null=True)),
            ],
            options={
                'constraints': [
                    models.UniqueConstraint(fields=('period', 'slot'), name='one_counter_per_slot'),
                    models.CheckConstraint(condition=models.Q(('slot__lt', 8)), name='counter_slot_exists'),
                ],
            },
        ),
        migrations.CreateModel(
            name='LimitAlert',
            fields=[
                ('id', models.UUIDField(default=uuid.uuid4, editable=False, primary_key=True, serialize=False)),
                ('workspace', models.ForeignKey(on_delete=django.db.models.deletion.CASCADE, related_name='alerts', to='billing.workspace')),
                ('period', models.ForeignKey(on_delete=django.db.models.deletion.CASCADE, related_name='alerts', to='billing.billingperiod')),
                ('kind', models.CharField(choices=[('threshold', 'Threshold'), ('limit', 'Limit')], max_length=16)),
                ('spend', models.DecimalField(decimal_places=10, max_digits=38)),
                ('usage_limit', models.DecimalField(decimal_places=4, max_digits=18)),
                ('threshold_percentage', models.DecimalField(decimal_places=4, max_digits=7)),
                ('created_at', models.DateTimeField(default=django.utils.timezone.now, editable=False)),
            ],
            options={
                'ordering': ['-created_at'],
                'constraints': [
                    models.UniqueConstraint(condition=models.Q(('kind', 'limit')), fields=('period', 'usage_limit'), name='one_limit_alert_per_period_and_limit'),
                    models.UniqueConstraint(condition=models.Q(('kind', 'threshold')), fields=('period', 'usage_limit', 'threshold_percentage'), name='one_threshold_alert_per_period_and_level'),
                    models.CheckConstraint(condition=models.Q(('kind__in', ['threshold', 'limit'])), name='alert_kind_is_known'),
                ],
            },
        ),
        migrations.RunSQL(ACTIVE_PERIOD, NO_ACTIVE_PERIOD),
        migrations.RunSQL(STORAGE, migrations.RunSQL.noop),
        # That a month has begun is nobody's act, and that it has meters no change of terms.
        audited("billing_billingperiod", LATER, ignored="has_meters"),
    ]

"""Charges, credits and discounts by hand, and periods that are billed them."""

from importlib import import_module

import billing.models.fields
import django.core.validators
import django.db.models.deletion
import django.db.models.expressions
import django.utils.timezone
import uuid
from decimal import Decimal
from django.db import migrations, models


audit = import_module("billing.migrations.0008_audit_log")
AUDITED = {
    "billing_manualitem": ("INSERT OR UPDATE OR DELETE", "workspace_id", "id", "", ""),
}


class Migration(migrations.Migration):

    dependencies = [
        ('billing', '0018_durable_work'),
    ]

    operations = [
        migrations.CreateModel(
            name='ManualItem',
            fields=[
                ('id', models.UUIDField(default=uuid.uuid4, editable=False, primary_key=True, serialize=False)),
                ('kind', models.CharField(choices=[('charge', 'Charge'), ('credit', 'Credit'), ('discount', 'Discount')], max_length=8)),
                ('description', billing.models.fields.LineField(help_text='As the invoice says it: Set-up fee.', max_length=200)),
                ('net', models.DecimalField(decimal_places=3, help_text="In the workspace's currency and prices: before tax, unless its prices include tax. Credits and discounts are taken off.", max_digits=14, validators=[django.core.validators.MinValueValidator(Decimal('0.001'))])),
                ('tax_class', models.CharField(default='standard', help_text='What it is to the tax office: standard, reduced, exempt, ...', max_length=32)),
                ('month', models.DateField(blank=True, help_text='The first day of the month it is billed with, or the next that closes. Empty: the next one.', null=True)),
                ('one_off_invoice_id', models.UUIDField(blank=True, editable=False, help_text='The invoice of its own that it is billed on, once all its items are approved.', null=True)),
                ('reason', models.CharField(help_text='Why; for colleagues and auditors.', max_length=500)),
                ('status', models.CharField(choices=[('waiting', 'Waits for approval'), ('approved', 'Approved'), ('billed', 'Billed'), ('cancelled', 'Cancelled')], default='waiting', max_length=12)),
                ('asked_by', models.CharField(max_length=254)),
                ('approved_by', models.CharField(blank=True, max_length=254)),
                ('approved_at', models.DateTimeField(blank=True, null=True)),
                ('billed_at', models.DateTimeField(blank=True, null=True)),
                ('cancelled_by', models.CharField(blank=True, max_length=254)),
                ('cancelled_at', models.DateTimeField(blank=True, null=True)),
                ('cancel_reason', models.CharField(blank=True, max_length=500)),
                ('idempotency_key', models.CharField(blank=True, editable=False, max_length=128)),
                ('asked_for', models.CharField(blank=True, editable=False, max_length=64)),
                ('created_at', models.DateTimeField(default=django.utils.timezone.now, editable=False)),
            ],
            options={
                'verbose_name': 'line by hand',
                'verbose_name_plural': 'lines by hand',
                'ordering': ['-created_at', 'id'],
            },
        ),
        migrations.RemoveConstraint(
            model_name='billingperiod',
            name='period_total_is_its_parts',
        ),
        migrations.RemoveConstraint(
            model_name='periodcharge',
            name='charge_has_its_sign',
        ),
        migrations.AddField(
            model_name='billingperiod',
            name='manual_items',
            field=models.DecimalField(db_default=Decimal('0'), decimal_places=10, default=Decimal('0'), help_text='Charges less credits and discounts that were added by hand.', max_digits=38),
        ),
        migrations.AlterField(
            model_name='periodcharge',
            name='kind',
            field=models.CharField(choices=[('subscription', 'Subscription'), ('add_on', 'Add-on'), ('discount', 'Discount'), ('commitment', 'Minimum commitment'), ('manual', 'By hand')], max_length=16),
        ),
        migrations.AddConstraint(
            model_name='billingperiod',
            constraint=models.CheckConstraint(condition=models.Q(('total_amount', django.db.models.expressions.CombinedExpression(django.db.models.expressions.CombinedExpression(django.db.models.expressions.CombinedExpression(django.db.models.expressions.CombinedExpression(django.db.models.expressions.CombinedExpression(django.db.models.expressions.CombinedExpression(models.F('subtotal'), '+', models.F('subscription_fee')), '+', models.F('add_on_fees')), '+', models.F('discounts')), '+', models.F('commitment_shortfall')), '+', models.F('manual_items')), '+', models.F('credit_brought_forward')))), name='period_total_is_its_parts'),
        ),
        migrations.AddConstraint(
            model_name='periodcharge',
            constraint=models.CheckConstraint(condition=models.Q(models.Q(('amount__lt', 0), ('kind', 'discount')), models.Q(('amount__gt', 0), ('kind__in', ['subscription', 'add_on', 'commitment'])), models.Q(('kind', 'manual'), models.Q(('amount', 0), _negated=True)), _connector='OR'), name='charge_has_its_sign'),
        ),
        migrations.AddConstraint(
            model_name='periodcharge',
            constraint=models.UniqueConstraint(condition=models.Q(('kind', 'manual')), fields=('source_id',), name='manual_item_is_charged_once'),
        ),
        migrations.AddField(
            model_name='manualitem',
            name='period',
            field=models.ForeignKey(blank=True, editable=False, help_text='The period it was billed with.', null=True, on_delete=django.db.models.deletion.PROTECT, related_name='manual_items_billed', to='billing.billingperiod'),
        ),
        migrations.AddField(
            model_name='manualitem',
            name='workspace',
            field=models.ForeignKey(on_delete=django.db.models.deletion.PROTECT, related_name='manual_items', to='billing.workspace'),
        ),
        migrations.AddIndex(
            model_name='manualitem',
            index=models.Index(condition=models.Q(('status__in', ['waiting', 'approved'])), fields=['workspace', 'created_at'], name='manual_items_to_bill'),
        ),
        migrations.AddIndex(
            model_name='manualitem',
            index=models.Index(condition=models.Q(('one_off_invoice_id__isnull', False)), fields=['one_off_invoice_id'], name='manual_items_of_one_off'),
        ),
        migrations.AddIndex(
            model_name='manualitem',
            index=models.Index(fields=['workspace', '-created_at', '-id'], name='manual_items_by_time'),
        ),
        migrations.AddConstraint(
            model_name='manualitem',
            constraint=models.CheckConstraint(condition=models.Q(('kind__in', ['charge', 'credit', 'discount'])), name='manual_item_kind_is_known'),
        ),
        migrations.AddConstraint(
            model_name='manualitem',
            constraint=models.CheckConstraint(condition=models.Q(('net__gt', 0)), name='manual_item_is_positive'),
        ),
        migrations.AddConstraint(
            model_name='manualitem',
            constraint=models.CheckConstraint(condition=models.Q(models.Q(('description', ''), _negated=True), models.Q(('reason', ''), _negated=True), models.Q(('asked_by', ''), _negated=True)), name='manual_item_says_what_why_and_who'),
        ),
        migrations.AddConstraint(
            model_name='manualitem',
            constraint=models.CheckConstraint(condition=models.Q(('month__isnull', True), models.Q(('month__day', 1), ('one_off_invoice_id__isnull', True)), _connector='OR'), name='manual_item_is_of_a_month_or_one_off'),
        ),
        migrations.AddConstraint(
            model_name='manualitem',
            constraint=models.CheckConstraint(condition=models.Q(models.Q(('approved_at__isnull', True), ('status', 'waiting')), ('status', 'cancelled'), models.Q(('approved_at__isnull', False), ('status__in', ['approved', 'billed'])), _connector='OR'), name='only_an_approved_manual_item_is_billed'),
        ),
        migrations.AddConstraint(
            model_name='manualitem',
            constraint=models.CheckConstraint(condition=models.Q(models.Q(('approved_at__isnull', True), ('approved_by', '')), models.Q(('approved_at__isnull', False), models.Q(('approved_by', ''), _negated=True)), _connector='OR'), name='manual_item_is_approved_by_somebody'),
        ),
        migrations.AddConstraint(
            model_name='manualitem',
            constraint=models.CheckConstraint(condition=models.Q(models.Q(('cancelled_at__isnull', False), ('status', 'cancelled'), models.Q(('cancelled_by', ''), _negated=True), models.Q(('cancel_reason', ''), _negated=True)), models.Q(models.Q(('status', 'cancelled'), _negated=True), ('cancelled_at__isnull', True)), _connector='OR'), name='only_a_cancelled_manual_item_was_cancelled'),
        ),
        migrations.AddConstraint(
            model_name='manualitem',
            constraint=models.CheckConstraint(condition=models.Q(models.Q(('billed_at__isnull', False), ('period__isnull', False), ('status', 'billed'), ('one_off_invoice_id__isnull', True)), models.Q(('billed_at__isnull', False), ('period__isnull', True), ('status', 'billed'), ('one_off_invoice_id__isnull', False)), models.Q(models.Q(('status', 'billed'), _negated=True), ('billed_at__isnull', True), ('period__isnull', True)), _connector='OR'), name='manual_item_is_billed_in_one_place'),
        ),
        migrations.AddConstraint(
            model_name='manualitem',
            constraint=models.UniqueConstraint(condition=models.Q(models.Q(('idempotency_key', ''), _negated=True), ('one_off_invoice_id__isnull', True)), fields=('workspace', 'idempotency_key'), name='one_manual_item_per_idempotency_key'),
        ),
        audit.triggers(AUDITED),
    ]

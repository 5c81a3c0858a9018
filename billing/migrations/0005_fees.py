"""Fees beside usage: tiers by day, add-ons, discounts, commitments and lines by hand, frozen by period."""

import billing.models.fields
import billing.models.periods
import billing.models.rate_cards
import django.contrib.postgres.constraints
import django.core.validators
import django.db.models.deletion
import django.utils.timezone
import uuid
from billing.migrations._audit import audited
from decimal import Decimal
from django.db import migrations, models


# The days a workspace is on its first tier begin with it, through whichever channel it came.
FIRST_TIER = """
CREATE FUNCTION billing_first_tier() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO billing_tierchange (workspace_id, tier_id, "on")
        VALUES (NEW.id, NEW.tier_id, (NEW.created_at AT TIME ZONE NEW.timezone)::date);
    RETURN NULL;
END $$;
CREATE TRIGGER billing_first_tier AFTER INSERT ON billing_workspace
    FOR EACH ROW EXECUTE FUNCTION billing_first_tier();
"""
FIXED = """
CREATE TRIGGER billing_only_the_end_changes BEFORE UPDATE OR DELETE ON billing_addon
    FOR EACH ROW EXECUTE FUNCTION billing_only_the_end_changes();
CREATE TRIGGER billing_only_the_end_changes BEFORE UPDATE OR DELETE ON billing_commitment
    FOR EACH ROW EXECUTE FUNCTION billing_only_the_end_changes();
CREATE TRIGGER billing_only_the_end_changes BEFORE UPDATE OR DELETE ON billing_discount
    FOR EACH ROW EXECUTE FUNCTION billing_only_the_end_changes();

CREATE FUNCTION billing_only_limits_of_coupons_change() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
    limits text[] := ARRAY['max_redemptions', 'expires_at', 'redemptions'];
BEGIN
    IF TG_OP = 'DELETE' OR to_jsonb(OLD) - limits <> to_jsonb(NEW) - limits THEN
        RAISE EXCEPTION 'only the limits of a coupon change: let it expire and make another'
            USING ERRCODE = 'restrict_violation', TABLE = TG_TABLE_NAME;
    END IF;
    RETURN NEW;
END $$;
CREATE TRIGGER billing_only_limits_of_coupons_change BEFORE UPDATE OR DELETE ON billing_coupon
    FOR EACH ROW EXECUTE FUNCTION billing_only_limits_of_coupons_change();

CREATE FUNCTION billing_charges_are_frozen() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION 'what a closed period was charged never changes'
        USING ERRCODE = 'restrict_violation', TABLE = TG_TABLE_NAME;
END $$;
CREATE TRIGGER billing_charges_are_frozen BEFORE UPDATE OR DELETE ON billing_periodcharge
    FOR EACH ROW EXECUTE FUNCTION billing_charges_are_frozen();

-- Whose year had begun, or was paid, with another interval?
CREATE FUNCTION billing_interval_is_fixed() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF EXISTS (SELECT FROM billing_tierchange WHERE tier_id = NEW.id) THEN
        RAISE EXCEPTION 'the interval of a tier that workspaces are on never changes'
            USING ERRCODE = 'restrict_violation', TABLE = TG_TABLE_NAME;
    END IF;
    RETURN NEW;
END $$;
CREATE TRIGGER billing_interval_is_fixed BEFORE UPDATE OF interval ON billing_subscriptiontier
    FOR EACH ROW WHEN (OLD.interval IS DISTINCT FROM NEW.interval)
    EXECUTE FUNCTION billing_interval_is_fixed();
"""
UNDO = """
DROP TRIGGER billing_interval_is_fixed ON billing_subscriptiontier;
DROP FUNCTION billing_interval_is_fixed();
DROP TRIGGER billing_charges_are_frozen ON billing_periodcharge;
DROP FUNCTION billing_charges_are_frozen();
DROP TRIGGER billing_only_limits_of_coupons_change ON billing_coupon;
DROP FUNCTION billing_only_limits_of_coupons_change();
DROP TRIGGER billing_only_the_end_changes ON billing_discount;
DROP TRIGGER billing_only_the_end_changes ON billing_commitment;
DROP TRIGGER billing_only_the_end_changes ON billing_addon;
DROP TRIGGER billing_first_tier ON billing_workspace;
DROP FUNCTION billing_first_tier();
"""


class Migration(migrations.Migration):
    dependencies = [
        ('billing', '0004_prices'),
    ]

    operations = [
        migrations.CreateModel(
            name='TierChange',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('workspace', models.ForeignKey(on_delete=django.db.models.deletion.CASCADE, related_name='tier_changes', to='billing.workspace')),
                ('tier', models.ForeignKey(on_delete=django.db.models.deletion.PROTECT, related_name='+', to='billing.subscriptiontier')),
                ('on', models.DateField()),
            ],
            options={
                'ordering': ['workspace', 'on'],
                'constraints': [
                    models.UniqueConstraint(fields=('workspace', 'on'), name='one_tier_per_workspace_and_day'),
                ],
            },
        ),
        migrations.CreateModel(
            name='AddOn',
            fields=[
                ('id', models.UUIDField(default=uuid.uuid4, editable=False, primary_key=True, serialize=False)),
                ('workspace', models.ForeignKey(on_delete=django.db.models.deletion.PROTECT, related_name='add_ons', to='billing.workspace')),
                ('name', billing.models.fields.LineField(help_text='As the invoice calls it: Phone numbers.', max_length=100)),
                ('quantity', models.DecimalField(decimal_places=6, max_digits=18, validators=[django.core.validators.MinValueValidator(Decimal('0.001'))])),
                ('unit_price', models.DecimalField(decimal_places=3, help_text='Of one, a month.', max_digits=14, validators=[django.core.validators.MinValueValidator(Decimal('0'))])),
                ('proration', models.CharField(choices=[('none', 'None'), ('daily', 'Daily')], default='none', max_length=8)),
                ('starts_on', models.DateField()),
                ('ends_on', models.DateField(blank=True, help_text='Exclusive. Empty: no end.', null=True)),
                ('created_at', models.DateTimeField(default=django.utils.timezone.now, editable=False)),
            ],
            options={
                'ordering': ['workspace', 'name', 'starts_on'],
                'verbose_name': 'add-on',
                'constraints': [
                    models.CheckConstraint(condition=models.Q(('quantity__gt', 0), ('unit_price__gte', 0)), name='add_on_has_a_quantity_and_a_price'),
                    models.CheckConstraint(condition=models.Q(('proration__in', ['none', 'daily'])), name='add_on_proration_is_known'),
                    models.CheckConstraint(condition=models.Q(('ends_on__isnull', True), ('ends_on__gte', models.F('starts_on')), _connector='OR'), name='add_on_ends_after_its_start'),
                    django.contrib.postgres.constraints.ExclusionConstraint(expressions=[(billing.models.periods.UuidRange('workspace_id'), '&&'), (billing.models.rate_cards.TextRange('name'), '&&'), (billing.models.rate_cards.DateRange('starts_on', 'ends_on'), '&&')], name='one_add_on_per_workspace_name_and_day'),
                ],
            },
        ),
        migrations.CreateModel(
            name='Commitment',
            fields=[
                ('id', models.UUIDField(default=uuid.uuid4, editable=False, primary_key=True, serialize=False)),
                ('workspace', models.ForeignKey(on_delete=django.db.models.deletion.PROTECT, related_name='commitments', to='billing.workspace')),
                ('amount', models.DecimalField(decimal_places=3, help_text="In each month, in the workspace's currency.", max_digits=14, validators=[django.core.validators.MinValueValidator(Decimal('0.001'))])),
                ('covers', models.CharField(choices=[('usage', 'Usage'), ('usage_and_fees', 'Usage and fees')], default='usage', max_length=16)),
                ('starts_on', models.DateField(help_text='The first day of a month.')),
                ('ends_on', models.DateField(blank=True, help_text='The first day of a month, exclusive. Empty: no end.', null=True)),
                ('created_at', models.DateTimeField(default=django.utils.timezone.now, editable=False)),
            ],
            options={
                'ordering': ['workspace', '-starts_on'],
                'constraints': [
                    models.CheckConstraint(condition=models.Q(('amount__gt', 0)), name='commitment_is_positive'),
                    models.CheckConstraint(condition=models.Q(('covers__in', ['usage', 'usage_and_fees'])), name='commitment_covers_something_known'),
                    models.CheckConstraint(condition=models.Q(('starts_on__day', 1), models.Q(('ends_on__isnull', True), ('ends_on__day', 1), _connector='OR')), name='commitment_is_of_whole_months'),
                    models.CheckConstraint(condition=models.Q(('ends_on__isnull', True), ('ends_on__gte', models.F('starts_on')), _connector='OR'), name='commitment_ends_after_its_start'),
                    django.contrib.postgres.constraints.ExclusionConstraint(expressions=[(billing.models.periods.UuidRange('workspace_id'), '&&'), (billing.models.rate_cards.DateRange('starts_on', 'ends_on'), '&&')], name='one_commitment_per_workspace_and_day'),
                ],
            },
        ),
        migrations.CreateModel(
            name='PeriodCharge',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('period', models.ForeignKey(db_index=False, on_delete=django.db.models.deletion.CASCADE, related_name='frozen_charges', to='billing.billingperiod')),
                ('position', models.PositiveSmallIntegerField()),
                ('kind', models.CharField(choices=[('subscription', 'Subscription'), ('add_on', 'Add-on'), ('discount', 'Discount'), ('commitment', 'Minimum commitment'), ('manual', 'By hand')], max_length=16)),
                ('description', models.CharField(max_length=200)),
                ('quantity', models.DecimalField(decimal_places=6, max_digits=18)),
                ('unit_price', models.DecimalField(decimal_places=3, max_digits=14)),
                ('first_day', models.DateField(null=True)),
                ('last_day', models.DateField(null=True)),
                ('days', models.PositiveSmallIntegerField()),
                ('of_days', models.PositiveSmallIntegerField()),
                ('base', models.DecimalField(decimal_places=10, max_digits=38)),
                ('percentage', models.DecimalField(decimal_places=4, max_digits=7, null=True)),
                ('amount', models.DecimalField(decimal_places=10, max_digits=38)),
                ('source_id', models.CharField(max_length=36)),
            ],
            options={
                'ordering': ['period', 'position'],
                'constraints': [
                    models.UniqueConstraint(fields=('period', 'position'), name='one_charge_per_period_and_position'),
                    models.CheckConstraint(condition=models.Q(models.Q(('amount__lt', 0), ('kind', 'discount')), models.Q(('amount__gt', 0), ('kind__in', ['subscription', 'add_on', 'commitment'])), models.Q(('kind', 'manual'), models.Q(('amount', 0), _negated=True)), _connector='OR'), name='charge_has_its_sign'),
                    models.CheckConstraint(condition=models.Q(('days__lte', models.F('of_days')), ('of_days__gt', 0)), name='charge_is_of_its_days'),
                    models.UniqueConstraint(condition=models.Q(('kind', 'manual')), fields=('source_id',), name='manual_item_is_charged_once'),
                ],
            },
        ),
        migrations.CreateModel(
            name='Coupon',
            fields=[
                ('name', billing.models.fields.LineField(help_text='As the invoice calls it: Launch offer.', max_length=100)),
                ('percentage', models.DecimalField(blank=True, decimal_places=4, help_text='Either this or an amount.', max_digits=7, null=True, validators=[django.core.validators.MinValueValidator(Decimal('0.0001')), django.core.validators.MaxValueValidator(Decimal('100'))])),
                ('amount', models.DecimalField(blank=True, decimal_places=3, help_text='In each month.', max_digits=14, null=True, validators=[django.core.validators.MinValueValidator(Decimal('0.001'))])),
                ('applies_to', models.CharField(choices=[('usage', 'Usage'), ('fees', 'Fees'), ('usage_and_fees', 'Usage and fees')], default='usage_and_fees', max_length=16)),
                ('id', models.UUIDField(default=uuid.uuid4, editable=False, primary_key=True, serialize=False)),
                ('code', models.CharField(max_length=40, unique=True, validators=[django.core.validators.RegexValidator('\\A[A-Z0-9][A-Z0-9_-]*\\Z', 'Capital letters, digits, _ and -.')])),
                ('currency', models.CharField(blank=True, help_text='Of an amount.', max_length=3)),
                ('periods', models.PositiveSmallIntegerField(blank=True, help_text='For so many months from the one it is redeemed in. Empty: for ever.', null=True, validators=[django.core.validators.MinValueValidator(1), django.core.validators.MaxValueValidator(1200)])),
                ('max_redemptions', models.PositiveIntegerField(blank=True, help_text='Empty: any number.', null=True)),
                ('redemptions', models.PositiveIntegerField(default=0, editable=False)),
                ('expires_at', models.DateTimeField(blank=True, help_text='It can be redeemed until then. Empty: always.', null=True)),
                ('created_at', models.DateTimeField(default=django.utils.timezone.now, editable=False)),
            ],
            options={
                'ordering': ['code'],
                'constraints': [
                    models.CheckConstraint(condition=models.Q(models.Q(('amount__isnull', True), ('percentage__gt', 0), ('percentage__lte', 100)), models.Q(('amount__gt', 0), ('percentage__isnull', True)), _connector='OR'), name='coupon_is_a_percentage_or_an_amount'),
                    models.CheckConstraint(condition=models.Q(models.Q(('currency', ''), ('percentage__isnull', False)), models.Q(('amount__isnull', False), ('currency__regex', '^[A-Z]{3}$')), _connector='OR'), name='coupon_of_an_amount_has_a_currency'),
                    models.CheckConstraint(condition=models.Q(('applies_to__in', ['usage', 'fees', 'usage_and_fees'])), name='coupon_applies_to_something_known'),
                    models.CheckConstraint(condition=models.Q(('code__regex', '^[A-Z0-9][A-Z0-9_-]*$')), name='coupon_code_is_plain'),
                    models.CheckConstraint(condition=models.Q(('periods__isnull', True), ('periods__gte', 1), _connector='OR'), name='coupon_holds_for_a_period'),
                    models.CheckConstraint(condition=models.Q(('max_redemptions__isnull', True), ('redemptions__lte', models.F('max_redemptions')), _connector='OR'), name='coupon_is_redeemed_so_often_at_most'),
                ],
            },
        ),
        migrations.CreateModel(
            name='Discount',
            fields=[
                ('name', billing.models.fields.LineField(help_text='As the invoice calls it: Launch offer.', max_length=100)),
                ('percentage', models.DecimalField(blank=True, decimal_places=4, help_text='Either this or an amount.', max_digits=7, null=True, validators=[django.core.validators.MinValueValidator(Decimal('0.0001')), django.core.validators.MaxValueValidator(Decimal('100'))])),
                ('amount', models.DecimalField(blank=True, decimal_places=3, help_text='In each month.', max_digits=14, null=True, validators=[django.core.validators.MinValueValidator(Decimal('0.001'))])),
                ('applies_to', models.CharField(choices=[('usage', 'Usage'), ('fees', 'Fees'), ('usage_and_fees', 'Usage and fees')], default='usage_and_fees', max_length=16)),
                ('id', models.UUIDField(default=uuid.uuid4, editable=False, primary_key=True, serialize=False)),
                ('workspace', models.ForeignKey(on_delete=django.db.models.deletion.PROTECT, related_name='discounts', to='billing.workspace')),
                ('coupon', models.ForeignKey(blank=True, null=True, on_delete=django.db.models.deletion.PROTECT, related_name='discounts', to='billing.coupon')),
                ('starts_on', models.DateField(help_text='The first day of a month.')),
                ('ends_on', models.DateField(blank=True, help_text='The first day of a month, exclusive. Empty: no end.', null=True)),
                ('created_at', models.DateTimeField(default=django.utils.timezone.now, editable=False)),
            ],
            options={
                'ordering': ['workspace', 'created_at', 'id'],
                'constraints': [
                    models.CheckConstraint(condition=models.Q(models.Q(('amount__isnull', True), ('percentage__gt', 0), ('percentage__lte', 100)), models.Q(('amount__gt', 0), ('percentage__isnull', True)), _connector='OR'), name='discount_is_a_percentage_or_an_amount'),
                    models.CheckConstraint(condition=models.Q(('applies_to__in', ['usage', 'fees', 'usage_and_fees'])), name='discount_applies_to_something_known'),
                    models.CheckConstraint(condition=models.Q(('starts_on__day', 1), models.Q(('ends_on__isnull', True), ('ends_on__day', 1), _connector='OR')), name='discount_is_of_whole_months'),
                    models.CheckConstraint(condition=models.Q(('ends_on__isnull', True), ('ends_on__gte', models.F('starts_on')), _connector='OR'), name='discount_ends_after_its_start'),
                    models.UniqueConstraint(fields=('workspace', 'coupon'), name='a_workspace_redeems_a_coupon_once'),
                ],
            },
        ),
        migrations.CreateModel(
            name='ManualItem',
            fields=[
                ('id', models.UUIDField(default=uuid.uuid4, editable=False, primary_key=True, serialize=False)),
                ('workspace', models.ForeignKey(on_delete=django.db.models.deletion.PROTECT, related_name='manual_items', to='billing.workspace')),
                ('kind', models.CharField(choices=[('charge', 'Charge'), ('credit', 'Credit'), ('discount', 'Discount')], max_length=8)),
                ('description', billing.models.fields.LineField(help_text='As the invoice says it: Set-up fee.', max_length=200)),
                ('net', models.DecimalField(decimal_places=3, help_text="In the workspace's currency and prices: before tax, unless its prices include tax. Credits and discounts are taken off.", max_digits=14, validators=[django.core.validators.MinValueValidator(Decimal('0.001'))])),
                ('tax_class', models.CharField(default='standard', help_text='What it is to the tax office: standard, reduced, exempt, ...', max_length=32)),
                ('month', models.DateField(blank=True, help_text='The first day of the month it is billed with, or the next that closes. Empty: the next one.', null=True)),
                ('one_off_invoice_id', models.UUIDField(blank=True, editable=False, help_text='The invoice of its own that it is billed on, once all its items are approved.', null=True)),
                ('reason', models.CharField(help_text='Why; for colleagues and auditors.', max_length=500)),
                ('status', models.CharField(choices=[('waiting', 'Waits for approval'), ('approved', 'Approved'), ('billed', 'Billed'), ('cancelled', 'Cancelled')], default='waiting', max_length=12)),
                ('period', models.ForeignKey(blank=True, editable=False, help_text='The period it was billed with.', null=True, on_delete=django.db.models.deletion.PROTECT, related_name='manual_items_billed', to='billing.billingperiod')),
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
                'ordering': ['-created_at', 'id'],
                'verbose_name': 'line by hand',
                'verbose_name_plural': 'lines by hand',
                'constraints': [
                    models.CheckConstraint(condition=models.Q(('kind__in', ['charge', 'credit', 'discount'])), name='manual_item_kind_is_known'),
                    models.CheckConstraint(condition=models.Q(('net__gt', 0)), name='manual_item_is_positive'),
                    models.CheckConstraint(condition=models.Q(models.Q(('description', ''), _negated=True), models.Q(('reason', ''), _negated=True), models.Q(('asked_by', ''), _negated=True)), name='manual_item_says_what_why_and_who'),
                    models.CheckConstraint(condition=models.Q(('month__isnull', True), models.Q(('month__day', 1), ('one_off_invoice_id__isnull', True)), _connector='OR'), name='manual_item_is_of_a_month_or_one_off'),
                    models.CheckConstraint(condition=models.Q(models.Q(('approved_at__isnull', True), ('status', 'waiting')), ('status', 'cancelled'), models.Q(('approved_at__isnull', False), ('status__in', ['approved', 'billed'])), _connector='OR'), name='only_an_approved_manual_item_is_billed'),
                    models.CheckConstraint(condition=models.Q(models.Q(('approved_at__isnull', True), ('approved_by', '')), models.Q(('approved_at__isnull', False), models.Q(('approved_by', ''), _negated=True)), _connector='OR'), name='manual_item_is_approved_by_somebody'),
                    models.CheckConstraint(condition=models.Q(models.Q(('cancelled_at__isnull', False), ('status', 'cancelled'), models.Q(('cancelled_by', ''), _negated=True), models.Q(('cancel_reason', ''), _negated=True)), models.Q(models.Q(('status', 'cancelled'), _negated=True), ('cancelled_at__isnull', True)), _connector='OR'), name='only_a_cancelled_manual_item_was_cancelled'),
                    models.CheckConstraint(condition=models.Q(models.Q(('billed_at__isnull', False), ('period__isnull', False), ('status', 'billed'), ('one_off_invoice_id__isnull', True)), models.Q(('billed_at__isnull', False), ('period__isnull', True), ('status', 'billed'), ('one_off_invoice_id__isnull', False)), models.Q(models.Q(('status', 'billed'), _negated=True), ('billed_at__isnull', True), ('period__isnull', True)), _connector='OR'), name='manual_item_is_billed_in_one_place'),
                    models.UniqueConstraint(condition=models.Q(models.Q(('idempotency_key', ''), _negated=True), ('one_off_invoice_id__isnull', True)), fields=('workspace', 'idempotency_key'), name='one_manual_item_per_idempotency_key'),
                ],
                'indexes': [
                    models.Index(condition=models.Q(('status__in', ['waiting', 'approved'])), fields=['workspace', 'created_at'], name='manual_items_to_bill'),
                    models.Index(condition=models.Q(('one_off_invoice_id__isnull', False)), fields=['one_off_invoice_id'], name='manual_items_of_one_off'),
                    models.Index(fields=['workspace', '-created_at', '-id'], name='manual_items_by_time'),
                ],
            },
        ),
        migrations.RunSQL(FIRST_TIER + FIXED, UNDO),
        audited("billing_addon"),
        audited("billing_commitment"),
        audited("billing_discount"),
        # That one was redeemed is an entry of its discount.
        audited("billing_coupon", workspace="", ignored="redemptions"),
        audited("billing_manualitem"),
    ]

"""Invoices with their lines, taxes, events and numbers; trials; payment methods."""

import django.db.models.deletion
import django.db.models.functions.math
import django.utils.timezone
import uuid
from billing.migrations._audit import LATER, audited
from decimal import Decimal
from django.db import migrations, models


FROZEN = """
CREATE FUNCTION invoices_taxes_are_frozen() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION 'what an issued invoice says of its tax never changes'
        USING ERRCODE = 'restrict_violation', TABLE = TG_TABLE_NAME;
END $$;
CREATE TRIGGER invoices_taxes_are_frozen BEFORE UPDATE OR DELETE ON invoices_invoicetax
    FOR EACH ROW EXECUTE FUNCTION invoices_taxes_are_frozen();
CREATE TRIGGER invoices_taxes_are_frozen BEFORE UPDATE OR DELETE ON invoices_taxdecision
    FOR EACH ROW EXECUTE FUNCTION invoices_taxes_are_frozen();
"""
NOT_FROZEN = """
DROP TRIGGER invoices_taxes_are_frozen ON invoices_taxdecision;
DROP TRIGGER invoices_taxes_are_frozen ON invoices_invoicetax;
DROP FUNCTION invoices_taxes_are_frozen();
"""


class Migration(migrations.Migration):
    initial = True

    dependencies = [
        ('billing', '0006_taxes'),
    ]

    operations = [
        migrations.CreateModel(
            name='Invoice',
            fields=[
                ('id', models.UUIDField(default=uuid.uuid4, editable=False, primary_key=True, serialize=False)),
                ('workspace', models.ForeignKey(on_delete=django.db.models.deletion.PROTECT, related_name='invoices', to='billing.workspace')),
                ('kind', models.CharField(choices=[('period', 'Period'), ('one_off', 'One-off'), ('correction', 'Correction')], default='period', max_length=12)),
                ('billing_period', models.ForeignKey(blank=True, help_text='What an invoice of a period bills; others have none.', null=True, on_delete=django.db.models.deletion.PROTECT, related_name='invoices', to='billing.billingperiod')),
                ('corrects', models.ForeignKey(blank=True, help_text='The invoice of which a correction asks for what was missing.', null=True, on_delete=django.db.models.deletion.PROTECT, related_name='corrections', to='invoices.invoice')),
                ('number', models.CharField(max_length=40, unique=True)),
                ('replaces', models.OneToOneField(blank=True, help_text='The void invoice of the same period that this one was issued in place of.', null=True, on_delete=django.db.models.deletion.PROTECT, related_name='replaced_by', to='invoices.invoice')),
                ('currency', models.CharField(max_length=3)),
                ('net', models.DecimalField(decimal_places=3, help_text='Before tax.', max_digits=20)),
                ('tax', models.DecimalField(db_default=Decimal('0'), decimal_places=3, default=Decimal('0'), max_digits=20)),
                ('amount', models.DecimalField(decimal_places=3, help_text='To be paid: net and tax.', max_digits=20)),
                ('exact_amount', models.DecimalField(decimal_places=10, max_digits=38)),
                ('prices_include_tax', models.BooleanField(db_default=False, default=False)),
                ('status', models.CharField(choices=[('draft', 'Being sent'), ('open', 'Open'), ('partly_paid', 'Partly paid'), ('paid', 'Paid'), ('overdue', 'Overdue'), ('void', 'Void'), ('uncollectible', 'Written off')], default='draft', max_length=16)),
                ('collection_method', models.CharField(choices=[('charge_automatically', 'Charge automatically'), ('send_invoice', 'Send invoice')], max_length=24)),
                ('payment_terms_days', models.PositiveSmallIntegerField()),
                ('issued_at', models.DateTimeField()),
                ('due_date', models.DateField(help_text="On the workspace's calendar.")),
                ('paid_at', models.DateTimeField(blank=True, null=True)),
                ('voided_at', models.DateTimeField(blank=True, null=True)),
                ('void_reason', models.TextField(blank=True)),
                ('unbilled_reason', models.TextField(blank=True, help_text='Why what this void invoice billed is not billed again; empty while undecided.')),
                ('suspends_since', models.DateTimeField(blank=True, help_text='Since when the workspace is suspended for want of its payment.', null=True)),
                ('amount_refunded', models.DecimalField(decimal_places=3, default=Decimal('0'), max_digits=20)),
                ('amount_paid', models.DecimalField(decimal_places=3, default=Decimal('0'), help_text='What payments have paid of it.', max_digits=20)),
                ('credit_used', models.DecimalField(decimal_places=3, default=Decimal('0'), help_text="What the customer's credit has paid of it.", max_digits=20)),
                ('amount_credited', models.DecimalField(decimal_places=3, default=Decimal('0'), help_text='By how much credit notes have lowered what was open of it.', max_digits=20)),
                ('net_credited', models.DecimalField(db_default=Decimal('0'), decimal_places=3, default=Decimal('0'), help_text='Of its net, what credit notes have taken back.', max_digits=20)),
                ('tax_credited', models.DecimalField(db_default=Decimal('0'), decimal_places=3, default=Decimal('0'), help_text='Of its tax, what credit notes have given back.', max_digits=20)),
                ('carried_over', models.DecimalField(decimal_places=3, default=Decimal('0'), help_text='What of it is too small to be charged by itself: it is with the next invoice.', max_digits=20)),
                ('carried_in', models.DecimalField(decimal_places=3, default=Decimal('0'), help_text='What is charged with it for earlier invoices that were too small.', max_digits=20)),
                ('bill_to_name', models.CharField(max_length=200)),
                ('bill_to_email', models.EmailField(max_length=254)),
                ('bill_to_address', models.TextField(blank=True)),
                ('bill_to_tax_id', models.CharField(blank=True, max_length=40)),
                ('stripe_invoice_id', models.CharField(blank=True, max_length=255, null=True, unique=True)),
                ('hosted_invoice_url', models.URLField(blank=True, max_length=1000)),
                ('created_at', models.DateTimeField(default=django.utils.timezone.now, editable=False)),
                ('updated_at', models.DateTimeField(auto_now=True)),
            ],
            options={
                'ordering': ['-issued_at', '-number'],
                'constraints': [
                    models.CheckConstraint(condition=models.Q(('status__in', ['draft', 'open', 'partly_paid', 'paid', 'overdue', 'void', 'uncollectible'])), name='invoice_status_is_known'),
                    models.UniqueConstraint(condition=models.Q(('kind', 'period'), models.Q(('status', 'void'), _negated=True)), fields=('billing_period',), name='one_live_invoice_per_period'),
                    models.CheckConstraint(condition=models.Q(models.Q(('billing_period__isnull', False), ('kind', 'period')), models.Q(('billing_period__isnull', True), ('kind__in', ['one_off', 'correction'])), _connector='OR'), name='only_an_invoice_of_a_period_has_one'),
                    models.CheckConstraint(condition=models.Q(models.Q(('corrects__isnull', False), ('kind', 'correction')), models.Q(models.Q(('kind', 'correction'), _negated=True), ('corrects__isnull', True)), _connector='OR'), name='only_a_correction_corrects_an_invoice'),
                    models.CheckConstraint(condition=models.Q(('amount', models.F('net') + models.F('tax'))), name='invoice_amount_is_net_and_tax'),
                    models.CheckConstraint(condition=models.Q(('status', 'void'), models.Q(('unbilled_reason', ''), ('void_reason', '')), _connector='OR'), name='only_a_void_invoice_says_why'),
                    models.CheckConstraint(condition=models.Q(('replaces', models.F('id')), _negated=True), name='invoice_does_not_replace_itself'),
                    models.CheckConstraint(condition=models.Q(('amount__gte', 0)), name='invoice_not_negative'),
                    models.CheckConstraint(condition=models.Q(('amount', django.db.models.functions.math.Round('amount', 2)), ('net', django.db.models.functions.math.Round('net', 2)), models.Q(models.Q(('currency__in', ['BIF', 'CLP', 'DJF', 'GNF', 'ISK', 'JPY', 'KMF', 'KRW', 'MGA', 'PYG', 'RWF', 'UGX', 'VND', 'VUV', 'XAF', 'XOF', 'XPF']), _negated=True), models.Q(('amount', django.db.models.functions.math.Round('amount', 0)), ('net', django.db.models.functions.math.Round('net', 0))), _connector='OR')), name='invoice_amount_can_be_charged'),
                    models.CheckConstraint(condition=models.Q(models.Q(('paid_at__isnull', False), ('status', 'paid')), models.Q(models.Q(('status', 'paid'), _negated=True), ('paid_at__isnull', True)), _connector='OR'), name='only_a_paid_invoice_has_been_paid'),
                    models.CheckConstraint(condition=models.Q(('suspends_since__isnull', True), ('status__in', ['overdue', 'uncollectible']), _connector='OR'), name='only_an_unpaid_invoice_suspends_its_workspace'),
                    models.CheckConstraint(condition=models.Q(('carried_in__gte', 0), ('carried_over__gte', 0), ('carried_over__lte', models.F('amount'))), name='no_more_is_carried_over_than_billed'),
                    models.CheckConstraint(condition=models.Q(('amount_refunded__gte', 0), ('amount_refunded__lte', models.F('amount') + models.F('carried_in'))), name='refunds_within_the_amount'),
                    models.CheckConstraint(condition=models.Q(('amount__gte', models.F('amount_paid') + models.F('credit_used') + models.F('amount_credited')), ('amount_credited__gte', 0), ('amount_paid__gte', 0), ('credit_used__gte', 0)), name='invoice_settled_within_its_amount'),
                    models.CheckConstraint(condition=models.Q(models.Q(('status', 'paid'), _negated=True), ('amount', models.F('amount_paid') + models.F('credit_used') + models.F('amount_credited')), _connector='OR'), name='a_paid_invoice_is_settled_in_full'),
                    models.CheckConstraint(condition=models.Q(models.Q(('status', 'void'), _negated=True), models.Q(('amount_credited', 0), ('amount_paid', 0), ('credit_used', 0)), _connector='OR'), name='nothing_is_paid_of_a_void_invoice'),
                    models.CheckConstraint(condition=models.Q(models.Q(('net_credited', 0), models.Q(('net_credited__gt', 0), ('net_credited__lte', models.F('net'))), _connector='OR'), models.Q(('tax_credited', 0), models.Q(('tax_credited__gt', 0), ('tax_credited__lte', models.F('tax'))), _connector='OR'), ('amount__gte', models.F('net_credited') + models.F('tax_credited'))), name='no_more_is_credited_than_billed'),
                ],
                'indexes': [
                    models.Index(fields=['workspace', '-issued_at', '-id'], name='invoices_of_workspace'),
                    models.Index(condition=models.Q(('status__in', ['draft', 'open', 'partly_paid', 'overdue'])), fields=['due_date'], name='invoices_to_collect'),
                    models.Index(condition=models.Q(('suspends_since__isnull', False)), fields=['workspace'], name='invoices_that_suspend'),
                ],
            },
        ),
        migrations.CreateModel(
            name='InvoiceItem',
            fields=[
                ('id', models.UUIDField(default=uuid.uuid4, editable=False, primary_key=True, serialize=False)),
                ('invoice', models.ForeignKey(on_delete=django.db.models.deletion.CASCADE, related_name='items', to='invoices.invoice')),
                ('position', models.PositiveSmallIntegerField()),
                ('kind', models.CharField(choices=[('subscription', 'Subscription'), ('add_on', 'Add-on'), ('usage', 'Usage'), ('late_usage', 'Late usage'), ('discount', 'Discount'), ('commitment', 'Minimum commitment'), ('manual', 'By hand'), ('credit', 'Credit')], max_length=16)),
                ('description', models.CharField(max_length=200)),
                ('resource_type', models.CharField(blank=True, max_length=64)),
                ('usage_month', models.DateField(blank=True, null=True)),
                ('quantity', models.DecimalField(decimal_places=6, max_digits=28)),
                ('unit_price', models.DecimalField(decimal_places=10, help_text='Exact amount / quantity, to 10 decimals: an average over all prices.', max_digits=38)),
                ('exact_amount', models.DecimalField(decimal_places=10, max_digits=38)),
                ('adjustment', models.DecimalField(db_default=Decimal('0'), decimal_places=10, default=Decimal('0'), help_text="How much of the exact amount the whole period's prices added to the records'.", max_digits=38)),
                ('meters', models.JSONField(blank=True, default=list)),
                ('amount', models.DecimalField(decimal_places=3, max_digits=20)),
                ('net', models.DecimalField(decimal_places=3, max_digits=20)),
                ('tax_class', models.CharField(blank=True, db_default='', help_text='What it is to the tax office; empty: as everything else of the workspace.', max_length=32)),
                ('net_credited', models.DecimalField(db_default=Decimal('0'), decimal_places=3, default=Decimal('0'), help_text='Of its net, what credit notes have taken back.', max_digits=20)),
                ('tax_category', models.CharField(blank=True, choices=[('S', 'Taxed'), ('Z', 'Zero-rated'), ('E', 'Exempt'), ('AE', 'Reverse charge'), ('G', "Outside of the seller's tax")], max_length=2)),
                ('tax_rate', models.DecimalField(blank=True, decimal_places=4, max_digits=7, null=True)),
                ('manual_item', models.ForeignKey(blank=True, db_index=False, null=True, on_delete=django.db.models.deletion.PROTECT, related_name='invoice_items', to='billing.manualitem')),
            ],
            options={
                'ordering': ['position'],
                'constraints': [
                    models.UniqueConstraint(fields=('invoice', 'position'), name='one_item_per_invoice_and_position'),
                    models.CheckConstraint(condition=models.Q(('kind__in', ['subscription', 'add_on', 'usage', 'late_usage', 'discount', 'commitment', 'manual', 'credit'])), name='item_kind_is_known'),
                    models.CheckConstraint(condition=models.Q(('adjustment', 0), ('kind__in', ['usage', 'late_usage']), _connector='OR'), name='only_usage_is_adjusted'),
                    models.CheckConstraint(condition=models.Q(('net_credited', 0), models.Q(('net_credited__gt', 0), ('net_credited__lte', models.F('net'))), _connector='OR'), name='no_more_of_a_line_is_credited_than_it_holds'),
                    models.CheckConstraint(condition=models.Q(models.Q(('tax_category', ''), ('tax_rate__isnull', True)), models.Q(('tax_category', 'S'), ('tax_rate__gt', 0)), models.Q(('tax_category__in', ['Z', 'E', 'AE', 'G']), ('tax_rate', 0)), _connector='OR'), name='item_is_taxed_by_category_and_rate'),
                    models.CheckConstraint(condition=models.Q(models.Q(('kind', 'manual'), ('manual_item__isnull', False)), models.Q(models.Q(('kind', 'manual'), _negated=True), ('manual_item__isnull', True)), _connector='OR'), name='only_an_item_by_hand_has_one'),
                ],
                'indexes': [
                    models.Index(condition=models.Q(('manual_item__isnull', False)), fields=['manual_item'], name='items_of_manual_items'),
                ],
            },
        ),
        migrations.CreateModel(
            name='InvoiceTax',
            fields=[
                ('id', models.UUIDField(default=uuid.uuid4, editable=False, primary_key=True, serialize=False)),
                ('position', models.PositiveSmallIntegerField()),
                ('category', models.CharField(choices=[('S', 'Taxed'), ('Z', 'Zero-rated'), ('E', 'Exempt'), ('AE', 'Reverse charge'), ('G', "Outside of the seller's tax")], max_length=2)),
                ('rate', models.DecimalField(decimal_places=4, help_text='Percent.', max_digits=7)),
                ('name', models.CharField(help_text='As its country calls it: VAT, MWST, MVA.', max_length=32)),
                ('country', models.CharField(help_text='Whose tax it is.', max_length=2)),
                ('region', models.CharField(blank=True, max_length=100)),
                ('currency', models.CharField(max_length=3)),
                ('base', models.DecimalField(decimal_places=3, max_digits=20)),
                ('tax', models.DecimalField(decimal_places=3, max_digits=20)),
                ('prices_include_tax', models.BooleanField(default=False)),
                ('reason_code', models.CharField(blank=True, help_text='Why there is none, as e-invoices say it (VATEX).', max_length=40)),
                ('text', models.CharField(blank=True, help_text='What the law wants it to say.', max_length=500)),
                ('invoice', models.ForeignKey(db_index=False, on_delete=django.db.models.deletion.CASCADE, related_name='taxes', to='invoices.invoice')),
            ],
            options={
                'ordering': ['invoice', 'position'],
                'verbose_name_plural': 'invoice taxes',
                'constraints': [
                    models.UniqueConstraint(fields=('invoice', 'category', 'rate'), name='one_tax_per_invoice_category_and_rate'),
                    models.CheckConstraint(condition=models.Q(('category__in', ['S', 'Z', 'E', 'AE', 'G'])), name='invoice_tax_category_is_known'),
                    models.CheckConstraint(condition=models.Q(models.Q(('category', 'S'), ('rate__gt', 0)), models.Q(models.Q(('category', 'S'), _negated=True), ('rate', 0)), _connector='OR'), name='only_a_taxed_category_has_a_rate'),
                    models.CheckConstraint(condition=models.Q(models.Q(('prices_include_tax', False), models.Q(models.Q(('currency__in', ['BIF', 'CLP', 'DJF', 'GNF', 'ISK', 'JPY', 'KMF', 'KRW', 'MGA', 'PYG', 'RWF', 'UGX', 'VND', 'VUV', 'XAF', 'XOF', 'XPF']), ('tax', django.db.models.functions.math.Round(models.F('base') * models.F('rate') / models.Value(100), 0))), models.Q(models.Q(('currency__in', ['BIF', 'CLP', 'DJF', 'GNF', 'ISK', 'JPY', 'KMF', 'KRW', 'MGA', 'PYG', 'RWF', 'UGX', 'VND', 'VUV', 'XAF', 'XOF', 'XPF']), _negated=True), ('tax', django.db.models.functions.math.Round(models.F('base') * models.F('rate') / models.Value(100), 2))), _connector='OR')), models.Q(('prices_include_tax', True), models.Q(models.Q(('currency__in', ['BIF', 'CLP', 'DJF', 'GNF', 'ISK', 'JPY', 'KMF', 'KRW', 'MGA', 'PYG', 'RWF', 'UGX', 'VND', 'VUV', 'XAF', 'XOF', 'XPF']), ('tax', django.db.models.functions.math.Round((models.F('base') + models.F('tax')) * models.F('rate') / (models.Value(100) + models.F('rate')), 0))), models.Q(models.Q(('currency__in', ['BIF', 'CLP', 'DJF', 'GNF', 'ISK', 'JPY', 'KMF', 'KRW', 'MGA', 'PYG', 'RWF', 'UGX', 'VND', 'VUV', 'XAF', 'XOF', 'XPF']), _negated=True), ('tax', django.db.models.functions.math.Round((models.F('base') + models.F('tax')) * models.F('rate') / (models.Value(100) + models.F('rate')), 2))), _connector='OR')), _connector='OR'), name='invoice_tax_follows_from_its_base'),
                ],
            },
        ),
        migrations.CreateModel(
            name='TaxDecision',
            fields=[
                ('invoice', models.OneToOneField(on_delete=django.db.models.deletion.CASCADE, primary_key=True, related_name='tax_decision', serialize=False, to='invoices.invoice')),
                ('treatment', models.CharField(choices=[('taxed', 'Taxed'), ('reverse_charge', 'Reverse charge'), ('export', "Outside of the seller's tax"), ('exempt', 'Exempt')], max_length=16)),
                ('why', models.CharField(max_length=300)),
                ('supplier_country', models.CharField(max_length=2)),
                ('supplier_tax_number', models.CharField(max_length=40)),
                ('customer_country', models.CharField(max_length=2)),
                ('customer_region', models.CharField(blank=True, max_length=100)),
                ('customer_status', models.CharField(max_length=12)),
                ('customer_tax_number', models.CharField(blank=True, max_length=40)),
                ('prices_include_tax', models.BooleanField(default=False)),
                ('evidence', models.JSONField(default=dict)),
                ('decided_at', models.DateTimeField(default=django.utils.timezone.now, editable=False)),
            ],
            options={
                'constraints': [
                    models.CheckConstraint(condition=models.Q(('treatment__in', ['taxed', 'reverse_charge', 'export', 'exempt'])), name='tax_treatment_is_known'),
                    models.CheckConstraint(condition=models.Q(('customer_status__in', ['business', 'consumer', 'exempt'])), name='taxed_customer_status_is_known'),
                    models.CheckConstraint(condition=models.Q(models.Q(('supplier_country', ''), _negated=True), models.Q(('supplier_tax_number', ''), _negated=True), models.Q(('customer_country', ''), _negated=True)), name='tax_decision_names_both_countries'),
                ],
            },
        ),
        migrations.CreateModel(
            name='InvoiceEvent',
            fields=[
                ('id', models.UUIDField(default=uuid.uuid4, editable=False, primary_key=True, serialize=False)),
                ('invoice', models.ForeignKey(on_delete=django.db.models.deletion.CASCADE, related_name='events', to='invoices.invoice')),
                ('kind', models.CharField(choices=[('opened', 'Sent to be paid'), ('reminded', 'Reminder sent'), ('payment_failed', 'Payment failed'), ('no_payment_method', 'Not charged: no payment method'), ('overdue', 'Overdue'), ('suspended', 'Workspace suspended'), ('reactivated', 'Workspace active again'), ('payment', 'Payment received'), ('credit_used', 'Credit used'), ('paid', 'Paid'), ('voided', 'Voided'), ('carried_over', 'Carried over'), ('reissued', 'Issued anew'), ('left_unbilled', 'Not to be billed again'), ('uncollectible', 'Written off'), ('refund', 'Refund'), ('dispute', 'Dispute'), ('credit_note', 'Credit note'), ('finalization_failed', 'Stripe could not finalize it'), ('conflict', 'Does not fit together')], max_length=24)),
                ('at', models.DateTimeField(help_text='When it took effect.')),
                ('source', models.CharField(help_text='Who said so: a Stripe event, a person, the schedule.', max_length=200)),
                ('detail', models.TextField(blank=True)),
                ('key', models.CharField(blank=True, max_length=200)),
                ('created_at', models.DateTimeField(default=django.utils.timezone.now, editable=False)),
            ],
            options={
                'ordering': ['at', 'created_at'],
                'constraints': [
                    models.UniqueConstraint(condition=models.Q(('key', ''), _negated=True), fields=('invoice', 'key'), name='one_invoice_event_per_key'),
                ],
                'indexes': [
                    models.Index(fields=['invoice', 'at'], name='history_of_invoice'),
                ],
            },
        ),
        migrations.CreateModel(
            name='InvoiceSequence',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('issuer', models.CharField(max_length=16)),
                ('year', models.PositiveSmallIntegerField()),
                ('last_number', models.PositiveIntegerField(default=0)),
            ],
            options={
                'constraints': [
                    models.UniqueConstraint(fields=('issuer', 'year'), name='one_sequence_per_year'),
                ],
            },
        ),
        migrations.CreateModel(
            name='PaymentMethod',
            fields=[
                ('workspace', models.OneToOneField(on_delete=django.db.models.deletion.CASCADE, primary_key=True, related_name='payment_method', serialize=False, to='billing.workspace')),
                ('stripe_id', models.CharField(max_length=255)),
                ('label', models.CharField(help_text='As its owner knows it: Visa ending in 4242.', max_length=80)),
                ('noted_at', models.DateTimeField()),
            ],
            options={
                'constraints': [
                    models.CheckConstraint(condition=models.Q(models.Q(('stripe_id', ''), _negated=True), models.Q(('label', ''), _negated=True)), name='payment_method_has_a_name'),
                ],
            },
        ),
        migrations.CreateModel(
            name='TrialInvoice',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('period', models.OneToOneField(on_delete=django.db.models.deletion.CASCADE, related_name='trial', to='billing.billingperiod')),
                ('made_at', models.DateTimeField()),
                ('kind', models.CharField(choices=[('new', 'New'), ('gone', 'Gone'), ('up', 'Much more'), ('down', 'Much less'), ('usual', 'As usual'), ('nothing', 'Nothing')], max_length=8)),
                ('currency', models.CharField(max_length=3)),
                ('amount', models.DecimalField(decimal_places=3, help_text='Zero where nothing would be billed.', max_digits=20)),
                ('previous_amount', models.DecimalField(decimal_places=3, help_text='Of the invoice of the month before.', max_digits=20, null=True)),
                ('digest', models.CharField(max_length=64)),
                ('snapshot', models.JSONField()),
                ('changes', models.JSONField(default=list)),
                ('approved_by', models.CharField(blank=True, max_length=150)),
                ('approved_at', models.DateTimeField(null=True)),
            ],
            options={
                'ordering': ['period'],
                'constraints': [
                    models.CheckConstraint(condition=models.Q(models.Q(('approved_at__isnull', True), ('approved_by', '')), models.Q(('approved_at__isnull', False), models.Q(('approved_by', ''), _negated=True)), _connector='OR'), name='trial_invoice_is_approved_by_somebody'),
                    models.CheckConstraint(condition=models.Q(('kind__in', ['new', 'gone', 'up', 'down', 'usual', 'nothing'])), name='trial_invoice_kind_is_known'),
                ],
            },
        ),
        migrations.RunSQL(FROZEN, NOT_FROZEN),
        audited("invoices_invoice", ignored="updated_at"),
        # That they are written is nobody's act: the close does it, and the invoice's own entry names it.
        audited("invoices_invoiceitem", LATER, workspace=""),
        audited("invoices_invoicetax", LATER, workspace=""),
    ]

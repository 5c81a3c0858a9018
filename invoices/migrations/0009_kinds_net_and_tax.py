"""Kinds of invoices; net, tax and what is to be paid; taxes by rate, and why they are charged."""

import django.db.models.deletion
import django.db.models.expressions
import django.db.models.functions.math
import django.utils.timezone
import uuid
from decimal import Decimal
from django.db import migrations, models


# Nothing was taxed before.
NET = """
UPDATE invoices_invoice SET net = amount;
UPDATE invoices_invoiceitem SET net = amount;
"""
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

    dependencies = [
        ('billing', '0019_manual_items'),
        ('invoices', '0008_plain_words'),
    ]

    operations = [
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
            ],
            options={
                'verbose_name_plural': 'invoice taxes',
                'ordering': ['invoice', 'position'],
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
        ),
        migrations.RemoveConstraint(
            model_name='invoice',
            name='invoice_amount_can_be_charged',
        ),
        migrations.RemoveConstraint(
            model_name='invoice',
            name='one_live_invoice_per_period',
        ),
        migrations.RemoveConstraint(
            model_name='invoiceitem',
            name='item_kind_is_known',
        ),
        migrations.AddField(
            model_name='invoice',
            name='corrects',
            field=models.ForeignKey(blank=True, help_text='The invoice of which a correction asks for what was missing.', null=True, on_delete=django.db.models.deletion.PROTECT, related_name='corrections', to='invoices.invoice'),
        ),
        migrations.AddField(
            model_name='invoice',
            name='kind',
            field=models.CharField(choices=[('period', 'Period'), ('one_off', 'One-off'), ('correction', 'Correction')], default='period', max_length=12),
        ),
        migrations.AddField(
            model_name='invoice',
            name='net',
            field=models.DecimalField(decimal_places=3, default=0, help_text='Before tax.', max_digits=20),
            preserve_default=False,
        ),
        migrations.AddField(
            model_name='invoice',
            name='prices_include_tax',
            field=models.BooleanField(db_default=False, default=False),
        ),
        migrations.AddField(
            model_name='invoice',
            name='tax',
            field=models.DecimalField(db_default=Decimal('0'), decimal_places=3, default=Decimal('0'), max_digits=20),
        ),
        migrations.AddField(
            model_name='invoiceitem',
            name='manual_item',
            field=models.ForeignKey(blank=True, db_index=False, null=True, on_delete=django.db.models.deletion.PROTECT, related_name='invoice_items', to='billing.manualitem'),
        ),
        migrations.AddField(
            model_name='invoiceitem',
            name='net',
            field=models.DecimalField(decimal_places=3, default=0, max_digits=20),
            preserve_default=False,
        ),
        migrations.AddField(
            model_name='invoiceitem',
            name='tax_category',
            field=models.CharField(blank=True, choices=[('S', 'Taxed'), ('Z', 'Zero-rated'), ('E', 'Exempt'), ('AE', 'Reverse charge'), ('G', "Outside of the seller's tax")], max_length=2),
        ),
        migrations.AddField(
            model_name='invoiceitem',
            name='tax_rate',
            field=models.DecimalField(blank=True, decimal_places=4, max_digits=7, null=True),
        ),
        migrations.RunSQL(NET, migrations.RunSQL.noop),
        migrations.AlterField(
            model_name='invoice',
            name='amount',
            field=models.DecimalField(decimal_places=3, help_text='To be paid: net and tax.', max_digits=20),
        ),
        migrations.AlterField(
            model_name='invoice',
            name='billing_period',
            field=models.ForeignKey(blank=True, help_text='What an invoice of a period bills; others have none.', null=True, on_delete=django.db.models.deletion.PROTECT, related_name='invoices', to='billing.billingperiod'),
        ),
        migrations.AlterField(
            model_name='invoiceitem',
            name='kind',
            field=models.CharField(choices=[('subscription', 'Subscription'), ('add_on', 'Add-on'), ('usage', 'Usage'), ('late_usage', 'Late Usage'), ('discount', 'Discount'), ('commitment', 'Minimum commitment'), ('manual', 'By hand'), ('credit', 'Credit')], max_length=16),
        ),
        migrations.AddIndex(
            model_name='invoiceitem',
            index=models.Index(condition=models.Q(('manual_item__isnull', False)), fields=['manual_item'], name='items_of_manual_items'),
        ),
        migrations.AddConstraint(
            model_name='invoice',
            constraint=models.UniqueConstraint(condition=models.Q(('kind', 'period'), models.Q(('status', 'void'), _negated=True)), fields=('billing_period',), name='one_live_invoice_per_period'),
        ),
        migrations.AddConstraint(
            model_name='invoice',
            constraint=models.CheckConstraint(condition=models.Q(models.Q(('billing_period__isnull', False), ('kind', 'period')), models.Q(('billing_period__isnull', True), ('kind__in', ['one_off', 'correction'])), _connector='OR'), name='only_an_invoice_of_a_period_has_one'),
        ),
        migrations.AddConstraint(
            model_name='invoice',
            constraint=models.CheckConstraint(condition=models.Q(models.Q(('corrects__isnull', False), ('kind', 'correction')), models.Q(models.Q(('kind', 'correction'), _negated=True), ('corrects__isnull', True)), _connector='OR'), name='only_a_correction_corrects_an_invoice'),
        ),
        migrations.AddConstraint(
            model_name='invoice',
            constraint=models.CheckConstraint(condition=models.Q(('amount', django.db.models.expressions.CombinedExpression(models.F('net'), '+', models.F('tax')))), name='invoice_amount_is_net_and_tax'),
        ),
        migrations.AddConstraint(
            model_name='invoice',
            constraint=models.CheckConstraint(condition=models.Q(('amount', django.db.models.functions.math.Round('amount', 2)), ('net', django.db.models.functions.math.Round('net', 2)), models.Q(models.Q(('currency__in', ['BIF', 'CLP', 'DJF', 'GNF', 'ISK', 'JPY', 'KMF', 'KRW', 'MGA', 'PYG', 'RWF', 'UGX', 'VND', 'VUV', 'XAF', 'XOF', 'XPF']), _negated=True), models.Q(('amount', django.db.models.functions.math.Round('amount', 0)), ('net', django.db.models.functions.math.Round('net', 0))), _connector='OR')), name='invoice_amount_can_be_charged'),
        ),
        migrations.AddConstraint(
            model_name='invoiceitem',
            constraint=models.CheckConstraint(condition=models.Q(('kind__in', ['subscription', 'add_on', 'usage', 'late_usage', 'discount', 'commitment', 'manual', 'credit'])), name='item_kind_is_known'),
        ),
        migrations.AddConstraint(
            model_name='invoiceitem',
            constraint=models.CheckConstraint(condition=models.Q(models.Q(('tax_category', ''), ('tax_rate__isnull', True)), models.Q(('tax_category', 'S'), ('tax_rate__gt', 0)), models.Q(('tax_category__in', ['Z', 'E', 'AE', 'G']), ('tax_rate', 0)), _connector='OR'), name='item_is_taxed_by_category_and_rate'),
        ),
        migrations.AddConstraint(
            model_name='invoiceitem',
            constraint=models.CheckConstraint(condition=models.Q(models.Q(('kind', 'manual'), ('manual_item__isnull', False)), models.Q(models.Q(('kind', 'manual'), _negated=True), ('manual_item__isnull', True)), _connector='OR'), name='only_an_item_by_hand_has_one'),
        ),
        migrations.AddField(
            model_name='invoicetax',
            name='invoice',
            field=models.ForeignKey(db_index=False, on_delete=django.db.models.deletion.CASCADE, related_name='taxes', to='invoices.invoice'),
        ),
        migrations.AddConstraint(
            model_name='taxdecision',
            constraint=models.CheckConstraint(condition=models.Q(('treatment__in', ['taxed', 'reverse_charge', 'export', 'exempt'])), name='tax_treatment_is_known'),
        ),
        migrations.AddConstraint(
            model_name='taxdecision',
            constraint=models.CheckConstraint(condition=models.Q(('customer_status__in', ['business', 'consumer', 'exempt'])), name='taxed_customer_status_is_known'),
        ),
        migrations.AddConstraint(
            model_name='taxdecision',
            constraint=models.CheckConstraint(condition=models.Q(models.Q(('supplier_country', ''), _negated=True), models.Q(('supplier_tax_number', ''), _negated=True), models.Q(('customer_country', ''), _negated=True)), name='tax_decision_names_both_countries'),
        ),
        migrations.AddConstraint(
            model_name='invoicetax',
            constraint=models.UniqueConstraint(fields=('invoice', 'category', 'rate'), name='one_tax_per_invoice_category_and_rate'),
        ),
        migrations.AddConstraint(
            model_name='invoicetax',
            constraint=models.CheckConstraint(condition=models.Q(('category__in', ['S', 'Z', 'E', 'AE', 'G'])), name='invoice_tax_category_is_known'),
        ),
        migrations.AddConstraint(
            model_name='invoicetax',
            constraint=models.CheckConstraint(condition=models.Q(models.Q(('category', 'S'), ('rate__gt', 0)), models.Q(models.Q(('category', 'S'), _negated=True), ('rate', 0)), _connector='OR'), name='only_a_taxed_category_has_a_rate'),
        ),
        migrations.AddConstraint(
            model_name='invoicetax',
            constraint=models.CheckConstraint(condition=models.Q(models.Q(('prices_include_tax', False), models.Q(models.Q(('currency__in', ['BIF', 'CLP', 'DJF', 'GNF', 'ISK', 'JPY', 'KMF', 'KRW', 'MGA', 'PYG', 'RWF', 'UGX', 'VND', 'VUV', 'XAF', 'XOF', 'XPF']), ('tax', django.db.models.functions.math.Round(django.db.models.expressions.CombinedExpression(django.db.models.expressions.CombinedExpression(models.F('base'), '*', models.F('rate')), '/', models.Value(100)), 0))), models.Q(models.Q(('currency__in', ['BIF', 'CLP', 'DJF', 'GNF', 'ISK', 'JPY', 'KMF', 'KRW', 'MGA', 'PYG', 'RWF', 'UGX', 'VND', 'VUV', 'XAF', 'XOF', 'XPF']), _negated=True), ('tax', django.db.models.functions.math.Round(django.db.models.expressions.CombinedExpression(django.db.models.expressions.CombinedExpression(models.F('base'), '*', models.F('rate')), '/', models.Value(100)), 2))), _connector='OR')), models.Q(('prices_include_tax', True), models.Q(models.Q(('currency__in', ['BIF', 'CLP', 'DJF', 'GNF', 'ISK', 'JPY', 'KMF', 'KRW', 'MGA', 'PYG', 'RWF', 'UGX', 'VND', 'VUV', 'XAF', 'XOF', 'XPF']), ('tax', django.db.models.functions.math.Round(django.db.models.expressions.CombinedExpression(django.db.models.expressions.CombinedExpression(django.db.models.expressions.CombinedExpression(models.F('base'), '+', models.F('tax')), '*', models.F('rate')), '/', django.db.models.expressions.CombinedExpression(models.Value(100), '+', models.F('rate'))), 0))), models.Q(models.Q(('currency__in', ['BIF', 'CLP', 'DJF', 'GNF', 'ISK', 'JPY', 'KMF', 'KRW', 'MGA', 'PYG', 'RWF', 'UGX', 'VND', 'VUV', 'XAF', 'XOF', 'XPF']), _negated=True), ('tax', django.db.models.functions.math.Round(django.db.models.expressions.CombinedExpression(django.db.models.expressions.CombinedExpression(django.db.models.expressions.CombinedExpression(models.F('base'), '+', models.F('tax')), '*', models.F('rate')), '/', django.db.models.expressions.CombinedExpression(models.Value(100), '+', models.F('rate'))), 2))), _connector='OR')), _connector='OR'), name='invoice_tax_follows_from_its_base'),
        ),
        migrations.RunSQL(FROZEN, NOT_FROZEN),
    ]

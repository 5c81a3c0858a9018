"""Credit notes."""

import django.db.models.deletion
import django.utils.timezone
import uuid
from billing.migrations._audit import audited
from decimal import Decimal
from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ('invoices', '0001_initial'),
    ]

    operations = [
        migrations.CreateModel(
            name='CreditNote',
            fields=[
                ('id', models.UUIDField(default=uuid.uuid4, editable=False, primary_key=True, serialize=False)),
                ('workspace', models.ForeignKey(on_delete=django.db.models.deletion.PROTECT, related_name='credit_notes', to='billing.workspace')),
                ('invoice', models.ForeignKey(on_delete=django.db.models.deletion.PROTECT, related_name='credit_notes', to='invoices.invoice')),
                ('number', models.CharField(blank=True, max_length=40, null=True, unique=True)),
                ('status', models.CharField(choices=[('draft', 'Waits for approval'), ('approved', 'Approved'), ('issued', 'Issued'), ('void', 'Discarded')], default='draft', max_length=8)),
                ('reason', models.CharField(choices=[('quality', 'Poor quality'), ('dropped', 'Dropped calls'), ('duplicate', 'Billed twice'), ('price', 'Wrong price'), ('late_reversal', 'Usage taken back'), ('cancelled', 'Order cancelled'), ('goodwill', 'Goodwill'), ('other', 'Another reason')], max_length=16)),
                ('explanation', models.CharField(help_text='As the customer reads it.', max_length=500)),
                ('currency', models.CharField(max_length=3)),
                ('net', models.DecimalField(decimal_places=3, max_digits=20)),
                ('tax', models.DecimalField(decimal_places=3, max_digits=20)),
                ('total', models.DecimalField(decimal_places=3, max_digits=20)),
                ('rest_to', models.CharField(choices=[('refund', 'back to the card or account, through Stripe'), ('credit', "to the customer's credit, for the next invoice"), ('out_of_band', 'back to the customer another way, by ourselves')], max_length=12)),
                ('to_open', models.DecimalField(decimal_places=3, default=Decimal('0'), max_digits=20)),
                ('to_refund', models.DecimalField(decimal_places=3, default=Decimal('0'), max_digits=20)),
                ('to_credit', models.DecimalField(decimal_places=3, default=Decimal('0'), max_digits=20)),
                ('to_out_of_band', models.DecimalField(decimal_places=3, default=Decimal('0'), max_digits=20)),
                ('key', models.CharField(blank=True, max_length=200)),
                ('drafted_by', models.CharField(max_length=254)),
                ('approved_by', models.CharField(blank=True, max_length=254)),
                ('issued_by', models.CharField(blank=True, max_length=254)),
                ('created_at', models.DateTimeField(default=django.utils.timezone.now, editable=False)),
                ('approved_at', models.DateTimeField(blank=True, null=True)),
                ('issued_at', models.DateTimeField(blank=True, null=True)),
                ('voided_at', models.DateTimeField(blank=True, null=True)),
            ],
            options={
                'ordering': ['-created_at'],
                'constraints': [
                    models.CheckConstraint(condition=models.Q(('status__in', ['draft', 'approved', 'issued', 'void'])), name='credit_note_status_is_known'),
                    models.CheckConstraint(condition=models.Q(('net__gte', 0), ('tax__gte', 0), ('total', models.F('net') + models.F('tax')), ('total__gt', 0)), name='credit_note_total_is_net_and_tax'),
                    models.CheckConstraint(condition=models.Q(models.Q(('issued_at__isnull', False), ('number__isnull', False), ('status', 'issued')), models.Q(models.Q(('status', 'issued'), _negated=True), ('issued_at__isnull', True), ('number__isnull', True)), _connector='OR'), name='only_an_issued_credit_note_has_a_number'),
                    models.CheckConstraint(condition=models.Q(('to_credit__gte', 0), ('to_open__gte', 0), ('to_out_of_band__gte', 0), ('to_refund__gte', 0), models.Q(models.Q(('status', 'issued'), ('total', models.F('to_open') + models.F('to_refund') + models.F('to_credit') + models.F('to_out_of_band'))), models.Q(models.Q(('status', 'issued'), _negated=True), ('to_credit', 0), ('to_open', 0), ('to_out_of_band', 0), ('to_refund', 0)), _connector='OR')), name='an_issued_credit_note_says_where_all_of_it_goes'),
                    models.CheckConstraint(condition=models.Q(models.Q(('status__in', ['approved', 'issued']), _negated=True), models.Q(('approved_by', ''), _negated=True), _connector='OR'), name='somebody_has_approved_a_credit_note'),
                    models.UniqueConstraint(condition=models.Q(('key', ''), _negated=True), fields=('workspace', 'key'), name='one_credit_note_per_key'),
                ],
            },
        ),
        migrations.CreateModel(
            name='CreditNoteItem',
            fields=[
                ('id', models.UUIDField(default=uuid.uuid4, editable=False, primary_key=True, serialize=False)),
                ('credit_note', models.ForeignKey(on_delete=django.db.models.deletion.CASCADE, related_name='items', to='invoices.creditnote')),
                ('position', models.PositiveSmallIntegerField()),
                ('item', models.ForeignKey(on_delete=django.db.models.deletion.PROTECT, related_name='credited_by', to='invoices.invoiceitem')),
                ('net', models.DecimalField(decimal_places=3, max_digits=20)),
            ],
            options={
                'ordering': ['position'],
                'constraints': [
                    models.UniqueConstraint(fields=('credit_note', 'item'), name='one_line_per_credit_note_and_item'),
                    models.CheckConstraint(condition=models.Q(('net__gt', 0)), name='credit_note_item_is_positive'),
                ],
            },
        ),
        migrations.CreateModel(
            name='CreditNoteTax',
            fields=[
                ('id', models.UUIDField(default=uuid.uuid4, editable=False, primary_key=True, serialize=False)),
                ('credit_note', models.ForeignKey(on_delete=django.db.models.deletion.CASCADE, related_name='taxes', to='invoices.creditnote')),
                ('category', models.CharField(choices=[('S', 'Taxed'), ('Z', 'Zero-rated'), ('E', 'Exempt'), ('AE', 'Reverse charge'), ('G', "Outside of the seller's tax")], max_length=2)),
                ('rate', models.DecimalField(decimal_places=4, max_digits=7)),
                ('name', models.CharField(blank=True, max_length=32)),
                ('base', models.DecimalField(decimal_places=3, max_digits=20)),
                ('tax', models.DecimalField(decimal_places=3, max_digits=20)),
            ],
            options={
                'ordering': ['category', 'rate'],
                'verbose_name_plural': 'credit note taxes',
                'constraints': [
                    models.UniqueConstraint(fields=('credit_note', 'category', 'rate'), name='one_tax_per_credit_note_category_and_rate'),
                    models.CheckConstraint(condition=models.Q(('base__gte', 0), ('tax__gte', 0)), name='credit_note_tax_is_not_negative'),
                ],
            },
        ),
        audited("invoices_creditnote"),
    ]

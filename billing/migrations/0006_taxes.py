"""Taxes: registrations, rates by day, checks of tax numbers."""

import billing.models.fields
import billing.models.rate_cards
import django.contrib.postgres.constraints
import django.core.validators
import django.db.models.deletion
import django.utils.timezone
import uuid
from billing.migrations._audit import audited
from decimal import Decimal
from django.db import migrations, models


# When it is asked again is nobody's act.
_WORK = (
    "status attempts last_error requested_at next_attempt_at queued_at finished_at lease_token"
    " lease_expires_at blocked_reason"
)


class Migration(migrations.Migration):
    dependencies = [
        ('billing', '0005_fees'),
    ]

    operations = [
        migrations.CreateModel(
            name='TaxRegistration',
            fields=[
                ('id', models.UUIDField(default=uuid.uuid4, editable=False, primary_key=True, serialize=False)),
                ('country', models.CharField(help_text='ISO 3166, as DE; EU for the one-stop shop.', max_length=2, validators=[django.core.validators.RegexValidator('\\A[A-Z]{2}\\Z', 'Two capital letters, as DE (ISO 3166).')])),
                ('region', billing.models.fields.LineField(blank=True, help_text='A state or region with a tax of its own.', max_length=100)),
                ('number', billing.models.fields.LineField(help_text='As invoices name it.', max_length=40)),
                ('consumers_only', models.BooleanField(default=False, help_text='For customers who are no business, as the one-stop shop is.')),
                ('is_home', models.BooleanField(default=False, help_text='The issuer is established there.')),
                ('starts_on', models.DateField()),
                ('ends_on', models.DateField(blank=True, help_text='Exclusive. Empty: no end.', null=True)),
                ('created_at', models.DateTimeField(default=django.utils.timezone.now, editable=False)),
            ],
            options={
                'ordering': ['country', 'region', 'starts_on'],
                'constraints': [
                    models.CheckConstraint(condition=models.Q(('country__regex', '^[A-Z]{2}$'), models.Q(('number', ''), _negated=True)), name='tax_registration_has_a_country_and_a_number'),
                    models.CheckConstraint(condition=models.Q(models.Q(('country', 'EU'), _negated=True), models.Q(('consumers_only', True), ('is_home', False)), _connector='OR'), name='one_stop_shop_is_for_consumers'),
                    models.CheckConstraint(condition=models.Q(('ends_on__isnull', True), ('ends_on__gte', models.F('starts_on')), _connector='OR'), name='tax_registration_ends_after_its_start'),
                    django.contrib.postgres.constraints.ExclusionConstraint(expressions=[(billing.models.rate_cards.TextRange('country', 'region'), '&&'), (billing.models.rate_cards.DateRange('starts_on', 'ends_on'), '&&')], name='one_tax_registration_per_place_and_day'),
                    django.contrib.postgres.constraints.ExclusionConstraint(condition=models.Q(('is_home', True)), expressions=[(billing.models.rate_cards.DateRange('starts_on', 'ends_on'), '&&')], name='one_home_of_the_issuer_per_day'),
                ],
            },
        ),
        migrations.CreateModel(
            name='TaxRate',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('country', models.CharField(max_length=2, validators=[django.core.validators.RegexValidator('\\A[A-Z]{2}\\Z', 'Two capital letters, as DE (ISO 3166).')])),
                ('region', billing.models.fields.LineField(blank=True, help_text='Empty: the whole country.', max_length=100)),
                ('tax_class', models.CharField(default='standard', max_length=32, validators=[django.core.validators.RegexValidator('\\A[a-z][a-z_]{0,31}\\Z', 'a-z and _, a letter first.')])),
                ('name', billing.models.fields.LineField(default='VAT', help_text='As invoices call the tax.', max_length=32)),
                ('percent', models.DecimalField(decimal_places=4, max_digits=7, validators=[django.core.validators.MinValueValidator(Decimal('0')), django.core.validators.MaxValueValidator(Decimal('100'))])),
                ('starts_on', models.DateField()),
                ('ends_on', models.DateField(blank=True, help_text='Exclusive. Empty: no end.', null=True)),
            ],
            options={
                'ordering': ['country', 'region', 'tax_class', 'starts_on'],
                'constraints': [
                    models.CheckConstraint(condition=models.Q(('percent__gte', 0), ('percent__lte', 100)), name='tax_rate_is_a_percentage'),
                    models.CheckConstraint(condition=models.Q(('tax_class__regex', '^[a-z][a-z_]*$'), models.Q(('tax_class', 'exempt'), _negated=True)), name='tax_rate_class_is_plain'),
                    models.CheckConstraint(condition=models.Q(('ends_on__isnull', True), ('ends_on__gte', models.F('starts_on')), _connector='OR'), name='tax_rate_ends_after_its_start'),
                    django.contrib.postgres.constraints.ExclusionConstraint(expressions=[(billing.models.rate_cards.TextRange('country', 'region', 'tax_class'), '&&'), (billing.models.rate_cards.DateRange('starts_on', 'ends_on'), '&&')], name='one_tax_rate_per_place_class_and_day'),
                ],
            },
        ),
        migrations.CreateModel(
            name='TaxNumberCheck',
            fields=[
                ('status', models.CharField(choices=[('waiting', 'Waiting'), ('blocked', 'Blocked'), ('done', 'Done'), ('failed', 'Failed')], default='waiting', max_length=8)),
                ('blocked_reason', models.CharField(blank=True, choices=[('refused', 'Refused'), ('exhausted', 'Tried in vain for too long'), ('mismatch', 'The total differs'), ('changed', 'Changed by somebody else')], max_length=16)),
                ('attempts', models.PositiveIntegerField(default=0, help_text='Tries since it last worked, the present one with them.')),
                ('last_error', models.TextField(blank=True)),
                ('requested_at', models.DateTimeField(default=django.utils.timezone.now, editable=False)),
                ('next_attempt_at', models.DateTimeField(default=django.utils.timezone.now)),
                ('queued_at', models.DateTimeField(blank=True, editable=False, null=True)),
                ('finished_at', models.DateTimeField(blank=True, null=True)),
                ('lease_token', models.UUIDField(blank=True, editable=False, null=True)),
                ('lease_expires_at', models.DateTimeField(blank=True, null=True)),
                ('workspace', models.OneToOneField(on_delete=django.db.models.deletion.CASCADE, primary_key=True, related_name='tax_number_check', serialize=False, to='billing.workspace')),
                ('number', models.CharField(max_length=40)),
                ('valid', models.BooleanField(null=True)),
                ('checked_at', models.DateTimeField(blank=True, null=True)),
                ('source', models.CharField(blank=True, choices=[('vies', 'VIES'), ('hand', 'By hand')], max_length=8)),
                ('reference', models.CharField(blank=True, help_text='By which the register knows the request.', max_length=100)),
                ('registered_name', models.CharField(blank=True, max_length=300)),
                ('registered_address', models.CharField(blank=True, max_length=500)),
            ],
            options={
                'abstract': False,
                'verbose_name': 'check of a tax number',
                'verbose_name_plural': 'checks of tax numbers',
                'constraints': [
                    models.CheckConstraint(condition=models.Q(('status__in', ['waiting', 'blocked', 'done', 'failed'])), name='taxnumbercheck_status_is_known'),
                    models.CheckConstraint(condition=models.Q(models.Q(('blocked_reason__in', ['refused', 'exhausted', 'mismatch', 'changed']), ('status', 'blocked')), models.Q(models.Q(('status', 'blocked'), _negated=True), ('blocked_reason', '')), _connector='OR'), name='taxnumbercheck_is_blocked_for_a_reason'),
                    models.CheckConstraint(condition=models.Q(models.Q(('finished_at__isnull', True), ('status__in', ['waiting', 'blocked'])), models.Q(('finished_at__isnull', False), ('status__in', ['done', 'failed'])), _connector='OR'), name='taxnumbercheck_has_an_end_when_finished'),
                    models.CheckConstraint(condition=models.Q(models.Q(('lease_expires_at__isnull', True), ('lease_token__isnull', True)), models.Q(('lease_expires_at__isnull', False), ('lease_token__isnull', False)), _connector='OR'), name='taxnumbercheck_lease_is_whole'),
                    models.CheckConstraint(condition=models.Q(models.Q(('checked_at__isnull', True), ('source', ''), ('valid__isnull', True)), models.Q(('checked_at__isnull', False), ('source__in', ['vies', 'hand']), ('valid__isnull', False)), _connector='OR'), name='tax_number_check_has_an_answer_and_a_time'),
                    models.CheckConstraint(condition=models.Q(('number', models.Value('')), _negated=True), name='tax_number_is_there'),
                ],
                'indexes': [
                    models.Index(condition=models.Q(('status__in', ['waiting', 'blocked'])), fields=['next_attempt_at'], name='taxnumbercheck_unfinished'),
                ],
            },
        ),
        audited("billing_taxregistration", workspace=""),
        audited("billing_taxrate", workspace=""),
        audited("billing_taxnumbercheck", key="workspace_id", ignored=_WORK),
    ]

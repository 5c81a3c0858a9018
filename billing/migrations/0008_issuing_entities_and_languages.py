"""Issuing entities with their bank accounts and letterheads; languages of people and workspaces."""

import billing.colours
import billing.models.fields
import billing.models.issuers
import billing.models.rate_cards
import django.contrib.postgres.constraints
import django.contrib.postgres.fields
import django.core.validators
import django.db.models.deletion
import django.db.models.functions.comparison
import django.utils.timezone
import uuid
from django.db import migrations, models

from billing.migrations._audit import audited

# What was printed on a document says the same for ever.
_LETTERHEADS_STAY = """
CREATE FUNCTION billing_letterheads_stay() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION 'a letterhead never changes: documents were issued with it'
        USING ERRCODE = 'restrict_violation', TABLE = TG_TABLE_NAME;
END $$;
CREATE TRIGGER billing_letterheads_stay BEFORE UPDATE ON billing_letterhead
    FOR EACH ROW EXECUTE FUNCTION billing_letterheads_stay();
"""


class Migration(migrations.Migration):

    dependencies = [
        ('auth', '0012_alter_user_first_name_max_length'),
        ('billing', '0007_e_invoices'),
    ]

    operations = [
        migrations.CreateModel(
            name='IssuerBankAccount',
            fields=[
                ('id', models.UUIDField(default=uuid.uuid4, editable=False, primary_key=True, serialize=False)),
                ('currency', models.CharField(help_text='ISO 4217, as EUR.', max_length=3)),
                ('bank', billing.models.fields.LineField(blank=True, max_length=100)),
                ('iban', models.CharField(blank=True, max_length=34, validators=[django.core.validators.RegexValidator('\\A[A-Z]{2}[0-9]{2}[A-Z0-9]{10,30}\\Z', 'An IBAN, without spaces.')], verbose_name='IBAN')),
                ('bic', models.CharField(blank=True, max_length=11, validators=[django.core.validators.RegexValidator('\\A[A-Z]{4}[A-Z]{2}[A-Z0-9]{2}([A-Z0-9]{3})?\\Z', '8 or 11 characters.')], verbose_name='BIC')),
                ('account', billing.models.fields.LineField(blank=True, help_text='Where there is no IBAN: account, routing number, branch, as customers need it.', max_length=100)),
            ],
            options={
                'ordering': ['currency'],
            },
        ),
        migrations.CreateModel(
            name='IssuingEntity',
            fields=[
                ('id', models.UUIDField(default=uuid.uuid4, editable=False, primary_key=True, serialize=False)),
                ('code', models.CharField(help_text='Names it in settings, as in STRIPE_SECRET_KEY__DE, and in the API. Fixed.', max_length=12, unique=True, validators=[django.core.validators.RegexValidator('\\A[A-Z][A-Z0-9]{0,11}\\Z', 'A capital letter, then capitals or digits; 12.')])),
                ('series', models.CharField(help_text='How its numbers begin: invoices DE-2026-000001, credit notes DE-CN-2026-000001. Fixed.', max_length=12, unique=True, validators=[django.core.validators.RegexValidator('\\A[A-Z0-9-]{1,12}\\Z', '1 to 12 capital letters, digits or hyphens.')])),
                ('name', billing.models.fields.LineField(help_text="The company's full name, as registered.", max_length=200)),
                ('address_line1', billing.models.fields.LineField(max_length=200)),
                ('address_line2', billing.models.fields.LineField(blank=True, max_length=200)),
                ('address_postal_code', billing.models.fields.LineField(blank=True, max_length=20)),
                ('address_city', billing.models.fields.LineField(max_length=100)),
                ('address_state', billing.models.fields.LineField(blank=True, max_length=100)),
                ('address_country', models.CharField(help_text='ISO 3166, as DE.', max_length=2, validators=[billing.models.issuers._known_country])),
                ('tax_id', billing.models.fields.LineField(blank=True, help_text='Its VAT number, or whatever stands in its place.', max_length=40)),
                ('tax_number', billing.models.fields.LineField(blank=True, help_text='The number at its tax office, where it has another.', max_length=40)),
                ('register', billing.models.fields.LineField(blank=True, help_text='As Amtsgericht Charlottenburg, HRB 123456 B.', max_length=200)),
                ('directors', billing.models.fields.LineField(blank=True, help_text='As the law wants them named.', max_length=200)),
                ('contact_name', billing.models.fields.LineField(blank=True, max_length=100)),
                ('email', billing.models.fields.EmailAddressField(help_text='Whom documents tell to write to.', max_length=254)),
                ('phone', billing.models.fields.LineField(blank=True, max_length=40)),
                ('website', billing.models.fields.LineField(blank=True, max_length=200)),
                ('colour', models.CharField(default='#2f55d4', help_text='Of the bar and the links of its documents; dark enough to be read on white.', max_length=7, validators=[django.core.validators.RegexValidator('\\A#[0-9a-f]{6}\\Z', 'A colour as #2f55d4.'), billing.colours.readable_on_white])),
                ('logo', models.BinaryField(blank=True, default=b'')),
                ('logo_digest', models.CharField(blank=True, editable=False, max_length=64)),
                ('footer', models.TextField(blank=True, help_text='Small print at the foot of each page; three lines.', max_length=500)),
                ('legal_text', models.TextField(blank=True, help_text='Printed below the totals of every document.', max_length=1000)),
                ('custom_fields', django.contrib.postgres.fields.ArrayField(base_field=billing.models.fields.LineField(max_length=40), blank=True, default=list, help_text='What its customers may have printed besides their order number, separated by commas: Cost centre, Supplier number.', size=8)),
                ('created_at', models.DateTimeField(default=django.utils.timezone.now, editable=False)),
                ('updated_at', models.DateTimeField(auto_now=True)),
            ],
            options={
                'verbose_name_plural': 'issuing entities',
                'ordering': ['code'],
            },
        ),
        migrations.CreateModel(
            name='Letterhead',
            fields=[
                ('digest', models.CharField(editable=False, max_length=64, primary_key=True, serialize=False)),
                ('facts', models.JSONField()),
                ('logo', models.BinaryField(blank=True, default=b'')),
                ('created_at', models.DateTimeField(default=django.utils.timezone.now, editable=False)),
            ],
        ),
        migrations.RemoveConstraint(
            model_name='taxregistration',
            name='one_tax_registration_per_place_and_day',
        ),
        migrations.RemoveConstraint(
            model_name='taxregistration',
            name='one_home_of_the_issuer_per_day',
        ),
        migrations.AddField(
            model_name='user',
            name='language',
            field=models.CharField(blank=True, choices=[('en', 'English'), ('de', 'Deutsch'), ('fr', 'Français'), ('es', 'Español'), ('ja', '日本語')], db_default='', default='', help_text="Of pages and of mails to this person. Empty: the browser's on pages, the workspace's in mails.", max_length=2),
        ),
        migrations.AddField(
            model_name='user',
            name='number_format',
            field=models.CharField(blank=True, choices=[('en', '1,234.56'), ('de', '1.234,56'), ('fr', '1\u202f234,56')], db_default='', default='', help_text='Of numbers on pages. Empty: as the language has it.', max_length=2),
        ),
        migrations.AddField(
            model_name='user',
            name='time_zone',
            field=models.CharField(blank=True, db_default='', default='', help_text="For times on pages. Empty: the workspace's.", max_length=64),
        ),
        migrations.AddField(
            model_name='workspace',
            name='custom_fields',
            field=models.JSONField(blank=True, db_default=models.Value({}, output_field=models.JSONField()), default=dict, help_text="Values of its issuing entity's custom fields, as invoices print them."),
        ),
        migrations.AddField(
            model_name='workspace',
            name='language',
            field=models.CharField(choices=[('en', 'English'), ('de', 'Deutsch'), ('fr', 'Français'), ('es', 'Español'), ('ja', '日本語')], db_default='en', default='en', help_text='Of its invoices and mails.', max_length=2),
        ),
        migrations.AddConstraint(
            model_name='user',
            constraint=models.CheckConstraint(condition=models.Q(('language__in', ['', 'en', 'de', 'fr', 'es', 'ja'])), name='user_language_is_known'),
        ),
        migrations.AddConstraint(
            model_name='user',
            constraint=models.CheckConstraint(condition=models.Q(('number_format__in', ['', 'en', 'de', 'fr'])), name='user_number_format_is_known'),
        ),
        migrations.AddConstraint(
            model_name='issuingentity',
            constraint=models.CheckConstraint(condition=models.Q(('code__regex', '^[A-Z][A-Z0-9]{0,11}$')), name='issuing_entity_code_is_plain'),
        ),
        migrations.AddConstraint(
            model_name='issuingentity',
            constraint=models.CheckConstraint(condition=models.Q(('series__regex', '^[A-Z0-9-]{1,12}$'), models.Q(('series__endswith', '-CN'), _negated=True)), name='issuing_entity_series_is_plain'),
        ),
        migrations.AddConstraint(
            model_name='issuingentity',
            constraint=models.CheckConstraint(condition=models.Q(('colour__regex', '^#[0-9a-f]{6}$')), name='issuing_entity_colour_is_hex'),
        ),
        migrations.AddConstraint(
            model_name='issuingentity',
            constraint=models.CheckConstraint(condition=models.Q(models.Q(('name', ''), _negated=True), ('address_country__regex', '^[A-Z]{2}$')), name='issuing_entity_has_a_name_and_a_country'),
        ),
        migrations.AddField(
            model_name='issuerbankaccount',
            name='entity',
            field=models.ForeignKey(on_delete=django.db.models.deletion.CASCADE, related_name='bank_accounts', to='billing.issuingentity'),
        ),
        migrations.AddField(
            model_name='billingperiod',
            name='issuing_entity',
            field=models.ForeignKey(blank=True, editable=False, help_text='Who invoices it. Empty: as the settings say.', null=True, on_delete=django.db.models.deletion.PROTECT, related_name='+', to='billing.issuingentity'),
        ),
        migrations.AddField(
            model_name='taxregistration',
            name='issuing_entity',
            field=models.ForeignKey(blank=True, help_text='Whose it is. Empty: of the issuer whom the settings name.', null=True, on_delete=django.db.models.deletion.PROTECT, related_name='tax_registrations', to='billing.issuingentity'),
        ),
        migrations.AddField(
            model_name='workspace',
            name='issuing_entity',
            field=models.ForeignKey(blank=True, help_text='Who invoices it, for periods opened from now on. Empty: as the settings say.', null=True, on_delete=django.db.models.deletion.PROTECT, related_name='workspaces', to='billing.issuingentity'),
        ),
        migrations.AddConstraint(
            model_name='taxregistration',
            constraint=django.contrib.postgres.constraints.ExclusionConstraint(expressions=[(billing.models.rate_cards.TextRange(models.Func(models.F('issuing_entity'), output_field=models.TextField(), template="COALESCE(%(expressions)s::text, '')"), 'country', 'region'), '&&'), (billing.models.rate_cards.DateRange('starts_on', 'ends_on'), '&&')], name='one_tax_registration_per_place_and_day'),
        ),
        migrations.AddConstraint(
            model_name='taxregistration',
            constraint=django.contrib.postgres.constraints.ExclusionConstraint(condition=models.Q(('is_home', True)), expressions=[(billing.models.rate_cards.TextRange(models.Func(models.F('issuing_entity'), output_field=models.TextField(), template="COALESCE(%(expressions)s::text, '')")), '&&'), (billing.models.rate_cards.DateRange('starts_on', 'ends_on'), '&&')], name='one_home_of_the_issuer_per_day'),
        ),
        migrations.AddConstraint(
            model_name='workspace',
            constraint=models.CheckConstraint(condition=models.Q(('language__in', ['en', 'de', 'fr', 'es', 'ja'])), name='workspace_language_is_known'),
        ),
        migrations.AddConstraint(
            model_name='issuerbankaccount',
            constraint=models.UniqueConstraint(fields=('entity', 'currency'), name='one_bank_account_per_entity_and_currency'),
        ),
        migrations.AddConstraint(
            model_name='issuerbankaccount',
            constraint=models.CheckConstraint(condition=models.Q(('currency__regex', '^[A-Z]{3}$'), models.Q(models.Q(('iban', ''), _negated=True), models.Q(('account', ''), _negated=True), _connector='OR')), name='bank_account_has_a_currency_and_a_number'),
        ),
        audited("billing_issuingentity", workspace="", ignored="logo updated_at"),
        audited("billing_issuerbankaccount", workspace=""),
        migrations.RunSQL(_LETTERHEADS_STAY, "DROP FUNCTION billing_letterheads_stay CASCADE;"),
    ]

"""Who issued a document, in which looks and which language."""

import django.db.models.deletion
from django.db import migrations, models


class Migration(migrations.Migration):

    dependencies = [
        ('billing', '0008_issuing_entities_and_languages'),
        ('invoices', '0003_e_invoices'),
    ]

    operations = [
        migrations.AddField(
            model_name='creditnote',
            name='letterhead',
            field=models.ForeignKey(blank=True, db_index=False, editable=False, help_text='Who issued it, as of that day.', null=True, on_delete=django.db.models.deletion.PROTECT, related_name='+', to='billing.letterhead'),
        ),
        migrations.AddField(
            model_name='invoice',
            name='custom_fields',
            field=models.JSONField(blank=True, db_default=models.Value([], output_field=models.JSONField()), default=list),
        ),
        migrations.AddField(
            model_name='invoice',
            name='issuing_entity',
            field=models.ForeignKey(blank=True, help_text='Empty: the issuer whom the settings name.', null=True, on_delete=django.db.models.deletion.PROTECT, related_name='invoices', to='billing.issuingentity'),
        ),
        migrations.AddField(
            model_name='invoice',
            name='language',
            field=models.CharField(choices=[('en', 'English'), ('de', 'Deutsch'), ('fr', 'Français'), ('es', 'Español'), ('ja', '日本語')], db_default='en', default='en', max_length=2),
        ),
        migrations.AddField(
            model_name='invoice',
            name='letterhead',
            field=models.ForeignKey(blank=True, db_index=False, editable=False, null=True, on_delete=django.db.models.deletion.PROTECT, related_name='+', to='billing.letterhead'),
        ),
        migrations.AddField(
            model_name='invoice',
            name='order_number',
            field=models.CharField(blank=True, db_default='', default='', max_length=100),
        ),
        migrations.AddConstraint(
            model_name='invoice',
            constraint=models.CheckConstraint(condition=models.Q(('language__in', ['en', 'de', 'fr', 'es', 'ja'])), name='invoice_language_is_known'),
        ),
    ]

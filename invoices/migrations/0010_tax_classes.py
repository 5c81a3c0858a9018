"""Items say what they are to the tax office."""

from django.db import migrations, models


class Migration(migrations.Migration):

    dependencies = [
        ('invoices', '0009_kinds_net_and_tax'),
    ]

    operations = [
        migrations.AddField(
            model_name='invoiceitem',
            name='tax_class',
            field=models.CharField(blank=True, db_default='', help_text='What it is to the tax office; empty: as everything else of the workspace.', max_length=32),
        ),
    ]

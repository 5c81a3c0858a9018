"""Items say what prices of the whole period added to their records' list prices."""

from decimal import Decimal
from django.db import migrations, models


class Migration(migrations.Migration):

    dependencies = [
        ('invoices', '0006_kinds_of_charges'),
    ]

    operations = [
        migrations.AddField(
            model_name='invoiceitem',
            name='adjustment',
            field=models.DecimalField(db_default=Decimal('0'), decimal_places=10, default=Decimal('0'), help_text="How much of the exact amount the whole period's prices added to the records'.", max_digits=38),
        ),
        migrations.AddField(
            model_name='invoiceitem',
            name='meters',
            field=models.JSONField(blank=True, default=list),
        ),
        migrations.AddConstraint(
            model_name='invoiceitem',
            constraint=models.CheckConstraint(condition=models.Q(('adjustment', 0), ('kind__in', ['usage', 'late_usage']), _connector='OR'), name='only_usage_is_adjusted'),
        ),
    ]

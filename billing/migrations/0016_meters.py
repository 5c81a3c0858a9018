"""Periods say whether they have prices of the whole period, and what these added."""

from decimal import Decimal
from django.db import migrations, models

# That a period has meters is no change of terms: it goes without an entry in the audit log.
_AUDITED = """
DROP TRIGGER changes_are_audited ON billing_billingperiod;
CREATE TRIGGER changes_are_audited AFTER UPDATE OR DELETE ON billing_billingperiod FOR EACH ROW
    EXECUTE FUNCTION billing_audit('workspace_id', 'id', '{ignored}', '');
"""


class Migration(migrations.Migration):

    dependencies = [
        ('billing', '0015_invitations'),
    ]

    operations = [
        migrations.AddField(
            model_name='billingperiod',
            name='adjustment',
            field=models.DecimalField(db_default=Decimal('0'), decimal_places=10, default=Decimal('0'), help_text="How much of the subtotal tiers, packages and included units added to the records' list prices; mostly negative.", max_digits=38),
        ),
        migrations.AddField(
            model_name='billingperiod',
            name='has_meters',
            field=models.BooleanField(db_default=False, default=False, editable=False),
        ),
        migrations.AddConstraint(
            model_name='billingperiod',
            constraint=models.CheckConstraint(condition=models.Q(('adjustment', 0), ('has_meters', True), _connector='OR'), name='only_a_period_with_meters_is_adjusted'),
        ),
        migrations.RunSQL(
            _AUDITED.format(ignored="has_meters"), _AUDITED.format(ignored="")
        ),
    ]

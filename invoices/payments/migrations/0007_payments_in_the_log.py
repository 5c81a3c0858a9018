"""What Stripe told of money has its birth in the audit log, so that the proof can hold it to it."""

from django.db import migrations

from billing.migrations._audit import LATER, audited

_before_entries = audited("payments_paymententry", LATER, workspace="", ignored="updated_at")
_before_chargebacks = audited("payments_chargeback", LATER)


class Migration(migrations.Migration):
    dependencies = [("payments", "0006_taken_back")]

    operations = [
        migrations.RunSQL(_before_entries.reverse_sql, _before_entries.sql),
        audited("payments_paymententry", workspace="", ignored="updated_at"),
        migrations.RunSQL(_before_chargebacks.reverse_sql, _before_chargebacks.sql),
        audited("payments_chargeback"),
    ]

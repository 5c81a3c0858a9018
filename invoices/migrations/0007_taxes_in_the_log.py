"""The tax of an invoice has its birth in the audit log, so that the proof can hold it to it."""

from django.db import migrations

from billing.migrations._audit import LATER, audited

_TABLE = "invoices_invoicetax"
_before = audited(_TABLE, LATER, workspace="")


class Migration(migrations.Migration):
    dependencies = [("invoices", "0006_taken_back")]

    operations = [
        migrations.RunSQL(_before.reverse_sql, _before.sql),
        audited(_TABLE, workspace=""),
    ]

"""A period has its birth in the audit log, so that the proof can hold its tier and its days to it
while it still runs."""

from django.db import migrations

from billing.migrations._audit import LATER, audited

_TABLE = "billing_billingperiod"
_IGNORED = "has_meters"
_before = audited(_TABLE, LATER, ignored=_IGNORED)


class Migration(migrations.Migration):
    dependencies = [("billing", "0018_us_registrations")]

    operations = [
        migrations.RunSQL(_before.reverse_sql, _before.sql),
        audited(_TABLE, ignored=_IGNORED),
    ]

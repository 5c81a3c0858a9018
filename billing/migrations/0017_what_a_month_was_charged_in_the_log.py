"""What a closed month was charged has its birth in the audit log, which keeps digests of what is
too long for it or names people; so that the proof can hold rows to it."""

from importlib import import_module

from django.db import migrations

from billing.migrations._audit import audited

# As a new database has it.
_functions = import_module("billing.migrations.0002_audit_log").AUDIT


class Migration(migrations.Migration):
    dependencies = [("billing", "0016_budgets")]

    operations = [
        migrations.RunSQL(_functions, migrations.RunSQL.noop),
        audited("billing_periodcharge", workspace=""),
    ]

"""Lines and taxes of invoices, and payments, are in the audit log when they are changed.

That they are written is nobody's act: the close and Stripe's events do it, and an invoice's own entry
names it.
"""

from django.db import migrations

# Table: columns ignored.
_TABLES = {
    "invoices_invoiceitem": "",
    "invoices_invoicetax": "",
    "payments_paymententry": "updated_at",
    "payments_paymentallocation": "",
}
_PUT = "\n".join(
    f"CREATE TRIGGER changes_are_audited AFTER UPDATE OR DELETE ON {table} FOR EACH ROW"
    f" EXECUTE FUNCTION billing_audit('', 'id', '{ignored}', '');"
    for table, ignored in _TABLES.items()
)
_TAKE_OFF = "\n".join(f"DROP TRIGGER changes_are_audited ON {table};" for table in _TABLES)


class Migration(migrations.Migration):
    dependencies = [
        ("payments", "0004_sums_of_payments"),
        ("billing", "0008_audit_log"),
        ("invoices", "0009_kinds_net_and_tax"),
    ]

    operations = [migrations.RunSQL(_PUT, _TAKE_OFF)]

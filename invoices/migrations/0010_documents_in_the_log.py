"""What documents rest on has its birth in the audit log, so that the proof can hold it to it."""

from django.db import migrations

from billing.migrations._audit import audited


class Migration(migrations.Migration):
    dependencies = [
        ("billing", "0017_what_a_month_was_charged_in_the_log"),
        ("invoices", "0009_invoices_by_time"),
    ]

    operations = [
        audited(
            "invoices_taxdecision",
            workspace="",
            key="invoice_id",
            digested="why supplier_tax_number customer_tax_number evidence",
        ),
        audited("invoices_creditnoteitem", workspace=""),
        audited("invoices_creditnotetax", workspace=""),
        audited("invoices_einvoice", digested="parties xml"),
        audited(
            "invoices_trialinvoice", workspace="", ignored="made_at", digested="snapshot changes"
        ),
    ]

"""Changes of invoices are in the audit log too."""

from django.db import migrations


class Migration(migrations.Migration):
    dependencies = [("billing", "0008_audit_log"), ("invoices", "0002_void_and_reissue")]

    operations = [
        migrations.RunSQL(
            """
            CREATE TRIGGER changes_are_audited
                AFTER INSERT OR UPDATE OR DELETE ON invoices_invoice FOR EACH ROW
                EXECUTE FUNCTION billing_audit('workspace_id', 'id', 'updated_at', '');
            """,
            "DROP TRIGGER changes_are_audited ON invoices_invoice;",
        ),
    ]

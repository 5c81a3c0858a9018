"""A customer in Stripe belongs to an account, and a workspace may have one in each of several.

Until now there was one account, and a customer had its workspace's key: those keep it.
"""

import uuid

import django.db.models.deletion
from django.db import migrations, models

import billing.models.fields

_ACCOUNT = billing.models.fields.StripeAccountField(
    db_default="default",
    default="default",
    editable=False,
    max_length=32,
    verbose_name="Stripe account",
)
_TABLE = "payments_stripecustomer"


class Migration(migrations.Migration):
    dependencies = [
        ("billing", "0020_stripe_accounts_of_issuers"),
        ("payments", "0012_evidence_files_and_awaited_decisions"),
    ]

    operations = [
        migrations.AddField("difference", "account", _ACCOUNT.clone()),
        migrations.AddField("handledevent", "account", _ACCOUNT.clone()),
        migrations.AddField("stripecustomer", "account", _ACCOUNT.clone()),
        migrations.SeparateDatabaseAndState(
            database_operations=[
                migrations.RunSQL(
                    f"ALTER TABLE {_TABLE} ADD COLUMN id uuid;"
                    f"UPDATE {_TABLE} SET id = workspace_id;"
                    f"ALTER TABLE {_TABLE} ALTER COLUMN id SET NOT NULL,"
                    f" DROP CONSTRAINT {_TABLE}_pkey, ADD CONSTRAINT {_TABLE}_pkey PRIMARY KEY (id);",
                    f"ALTER TABLE {_TABLE} DROP CONSTRAINT {_TABLE}_pkey, DROP COLUMN id,"
                    f" ADD CONSTRAINT {_TABLE}_pkey PRIMARY KEY (workspace_id);",
                )
            ],
            state_operations=[
                migrations.AlterField(
                    "stripecustomer",
                    "workspace",
                    models.ForeignKey(
                        db_index=False,
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="stripe_customers",
                        to="billing.workspace",
                    ),
                ),
                migrations.AddField(
                    "stripecustomer",
                    "id",
                    models.UUIDField(
                        default=uuid.uuid4, editable=False, primary_key=True, serialize=False
                    ),
                ),
            ],
        ),
        migrations.AddConstraint(
            model_name="stripecustomer",
            constraint=models.UniqueConstraint(
                fields=("workspace", "account"), name="one_customer_per_workspace_and_account"
            ),
        ),
        migrations.AddConstraint(
            model_name="stripecustomer",
            constraint=models.CheckConstraint(
                condition=models.Q(("account__regex", "^[a-z][a-z0-9_]{0,31}$")),
                name="customer_names_a_stripe_account",
            ),
        ),
    ]

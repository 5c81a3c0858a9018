"""An invoice and a card belong to a Stripe account for good; until now there was one.

A workspace that has come to another account has a card in each, so a card has a key of its own:
those that are there keep their workspace's.
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
_TABLE = "invoices_paymentmethod"


class Migration(migrations.Migration):
    dependencies = [
        ("billing", "0020_stripe_accounts_of_issuers"),
        ("invoices", "0013_decisions_asked_in_the_history"),
    ]

    operations = [
        migrations.AddField("invoice", "stripe_account", _ACCOUNT.clone()),
        migrations.AddConstraint(
            model_name="invoice",
            constraint=models.CheckConstraint(
                condition=models.Q(("stripe_account__regex", "^[a-z][a-z0-9_]{0,31}$")),
                name="invoice_names_a_stripe_account",
            ),
        ),
        migrations.AddField("paymentmethod", "stripe_account", _ACCOUNT.clone()),
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
                    "paymentmethod",
                    "workspace",
                    models.ForeignKey(
                        db_index=False,
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="payment_methods",
                        to="billing.workspace",
                    ),
                ),
                migrations.AddField(
                    "paymentmethod",
                    "id",
                    models.UUIDField(
                        default=uuid.uuid4, editable=False, primary_key=True, serialize=False
                    ),
                ),
            ],
        ),
        migrations.AddConstraint(
            model_name="paymentmethod",
            constraint=models.UniqueConstraint(
                fields=("workspace", "stripe_account"), name="one_payment_method_per_account"
            ),
        ),
        migrations.AddConstraint(
            model_name="paymentmethod",
            constraint=models.CheckConstraint(
                condition=models.Q(("stripe_account__regex", "^[a-z][a-z0-9_]{0,31}$")),
                name="payment_method_names_a_stripe_account",
            ),
        ),
    ]

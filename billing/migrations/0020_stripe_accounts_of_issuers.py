"""An issuing entity names the Stripe account that collects for it: until now there was one."""

from django.db import migrations, models

import billing.models.fields
from billing.models.issuers import CODE


class Migration(migrations.Migration):
    dependencies = [("billing", "0019_births_of_periods_in_the_log")]

    operations = [
        migrations.AddField(
            model_name="issuingentity",
            name="stripe_account",
            field=billing.models.fields.StripeAccountField(
                db_default="default",
                default="default",
                help_text="Where its customers' cards are charged; accounts and their keys are in the settings. What it has issued stays in the account it was issued for.",
                max_length=32,
                verbose_name="Stripe account",
            ),
        ),
        migrations.AlterField(
            model_name="issuingentity",
            name="code",
            field=models.CharField(
                help_text="Names it in the API and in file names, as DE. Fixed.",
                max_length=12,
                unique=True,
                validators=[CODE],
            ),
        ),
        migrations.AddConstraint(
            model_name="issuingentity",
            constraint=models.CheckConstraint(
                condition=models.Q(("stripe_account__regex", "^[a-z][a-z0-9_]{0,31}$")),
                name="issuing_entity_names_a_stripe_account",
            ),
        ),
    ]

"""Rollups by rate, and what records say of agent, model and currency."""

from typing import ClassVar

import django.db.models.deletion
from django.db import migrations, models

# Usage that was priced by rates is rolled up anew, by rate; all of it in slot 0, as a repair does.
ROLL_UP = """
SET CONSTRAINTS ALL IMMEDIATE;
UPDATE usage_usagerollup SET billed_quantity = quantity;
CREATE TEMPORARY TABLE rated ON COMMIT DROP AS
SELECT DISTINCT workspace_id, billing_period_id FROM usage_usagerecord WHERE rate_id IS NOT NULL;
DELETE FROM usage_usagerollup WHERE billing_period_id IN (SELECT billing_period_id FROM rated);
INSERT INTO usage_usagerollup (
    workspace_id, billing_period_id, slot, usage_date, resource_type, provider, rate_id, records,
    quantity, billed_quantity, total_cost, final_cost)
SELECT workspace_id, billing_period_id, 0, usage_date, resource_type, provider, rate_id, count(*),
       sum(quantity), sum(coalesce(billed_quantity, quantity)), sum(total_cost), sum(final_cost)
  FROM usage_usagerecord
  JOIN rated USING (workspace_id, billing_period_id)
 GROUP BY 1, 2, 4, 5, 6, 7;
"""


class Migration(migrations.Migration):
    dependencies: ClassVar = [("usage", "0010_timed_calls")]

    operations: ClassVar = [
        migrations.AddField(
            "usagerecord",
            "agent",
            models.ForeignKey(
                db_constraint=False,
                db_index=False,
                null=True,
                on_delete=django.db.models.deletion.DO_NOTHING,
                related_name="usage_records",
                to="usage.voiceagent",
            ),
        ),
        migrations.AddField(
            "usagerecord",
            "model",
            models.CharField(
                help_text="Of language, voice or speech, as the provider calls it",
                max_length=64,
                null=True,
            ),
        ),
        migrations.AddField(
            "usagerecord", "cost_currency", models.CharField(max_length=3, null=True)
        ),
        migrations.AddField(
            "usagerecord",
            "exchange_rate",
            models.DecimalField(decimal_places=12, max_digits=20, null=True),
        ),
        migrations.AddField("usagerecord", "cost_state", models.CharField(max_length=9, null=True)),
        migrations.AddConstraint(
            "usagerecord",
            models.CheckConstraint(
                condition=models.Q(
                    ("cost_currency__isnull", True), ("exchange_rate__isnull", True)
                )
                | models.Q(("cost_currency__isnull", False), ("exchange_rate__gt", 0)),
                name="another_currency_has_its_rate",
            ),
        ),
        migrations.AddConstraint(
            "usagerecord",
            models.CheckConstraint(
                condition=models.Q(("cost_state", "estimated")), name="a_cost_is_estimated_or_final"
            ),
        ),
        migrations.RemoveConstraint("usagerollup", "one_rollup_per_day_and_kind"),
        migrations.AddField("usagerollup", "rate_id", models.UUIDField(null=True)),
        migrations.AddField(
            "usagerollup",
            "billed_quantity",
            models.DecimalField(decimal_places=6, max_digits=28, null=True),
        ),
        migrations.RunSQL(ROLL_UP, migrations.RunSQL.noop),
        migrations.AlterField(
            "usagerollup",
            "billed_quantity",
            models.DecimalField(decimal_places=6, max_digits=28),
        ),
        migrations.AddConstraint(
            "usagerollup",
            models.UniqueConstraint(
                fields=(
                    "billing_period",
                    "slot",
                    "usage_date",
                    "resource_type",
                    "provider",
                    "rate_id",
                ),
                name="one_rollup_per_day_and_kind",
                nulls_distinct=False,
            ),
        ),
    ]

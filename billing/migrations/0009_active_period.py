"""Which billing period counts: the open one that usage of a moment enters."""

import django.db.models
from django.db import migrations

# One row or none. An open period that holds the moment; where that month is closed already, early
# or because its time has come, the earliest that is open takes its usage (`PricingTerms.period_day` says the
# same for each record). Inlined into the statements that call it: index look-ups of one workspace.
CREATE = """
CREATE FUNCTION billing_active_period(workspace uuid, at timestamptz) RETURNS SETOF uuid
LANGUAGE sql STABLE PARALLEL SAFE AS $$
    SELECT open.id
      FROM billing_billingperiod AS open
     WHERE open.workspace_id = $1 AND open.status = 'current'
       AND (open.period_start <= $2 AND open.period_end > $2
            OR EXISTS (SELECT FROM billing_billingperiod AS closed
                        WHERE closed.workspace_id = $1 AND closed.status <> 'current'
                          AND closed.period_end > $2))
     ORDER BY open.period_start <= $2 AND open.period_end > $2 DESC, open.period_start
     LIMIT 1
$$;
"""


class Migration(migrations.Migration):
    dependencies = [("billing", "0008_audit_log")]

    operations = [
        migrations.AddIndex(
            model_name="billingperiod",
            index=django.db.models.Index(
                fields=["workspace", "period_start"],
                condition=django.db.models.Q(status="current"),
                name="open_periods_of_workspace",
            ),
        ),
        migrations.RunSQL(CREATE, "DROP FUNCTION billing_active_period(uuid, timestamptz);"),
    ]

"""Counts the calls whose duration is known, so that unknown ones are no part of an average."""

from typing import ClassVar

from django.db import migrations, models

COUNT = """
UPDATE usage_callrollup AS rollup SET timed_calls = known.calls
  FROM (SELECT workspace_id, local_date, local_hour, provider, status, direction, count(*) AS calls
          FROM usage_call
         WHERE duration_seconds IS NOT NULL AND status <> 'in_progress'
         GROUP BY 1, 2, 3, 4, 5, 6) AS known
 WHERE (rollup.workspace_id, rollup.local_date, rollup.local_hour, rollup.provider, rollup.status,
        rollup.direction)
     = (known.workspace_id, known.local_date, known.local_hour, known.provider, known.status,
        known.direction)
"""


class Migration(migrations.Migration):
    dependencies: ClassVar = [("usage", "0009_keys_by_workspace")]

    operations: ClassVar = [
        migrations.AddField(
            "callrollup", "timed_calls", models.BigIntegerField(default=0)
        ),
        migrations.RunSQL(COUNT, migrations.RunSQL.noop),
        migrations.RemoveConstraint("callrollup", "call_rollup_not_negative"),
        migrations.AddConstraint(
            "callrollup",
            models.CheckConstraint(
                condition=models.Q(calls__gte=0, timed_calls__gte=0, duration_seconds__gte=0),
                name="call_rollup_not_negative",
            ),
        ),
        migrations.AddConstraint(
            "callrollup",
            models.CheckConstraint(
                condition=models.Q(timed_calls__lte=models.F("calls")),
                name="call_rollup_times_no_more_than_its_calls",
            ),
        ),
    ]

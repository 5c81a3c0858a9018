"""Rollups of calls have a row for each day, with the day's hours in it, for one an hour."""

import django.contrib.postgres.fields
import usage.models.calls
from django.db import migrations, models


# In this order: rows that were written hold off whatever changes the table after them. The hours of
# a kind that add up to more than an integer cannot be: they are calls that started in one hour.
_HOURS = ", ".join(
    f"coalesce(sum(calls) FILTER (WHERE local_hour = {hour}), 0)::int" for hour in range(24)
)
TAKE_OUT = f"""
LOCK TABLE usage_callrollup IN ACCESS EXCLUSIVE MODE;
CREATE TEMPORARY TABLE calls_by_day ON COMMIT DROP AS
SELECT workspace_id, local_date, provider, status, direction, sum(calls)::bigint AS calls,
       sum(timed_calls)::bigint AS timed_calls, sum(duration_seconds) AS duration_seconds,
       ARRAY[{_HOURS}] AS by_hour
  FROM usage_callrollup
 GROUP BY workspace_id, local_date, provider, status, direction;
TRUNCATE usage_callrollup;
"""  # noqa: S608
PUT_BACK = """
INSERT INTO usage_callrollup (workspace_id, local_date, provider, status, direction, calls,
                              timed_calls, duration_seconds, by_hour)
SELECT workspace_id, local_date, provider, status, direction, calls, timed_calls, duration_seconds,
       by_hour
  FROM calls_by_day ORDER BY local_date, workspace_id, provider, status, direction;
"""


class Migration(migrations.Migration):

    dependencies = [
        ('usage', '0007_budget_tests_and_opt_outs'),
    ]

    operations = [
        migrations.RunSQL(TAKE_OUT),
        migrations.RemoveConstraint(
            model_name='callrollup',
            name='one_call_rollup_per_hour_and_kind',
        ),
        migrations.RemoveField(
            model_name='callrollup',
            name='local_hour',
        ),
        migrations.AddField(
            model_name='callrollup',
            name='by_hour',
            field=django.contrib.postgres.fields.ArrayField(base_field=models.IntegerField(), default=usage.models.calls.no_calls, size=None),
        ),
        migrations.AddConstraint(
            model_name='callrollup',
            constraint=models.UniqueConstraint(fields=('workspace', 'local_date', 'provider', 'status', 'direction'), name='one_call_rollup_per_day_and_kind'),
        ),
        migrations.AddConstraint(
            model_name='callrollup',
            constraint=models.CheckConstraint(condition=models.Q(('by_hour__len', 24)), name='call_rollup_has_the_hours_of_a_day'),
        ),
        migrations.RunSQL(PUT_BACK),
    ]

"""Every key of usage records begins with the workspace, so that they can be partitioned by it."""

from django.db import migrations, models

# Django keeps `id` as its primary key: a record's id is made from its workspace and is unique over
# all of them. The database's key says the same of each workspace, and leads with it.
TO_WORKSPACE_AND_ID = """
ALTER TABLE usage_usagerecord DROP CONSTRAINT usage_usagerecord_pkey;
ALTER TABLE usage_usagerecord ADD CONSTRAINT usage_usagerecord_pkey PRIMARY KEY (workspace_id, id);
"""
TO_ID = """
ALTER TABLE usage_usagerecord DROP CONSTRAINT usage_usagerecord_pkey;
ALTER TABLE usage_usagerecord ADD CONSTRAINT usage_usagerecord_pkey PRIMARY KEY (id);
"""


class Migration(migrations.Migration):
    dependencies = [("usage", "0008_prices_of_records")]

    operations = [
        migrations.RunSQL(TO_WORKSPACE_AND_ID, TO_ID),
        migrations.RemoveConstraint(model_name="usagerecord", name="one_reversal_per_record"),
        migrations.AddConstraint(
            model_name="usagerecord",
            constraint=models.UniqueConstraint(
                fields=("workspace", "reverses"),
                condition=models.Q(("reverses__isnull", False)),
                name="one_reversal_per_record",
            ),
        ),
        migrations.RemoveIndex(model_name="usagerecord", name="usage_of_call"),
        migrations.AddIndex(
            model_name="usagerecord",
            index=models.Index(
                fields=["workspace", "call"],
                condition=models.Q(("call__isnull", False)),
                name="usage_of_call",
            ),
        ),
    ]

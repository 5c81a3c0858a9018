"""How a write of usage refuses itself when a limit has to be looked at with it."""

from django.db import migrations

CREATE = """
CREATE FUNCTION usage_limits_are_near(periods uuid[]) RETURNS integer LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION 'limits have to be checked with this write'
        USING ERRCODE = 'UB002', DETAIL = periods::text;
END $$;
"""


class Migration(migrations.Migration):
    dependencies = [("usage", "0004_terms_have_changed"), ("billing", "0003_checked_up_to")]

    operations = [migrations.RunSQL(CREATE, "DROP FUNCTION usage_limits_are_near(uuid[]);")]

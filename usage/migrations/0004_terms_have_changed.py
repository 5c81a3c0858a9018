"""How a write of usage refuses itself when what it was priced by has changed."""

from django.db import migrations

# A statement of its own has no other way to undo itself as a whole than to raise.
CREATE = """
CREATE FUNCTION usage_terms_have_changed() RETURNS integer LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION 'prices or periods have changed since they were read'
        USING ERRCODE = 'UB001';
END $$;
"""


class Migration(migrations.Migration):
    dependencies = [("usage", "0003_wide_sums")]

    operations = [migrations.RunSQL(CREATE, "DROP FUNCTION usage_terms_have_changed();")]

"""The tests on a cluster of Citus: in the database that `CITUS_DATABASE_URL` names.

A copy of a migrated database, which other tests get, would know no workers. So the named one is
migrated, its usage records are distributed, and it stays for the next run; its name must begin
with `test_`, since tests empty it. docs/scaling.md has the commands.
"""

from django.core.management import call_command
from django.db import connection

from usage.services.distribution import distribute_records

_SHARDS = 8


def distribute_test_database() -> None:
    """Migrate it and distribute its records. Tests may empty its shards: what they set for that is
    told to the workers."""
    call_command("migrate", verbosity=0)
    with connection.cursor() as cursor:
        name = connection.ops.quote_name(connection.settings_dict["NAME"])
        cursor.execute(f"ALTER DATABASE {name} SET citus.propagate_set_commands = 'local'")
    distribute_records(shards=_SHARDS)
    connection.close()

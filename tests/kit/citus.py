"""The tests on a cluster of Citus: in the database that `CITUS_DATABASE_URL` names.

A copy of a migrated database, which other tests get, would know no workers. So the named one is
migrated, its usage records are distributed, and it stays for the next run; its name must begin
with `test_`, since tests empty it. docs/scaling.md has the commands.
"""

import pytest
from django.core.management import call_command
from django.db import connection

from tests.kit.database.built_in import add_built_in_rows
from usage.services.distribution import distribute_records

_SHARDS = 8
# Tests, by the beginnings of their ids, that are of one server alone.
_OF_ONE_SERVER = {
    "tests/usage/test_recording.py::test_the_database_refuses_records_in_a_closed_period": (
        "a shard does not know periods (docs/scaling.md)"
    ),
    "tests/usage/test_partitioning.py": "what is distributed is not partitioned",
    "tests/usage/test_records_can_be_divided.py::test_whoever_looks_at_one_workspace": (
        "what is distributed is not partitioned"
    ),
    "tests/usage/test_crashes.py": "kills a server that it has started itself",
    "tests/usage/test_failover.py": "kills a server that it has started itself",
    "tests/flows/test_restore.py::test_a_restored_month": (
        "restores into a server that it has started itself"
    ),
    "tests/invoices/payments/test_proof.py::test_whatever_is_changed_by_force": (
        "a shard refuses how the test falsifies its records"
    ),
}


def leave_out_tests_of_one_server(items: list[pytest.Item]) -> None:
    for item in items:
        for beginning, reason in _OF_ONE_SERVER.items():
            if item.nodeid.startswith(beginning):
                item.add_marker(pytest.mark.skip(reason=reason))


def distribute_test_database() -> None:
    """Migrate it and distribute its records. Tests may empty its shards: what they set for that is
    told to the workers."""
    call_command("migrate", verbosity=0)
    add_built_in_rows()
    with connection.cursor() as cursor:
        name = connection.ops.quote_name(connection.settings_dict["NAME"])
        cursor.execute(f"ALTER DATABASE {name} SET citus.propagate_set_commands = 'local'")
    distribute_records(shards=_SHARDS)
    connection.close()
    # Those of the pool were opened before the setting was.
    connection.close_pool()

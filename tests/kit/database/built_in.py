"""The rows of every installation, which tests find in their databases, and keep.

Made for each test, they took a tenth of its time. A schema beside Django's holds a copy, from which
they come back after a test that commits.
"""

from pathlib import Path

from django.core.management import call_command
from django.db import connection

_BILLING = Path(__file__).parents[3] / "billing"
# What the rows come from.
SOURCES = (
    Path(__file__),
    *sorted((_BILLING / "data").glob("*.csv")),
    *(_BILLING / "services" / f"{name}.py" for name in ("builtins", "staff", "tax_rates")),
)
# The same for ever; Django would make them anew after each flush (`tests/conftest.py`).
UNTOUCHED = {"auth_permission", "django_content_type"}
_SCHEMA = "built_in"


def add_built_in_rows() -> None:
    """To a migrated database."""
    call_command("ensure_builtins", verbosity=0)
    quote = connection.ops.quote_name
    with connection.cursor() as cursor:
        cursor.execute(f"DROP SCHEMA IF EXISTS {_SCHEMA} CASCADE")
        cursor.execute(f"CREATE SCHEMA {_SCHEMA}")
        for table in connection.introspection.django_table_names(only_existing=True):
            cursor.execute(f"SELECT EXISTS (SELECT 1 FROM {quote(table)})")
            if cursor.fetchone() == (True,) and table not in UNTOUCHED:
                cursor.execute(f"CREATE TABLE {_copy(table)} AS TABLE {quote(table)}")


def tables_with_built_in_rows() -> set[str]:
    with connection.cursor() as cursor:
        cursor.execute("SELECT tablename FROM pg_tables WHERE schemaname = %s", [_SCHEMA])
        return {name for (name,) in cursor.fetchall()}


def changed(table: str) -> str:
    """The condition that the table's rows are others than they were."""
    now, then = connection.ops.quote_name(table), _copy(table)
    return f"EXISTS (TABLE {now} EXCEPT TABLE {then}) OR EXISTS (TABLE {then} EXCEPT TABLE {now})"


def come_back(table: str) -> str:
    """The statement that brings them back into the emptied table."""
    return f"INSERT INTO {connection.ops.quote_name(table)} TABLE {_copy(table)}"


def _copy(table: str) -> str:
    return f"{_SCHEMA}.{connection.ops.quote_name(table)}"

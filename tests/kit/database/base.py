"""PostgreSQL for the tests: databases that are copies, and of which little is emptied.

A test database is what its template is (`tests.kit.template_database`): nothing is migrated in it
again, which would make all models anew only to find that nothing is to do.

After a test that commits, only what it wrote to is emptied. Django truncates every table, and
PostgreSQL makes new files for each with all its indexes: 114 tables cost more than most tests do.
Rows are deleted from the few tables that have any, past triggers and foreign keys. Where the role
may not do so, tables that refuse deletion by a trigger are truncated, together with those that
refer to them. Built-in rows come back where they are others than they were.
"""

from collections.abc import Sequence
from typing import Any

from django.conf import settings
from django.db.backends.postgresql.creation import DatabaseCreation

from config.database import base
from tests.kit.database import built_in

_GUARDED = """
    WITH RECURSIVE truncated (id) AS (
        SELECT tgrelid FROM pg_trigger
         WHERE NOT tgisinternal AND (tgtype & 8) <> 0 AND tgrelid = ANY(%s::regclass[])
         UNION
        SELECT conrelid FROM pg_constraint JOIN truncated ON confrelid = id WHERE contype = 'f'
    )
    SELECT relname FROM truncated JOIN pg_class ON pg_class.oid = id
"""


_MAY_PASS_TRIGGERS = "SELECT has_parameter_privilege('session_replication_role', 'SET')"


class Operations(base.DatabaseOperations):
    def sql_flush(
        self,
        style: Any,
        tables: Sequence[str],
        *,
        reset_sequences: bool = False,
        allow_cascade: bool = False,
    ) -> list[str]:
        if not tables or reset_sequences or allow_cascade:
            return super().sql_flush(
                style, tables, reset_sequences=reset_sequences, allow_cascade=allow_cascade
            )
        quote = self.quote_name
        had = built_in.tables_with_built_in_rows()
        conditions = {
            name: built_in.changed(name) if name in had else f"EXISTS (TABLE {quote(name)})"
            for name in tables
            if name not in built_in.UNTOUCHED
        }
        with self.connection.cursor() as cursor:
            cursor.execute(
                " UNION ALL ".join(
                    f"SELECT '{name}' WHERE {condition}" for name, condition in conditions.items()
                )
            )
            used = [name for (name,) in cursor.fetchall()]
            cursor.execute(_MAY_PASS_TRIGGERS)
            if cursor.fetchone() == (True,):
                guarded = []
                statements = ["SET LOCAL session_replication_role = replica"]
            else:
                cursor.execute(_GUARDED, [used])
                guarded = [name for (name,) in cursor.fetchall()]
                statements = [f"TRUNCATE {', '.join(map(quote, guarded))}"] if guarded else []
        statements += [f"DELETE FROM {quote(name)}" for name in used if name not in guarded]
        emptied = had.intersection([*used, *guarded])
        return statements + [built_in.come_back(name) for name in emptied]


class Creation(DatabaseCreation):
    def create_test_db(
        self,
        verbosity: int = 1,
        autoclobber: bool = False,
        serialize: bool | None = True,
        keepdb: bool = False,
    ) -> str:
        name = self._get_test_db_name()
        self._create_test_db(verbosity, autoclobber, keepdb)
        self.connection.close()
        settings.DATABASES[self.connection.alias]["NAME"] = name
        self.connection.settings_dict["NAME"] = name
        self.connection.ensure_connection()
        return name


class DatabaseWrapper(base.DatabaseWrapper):
    creation_class = Creation
    ops_class = Operations
